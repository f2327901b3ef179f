# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup from options to result: one run at a time with deployments, then look, decide, act."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._backup import (
    archive,
    collect,
    encrypt,
    retention,
    shelf,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import manifest as contents
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.config_keys import changed_keys
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.databases import Copier
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manifest import About, Manifest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.options import Request, wanted_from
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.unpack import Unpacker
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import Places
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.room import Size, need_space
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import remove_path
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    ManagedFile,
    ensure_directory,
    look_directory,
    read_bytes,
    vet_parents,
    write,
    write_large,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import regular
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import failures
from ansible_collections.openclaw.hardening.plugins.module_utils._system import progress
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import lock

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_SECRETS = "secrets"
_NO_KEY = "secrets and logins: the archive is not encrypted; set 'recipient'"
_NO_SECRETS = "secrets and logins: 'secrets' is false"
_VERSION_LABEL = "org.opencontainers.image.version"
_RECORDS = ("deployed.json", "image.json")


@dataclass
class BackupManager:
    """Makes, proves and unpacks backups of one deployment."""

    module: AnsibleModule
    wanted: Request

    @classmethod
    def of(cls, module: AnsibleModule) -> BackupManager:
        """Check every option before the world is looked at."""
        return cls(module, wanted_from(module.params))

    def run(self) -> dict[str, Any]:
        """Look, decide, act; never beside a deployment."""
        wanted = self.wanted
        vet_parents(f"{wanted.directory}/x")
        if self.module.check_mode:
            return self.predict()
        if wanted.state == "absent" and look_directory(wanted.record_dir) is None:
            return {"changed": False, "actions": []}
        ensure_directory(wanted.record_dir, 0o700, 0, 0)
        with lock(f"{wanted.record_dir}/deploy.lock", wanted.lock_timeout), progress.log("backup", wanted.project):
            act = {"present": self.make, "verified": self._verify, "unpacked": self._unpack, "absent": self._clear}
            return act[wanted.state]()

    def predict(self) -> dict[str, Any]:
        """Return what a run would do; refuse what it would refuse."""
        wanted = self.wanted
        if wanted.state == "present":
            self._need_state()
            self._need_room()
            there = [*shelf.found(wanted.directory, wanted.project), retention.Backup("new", "9", True)]
            pruned = retention.superfluous(there, wanted.keep)
            actions = [f"back up {wanted.state_dir}", *(f"remove {wanted.directory}/{name}" for name in pruned)]
            return {"changed": True, "actions": actions, "pruned": pruned}
        if wanted.state == "absent":
            there_is = os.path.lexists(wanted.unpacked)
            return {"changed": there_is, "actions": [f"remove {wanted.unpacked}"] if there_is else []}
        # Reading an archive changes nothing, and what it is cannot be known otherwise.
        result = self._verify()
        if wanted.state == "unpacked":
            result.update(changed=True, actions=[f"unpack {result['path']}"])
        return result

    # --- make ---------------------------------------------------------------------------------------------------------

    def _need_state(self) -> None:
        wanted = self.wanted
        if look_directory(wanted.state_dir) is None:
            raise HardeningError(wanted.state_dir, "nothing", "a state; deploy first (site.yml)", "state_dir")
        journal = deploy_journal.load(Places(wanted.record_dir))
        if journal is not None:
            found = f"a deployment that was cut off while {journal.phase}"
            needed = "one that is finished or undone; run the playbook that was cut off once more"
            raise HardeningError(wanted.record_dir, found, needed)

    def _need_room(self) -> None:
        """Refuse before anything is written: as much as the archive takes at most, and the largest database."""
        wanted = self.wanted
        size = collect.measure(wanted.state_dir, wanted.excludes)
        copies = size.database * (1 if wanted.with_secrets else 2)
        place = wanted.directory if look_directory(wanted.directory) else os.path.dirname(wanted.directory)
        while not os.path.isdir(place):
            place = os.path.dirname(place)
        need_space(place, Size(size.total + copies, 10), f"a backup of {wanted.state_dir}", "directory")

    def make(self) -> dict[str, Any]:
        """Make one backup; the caller holds the lock of the deployment."""
        wanted, began = self.wanted, time.monotonic()
        self._need_state()
        encrypt.need(wanted.to.kind)
        shelf.ensure(wanted.directory)
        self._need_room()
        name = shelf.new_name(wanted.directory, wanted.project, archive.suffix(wanted.to.kind), time.time())
        path = f"{wanted.directory}/{name}"
        progress.step("backing up the state")
        work = shelf.work(wanted.directory)
        made: dict[str, Any] = {}
        try:
            # A database whose owner is root is copied with the rights of the state's owner.
            owner = look_directory(wanted.state_dir)
            copier = Copier(work, (owner.uid, owner.gid) if owner else (0, 0), not wanted.with_secrets)

            def fill(handle: int) -> None:
                with encrypt.sealing(wanted.to, wanted.project) as sealed:
                    made["bytes"], made["sha256"] = archive.pack(
                        handle, path, sealed, wanted.timeout, lambda stream: made.update(self._fill(stream, copier))
                    )

            write_large(ManagedFile(path, b"", 0o600), fill, rf"{wanted.project}-.*")
        finally:
            shelf.clear_work(wanted.directory)
        about = made.pop("about")
        known = {**asdict(about), **made}
        known.pop("policy")
        shelf.save_record(path, known)
        for problem in about.problems:
            self.module.warn(f"not in the backup: {problem}")
        if _NO_KEY in about.left_out:
            self.module.warn(f"not in the backup: {_NO_KEY}")
        pruned = retention.superfluous(shelf.found(wanted.directory, wanted.project), wanted.keep)
        shelf.remove(wanted.directory, pruned)
        actions = [f"make {path}", *(f"remove {wanted.directory}/{name}" for name in pruned)]
        return {"changed": True, "actions": actions, "path": path, "pruned": pruned,
                "seconds": round(time.monotonic() - began, 2), **_reported(about), **made}  # fmt: skip

    def _fill(self, stream: IO[bytes], copier: Copier) -> dict[str, Any]:
        wanted = self.wanted
        collector = collect.Collector(stream, copier, wanted.with_secrets)
        collector.tree(contents.STATE, wanted.state_dir, wanted.excludes)
        # Root's own: nothing here is a database or another user's.
        own = collect.Collector(stream, None, True, collector.entries)
        if look_directory(wanted.config_dir):
            own.tree(contents.CONFIG, wanted.config_dir, (_SECRETS,))
            if wanted.with_secrets and look_directory(f"{wanted.config_dir}/{_SECRETS}"):
                own.tree(contents.SECRETS, f"{wanted.config_dir}/{_SECRETS}")
        for name in _RECORDS:
            if os.path.isfile(f"{wanted.record_dir}/{name}"):
                own.file(f"{contents.RECORDS}/{name}", read_bytes(f"{wanted.record_dir}/{name}"))
        lock_files, why = self._lock_files()
        for name, text in lock_files.items():
            own.file(f"{contents.IMAGE}/{name}", text.encode())
        about = self._about(collector, lock_files, why)
        content = contents.build(Manifest(about, collector.entries))
        stream.write(archive.member(contents.NAME, len(content)) + content + archive.finish(len(content)) + archive.END)
        files = sum(entry.kind == contents.FILE for entry in collector.entries.values())
        return {"about": about, "manifest_sha256": contents.digest(content), "files": files,
                "state_bytes": sum(entry.size for entry in collector.entries.values())}  # fmt: skip

    def _lock_files(self) -> tuple[Mapping[str, str], str]:
        """Return the files that lock the image's packages, unless they are of another version than what is deployed."""
        wanted = self.wanted
        locked, deployed = _locked_version(wanted.lock_files.get("package.json", "")), self._deployed_version()
        if not wanted.lock_files:
            return {}, "none were given"
        if deployed and locked != deployed:
            return {}, f"those that were given are of {shown(locked)}, deployed is {shown(deployed)}"
        return wanted.lock_files, ""

    def _deployed_version(self) -> str:
        """Return which OpenClaw is in the image that was deployed; nothing when Docker cannot be asked."""
        deployed = history.look_deployed(self.wanted.record_dir, self.wanted.project)[0]
        with suppress(HardeningError, *client.daemon_errors()):
            api = client.client_if_installed()
            image = client.find_image(api, deployed.image_id) if api is not None and deployed else None
            return image.labels.get(_VERSION_LABEL, "") if image else ""
        return ""

    def _about(self, collector: collect.Collector, lock_files: Mapping[str, str], why: str) -> About:
        wanted = self.wanted
        deployed = history.look_deployed(wanted.record_dir, wanted.project)[0]
        left_out = [] if wanted.with_secrets else [_NO_KEY if wanted.secrets else _NO_SECRETS]
        left_out += [] if wanted.workspace else ["the workspace: 'workspace' is false"]
        left_out += [] if lock_files else [f"the files that lock the image's packages: {why}"]
        more = [f"{collector.left - len(collector.problems)} more"] if collector.left > len(collector.problems) else []
        return About(
            made_at=history.now(),
            project=wanted.project,
            host=platform.node(),
            image_id=deployed.image_id if deployed else "",
            image_ref=deployed.image_ref if deployed else "",
            version=self._deployed_version() or _locked_version(lock_files.get("package.json", "")),
            secrets=wanted.with_secrets,
            workspace=wanted.workspace,
            left_out=tuple(left_out),
            problems=(*collector.problems, *more),
            policy=wanted.policy,
        )

    # --- prove and unpack ---------------------------------------------------------------------------------------------

    def _archive(self) -> str:
        """Return the archive that is meant: the one that is named, or the newest good one."""
        wanted = self.wanted
        path = wanted.archive
        if not path:
            name = retention.newest_good(shelf.found(wanted.directory, wanted.project))
            if not name:
                needed = "a backup; make one (backup.yml), or name an archive"
                raise HardeningError(wanted.directory, "no backup", needed, "archive")
            path = f"{wanted.directory}/{name}"
        archive.how(path)
        return path

    @contextmanager
    def _stream(self, path: str) -> Iterator[IO[bytes]]:
        wanted = self.wanted
        with ExitStack() as stack:
            try:
                file = stack.enter_context(regular(path, follow=False))
            except OSError as error:
                found = error.strerror or "an error"
                raise HardeningError(path, found, "an archive that can be read", "archive") from error
            opened = stack.enter_context(encrypt.opening(self.module, archive.how(path)[1], wanted.key, wanted.project))
            yield stack.enter_context(archive.unpack(file, path, opened, wanted.timeout))

    def _read(self, path: str, place: str) -> tuple[Manifest, str]:
        progress.step("reading the backup")
        with self._stream(path) as stream:
            manifest, digest = Unpacker(place).run(stream)
        if manifest.about.project != self.wanted.project:
            found = f"a backup of {shown(manifest.about.project)}"
            raise HardeningError(path, found, f"one of {self.wanted.project}", "archive")
        return manifest, digest

    def _verify(self) -> dict[str, Any]:
        path, began = self._archive(), time.monotonic()
        manifest, digest = self._read(path, "")
        return {"changed": False, "actions": [], **self._unpacked_of(path, manifest, digest, began)}

    def _unpack(self) -> dict[str, Any]:
        wanted, began = self.wanted, time.monotonic()
        path = self._archive()
        remove_path(wanted.unpacked)
        need_space(wanted.record_dir, Size(int(shelf.record(path).get("state_bytes", 0)), 0),
                   f"what {path} holds", "record_dir")  # fmt: skip
        try:
            for folder in (wanted.unpacked, f"{wanted.unpacked}/{contents.STATE}"):
                ensure_directory(folder, 0o700, 0, 0)
            with failures(wanted.unpacked):
                manifest, digest = self._read(path, wanted.unpacked)
            ensure_directory(f"{wanted.unpacked}/{contents.STATE}", 0o700, 0, 0)
            source = json.dumps({"archive": path, "manifest_sha256": digest}).encode()
            write(ManagedFile(f"{wanted.unpacked}/{contents.NAME}", source, 0o600))
        except BaseException:
            remove_path(wanted.unpacked)
            raise
        return {"changed": True, "actions": [f"unpack {path}"], **self._unpacked_of(path, manifest, digest, began)}

    def _unpacked_of(self, path: str, manifest: Manifest, digest: str, began: float) -> dict[str, Any]:
        place, entries = self.wanted.unpacked, manifest.entries
        names = {area: sorted(name.partition("/")[2] for name in entries if name.startswith(f"{area}/"))
                 for area in (contents.SECRETS, contents.IMAGE)}  # fmt: skip
        record = read_json(f"{place}/{contents.RECORDS}/image.json")
        state_here = os.path.isfile(f"{self.wanted.state_dir}/state/openclaw.sqlite")
        return {
            "path": path,
            "seconds": round(time.monotonic() - began, 2),
            "manifest_sha256": digest,
            "state_source": f"{place}/{contents.STATE}",
            "secret_files": {name: f"{place}/{contents.SECRETS}/{name}" for name in names[contents.SECRETS]},
            "lock_dir": f"{place}/{contents.IMAGE}" if set(names[contents.IMAGE]) == set(contents.LOCK_FILES) else "",
            "image_id": manifest.about.image_id,
            # What was verified when that image was built, if it is the one that was deployed.
            "image_record": record if record.get("image_id") == manifest.about.image_id else {},
            "image_ref": manifest.about.image_ref,
            "keeps_logins": not manifest.about.secrets and state_here,
            **_reported(manifest.about),
        }

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def _clear(self) -> dict[str, Any]:
        """Remove what was unpacked; say how the configuration differs, and note that a gateway was ready from it."""
        wanted = self.wanted
        if not os.path.lexists(wanted.unpacked):
            return {"changed": False, "actions": [], "config_changes": []}
        changes: list[str] = []
        kept = f"{wanted.unpacked}/{contents.CONFIG}/{os.path.basename(wanted.config)}"
        if wanted.config and os.path.isfile(kept) and os.path.isfile(wanted.config):
            changes = changed_keys(_document(kept), _document(wanted.config))
        if wanted.proven and os.path.isfile(f"{wanted.unpacked}/{contents.NAME}"):
            path = str(json.loads(read_bytes(f"{wanted.unpacked}/{contents.NAME}"))["archive"])
            known = shelf.record(path)
            if known:
                shelf.save_record(path, {**known, "verified_at": history.now()})
        remove_path(wanted.unpacked)
        return {"changed": True, "actions": [f"remove {wanted.unpacked}"], "config_changes": changes}


def backup(module: AnsibleModule, wanted: Request) -> dict[str, Any]:
    """Make one backup, for what runs on a schedule; it never skips: it is made, or the error reports why not."""
    return BackupManager(module, replace(wanted, state="present")).run()


def _reported(about: About) -> dict[str, Any]:
    """Return what an operator has to know of a backup."""
    return {
        "version": about.version,
        "made_at": about.made_at,
        "secrets": about.secrets,
        "workspace": about.workspace,
        "left_out": list(about.left_out),
        "problems": list(about.problems),
    }


def _document(path: str) -> Any:  # noqa: ANN401 (whatever JSON has)
    try:
        return json.loads(read_bytes(path))
    except ValueError:
        return None


def _locked_version(package: str) -> str:
    """Return which OpenClaw a package.json asks for."""
    try:
        return str(json.loads(package)["dependencies"]["openclaw"])
    except (ValueError, KeyError, TypeError):
        return ""
