# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who listens on the host's port of a service: Docker for it, or another process, whose answers count for nothing.

While the service's container does not run, any local account can bind a port from 1024 on. Docker then cannot, and the
other process answers the requests. Nobody can reserve the port for Docker: it binds it itself, when the
container
starts. So it is seen to that nothing is believed of another process, and nothing shown to it; that it is named; and
that the service is started as soon as the port is free.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import (
    EVERY_ADDRESS,
    foreign,
    listening_at,
    network_mode,
    read_published,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system import http as system_http
from ansible_collections.openclaw.hardening.plugins.module_utils._system import socket_owner
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener, read_listeners

_POLL = 0.2
_LOOKUP = 5.0
_LINGERING = 1.0
# What Docker reports when it could not bind it, which another process may have left again.
_TAKEN = re.compile(r"port is already allocated|address already in use|EADDRINUSE|ports are not available", re.I)


@dataclass(frozen=True)
class Port:
    """A port of the host, as the service's users see it."""

    host: str
    port: int
    # The service's container; None asks only whether root listens, as Docker does.
    find: Callable[[], Container | None] | None = None
    # The addresses that Docker is to bind; None is ``host``.
    published: Callable[[], Collection[str]] | None = None

    def listeners(self) -> tuple[Listener, ...]:
        """Return who takes a connection to it."""
        return listening_at(self._addresses(), self.port, read_listeners("/proc/self/net"))

    def _addresses(self) -> set[str]:
        with suppress(OSError, UnicodeError, ValueError):  # a name that is none is reported by the connection
            found = system_http.addresses(self.host, self.port, _LOOKUP)
            return {str(address[0]).partition("%")[0] for _family, address in found}
        return set()

    def foreign(self, there: tuple[Listener, ...] | None = None) -> tuple[Listener, ...]:
        """Return those that are not the service's."""
        there = self.listeners() if there is None else there
        if self.find is None or not there:
            return foreign(there, None)
        container = self.find()
        attrs = container.attrs if container else {}
        if network_mode(attrs) == "host":
            with suppress(OSError):
                return foreign(there, socket_owner.of_control_group(int((attrs.get("State") or {}).get("Pid") or 0)))
            return there
        # What the daemon has bound now: nothing while the container does not run.
        return foreign(there, None) if any(entry.port == self.port for entry in read_published(attrs)) else there

    def rivals(self) -> tuple[Listener, ...]:
        """Return those that are not the service's and keep Docker from binding its addresses."""
        there = tuple(found for found in read_listeners("/proc/self/net") if found.port == self.port)
        foreign_ones = self.foreign(there)
        if not foreign_ones:
            return ()
        bound = set(self.published()) if self.published else self._addresses()
        # Beside a listener of the service, one on "::" takes IPv6 alone: else there could not be both.
        beside = len(foreign_ones) < len(there)
        return tuple(found for found in foreign_ones if any(self._in_the_way(found, own, beside) for own in bound))

    def _in_the_way(self, other: Listener, own: str, beside: bool) -> bool:
        """Return whether another's listener keeps Docker from binding one of its addresses."""
        if own in ("", other.address):
            return True
        if (":" in own) != (":" in other.address):
            return other.address == "::" and not beside and not _free(own, self.port)
        return own in EVERY_ADDRESS or other.address in EVERY_ADDRESS

    def taken(self) -> tuple[Listener, ...]:
        """Return the rivals that stay; Docker's own listener is gone a moment after its container."""
        first = self.rivals()
        if first:
            time.sleep(_LINGERING)
        return tuple(found for found in self.rivals() if found in first) if first else ()

    def named(self, there: tuple[Listener, ...]) -> str:
        """Name the processes behind listeners."""
        owners = socket_owner.name({found.inode: found.uid for found in there})
        return " and ".join(dict.fromkeys(owners.values()))

    def vet(self, there: tuple[Listener, ...]) -> Callable[[], bool]:
        """Return what reports, once a connection is made, that it was made to one of these listeners.

        Each socket has its own inode: one that was there before and is there afterwards was there all the time.
        """
        return lambda: self.listeners() == there


def _free(address: str, port: int) -> bool:
    """Try whether an IPv4 address can be bound, as Docker does."""
    with suppress(OSError), socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind((address, port))
        return True
    return False


def start_when_free(port: Port, start: Callable[[], None], patience: float, remedy: str = "") -> None:
    """Start the service as soon as no other process has its port.

    :param patience: seconds for that; the port may be taken again between a look and the start.
    :param remedy: what an operator can do.
    :raises HardeningError: another process has the port until the end, or ``start`` failed for another reason.
    """
    end = time.monotonic() + patience
    failure: HardeningError | None = None
    while True:
        taken = port.rivals()
        if not taken:
            try:
                start()
            except HardeningError as error:
                failure, taken = error, port.rivals()
                if not taken and not _TAKEN.search(str(error)):
                    raise
            else:
                return
        if time.monotonic() >= end:
            raise taken_by(port, taken, f"for {patience:g} seconds", remedy) if taken or not failure else failure
        time.sleep(_POLL)


def taken_by(
    port: Port, taken: tuple[Listener, ...], since: str = "", remedy: str = "", **details: str
) -> HardeningError:
    """Return the error that names who has the port."""
    found = " ".join(filter(None, [f"{port.named(taken)} listens there instead of the service", since]))
    needed = "a port that is free for Docker; stop that process, or publish another port"
    needed += f" ({remedy})" if remedy else ""
    return HardeningError(f"port {port.port} of {port.host}", found, needed, **details)


def published_port(container: Container | None, default: int) -> int:
    """Return the host's port of a container, which may be another one than that of its successor."""
    host: dict[str, Any] = (container.attrs.get("HostConfig") or {}) if container else {}
    bindings: dict[str, Any] = host.get("PortBindings") or {}
    for binding in next(iter(bindings.values()), None) or []:
        if str(binding.get("HostPort", "")).isdigit():
            return int(binding["HostPort"])
    return default
