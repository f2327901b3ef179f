# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files and directories of root: read, compared, put in place. _walk goes the way there, _replace does the writing."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.atomic import (
    completed,
    sweep,
    take_place,
    write_all,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import (
    DIRECTORY,
    failed,
    failures,
    kind,
    lstat,
    opened,
    parent,
)

MAX_SIZE = 64 * 1024 * 1024


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
    """What is at a path; ``content`` is empty unless ``type`` is ``file``."""

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
    """Read what is at ``path``, or ``None``; a link there or on the way is refused."""
    try:
        with parent(path) as (folder, name):
            found = lstat(folder, name, path)
            if not stat.S_ISREG(found.st_mode):
                return _state(found, b"")
            with opened(folder, name, path, os.O_RDONLY | os.O_NONBLOCK) as handle:
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
        with parent(path, trusted={0, *trusted}):
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


def _content(handle: int, path: str, max_size: int) -> bytes:
    chunks, size = [], 0
    while chunk := os.read(handle, min(1 << 20, max_size + 1)):
        chunks.append(chunk)
        size += len(chunk)
        if size > max_size:
            raise HardeningError(path, f"more than {max_size} bytes", f"at most {max_size}")
    return b"".join(chunks)


def _state(found: os.stat_result, content: bytes) -> FileState:
    return FileState(kind(found), content, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_nlink)


# --- decide (pure) ------------------------------------------------------------------------------------------------


def differences(existing: FileState | None, wanted: ManagedFile) -> bool:
    """Return whether ``wanted`` has to be written; only a regular file may be replaced."""
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
    """Return whether a directory has to be created or corrected."""
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
    with failures(wanted.path), parent(wanted.path, trusted={0, *trusted}) as (folder, name):
        sweep(folder, re.escape(name[:200]))
        _replace(folder, name, wanted, lambda handle: write_all(handle, wanted.content))


def write_large(wanted: ManagedFile, fill: Callable[[int], None], siblings: str, trusted: Collection[int] = ()) -> None:
    """Put a file in place like :func:`write`, but with what ``fill`` writes to its descriptor instead of a content.

    :param siblings: regular expression of names; what killed runs left beside any of them is removed.
    """
    with failures(wanted.path), parent(wanted.path, trusted={0, *trusted}) as (folder, name):
        sweep(folder, siblings)
        _replace(folder, name, wanted, fill)


def remove(path: str) -> bool:
    """Remove the regular file at ``path``; return whether there was one."""
    try:
        with parent(path) as (folder, name):
            if not stat.S_ISREG(lstat(folder, name, path).st_mode):
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
    with suppress(FileNotFoundError), parent(path) as (folder, name):
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise failed(path, error) from error


def ensure_directory(path: str, mode: int, uid: int, gid: int) -> bool:
    """Create or correct this one directory (its parent must exist); return whether anything changed."""
    with failures(path), parent(path) as (folder, name):
        created = False
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
            created = True
        with opened(folder, name, path, DIRECTORY) as handle:
            found = os.fstat(handle)
            owner = (found.st_uid, found.st_gid) != (uid, gid)
            if owner:
                os.fchown(handle, uid, gid)
            if owner or stat.S_IMODE(found.st_mode) != mode:
                os.fchmod(handle, mode)
            if created:
                os.fsync(folder)
            return created or owner or stat.S_IMODE(found.st_mode) != mode


def _replace(folder: int, name: str, wanted: ManagedFile, fill: Callable[[int], None]) -> None:
    with completed(folder, name, fill, mode=wanted.mode, uid=wanted.uid, gid=wanted.gid) as (temporary, handle):
        take_place(folder, temporary, name, handle, wanted.path)
        os.fsync(folder)
