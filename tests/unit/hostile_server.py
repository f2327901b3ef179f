"""Servers that hold the process that asks them, on loopback: each for a few seconds at most, and only while a test
runs.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# No peer goes on longer than this, so that a test of code without a deadline ends, too.
LONGEST = 8.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def repeat(piece: bytes, pause: float = 0.0, first: bytes = b"") -> Callable[[socket.socket], None]:
    """Send something once, then a piece again and again."""

    def talk(peer: socket.socket) -> None:
        peer.sendall(first)
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            peer.sendall(piece)
            time.sleep(pause)

    return talk


def drip(text: bytes, pause: float = 0.1) -> Callable[[socket.socket], None]:
    """Send a byte at a time."""

    def talk(peer: socket.socket) -> None:
        for byte in text:
            peer.sendall(bytes([byte]))
            time.sleep(pause)

    return talk


def silent(peer: socket.socket) -> None:
    """Accept, read, never answer."""
    peer.settimeout(LONGEST)
    with suppress(OSError):
        while peer.recv(65536):
            pass


# Each would hold http.client far longer than its timeout, or for ever.
HOLDING: dict[str, Callable[[socket.socket], None]] = {
    "silence": silent,
    "a header byte at a time": repeat(b"x", 0.1, b"HTTP/1.1 200 OK\r\nX-Long: "),
    "a status byte at a time": drip(b"HTTP/1.1 200 " + b"O" * 80),
    "a header line at a time": repeat(b"X-A: b\r\n", 0.2, b"HTTP/1.1 200 OK\r\n"),
    "100 Continue without end": repeat(b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
}
# Each ends at once by a limit.
FLOODING: dict[str, Callable[[socket.socket], None]] = {
    "100 Continue at full speed": repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "a status line of megabytes": repeat(b"x" * 65536, 0, b"HTTP/1.1 200 "),
    "a header of megabytes": repeat(b"x" * 65536, 0, b"HTTP/1.1 200 OK\r\nX-Long: "),
    "headers without end": repeat(b"X-A: b\r\n" * 4096, 0, b"HTTP/1.1 200 OK\r\n"),
    "100 Continue with headers without end": repeat(b"X-A: b\r\n" * 4096, 0, b"HTTP/1.1 100 Continue\r\n"),
    "no HTTP": lambda peer: peer.sendall(b"SSH-2.0-OpenSSH\r\n"),
    "nothing at all": lambda peer: None,
}


@contextmanager
def serving(talk: Callable[[socket.socket], None], *, accept: bool = True, unix: str = "") -> Iterator[int]:
    """Serve on a free port of loopback (or a Unix socket); return the port.

    :param accept: False fills the queue of the listener, so that a connection is never made.
    """
    server = socket.socket(socket.AF_UNIX) if unix else socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers: list[socket.socket] = []
    peers: list[socket.socket] = []
    threads: list[threading.Thread] = []
    if unix:
        server.bind(unix)
        server.listen(16)
    port = 0 if unix else server.getsockname()[1]

    def work(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.settimeout(LONGEST)
            peer.recv(65536)  # what is closed with something unread is reset
            talk(peer)

    def answer() -> None:
        with suppress(OSError):
            while True:
                peers.append(server.accept()[0])
                thread = threading.Thread(target=work, args=(peers[-1],), daemon=True)
                thread.start()
                threads.append(thread)

    acceptor = threading.Thread(target=answer, daemon=True)
    if accept:
        acceptor.start()
    else:
        for _number in range(4):
            fillers.append(socket.socket())
            fillers[-1].setblocking(False)
            fillers[-1].connect_ex(("127.0.0.1", port))
    try:
        yield port
    finally:
        # Wakes the thread that accepts; a plain close() does not.
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        for each in (server, *fillers):
            each.close()
        if accept:
            acceptor.join(1)  # so that no more threads come
        # Nothing of it is open any more when the next test counts what is.
        for peer in peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(1)
