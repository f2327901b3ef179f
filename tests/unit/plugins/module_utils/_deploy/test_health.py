"""The four questions, asked from the host, against real servers."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import downtime as deploy_downtime
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import port as deploy_port
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.downtime import Prober
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import (
    Health,
    Probe,
    Reply,
    ask,
    stabilize,
    wait,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port, start_when_free
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener

TOKEN = "0123456789abcdef" * 4


class Gateway(BaseHTTPRequestHandler):
    """A gateway; ``started_after`` rounds it is started, and ``failing`` are the channels that are down."""

    asked: list[str]
    shown: list[str]
    started_after = 0
    failing: tuple[str, ...] = ()
    token = TOKEN
    locked_out = False
    startup: tuple[int, str] = (200, "application/json")

    def do_GET(self):
        self.asked.append(self.path)
        known = self.headers.get("Authorization") == f"Bearer {self.token}"
        if self.path == "/startupz" and self.startup != (200, "application/json"):
            self.answer(self.startup[0], {}, self.startup[1])
        elif self.path == "/startupz":
            self.answer(200 if self.asked.count("/startupz") > self.started_after else 503, {})
        elif self.path == "/readyz":
            names = {"failing": list(self.failing)} if known else {}
            self.answer(503 if self.failing else 200, {"ready": not self.failing, **names})
        else:
            self.answer(200 if self.path == "/healthz" else 404, {})

    def do_POST(self):
        self.asked.append(self.path)
        shown = self.headers.get("Authorization", "")
        self.shown.append(shown)
        if self.locked_out:
            self.answer(429, {})
        elif self.path != "/tools/invoke":
            self.answer(404, {})
        else:
            self.answer(200 if shown == f"Bearer {self.token}" else 401, {})

    def answer(self, status, body, kind="application/json"):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def gateway() -> Iterator[ThreadingHTTPServer]:
    handler = type("Handler", (Gateway,), {"asked": [], "shown": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def token_file(tmp_path) -> str:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return str(path)


def probe(port: int, timeout: float = 5, **changes: object) -> Probe:
    fields = {"stabilize": 0, "started": "/startupz", "alive": "/healthz", "dependencies": "/readyz"}
    return Probe("127.0.0.1", port, timeout, **{**fields, **changes})


def whole(server: ThreadingHTTPServer, token_file: str, **changes: object) -> Probe:
    return probe(server.server_port, serving="/tools/invoke", token_file=token_file, **changes)


# --- what counts --------------------------------------------------------------------------------------------------


def test_a_gateway_that_is_started_alive_and_serving_is_well(gateway, token_file):
    health = ask(whole(gateway, token_file))
    assert health.ok
    assert health.replies["dependencies"].ok
    assert health.status == {
        "alive": "/healthz: 200",
        "started": "/startupz: 200",
        "serving": "POST /tools/invoke: 200 with the token and 401 without a token",
        "dependencies": "/readyz: 200",
    }
    assert TOKEN not in repr(health)


def test_nothing_asked_is_not_well():
    assert not Health().ok
    assert not ask(Probe("127.0.0.1", 1, 1)).ok
    assert not Health({"serving": Reply(None, "locked out")}).ok
    assert not Health({"dependencies": Reply(True, "200")}).ok


def test_nothing_probed_is_reported_apart_from_healthy():
    nothing = Probe("127.0.0.1", 1, 30)
    assert not Health().probed
    assert not ask(nothing).probed
    assert Health({"alive": Reply(False, "no answer")}).probed
    assert nothing.decisive == ()
    assert replace(nothing, dependencies="/readyz").decisive == ()
    assert replace(nothing, dependencies="/readyz", require_dependencies=True).decisive == ("dependencies",)


def test_a_service_that_is_not_probed_is_never_waited_for():
    start = time.monotonic()
    with pytest.raises(HardeningError, match="nothing to probe"):
        wait(Probe("127.0.0.1", 1, 30), lambda: "")
    assert time.monotonic() - start < 5


def test_a_prober_without_a_question_counts_nothing(monkeypatch):
    """Zero failures of zero questions would look like a deployment without downtime."""
    monkeypatch.setattr(deploy_downtime, "_EVERY", 0.01)
    with Prober(Probe("127.0.0.1", 1, 5, serving="/tools/invoke", dependencies="/readyz")) as prober:
        time.sleep(0.2)
    assert prober.result == {}
    assert prober.requests == 0


def test_a_dead_channel_is_a_warning_with_its_name_and_no_fault(gateway, token_file):
    gateway.RequestHandlerClass.failing = ("telegram", "bad\nname\x1b[2J")
    health = ask(whole(gateway, token_file))
    assert health.ok
    assert health.replies["dependencies"].ok is False
    assert health.not_ready == ("telegram", "bad\\nname\\x1b[2J")
    assert "telegram" in health.status["dependencies"]
    without = ask(probe(gateway.server_port))
    assert (without.ok, without.replies["dependencies"].ok, without.not_ready) == (True, False, ())


def test_the_operator_may_let_a_dead_channel_count(gateway, token_file):
    gateway.RequestHandlerClass.failing = ("telegram",)
    assert not ask(whole(gateway, token_file, require_dependencies=True)).ok


def test_a_part_of_the_gateway_itself_is_no_dependency(gateway, token_file):
    gateway.RequestHandlerClass.failing = ("agent-database:main",)
    health = ask(whole(gateway, token_file, essential=("agent-database:*",)))
    assert not health.ok
    assert "agent-database:main" in str(health)
    assert ask(whole(gateway, token_file, essential=("state-database",))).ok


def test_a_gateway_that_lets_everybody_in_or_not_the_operator_does_not_serve(gateway, token_file):
    gateway.RequestHandlerClass.token = "another"
    health = ask(whole(gateway, token_file))
    assert (health.ok, health.replies["serving"].refused) == (False, True)
    assert not ask(whole(gateway, "/nonexistent")).ok


def test_a_lockout_that_anybody_can_cause_does_not_decide(gateway, token_file):
    gateway.RequestHandlerClass.locked_out = True
    health = ask(whole(gateway, token_file))
    assert health.ok
    assert health.replies["serving"].ok is None
    assert gateway.RequestHandlerClass.shown == [""]


def test_the_token_is_shown_only_to_who_refuses_without_one(gateway, token_file, monkeypatch):
    def welcome(self: Gateway) -> None:
        self.shown.append(self.headers.get("Authorization", ""))
        self.answer(200, {})

    monkeypatch.setattr(gateway.RequestHandlerClass, "do_POST", welcome)
    assert not ask(whole(gateway, token_file)).ok
    assert gateway.RequestHandlerClass.shown == [""]


@pytest.mark.parametrize("startup", [(404, "application/json"), (200, "text/html")])
def test_a_gateway_that_does_not_know_a_question_is_refused_clearly(gateway, token_file, startup):
    gateway.RequestHandlerClass.startup = startup
    with pytest.raises(
        HardeningError, match=r"does not know /startupz; deploy a version that does, or set health\.started"
    ):
        wait(whole(gateway, token_file, timeout=600), lambda: "", poll=0.01)


def test_a_gateway_that_does_not_know_its_dependencies_is_no_fault(gateway, token_file):
    health = ask(whole(gateway, token_file, dependencies="/nothing"))
    assert (health.ok, health.replies["dependencies"].ok) == (True, None)
    assert not ask(whole(gateway, token_file, dependencies="/nothing", require_dependencies=True)).ok


def test_a_question_can_be_left_out_for_an_older_gateway(gateway):
    gateway.RequestHandlerClass.startup = (404, "application/json")
    health = ask(probe(gateway.server_port))
    assert health.unknown == ("started",)
    assert ask(probe(gateway.server_port).without(health.unknown)).ok


# --- waiting ------------------------------------------------------------------------------------------------------


def test_wait_lasts_until_the_gateway_is_started(gateway):
    gateway.RequestHandlerClass.started_after = 3
    assert wait(probe(gateway.server_port), lambda: "", poll=0.01).ok
    assert gateway.RequestHandlerClass.asked.count("/startupz") == 4


def test_wait_gives_up_in_time_and_reports_what_was_answered(gateway):
    gateway.RequestHandlerClass.started_after = 10**6
    with pytest.raises(HardeningError, match=r"still not ready after 0\.1 seconds.*/startupz: 503"):
        wait(probe(gateway.server_port, 0.1), lambda: "", poll=0.01)


def test_wait_ends_at_once_when_there_is_no_hope(gateway):
    gateway.RequestHandlerClass.started_after = 10**6
    with pytest.raises(HardeningError, match="ended with exit code 78"):
        wait(probe(gateway.server_port, 600), lambda: "the container ended with exit code 78", poll=0.01)


def test_wait_does_not_lock_the_operator_out_with_a_token_that_is_refused(gateway, token_file):
    gateway.RequestHandlerClass.token = "another"
    with pytest.raises(HardeningError, match="refuses the token of"):
        wait(whole(gateway, token_file, timeout=600), lambda: "", poll=0.01)
    assert gateway.RequestHandlerClass.shown.count(f"Bearer {TOKEN}") < 10


def test_nobody_there_and_other_user_else_there_are_answers_not_errors():
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    assert "refused" in ask(probe(closed)).status["alive"]

    def talk_nonsense() -> None:
        with server:
            peer, _address = server.accept()
            peer.sendall(b"SSH-2.0-OpenSSH\r\n")
            peer.close()

    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=talk_nonsense, daemon=True).start()
    assert not ask(probe(server.getsockname()[1], started="")).ok


def test_proxies_of_the_environment_are_not_declared(gateway, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ask(probe(gateway.server_port)).ok


def test_settling_ends_when_the_answers_turn_wrong(gateway):
    gateway.RequestHandlerClass.started_after = 10**6
    with pytest.raises(HardeningError, match=r"3 times in a row not"):
        stabilize(probe(gateway.server_port, stabilize=30), lambda: "", poll=0.01)


def test_one_wrong_answer_or_a_channel_that_dies_is_no_fault_while_settling(gateway):
    gateway.RequestHandlerClass.started_after = 2
    gateway.RequestHandlerClass.failing = ("telegram",)
    stabilize(probe(gateway.server_port, stabilize=0.2), lambda: "", poll=0.01)


def test_settling_ends_when_the_container_has(gateway):
    with pytest.raises(HardeningError, match="it ended"):
        stabilize(probe(gateway.server_port, stabilize=30), lambda: "it ended", poll=0.01)


@pytest.mark.parametrize("host", [" ", "a\0b", "x" * 64, "\u00e4" * 64, "-x", "["])
def test_a_name_that_no_host_can_have_is_an_answer_not_an_error(host):
    assert not ask(Probe(host, 1, 1, alive="/healthz"), Port(host, 1)).ok


def test_a_gateway_that_lives_and_is_not_started_yet_counts_as_not_answering(gateway, monkeypatch):
    monkeypatch.setattr(deploy_port, "foreign", lambda *_arguments: ())
    gateway.RequestHandlerClass.started_after = 3
    with Prober(probe(gateway.server_port)) as prober:
        end = time.monotonic() + 20
        while prober.requests <= 3 and time.monotonic() < end:
            time.sleep(0.05)
    assert prober.result["asked"] > prober.result["failed"] == 3
    assert prober.result["seconds_failed"] > 0.2


# --- another process at the port ----------------------------------------------------------------------------------


@pytest.fixture
def mallory(monkeypatch) -> None:
    """Let this process's sockets be those of another user, also when the tests run as root."""
    real = deploy_port.read_listeners

    def listeners(folder: str) -> tuple[Listener, ...]:
        return tuple(Listener(found.address, found.port, 1234, found.inode) for found in real(folder))

    monkeypatch.setattr(deploy_port, "read_listeners", listeners)


