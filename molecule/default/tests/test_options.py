"""Every choice that the guide offers, deployed and seen from outside."""

from __future__ import annotations

import json
import subprocess

import pytest
from conftest import CHECKOUT, CONTAINER, long_only, on_host
from probes import CONNECT, addresses

OPTIONS_PORT = 18801
LOOK = "docker ps --all --no-trunc --quiet; find /etc/openclaw -type f -exec sha256sum {} + | sort"
NET_BIND_SERVICE = 1 << 10  # linux/capability.h


@pytest.fixture(scope="module")
def deployed(playbook):
    """Return a function that deploys with options; the defaults come back afterwards."""

    def deploy(**options) -> None:
        run = playbook("site.yml", **options)
        assert run.rc == 0, run.output

    yield deploy
    deploy()


def status(host, key: str) -> str:
    pid = host.check_output("docker inspect -f '{{.State.Pid}}' %s", CONTAINER)
    line = next(line for line in host.file(f"/proc/{pid}/status").content_string.splitlines() if line.startswith(key))
    return line.split()[1]


def test_lan_a_capability_and_a_writable_root(host, ssh, deployed):
    deployed(
        openclaw_gateway_bind="lan",
        openclaw_gateway_port=OPTIONS_PORT,
        openclaw_gateway_cap_add=["NET_BIND_SERVICE"],
        openclaw_gateway_read_only=False,
        openclaw_gateway_waivers=[{"id": "OCH-CTR-06", "reason": "a test of the guide's own choice"}],
    )
    answers = json.loads(on_host(ssh, CONNECT, str(OPTIONS_PORT), "127.0.0.1", *addresses(host)))
    assert set(answers.values()) == {"open"}
    address = host.ansible.get_variables()["ansible_host"]
    ask = "curl -s -o /dev/null -w '%%{http_code}' -X POST -H 'Content-Type: application/json' -d '{}' %s"
    assert host.check_output(ask, f"http://{address}:{OPTIONS_PORT}/tools/invoke") == "401"
    assert int(status(host, "CapBnd"), 16) == NET_BIND_SERVICE
    assert int(status(host, "CapEff"), 16) == 0
    assert status(host, "NoNewPrivs") == "1"
    assert host.run("docker exec %s touch /home/node/a-file", CONTAINER).rc == 0


@pytest.mark.parametrize(
    "waivers",
    [
        [],
        [{"id": "OCH-CTR-06", "reason": "it was meant for a while", "expires": "2026-01-31"}],
        [{"id": "OCH-CTR-06", "reason": "another container", "target": "someone-else"}],
    ],
    ids=["none", "ended", "elsewhere"],
)
def test_a_writable_root_without_a_waiver_changes_nothing(host, playbook, waivers):
    before = host.check_output(LOOK)
    run = playbook("site.yml", openclaw_gateway_read_only=False, openclaw_gateway_waivers=waivers)
    assert run.rc != 0
    assert "OCH-CTR-06 (The root file system is read-only)" in run.output
    assert "openclaw_gateway_waivers" in run.output
    assert host.check_output(LOOK) == before


@pytest.mark.parametrize("mode", [[], ["--check"]], ids=["run", "check"])
def test_the_gate_refuses_what_no_preflight_has_seen(host, inventory, mode):
    before = host.check_output(LOOK)
    text = host.file("/etc/openclaw/docker-compose.hardened.yml").content_string
    options = {
        "project": "openclaw",
        "directory": "/etc/openclaw",
        "definition": text.replace("  init: false\n", "  init: false\n  privileged: true\n", 1),
        "service": "openclaw-gateway",
        "container_name": CONTAINER,
        "image_ref": "openclaw:hardened",
        "health": {"port": 18789},
    }
    module = ["--module-name", "openclaw.hardening.hardened_compose", "--args", json.dumps(options)]
    run = subprocess.run(
        ["ansible", "openclaw", "--inventory", inventory, *module, *mode],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "OCH-CTR-03 (The container is not privileged): openclaw-gateway, openclaw-cli" in run.stdout
    assert host.check_output(LOOK) == before


@long_only
def test_one_address_and_one_more_place_to_write(host, ssh, deployed):
    wanted = host.ansible.get_variables()["ansible_host"]
    deployed(
        openclaw_gateway_bind=wanted,
        openclaw_gateway_port=OPTIONS_PORT,
        openclaw_gateway_read_only_tmpfs=[{"path": "/opt/scratch", "size": "8m"}],
    )
    answers = json.loads(on_host(ssh, CONNECT, str(OPTIONS_PORT), "127.0.0.1", *addresses(host)))
    assert sorted(address for address, answer in answers.items() if answer == "open") == sorted(["127.0.0.1", wanted])
    assert len(answers) > 2
    script = "cp /bin/true /opt/scratch/ && ! /opt/scratch/true 2>&1; touch /opt/other 2>&1"
    output = host.run("docker exec %s sh -c %s", CONTAINER, script).stdout
    assert "Permission denied" in output  # noexec
    assert "Read-only file system" in output


@long_only
def test_stopped_and_back(host, playbook, deployed):
    assert playbook("site.yml", openclaw_gateway_state="stopped").rc == 0
    assert host.check_output("docker inspect -f '{{.State.Running}}' %s", CONTAINER) == "false"
    assert playbook("site.yml", openclaw_gateway_state="stopped").changed == []
    deployed()
    assert host.run("curl -sf --max-time 30 http://127.0.0.1:18789/readyz").rc == 0
