# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files and directories of root on a host where a service user may own some of the folders on the way.

Every path is walked component by component through directory descriptors, and no link is ever followed. An existing
file is never changed in place: a new one is completed beside it and takes its name, so that a hard link planted by
somebody else keeps its owner, mode and content.
"""

from __future__ import annotations

import errno
import fcntl
import os
import posixpath
import re
import secrets
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError

INTERFERED = "nobody to interfere; stop what runs there, look at it, and run this again"
MAX_SIZE = 64 * 1024 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
    errno.EIO: "a disk that works; dmesg tells more",
}


@dataclass(frozen=True)
class ManagedFile:
    """A file as it should be. The content of a ``secret`` one is never shown."""

    path: str
    content: bytes
    mode: int
    uid: int = 0
    gid: int = 0
    secret: bool = False


@dataclass(frozen=True)
class FileState:
    """What lies at a path; ``content`` is empty unless ``type`` is ``file``."""

    type: str
    content: bytes
    mode: int
    uid: int
    gid: int
    nlink: int


@dataclass(frozen=True)
class DirectoryState:
    """An existing directory."""

    mode: int
    uid: int
    gid: int


# --- look ---------------------------------------------------------------------------------------------------------


def look(path: str, max_size: int = MAX_SIZE) -> FileState | None:
    """Read what lies at ``path``, or ``None``; a link there or on the way is refused."""
    try:
        with _parent(path) as (folder, name):
            found = _lstat(folder, name, path)
            if not stat.S_ISREG(found.st_mode):
                return _state(found, b"")
            with _opened(folder, name, path, os.O_RDONLY | os.O_NONBLOCK) as handle:
                found = os.fstat(handle)
                return _state(found, _content(handle, path, max_size) if stat.S_ISREG(found.st_mode) else b"")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failed(path, error) from error


def read_bytes(path: str, max_size: int = MAX_SIZE) -> bytes:
    """Return the content of the regular file at ``path``."""
    existing = look(path, max_size)
    if existing is None or existing.type != "file":
        raise HardeningError(path, existing.type if existing else "nothing", "a regular file")
    return existing.content


def vet_parents(path: str, trusted: Collection[int] = ()) -> None:
    """Refuse a path that :func:`write` would refuse for its parents, as far as they exist."""
    try:
        with _parent(path, trusted={0, *trusted}):
            pass
    except FileNotFoundError:
        pass
    except OSError as error:
        raise failed(path, error) from error


def look_directory(path: str) -> DirectoryState | None:
    """Read owner and mode of the directory at ``path``, or ``None``; anything else there is refused."""
    existing = look(path)
    if existing is None:
        return None
    if existing.type != "directory":
        raise HardeningError(path, f"a {existing.type}", "a directory, or nothing at all; move it away")
    return DirectoryState(existing.mode, existing.uid, existing.gid)


# --- decide (pure) ------------------------------------------------------------------------------------------------


def differences(existing: FileState | None, wanted: ManagedFile) -> bool:
    """Tell whether ``wanted`` has to be written; only a regular file may be replaced."""
    if existing is None:
        return True
    if existing.type != "file":
        raise HardeningError(wanted.path, f"a {existing.type}", "a regular file, or nothing at all; move it away")
    return (existing.content, existing.mode, existing.uid, existing.gid, existing.nlink) != (
        wanted.content,
        wanted.mode,
        wanted.uid,
        wanted.gid,
        1,
    )


def diff_entry(existing: FileState | None, wanted: ManagedFile) -> dict[str, str]:
    """Describe the change for ``--diff``; of a secret only size, owner and mode."""
    before = after = ""
    if existing is not None:
        before = _described(existing.mode, existing.uid, existing.gid, existing.content, wanted.secret)
    after = _described(wanted.mode, wanted.uid, wanted.gid, wanted.content, wanted.secret)
    if wanted.secret and existing is not None and existing.content != wanted.content:
        after = after.replace("(secret, ", "(another secret, ")
    return {"before_header": wanted.path, "after_header": wanted.path, "before": before, "after": after}


def directory_differs(existing: DirectoryState | None, mode: int, uid: int, gid: int) -> bool:
    """Tell whether a directory has to be created or corrected."""
    return existing != DirectoryState(mode, uid, gid)


def _described(mode: int, uid: int, gid: int, content: bytes, secret: bool) -> str:
    head = f"owner {uid}:{gid}, mode {mode:04o}\n"
    if secret:
        return f"{head}(secret, {len(content)} bytes)\n"
    try:
        return head + content.decode("utf-8")
    except UnicodeDecodeError:
        return f"{head}(binary, {len(content)} bytes)\n"


# --- act ----------------------------------------------------------------------------------------------------------


def write(wanted: ManagedFile, trusted: Collection[int] = ()) -> None:
    """Put ``wanted`` in place in one step; on any failure the old file is there as it was.

    :param trusted: owners of parent directories that are accepted besides root.
    """
    with _failures(wanted.path), _parent(wanted.path, trusted={0, *trusted}) as (folder, name):
        _sweep(folder, re.escape(name[:200]))
        _replace(folder, name, wanted, lambda handle: _write_all(handle, wanted.content))


def write_large(wanted: ManagedFile, fill: Callable[[int], None], siblings: str, trusted: Collection[int] = ()) -> None:
    """Put a file in place like :func:`write`, but with what ``fill`` writes to its descriptor instead of a content.

    :param siblings: regular expression of names; what killed runs left beside any of them is removed.
    """
    with _failures(wanted.path), _parent(wanted.path, trusted={0, *trusted}) as (folder, name):
        _sweep(folder, siblings)
        _replace(folder, name, wanted, fill)


def remove(path: str) -> bool:
    """Remove the regular file at ``path``; tell whether there was one."""
    try:
        with _parent(path) as (folder, name):
            if not stat.S_ISREG(_lstat(folder, name, path).st_mode):
                raise HardeningError(path, "something that is not a regular file", "a regular file, or nothing at all")
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)
            return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise failed(path, error) from error


def remove_directory(path: str) -> None:
    """Remove the directory at ``path`` when it is empty."""
    with suppress(FileNotFoundError), _parent(path) as (folder, name):
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise failed(path, error) from error


def ensure_directory(path: str, mode: int, uid: int, gid: int) -> bool:
    """Create or correct this one directory (its parent must exist); tell whether anything changed."""
    with _failures(path), _parent(path) as (folder, name):
        created = False
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
            created = True
        with _opened(folder, name, path, _DIRECTORY) as handle:
            found = os.fstat(handle)
            owner = (found.st_uid, found.st_gid) != (uid, gid)
            if owner:
                os.fchown(handle, uid, gid)
            if owner or stat.S_IMODE(found.st_mode) != mode:
                os.fchmod(handle, mode)
            if created:
                os.fsync(folder)
            return created or owner or stat.S_IMODE(found.st_mode) != mode


def _write_all(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _replace(folder: int, name: str, wanted: ManagedFile, fill: Callable[[int], None]) -> None:
    with _completed(folder, name, wanted, fill) as (temporary, handle):
        _take_place(folder, temporary, name, handle, wanted.path)
        os.fsync(folder)


@contextmanager
def _completed(folder: int, name: str, wanted: ManagedFile, fill: Callable[[int], None]) -> Iterator[tuple[str, int]]:
    """Complete ``wanted`` beside ``name``; yield its temporary name, which is gone after a failure, and its handle."""
    temporary = _temporary(name, secrets.token_hex(8))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # says to _sweep that its writer is alive
        fill(handle)
        os.fchown(handle, wanted.uid, wanted.gid)
        os.fchmod(handle, wanted.mode)
        os.fsync(handle)
        yield temporary, handle
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(handle)


def _take_place(folder: int, temporary: str, name: str, handle: int, path: str) -> None:
    if not _replaceable(folder, name):
        raise HardeningError(path, "something that is not a regular file", "a regular file; move it away")
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    # The owner of a user's directory could have put another file under the temporary name.
    if not os.path.samestat(os.fstat(handle), os.stat(name, dir_fd=folder, follow_symlinks=False)):
        raise HardeningError(path, "a file exchanged by somebody while it was written", "nobody to interfere")


def _replaceable(folder: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def _temporary(name: str, tag: str) -> str:
    return f".{name[:200]}.{tag}.hardening-tmp"


def _sweep(folder: int, names: str) -> None:
    """Remove what a killed run left beside ``names``: a temporary file that no living writer holds."""
    for entry in _abandoned(folder, names):
        with suppress(OSError):
            os.unlink(entry, dir_fd=folder)


def _abandoned(folder: int, names: str) -> Iterator[str]:
    """Yield the temporary files beside ``names`` (a regular expression) that no living writer holds."""
    pattern = re.compile(rf"\.(?:{names})\.[0-9a-f]{{16}}\.hardening-tmp")
    for entry in os.listdir(folder):
        if not pattern.fullmatch(entry):
            continue
        with suppress(OSError):  # locked by a living writer, a link, a directory: none of it is ours to remove
            handle = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield entry
            finally:
                os.close(handle)


# --- walking ------------------------------------------------------------------------------------------------------


@contextmanager
def open_directory(path: str) -> Iterator[int]:
    """Open the directory at ``path`` without following a link there or on the way; yield its descriptor."""
    try:
        with ExitStack() as stack:
            folder, name = stack.enter_context(_parent(path))
            yield stack.enter_context(_opened(folder, name, path, _DIRECTORY))
    except FileNotFoundError:
        raise HardeningError(path, "nothing", "a directory") from None


@contextmanager
def _parent(path: str, trusted: Collection[int] | None = None) -> Iterator[tuple[int, str]]:
    """Open the parent directory of ``path`` without following links; yield its descriptor and the last name.

    :param trusted: when given, the owners that every directory on the way may have.
    """
    if not path.startswith("/") or path.startswith("//") or path == "/" or posixpath.normpath(path) != path:
        raise HardeningError("path", repr(path), "an absolute path without '.', '..' or '//'")
    *parents, name = path[1:].split("/")
    folder = os.open("/", _DIRECTORY)
    walked = ""
    try:
        for part in parents:
            walked += f"/{part}"
            with _opened(folder, part, walked, _DIRECTORY) as opened:
                inner = os.dup(opened)
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
        raise HardeningError(path, mode, "a directory that only its owner may write; run chmod go-w on it")


@contextmanager
def _opened(folder: int, name: str, path: str, flags: int) -> Iterator[int]:
    try:
        handle = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise
        found = _lstat(folder, name, path)
        if flags & os.O_DIRECTORY and not stat.S_ISDIR(found.st_mode):
            raise HardeningError(path, f"a {_type(found)}", "a directory, or nothing at all; move it away") from None
        raise HardeningError(path, "something that was exchanged while it was opened", INTERFERED) from None
    try:
        yield handle
    finally:
        os.close(handle)


def _lstat(folder: int, name: str, path: str) -> os.stat_result:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(name, dir_fd=folder)
        raise HardeningError(
            path, f"a symbolic link to {target!a}", "no link here or on the way; remove it, or use the real path"
        )
    return found


def _content(handle: int, path: str, max_size: int) -> bytes:
    chunks, size = [], 0
    while chunk := os.read(handle, min(1 << 20, max_size + 1)):
        chunks.append(chunk)
        size += len(chunk)
        if size > max_size:
            raise HardeningError(path, f"more than {max_size} bytes", f"at most {max_size}")
    return b"".join(chunks)


def _type(found: os.stat_result) -> str:
    return _TYPES.get(stat.S_IFMT(found.st_mode), "unknown thing")


def _state(found: os.stat_result, content: bytes) -> FileState:
    return FileState(_type(found), content, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_nlink)


@contextmanager
def _failures(path: str) -> Iterator[None]:
    """Name the path in what the kernel refuses."""
    try:
        yield
    except FileNotFoundError:
        found = f"no directory {posixpath.dirname(path)}"
        raise HardeningError(path, found, "its directory to exist") from None
    except OSError as error:
        raise failed(path, error) from error


def failed(path: str, error: OSError) -> HardeningError:
    """Say what the kernel refused, and what helps."""
    needed = _NEEDED.get(error.errno or 0, "a place that root can write")
    return HardeningError(path, f"{error.strerror} (errno {error.errno})", needed)
