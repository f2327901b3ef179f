"""The daemon's lists without the SDK, from a real Unix socket; what answers may be anything."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import lists

ANSWERS = {
    "/containers/json?all=1": [{"Id": "1", "Names": ["/a"]}],
    "/networks": [{"Name": "n"}],
    "/volumes": {"Volumes": [{"Name": "v"}]},
}


def chunked(target: str) -> bytes:
    """Answer as the daemon does: in chunks."""
    body = json.dumps(ANSWERS[target]).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@contextmanager
def daemon(path: str, answer: Callable[[str], bytes]) -> Iterator[list[str]]:
    """Serve on a Unix socket; yields what was asked."""
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def serve() -> None:
            while True:
                try:
                    peer, _address = server.accept()
                except OSError:
                    return
                with peer:
                    target = peer.recv(65536).split(b" ")[1].decode()
                    asked.append(target)
                    with suppress(OSError):  # nobody waits any more
                        peer.sendall(answer(target))

        threading.Thread(target=serve, daemon=True).start()
        yield asked
        server.shutdown(socket.SHUT_RDWR)


def test_the_lists_are_read_from_the_socket(tmp_path):
    with daemon(f"{tmp_path}/sock", chunked) as asked:
        found = lists.without_sdk(f"unix://{tmp_path}/sock")
    assert found is not None
    assert (found.containers, found.networks) == (ANSWERS["/containers/json?all=1"], ANSWERS["/networks"])
    assert found.volumes == [{"Name": "v"}]
    assert asked == list(ANSWERS)


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{nope", b"HTTP/1.1 200 OK\r\n"],
    ids=["closed", "no HTTP", "no JSON", "cut off"],
)
def test_what_is_no_daemon_has_no_lists(tmp_path, answer):
    with daemon(f"{tmp_path}/sock", lambda _target: answer):
        assert lists.without_sdk(f"unix://{tmp_path}/sock") is None


def test_a_refusal_is_empty_lists(tmp_path):
    with daemon(f"{tmp_path}/sock", lambda _target: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"):
        found = lists.without_sdk(f"unix://{tmp_path}/sock")
    assert found is not None
    assert (found.containers, found.networks, found.volumes) == ([], [], [])


def test_a_daemon_that_holds_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "_TIMEOUT", 0.3)

    def hold(_target: str) -> bytes:
        time.sleep(2)
        return b""

    start = time.monotonic()
    with daemon(f"{tmp_path}/sock", hold):
        assert lists.without_sdk(f"unix://{tmp_path}/sock") is None
        assert time.monotonic() - start < 1.5


@pytest.mark.parametrize("where", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"])
def test_where_nothing_listens_there_are_no_lists(where):
    assert lists.without_sdk(where) is None
