# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time: a kernel lock, so that a dead run leaves none behind."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError

_POLL = 0.2


@contextmanager
def lock(path: str, timeout: float) -> Iterator[None]:
    """Hold the exclusive lock on ``path`` (created when missing) while the block runs.

    :param timeout: seconds to wait for another run; then it is refused.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HardeningError(path, f"{error.strerror}", "a lock file that root can open") from error
    try:
        deadline = time.monotonic() + timeout
        while not _taken(handle):
            if time.monotonic() >= deadline:
                raise HardeningError(
                    path,
                    f"another run (process {_holder(handle)}) that holds the lock for more than {timeout:g} seconds",
                    "to be the only run; wait for the other one",
                    "lock_timeout",
                )
            time.sleep(_POLL)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(handle: int) -> str:
    return os.pread(handle, 20, 0).decode("ascii", "replace") or "unknown"
