# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of a service's state: of one that runs (for a candidate), of one that rests (to go back to), and back again.

The service owns what is copied and may plant anything in it: every step goes through directory descriptors, no link is
followed, no mount point crossed, nothing is changed in place. What cannot be read is left out and reported, so that the
owner of a state cannot hold up the next image. Sockets, pipes and devices are neither copied nor removed; they belong
to a running program. Hard links become files of their own.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_entry as entry
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import (
    DIRECTORY,
    READ,
    Descent,
    Level,
    look,
    open_here,
    remove_tree,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import failed, open_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system.mountinfo import MountPoint, mount_table

_PASSES = 6
# The clock of the system may be adjusted by so much without having been set back.
_CLOCK_NS = 1_000_000
# Local file systems that change a file's times when it is written through a mapping.
_TRACKING = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "xfs"})
# What the host itself is short of; not the fault of the entry that was touched.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# What keeps an entry of a live state from being exchanged: immutable, a mount point, filled again by a process.
_STUCK = (errno.EPERM, errno.EACCES, errno.EBUSY, errno.EXDEV, errno.ENOTEMPTY, errno.ETXTBSY, errno.ESTALE)
_NAMED = 10


@dataclass
class Mirror:
    """Makes ``target`` equal to ``source``, as often as asked; what did not change since is not copied again.

    :param excluded: names directly in both directories that are left alone.
    :param reuse: an earlier copy; a file that is the same there becomes one more hard link (copies are never changed).
    :param restoring: the target is the live state: what cannot be exchanged there is left and reported.
    :param marks: what is left out leaves a mark in the copy, so that a rollback leaves it alone.
    :param kept: paths, from the top, that are left alone in the target.
    """

    source: str
    target: str
    excluded: Collection[str] = ()
    reuse: str = ""
    restoring: bool = False
    marks: bool = False
    kept: Collection[str] = ()
    # Of the last run: what was left out and why, at most a few by name; how many; whether waiting may help.
    left: list[str] = field(default_factory=list)
    left_count: int = 0
    busy: bool = False
    _changed: int = 0
    # By the inode of the copy's directory, then by name: the signature of what was copied.
    _seen: dict[int, dict[str, bytes]] = field(default_factory=dict)
    _placer: entry.Placer = field(default_factory=entry.Placer)
    _clock: int | None = None
    # When everything that was written until then began to be written back.
    _synced: int | None = None

    def run(self) -> int:
        """Copy what differs, remove what is too much; return how many files are not surely as at the last run."""
        self._changed, self.left_count, self.busy = 0, 0, False
        self.left.clear()
        refuse_foreign_mount(self.source)
        refuse_foreign_mount(self.target)
        self._doubt()
        try:
            with ExitStack() as stack:
                paths = [self.source, self.target] + ([self.reuse] if self.reuse else [])
                tops = [stack.enter_context(open_directory(path)) for path in paths]
                descent = stack.enter_context(Descent(tops))
                if self._synced is None:
                    self._synced = time.time_ns()
                    _sync(tops[0])
                self._enter(descent, os.listdir(tops[0]))
                self._walk(descent)
                _sync(tops[1])
        except OSError as error:
            raise _failed(self.source, self.target, error) from error
        return self._changed

    def run_live(self) -> bool:
        """Copy from a service that goes on writing, until one pass finds nothing new: then the copy is of one moment.

        Return whether it came to that.
        """
        for _number in range(_PASSES):
            if self.run() == 0:
                return True
            time.sleep(2 * entry.TICK_NS / 1e9)
        return False

    def run_rested(self, patience: float) -> None:
        """Copy from a service that was stopped; wait so many seconds for what another process holds (a lease)."""
        end = time.monotonic() + patience
        self.run()
        while self.busy and time.monotonic() < end:
            time.sleep(1)
            self.run()

    def warning(self) -> str:
        """Return what the last run left out, by name, for the operator; empty when it was nothing."""
        if not self.left_count:
            return ""
        more = f" and {self.left_count - len(self.left)} more" if self.left_count > len(self.left) else ""
        if self.restoring:
            return f"{self.target}: could not be brought back and stays as it is: {', '.join(self.left)}{more}"
        return f"{self.source}: left out of the copy, a rollback leaves it as it is: {', '.join(self.left)}{more}"

    # --- the walk -------------------------------------------------------------------------------------------------

    def _doubt(self) -> None:
        """Forget what was seen where the kernel's change times do not prove that nothing was written since."""
        clock = entry.clock_offset()
        mount = _mount_of(self.source)
        set_back = self._clock is not None and clock < self._clock - _CLOCK_NS
        if set_back or mount is None or mount.kind not in _TRACKING:
            self._seen.clear()
        self._clock = clock if self._clock is None else max(clock, self._clock)

    def _walk(self, descent: Descent) -> None:
        while True:
            here = descent.here
            if here.names:
                self._entry(descent, here.names.pop())
                continue
            try:
                entry.dress(here.handles[1], os.fstat(here.handles[0]))
            except OSError as error:
                self._stuck(descent.path() or ".", error)
            if descent.deep == 0:
                return
            for level in descent.up()[1:]:
                self._leave_out(descent.path(level.name), OSError(errno.ESTALE, "moved while it was copied"))

    def _enter(self, descent: Descent, names: Collection[str]) -> None:
        """Begin with a directory: remove what is too much in the target, note what is to be copied."""
        here, kept = descent.here, set(() if descent.deep else self.excluded)
        wanted = {name for name in names if name not in kept and not entry.is_temporary(name)}
        there = set(os.listdir(here.handles[1]))
        for name in there - wanted - kept:
            if not (self.kept and self._keeps(descent.path(name))):
                self._remove(descent, name, always=not self.restoring or entry.is_temporary(name))
        here.names, here.there = sorted(wanted, reverse=True), there

    def _entry(self, descent: Descent, name: str) -> None:
        if self.kept and descent.path(name) in self.kept:
            return
        try:
            found = look(name, descent.here.handles[0])
        except FileNotFoundError:  # a running service removed it meanwhile
            return
        except OSError as error:
            self._unread(descent, name, error)
            return
        try:
            if stat.S_ISDIR(found.st_mode):
                self._directory(descent, name)
            elif stat.S_ISREG(found.st_mode):
                self._file(descent, name, found)
            elif stat.S_ISLNK(found.st_mode):
                self._replaceable(descent, name, stat.S_IFLNK)
                handles = descent.here.handles
                self._changed += entry.copy_link(handles[0], name, found, handles[1])
            elif not self.restoring and name in descent.here.there:
                self._remove(descent, name, always=True)
        except entry.UnreadableError as error:
            self._unread(descent, name, error)
        except OSError as error:
            self._stuck(descent.path(name), error)

    def _directory(self, descent: Descent, name: str) -> None:
        here = descent.here
        handles: list[int] = []
        try:
            handles.append(entry.from_source(open_here, name, DIRECTORY, here.handles[0]))
            names = entry.from_source(os.listdir, handles[0])
            self._replaceable(descent, name, stat.S_IFDIR)
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=here.handles[1])
            handles.append(open_here(name, DIRECTORY, here.handles[1]))
            if len(here.handles) > 2:
                with suppress(OSError):
                    handles.append(open_here(name, DIRECTORY, here.handles[2]))
        except BaseException:
            for handle in handles:
                os.close(handle)
            raise
        descent.down(name, handles)
        self._enter(descent, names)

    def _file(self, descent: Descent, name: str, found: os.stat_result) -> None:
        here = descent.here
        observed = self._seen.setdefault(here.found[1].st_ino, {})
        known = observed.get(name)
        if known and name in here.there and known == entry.signature(found, time.time_ns()):
            return
        handle = entry.from_source(open_here, name, READ, here.handles[0])
        try:
            since = time.time_ns()
            if not self.restoring and found.st_ctime_ns >= (self._synced or 0) - entry.TICK_NS:
                entry.write_back(handle)
            found = os.fstat(handle)
            if stat.S_ISREG(found.st_mode):
                self._changed += self._put(here, handle, found, name)
                observed[name] = entry.signature(found, since)
        finally:
            os.close(handle)

    def _put(self, here: Level, handle: int, found: os.stat_result, name: str) -> bool:
        """Let the target have this file; return whether it may have had another one."""
        target = here.handles[1]
        if name in here.there:
            if entry.equals(handle, found, name, target):
                return not self.restoring
            with suppress(FileNotFoundError):
                if stat.S_ISDIR(look(name, target).st_mode):
                    remove_tree(target, name)
        old = here.handles[2] if len(here.handles) > 2 and not self._placer.clones else None
        if old is not None and entry.equals(handle, found, name, old):
            with suppress(OSError):  # such as too many links
                entry.link(old, target, name)
                return True
        self._placer.copy(handle, found, target, name)
        return True

    def _keeps(self, path: str) -> bool:
        return any(f"{kept}/".startswith(f"{path}/") for kept in self.kept)

    # --- what is not copied ---------------------------------------------------------------------------------------

    def _replaceable(self, descent: Descent, name: str, kind: int) -> None:
        """Remove what is of another kind in the target."""
        here = descent.here
        if name in here.there:
            with suppress(FileNotFoundError):
                if stat.S_IFMT(look(name, here.handles[1]).st_mode) != kind:
                    remove_tree(here.handles[1], name)

    def _remove(self, descent: Descent, name: str, *, always: bool) -> None:
        """Remove from the target what the source does not have; of a live state not what belongs to a program."""
        target = descent.here.handles[1]
        try:
            if always or stat.S_IFMT(look(name, target).st_mode) in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
                remove_tree(target, name)
        except FileNotFoundError:
            return
        except OSError as error:
            self._stuck(descent.path(name), error)

    def _stuck(self, path: str, error: OSError) -> None:
        """Leave in a live state what cannot be exchanged there; anything else is a failure."""
        if not self.restoring or error.errno not in _STUCK:
            raise error
        self._leave_out(path, error)

    def _unread(self, descent: Descent, name: str, error: OSError) -> None:
        if error.errno == errno.ENOENT:  # removed meanwhile
            return
        if self.restoring or error.errno in _EXHAUSTED:
            raise OSError(error.errno, error.strerror, descent.path(name)) from error
        self.busy = self.busy or error.errno == errno.EAGAIN
        self._leave_out(descent.path(name), error)
        if self.marks:
            target = descent.here.handles[1]
            remove_tree(target, name)
            entry.place_mark(target, name)

    def _leave_out(self, path: str, error: OSError) -> None:
        self.left_count += 1
        if len(self.left) < _NAMED:
            reason = "a mount point" if error.errno == errno.EXDEV else error.strerror
            reason = "held by another process" if error.errno == errno.EAGAIN else reason
            self.left.append(f"{_shown(path)} ({reason})")


