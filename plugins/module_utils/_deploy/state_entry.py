# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One entry of a copied tree: whether it is the same as another one, and how it is put in place.

Size, times, mode and owner of a file prove nothing about its content: its owner sets them at will (``touch -r``), npm
gives every file the same time, and what is written through a mapping changes them late or never. Two files are the same
when their bytes are. One file is the same as before when the kernel's change time and its inode are, on a file system
that keeps track of writes through mappings.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import secrets
import stat
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import READ, open_here

# A file that changed so short a time before it was looked at can change again and show the same time.
TICK_NS = 20_000_000
# Left free on the file system that takes a copy.
RESERVE = 64 << 20
_FICLONE = 0x40049409  # ioctl_ficlone(2)
_PIECE = 1 << 20
_CHECKED = 64 << 20
_WRITE_AND_WAIT = 7  # sync_file_range(2)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.hardening-tmp")
_LIBC = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


class UnreadableError(OSError):
    """What the source refuses, unlike what goes wrong where the copy is made."""


def from_source(call: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Call what reads the source, and say so when it fails."""
    try:
        return call(*arguments, **options)
    except OSError as error:
        raise UnreadableError(error.errno, error.strerror) from error


# --- the same or not ----------------------------------------------------------------------------------------------


def signature(found: os.stat_result, since_ns: int) -> bytes:
    """Return what is another one after any change; empty when the next change may show the same.

    :param since_ns: the time just before what was written through mappings was written back.
    """
    if found.st_ctime_ns > since_ns - TICK_NS:  # also when the clock was set back
        return b""
    return struct.pack("<QQqQ", found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size)


def write_back(handle: int) -> None:
    """Bring what was written through mappings to the file system: the next such write changes the times again."""
    whole = ctypes.c_longlong(0)
    _LIBC.sync_file_range(handle, whole, whole, ctypes.c_uint(_WRITE_AND_WAIT))


def same_outside(one: os.stat_result, other: os.stat_result) -> bool:
    """Return whether two files have the same size, time, mode and owner: needed, and never enough."""
    return _outside(one) == _outside(other)


def _outside(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_size, found.st_mtime_ns, found.st_mode, found.st_uid, found.st_gid)


def equals(handle: int, found: os.stat_result, name: str, folder: int) -> bool:
    """Return whether ``name`` in a directory is in every respect the file that is open as ``handle``."""
    try:
        other = open_here(name, READ, folder)
    except OSError:
        return False
    try:
        there = os.fstat(other)
        return stat.S_ISREG(there.st_mode) and same_outside(found, there) and _same_content(handle, other, there)
    except OSError:
        return False
    finally:
        os.close(other)


def _same_content(one: int, other: int, found: os.stat_result) -> bool:
    """Compare what is no hole in at least one of them."""
    place, size = 0, found.st_size
    while place < size:
        if size > _PIECE:
            place = min(_data(one, place, size), _data(other, place, size))
        length = min(_PIECE, size - place)
        if length > 0 and os.pread(one, length, place) != os.pread(other, length, place):
            return False
        place += length
    return os.fstat(one).st_size == size


def _data(handle: int, place: int, size: int) -> int:
    try:
        return os.lseek(handle, place, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a hole up to the end
            return size
        raise


# --- into place ---------------------------------------------------------------------------------------------------


def temporary_name() -> str:
    """Return a name for a moment."""
    return f".{secrets.token_hex(16)}.hardening-tmp"


def is_temporary(name: str) -> bool:
    """Return whether a name is one of those: never copied, and removed wherever a copy is made or brought back."""
    return _TEMPORARY.fullmatch(name) is not None


class Placer:
    """Puts copies of files into directories."""

    def __init__(self) -> None:
        """Begin without knowing whether the file system can share blocks."""
        self.clones: bool | None = None

    def copy(self, handle: int, found: os.stat_result, folder: int, name: str) -> None:
        """Let ``name`` be a copy of the file that is open as ``handle``, in one step."""
        temporary = temporary_name()
        copy = os.open(temporary, _WRITE, 0o600, dir_fd=folder)
        try:
            self._content(handle, copy)
            dress(copy, found)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        finally:
            os.close(copy)

    def _content(self, source: int, target: int) -> None:
        """Copy by reference where the file system can (reflink), else what is not a hole."""
        if self.clones is not False:
            try:
                fcntl.ioctl(target, _FICLONE, source)
            except OSError:
                self.clones = False
            else:
                self.clones = True
                return
        copy_data(source, target)


def copy_data(source: int, target: int) -> None:
    size = os.fstat(source).st_size
    place, unchecked = 0, 0
    while place < size:
        place = from_source(_data, source, place, size)
        if place >= size:
            break
        # At least one byte: a hole that its owner makes at this moment must not hold the copy up.
        length = max(1, min(from_source(os.lseek, source, place, os.SEEK_HOLE), size) - place)
        piece = from_source(os.pread, source, min(_PIECE, length), place)
        if not piece:
            size = place  # it became shorter
            break
        unchecked += len(piece)
        if unchecked >= _CHECKED:
            _need_room(target)
            unchecked = 0
        place += _write(target, piece, place)
    os.ftruncate(target, size)


def _write(target: int, piece: bytes, place: int) -> int:
    """Write a piece; a long one that is all zeros stays a hole, also where the kernel does not tell holes."""
    if len(piece) >= 1 << 16 and not piece.strip(b"\0"):
        return len(piece)
    return os.pwrite(target, piece, place)


def _need_room(target: int) -> None:
    """Keep what is reserved free: the file may have grown since there was room for it."""
    found = os.fstatvfs(target)
    if found.f_bavail * found.f_frsize < RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def link(old: int, folder: int, name: str) -> None:
    """Let ``name`` be one more name of the file of that name in ``old``."""
    temporary = temporary_name()
    os.link(name, temporary, src_dir_fd=old, dst_dir_fd=folder, follow_symlinks=False)
    try:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        # Two names of one file: rename(2) leaves both.
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)


def copy_link(source: int, name: str, found: os.stat_result, folder: int) -> bool:
    """Let ``name`` be a symbolic link as in ``source``; return whether it was another one."""
    points_to = from_source(os.readlink, name, dir_fd=source)
    with suppress(OSError):
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        owners = (there.st_uid, there.st_gid) == (found.st_uid, found.st_gid)
        if owners and os.readlink(name, dir_fd=folder) == points_to:
            return False
    temporary = temporary_name()
    os.symlink(points_to, temporary, dir_fd=folder)
    try:
        os.chown(temporary, found.st_uid, found.st_gid, dir_fd=folder, follow_symlinks=False)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    return True


def dress(handle: int, found: os.stat_result) -> None:
    """Give owner, mode and times; the mode last but for the times, because chown takes setuid away."""
    os.fchown(handle, found.st_uid, found.st_gid)
    os.fchmod(handle, stat.S_IMODE(found.st_mode))
    os.utime(handle, ns=(found.st_atime_ns, found.st_mtime_ns))


def place_mark(folder: int, name: str) -> None:
    """Mark, in a copy, what is not in it: a pipe, which a rollback neither brings nor removes."""
    os.mkfifo(name, 0o600, dir_fd=folder)


def clock_offset() -> int:
    """Return how far the clock is from the one that cannot be set, in nanoseconds."""
    return time.time_ns() - time.monotonic_ns()
