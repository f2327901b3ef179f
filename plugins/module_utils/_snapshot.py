# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of a service's state: of one that runs (for a candidate), of one that rests (to go back to), and back again.

The service owns what is copied and may plant anything in it: every step goes through directory descriptors, no link is
followed, nothing is changed in place. Sockets, pipes and devices are neither copied nor removed; they belong to a
running program. Hard links become files of their own.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._walk import open_directory

# Every level keeps descriptors open.
_DEEPEST = 200
# Left free on the file system that takes a copy.
_RESERVE = 64 << 20
_FICLONE = 0x40049409  # ioctl_ficlone(2)
_PIECE = 1 << 20
# A file that changed so short a time before it was looked at can change again and show the same time.
_TICK_NS = 20_000_000
_PASSES = 6
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass
class Mirror:
    """Makes ``target`` equal to ``source``, as often as asked; what did not change since is not copied again.

    :param excluded: names directly in both directories that are left alone.
    :param reuse: an earlier copy; a file that is the same there becomes one more hard link (copies are never changed).
    :param exact: what looks the same in the target (size, time, owner, mode) is copied nevertheless.
    """

    source: str
    target: str
    excluded: Collection[str] = ()
    reuse: str = ""
    exact: bool = False
    _seen: dict[tuple[str, ...], tuple[int, ...]] = field(default_factory=dict)
    copied: int = 0

    def run(self) -> int:
        """Copy what differs, remove what is too much; return how many files were copied."""
        self.copied = 0
        try:
            with ExitStack() as stack:
                source, target = (stack.enter_context(open_directory(path)) for path in (self.source, self.target))
                old = stack.enter_context(open_directory(self.reuse)) if self.reuse else None
                self._tree(source, target, old, ())
                _sync(target)
        except OSError as error:
            raise _failed(self.source, self.target, error) from error
        return self.copied

    def run_live(self) -> bool:
        """Copy from a service that goes on writing, until one pass finds nothing new: then the copy is of one moment.

        Return whether it came to that.
        """
        for _number in range(_PASSES):
            if self.run() == 0:
                return True
            time.sleep(2 * _TICK_NS / 1e9)
        return False

    def _tree(self, source: int, target: int, old: int | None, place: tuple[str, ...]) -> None:
        if len(place) > _DEEPEST:
            raise HardeningError(self.source, f"directories deeper than {_DEEPEST}", "a state that is not nested so")
        kept = () if place else tuple(self.excluded)
        names = sorted(set(os.listdir(source)) - set(kept))
        for name in set(os.listdir(target)) - set(kept) - set(names):
            if _copied(_lstat(target, name)):
                remove_tree(target, name)
        for name in names:
            with suppress(FileNotFoundError):  # a running service removed it meanwhile
                self._entry(source, target, old, (*place, name))
        _dress(target, os.fstat(source))

    def _entry(self, source: int, target: int, old: int | None, place: tuple[str, ...]) -> None:
        name = place[-1]
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        there = _lstat(target, name)
        if there and stat.S_IFMT(there.st_mode) != stat.S_IFMT(found.st_mode):
            remove_tree(target, name)
            there = None
        if stat.S_ISDIR(found.st_mode):
            self._directory(source, target, old, place)
        elif stat.S_ISREG(found.st_mode):
            self._file(source, target, old, place, there)
        elif stat.S_ISLNK(found.st_mode):
            _link(source, target, name, found, there)

    def _directory(self, source: int, target: int, old: int | None, place: tuple[str, ...]) -> None:
        name = place[-1]
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=target)
        with ExitStack() as stack:
            inner = [_open(stack, name, folder) for folder in (source, target)]
            before = None
            if old is not None:
                with suppress(OSError):
                    before = _open(stack, name, old)
            self._tree(inner[0], inner[1], before, place)

    def _file(
        self, source: int, target: int, old: int | None, place: tuple[str, ...], there: os.stat_result | None
    ) -> None:
        name = place[-1]
        with ExitStack() as stack:
            handle = os.open(name, _READ, dir_fd=source)
            stack.callback(os.close, handle)
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                return
            seen = _signature(found)
            if there and self._has(place, seen, found, there):
                return
            self._seen[place] = seen
            self.copied += 1
            before = _lstat(old, name) if old is not None else None
            if before and old is not None and stat.S_ISREG(before.st_mode) and _same(found, before):
                _replace_by_link(old, target, name)
            else:
                _replace_by_copy(handle, found, target, name)

    def _has(self, place: tuple[str, ...], seen: tuple[int, ...], found: os.stat_result, there: os.stat_result) -> bool:
        if place in self._seen:
            return self._seen[place] == seen
        return not self.exact and _same(found, there)


def measure(path: str, excluded: Collection[str] = ()) -> int:
    """Return the bytes that a directory takes on disk."""
    total = 0
    try:
        with open_directory(path) as top:
            for _place, folders, files, handle in os.fwalk(".", dir_fd=top, follow_symlinks=False):
                if _place == ".":
                    folders[:] = [name for name in folders if name not in excluded]
                for name in files:
                    with suppress(FileNotFoundError):
                        total += os.stat(name, dir_fd=handle, follow_symlinks=False).st_blocks * 512
    except OSError as error:
        raise _failed(path, path, error) from error
    return total


