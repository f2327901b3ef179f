# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One deadline for a whole wait, however many steps it has; and calls that know none, under one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class Deadline:
    """A point on the monotonic clock; a timeout of a single step is never longer than what is left until then."""

    def __init__(self, seconds: float) -> None:
        """Begin now.

        :param seconds: length of the whole wait.
        """
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, 0 when it has passed."""
        return max(0.0, self._end - time.monotonic())

    def remaining(self) -> float:
        """Return the seconds left for the next step.

        :raises socket.timeout: none are left (the name of that class before Python 3.10; then ``TimeoutError``).
        """
        left = self.left()
        if not left:
            raise socket.timeout(f"no answer within {self.seconds:g} seconds")
        return left


def within(seconds: float, work: Callable[[], Value]) -> Value:
    """Do work that has no timeout of its own (a name's lookup, a file system that hangs) in a thread.

    :raises socket.timeout: it took longer; the thread is left behind, and does not keep the process from ending.
    """
    done: list[Value] = []
    failed: list[BaseException] = []

    def attempt() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again below, in the thread that asked)
            failed.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise socket.timeout(f"no answer within {seconds:g} seconds")
    return done[0]
