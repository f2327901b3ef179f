# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in a container's own file system, and what was changed in it.

Its owner may be an attacker: nothing but directories is opened, each relative to the one before it, and no link is
followed. What was changed is read from the writable layer itself, because ``docker diff`` compares two whole file
systems, for the best part of a second.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._image.verify import is_tool

# Above it the walk stops, and the result is inconclusive: about a second.
MAX_ENTRIES = 300_000
MAX_DEPTH = 100
MAX_DRIFT = 1000
_SHOWN = 1000
_PROGRAM = "openclaw.mjs"
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ORIGINS = ("trusted.overlay.origin", "user.overlay.origin")


@dataclass(frozen=True)
class Program:
    """One directory that holds OpenClaw; ``faults``: what in it, or above it, others than root may change."""

    path: str
    files: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """What a walk of the container's own file system found; mounts are not part of it."""

    entries: int
    # Why there may be more than was seen, or an empty string.
    cut: str
    setuid: tuple[str, ...]
    tools: tuple[str, ...]
    programs: tuple[Program, ...]


@dataclass(frozen=True)
class _Directory:
    path: str
    # Open only until the next one.
    handle: int
    found: os.stat_result
    entries: list[os.DirEntry[str]]


class _Walk:
    """Directories below an open one, top down; it stays on one file system and leaves out ``skipped``."""

    def __init__(self, skipped: Collection[str] = (), later: str = "") -> None:
        """Take what not to enter; directories named ``later`` are only collected."""
        self.skipped = frozenset(skipped)
        self.later = later
        self.left: list[str] = []
        self.observed = 0
        self.cut = ""

    def below(self, top: int, path: str = "") -> Iterator[_Directory]:
        """Yield each directory that belongs to the file system of ``top``, which is closed at the end."""
        device = os.fstat(top).st_dev
        levels: list[tuple[int, str, Iterator[os.DirEntry[str]]]] = []
        handle = top
        try:
            while True:
                if handle >= 0:
                    # One descriptor for each level, whatever the container made of its directories.
                    levels.append((handle, path, iter(())))
                    found = os.fstat(handle)
                    if found.st_dev == device:
                        with os.scandir(handle) as scan:
                            entries = list(itertools.islice(scan, MAX_ENTRIES + 1))
                        self.observed += len(entries)
                        yield _Directory(path, handle, found, entries)
                        inner = (entry for entry in entries if entry.is_dir(follow_symlinks=False))
                        levels[-1] = (handle, path, inner)
                if self.observed > MAX_ENTRIES:
                    self.cut = f"there are more than {MAX_ENTRIES} entries"
                    return
                parent, folder, directories = levels[-1]
                entry = next(directories, None)
                if entry is None:
                    os.close(levels.pop()[0])
                    if not levels:
                        return
                    handle = -1
                    continue
                path = f"{folder}/{entry.name}"
                handle = self._opened(parent, path, entry.name, len(levels))
        finally:
            for opened, _path, _rest in levels:
                os.close(opened)

    def _opened(self, parent: int, path: str, name: str, depth: int) -> int:
        if path in self.skipped:
            return -1
        if self.later and name == self.later:
            self.left.append(path)
            return -1
        if depth >= MAX_DEPTH:
            self.cut = f"there are more than {MAX_DEPTH} directories in one another"
            return -1
        try:
            return os.open(name, DIRECTORY, dir_fd=parent)
        except OSError as error:
            # Gone or exchanged meanwhile: what is not seen is reported.
            self.cut = f"{path} could not be opened ({error.strerror})"
            return -1


def walk(top: int, skipped: Collection[str], workdir: str, root: int) -> Tree:
    """Look at every entry below ``top``, the small part outside of ``node_modules`` first; ``top`` is closed."""
    finder = _Finder(workdir, root)
    everything = _Walk(skipped, later="node_modules")
    again = os.dup(top)
    try:
        for directory in everything.below(top):
            finder.take(directory)
        everything.later = ""
        while everything.left and everything.observed <= MAX_ENTRIES:
            path = everything.left.pop(0)
            handle = _beneath(again, path)
            if handle < 0:
                everything.cut = f"{path} could not be opened"
                continue
            for directory in everything.below(handle, path):
                finder.take(directory)
    finally:
        os.close(again)
    return Tree(
        entries=everything.observed,
        cut=everything.cut,
        setuid=tuple(sorted(finder.setuid)[:_SHOWN]),
        tools=tuple(sorted(finder.tools)[:_SHOWN]),
        programs=finder.programs(),
    )


