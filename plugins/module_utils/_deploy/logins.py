# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep the present logins when an older state comes back.

A refresh token is spent when it is renewed, a ratchet of a messenger moves with each message: those of an older copy
are worth nothing, or make the provider end the whole session. They are kept by key, not by file: the rows of the
databases that are logins (``_logins_merge``), an older ``auth-profiles.json``, each account below ``credentials/``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import confined, state_files
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_entry as entry
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import (
    READ,
    look,
    open_here,
    remove_path,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory

_MOST_JSON = 16 << 20
_ATTEMPTS = 3
_NAMED = 20
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass
class Logins:
    """The logins of ``present``, for a state that comes back from ``older``.

    :param present: the state whose logins are kept; a copy of it that nobody changes, or the live one to try it.
    :param older: the copy that comes back.
    :param folder: where to work; root's alone, made and removed here.
    """

    present: str
    older: str
    folder: str
    # Of the last run: what was kept, for the operator.
    kept: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Refuse what cannot be kept, before anything is changed; the service may go on writing meanwhile."""
        self.files()
        for _attempt in range(_ATTEMPTS - 1):
            with suppress(HardeningError), self._merged():
                return
            time.sleep(0.5)
        with self._merged():
            pass

    def report(self) -> str:
        """Return what was kept, without any value of it."""
        files = [ascii(path) for path in self.files()]
        everything = [*self.kept, *files[:_NAMED]] + ([f"{len(files) - _NAMED} more"] if len(files) > _NAMED else [])
        return f"the present logins were kept: {', '.join(everything) or 'there are none'}"

    def files(self) -> list[str]:
        """Return the paths, from the top, that the rollback has to leave alone.

        :raises HardeningError: the two states do not keep them in the same place.
        """
        with open_directory(self.present) as present, open_directory(self.older) as older:
            found = state_files.accounts(present)
            for path in (*state_files.stores(older), *state_files.stores(present)):
                both = [_store_version(top, path) for top in (present, older)]
                if both == [1, 1]:
                    found.append(path)
                elif both != [0, 0] and path not in found:
                    raise _refused(path, "logins that only one of the two versions keeps there")
        return sorted(set(found))

    def bring(self, target: str) -> None:
        """Put the databases that came back, with the present logins in them, into the live state."""
        with self._merged() as databases, open_directory(target) as top:
            for path, merged in databases.items():
                with ExitStack() as stack:
                    parent, name = state_files.parent(stack, top, path)
                    handle = os.open(merged, READ)
                    stack.callback(os.close, handle)
                    found = look(name, parent)
                    entry.Placer().copy(handle, _as_before(os.fstat(handle), found), parent, name)
                    for suffix in _BESIDE:  # of the database that is not there any more
                        with suppress(FileNotFoundError):
                            os.unlink(f"{name}{suffix}", dir_fd=parent)

    @contextmanager
    def _merged(self) -> Iterator[dict[str, str]]:
        """Yield, for each database that comes back, where it is with the present logins in it."""
        remove_path(self.folder)
        os.mkdir(self.folder, 0o700)
        self.kept.clear()
        try:
            done: dict[str, str] = {}
            with open_directory(self.present) as present, open_directory(self.older) as older:
                for number, path in enumerate(state_files.databases(older)):
                    work = f"{self.folder}/{number}"
                    os.mkdir(work, 0o700)
                    there = _fetch(present, path, f"{work}/present.sqlite")
                    if there and _fetch(older, path, f"{work}/older.sqlite"):
                        os.chown(work, state_files.NOBODY, state_files.NOBODY)
                        rows = _merge(path, work)
                        self.kept += [f"{count} of {table} in {path!a}" for table, count in sorted(rows.items())]
                        done[path] = f"{work}/older.sqlite"
                    elif not there and path == state_files.SHARED:
                        raise _refused(path, "no database in the present state")
                if state_files.SHARED not in done and state_files.is_file(present, state_files.SHARED):
                    raise _refused(state_files.SHARED, "no database in the state that comes back")
            yield done
        finally:
            remove_path(self.folder)


def _as_before(content: os.stat_result, found: os.stat_result) -> os.stat_result:
    """Return the owner, mode and access time of one file with the time of another."""
    fields = list(content[:10])
    fields[0], fields[4], fields[5] = found.st_mode, found.st_uid, found.st_gid
    return os.stat_result(fields, {"st_atime_ns": found.st_atime_ns, "st_mtime_ns": content.st_mtime_ns})


# --- what is where ------------------------------------------------------------------------------------------------


def _store_version(top: int, path: str) -> int:
    """Return the version of an older store; 0 without one, -1 for what is no store."""
    try:
        with ExitStack() as stack:
            folder, name = state_files.parent(stack, top, path)
            handle = open_here(name, READ, folder)
            stack.callback(os.close, handle)
            document = json.loads(os.pread(handle, _MOST_JSON, 0))
            return int(document["version"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return -1


# --- one database -------------------------------------------------------------------------------------------------


def _fetch(top: int, path: str, target: str) -> bool:
    try:
        return state_files.fetch(top, path, target)
    except state_files.UnreadableError as error:
        raise _refused(path, error.found) from error


def _merge(path: str, work: str) -> dict[str, int]:
    """Let a program without any rights take the logins over; return how many rows of which table."""
    try:
        kept = state_files.program(work, "merge")["kept"]
        return {str(table): int(count) for table, count in kept.items()}
    except confined.RefusedError as error:
        raise _refused(path, str(error)) from error


def _refused(path: str, why: str) -> HardeningError:
    needed = "logins in the same form in both states; without it they are those of the copy, log in again where needed"
    return HardeningError(f"logins in {path!a}", why, needed, "keep_logins")
