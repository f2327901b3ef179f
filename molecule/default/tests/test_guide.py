"""The guide's own commands, as the guide writes them, and the line that it expects."""

from __future__ import annotations

import json

import pytest

COMPOSE = "docker compose -f docker-compose.hardened.yml"


@pytest.fixture
def run(host):
    """Return a function that runs a command as an operator does: on the host, in the folder of the compose file."""
    return lambda command: host.run(f"cd /etc/openclaw && {command}")


def test_verify_non_root_user(run):
    result = run(f"{COMPOSE} exec openclaw-gateway id")
    assert result.rc == 0, result.stderr
    assert result.stdout.startswith("uid=1000(node) gid=1000(node)")


def test_verify_read_only_filesystem(run):
    result = run(f"{COMPOSE} exec openclaw-gateway touch /test")
    assert result.rc != 0
    assert "touch: cannot touch '/test': Read-only file system" in result.stdout + result.stderr


def test_verify_network_binding(run):
    result = run("netstat -tlnp | grep 18789")
    listeners = {line.split()[3] for line in result.stdout.splitlines()}
    assert listeners == {"127.0.0.1:18789"}


def test_verify_capabilities(run):
    assert run(f"{COMPOSE} exec openclaw-gateway sh -c 'true'").rc == 0
    assert run(f"{COMPOSE} exec openclaw-gateway sh -c 'apt-get update'").rc != 0


def test_verify_no_new_privileges(run):
    result = run("docker inspect openclaw-gateway | jq '.[0].HostConfig.SecurityOpt'")
    assert json.loads(result.stdout) == ["no-new-privileges:true"]


def test_quick_start_on_a_deployed_host_keeps_the_container(run):
    """The guide's `up -d` finds nothing to do: the file and the image are what runs."""
    running = run("docker inspect -f '{{.Id}} {{.State.StartedAt}}' openclaw-gateway").stdout
    result = run(f"OPENCLAW_IMAGE=openclaw:hardened {COMPOSE} up -d")
    assert result.rc == 0, result.stderr
    assert run("docker inspect -f '{{.Id}} {{.State.StartedAt}}' openclaw-gateway").stdout == running != ""


def test_the_timer_of_the_auth_monitor_is_enabled_and_started(run):
    assert run("systemctl status openclaw-auth-monitor.timer").rc == 0
    assert run("systemctl is-enabled openclaw-auth-monitor.timer").stdout.strip() == "enabled"


def test_the_checklist(run, host):
    """What a machine can tick: uid of the volumes, strength of the token, the user by `docker exec`."""
    assert host.file("/var/lib/openclaw/.openclaw").uid == 1000
    assert run("docker exec openclaw-gateway id -u").stdout.strip() == "1000"
    assert len(run("cat secrets/gateway_token").stdout) == 64
