# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose the entries of a tree are: what is not one account's, found and given to it; no link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import Visited, walk
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory

# Entries that are visited at most; a state has a few thousand.
MOST = 200_000


@dataclass(frozen=True)
class Foreign:
    """An entry that is not the account's: its path from the top, whose it is, and whether it has other names."""

    path: str
    uid: int
    gid: int
    mode: int
    linked: bool = False


def foreign(top: str, uid: int, gid: int) -> list[Foreign]:
    """Return what is in a directory and not of this account; what vanishes meanwhile is left out."""
    with open_directory(top) as handle:
        return [_entry(found) for found in _others(handle, uid, gid)]


def give(top: str, uid: int, gid: int) -> None:
    """Give everything in a directory to one account.

    A file with several names is refused: another name of it may be outside of the directory.
    """
    linked = next((entry for entry in foreign(top, uid, gid) if entry.linked), None)
    if linked:
        raise HardeningError(f"{top}/{linked.path}", "a file with several names", "one of its own; remove the others")
    with open_directory(top) as handle:
        for found in _others(handle, uid, gid):
            if not _linked(found):
                os.chown(found.name, uid, gid, dir_fd=found.folder, follow_symlinks=False)


def _others(top: int, uid: int, gid: int) -> Iterator[Visited]:
    """Yield what is not of this account."""
    for seen, found in enumerate(walk(top), 1):
        if seen > MOST:
            raise HardeningError("the directory", f"more than {MOST} entries", "fewer")
        if (found.status.st_uid, found.status.st_gid) != (uid, gid):
            yield found


def _entry(found: Visited) -> Foreign:
    status = found.status
    return Foreign(found.path, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), _linked(found))


def _linked(found: Visited) -> bool:
    return not stat.S_ISDIR(found.status.st_mode) and found.status.st_nlink > 1
