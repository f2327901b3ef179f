# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rotate the gateway's token and other secrets while it runs: same container, no request lost.

The files are changed in place, because the container has their inodes mounted, and the gateway is called to read them
again (``secrets.reload``). What was there before stays in the record folder until the gateway has been seen to accept
the new token and to refuse the old one; a run that is killed in between is followed by one that goes on from there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history, rpc
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import SERVING, Probe, Reply, ask
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port
from ansible_collections.openclaw.hardening.plugins.module_utils._files.inplace import overwrite
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    FileState,
    ManagedFile,
    ensure_directory,
    look,
    read_bytes,
    remove,
    remove_directory,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.strength import fingerprint
from ansible_collections.openclaw.hardening.plugins.module_utils._system import progress
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import stored, write_json

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container

# A lockout by another client's wrong tokens is waited for, so many times a second.
_LOCKED_OUT = 10


# --- decide (pure) ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What to write, by path; or why only a new deployment can bring the change."""

    contents: Mapping[str, bytes] = field(default_factory=dict)
    needs_deployment: str = ""


def decide(
    wanted: Mapping[str, bytes], files: Mapping[str, FileState | None], stale: frozenset[str], serves: str
) -> Plan:
    """Return what has to be written.

    :param wanted: the new content of each file.
    :param files: what is at these paths.
    :param stale: the paths of which the container sees an earlier file, or none.
    :param serves: why the gateway cannot be called; empty when it can.
    """
    contents = {
        path: content for path, content in wanted.items() if (there := files[path]) is None or there.content != content
    }
    if not contents:
        return Plan()
    absent = sorted(path for path in contents if files[path] is None)
    if absent:
        return Plan(contents, f"{absent[0]} is a new file, which the container does not have")
    foreign = sorted(
        path for path in contents if (there := files[path]) is not None and (there.type != "file" or there.nlink != 1)
    )
    if foreign:
        raise HardeningError(foreign[0], "something else than a regular file with one name", "the secret's own file")
    if serves:
        return Plan(contents, serves)
    if old := sorted(stale & contents.keys()):
        return Plan(contents, f"the container still has an earlier {old[0]}")
    return Plan(contents)


