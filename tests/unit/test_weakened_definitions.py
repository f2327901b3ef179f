"""The gate against definitions that are not ours: one weakness each, made from the schema of the specification."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import compose_keys
from unit import compose_weakenings as weak
from unit.plugins.module_utils._deploy.test_gate import checked

MADE = list(weak.made())


def broken(config: dict[str, Any]) -> list[str]:
    """Return the rules that a definition breaks, with what was found."""
    return [f"{found.rule.id}: {found.actual}" for found in checked(config) if found.bad]


def test_the_definition_without_a_weakness_passes() -> None:
    assert broken(weak.hardened()) == []


def test_every_key_that_is_checked_has_a_weakness() -> None:
    tried = {
        *weak.VALUES,
        "security_opt",
        "volumes",
        "networks",
        "post_start",
        "pre_stop",
        "secrets",
        "configs",
        "develop",
    }
    # What a container is called and what it runs are checked together with the image; an init is a help.
    aside = {"image", "container_name", "init", "ulimits", "cpu_quota", "cpu_period", "cpu_rt_period"}
    checked_keys = {key for key, found in compose_keys.SERVICE.items() if found is True or isinstance(found, dict)}
    assert checked_keys - aside - {"storage_opt"} <= tried


def test_a_thousand_definitions_are_made() -> None:
    assert len(MADE) > 600


@pytest.mark.parametrize("change", [change for _name, change in MADE], ids=[name for name, _change in MADE])
def test_a_weakened_definition_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    config = weak.hardened()
    change(config)
    assert broken(config)
    assert weak.SECRET not in repr(broken(config))


STRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "bind mount": weak.bind("/srv/x"),
    "bind mount of a time zone": weak.bind("/etc/localtime", "/etc/localtime"),
    "bind mount of certificates": weak.bind("/etc/ssl/certs", "/etc/ssl/certs"),
    "bind mount of a file of the configuration": weak.bind("/etc/openclaw-acme/openclaw.json"),
    "volume": weak.volume({}),
    "volume with a quota": weak.volume({"driver": "local", "driver_opts": {"size": "1g"}}),
    "volume of a directory": weak.volume({"driver_opts": {"type": "none", "o": "bind", "device": "/srv/x"}}),
    "scratch space as a volume": weak.volume({"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}}),
    "network": weak.network(driver_opts={f"{weak.BRIDGE}gateway_mode_ipv4": "isolated"}, enable_ipv6=True),
    "endpoint": weak.keys(networks={"gateway": {"driver_opts": {"com.docker.network.endpoint.ifname": "e0"}}}),
    "hooks": weak.keys(post_start=[{"command": ["x", "y"], "user": "1000:1000", "environment": {"A": "1"}}]),
    "users": weak.keys(user="980:980", group_add=["980", "1001"]),
    "options": weak.keys(security_opt=["no-new-privileges", "seccomp=builtin", "apparmor=docker-default"]),
    "labels of SELinux": weak.option("label=level:s0:c1,c2"),
    "profile": weak.option('seccomp={"defaultAction":"SCMP_ACT_ERRNO","syscalls":[]}'),
    "health check": weak.keys(healthcheck={"test": ["CMD-SHELL", "curl -fsS http://127.0.0.1:1/healthz || exit 1"]}),
    "patient health check": weak.keys(healthcheck={"interval": "1m", "timeout": "10s", "retries": 10}),
    "health check with grep": weak.keys(
        healthcheck={"test": ["CMD-SHELL", "wget -qO- http://127.0.0.1:1/healthz | grep -q ok"]}
    ),
    "limits": weak.keys(mem_limit="16g", memswap_limit="16g", cpus="8", pids_limit=4096, shm_size="256m"),
    "runtime": weak.keys(runtime="runsc"),
    "parameters": weak.keys(sysctls={"net.core.somaxconn": 1024, "net.ipv4.tcp_keepalive_time": "60"}),
    "variables": weak.keys(environment={"TOKEN_FILE": "/run/secrets/x", "MAX_TOKENS": "4096", "URL": "https://x/y"}),
    "build": weak.keys(build={"context": ".", "network": "none", "args": {"VERSION": "1"}}),
}


@pytest.mark.parametrize("name", STRONG)
def test_the_same_without_a_weakness_passes(name: str) -> None:
    config = weak.hardened()
    STRONG[name](config)
    assert broken(config) == []


HARMLESS = list(weak.harmless(dict(compose_keys.SERVICE)))


@pytest.mark.parametrize("change", [change for _name, change in HARMLESS], ids=[name for name, _change in HARMLESS])
def test_a_harmless_key_is_not_refused(change: Callable[[dict[str, Any]], object]) -> None:
    config = weak.hardened()
    change(config)
    assert broken(config) == []


def test_text_for_switches_and_numbers_is_read_as_compose_does() -> None:
    config = weak.hardened()
    words = {
        "read_only": "true",
        "privileged": "false",
        "init": "false",
        "oom_kill_disable": "false",
        "pids_limit": "512",
    }
    config["services"][weak.GATEWAY].update(words, cpus="2", oom_score_adj="0")
    assert broken(config) == []


# What others wrote: their keys are fine, whatever else is wrong with them.
OTHERS = yaml.safe_load((weak.RECORDED / "compose-others.yml").read_text())


@pytest.mark.parametrize("name", OTHERS)
def test_the_keys_of_definitions_of_others_are_known(name: str) -> None:
    config = copy.deepcopy(OTHERS[name])
    findings = checked(config)
    assert {found.target for found in findings} == set(config["services"])
    assert [found.actual for found in findings if found.rule.id == "OCH-CTR-31" and found.bad] == []
    # Not one check gave up on what it met.
    assert [found.actual for found in findings if "the check failed" in found.actual] == []
