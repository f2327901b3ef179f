"""No secret shows anywhere but in its own file: canaries are searched for wherever something could leave them."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator

import pytest
from conftest import CONTAINER, on_host, stub_model
from gateway_client import http
from secret_surfaces import search, shows

TOKEN_FILE = "/etc/openclaw/secrets/gateway_token"
PLANTED = "verify-planted"
INVOKE = {"tool": "sessions_list", "action": "json", "args": {}}


def surfaces(ssh, secret: str) -> list[str]:
    """Return where on the host the secret shows."""
    return json.loads(on_host(ssh, search([secret])))


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_the_search_sees_through_base64(before):
    secret = secrets.token_hex(32)
    assert shows(secret, base64.b64encode(f"{before}{secret}:and more".encode()).decode())
    assert not shows(secret, base64.b64encode(f"{before}{secret[:-4]}:and more".encode()).decode())


@pytest.fixture
def planted(host) -> Iterator[str]:
    """Leave a canary of its own on every kind of surface."""
    canary = secrets.token_hex(32)
    image = host.check_output("docker inspect -f '{{.Image}}' %s", CONTAINER)
    encoded = base64.b64encode(f"x{canary}".encode()).decode()
    try:
        host.check_output(f"echo {encoded} >/var/lib/openclaw-hardening/{PLANTED}")
        host.check_output(f"echo {canary} | logger")
        host.check_output(f"docker network create --label canary={canary} {PLANTED}")
        host.check_output(
            f"docker run --detach --name {PLANTED} --env CANARY={canary} --entrypoint sh {image}"
            f" -c 'echo {canary}; sleep 300; exit 0'"
        )
        host.check_output(f"docker commit --change 'LABEL canary={canary}' {PLANTED} {PLANTED}")
        host.check_output(f"systemd-run --unit {PLANTED} --setenv=CANARY={canary} sleep 300")
        yield canary
    finally:
        host.run(f"systemctl stop {PLANTED}; docker rm -f {PLANTED}; docker network rm {PLANTED}; docker rmi {PLANTED}")
        host.run(f"rm -f /var/lib/openclaw-hardening/{PLANTED}")


def test_the_search_finds_what_is_planted(ssh, planted):
    found = surfaces(ssh, planted)
    assert set(found) >= {
        f"/var/lib/openclaw-hardening/{PLANTED}",
        "arguments of processes",
        "docker container inspect",
        "docker history",
        "docker image inspect",
        "docker logs",
        "docker network inspect",
        "environment of processes",
        "journal",
        "systemctl show",
    }
    assert any(path.startswith("/var/lib/docker/containers/") for path in found)


@pytest.fixture(scope="module")
def past(host, ssh, playbook, bridge, own_deployment):
    """Return what deployments with canaries reported and left: two that work, one that is refused, one that fails."""
    canaries = {"first token": host.check_output(f"cat {TOKEN_FILE}")}
    canaries["operator's token"] = secrets.token_hex(40)
    canaries["weak token"] = f"weak{secrets.token_hex(8)}"
    canaries["provider key"] = "sk-" + secrets.token_hex(24)
    wanted = stub_model(bridge, canaries["provider key"])

    def site(**variables):
        return playbook("site.yml", "-vvv", "--diff", **wanted, **variables)

    runs = {}
    runs["a token of the operator's"] = site(openclaw_gateway_token=canaries["operator's token"])
    runs["a rotation"] = site(openclaw_gateway_token_rotate=True)
    canaries["rotated token"] = host.check_output(f"cat {TOKEN_FILE}")
    runs["a weak token"] = site(openclaw_gateway_token=canaries["weak token"])
    runs["a bad port"] = site(openclaw_gateway_port=70000)
    runs["an impatient health check"] = site(openclaw_gateway_memory="2500m", openclaw_gateway_health_timeout=1)
    left = {name: surfaces(ssh, canary) for name, canary in canaries.items()}
    files = host.check_output("ls -A /etc/openclaw/secrets").split()
    return {"canaries": canaries, "runs": runs, "left": left, "files": files}


def test_the_runs_did_what_they_should(past):
    assert {name: run.rc == 0 for name, run in past["runs"].items()} == {
        "a token of the operator's": True,
        "a rotation": True,
        "a weak token": False,
        "a bad port": False,
        "an impatient health check": False,
    }
    assert len(set(past["canaries"].values())) == 5
    assert set(past["files"]) == {"gateway_token", "provider_stub"}


def test_ansible_shows_no_secret(past):
    """Not at -vvv, not in a diff, not when a run is refused or fails."""
    shown = [(run, name) for run, output in past["runs"].items()
             for name, canary in past["canaries"].items() if shows(canary, output.output)]  # fmt: skip
    assert shown == []


def test_the_host_shows_no_secret(past):
    assert past["left"] == {name: [] for name in past["canaries"]}


def test_the_rotated_token_counts_and_the_ones_before_do_not(past, tunnel, token):
    assert token == past["canaries"]["rotated token"]
    assert http(tunnel, "/tools/invoke", token, INVOKE)[0] == 200
    for name in ("first token", "operator's token"):
        assert http(tunnel, "/tools/invoke", past["canaries"][name], INVOKE)[0] == 401
