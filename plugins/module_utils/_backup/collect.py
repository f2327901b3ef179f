# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes into a backup, read while the service runs: its state, and root's files of the deployment.

The service owns its state and may plant anything in it: no link is followed, no mount point crossed, and what cannot be
read is left out and named. Databases are copied by SQLite (``databases``); everything else is copied as it is.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import IO

from ansible_collections.openclaw.hardening.plugins.module_utils._backup import archive
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import manifest as contents
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.databases import (
    BESIDE,
    Copier,
    DamagedError,
    is_database,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manifest import Entry
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_copy import refuse_foreign_mount
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_entry import is_temporary
from ansible_collections.openclaw.hardening.plugins.module_utils._files import descent
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import READ, Visited, open_here
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory

# A file up to this size is read again when it was changed meanwhile; a larger one is copied as it goes.
_SMALL = 8 << 20
_READINGS = 3
# From here on, a file that is mostly holes is not copied: its owner could make terabytes of them.
_SPARSE = 1 << 30
_NAMED = 20
# Names in a state that are credentials, whatever is in them. From OpenClaw 2026.9.6, older stores included.
_SECRET_NAMES = frozenset({"auth-profiles.json", "auth.json", ".env", "credentials", "identity"})
_SECRET_ENDS = (".key", ".pem", ".p12", ".env")


@dataclass
class Size:
    """What a backup may take: all bytes, and the largest database."""

    total: int = 0
    database: int = 0


@dataclass
class Collector:
    """Writes files into the stream of an archive, and remembers what it wrote.

    :param stream: where the archive goes.
    :param copier: how databases are copied; None leaves them as they are.
    :param secrets: whether credentials come along.
    """

    stream: IO[bytes]
    copier: Copier | None
    secrets: bool
    entries: dict[str, Entry] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left: int = 0

    def tree(self, area: str, top: str, excluded: Collection[str] = ()) -> None:
        """Add a directory of the host; what is directly in it and ``excluded`` is not."""
        for found in walk(top, excluded, self._problem, skip=None if self.secrets else is_credential):
            path = f"{area}/{found.path}"
            try:
                self._add(path, found)
            except FileNotFoundError:  # a running service removed it meanwhile
                continue
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EPIPE, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                    raise
                self._problem(found.path, error.strerror or "cannot be read")

    def file(self, path: str, content: bytes, mode: int = 0o600) -> None:
        """Add a file with this content."""
        self._write(path, Entry(contents.FILE, mode), len(content), io.BytesIO(content))

    def _add(self, path: str, found: Visited) -> None:
        mode, time = stat.S_IMODE(found.status.st_mode) & 0o777, found.status.st_mtime_ns
        if stat.S_ISDIR(found.status.st_mode):
            self.entries[path] = Entry(contents.DIRECTORY, mode, time)
        elif stat.S_ISLNK(found.status.st_mode):
            target = os.readlink(found.name, dir_fd=found.folder)
            self.entries[path] = Entry(contents.LINK, mode, time, target=target)
        elif stat.S_ISREG(found.status.st_mode):
            handle = open_here(found.name, READ, found.folder)
            with os.fdopen(handle, "rb", buffering=0) as file:
                now = os.fstat(handle)
                if stat.S_ISREG(now.st_mode):
                    self._regular(path, found, file, now)

    def _regular(self, path: str, found: Visited, file: IO[bytes], now: os.stat_result) -> None:
        entry = Entry(contents.FILE, stat.S_IMODE(now.st_mode) & 0o777, now.st_mtime_ns)
        if self.copier and is_database(file.fileno()):
            try:
                handle = self.copier.copy(found.folder, found.name, now)
            except DamagedError as error:
                self._problem(found.path, f"a database that was not copied: {error}")
                return
            with os.fdopen(handle, "rb", buffering=0) as copy:
                self._write(path, entry, os.fstat(handle).st_size, copy)
        elif now.st_size > _SPARSE and now.st_blocks * 512 < now.st_size // 2:
            self._problem(found.path, f"{now.st_size >> 20} MiB, mostly holes")
        elif now.st_size > _SMALL:
            if not self._write(path, entry, now.st_size, file):
                self._problem(found.path, "became shorter while it was read")
        else:
            content = settled(file)
            self._write(path, entry, len(content), io.BytesIO(content))

    def _write(self, path: str, entry: Entry, size: int, file: IO[bytes]) -> bool:
        """Write one file of exactly this size; return whether there was as much of it."""
        self.stream.write(archive.member(path, size))
        total, left, whole = hashlib.sha256(), size, True
        while left:
            piece = file.read(min(archive.PIECE, left)) or b""
            if not piece:
                piece, whole = bytes(min(archive.PIECE, left)), False
            total.update(piece)
            self.stream.write(piece)
            left -= len(piece)
        self.stream.write(archive.finish(size))
        self.entries[path] = Entry(entry.kind, entry.mode, entry.mtime_ns, size, total.hexdigest())
        return whole

    def _problem(self, path: str, why: str) -> None:
        self.left += 1
        if len(self.problems) < _NAMED:
            self.problems.append(f"{shown(path, 120)} ({why})")


def walk(
    top: str,
    excluded: Collection[str],
    problem: Callable[[str, str], None],
    skip: Callable[[Visited], bool] | None = None,
) -> Iterator[Visited]:
    """Yield everything below a directory, each directory before what is in it.

    :param problem: gets the path of what cannot be read, and why.
    :param skip: chooses what is not entered and not yielded.
    """

    def unread(path: str, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            reason = "a mount point" if error.errno == errno.EXDEV else error.strerror
            problem(path, reason or "cannot be read")

    refuse_foreign_mount(top)
    with open_directory(top) as handle:
        yield from descent.walk(handle, excluded, unread, names=_names, skip=skip or (lambda _found: False))


def _names(handle: int) -> list[str]:
    """Return what a directory has, the first one last; without what SQLite keeps beside a database, and our own."""
    names = set(os.listdir(handle))
    beside = {name for name in names for end in BESIDE
              if name.endswith(end) and _has_database(handle, name[: -len(end)], names)}  # fmt: skip
    return sorted((name for name in names - beside if not is_temporary(name)), reverse=True)


def _has_database(folder: int, name: str, names: Collection[str]) -> bool:
    if name not in names:
        return False
    try:
        handle = open_here(name, READ, folder)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(handle).st_mode) and is_database(handle)
    finally:
        os.close(handle)


def is_credential(found: Visited) -> bool:
    """Return whether a path of a state is a credential by its name."""
    return found.name in _SECRET_NAMES or found.name.endswith(_SECRET_ENDS)


def measure(top: str, excluded: Collection[str]) -> Size:
    """Return what a state takes in an archive at most."""
    size = Size()
    for found in walk(top, excluded, lambda _path, _why: None):
        if stat.S_ISREG(found.status.st_mode):
            size.total += min(found.status.st_size, found.status.st_blocks * 512)
            if found.status.st_size > size.database and _has_database(found.folder, found.name, (found.name,)):
                size.database = found.status.st_size
    return size


def settled(file: IO[bytes]) -> bytes:
    """Read a small file; again when it was written meanwhile, at most a few times."""
    content = b""
    for _reading in range(_READINGS):
        before = os.fstat(file.fileno())
        content = os.pread(file.fileno(), _SMALL + 1, 0)
        after = os.fstat(file.fileno())
        if (before.st_ctime_ns, before.st_size) == (after.st_ctime_ns, after.st_size):
            break
    return content
