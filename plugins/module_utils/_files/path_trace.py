# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may change a path: everything on the way to it, with owners, modes and access control lists."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
import struct
from collections import deque
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

_KINDS = {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFSOCK: "socket"}
_MAX_LINKS = 40
# posix_acl_xattr.h: a header of 4 bytes, then tag, permissions and id of each entry.
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_NAMED = {0x02: "uid", 0x08: "gid"}


@dataclass(frozen=True)
class Entry:
    """One thing on the way to a path. ``kind``: directory, file, link, socket, other, missing, unreadable."""

    path: str
    kind: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    # Who may write beside owner, group and others, by an access control list: ``uid 1000``.
    permitted: tuple[str, ...] = ()
    # When content, owner or mode changed last, in seconds since 1970.
    changed: float = 0.0

    @property
    def there(self) -> bool:
        """Return whether it exists."""
        return self.kind not in ("missing", "unreadable")


def entry(path: str) -> Entry:
    """Look at one thing, without following a link."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return Entry(path, "missing")
    except OSError as error:
        return Entry(path, "missing" if error.errno == errno.ENOTDIR else "unreadable")
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "other")
    permitted = () if kind == "link" else _permitted(path)
    return Entry(path, kind, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, permitted, found.st_ctime)


def trace(path: str) -> tuple[Entry, ...]:
    """Everything that decides what a path leads to: each folder, each link, and what is there (or the first gap)."""
    found, here, links = [entry("/")], "/", 0
    names = deque(path.split("/"))
    while names:
        name = names.popleft()
        if name in ("", "."):
            continue
        if name == "..":
            here = posixpath.dirname(here)
            continue
        found.append(entry(posixpath.join(here, name)))
        if not found[-1].there:
            break
        if found[-1].kind != "link":
            here = found[-1].path
            continue
        links += 1
        with suppress(OSError):
            target = os.readlink(found[-1].path) if links <= _MAX_LINKS else ""
            here = "/" if target.startswith("/") else here
            names.extendleft(reversed(target.split("/")))
    return tuple(found)


def faults_of(way: Iterable[Entry], owners: Collection[int] = (0,)) -> list[str]:
    """Return who beside root could change what is at the end of the way (pure)."""
    faults = []
    for found in way:
        if not found.there:
            continue
        if found.uid not in owners:
            faults.append(f"{found.path} belongs to uid {found.uid}")
        sticky = found.kind == "directory" and found.mode & stat.S_ISVTX
        if found.kind != "link" and not sticky:
            faults += [
                f"{found.path} can be written by {who} (mode {found.mode:04o})"
                for bit, who in ((0o020, f"gid {found.gid}"), (0o002, "everybody"))
                if found.mode & bit
            ]
        faults += [f"{found.path} can be written by {who} (access control list)" for who in found.permitted]
    return faults


def _permitted(path: str) -> tuple[str, ...]:
    try:
        packed = os.getxattr(path, "system.posix_acl_access")
    except OSError:
        return ()
    entries = list(_ACL_ENTRY.iter_unpack(packed[4 : 4 + (len(packed) - 4) // 8 * 8]))
    mask = next((permissions for tag, permissions, _number in entries if tag == 0x10), 7)
    return tuple(
        f"{_ACL_NAMED[tag]} {number}"
        for tag, permissions, number in entries
        if tag in _ACL_NAMED and permissions & mask & 2
    )