def _beneath(top: int, path: str) -> int:
    """Open a directory below ``top`` without following a link; -1 when there is none."""
    handle = os.dup(top)
    for name in path.strip("/").split("/"):
        try:
            inner = os.open(name, DIRECTORY, dir_fd=handle)
        except OSError:
            inner = -1
        os.close(handle)
        handle = inner
        if handle < 0:
            break
    return handle


class _Finder:
    """Keeps what is worth reporting of the directories that a walk comes by."""

    def __init__(self, workdir: str, root: int) -> None:
        self.setuid: list[str] = []
        self.tools: list[str] = []
        self._workdir = workdir
        self._root = root
        self._files: dict[str, int] = {}
        self._faults: dict[str, list[str]] = {}
        self._holding: list[str] = []
        # Directories above a program decide as well: who may rename in them may exchange it.
        self._above: dict[str, str] = {}

    def take(self, directory: _Directory) -> None:
        """Look at one directory and at all that is in it but directories."""
        path = directory.path
        if any(entry.name == _PROGRAM for entry in directory.entries) and not self._of(path, self._holding):
            self._holding.append(path)
        tops = [*self._holding, *filter(None, [self._workdir])]
        owners = dict.fromkeys(self._of(path, tops))
        fault = self._fault(directory.found, path)
        if fault:
            self._above[path] = fault
        for owner in owners:
            self._note(owner, fault)
        in_bin = path.endswith("bin") or path.endswith("node_modules/npm")
        for entry in directory.entries:
            own = f"{path}/{entry.name}"
            if in_bin and not entry.is_dir(follow_symlinks=False) and is_tool(own[1:]):
                self.tools.append(own)
            if not entry.is_file(follow_symlinks=False):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed meanwhile
            if found.st_mode & 0o6000:
                self.setuid.append(own)
            for owner in owners:
                self._files[owner] = self._files.get(owner, 0) + 1
                self._note(owner, self._fault(found, own))

    def programs(self) -> tuple[Program, ...]:
        """Return where OpenClaw is; without its start file, the working directory is taken for it."""
        tops = self._holding or [top for top in [self._workdir] if top in self._files]
        return tuple(
            Program(top, self._files.get(top, 0), (*self._faults_above(top), *self._faults.get(top, [])))
            for top in tops
        )

    def _faults_above(self, top: str) -> list[str]:
        return [fault for path, fault in self._above.items() if top.startswith(f"{path}/")]

    @staticmethod
    def _of(path: str, tops: list[str]) -> list[str]:
        return [top for top in tops if path == top or path.startswith(f"{top}/")]

    def _fault(self, found: os.stat_result, path: str) -> str:
        if found.st_uid != self._root:
            return f"{path or '/'} belongs to uid {found.st_uid}"
        # A sticky directory (/tmp) lets nobody move what is not his.
        loose = found.st_mode & 0o022 and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX)
        return f"{path or '/'} has the mode {stat.S_IMODE(found.st_mode):04o}" if loose else ""

    def _note(self, owner: str, fault: str) -> None:
        if fault and len(self._faults.setdefault(owner, [])) < _SHOWN:
            self._faults[owner].append(fault)


def changes(upper: int) -> tuple[tuple[str, str], ...]:
    """Read a writable layer of overlayfs; ``upper`` is closed."""
    found: list[tuple[str, str]] = []
    for directory in _Walk().below(upper):
        for entry in directory.entries:
            path = f"{directory.path}/{entry.name}"
            found.append((_kind(directory.handle, entry), path))
        if len(found) > MAX_DRIFT:
            found = [*found[:MAX_DRIFT], ("A", "and more")]
            break
    return tuple(sorted(found, key=lambda change: change[1]))


def _kind(folder: int, entry: os.DirEntry[str]) -> str:
    """Return what happened to an entry of a writable layer (overlayfs, "whiteouts" and "origin")."""
    found = entry.stat(follow_symlinks=False)
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
        return "D"
    for name in _ORIGINS:
        try:
            os.getxattr(f"/proc/self/fd/{folder}/{entry.name}", name, follow_symlinks=False)
        except OSError:
            continue
        return "C"
    return "A"
