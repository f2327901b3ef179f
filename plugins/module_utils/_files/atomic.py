# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file that takes the place of another in one step: completed beside it first, swept up after a killed run.

An existing file is never changed in place, so that a hard link planted by another user keeps owner, mode and content.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError


def write_all(handle: int, content: bytes) -> None:
    """Write all of it, whatever one call takes."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


@contextmanager
def completed(
    folder: int, name: str, fill: Callable[[int], None], *, mode: int, uid: int, gid: int
) -> Iterator[tuple[str, int]]:
    """Complete a file beside ``name``; yield its temporary name, which is gone after a failure, and its handle.

    :param fill: writes the content to the descriptor that it is given.
    """
    temporary = temporary_name(name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        # Reports to sweep that its writer is alive. Who owns the directory could hold the file before, and us for ever.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fill(handle)
        os.fchown(handle, uid, gid)
        os.fchmod(handle, mode)
        os.fsync(handle)
        yield temporary, handle
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(handle)


def take_place(folder: int, temporary: str, name: str, handle: int, path: str) -> None:
    """Give a completed file its name; only a regular file may be replaced."""
    if not _replaceable(folder, name):
        raise HardeningError(path, "something that is not a regular file", "a regular file; move it away")
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    # The owner of a user's directory could have put another file under the temporary name.
    if not os.path.samestat(os.fstat(handle), os.stat(name, dir_fd=folder, follow_symlinks=False)):
        raise HardeningError(path, "a file exchanged by another user while it was written", "nobody to interfere")


def _replaceable(folder: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def temporary_name(name: str) -> str:
    """Return a new name beside ``name``, by which :func:`abandoned` knows it."""
    return f".{name[:200]}.{secrets.token_hex(8)}.hardening-tmp"


def sweep(folder: int, names: str) -> None:
    """Remove what a killed run left beside ``names``: a temporary file that no living writer holds."""
    for entry in abandoned(folder, names):
        with suppress(OSError):
            os.unlink(entry, dir_fd=folder)


def abandoned(folder: int, names: str) -> Iterator[str]:
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
