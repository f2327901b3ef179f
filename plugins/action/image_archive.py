# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action image_archive: archives travel over Ansible's own connection, through a cache on the controller."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import integer
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive
from ansible_collections.openclaw.hardening.plugins.plugin_utils._archive_cache import OPTION, ArchiveCache, there
from ansible_collections.openclaw.hardening.plugins.plugin_utils._progress import ProgressAction, printing

_STAGING = "openclaw-hardening-image"
# The login user's own folder, not a link to another one; what killed runs left in it goes after a while.
_MAKE_STAGING = (
    "umask 77 && cd {parent} && parent=$(pwd -P) && mkdir -p {name} && cd {name} && "
    '[ "$(pwd -P)" = "$parent/"{name} ] && [ -O . ] && chmod 700 . && '
    "find . -maxdepth 1 -type f -name '*.tar*' -mmin +15 -exec rm -f {{}} + && pwd -P"
)


class ActionModule(ProgressAction):
    """Without a cache it is the module alone."""

    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Export to the cache, or import from it."""
        result: dict[str, Any] = self.begin(tmp, task_vars)
        self.task_vars = task_vars or {}
        self.arguments = dict(self._task.args)
        directory = str(self.arguments.pop(OPTION, None) or "")
        state = self.arguments.get("state")
        if not directory or state not in ("exported", "imported"):
            return {**result, **self._module()}
        try:
            max_size = integer("max_size_mib", self.arguments.get("max_size_mib", 8192), 1, 1 << 20) << 20
            self.timeout = integer("timeout", self.arguments.get("timeout", 600), 1, 86400)
            work = self._export if state == "exported" else self._import
            return {**result, **work(directory, max_size)}
        except HardeningError as error:
            raise AnsibleActionFail(str(error)) from error

    def _export(self, directory: str, max_size: int) -> dict[str, Any]:
        identity = str(self.arguments.get("image") or "")
        if not identity and self._task.check_mode:
            return _exported(identity, "", changed=True)
        archive.image_id("image", identity)
        if self._task.check_mode:
            path = there(directory, identity)
            return _exported(identity, path, changed=not path)
        cache = ArchiveCache(directory, max_size)
        with cache.alone(self.timeout):
            path = cache.find_proven(identity)
            if path:
                return _exported(identity, path, changed=False)
            if self._is_local():
                answer = self._module(directory=cache.directory)
                cache.prune()
                return {**answer, "moved_bytes": 0}
            with self._staged(archive.file_name(identity)) as remote:
                answer = self._module(directory=os.path.dirname(remote))
                if answer.get("failed"):
                    return answer
                with self._moving(f"fetching {os.path.basename(remote)} from the host"):
                    self._connection.fetch_file(remote, cache.part(identity))
            path = cache.accept(identity)
            return {**answer, **_exported(identity, path, changed=True), "moved_bytes": os.path.getsize(path)}

    def _import(self, directory: str, max_size: int) -> dict[str, Any]:
        identity = str(self.arguments.get("image_id") or "")
        if self._task.check_mode:
            # The module opens nothing in check mode.
            return self._module(path=f"/{_STAGING}")
        archive.image_id("image_id", identity)
        cache = ArchiveCache(directory, max_size)
        answer = self._module(layers=list(cache.layers(identity)))
        if answer.get("failed") or not answer.get("missing"):
            return answer
        with cache.alone(self.timeout):
            if not cache.find(identity):
                needed = "one, which state=exported brings there from the host that built it"
                raise HardeningError(OPTION, f"no archive of {identity} in {cache.directory}", needed, OPTION)
            path = cache.above(identity, integer("known_layers", answer.get("known_layers"), 0, 127))
        if self._is_local():
            answer = {**self._module(path=path), "moved_bytes": 0}
        else:
            with self._staged(os.path.basename(path)) as remote:
                with self._moving(f"sending {os.path.getsize(path) >> 20} MiB of the image to the host"):
                    self._connection.put_file(path, remote)
                answer = {**self._module(path=remote, consume=True), "moved_bytes": os.path.getsize(path)}
        if answer.get("archive_refused"):
            cache.drop(identity)
            answer["msg"] = f"{answer['msg']}. It is taken out of {cache.directory}, too: run this again"
        return answer

    def _module(self, **changes: Any) -> dict[str, Any]:
        exported = self.arguments.get("state") == "exported"
        kind, subject = ("archive", "image") if exported else ("image", "name")
        with self.followed(self.task_vars, kind, str(self.arguments.get(subject) or "")):
            answer: dict[str, Any] = self._execute_module(
                module_args={**self.arguments, **changes}, task_vars=self.task_vars
            )
        return answer

    def _moving(self, what: str) -> AbstractContextManager[None]:
        """Print since when a file travels."""
        began = int(time.monotonic())
        host = str(self.task_vars.get("inventory_hostname", ""))
        return printing(host, lambda: ([(began, what)], time.monotonic()))

    def _is_local(self) -> bool:
        return bool(self._connection.transport == "local")

    @contextmanager
    def _staged(self, name: str) -> Iterator[str]:
        """Name a file on the host that the login user and root can use; it is removed afterwards.

        Its name is always the same, so that the next run writes over what a killed one left.
        """
        if self._is_become_unprivileged():
            raise HardeningError("become_user", "a user who is not root", "root", "become_user")
        parent = os.path.dirname((self._connection._shell.tmpdir or self._make_tmp_path()).rstrip("/"))
        made = self._shell(_MAKE_STAGING.format(parent=shlex.quote(parent), name=_STAGING))
        staging = str(made["stdout"]).strip().rpartition("\n")[2]
        if made["rc"] != 0 or not staging.startswith("/"):
            needed = "a folder of the login user's own; remove what is there"
            raise HardeningError(f"{parent}/{_STAGING}", "something else", needed, stderr=str(made["stderr"]))
        try:
            yield f"{staging}/{name}"
        finally:
            self._shell(f"cd {shlex.quote(staging)} && rm -f -- {name} && cd .. && rmdir {_STAGING} || true")

    def _shell(self, command: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._low_level_execute_command(command, sudoable=False)
        return answer


def _exported(identity: str, path: str, *, changed: bool) -> dict[str, Any]:
    return {
        "changed": changed,
        "image_id": identity,
        "archive": path,
        "size": os.path.getsize(path) if path else 0,
        "actions": ["export"] if changed else [],
        "moved_bytes": 0,
        "diff": {"before": {"archive": "(absent)" if changed else path}, "after": {"archive": path or "(made)"}},
    }
