# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where OpenClaw keeps what in its state: databases, older login stores, accounts of channels; no link is followed."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, suppress
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import confined
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_entry as entry
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import DIRECTORY, READ, look, open_here

# Who has no rights over anything; the programs that open a copied database run as it.
NOBODY = 65534
SHARED = "state/openclaw.sqlite"
_AGENT = "openclaw-agent.sqlite"
_STORE = "auth-profiles.json"
_MOST_BYTES = 512 << 20
_READABLE = "a database of the service"


class UnreadableError(HardeningError):
    """A database that cannot be read safely."""


def program(work: str, what: str, largest: int = confined.ANSWER) -> dict[str, Any]:
    """Return what ``logins_merge`` does with the databases in ``work``, which belongs to the account without rights.

    :param what: ``merge`` or ``contents``.
    :param largest: bytes of its answer.
    """
    try:
        from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import logins_merge
    except ImportError as error:
        raise confined.RefusedError(confined.NO_SQLITE) from error
    return confined.run(work, [logins_merge], str(NOBODY), str(NOBODY), what, largest=largest)


def names(top: int, *path: str) -> list[str]:
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


def parent(stack: ExitStack, top: int, path: str) -> tuple[int, str]:
    """Open the directory of a path below ``top``."""
    *folders, name = path.split("/")
    folder = top
    for part in folders:
        folder = open_here(part, DIRECTORY, folder)
        stack.callback(os.close, folder)
    return folder, name


def databases(top: int) -> list[str]:
    """Return the paths of the databases that are there."""
    agents = [f"agents/{name}/agent/{_AGENT}" for name in names(top, "agents")]
    return [path for path in (SHARED, *agents) if is_file(top, path)]


def stores(top: int) -> list[str]:
    """Return the paths of the older login stores that are there."""
    agents = [f"agents/{name}/agent/{_STORE}" for name in names(top, "agents")]
    return [path for path in (_STORE, f"agent/{_STORE}", *agents) if is_file(top, path)]


def accounts(top: int) -> list[str]:
    """Return each account of each channel, and what is beside the channels."""
    found: list[str] = []
    for channel in names(top, "credentials"):
        accounts = names(top, "credentials", channel)
        found += [f"credentials/{channel}/{account}" for account in accounts] or [f"credentials/{channel}"]
    return found


def read(top: int, path: str, largest: int) -> bytes:
    """Return the first ``largest`` bytes of a file; nothing when there is none."""
    with ExitStack() as stack, suppress(OSError):
        folder, name = parent(stack, top, path)
        handle = open_here(name, READ, folder)
        stack.callback(os.close, handle)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return os.pread(handle, largest, 0)
    return b""


def is_file(top: int, path: str) -> bool:
    """Return whether a path below ``top`` is a regular file."""
    with ExitStack() as stack, suppress(OSError):
        folder, name = parent(stack, top, path)
        return stat.S_ISREG(look(name, folder).st_mode)
    return False


def fetch(top: int, path: str, target: str) -> bool:
    """Copy a database and its log to where nobody else is; return whether there is one."""
    for suffix in ("", "-wal"):
        with ExitStack() as stack:
            try:
                folder, name = parent(stack, top, path)
                handle = open_here(f"{name}{suffix}", READ, folder)
            except FileNotFoundError:
                if not suffix:
                    return False
                continue
            except OSError as error:
                raise UnreadableError(f"database {path!a}", error.strerror or "cannot be read", _READABLE) from error
            stack.callback(os.close, handle)
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
                raise UnreadableError(f"database {path!a}", f"no file of at most {_MOST_BYTES >> 20} MiB", _READABLE)
            copy = os.open(f"{target}{suffix}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, copy)
            entry.copy_data(handle, copy)
            os.fchown(copy, NOBODY, NOBODY)
    return True