@pytest.mark.usefixtures("mallory")
def test_another_process_is_neither_asked_nor_shown_the_token_and_is_named(gateway, token_file):
    health = ask(whole(gateway, token_file), Port("127.0.0.1", gateway.server_port))
    assert not health.ok
    assert health.status == {}
    assert f"process {os.getpid()}" in health.impostor
    assert gateway.RequestHandlerClass.asked == []
    with pytest.raises(HardeningError, match="listens there instead of the service"):
        wait(whole(gateway, token_file, timeout=0), lambda: "", Port("127.0.0.1", gateway.server_port))


def test_one_that_takes_the_port_between_the_look_and_the_connection_is_sent_nothing(gateway, token_file, monkeypatch):
    monkeypatch.setattr(Port, "listeners", lambda _self: ())  # nobody when it was looked ...
    port = Port("127.0.0.1", gateway.server_port)
    monkeypatch.setattr(Port, "vet", lambda _self, _there: lambda: False)  # ... and another one once it is connected
    health = ask(whole(gateway, token_file), port)
    assert not health.ok
    assert "another process took the port" in str(health)
    assert gateway.RequestHandlerClass.asked == []


def test_the_exact_listener_takes_the_connection_not_the_wildcard(monkeypatch):
    there = (Listener("127.0.0.1", 80, 0, 1), Listener("::", 80, 1234, 2))
    monkeypatch.setattr(deploy_port, "read_listeners", lambda _folder: there)
    assert Port("127.0.0.1", 80).foreign() == ()
    assert Port("192.0.2.1", 80).foreign() == (there[1],)
    # Beside Docker's own it takes IPv6 alone: in the way of who is to bind every address, or that one.
    assert Port("127.0.0.1", 80).rivals() == ()
    assert Port("127.0.0.1", 80, published=lambda: {""}).rivals() == (there[1],)
    assert Port("127.0.0.1", 80, published=lambda: {"::1"}).rivals() == (there[1],)
    wide = (Listener("0.0.0.0", 80, 0, 1), Listener("::", 80, 1234, 2))
    monkeypatch.setattr(deploy_port, "read_listeners", lambda _folder: wide)
    assert Port("127.0.0.1", 80).foreign() == ()


