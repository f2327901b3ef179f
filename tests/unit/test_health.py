"""Health from the host, against real servers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._health import Probe, ask, settle, wait
from ansible_collections.openclaw.hardening.plugins.module_utils._prober import Prober


class Gateway(BaseHTTPRequestHandler):
    asked: list[str]
    ready_after = 0

    def do_GET(self):
        self.asked.append(self.path)
        ready = self.path == "/healthz" or self.asked.count("/readyz") > self.ready_after
        self.send_response(200 if ready else 503)
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def gateway() -> Iterator[ThreadingHTTPServer]:
    handler = type("Handler", (Gateway,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def probe(port: int, timeout: float = 5) -> Probe:
    return Probe("127.0.0.1", port, ("/healthz", "/readyz"), timeout)


def test_every_path_has_to_answer_200(gateway):
    assert ask(probe(gateway.server_port)).ok
    gateway.RequestHandlerClass.ready_after = 100
    health = ask(probe(gateway.server_port))
    assert health.answers == {"/healthz": "200", "/readyz": "503"}
    assert not health.ok


def test_wait_lasts_until_the_gateway_is_ready(gateway):
    gateway.RequestHandlerClass.ready_after = 3
    health = wait(probe(gateway.server_port), lambda: "", poll=0.01)
    assert health.ok
    assert gateway.RequestHandlerClass.asked.count("/readyz") == 4


def test_wait_gives_up_in_time_and_says_what_was_answered(gateway):
    gateway.RequestHandlerClass.ready_after = 10**6
    with pytest.raises(HardeningError, match=r"still not ready after 0\.1 seconds.*/readyz: 503"):
        wait(probe(gateway.server_port, 0.1), lambda: "", poll=0.01)


def test_wait_ends_at_once_when_there_is_no_hope(gateway):
    gateway.RequestHandlerClass.ready_after = 10**6
    with pytest.raises(HardeningError, match="ended with exit code 78"):
        wait(probe(gateway.server_port, 600), lambda: "the container ended with exit code 78", poll=0.01)


def test_nobody_there_and_somebody_else_there_are_answers_not_errors():
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    assert "refused" in ask(probe(closed)).answers["/healthz"]

    def talk_nonsense() -> None:
        with server:
            peer, _address = server.accept()
            peer.sendall(b"SSH-2.0-OpenSSH\r\n")
            peer.close()

    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=talk_nonsense, daemon=True).start()
    assert not ask(Probe("127.0.0.1", server.getsockname()[1], ("/healthz",), 1)).ok


def test_proxies_of_the_environment_are_not_asked(gateway, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ask(probe(gateway.server_port)).ok


def test_settling_ends_when_the_answers_turn_wrong(gateway):
    probe_ = Probe("127.0.0.1", gateway.server_port, ("/healthz", "/readyz"), 5, settle=30)
    gateway.RequestHandlerClass.ready_after = 10**6
    with pytest.raises(HardeningError, match=r"3 times in a row not"):
        settle(probe_, lambda: "", poll=0.01)


def test_one_wrong_answer_is_no_fault_while_settling(gateway):
    probe_ = Probe("127.0.0.1", gateway.server_port, ("/healthz", "/readyz"), 5, settle=0.2)
    gateway.RequestHandlerClass.ready_after = 2
    settle(probe_, lambda: "", poll=0.01)


def test_settling_ends_when_the_container_has(gateway):
    probe_ = Probe("127.0.0.1", gateway.server_port, ("/healthz",), 5, settle=30)
    with pytest.raises(HardeningError, match="it ended"):
        settle(probe_, lambda: "it ended", poll=0.01)


@pytest.mark.parametrize("host", [" ", "a\0b", "x" * 64, "\u00e4" * 64, "-x", "["])
def test_a_name_that_no_host_can_have_is_an_answer_not_an_error(host):
    assert not ask(Probe(host, 1, ("/healthz",), 1)).ok


def test_a_gateway_that_lives_and_is_not_ready_yet_counts_as_not_answering(gateway):
    gateway.RequestHandlerClass.ready_after = 3
    with Prober(probe(gateway.server_port)) as prober:
        time.sleep(1)
    assert prober.result["asked"] > prober.result["failed"] == 3
    assert prober.result["seconds_failed"] > 0.2
