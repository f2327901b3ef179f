# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask an HTTP server that may be hostile: one deadline for everything, and limits for what it sends.

``http.client`` gives its timeout to each operation on the socket, so a server that sends a byte a second is waited
for without end. Here each gets what is left of one deadline: lookup, connect, TLS, request, status, headers, body.
Redirects are never followed, proxies of the environment never used.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._system.deadline import Deadline, within

# Bytes until the end of the headers, with everything before it (responses 100 to 199).
MAX_HEAD = 128 * 1024


class ChangedHands(OSError):
    """The connection leads to another process than the one that was meant; nothing was sent."""


@dataclass(frozen=True)
class Response:
    """What was answered; ``body`` is empty unless it was asked for."""

    status: int
    headers: Message = field(repr=False)
    body: bytes = b""
    # The body goes on behind what was asked for.
    truncated: bool = False

    def header(self, name: str) -> str:
        """Return the first header of that name, or an empty string."""
        return str(self.headers.get(name) or "")


def request(
    host: str,
    port: int,
    path: str,
    *,
    timeout: float,
    connect_timeout: float | None = None,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    tls: ssl.SSLContext | None = None,
    max_body: int = 0,
    vet: Callable[[], bool] | None = None,
    unix_socket: str = "",
) -> Response:
    """Send one request and read its response.

    :param unix_socket: path of a socket to connect to; host and port then are only what the request reports.
    :param timeout: seconds for all of it, whatever the server does.
    :param connect_timeout: seconds for the connection alone, when those are fewer.
    :param tls: speak TLS with this context.
    :param max_body: bytes of the response's body to read; by default it is not read.
    :param vet: asked when the connection is there and nothing is sent yet: whether it leads to the one that is meant.
    :raises ChangedHands: ``vet`` reports no.
    :raises socket.timeout: the deadline passed.
    :raises OSError: no connection, or it broke (``ssl.SSLError`` included).
    :raises http.client.HTTPException: what came is no HTTP, or too long.
    :raises ValueError: a host or header that cannot be one.
    """
    deadline = Deadline(timeout)
    client = http.client.HTTPConnection(host, port)
    budget = Deadline(min(deadline.seconds, connect_timeout or deadline.seconds))
    with closing(_connect_unix(unix_socket, budget) if unix_socket else _connect(host, port, budget)) as plain:
        with suppress(OSError):  # a Unix socket has none
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if vet and not vet():
            raise ChangedHands(f"another process took port {port}")
        if tls:
            plain.settimeout(deadline.remaining())
            # The handshake as a whole is under the socket's timeout.
            with closing(tls.wrap_socket(plain, server_hostname=host)) as secured:
                return _exchange(client, _Channel(secured, deadline), method, path, headers or {}, body, max_body)
        return _exchange(client, _Channel(plain, deadline), method, path, headers or {}, body, max_body)


def addresses(host: str, port: int | None, timeout: float) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """Look a name up; the resolver of the system has no deadline of its own.

    :raises socket.timeout: no answer in time.
    :raises OSError: there is no such name.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found = within(timeout, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    else:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [(family, address) for family, _type, _protocol, _name, address in found]


def _connect_unix(path: str, budget: Deadline) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(budget.remaining())
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _connect(host: str, port: int, budget: Deadline) -> socket.socket:
    failed: OSError | None = None
    for family, address in addresses(host, port, budget.remaining()):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(budget.remaining())
            connection.connect(address)
        except OSError as error:
            connection.close()
            failed = error
        else:
            return connection
    raise failed or OSError(f"no address for {host}")


def _exchange(
    client: http.client.HTTPConnection,
    channel: _Channel,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: str | None,
    max_body: int,
) -> Response:
    client.sock = channel
    client.request(method, path, body=body, headers={"Connection": "close", **headers})
    response = client.getresponse()
    channel.head_left = None
    content = response.read(max_body + 1) if max_body else b""
    return Response(response.status, response.headers, content[:max_body], len(content) > max_body)


class _Channel(io.RawIOBase):
    """The part of a socket that ``http.client`` uses; each operation gets what is left of the deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        # None: the headers are over.
        self.head_left: int | None = MAX_HEAD

    def sendall(self, data: bytes) -> None:
        """Send all of it: Python counts the timeout for the call as a whole."""
        self._connection.settimeout(self._deadline.remaining())
        self._connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the stream to read from; ``http.client`` closes the connection before it has read the body."""
        return io.BufferedReader(self)

    def close(self) -> None:
        """Leave the connection to who opened it."""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (a writable buffer)
        """Read what is there, or wait for it until the deadline."""
        self._connection.settimeout(self._deadline.remaining())
        try:
            count = self._connection.recv_into(buffer)
        except socket.timeout:
            self._deadline.remaining()  # reports how long it was in all
            raise
        if self.head_left is not None:
            self.head_left -= count
            if self.head_left < 0:
                raise http.client.HTTPException(f"no end of the headers within {MAX_HEAD} bytes")
        return count
