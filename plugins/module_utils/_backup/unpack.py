# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From an archive to a directory of root: nothing else is touched, and what is not whole is removed again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from ansible_collections.openclaw.hardening.plugins.module_utils._backup import archive
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import manifest as contents
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manifest import Entry, Manifest, refused
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.room import Size, need_space
from ansible_collections.openclaw.hardening.plugins.module_utils._files.atomic import write_all
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import DIRECTORY, open_here

_LARGEST_MANIFEST = 256 << 20
_CHECKED = 64 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class Unpacker:
    """Reads the stream of an archive.

    :param place: a directory of root to put it in; empty only proves it.
    """

    place: str
    _there: dict[str, Entry] = field(default_factory=dict)
    _unchecked: int = 0
    # The directory of the last file, which most have in common with the next one.
    _folder: tuple[str, int] = ("", -1)

    def run(self, stream: IO[bytes]) -> tuple[Manifest, str]:
        """Take all of it; return the manifest with its hash.

        :raises HardeningError: it is not whole, or has what no backup has.
        """
        written = b""
        try:
            for name, size, pieces in archive.members(stream):
                if written or name in self._there:
                    raise refused(f"{shown(name)}, a second time or behind its manifest")
                if contents.safe_path(name) == contents.NAME:
                    if size > _LARGEST_MANIFEST:
                        raise refused(f"a manifest of {size} bytes")
                    written = b"".join(pieces)
                else:
                    self._there[name] = self._take(name, pieces)
        finally:
            self._leave()
        if not written:
            raise refused("no manifest: it is cut off")
        manifest = contents.parse(written)
        problem = next(contents.disagreements(manifest, self._there), "")
        if problem:
            raise refused(problem)
        if self.place:
            self._complete(manifest)
        return manifest, contents.digest(written)

    def _take(self, name: str, pieces: Iterator[bytes]) -> Entry:
        total, size = hashlib.sha256(), 0
        handle = self._create(name) if self.place else -1
        try:
            for piece in pieces:
                total.update(piece)
                size += len(piece)
                if handle >= 0:
                    self._room(len(piece))
                    write_all(handle, piece)
        finally:
            if handle >= 0:
                os.close(handle)
        return Entry(contents.FILE, 0, 0, size, total.hexdigest())

    def _room(self, size: int) -> None:
        self._unchecked += size
        if self._unchecked >= _CHECKED:
            self._unchecked = 0
            need_space(self.place, Size(0, 0), "what the archive holds", "")

    # --- directories of root, in which no link is until everything else is there ----------------------------------

    def _create(self, name: str) -> int:
        folder, last = self._above(name)
        return os.open(last, _NEW, 0o600, dir_fd=folder)

    def _above(self, path: str) -> tuple[int, str]:
        """Return the directory of a path, which is open until another one is asked for, and the last name."""
        above, _slash, last = path.rpartition("/")
        if self._folder[0] != above:
            self._leave()
            self._folder = (above, self._open(above))
        return self._folder[1], last

    def _leave(self) -> None:
        if self._folder[1] >= 0:
            os.close(self._folder[1])
        self._folder = ("", -1)

    def _open(self, path: str) -> int:
        """Open a directory of the archive; make what is missing of it."""
        handle = os.open(self.place, DIRECTORY)
        for part in path.split("/") if path else []:
            try:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=handle)
                inner = open_here(part, DIRECTORY, handle)
            finally:
                os.close(handle)
            handle = inner
        return handle

    def _complete(self, manifest: Manifest) -> None:
        """Make the directories that have no file, then the links, modes and times, a directory after what is in it."""
        deepest_first = sorted(manifest.entries.items(), reverse=True)
        for path, entry in deepest_first:
            if entry.kind == contents.DIRECTORY:
                os.close(self._open(path))
        for path, entry in deepest_first:
            folder, name = self._above(path)
            if entry.kind == contents.LINK:
                os.symlink(entry.target, name, dir_fd=folder)
            else:
                os.chmod(name, entry.mode, dir_fd=folder)
            os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)
        self._leave()