@pytest.mark.parametrize("v6only", [True, False])
def test_a_listener_on_ipv6_alone_is_not_in_the_way_of_ipv4(v6only):
    with socket.socket(socket.AF_INET6) as other:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
        other.bind(("::", 0))
        other.listen()
        port = Port("127.0.0.1", other.getsockname()[1], lambda: None)
        assert bool(port.rivals()) is not v6only


def container(ports: dict, mode: str = "own") -> SimpleNamespace:
    return SimpleNamespace(attrs={"HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Ports": ports}})


def test_root_alone_is_not_enough_the_services_own_container_has_to_publish_the_port(monkeypatch):
    there = (Listener("127.0.0.1", 80, 0, 1),)
    monkeypatch.setattr(deploy_port, "read_listeners", lambda _folder: there)
    own = container({"9/tcp": [{"HostIp": "127.0.0.1", "HostPort": "80"}]})
    assert Port("127.0.0.1", 80, lambda: own).foreign() == ()
    assert Port("127.0.0.1", 80, lambda: container({})).foreign() == there  # another container has it, or a program
    assert Port("127.0.0.1", 80, lambda: None).foreign() == there


def test_the_start_is_repeated_until_the_port_is_free(monkeypatch):
    observed = [(Listener("127.0.0.1", 80, 1234, 1),)] * 2 + [()] * 9
    monkeypatch.setattr(deploy_port, "_POLL", 0.01)
    monkeypatch.setattr(Port, "rivals", lambda _self: observed.pop(0))
    started = []

    def start() -> None:
        started.append(len(observed))
        if len(started) == 1:
            raise HardeningError("docker", "address already in use", "success")  # taken and left in between

    start_when_free(Port("127.0.0.1", 80), start, 5)
    assert started == [8, 6]


def test_the_start_is_given_up_in_time_and_names_who_has_the_port(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = Port("127.0.0.1", server.getsockname()[1], lambda: None)
        with pytest.raises(
            HardeningError, match=rf"process {os.getpid()}, user .*stop that process, or publish.*\(x\)"
        ):
            start_when_free(port, lambda: None, 0, "x")


def test_another_failure_of_the_start_is_not_repeated(monkeypatch):
    monkeypatch.setattr(Port, "rivals", lambda _self: ())

    def start() -> None:
        raise HardeningError("docker", "no such image", "success")

    with pytest.raises(HardeningError, match="no such image"):
        start_when_free(Port("127.0.0.1", 80), start, 60)