# --- act ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rotation:
    """The running gateway, its token's file, and where the old secrets stay meanwhile."""

    module: AnsibleModule
    docker_host: str
    container: Container
    probe: Probe
    port: Port
    record_dir: str

    @property
    def folder(self) -> str:
        """Where the old secrets stay."""
        return f"{self.record_dir}/rotation"

    @property
    def pending(self) -> tuple[str, ...]:
        """The files that a run began to change, when it did not see the end of it."""
        found = stored(f"{self.folder}/rotation.json")
        paths = found.record.get("paths")
        if found.fault or not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            return ()
        return tuple(paths)

    def apply(self, contents: Mapping[str, bytes]) -> str:
        """Write the secrets and let the gateway read them; return why that is not possible here, or nothing.

        :raises HardeningError: the gateway does not do what it answered; what was there before is back.
        """
        self._keep(contents)
        try:
            for path, content in contents.items():
                overwrite(path, content)
        except Exception:
            self._put_back()
            raise
        return self.finish()

    def finish(self) -> str:
        """Let the gateway read what the files hold, and see that it did; return as ``apply``."""
        progress.step("letting the gateway read its secrets again")
        try:
            self._reload()
        except HardeningError as error:
            # It may have read them all the same, such as when its answer came too late.
            if not (self._token_changed and self._asked(self.probe.token_file).ok):
                self._put_back()
                with suppress(HardeningError):
                    self._reload()
                return f"{error.what}: {error.found}"
        progress.step("asking the gateway with the new token and with the old one")
        new, old = self._asked(self.probe.token_file), self._asked(self._old(self.probe.token_file))
        if new.ok is not True or (self._token_changed and old.ok is True):
            found = f"new token: {new.text}; old token: {old.text}"
            token = self._accepted()
            self._put_back()
            self._reload(token)
            raise HardeningError(self.probe.base, found, "the new token accepted and the old one refused")
        self._record()
        self._forget()
        return ""

    def _reload(self, token: str = "") -> None:
        answer = rpc.call(self.module, self.docker_host, self.container.id, token or self._accepted(), "secrets.reload")
        if isinstance(answer, dict) and answer.get("warningCount"):
            self.module.warn("the gateway read its secrets again with warnings; see its log (docker logs)")

    # --- which token it knows -------------------------------------------------------------------------------------

    @property
    def _token_changed(self) -> bool:
        old = self._old(self.probe.token_file)
        return os.path.lexists(old) and read_bytes(old) != read_bytes(self.probe.token_file)

    def _accepted(self) -> str:
        """Return the token that the gateway accepts now: the old one, or after a restart the new one."""
        candidates = [self._old(self.probe.token_file), self.probe.token_file]
        seen = []
        for path in (path for path in candidates if os.path.lexists(path)):
            reply = self._asked(path)
            if reply.ok:
                return read_bytes(path).decode().strip()
            seen.append(reply.text)
        raise HardeningError("the gateway", " and ".join(seen), "one that accepts the old token or the new one")

    def _asked(self, token_file: str) -> Reply:
        """Return the answer to a request with the token of that file; a lockout by another client is waited for."""
        if not os.path.lexists(token_file):
            return Reply(None, "not asked")
        reply = Reply(None, "not asked")
        for _attempt in range(_LOCKED_OUT):
            health = ask(replace(self.probe, token_file=token_file), self.port, (SERVING,))
            reply = health.replies.get(SERVING, Reply(False, str(health)))
            # Without an answer in time nobody was refused: a busy gateway is asked again.
            if reply.ok is not None and "timeout" not in reply.text:
                break
            time.sleep(1)
        return reply

    # --- what was there before ------------------------------------------------------------------------------------

    def _old(self, path: str) -> str:
        return f"{self.folder}/{self.pending.index(path)}" if path in self.pending else f"{self.folder}/none"

    def _keep(self, contents: Mapping[str, bytes]) -> None:
        ensure_directory(self.folder, 0o700, 0, 0)
        paths = list(contents)
        for number, path in enumerate(paths):
            write(ManagedFile(f"{self.folder}/{number}", read_bytes(path), 0o400, secret=True))
        write_json(f"{self.folder}/rotation.json", {"paths": paths})

    def _put_back(self) -> None:
        for path in self.pending:
            overwrite(path, read_bytes(self._old(path)))
        self._forget()

    def _record(self) -> None:
        """Let the record of the deployment say what the files are now, or they would be reported as drift."""
        deployed = history.read_deployed(self.record_dir)
        if deployed is None:
            return
        changed = {path: history.fingerprint(look(path)) for path in self.pending if path in deployed.files}
        history.save_deployed(self.record_dir, replace(deployed, files={**deployed.files, **changed}))

    def _forget(self) -> None:
        number = len(self.pending)
        remove(f"{self.folder}/rotation.json")
        for left in range(number):
            remove(f"{self.folder}/{left}")
        remove_directory(self.folder)


# --- devices ------------------------------------------------------------------------------------------------------


def devices(answer: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (JSON)
    """Return the paired devices of ``device.pair.list`` without their tokens and keys; pure."""
    paired = answer.get("paired") if isinstance(answer, dict) else None
    result = []
    for device in paired if isinstance(paired, list) else []:
        if isinstance(device, dict) and isinstance(device.get("deviceId"), str):
            name = str(device.get("operatorLabel") or device.get("displayName") or "")
            shown = {"name": harmless(name, 80), "platform": harmless(str(device.get("platform") or ""), 40)}
            result.append({"id": device["deviceId"], **shown, "roles": _roles(device.get("tokens"))})
    return result


def _roles(tokens: Any) -> list[str]:  # noqa: ANN401 (JSON)
    """Return the roles for which a device has a token that was not revoked."""
    found = [token for token in tokens if isinstance(token, dict)] if isinstance(tokens, list) else []
    return sorted({str(token.get("role")) for token in found if not token.get("revokedAtMs")})


def token_mark(path: str) -> str:
    """Return the fingerprint of the token in a file; nothing without one."""
    state = look(path)
    return fingerprint(state.content.decode("utf-8", "replace").strip()) if state and state.type == "file" else ""
