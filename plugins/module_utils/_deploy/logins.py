# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep the present logins when an older state comes back.

A refresh token is spent when it is renewed, a ratchet of a messenger moves with each message: those of an older copy
are worth nothing, or make the provider end the whole session. They are kept by key, not by file: the rows of the
databases that are logins (``_logins_merge``), an older ``auth-profiles.json``, each account below ``credentials/``.
"""

from __future__ import annotations

import inspect
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_entry as entry
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import (
    DIRECTORY,
    READ,
    look,
    open_here,
    remove_tree,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory

_NOBODY = 65534
_MOST_BYTES = 512 << 20
_MOST_JSON = 16 << 20
_ANSWER = 65536
_SECONDS = 120
_ATTEMPTS = 3
_NAMED = 20
_SHARED = "state/openclaw.sqlite"
_AGENT = "openclaw-agent.sqlite"
_STORE = "auth-profiles.json"
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
            found = _accounts(present)
            for path in (*_stores(older), *_stores(present)):
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
                    parent, name = _parent(stack, top, path)
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
        _clear(self.folder)
        os.mkdir(self.folder, 0o700)
        self.kept.clear()
        try:
            done: dict[str, str] = {}
            with open_directory(self.present) as present, open_directory(self.older) as older:
                for number, path in enumerate(_databases(older)):
                    work = f"{self.folder}/{number}"
                    os.mkdir(work, 0o700)
                    there = _fetch(present, path, f"{work}/present.sqlite")
                    if there and _fetch(older, path, f"{work}/older.sqlite"):
                        os.chown(work, _NOBODY, _NOBODY)
                        rows = _merge(path, work)
                        self.kept += [f"{count} of {table} in {path!a}" for table, count in sorted(rows.items())]
                        done[path] = f"{work}/older.sqlite"
                    elif not there and path == _SHARED:
                        raise _refused(path, "no database in the present state")
                if _SHARED not in done and _is_file(present, _SHARED):
                    raise _refused(_SHARED, "no database in the state that comes back")
            yield done
        finally:
            _clear(self.folder)


def _as_before(content: os.stat_result, found: os.stat_result) -> os.stat_result:
    """Return the owner, mode and access time of one file with the time of another."""
    fields = list(content[:10])
    fields[0], fields[4], fields[5] = found.st_mode, found.st_uid, found.st_gid
    return os.stat_result(fields, {"st_atime_ns": found.st_atime_ns, "st_mtime_ns": content.st_mtime_ns})


# --- what is where ------------------------------------------------------------------------------------------------


def _names(top: int, *path: str) -> list[str]:
    """Return the entries of a directory; nothing when it is not there."""
    try:
        with ExitStack() as stack:
            folder = top
            for name in path:
                folder = open_here(name, DIRECTORY, folder)
                stack.callback(os.close, folder)
            return sorted(os.listdir(folder))
    except OSError:
        return []


def _parent(stack: ExitStack, top: int, path: str) -> tuple[int, str]:
    """Open the directory of a path below ``top``."""
    *folders, name = path.split("/")
    folder = top
    for part in folders:
        folder = open_here(part, DIRECTORY, folder)
        stack.callback(os.close, folder)
    return folder, name


def _databases(top: int) -> list[str]:
    agents = [f"agents/{name}/agent/{_AGENT}" for name in _names(top, "agents")]
    return [path for path in (_SHARED, *agents) if _is_file(top, path)]


def _stores(top: int) -> list[str]:
    agents = [f"agents/{name}/agent/{_STORE}" for name in _names(top, "agents")]
    return [path for path in (_STORE, f"agent/{_STORE}", *agents) if _is_file(top, path)]


def _accounts(top: int) -> list[str]:
    """Return each account of each channel, and what is beside the channels."""
    found: list[str] = []
    for channel in _names(top, "credentials"):
        accounts = _names(top, "credentials", channel)
        found += [f"credentials/{channel}/{account}" for account in accounts] or [f"credentials/{channel}"]
    return found


def _is_file(top: int, path: str) -> bool:
    with ExitStack() as stack, suppress(OSError):
        folder, name = _parent(stack, top, path)
        return stat.S_ISREG(look(name, folder).st_mode)
    return False


def _store_version(top: int, path: str) -> int:
    """Return the version of an older store; 0 without one, -1 for what is no store."""
    try:
        with ExitStack() as stack:
            folder, name = _parent(stack, top, path)
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
    """Copy a database and its log to where nobody else is; return whether there is one."""
    for suffix in ("", "-wal"):
        with ExitStack() as stack:
            try:
                folder, name = _parent(stack, top, path)
                handle = open_here(f"{name}{suffix}", READ, folder)
            except FileNotFoundError:
                if not suffix:
                    return False
                continue
            except OSError as error:
                raise _refused(path, error.strerror or "cannot be read") from error
            stack.callback(os.close, handle)
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
                raise _refused(path, f"no file of at most {_MOST_BYTES >> 20} MiB")
            copy = os.open(f"{target}{suffix}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, copy)
            entry.copy_data(handle, copy)
            os.fchown(copy, _NOBODY, _NOBODY)
    return True


def _merge(path: str, work: str) -> dict[str, int]:
    """Let a program without any rights take the logins over; return how many rows of which table."""
    try:  # a minimal Python has no sqlite3
        from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import logins_merge
    except ImportError as error:
        raise _refused(path, f"no sqlite3 for {sys.executable}") from error
    source = inspect.getsource(logins_merge)
    argv = [sys.executable, "-I", "-c", source, str(_NOBODY), str(_NOBODY)]
    with subprocess.Popen(
        argv, cwd=work, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        timer = threading.Timer(_SECONDS, process.kill)
        timer.start()
        try:
            answer = process.stdout.read(_ANSWER) if process.stdout else b""
        finally:
            process.kill()
            timer.cancel()
    try:
        found = json.loads(answer)
        if "refused" not in found:
            return {str(table): int(count) for table, count in found["kept"].items()}
        reason = str(found["refused"])[:300]
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = "it could not be read within the limits of memory and time"
    raise _refused(path, ascii(reason)[1:-1])


def _refused(path: str, why: str) -> HardeningError:
    needed = "logins in the same form in both states; without it they are those of the copy, log in again where needed"
    return HardeningError(f"logins in {path!a}", why, needed, "keep_logins")


def _clear(folder: str) -> None:
    parent, _slash, name = folder.rpartition("/")
    with open_directory(parent) as handle:
        remove_tree(handle, name)
