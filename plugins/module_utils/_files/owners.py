# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose the entries of a tree are: what is not one account's, found and given to it; no link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import (
    DIRECTORY,
    Descent,
    look,
    open_here,
)
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
        return [entry for entry, _name, _folder in _walk(handle) if (entry.uid, entry.gid) != (uid, gid)]


def give(top: str, uid: int, gid: int) -> None:
    """Give everything in a directory to one account.

    A file with several names is refused: another name of it may be outside of the directory.
    """
    linked = next((entry for entry in foreign(top, uid, gid) if entry.linked), None)
    if linked:
        raise HardeningError(f"{top}/{linked.path}", "a file with several names", "one of its own; remove the others")
    with open_directory(top) as handle:
        for entry, name, folder in _walk(handle):
            if (entry.uid, entry.gid) != (uid, gid) and not entry.linked:
                os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)


def _walk(top: int) -> Iterator[tuple[Foreign, str, int]]:
    """Yield each entry, its name and the descriptor of its directory."""
    seen = 0
    with Descent([top]) as descent:
        descent.here.names = os.listdir(top)
        while descent.deep or descent.here.names:
            if not descent.here.names:
                descent.up()
                continue
            name, folder = descent.here.names.pop(), descent.here.handles[0]
            try:
                found = look(name, folder)
            except OSError:
                continue  # it vanished, or is a mount point
            seen += 1
            if seen > MOST:
                raise HardeningError("the directory", f"more than {MOST} entries", "fewer")
            folded = stat.S_ISDIR(found.st_mode)
            linked = not folded and found.st_nlink > 1
            yield (
                Foreign(descent.path(name), found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode), linked),
                name,
                folder,
            )
            if folded:
                try:
                    inner = open_here(name, DIRECTORY, folder)
                except OSError:
                    continue
                descent.down(name, [inner]).names = os.listdir(inner)
