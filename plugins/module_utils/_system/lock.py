# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time: a kernel lock, so that a dead run leaves none behind; its file only names who holds it.

What a run starts holds the lock with it (:func:`held`). When the run is killed and its program goes on, the next run
waits for that program, too, instead of working beside it.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, shown
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ensure_directory, vet_parents
from ansible_collections.openclaw.hardening.plugins.module_utils._system import proc

FOLDER = "/run/openclaw-hardening"
_POLL = 0.2
_LOOKING = 1.0  # seconds for the search in /proc
_NAMED = 3
_NOT_KNOWN = "a process that is not known"
# Process, when that was started (clock ticks after boot), when it took the lock (seconds after boot), its program.
_LINE = re.compile(rb"([1-9][0-9]{0,9}) ([0-9]{1,20}) ([0-9]{1,12}) ([\w.-]{1,64})\n")
_LONGEST = 128
_held: list[int] = []


@dataclass(frozen=True)
class Holder:
    """Who wrote a lock file: a process is its number and its start, because numbers are used again."""

    pid: int
    start: int
    since: int
    program: str


def host_wide(name: str) -> str:
    """Return the file to lock for what a host has one of, in a folder of root that is there; both go with a reboot."""
    ensure_directory(FOLDER, 0o700, 0, 0)
    return f"{FOLDER}/{name}.lock"


def held() -> tuple[int, ...]:
    """Return the descriptors of the locks that this process holds, for the ``pass_fds`` of what it starts."""
    return tuple(_held)


@contextmanager
def lock(path: str, timeout: float, option: str = "lock_timeout") -> Iterator[None]:
    """Hold the exclusive lock on ``path`` (created when missing) while the block runs.

    :param timeout: seconds to wait for another run; then this one is refused, and informed who holds the lock since
    when.
    :param option: what the operator sets to wait longer.
    """
    try:
        vet_parents(path)  # who can exchange a directory on the way could have root make a file anywhere
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HardeningError(path, f"{error.strerror}", "a lock file that root can open") from error
    try:
        if not wait_for(handle, timeout):
            raise HardeningError(
                path,
                f"another run at work after {timeout:g} seconds of waiting: {_named(handle)}",
                "to be the only run; wait for the other one",
                option,
            )
        if not _is_there(handle, path):
            needed = "the file that this run waited for; another run has removed what it is of: run this again"
            raise HardeningError(path, "another lock file, or none", needed)
        _sign(handle)
        _held.append(handle)
        try:
            yield
        finally:
            _held.remove(handle)
            _write(handle, b"")
            # A run that ends by itself has waited for its programs; what one of them left for good holds nothing.
            fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def _is_there(handle: int, path: str) -> bool:
    """Return whether a lock file still has its name: a removal takes it away, and who comes later makes another one."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    return False


def wait_for(handle: int, timeout: float) -> bool:
    """Take the exclusive lock of an open file; return whether that was possible within ``timeout`` seconds.

    The kernel gives it back when the last copy of the descriptor is closed, also that of a process that was killed.
    """
    deadline = time.monotonic() + timeout
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)


# --- who holds it -------------------------------------------------------------------------------------------------


def at_work(path: str) -> str:
    """Return which run holds a lock, without a try to take it; nothing when none that still lives has signed it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        holder = read_holder(os.pread(handle, _LONGEST, 0))
        lives = holder is not None and proc.started(holder.pid) == holder.start
        return describe(holder, proc.uptime(), datetime.now(timezone.utc)) if holder and lives else ""
    finally:
        os.close(handle)


def _sign(handle: int) -> None:
    program = re.sub(r"[^\w.-]", "", os.path.basename(sys.argv[0]), flags=re.ASCII)[:64] or "python"
    start = proc.started(os.getpid())
    _write(handle, f"{os.getpid()} {start or 0} {proc.uptime():.0f} {program}\n".encode())


def _write(handle: int, line: bytes) -> None:
    # Whether the name can be written (a full disk) has no say in who holds the lock. In this order, a process that
    # reads
    # meanwhile finds one whole line first.
    with suppress(OSError):
        os.pwrite(handle, line, 0)
        os.ftruncate(handle, len(line))


def _named(handle: int) -> str:
    try:
        content = os.pread(handle, _LONGEST, 0)
    except OSError:
        return _NOT_KNOWN
    holder = read_holder(content)
    if holder is None:
        return f"{_NOT_KNOWN} (the file reports {shown(content.decode('ascii', 'replace'))})" if content else _NOT_KNOWN
    left: list[str] = []
    if proc.started(holder.pid) != holder.start:
        left = _programs(handle)
        if not left:
            return _NOT_KNOWN
    return describe(holder, proc.uptime(), datetime.now(timezone.utc), left)


def read_holder(content: bytes) -> Holder | None:
    """Read the first line of a lock file; None when it is torn or another user's."""
    match = _LINE.match(content)
    return Holder(int(match[1]), int(match[2]), int(match[3]), match[4].decode()) if match else None


def describe(holder: Holder, uptime: float, now: datetime, left: Sequence[str] = ()) -> str:
    """Return who holds the lock and since when; counted after boot, so that a clock that was set does not matter.

    :param left: programs that go on although the run that took the lock is gone.
    """
    seconds = max(0, round(uptime - holder.since))
    # A file may say any number.
    began = now - timedelta(seconds=min(seconds, round(uptime)))
    when = f"{began:%Y-%m-%d %H:%M:%S} UTC"
    who = f"process {holder.pid} ({holder.program})"
    if left:
        who = f"a program that a run which is gone ({holder.program}) had started: {' and '.join(left)}"
    return f"{who} holds the lock for {seconds} seconds, since {when}"


def _programs(handle: int) -> list[str]:
    """Name some processes that hold the lock, as far as a short search finds them; not those that wait for it."""
    found: list[str] = []
    lock_file = os.fstat(handle)
    enough = time.monotonic() + _LOOKING
    for pid in proc.pids():
        if len(found) == _NAMED or time.monotonic() > enough:
            break
        with suppress(OSError):  # it ended
            if any(_locks(f"/proc/{pid}", number, lock_file) for number in proc.descriptors(pid)):
                found.append(f"process {pid} ({harmless(proc.program(pid), 64)})")
    return found


def _locks(process: str, number: str, lock_file: os.stat_result) -> bool:
    """Return whether a descriptor holds the lock (proc_pid_fdinfo(5)); the file behind another one is not touched."""
    with suppress(OSError), open(f"{process}/fdinfo/{number}", "rb") as file:
        if re.search(rb"(?m)^lock:.* FLOCK .*:%d " % lock_file.st_ino, file.read()):
            return os.path.samestat(os.stat(f"{process}/fd/{number}"), lock_file)
    return False