def need_space(path: str, size: int, what: str, option: str) -> None:
    """Refuse when the file system of ``path`` has no room for ``size`` bytes more."""
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    if free < size + _RESERVE:
        needed = f"{_mib(size + _RESERVE)} MiB for {what}"
        raise HardeningError(path, f"{_mib(free)} MiB free", f"{needed}; free some, or use another place", option)


def remove_tree(folder: int, name: str) -> None:
    """Remove whatever lies at ``name``; a link is removed, not followed."""
    names = [name]
    while names:
        _remove(folder, names.pop(), folder, names, 0)


def _remove(top: int, name: str, folder: int, deeper: list[str], depth: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
    if depth > _DEEPEST:  # nested on purpose: brought up, and removed by itself
        deeper.append(_temporary())
        os.rename(name, deeper[-1], src_dir_fd=folder, dst_dir_fd=top)
        return
    with ExitStack() as stack:
        inner = _open(stack, name, folder)
        for entry in os.listdir(inner):
            _remove(top, entry, inner, deeper, depth + 1)
    with suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=folder)


# --- one entry ----------------------------------------------------------------------------------------------------


def _signature(found: os.stat_result) -> tuple[int, ...]:
    """What changes when a file changes; one that has just changed is never taken for the same."""
    fresh = time.time_ns() - found.st_ctime_ns < _TICK_NS
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, time.monotonic_ns() if fresh else 0)


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return _looks(one) == _looks(other)


def _looks(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_size, found.st_mtime_ns, found.st_mode, found.st_uid, found.st_gid)


def _replace_by_copy(handle: int, found: os.stat_result, target: int, name: str) -> None:
    temporary = _temporary()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    copy = os.open(temporary, flags, 0o600, dir_fd=target)
    try:
        _content(handle, copy)
        _dress(copy, found)
        os.rename(temporary, name, src_dir_fd=target, dst_dir_fd=target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=target)
        raise
    finally:
        os.close(copy)


def _replace_by_link(old: int, target: int, name: str) -> None:
    temporary = _temporary()
    os.link(name, temporary, src_dir_fd=old, dst_dir_fd=target, follow_symlinks=False)
    os.rename(temporary, name, src_dir_fd=target, dst_dir_fd=target)


def _content(source: int, target: int) -> None:
    """Copy by reference where the file system can (reflink), else what is not a hole."""
    with suppress(OSError):
        fcntl.ioctl(target, _FICLONE, source)
        return
    size = os.fstat(source).st_size
    start = 0
    while start < size:
        try:
            start = os.lseek(source, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                break
            raise
        end = os.lseek(source, start, os.SEEK_HOLE)
        while start < end:
            piece = os.pread(source, min(_PIECE, end - start), start)
            if not piece:
                end = size = start  # it became shorter
                break
            written = os.pwrite(target, piece, start)
            start += written
    os.ftruncate(target, size)


def _dress(handle: int, found: os.stat_result) -> None:
    """Give owner, mode and times; the mode last but for the times, because chown takes setuid away."""
    os.fchown(handle, found.st_uid, found.st_gid)
    os.fchmod(handle, stat.S_IMODE(found.st_mode))
    os.utime(handle, ns=(found.st_atime_ns, found.st_mtime_ns))


def _link(source: int, target: int, name: str, found: os.stat_result, there: os.stat_result | None) -> None:
    points_to = os.readlink(name, dir_fd=source)
    if (
        there
        and os.readlink(name, dir_fd=target) == points_to
        and (there.st_uid, there.st_gid)
        == (
            found.st_uid,
            found.st_gid,
        )
    ):
        return
    temporary = _temporary()
    os.symlink(points_to, temporary, dir_fd=target)
    os.chown(temporary, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
    os.rename(temporary, name, src_dir_fd=target, dst_dir_fd=target)


def _temporary() -> str:
    # Whatever bears such a name in a copy's target and not in its source goes with the next run.
    return f".{secrets.token_hex(16)}.hardening-tmp"


def _open(stack: ExitStack, name: str, folder: int) -> int:
    handle = os.open(name, _DIRECTORY, dir_fd=folder)
    stack.callback(os.close, handle)
    return handle


def _copied(found: os.stat_result | None) -> bool:
    return found is not None and stat.S_IFMT(found.st_mode) in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


def _lstat(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _sync(folder: int) -> None:
    """Bring a copy to the disk, all of it at once (syncfs(2), which Python does not offer)."""
    if ctypes.CDLL(None, use_errno=True).syncfs(folder) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _mib(size: int) -> int:
    return -(-size // (1 << 20))


def _failed(source: str, target: str, error: OSError) -> HardeningError:
    where = f"{source} to {target}" if source != target else source
    return HardeningError(f"copy of {where}", f"{error.strerror} (errno {error.errno})", "a copy of the state")
