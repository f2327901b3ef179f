"""Who can reach the gateway, and who is let in."""

from __future__ import annotations

import json

import pytest
from conftest import CONTAINER, PORT, on_host
from gateway_client import http
from probes import CONNECT, CONNECT_NODE, addresses

INVOKE = {"tool": "sessions_list", "action": "json", "args": {}}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_host_reaches_live_and_ready(host, path):
    url = f"http://127.0.0.1:{PORT}{path}"
    assert host.run("curl -s -o /dev/null -w '%%{http_code}' --max-time 10 %s", url).stdout == "200"


def test_every_other_address_of_the_host_refuses_the_port(host, ssh):
    others = addresses(host)
    assert len(others) >= 2  # the host's own and at least the bridge of the gateway
    answers = json.loads(on_host(ssh, CONNECT, str(PORT), "127.0.0.1", *others))
    assert answers.pop("127.0.0.1") == "open"
    assert answers == dict.fromkeys(others, "ECONNREFUSED")


def test_another_machine_is_refused(host, ssh):
    """The controller is another machine: it reaches SSH on the host's address, and not the gateway."""
    address = host.ansible.get_variables()["ansible_host"]
    probe = {}
    exec(CONNECT.split("print(", maxsplit=1)[0], probe)  # the same probe, run here
    assert probe["connect"](address, 22) == "open"
    assert probe["connect"](address, PORT) == "ECONNREFUSED"


@pytest.fixture(scope="module")
def elsewhere(host):
    """Return a function that connects from a container on a bridge network of its own, or on the one that is named."""
    host.check_output("docker network create verify-elsewhere")
    image = host.check_output("docker inspect -f '{{.Image}}' %s", CONTAINER)

    def connect(address: str, network: str = "verify-elsewhere") -> str:
        return host.check_output(
            "docker run --rm --network %s --entrypoint node %s -e %s %s %s",
            network, image, CONNECT_NODE, address, str(PORT),
        )  # fmt: skip

    yield connect
    host.check_output("docker network rm verify-elsewhere")


def test_a_container_on_another_network_does_not_reach_it(host, elsewhere):
    networks = json.loads(host.check_output("docker inspect %s", CONTAINER))[0]["NetworkSettings"]["Networks"]
    ((network, endpoint),) = networks.items()
    assert elsewhere(endpoint["IPAddress"], network) == "open"  # the probe works where it may
    for address in [endpoint["IPAddress"], *(address for address in addresses(host) if "%" not in address)]:
        assert elsewhere(address) in ("timeout", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"), address


def test_the_api_reports_no_without_the_token_and_yes_with_it(tunnel, token):
    """By the guide's SSH tunnel, so that the tunnel is shown, too."""
    assert http(tunnel, "/readyz")[0] == 200
    assert http(tunnel, "/tools/invoke", None, INVOKE)[0] == 401
    assert http(tunnel, "/tools/invoke", token[:-1] + ("0" if token[-1] != "0" else "1"), INVOKE)[0] == 401
    status, body = http(tunnel, "/tools/invoke", token, INVOKE)
    assert status == 200, body
    assert json.loads(body)["ok"] is True


def test_only_root_and_the_service_read_the_token(host):
    for account, code in (("nobody", 1), ("openclaw", 0)):
        command = "setpriv --reuid %s --regid %s --clear-groups cat /etc/openclaw/secrets/gateway_token"
        group = "nogroup" if account == "nobody" else account
        assert host.run(command, account, group).rc == code


NEIGHBOUR = "verify-neighbour"  # a network namespace with a cable to the host: another machine on the same network


@pytest.fixture
def neighbour(host):
    """Plug another machine into the host, its router; return a function that connects from it."""
    host.check_output(
        f"ip netns add {NEIGHBOUR} && ip link add verify0 type veth peer name eth0 netns {NEIGHBOUR}"
        " && ip addr add 198.51.100.1/24 dev verify0 && ip link set verify0 up"
        f" && ip -n {NEIGHBOUR} addr add 198.51.100.2/24 dev eth0 && ip -n {NEIGHBOUR} link set eth0 up"
        f" && ip -n {NEIGHBOUR} route add default via 198.51.100.1"
    )
    yield lambda url: host.run(
        "ip netns exec %s curl -s -o /dev/null --max-time 4 -w '%%{http_code}' %s", NEIGHBOUR, url
    )
    host.run(f"ip netns del {NEIGHBOUR}; ip link del verify0")


def test_a_neighbour_that_routes_through_the_host_does_not_reach_the_container(host, neighbour):
    """Docker before 28 forwards to a published port's container, whatever address it is published on."""
    networks = json.loads(host.check_output("docker inspect %s", CONTAINER))[0]["NetworkSettings"]["Networks"]
    cable = "timeout 30 ip netns exec %s bash -c 'read -r greeting < /dev/tcp/198.51.100.1/22 && echo $greeting'"
    assert "SSH" in host.check_output(cable, NEIGHBOUR)
    assert neighbour(f"http://198.51.100.1:{PORT}/healthz").stdout == "000"
    for network in networks.values():
        assert neighbour(f"http://{network['IPAddress']}:{PORT}/healthz").stdout == "000"
