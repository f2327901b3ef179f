# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A base deployment from look to act: found, copied, stopped, retired, running again."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, listed
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import claim as deploy_claim
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import Places
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.room import measure, need_space
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import ALIVE
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_copy import Mirror
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client, lists
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_PROJECT
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import remove_path
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    ManagedFile,
    ensure_directory,
    look_directory,
    vet_parents,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import read_text
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate import (
    base_config,
    containers,
    foreign_paths,
    host_install,
    leases,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate import record as records
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.containers import Base
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.decide import (
    FINISH,
    MIGRATE,
    NOTHING,
    UNDO,
    Current,
    choose,
    next_step,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.options import Request, wanted_from
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.record import Folder, Member, OwnUnit, Record
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.retire import (
    LABEL_MIGRATED,
    Keeper,
    units_of,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.takeover import Takeover
from ansible_collections.openclaw.hardening.plugins.module_utils._system import places, progress
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import lock

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

_UNITS = "/etc/systemd/system"
_PATIENCE = 50.0


@dataclass
class BaseManager:
    """Looks at a base, copies it, stops it for good, or brings it back."""

    module: AnsibleModule
    wanted: Request
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, module: AnsibleModule) -> BaseManager:
        """Check every option before the world is looked at."""
        return cls(module, wanted_from(module.params))

    @property
    def _folder(self) -> Folder:
        return Folder(f"{self.wanted.record_dir}/migrate")

    def run(self) -> dict[str, Any]:
        """Look, decide, act; never beside a deployment."""
        try:
            vet_parents(f"{self._folder.path}/x")
        except HardeningError as error:
            raise HardeningError(error.what, error.found, error.needed, "record_dir", outcome="unchanged") from error
        api = client.client_if_installed(self.wanted.docker_host)
        if self.wanted.state == "found" or self.module.check_mode:
            return self._answer(api, *self._look(api))
        if api is None:
            needed = "the engine that the deployment needs; site.yml installs it"
            raise HardeningError("Docker", "none on this host", needed, outcome="unchanged")
        ensure_directory(self.wanted.record_dir, 0o700, 0, 0)
        acts = {"copied": self._copy, "stopped": self._stop, "retired": self._retire, "running": self._run_again}
        taken = lock(f"{self.wanted.record_dir}/deploy.lock", self.wanted.lock_timeout)
        with taken, progress.log("migrate", self.wanted.project):
            return acts[self.wanted.state](api)

    @property
    def _trial_name(self) -> str:
        """The name of the image while it is tried."""
        return f"{self.wanted.image_ref}-test"

    # --- look ---------------------------------------------------------------------------------------------------------

    def _look(self, api: DockerClient | None) -> tuple[Current, str]:
        wanted = self.wanted
        claim = deploy_claim.read(Places(wanted.record_dir), wanted.project, wanted.container, wanted.definition)
        bases, ours = [], False
        for listed_one in lists.lists(api).containers if api else []:
            labels = listed_one.get("Labels") or {}
            if claim.owns(labels):
                ours = ours or (str(listed_one.get("State")) in ALIVE and labels.get(LABEL_PROJECT) == wanted.project)
            elif api and str(listed_one.get("State")) in ALIVE and LABEL_MIGRATED not in labels:
                found = client.find_container(api, str(listed_one["Id"]))
                bases += [found] if found and containers.is_gateway(found) else []
        deployed = history.look_deployed(wanted.record_dir, wanted.project)[0] is not None
        journal = deploy_journal.load(Places(wanted.record_dir))
        proven = ours and deployed and (journal is None or journal.phase == deploy_journal.COMMITTING)
        on_host, loose = host_install.look()
        found_all = Current(self._folder.load(), (*bases, *on_host), proven, ours, loose)
        return found_all, next_step(found_all)

    def _base(self, found: Current, step: str) -> tuple[Container, Base]:
        """Return the base that is migrated: of the record once it was touched, else the one that runs."""
        record = found.record
        if record and step in (FINISH, UNDO):
            container = client.as_container(record.members[0].attrs)
        else:
            container = choose(found, self.wanted.named, self.wanted.project)
        self._refuse(container)
        base = containers.read(container)
        host_install.vet(container, base.state_dir, base.config)
        return container, base

    def _refuse(self, container: Container) -> None:
        host = container.attrs.get("HostConfig") or {}
        if host.get("AutoRemove"):
            needed = "a container that stays when it is stopped, so that it can come back: run it without --rm"
            raise HardeningError(container.name, "--rm", needed, outcome="unchanged")

    def _members(self, api: DockerClient | None, container: Container) -> list[Container]:
        """Return the base, first, and what else of its project is OpenClaw.

        :raises HardeningError: the project has our name and other services.
        """
        project = container.labels.get(LABEL_PROJECT)
        if not project or api is None:
            return [container]
        there = client.containers_by_label(api, f"{LABEL_PROJECT}={project}")
        others = [found for found in there if found.id != container.id]
        mine = [found for found in others if containers.is_openclaw(found, container)]
        foreign = [containers.service_of(found) for found in others if found not in mine]
        if foreign and project == self.wanted.project:
            needed = "no other service in a project of this name; give the deployment another (openclaw_instance)"
            raise HardeningError(f"the Compose project {project}", listed(foreign), needed, outcome="unchanged")
        if foreign:
            self.warnings.append(f"other services of the Compose project {project} go on: {listed(foreign)}")
        return [container, *mine]

    def _units(self, members: Iterable[Container], base: Base) -> list[tuple[str, str]]:
        """Return the units that start it, each with the account whose manager has it."""
        if base.kind == host_install.KIND:
            return [host_install.unit_of(member.attrs) for member in members]
        texts = {}
        for name in sorted(os.listdir(_UNITS)):
            if name.endswith((".service", ".timer")):
                try:
                    texts[name] = read_text(f"{_UNITS}/{name}")
                except OSError:
                    continue
        return [(name, "") for name in units_of([*(member.name for member in members), base.directory], texts)]

    # --- answer -------------------------------------------------------------------------------------------------------

    def _answer(self, api: DockerClient | None, found: Current, step: str) -> dict[str, Any]:
        if step == NOTHING:
            return {"changed": False, "next": step, "actions": [], "base": {}, "config": {}, "secret_files": {}}
        container, base = self._base(found, step)
        members = [container] if step != MIGRATE else self._members(api, container)
        taken = base_config.take_over_from(base)
        recorded = found.record.members if found.record and step != MIGRATE else ()
        units = self._units(members, base)
        if step == MIGRATE:
            self.warnings += [f"{text}: it goes on" for text in found.loose]
        for warning in self.warnings:
            self.module.warn(warning)
        return {
            # In check mode a later step predicts that it acts; looking itself changes nothing.
            "changed": self.wanted.state != "found",
            "next": step,
            "actions": self._plan(base, members, units),
            "base": {
                **base.facts(),
                "members": [member.container_id for member in recorded] or [member.id for member in members],
                "units": [_shown(*unit) for unit in units],
            },
            **self._taken(base, taken),
        }

    def _taken(self, base: Base, taken: Takeover) -> dict[str, Any]:
        reachable = [f"port {port} of {address or 'every address'}: the deployment decides where it is published"
                     for address, port in base.published if address not in ("127.0.0.1", "::1")]  # fmt: skip
        blocked = [f"{path} at {place}: the network policy blocks it, unless it is declared reachable"
                   for path, place in places.blocked(taken.config)]  # fmt: skip
        return {
            "config": taken.config,
            "secret_files": {name: f"{self._folder.secrets}/{name}" for name in sorted(taken.secrets)},
            "keeps_token": taken.keeps_token,
            "hardened": [*reachable, *taken.hardened],
            "left": [*taken.left, *(f"mount {text}" for text in base.beside), *blocked],
            "rewritten": taken.rewritten,
            "state_source": self._folder.state,
        }

    def _plan(self, base: Base, members: list[Container], units: Iterable[tuple[str, str]]) -> list[str]:
        steps = [f"copy {base.state_dir} to {self._folder.state}"]
        steps += [f"copy {source} to {self._folder.state}/{name}" for name, source in sorted(base.nested.items())]
        steps += [f"disable and stop {_shown(*unit)}" for unit in units]
        for found in members if base.kind != host_install.KIND else []:
            member = self._member(found)
            how = f", and keep it as {member.retired}" if member.retired else ""
            steps.append(f"stop container {found.name} for good{how}")
        return [harmless(step, 300) for step in steps]

    def _member(self, found: Container) -> Member:
        """Describe a container: one with our project's name is made again, one with our container's name renamed."""
        if host_install.is_host_install(found.id):
            return Member(found.id, found.name, False, found.attrs)  # its unit is all that there is to stop
        again = found.labels.get(LABEL_PROJECT) == self.wanted.project
        taken = again or found.name == self.wanted.container
        retired = f"{found.name}-migrated" if taken else ""
        return Member(found.id, found.name, found.status in ALIVE, found.attrs, retired, again)

    # --- act ----------------------------------------------------------------------------------------------------------

    def _copy(self, api: DockerClient) -> dict[str, Any]:
        """Copy state and secrets while the base runs."""
        found, step = self._look(api)
        if step != MIGRATE:
            raise HardeningError("migration", f"one that was cut off ({step})", "to be gone on with: run migrate.yml")
        container, base = self._base(found, step)
        taken = base_config.take_over_from(base)
        folder = self._folder
        self._need_room(base)
        ensure_directory(folder.path, 0o700, 0, 0)
        self._write_secrets(taken)
        if self.wanted.image_ref and self.wanted.image_id:
            client.tag_image(api, self.wanted.image_id, self._trial_name)
        progress.step("copying the state of the base")
        keeper = Keeper(self.module, api, self.wanted.docker_host)
        mirrors = self._mirrors(base)
        rested = [mirror.run_live() for mirror in mirrors]
        # It pauses for the last changes; a process that nobody would wake does not, and what is tried is a copy.
        if not all(rested) and base.kind != host_install.KIND:
            keeper.pause(container.id)
            try:
                for mirror in mirrors:
                    mirror.run()
            finally:
                current = client.find_container(api, container.id)
                if current:
                    keeper.unpause(current)
        self._complete(mirrors)
        rest = foreign_paths.scan(folder.state)
        result = self._answer(api, found, step)
        result["left"] += rest
        return {**result, "changed": True}

    def _need_room(self, base: Base) -> None:
        for path in (base.state_dir, *base.nested.values()):
            if look_directory(path) is None:
                raise HardeningError(path, "nothing", "the state of the base", outcome="unchanged")
            need_space(self.wanted.record_dir, measure(path).times(2), f"copies of {path}", "")

    def _mirrors(self, base: Base) -> list[Mirror]:
        """Return what copies the state; what is mounted below it comes from where it is."""
        top = self._folder.state
        ensure_directory(top, 0o700, 0, 0)
        kept = sorted(base.nested)
        mirrors = [Mirror(base.state_dir, top, kept=kept)]
        for name in kept:
            self._folders(top, name)
            mirrors.append(Mirror(base.nested[name], f"{top}/{name}"))
        return mirrors

    def _folders(self, top: str, name: str) -> None:
        path = top
        for part in name.split("/"):
            path = f"{path}/{part}"
            if look_directory(path) is None:
                ensure_directory(path, 0o700, 0, 0)

    def _complete(self, mirrors: Iterable[Mirror]) -> None:
        """Make the copy one that is of nobody, and report what is not in it."""
        leases.end(self._folder.state, f"{self._folder.path}/leases")
        ensure_directory(self._folder.state, 0o700, 0, 0)
        for mirror in mirrors:
            if mirror.left_count:
                self.module.warn(mirror.warning())

    def _write_secrets(self, taken: Takeover) -> None:
        ensure_directory(self._folder.secrets, 0o700, 0, 0)
        for name, value in taken.secrets.items():
            path = f"{self._folder.secrets}/{name}"
            # A new token is made once: a run that goes on uses the same.
            if not (name == "gateway_token" and not taken.keeps_token and os.path.lexists(path)):
                write(ManagedFile(path, value.encode(), 0o600, secret=True))

    def _stop(self, api: DockerClient) -> dict[str, Any]:
        """Stop the base for good, and copy what it wrote last."""
        found, step = self._look(api)
        if step != MIGRATE:
            raise HardeningError("migration", f"one that was cut off ({step})", "to be gone on with: run migrate.yml")
        container, base = self._base(found, step)
        members = self._members(api, container)
        units = tuple(self._unit_state(*unit) for unit in self._units(members, base))
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        record = Record(records.STOPPING, tuple(map(self._member, members)), units, now)
        self._folder.save(record)
        progress.step("stopping the base")
        Keeper(self.module, api, self.wanted.docker_host).retire(record)
        progress.step("copying what it wrote last")
        mirrors = self._mirrors(base)
        for mirror in mirrors:
            mirror.run_rested(_PATIENCE)
        self._complete(mirrors)
        actions = self._plan(base, members, [(unit.name, unit.account) for unit in units])
        return {"changed": True, "actions": actions, "stopped_at": now}

    def _unit_state(self, name: str, account: str) -> OwnUnit:
        argv = [*host_install.systemctl(self.module, account), "show", "--property=ActiveState,UnitFileState"]
        lines = dict(line.partition("=")[::2] for line in run(self.module, [*argv, "--", name]).stdout.splitlines())
        active = lines.get("ActiveState") in ("active", "activating")
        return OwnUnit(name, active, lines.get("UnitFileState") == "enabled", account)

    def _retire(self, api: DockerClient) -> dict[str, Any]:
        """Note that the new deployment took the place of the base, and remove the copies."""
        record = self._folder.load()
        if record is None or record.phase == records.PREPARED:
            raise HardeningError("migration", "no base that was stopped", "one; run migrate.yml")
        if record.phase == records.RETIRED:
            return {"changed": False, "actions": [], "seconds_down": record.seconds_down}
        deployed = history.look_deployed(self.wanted.record_dir, self.wanted.project)[0]
        if deployed is None:
            raise HardeningError("migration", "no deployment that was proven", "one, before the base is given up")
        Keeper(self.module, api, self.wanted.docker_host).retire(record)
        seconds = (datetime.fromisoformat(deployed.at) - datetime.fromisoformat(record.stopped_at)).total_seconds()
        self._folder.save(replace(record, phase=records.RETIRED, seconds_down=seconds))
        for path in (self._folder.state, self._folder.secrets):
            remove_path(path)
        self._forget_trial(api)
        return {"changed": True, "actions": ["keep the base stopped"], "seconds_down": seconds}

    def _forget_trial(self, api: DockerClient) -> None:
        if self.wanted.image_ref:
            client.remove_unused(api, self._trial_name)

    def _run_again(self, api: DockerClient) -> dict[str, Any]:
        """Bring the base back."""
        record = self._folder.load()
        changed = record is not None and record.phase != records.PREPARED
        if record is not None and changed:
            progress.step("starting the base again")
            Keeper(self.module, api, self.wanted.docker_host).bring_back(record)
        left = os.path.lexists(self._folder.path)
        if left:
            remove_path(self._folder.path)
        self._forget_trial(api)
        names = [member.name for member in record.members] if record else []
        actions = [f"start {name} again" for name in names] if changed else []
        return {"changed": bool(changed or left), "actions": actions}


def _shown(unit: str, account: str) -> str:
    return f"{unit} of {account}" if account else unit