# --- the world ----------------------------------------------------------------------------------------------------


def refuse_foreign_mount(path: str) -> None:
    """Refuse a file system that another user mounted over a directory (FUSE): it may never answer, not even root."""
    mount = _mount_of(path)
    options = dict(option.partition("=")[::2] for option in mount.super_options) if mount else {}
    if mount and mount.kind.startswith("fuse") and options.get("user_id", "0") != "0":
        found = f"a file system ({mount.kind}) that user {options['user_id']} mounted at {mount.path}"
        raise HardeningError(path, found, f"the directory itself; run umount --lazy -- {_shown(mount.path)}")


def _mount_of(path: str) -> MountPoint | None:
    """Return what is mounted where ``path`` is, without asking the file system itself."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            mounts = mount_table(file.read())
    except OSError:
        return None
    above = [mount for mount in mounts if f"{path}/".startswith(f"{mount.path.rstrip('/')}/")]
    # Of two at the same place the later one is seen.
    return max(reversed(above), key=lambda mount: len(mount.path), default=None)


def _sync(folder: int) -> None:
    """Bring a copy to the disk, all of it at once (syncfs(2), which Python does not offer)."""
    if ctypes.CDLL(None, use_errno=True).syncfs(folder) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _shown(path: str) -> str:
    """Return a path of another user in one line of printable characters, in quotes, not longer than 120."""
    text = ascii(path)
    return text if len(text) <= 120 else f"{text[:60]}…{text[-59:]}"


def _failed(source: str, target: str, error: OSError) -> HardeningError:
    where = f"{source} to {target}" if source != target else source
    at = f" at {_shown(error.filename)}" if isinstance(error.filename, str) else ""
    return failed(f"copy of {where}{at}", error)
