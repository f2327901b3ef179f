# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether it is of any use to go on waiting for a container."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import EX_CONFIG
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import read_listeners

_LOOPBACK = ("127.", "::1")
# A program may listen on loopback first and on its interface a moment later.
_PATIENCE = 5.0
# Docker starts it five more times; waiting for all of them leaves it without the service for seconds more.
_ENOUGH_RESTARTS = 2


class Watch:
    """Reports why there is no hope for a container, or nothing; it remembers what it saw."""

    def __init__(self, find: Callable[[], Container | None], port: int = 0, *, steady: bool = False) -> None:
        """Watch the container that ``find`` returns.

        :param port: where it should listen, inside; 0 does not look.
        :param steady: it was ready: from now on a restart is a fault, too, which Docker would otherwise fix.
        """
        self._find = find
        self._port = port
        self._steady = steady
        self._started = ""
        self._alone_since = 0.0

    def __call__(self) -> str:
        """Return the reason, or nothing."""
        container = self._find()
        if container is None:
            return "the container is gone"
        state: dict[str, Any] = container.attrs.get("State") or {}
        again = self._started_again(str(state.get("StartedAt") or ""))
        restarts = int(container.attrs.get("RestartCount") or 0)
        if container.status in ("exited", "dead") or (restarts and container.exit_code == EX_CONFIG):
            return ended(container)
        if restarts >= _ENOUGH_RESTARTS and container.status == "restarting":
            return f"{ended(container)}, {restarts + 1} times in a row"
        if self._steady and (again or not container.running):
            return f"{ended(container)}, and was started again" if again else ended(container)
        return self._unreachable(int(state.get("Pid") or 0))

    def _started_again(self, started: str) -> bool:
        before, self._started = self._started, self._started or started
        return bool(before) and before != started

    def _unreachable(self, pid: int) -> str:
        """Recognise the guide's own trap early: nobody outside of the container ever reaches its loopback."""
        if not pid or not self._port:
            return ""
        try:
            addresses = [found.address for found in read_listeners(f"/proc/{pid}/net") if found.port == self._port]
        except (OSError, ValueError):
            return ""  # it is ending
        if not addresses or not all(address.startswith(_LOOPBACK) for address in addresses):
            self._alone_since = 0.0
            return ""
        self._alone_since = self._alone_since or time.monotonic()
        waited = time.monotonic() - self._alone_since >= _PATIENCE
        return f"inside its container it listens on {' and '.join(addresses)} only" if waited else ""


def ended(container: Container) -> str:
    """Return how a container ended."""
    why = ", it ran out of memory" if container.oom_killed else ""
    why = ", it refuses its configuration" if container.exit_code == EX_CONFIG else why
    return f"the container ended with exit code {container.exit_code}{why}"
