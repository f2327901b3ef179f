"""One deadline for a whole HTTP request, against servers that hold the process that asks."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import health as deploy_health
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import gateway_probe
from ansible_collections.openclaw.hardening.plugins.module_utils._system import http as system_http
from ansible_collections.openclaw.hardening.plugins.module_utils._system.deadline import Deadline, within
from unit.hostile_server import FLOODING, HEAD, HOLDING, LONGEST, repeat, serving, silent

FIRST = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def ask(port: int, timeout: float = 0.6, **options) -> system_http.Response:
    """Ask, and fail the test (instead of hanging it) when that takes too long."""
    began = time.monotonic()
    try:
        return within(LONGEST, lambda: system_http.request("127.0.0.1", port, "/x", timeout=timeout, **options))
    finally:
        assert time.monotonic() - began < timeout + 1


@pytest.mark.parametrize("talk", HOLDING.values(), ids=HOLDING)
def test_a_server_that_holds_is_waited_for_until_the_deadline(talk):
    with serving(talk) as port, pytest.raises(socket.timeout, match=r"within 0\.6 seconds|timed out"):
        ask(port)


@pytest.mark.parametrize("talk", FLOODING.values(), ids=FLOODING)
def test_a_server_that_floods_is_left_at_a_limit(talk):
    with serving(talk) as port, pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(port, timeout=20)


def test_a_connection_that_is_never_accepted_is_given_up():
    with serving(silent, accept=False) as port, pytest.raises(socket.timeout):
        ask(port)
    with serving(silent, accept=False) as port, pytest.raises(socket.timeout):
        ask(port, timeout=20, connect_timeout=0.3)


def test_a_handshake_that_stalls_or_drips_is_given_up():
    tls = ssl.create_default_context()
    # A record of TLS that reports it is long, a byte at a time.
    for talk in (silent, repeat(b"\x16", 0.1), repeat(b"\x00", 0.1, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")):
        with serving(talk) as port, pytest.raises(OSError):
            ask(port, tls=tls)


def test_a_request_that_nobody_reads_is_given_up():
    with serving(lambda peer: time.sleep(2)) as port, pytest.raises(socket.timeout):
        ask(port, method="POST", body="x" * 20_000_000)


def test_a_status_is_enough_and_the_body_is_not_waited_for():
    with serving(repeat(b"x" * 4096, 0, FIRST + b"\r\n")) as port:
        answer = ask(port)
    assert (answer.status, answer.header("content-type"), answer.body) == (200, "text/plain", b"")


@pytest.mark.parametrize(
    ("sent", "body", "truncated"),
    [
        (HEAD, b"hello", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello", False),
        (b"HTTP/1.0 200 OK\n\nhello", b"hello", False),
        (FIRST + b"\r\n" + b"y" * 100, b"y" * 20, True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD, b"hello", False),
    ],
)
def test_a_body_is_read_as_far_as_it_was_asked_for(sent, body, truncated):
    with serving(lambda peer: peer.sendall(sent)) as port:
        answer = ask(port, max_body=20)
    assert (answer.body, answer.truncated) == (body, truncated)


@pytest.mark.parametrize(
    "first", [b"\r\n", b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n10000\r\n"]
)
def test_a_body_that_drips_is_waited_for_until_the_deadline(first):
    with serving(repeat(b"x", 0.1, FIRST + first)) as port, pytest.raises(socket.timeout):
        ask(port, max_body=1000)


def test_trailers_without_end_are_no_way_out():
    first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with serving(repeat(b"X-T: y\r\n", 0.05, first)) as port, pytest.raises(socket.timeout):
        ask(port, max_body=1000)


def test_a_redirect_is_an_answer_and_not_followed():
    asked: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        asked.append(b"once")
        peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    with serving(talk) as port:
        assert ask(port).status == 302
    assert asked == [b"once"]


def test_nobody_there_is_refused_and_a_name_is_looked_up():
    with serving(silent) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        ask(port)
    with serving(lambda peer: peer.sendall(HEAD)) as port:
        assert system_http.request("localhost", port, "/", timeout=5).status == 200


def test_a_lookup_that_hangs_is_given_up(monkeypatch):
    stop = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: stop.wait(LONGEST))
    with pytest.raises(socket.timeout):
        system_http.request("gateway.example", 80, "/", timeout=0.3)
    stop.set()


def test_the_health_of_a_gateway_that_holds_is_an_answer(monkeypatch):
    monkeypatch.setattr(gateway_probe, "_ANSWER_TIMEOUT", 0.5)
    for talk in (HOLDING["a header byte at a time"], HOLDING["100 Continue without end"]):
        with serving(talk) as port:
            probe = deploy_health.Probe("127.0.0.1", port, 1, started="/startupz", alive="/healthz")
            began = time.monotonic()
            health = within(LONGEST, lambda probe=probe: deploy_health.ask(probe))
            assert time.monotonic() - began < 2
            assert not health.ok
            assert str(health).count("timeout") == 2


def test_a_probe_of_a_gateway_that_holds_times_out(monkeypatch):
    monkeypatch.setattr(gateway_probe, "_ANSWER_TIMEOUT", 0.5)
    for talk in HOLDING.values():
        with serving(talk) as port:
            answer = within(LONGEST, lambda port=port: gateway_probe.ask("127.0.0.1", port, "/healthz"))
            assert answer.error == gateway_probe.TIMEOUT
    with serving(lambda peer: peer.sendall(HEAD)) as port:
        assert gateway_probe.ask("127.0.0.1", port, "/healthz").status == 200
    with serving(FLOODING["no HTTP"]) as port:
        assert gateway_probe.ask("127.0.0.1", port, "/healthz").error == "no HTTP (BadStatusLine)"


def test_a_deadline_is_for_all_steps_together():
    deadline = Deadline(0.2)
    assert 0 < deadline.remaining() <= 0.2
    time.sleep(0.25)
    assert deadline.left() == 0
    with pytest.raises(socket.timeout, match=r"no answer within 0\.2 seconds"):
        deadline.remaining()


def test_work_in_a_thread_keeps_its_result_and_its_error():
    assert within(5, lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    with pytest.raises(socket.timeout):
        within(0.1, lambda: time.sleep(1))
