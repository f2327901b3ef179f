"""The guide's four critical workflows, in the hardened container: startup, connections, agent operations, commands."""

from __future__ import annotations

import json
import secrets

import pytest
from agent import requests, running_model, turn
from conftest import CONTAINER, stub_model, wait_until
from gateway_client import Device, Refused, connected

KEY = "sk-" + secrets.token_hex(24)


@pytest.fixture(scope="module", autouse=True)
def model(host, ssh, playbook, bridge, own_deployment):
    """Run the stub model on the host and deploy its provider as a user would."""
    with running_model(host, ssh, bridge):
        run = playbook("site.yml", **stub_model(bridge, KEY))
        assert run.rc == 0, run.output
        yield


@pytest.fixture(scope="module")
def paired(host, tunnel):
    """Return a device that the operator let in: it asks, the operator approves on the host, as for every new client."""
    device = Device()
    token = host.check_output("cat /etc/openclaw/secrets/gateway_token")
    with pytest.raises(Refused) as refusal, connected(tunnel, token, device):
        pass
    assert refusal.value.details["code"] == "PAIRING_REQUIRED"
    host.check_output("/usr/local/bin/openclaw devices approve %s --json", refusal.value.details["requestId"])
    yield device
    host.check_output("/usr/local/bin/openclaw devices remove %s --json", device.id)


def test_gateway_startup(host):
    """From nothing to ready within the time that the health check allows, and Docker reports so, too."""
    host.check_output("docker restart --time 30 %s", CONTAINER)
    wait_until(lambda: host.run("curl -sf -m 3 http://127.0.0.1:18789/readyz").rc == 0, "readiness", 120)
    state = "docker inspect -f '{{.State.Status}} {{.State.Health.Status}}' %s"
    wait_until(lambda: host.check_output(state, CONTAINER).strip() == "running healthy", "Docker's health", 120)


def test_a_client_with_the_token_connects_and_works(tunnel, token, paired):
    with connected(tunnel, token, paired) as (connection, hello):
        assert hello["type"] == "hello-ok"
        assert "operator.read" in hello["auth"]["scopes"]
        assert connection.call("health")["ok"] is True
        assert connection.call("status")["runtimeVersion"] == "2026.9.6"


def test_a_client_with_a_wrong_token_is_refused_even_when_paired(tunnel, token, paired):
    wrong = token[::-1]
    assert wrong != token
    with pytest.raises(Refused) as refusal, connected(tunnel, wrong, paired):
        pass
    assert refusal.value.details["code"] == "AUTH_TOKEN_MISMATCH"


def test_a_paired_client_gets_no_more_than_it_asked_for(tunnel, token, paired):
    with connected(tunnel, token, paired) as (connection, _hello), pytest.raises(Refused) as refusal:
        connection.call("config.patch", raw="{}")
    assert "missing scope: operator.admin" in str(refusal.value)


def test_the_agent_answers(host):
    before = len(requests(host))
    assert turn(host, "Are you there?") == "The stub model answers."
    asked = requests(host)[before:]
    assert [request["path"] for request in asked] == ["/v1/chat/completions"]
    assert "Are you there?" in json.dumps(asked[0]["request"]["messages"])


def test_the_provider_key_reaches_the_provider_and_only_by_a_file(host):
    turn(host, "Are you there?")
    assert {request["authorization"] for request in requests(host)} == {f"Bearer {KEY}"}
    for surface in (f"docker inspect {CONTAINER}", "cat /etc/openclaw/openclaw.json"):
        assert KEY not in host.check_output(surface)


def test_the_agent_runs_a_command_in_the_hardened_container(host):
    """The command's own words: who it is, what it may, and that it cannot leave a trace in the root filesystem."""
    command = (
        "id; hostname; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; touch /trace; touch /tmp/trace"
    )
    output = turn(host, f"run: {command} && echo scratch-works")
    uid, gid = host.check_output("id -u openclaw"), host.check_output("id -g openclaw")
    assert f"uid={uid}(node) gid={gid}(node)" in output
    assert host.check_output("docker inspect -f '{{.Config.Hostname}}' %s", CONTAINER).strip() in output
    for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in output
    assert "touch: cannot touch '/trace': Read-only file system" in output
    assert "scratch-works" in output


def test_a_command_of_the_agent_does_not_reach_the_host(host):
    """What the agent runs sees the container: not the host's files, and it cannot rewrite its own rules."""
    output = turn(host, "run: ls /var/lib/openclaw-hardening; echo x >>/etc/openclaw/openclaw.json; cat /etc/passwd")
    assert "cannot access '/var/lib/openclaw-hardening'" in output
    assert "/etc/openclaw/openclaw.json: Read-only file system" in output or "Permission denied" in output
    assert "node:x:" in output
    accounts = host.check_output("cut -d: -f1 /etc/passwd").split()
    assert [account for account in accounts if f"\n{account}:" in output and account not in ("root", "node")] == []
