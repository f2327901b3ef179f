"""A second instance beside the first: its own account, network, token and port, and no way from one to the other."""

from __future__ import annotations

import json

import pytest
from probes import CONNECT_NODE

FIRST, SECOND = "openclaw", "openclaw-acme"


@pytest.fixture(scope="module", autouse=True)
def acme(host, playbook):
    """Deploy the second instance; take it away afterwards."""
    run = playbook("site.yml", openclaw_instance="acme", openclaw_gateway_port=18790)
    assert run.rc == 0, run.output
    yield
    for unit in ("gateway.service", "auth-monitor.timer", "auth-monitor.service", "auth-notifier.service"):
        host.run("systemctl disable --now openclaw-acme-%s", unit)
    host.run("docker compose -f /etc/openclaw-acme/docker-compose.hardened.yml down --volumes")
    host.run(
        "rm -rf /etc/openclaw-acme /var/lib/openclaw-acme* /etc/systemd/system/openclaw-acme-* && userdel openclaw-acme"
    )
    host.run("systemctl daemon-reload; systemctl reset-failed")


def inspect(host, name: str) -> dict:
    return json.loads(host.check_output("docker inspect %s", f"{name}-gateway"))[0]


def uid(host, name: str) -> int:
    return int(host.check_output("id -u %s", name))


@pytest.mark.parametrize("port", [18789, 18790])
def test_both_serve(host, port):
    assert host.run("curl -s -f --max-time 30 http://127.0.0.1:%s/readyz", str(port)).rc == 0


def test_the_image_was_built_once(host):
    assert inspect(host, FIRST)["Image"] == inspect(host, SECOND)["Image"]


def test_accounts_networks_and_tokens_differ(host):
    assert uid(host, FIRST) != uid(host, SECOND)
    networks = [set(inspect(host, name)["NetworkSettings"]["Networks"]) for name in (FIRST, SECOND)]
    assert networks[0].isdisjoint(networks[1])
    tokens = {host.check_output("cat /etc/%s/secrets/gateway_token", name) for name in (FIRST, SECOND)}
    assert len(tokens) == 2


@pytest.mark.parametrize(("reader", "owner"), [(FIRST, SECOND), (SECOND, FIRST)])
def test_neither_account_reads_what_the_other_owns(host, reader, owner):
    for path in (f"/etc/{owner}/secrets/gateway_token", f"/etc/{owner}/openclaw.json", f"/var/lib/{owner}/.openclaw"):
        assert host.run("test -e %s", path).rc == 0
        assert host.run("setpriv --reuid %s --regid %s --clear-groups ls -l %s/", reader, reader, path).rc != 0
        assert host.run("setpriv --reuid %s --regid %s --clear-groups cat %s", reader, reader, path).rc != 0


@pytest.mark.parametrize(("source", "target"), [(FIRST, SECOND), (SECOND, FIRST)])
def test_neither_container_reaches_the_other(host, source, target):
    """Not by the container's address, nor by any address of the host; its own port shows that the probe works."""

    def connect(address: str, port: int) -> str:
        return host.check_output(
            "docker exec %s node -e %s %s %s", f"{source}-gateway", CONNECT_NODE, address, str(port)
        )

    assert connect("127.0.0.1", 18789) == "open"
    published = {FIRST: 18789, SECOND: 18790}[target]
    addresses = [net["IPAddress"] for net in inspect(host, target)["NetworkSettings"]["Networks"].values()]
    assert addresses
    for address in addresses:
        assert connect(address, 18789) != "open"
    for address in host.check_output("hostname -I").split():
        assert connect(address, published) != "open", address


def test_a_second_run_of_either_changes_nothing(playbook):
    assert playbook("site.yml", openclaw_instance="acme", openclaw_gateway_port=18790).changed == []
    assert playbook("site.yml").changed == []
