# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths of root on a host where a service user may own some of the folders on the way.

Every path is walked component by component through directory descriptors, and no link is ever followed.
"""

from __future__ import annotations

import errno
import os
import posixpath
import shlex
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

_INTERFERED = "nobody to interfere; stop what runs there, look at it, and run this again"
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
# What helps against what the kernel refuses.
_NEEDED = {
    errno.ENOSPC: "free space and free inodes on its file system (df, df -i)",
    errno.EDQUOT: "a quota that is not used up",
    errno.EROFS: "a file system that is mounted for writing",
    errno.EIO: "a disk that works; dmesg reports more",
}


@contextmanager
def open_directory(path: str) -> Iterator[int]:
    """Open the directory at ``path`` without following a link there or on the way; yield its descriptor."""
    try:
        with ExitStack() as stack:
            folder, name = stack.enter_context(parent(path))
            yield stack.enter_context(opened(folder, name, path, DIRECTORY))
    except FileNotFoundError:
        raise HardeningError(path, "nothing", "a directory") from None


@contextmanager
def parent(path: str, trusted: Collection[int] | None = None) -> Iterator[tuple[int, str]]:
    """Open the parent directory of ``path`` without following links; yield its descriptor and the last name.

    :param trusted: when given, the owners that every directory on the way may have.
    """
    if not path.startswith("/") or path.startswith("//") or path == "/" or posixpath.normpath(path) != path:
        raise HardeningError("path", repr(path), "an absolute path without '.', '..' or '//'")
    *parents, name = path[1:].split("/")
    folder = os.open("/", DIRECTORY)
    walked = ""
    try:
        for part in parents:
            walked += f"/{part}"
            with opened(folder, part, walked, DIRECTORY) as next_one:
                inner = os.dup(next_one)
            os.close(folder)
            folder = inner
            if trusted is not None:
                _vet(os.fstat(folder), walked, trusted)
        yield folder, name
    finally:
        os.close(folder)


def _vet(found: os.stat_result, path: str, trusted: Collection[int]) -> None:
    if found.st_uid not in trusted:
        raise HardeningError(path, f"a directory of uid {found.st_uid}", "one of root, because root writes below it")
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        mode = f"mode {stat.S_IMODE(found.st_mode):04o}"
        raise HardeningError(
            path, mode, f"a directory that only its owner may write; run `chmod go-w -- {shlex.quote(path)}`"
        )


@contextmanager
def opened(folder: int, name: str, path: str, flags: int) -> Iterator[int]:
    """Open ``name`` in a directory, not through a link; ``path`` is for the message."""
    try:
        handle = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise
        found = lstat(folder, name, path)
        if flags & os.O_DIRECTORY and not stat.S_ISDIR(found.st_mode):
            raise HardeningError(path, f"a {kind(found)}", "a directory, or nothing at all; move it away") from None
        raise HardeningError(path, "something that was exchanged while it was opened", _INTERFERED) from None
    try:
        yield handle
    finally:
        os.close(handle)


def lstat(folder: int, name: str, path: str) -> os.stat_result:
    """Look at ``name`` in a directory; a link is refused."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(name, dir_fd=folder)
        raise HardeningError(
            path, f"a symbolic link to {target!a}", "no link here or on the way; remove it, or use the real path"
        )
    return found


def kind(found: os.stat_result) -> str:
    """Name the type of what was looked at."""
    return _TYPES.get(stat.S_IFMT(found.st_mode), "unknown thing")


@contextmanager
def failures(path: str) -> Iterator[None]:
    """Name the path in what the kernel refuses."""
    try:
        yield
    except FileNotFoundError:
        found = f"no directory {posixpath.dirname(path)}"
        raise HardeningError(path, found, "its directory to exist") from None
    except OSError as error:
        raise failed(path, error) from error


def failed(path: str, error: OSError) -> HardeningError:
    """Return what the kernel refused, and what helps."""
    needed = _NEEDED.get(error.errno or 0, "a place that root can write")
    return HardeningError(path, f"{error.strerror} (errno {error.errno})", needed)
