"""Bad input is refused before any change, with one message that names option, value and remediation.

One playbook run checks all cases: each is an alias of the host with one bad variable, and must fail by its own message.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TEN_CHARACTERS = "0123456789"
# Characters that a file format, systemd, Compose or a shell would interpret.
HOSTILE = {"newline": "a\nb", "percent": "a%nb", "dollar": "a$HOMEb", "quote": 'a"b', "backslash": "a\\b", "dash": "-a"}

# Variable, bad value, and words that its message must hold beside the variable's name.
CASES: dict[str, tuple[str, object, tuple[str, ...]]] = {
    "port-0": ("openclaw_gateway_port", 0, ("0", "65535")),
    "port-70000": ("openclaw_gateway_port", 70000, ("70000", "65535")),
    "port-word": ("openclaw_gateway_port", "abc", ("abc",)),
    "bind-word": ("openclaw_gateway_bind", "everywhere", ("everywhere", "loopback")),
    "uid-0": ("openclaw_user_uid", 0, ("0", "auto")),
    "uid-of-another-account": ("openclaw_user_uid", "65533", ("65533", "sync-like")),
    "token-short": ("openclaw_gateway_token", TEN_CHARACTERS, ("64",)),
    "memory-below-floor": ("openclaw_gateway_memory", "512m", ("512m", "1536m")),
    "pids-below-floor": ("openclaw_gateway_pids_limit", 64, ("64", "256")),
    "capability": ("openclaw_gateway_cap_add", ["SYS_ADMIN"], ("SYS_ADMIN", "NET_BIND_SERVICE")),
    "tmpfs-relative": ("openclaw_gateway_read_only_tmpfs", [{"path": "var/x", "size": "1m"}], ("var/x", "absolute")),
    "checkout-relative": ("openclaw_image_checkout_path", "src/openclaw", ("src/openclaw", "absolute")),
    "base-unpinned": ("openclaw_image_base_ref", "node:24-slim", ("node:24-slim", "sha256")),
    "config-reserved": (
        "openclaw_gateway_config",
        {"gateway": {"bind": "loopback"}},
        ("gateway.bind", "openclaw_gateway_bind"),
    ),
    "config-unknown-key": ("openclaw_gateway_config", {"gatewayy": {}}, ("gatewayy",)),
    "memory-of-the-host": ("openclaw_engine_memory_minimum_mib", 10**7, ("memory", "MiB", "enlarge")),
    "disk-of-the-host": ("openclaw_engine_disk_minimum_mib", 10**9, ("disk", "MiB", "enlarge")),
}
STRINGS = (
    "openclaw_instance",
    "openclaw_gateway_bind",
    "openclaw_gateway_memory",
    "openclaw_gateway_stop_grace_period",
    "openclaw_gateway_log_max_size",
    "openclaw_auth_monitor_notify_phone",
    "openclaw_auth_monitor_notify_ntfy",
)
for variable in STRINGS:
    for kind, text in HOSTILE.items():
        CASES[f"{kind}-in-{variable}"] = (variable, text, ())
# What makes a bad value be looked at at all.
COMPANIONS = {
    "checkout-relative": {"openclaw_image_source": "checkout"},
    "base-unpinned": {"openclaw_image_base": "registry"},
    "uid-of-another-account": {"openclaw_instance": "other", "openclaw_gateway_port": 18790},
}
# Hosts that cannot be a target: how the same host is made to look to Ansible's Python, and what its refusal reports.
ELSEWHERE = 'exec unshare --mount sh -c \'%s && exec /usr/bin/python3 "$@"\' python "$@"'
HOSTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "no-systemd": (ELSEWHERE % "mount -t tmpfs none /run/systemd", ("systemd", "another PID 1", "make sandbox")),
    "other-distribution": (
        ELSEWHERE % "echo ID=alpine > /tmp/os-release && mount --bind /tmp/os-release /etc/os-release",
        ("distribution", "alpine", "debian 13"),
    ),
    "other-architecture": ('exec setarch i686 /usr/bin/python3 "$@"', ("architecture", "i686", "x86_64")),
}
# Only OpenClaw itself knows its keys, so these are refused a moment later; still before anything is touched.
WORLD = (
    "getent passwd; getent group; docker ps --all --no-trunc --quiet; docker images --no-trunc --quiet; "
    "find /etc /usr/local /var/lib/openclaw-hardening /var/lib/openclaw /var/lib/openclaw-*-hardening -xdev "
    # The log watcher's timer ticks.
    "-not -path '*/.openclaw/*' -not -path '*/maintenance/*' -not -name deploy.lock -type f "
    "-exec sha256sum {} + 2>/dev/null | sort -k2; "
    "systemctl list-unit-files --no-pager"
)


@pytest.fixture(scope="module")
def world(host):
    """Look at the host before and after all refusals; an account with a uid of its own stands ready."""
    host.check_output("id sync-like >/dev/null 2>&1 || useradd --system --uid 65533 --no-create-home sync-like")
    for case, (script, _words) in HOSTS.items():
        place, text = f"/root/{case}", f"#!/bin/sh\n{script}\n"
        host.check_output("printf '%%s' %s > %s && chmod 0755 %s", text, place, place)
    before = host.run(WORLD).stdout
    observed = {"before": before, "look": lambda: host.run(WORLD).stdout}
    yield observed
    host.check_output(f"userdel sync-like; rm -f /tmp/os-release {' '.join(f'/root/{case}' for case in HOSTS)}")


@pytest.fixture(scope="module")
def refusals(world, inventory, playbook, tmp_path_factory) -> dict[str, str]:
    """Run the playbook once over all cases; return the message of each."""
    data = json.loads(Path(inventory).read_text())["all"]
    (connection,) = data["hosts"].values()
    # Eight connections at once to one host: a busy one drops some before they are let in (MaxStartups of sshd).
    connection = {**connection, "ansible_ssh_retries": 5}
    hosts = {
        case: {**connection, **COMPANIONS.get(case, {}), variable: value}
        for case, (variable, value, _words) in CASES.items()
    }
    hosts |= {case: {**connection, "ansible_python_interpreter": f"/root/{case}"} for case in HOSTS}
    file = tmp_path_factory.mktemp("inventory") / "inventory.json"
    file.write_text(json.dumps({"openclaw": {"hosts": hosts, "vars": data.get("vars", {})}}))
    run = playbook("site.yml", "--inventory", str(file), "--limit", ",".join(hosts), "--forks", "8")
    assert run.rc != 0
    assert "UNREACHABLE!" not in run.output
    return {task["host"]: task["failed"] for task in run.tasks if task.get("failed")}


@pytest.mark.parametrize("case", sorted(CASES))
def test_it_is_refused_with_a_message_that_helps(refusals, case):
    variable, _value, words = CASES[case]
    assert case in refusals, "this bad value was accepted"
    message = refusals[case]
    assert variable in message or variable.split("_", 2)[-1] in message, message
    assert "found" in message, message
    assert "needed" in message, message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("case", sorted(HOSTS))
def test_a_host_that_cannot_be_a_target_is_refused(refusals, case):
    message = refusals[case]
    assert "nothing was changed (1 problem)" in message
    for word in HOSTS[case][1]:
        assert word in message, message


def test_a_weak_token_is_not_repeated(refusals):
    assert TEN_CHARACTERS not in refusals["token-short"]


def test_nothing_on_the_host_changed(world, refusals):
    assert refusals
    assert world["look"]() == world["before"]
