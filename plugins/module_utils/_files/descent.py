# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Walk directory trees of another user, of any depth, with a bounded number of descriptors.

The owner of such a tree may nest it without end, exchange its directories meanwhile, and mount a file system of its own
in it (FUSE), which may never answer. So nothing here recurses, no link is followed, and no mount point is crossed: the
kernel refuses that at the lookup (openat2(2), RESOLVE_NO_XDEV), before the mounted file system is asked.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# Levels whose descriptors stay open; deeper ones are reached again by "..", which is checked.
_HELD = 64
# How often a directory that another process fills again is emptied before it is given up.
_TRIES = 3
_OPENAT2 = 437  # the same number on every architecture that Docker supports
_RESOLVE_NO_XDEV = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    """Struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _openat2(name: str, flags: int, folder: int) -> int:
    how = _How(flags, 0, _RESOLVE_NO_XDEV)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    handle: int = _LIBC.syscall(_OPENAT2, folder, os.fsencode(name), ctypes.byref(how), size)
    if handle < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return handle


def _kernel_has_openat2() -> bool:
    try:
        os.close(_openat2("/", _LOOK | os.O_DIRECTORY, -100))
    except OSError:
        return False
    return True


_HAS_OPENAT2 = _kernel_has_openat2()


def open_here(name: str, flags: int, folder: int) -> int:
    """Open ``name`` in a directory: no link is followed, no mount point crossed (EXDEV).

    Kernels before 5.6 do not know how to refuse a mount point; there it is crossed.
    """
    if _HAS_OPENAT2:
        return _openat2(name, flags, folder)
    return os.open(name, flags, dir_fd=folder)


def look(name: str, folder: int) -> os.stat_result:
    """Return the status of ``name`` itself; a mount point is refused (EXDEV)."""
    handle = open_here(name, _LOOK, folder)
    try:
        return os.fstat(handle)
    finally:
        os.close(handle)


def same_directory(one: os.stat_result, other: os.stat_result) -> bool:
    """Return whether two results are of one directory."""
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


@dataclass
class Level:
    """One directory on the way: the descriptors of it in each tree, and the names still to do (the next one last)."""

    name: str
    handles: list[int]
    found: list[os.stat_result]
    names: list[str]
    # What a copy had there when it was entered.
    there: set[str] = field(default_factory=set)
    held: bool = True
    # How often the last of the names was found not to be empty.
    tries: int = 0


class Descent:
    """The directories from the top to the present one, in one or more trees of the same shape."""

    def __init__(self, tops: Sequence[int]) -> None:
        """Begin at ``tops``, which stay the caller's."""
        self.levels: list[Level] = []
        self._push("", [os.dup(top) for top in tops])

    def __enter__(self) -> Descent:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close whatever is open."""
        for level in self.levels:
            _close(level)

    @property
    def here(self) -> Level:
        """The present directory."""
        return self.levels[-1]

    @property
    def deep(self) -> int:
        """How many levels the present directory lies below the top."""
        return len(self.levels) - 1

    def path(self, name: str = "") -> str:
        """Return the path of the present directory, or of an entry in it, from the top."""
        parts = [level.name for level in self.levels[1:]] + ([name] if name else [])
        return "/".join(parts)

    def down(self, name: str, handles: list[int]) -> Level:
        """Go on in a directory that was just opened in each tree; the descriptors belong to the descent now."""
        if len(self.levels) > _HELD:
            _close(self.here)
        return self._push(name, handles)

    def up(self) -> list[Level]:
        """Leave the present directory; return the levels that were left: more than one when the rollback is gone."""
        left = [self.levels.pop()]
        while self.levels and not self.here.held:
            below = left[-1]
            if below.held and self._reopen(below):
                break
            # Its owner moved it: what is left of it is not reached any more.
            left.append(self.levels.pop())
        for level in left:
            _close(level)
        return left

    def _reopen(self, below: Level) -> bool:
        level = self.here
        handles: list[int] = []
        try:
            for handle, found in zip(below.handles, level.found):
                handles.append(open_here("..", DIRECTORY, handle))
                if not same_directory(os.fstat(handles[-1]), found):
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), level.name)
        except OSError:
            for handle in handles:
                os.close(handle)
            return False
        level.handles, level.held = handles, True
        return True

    def _push(self, name: str, handles: list[int]) -> Level:
        level = Level(name, handles, [os.fstat(handle) for handle in handles], [])
        self.levels.append(level)
        return level


def _close(level: Level) -> None:
    if level.held:
        level.held = False
        for handle in level.handles:
            os.close(handle)


@dataclass(frozen=True)
class Visited:
    """One entry of a tree that is walked, with the descriptor of its directory; both are good until the next one."""

    name: str
    folder: int
    status: os.stat_result
    descent: Descent = field(repr=False, compare=False)

    @property
    def path(self) -> str:
        """Its path from the top."""
        return self.descent.path(self.name)


def walk(
    top: int,
    excluded: Collection[str] = (),
    problem: Callable[[str, OSError], object] = lambda _path, _error: None,
    *,
    names: Callable[[int], list[str]] = os.listdir,
    skip: Callable[[Visited], bool] = lambda _found: False,
) -> Iterator[Visited]:
    """Yield everything below a directory, each directory before what is in it.

    :param excluded: names directly below the top that are left out.
    :param problem: gets the path of what cannot be read (it vanished, or is a mount point), and why.
    :param names: lists a directory, the first name last.
    :param skip: chooses what is not entered and not yielded.
    """
    with Descent([top]) as descent:
        descent.here.names = [name for name in names(top) if name not in excluded]
        while descent.deep or descent.here.names:
            if not descent.here.names:
                descent.up()
                continue
            name, folder = descent.here.names.pop(), descent.here.handles[0]
            try:
                found = Visited(name, folder, look(name, folder), descent)
            except OSError as error:
                problem(descent.path(name), error)
                continue
            if skip(found):
                continue
            yield found
            if stat.S_ISDIR(found.status.st_mode):
                try:
                    inner, below = _entered(found, names)
                except OSError as error:
                    problem(found.path, error)
                    continue
                descent.down(name, [inner]).names = below


def _entered(found: Visited, names: Callable[[int], list[str]]) -> tuple[int, list[str]]:
    handle = open_here(found.name, DIRECTORY, found.folder)
    try:
        return handle, names(handle)
    except BaseException:
        os.close(handle)
        raise


def remove_path(path: str) -> None:
    """Remove whatever is at an absolute path, if anything; see ``remove_tree``."""
    above, _slash, name = path.rpartition("/")
    with open_directory(above) as folder:
        remove_tree(folder, name)


def remove_tree(folder: int, name: str) -> None:
    """Remove whatever is at ``name``; a link is removed, not followed.

    :raises OSError: something in it cannot be removed (immutable, a mount point).
    """
    if _unlinked(name, folder):
        return
    with Descent([folder]) as descent:
        descent.here.names = [name]
        while True:
            here = descent.here
            if here.names:
                _descend(descent, here.names[-1])
            elif descent.deep == 0:
                return
            else:
                descent.up()
                # The emptied directory is still the last of the names: removed by the next round.


def chown_tree(top: int, uid: int, gid: int) -> None:
    """Give a directory and everything in it to one account; of a link the link itself."""
    os.fchown(top, uid, gid)
    for found in walk(top, problem=_raise):
        os.chown(found.name, uid, gid, dir_fd=found.folder, follow_symlinks=False)


def _raise(_path: str, error: OSError) -> None:
    raise error


def _descend(descent: Descent, name: str) -> None:
    """Take ``name`` away when it is empty by now, else go into it and remove what is no directory."""
    here = descent.here
    handle = here.handles[0]
    with suppress(FileNotFoundError):
        try:
            os.rmdir(name, dir_fd=handle)
        except NotADirectoryError:
            os.unlink(name, dir_fd=handle)
        except OSError as error:
            here.tries += 1
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or here.tries > _TRIES:
                raise
            inner = open_here(name, DIRECTORY, handle)
            level = descent.down(name, [inner])
            level.names = [entry for entry in os.listdir(inner) if not _unlinked(entry, inner)]
            return
    here.names.pop()
    here.tries = 0


def _unlinked(name: str, folder: int) -> bool:
    """Remove what is no directory; return whether nothing is there any more."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.EISDIR:
            return False
        if error.errno == errno.EPERM and stat.S_ISDIR(look(name, folder).st_mode):
            return False
        raise
    return True
