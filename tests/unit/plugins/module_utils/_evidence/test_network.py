"""What the kernel and the daemon say is read right; who is asked, and who gets the token."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Publish, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import gateway_probe, network
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.gateway_probe import (
    WITH,
    WITHOUT,
    WRONG,
    Answer,
    Attempt,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener

TOKEN = "5ec4e7" * 10
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid} 0 {inode} 1 0 100 0 0 10 0\n"


# --- reading ------------------------------------------------------------------------------------------------------


def link(name, *addresses, flags=("UP",), **more):
    return {"ifname": name, "flags": list(flags), "addr_info": list(addresses), **more}


def v4(address, **more):
    return {"family": "inet", "local": address, "scope": "global", **more}


def v6(address, scope="global", **more):
    return {"family": "inet6", "local": address, "scope": scope, **more}


def test_addresses_that_are_local_and_ways_in():
    links = [
        link("lo", v4("127.0.0.1"), v6("::1", "host"), flags=("LOOPBACK", "UP")),
        link("docker0", v4("172.17.0.1"), flags=("NO-CARRIER", "UP")),
        link("eth0", v4("192.0.2.7"), v6("2001:db8::7"), v6("fe80::1", "link"), v6("2001:db8::8", tentative=True)),
        link("eth1", v4("192.0.2.9"), flags=()),
        link("veth1", v6("fe80::2", "link"), master="docker0"),
        {},
    ]
    addresses, interfaces = network.read_links(json.dumps(links))
    assert addresses == (
        "127.0.0.1", "::1", "172.17.0.1", "192.0.2.7", "2001:db8::7", "fe80::1%eth0", "fe80::2%veth1"
    )  # fmt: skip
    assert interfaces == ("docker0", "eth0")


def test_an_ip_that_speaks_no_json():
    with pytest.raises(HardeningError, match="not JSON"):
        network.read_links("1: lo: <LOOPBACK,UP>")


@pytest.mark.parametrize(
    ("command", "variable", "port"),
    [
        ((), "", 18789),
        ((), "19000", 19000),
        (("gateway", "--port", "19001"), "19000", 19001),
        (("gateway", "--port=19002"), "", 19002),
        (("gateway", "--port"), "", 18789),
        ((), "${PORT}", 18789),
    ],
)
def test_the_port_that_the_gateway_is_reported(command, variable, port):
    settings = Settings("a", "b", command=command, environment={"OPENCLAW_GATEWAY_PORT": variable} if variable else {})
    assert network.gateway_port(settings) == port


def test_ports_that_the_daemon_bound():
    ports = {
        "18789/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18789"}, {"HostIp": "::1", "HostPort": "18789"}],
        "80/tcp": None,
        "53/udp": [{"HostIp": "", "HostPort": "53"}],
    }
    assert network.read_published({"NetworkSettings": {"Ports": ports}}) == (
        Publish("127.0.0.1", 18789, 18789),
        Publish("::1", 18789, 18789),
        Publish("", 53, 53, "udp"),
    )
    assert network.read_published({}) == ()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("openclaw", "bridge"), ("default", "bridge"), ("host", "host"), ("none", "none"), ("container:1f", "container")],
)
def test_whose_network(mode, kind):
    assert network.network_mode({"HostConfig": {"NetworkMode": mode}}) == kind


@pytest.mark.parametrize(("engine", "number"), [("26.1.5+dfsg1", 26), ("v28.0", 28), ("", 0), ("dev", 0)])
def test_first_number_of_the_version(engine, number):
    assert network.major(engine) == number


ATTRS = {"NetworkSettings": {"Networks": {"own": {"IPAddress": "172.18.0.2"}}}}


@pytest.mark.parametrize(
    ("mode", "published", "place"),
    [
        ("bridge", [Publish("", 80, 18789)], ("127.0.0.1", 80)),
        ("bridge", [Publish("::", 80, 18789)], ("::1", 80)),
        ("bridge", [Publish("192.0.2.7", 80, 18789), Publish("127.0.0.1", 81, 18789)], ("127.0.0.1", 81)),
        ("bridge", [Publish("127.0.0.1", 80, 22), Publish("192.0.2.7", 81, 18789)], ("192.0.2.7", 81)),
        ("bridge", [Publish("", 53, 53, "udp")], ("172.18.0.2", 18789)),
        ("host", [], ("127.0.0.1", 18789)),
        ("none", [], None),
        ("container", [], None),
    ],
)
def test_where_the_gateway_is_declared(mode, published, place):
    assert network._place(mode, published, ATTRS, 18789) == place


@pytest.mark.parametrize(
    ("listeners", "own", "safe"),
    [
        ([], None, True),
        ([Listener("127.0.0.1", 80, 0)], None, True),
        ([Listener("0.0.0.0", 80, 0)], None, True),
        ([Listener("127.0.0.1", 80, 1000)], None, False),
        ([Listener("::", 80, 1000)], None, False),
        ([Listener("192.0.2.7", 80, 1000)], None, True),
        ([Listener("127.0.0.1", 80, 1000, 7)], frozenset({7}), True),
        ([Listener("127.0.0.1", 80, 0, 8)], frozenset({7}), False),
        ([Listener("127.0.0.1", 80, 0, 8)], frozenset(), False),
    ],
)
def test_the_token_goes_to_docker_or_to_the_container_only(listeners, own, safe):
    there = network.listening_at(["127.0.0.1"], 80, listeners)
    assert (network.foreign(there, own) == ()) is safe


# --- trying -------------------------------------------------------------------------------------------------------


class Gateway(http.server.BaseHTTPRequestHandler):
    """A gateway that asks for the token, unless the server reports otherwise."""

    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.server.bodies.append(json.loads(self.rfile.read(length)))
        given = self.headers.get("Authorization")
        self.server.observed.append(given)
        self.answer(200 if given == f"Bearer {TOKEN}" else self.server.refusal)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Type", "Application/JSON; charset=utf-8")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def gateway():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.observed, server.bodies, server.refusal = [], [], 401
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def dead():
    """A port proxy that leads nowhere: it takes the connection and drops it."""
    server = socket.create_server(("127.0.0.1", 0))

    def drop():
        try:
            while True:
                server.accept()[0].close()
        except OSError:
            return

    threading.Thread(target=drop, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_the_token_goes_in_the_header_after_a_refusal(gateway, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    answers = gateway_probe.probe_auth("127.0.0.1", gateway.server_port, TOKEN)
    assert {key: answer.status for key, answer in answers.items()} == {WITHOUT: 401, WITH: 200, WRONG: 401}
    # Another token only between two right ones, which make the gateway forget it.
    assert [gateway.observed[index] for index in (0, 1, 3)] == [None, f"Bearer {TOKEN}", f"Bearer {TOKEN}"]
    assert gateway.observed[2] not in gateway.observed[:2]
    assert gateway.bodies == [{"tool": "sessions_list", "action": "json", "args": {}}] * 4
    assert TOKEN not in repr(answers)


@pytest.mark.parametrize("status", [200, 404, 429, 500])
def test_who_does_not_refuse_never_sees_the_token(gateway, status):
    gateway.refusal = status
    assert list(gateway_probe.probe_auth("127.0.0.1", gateway.server_port, TOKEN)) == [WITHOUT]
    assert gateway.observed == [None]


def test_no_token_no_second_try_and_never_a_wrong_one(gateway):
    assert list(gateway_probe.probe_auth("127.0.0.1", gateway.server_port, "")) == [WITHOUT]
    assert gateway.observed == [None]


def test_a_token_that_no_header_takes_is_not_in_the_error(gateway):
    answer = gateway_probe.probe_auth("127.0.0.1", gateway.server_port, TOKEN + "\nX: y")[WITH]
    assert answer.error == "no HTTP (ValueError)"
    assert TOKEN not in repr(answer)


def test_attempts(gateway, dead):
    found = gateway_probe.attempt("127.0.0.1", gateway.server_port)
    assert found == Attempt("127.0.0.1", gateway.server_port, "open", Answer(200, "application/json", scheme="http"))
    assert gateway_probe.attempt("127.0.0.1", closed_port()).state == "refused"
    found = gateway_probe.attempt("127.0.0.1", dead)
    assert found.state == "open"
    assert found.answer.status == 0
    assert str(found.answer) in ("Connection reset by peer", "no HTTP (RemoteDisconnected)", "RemoteDisconnected")


def test_a_web_page_is_reported_from_an_answer():
    assert str(Answer(200, "text/html")) == "200 (a web page)"
    assert str(Answer(200, "application/json")) == "200"
    assert str(Answer(error="timeout")) == "timeout"


def test_many_jobs_and_one_that_hangs(monkeypatch):
    monkeypatch.setattr(gateway_probe, "_PATIENCE", 0.3)
    stop = threading.Event()
    jobs = {number: (lambda number=number: number * 2) for number in range(100)}
    finish = gateway_probe.together({**jobs, "hangs": lambda: stop.wait(10)})
    assert finish() == {number: number * 2 for number in range(100)}
    stop.set()
    assert gateway_probe.together({})() == {}


# --- all of it ----------------------------------------------------------------------------------------------------


class Host:
    """The part of AnsibleModule that runs programs."""

    def __init__(self, **answers):
        self.answers = answers

    def get_bin_path(self, name):
        return name if name in self.answers else None

    def run_command(self, argv, **_options):
        return self.answers[argv[0]]


class Api:
    """The part of the SDK that is asked."""

    def __init__(self):
        self.api = self

    def inspect_network(self, identity):
        return {"Id": identity, "Driver": "bridge", "Options": {"com.docker.network.bridge.name": "br-own"}}

    def containers(self, filters):
        labels = {"com.docker.compose.project": "openclaw"}
        return [
            {"Id": "me", "Names": ["/openclaw-gateway"], "Labels": labels},
            {"Id": "other", "Names": ["/openclaw-db"], "Labels": labels},
            {"Id": "foreign", "Names": ["/wiki"], "Labels": {}},
        ]

    def info(self):
        return {"FirewallBackend": {"Driver": "nftables"}}


def test_one_look_at_all(gateway):
    port = gateway.server_port
    attrs = {
        "Id": "me",
        "HostConfig": {"NetworkMode": "own"},
        "Config": {"Labels": {"com.docker.compose.project": "openclaw"}},
        "NetworkSettings": {
            "Ports": {"18789/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]},
            "Networks": {"own": {"NetworkID": "a" * 64, "IPAddress": "172.18.0.2", "IPPrefixLen": 16}},
        },
    }
    links = json.dumps([link("lo", v4("127.0.0.1"), v4("127.0.0.2"), flags=("LOOPBACK", "UP")), link("eth0")])
    module = Host(**{"ip": (0, links, ""), "iptables-save": (0, "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n", "")})
    token = TOKEN if os.geteuid() == 0 else ""
    found = network.look(module, Api(), Settings("a", "b"), attrs, os.getpid(), token, "29.0.1")
    assert TOKEN not in repr(found)
    assert found.asked_at == ("127.0.0.1", port)
    assert {key: answer.status for key, answer in found.answers.items() if key not in (WITH, WRONG)} == {
        "/startupz": 200, "/healthz": 200, "/readyz": 200, WITHOUT: 401
    }  # fmt: skip
    if token:
        assert (found.answers[WITH].status, found.answers[WRONG].status) == (200, 401)
    assert {attempt.address: attempt.state for attempt in found.attempts} == {
        "127.0.0.1": "open",
        "127.0.0.2": "refused",
    }
    assert [listener.address for listener in found.listeners] == ["127.0.0.1"]
    (attached,) = found.attached
    assert (attached.bridge, attached.address, attached.prefix, attached.foreign_ones) == (
        "br-own", "172.18.0.2", 16, ("wiki",)
    )  # fmt: skip
    assert found.interfaces == ("eth0",)
    assert found.firewall[4][1] == ":FORWARD DROP [0:0]"
    assert found.backend == "nftables"
    without = network.look(Host(ip=(0, links, "")), Api(), Settings("a", "b"), attrs, os.getpid(), "", "26.1")
    assert (dict(without.firewall), without.backend) == ({}, "")


def test_on_the_hosts_network_the_sockets_of_the_control_group_count(gateway):
    links = json.dumps([link("lo", v4("127.0.0.1"), flags=("LOOPBACK", "UP"))])
    attrs = {"Id": "me", "HostConfig": {"NetworkMode": "host"}}
    settings = Settings("a", "b", environment={"OPENCLAW_GATEWAY_PORT": str(gateway.server_port)})
    found = network.look(Host(ip=(0, links, "")), Api(), settings, attrs, os.getpid(), "", "26.1")
    assert Publish("127.0.0.1", gateway.server_port, gateway.server_port) in found.published
    assert found.asked_at == ("127.0.0.1", gateway.server_port)
    assert found.attached == ()
