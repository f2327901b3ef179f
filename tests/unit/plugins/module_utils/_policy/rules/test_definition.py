"""What no other rule knows is refused, and the control group namespace is the container's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import definition
from unit.plugins.module_utils._docker.test_container_spec import compose, inspect
from unit.plugins.module_utils._policy.rules.test_isolation import BESIDE, HOST, KERNEL, MAIN

RULES = {rule.id: rule for rule in definition.RULES}
NOTHING = Baseline()


def known(**settings: object) -> tuple[str, str]:
    found = RULES["OCH-CTR-31"].declared(Settings("s", "there", **settings), NOTHING)
    return found.status, found.actual


@pytest.mark.parametrize("rule", RULES)
def test_the_hardened_deployment_passes(rule):
    for settings in (*compose("hardened").values(), inspect("hardened")):
        assert RULES[rule].declared(replace(settings, cgroup_mode="private"), NOTHING).status == "pass"


@pytest.mark.parametrize(
    "settings",
    [
        {"runtime": "runc"},
        {"runtime": "io.containerd.runc.v2"},
        {"runtime": "runsc"},
        {"runtime": "kata-runtime"},
        {"sysctls": ("net.core.somaxconn=1024", "net.ipv4.tcp_syncookies=1", "net.ipv4.ip_unprivileged_port_start=0")},
        {"sysctls": ("net.ipv6.conf.all.disable_ipv6=1", "kernel.shmmax=1", "fs.mqueue.msg_max=1")},
        {"annotations": {"com.example.owner": "me", "org.opencontainers.image.title": "x"}},
        {"security_opt": ("no-new-privileges:true", "label=level:s0", "systempaths=unconfined")},
        {"build_network": "none"},
    ],
)
def test_what_is_known_passes(settings):
    assert known(**settings)[0] == "pass"


@pytest.mark.parametrize(
    ("settings", "output"),
    [
        ({"refused": ("provider: Compose starts this program on the host",)}, "provider: Compose starts"),
        ({"runtime": "nvidia"}, "runtime: nvidia"),
        ({"runtime": "/srv/runc"}, "runtime: /srv/runc"),
        ({"sysctls": ("net.ipv4.ip_forward=1",)}, "sysctls: net.ipv4.ip_forward"),
        ({"sysctls": ("net/ipv4/conf/all/route_localnet=1",)}, "sysctls: net.ipv4.conf.all.route_localnet"),
        ({"security_opt": ("own=1",)}, "security_opt: own"),
        ({"annotations": {"run.oci.handler": "krun"}}, "annotations: run.oci.handler"),
        ({"build_network": "host"}, "build.network: host"),
    ],
)
def test_what_nobody_knows_fails(settings, output):
    status, actual = known(**settings)
    assert status == "fail"
    assert output in actual


@pytest.mark.parametrize(("mode", "status"), [("", "pass"), ("private", "pass"), ("host", "fail")])
def test_the_namespace_that_is_declared(mode, status):
    assert RULES["OCH-CTR-32"].declared(Settings("s", "there", cgroup_mode=mode), NOTHING).status == status


def test_the_namespace_of_every_process():
    check = RULES["OCH-CTR-32"].effective
    assert check(KERNEL, NOTHING).status == "pass"
    outside = replace(BESIDE, namespaces={**BESIDE.namespaces, "cgroup": HOST["cgroup"]})
    found = check(replace(KERNEL, processes=(MAIN, outside)), NOTHING)
    assert (found.status, found.actual) == ("fail", "pid 4712 (beside): in the host's cgroup namespace")
    assert check(replace(KERNEL, host_namespaces={}), NOTHING).status == "error"
