# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Room on the file systems that take a copy: what a tree takes, and whether there is so much."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_entry as entry
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_copy import refuse_foreign_mount
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import walk
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import failed, open_directory

# Files (inodes) left free on the file system that takes a copy.
_RESERVED_FILES = 1000


@dataclass(frozen=True)
class Size:
    """What a tree takes on its file system: bytes on disk, and inodes."""

    size: int = 0
    files: int = 0

    def times(self, number: int) -> Size:
        """Return what so many copies take."""
        return Size(self.size * number, self.files * number)

    def __add__(self, other: Size) -> Size:
        """Return what both take."""
        return Size(self.size + other.size, self.files + other.files)


def measure(path: str, excluded: Collection[str] = ()) -> Size:
    """Return what a directory takes; what cannot be read takes nothing, for it is not copied either."""
    size, files = 0, 1
    refuse_foreign_mount(path)
    try:
        with open_directory(path) as top:
            for found in walk(top, excluded):
                size, files = size + found.status.st_blocks * 512, files + 1
    except OSError as error:
        raise failed(f"copy of {path}", error) from error
    return Size(size, files)


def need_space(path: str, size: Size, what: str, option: str) -> None:
    """Refuse when the file system of ``path`` has no room for so much more; ``option`` does without it, if any does."""
    without = ", or go without a copy" if option else ""
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    if free < size.size + entry.RESERVE:
        needed = f"{_mib(size.size + entry.RESERVE)} MiB for {what}"
        raise HardeningError(path, f"{_mib(free)} MiB free", f"{needed}; free some{without}", option)
    # Some file systems have no fixed number of inodes, and say 0.
    if found.f_files and found.f_favail < size.files + _RESERVED_FILES:
        needed = f"{size.files + _RESERVED_FILES} for {what}; remove files{without}"
        raise HardeningError(path, f"{found.f_favail} inodes free", needed, option)


def need_both(one: tuple[str, Size], other: tuple[str, Size], what: str, option: str) -> None:
    """Refuse when two paths have no room for what each of them is to take; they may be on one file system.

    :param one: a path, and what it is to take; ``other`` likewise.
    """
    (here, size), (there, more) = one, other
    if os.stat(here).st_dev == os.stat(there).st_dev:
        need_space(here, size + more, what, option)
        return
    need_space(here, size, what, option)
    if more.files:
        need_space(there, more, what, option)


def _mib(size: int) -> int:
    return -(-size // (1 << 20))
