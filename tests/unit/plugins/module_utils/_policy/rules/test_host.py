# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each rule about the daemon passes a good one and names each fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.daemon import (
    ARGUMENTS,
    CONFIG,
    Daemon,
    Listener,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.path_trace import Entry
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.host import RULES

INFO = {
    "Debug": False,
    "DefaultRuntime": "runc",
    "Driver": "overlay2",
    "ExperimentalBuild": False,
    "RegistryConfig": {
        "InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"],
        "IndexConfigs": {"docker.io": {"Name": "docker.io", "Secure": True}},
    },
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "Swarm": {"LocalNodeState": "inactive"},
    "Warnings": None,
}
RUN = (Entry("/", "directory", 0o755), Entry("/run", "directory", 0o755))
SOCKET = (*RUN, Entry("/run/docker.sock", "socket", 0o660, 0, 102))
CONTAINERD = (*RUN, Entry("/run/containerd/containerd.sock", "socket", 0o660))
GOOD = Daemon(
    version="26.1.5",
    info=INFO,
    pid=7,
    options={"mtu": 1400, "hosts": ["fd://"]},
    sources={"mtu": CONFIG, "hosts": ARGUMENTS},
    listeners=(),
    sockets={"/var/run/docker.sock": SOCKET, "/run/containerd/containerd.sock": CONTAINERD},
    groups={"docker": (102, ())},
    files={CONFIG: (Entry(CONFIG, "file", 0o644),)},
)
JUDGED = [rule for rule in RULES if not rule.manual]


def check(number: int, daemon: Daemon, allowed: Baseline | None = None):
    (rule,) = (rule for rule in RULES if rule.id == f"OCH-HST-{number:02}")
    return rule.effective(daemon, allowed or Baseline())


def asks(source: str = CONFIG, **options: object) -> Daemon:
    options = {name.replace("_", "-"): value for name, value in options.items()}
    return replace(
        GOOD, options={**GOOD.options, **options}, sources={**GOOD.sources, **dict.fromkeys(options, source)}
    )


def reports(**info: object) -> Daemon:
    return replace(GOOD, info={**INFO, **info})


def socket(**fields: object) -> Daemon:
    return replace(GOOD, sockets={"/var/run/docker.sock": (*RUN, replace(SOCKET[-1], **fields))})


@pytest.mark.parametrize("rule", JUDGED, ids=lambda rule: rule.id)
def test_a_good_daemon_passes_everything(rule):
    found = rule.effective(GOOD, Baseline())
    assert (found.status, bool(found.evidence)) == ("pass", True), found.actual


def test_there_are_twelve_rules_and_four_for_a_person():
    assert (len(JUDGED), len(RULES)) == (12, 16)


@pytest.mark.parametrize("number", [1, 4, 5, 6, 12])
@pytest.mark.parametrize("unknown", [replace(GOOD, pid=0, listeners=None), replace(GOOD, config_fault="no JSON")])
def test_unknown_options_prove_nothing(number, unknown):
    assert check(number, unknown).status == "error"


@pytest.mark.parametrize(
    ("number", "daemon", "reason"),
    [
        (
            1,
            replace(GOOD, listeners=(Listener("127.0.0.1", 2375, "plain"),)),
            "127.0.0.1:2375 answers everybody without",
        ),
        (1, replace(GOOD, listeners=(Listener("::", 2376, "anyone"),)), "[::]:2376 answers everybody by TLS without a"),
        (1, asks(hosts=["fd://", "tcp://0.0.0.0:2375"]), f"{CONFIG} asks for tcp://0.0.0.0:2375 without tlsverify"),
        (1, asks(hosts="tcp://h", tlsverify=False), "asks for tcp://h without tlsverify"),
        (
            1,
            reports(Warnings=["WARNING: API is accessible on http://0.0.0.0:2375 without encryption."]),
            "http://0.0.0.0:2375",
        ),
        (2, socket(mode=0o666), "/run/docker.sock has mode 0666"),
        (2, socket(uid=5), "belongs to uid 5"),
        (2, socket(gid=50), "belongs to gid 50"),
        (2, socket(permitted=("uid 9",)), "can be written by uid 9"),
        (3, replace(GOOD, groups={"docker": (102, ("eve", "root"))}), "eve is in docker"),
        (4, asks(iptables=False), f"{CONFIG} sets iptables to False"),
        (4, asks(ARGUMENTS, iptables="false"), f"{ARGUMENTS} sets iptables"),
        (5, asks(insecure_registries=["reg:5000", "127.0.0.1:5000"]), "reg:5000 is trusted without TLS"),
        (5, reports(RegistryConfig={"InsecureRegistryCIDRs": ["10.0.0.0/8"]}), "10.0.0.0/8"),
        (5, reports(RegistryConfig={"IndexConfigs": {"r": {"Secure": False}}}), "r is trusted"),
        (6, asks(log_level="error"), "sets log-level to error"),
        (6, reports(Debug=True), "debug is on"),
        (7, reports(SecurityOptions=["name=seccomp,profile=unconfined"]), "unconfined by default"),
        (7, reports(SecurityOptions=[]), "no system calls at all"),
        (7, asks(seccomp_profile="unconfined"), "sets seccomp-profile to unconfined"),
        (7, replace(asks(seccomp_profile="/p"), seccomp_default="SCMP_ACT_ALLOW"), "/p allows every call"),
        (8, reports(ExperimentalBuild=True), "experimental features are on"),
        (8, asks(experimental=True), "sets experimental"),
        (9, reports(Swarm={"LocalNodeState": "active"}), "swarm mode is active"),
        (10, reports(Driver="devicemapper"), "devicemapper is no longer maintained"),
        (11, replace(GOOD, files={CONFIG: (Entry(CONFIG, "file", 0o666),)}), f"{CONFIG} can be written by everybody"),
        (11, replace(asks(tlskey="/k"), files={"/k": (Entry("/k", "file", 0o644),)}), "/k, the daemon's private key"),
        (12, reports(DefaultRuntime="nvidia"), "default runtime is nvidia"),
        (12, asks(default_ipc_mode="shareable"), "sets default-ipc-mode to shareable"),
        (12, asks(allow_direct_routing=True), "sets allow-direct-routing"),
        (
            12,
            asks(default_network_opts={"bridge": {"gateway_mode_ipv4": "nat-unprotected"}}),
            "networks nat-unprotected",
        ),
        (12, asks(default_network_opts=["bridge=com.gateway_mode_ipv4=routed"]), "networks routed"),
        (12, replace(GOOD, environment=("DOCKER_INSECURE_NO_IPTABLES_RAW",)), "DOCKER_INSECURE_NO_IPTABLES_RAW"),
    ],
)
def test_each_fault_is_named(number, daemon, reason):
    found = check(number, daemon)
    assert found.status == "fail"
    assert reason in found.actual
    assert found.evidence


@pytest.mark.parametrize(
    ("number", "daemon"),
    [
        (1, replace(asks(hosts=["tcp://0.0.0.0:2376"]), listeners=(Listener("::", 2376, "tls"),))),
        (1, asks(hosts=["tcp://0.0.0.0:2376"], tlsverify=True)),
        (1, replace(GOOD, listeners=(Listener("127.0.0.1", 18789),))),
        (2, socket(gid=0, mode=0o600)),
        (2, replace(socket(uid=1000, gid=1000), uid=1000, info={"SecurityOptions": ["name=rootless"]})),
        (5, reports(RegistryConfig=None)),
        (6, asks(log_level="info", debug=False)),
        (7, replace(asks(seccomp_profile="/p"), seccomp_default="SCMP_ACT_ERRNO")),
        (12, reports(DefaultRuntime="io.containerd.runc.v2")),
        (12, asks(no_new_privileges=False, default_ipc_mode="private")),
    ],
)
def test_what_is_fine_is_no_false_alarm(number, daemon):
    assert check(number, daemon).status == "pass"


def test_allowed_members_of_the_group():
    daemon = replace(GOOD, groups={"docker": (102, ("ops",))})
    found = check(3, daemon, Baseline(docker_users=("ops",)))
    assert (found.status, found.actual) == ("pass", "only ops")


def test_what_cannot_be_found_out():
    assert check(7, replace(GOOD, seccomp_default="unreadable: x")).status == "error"
    assert check(10, reports(Driver="")).status == "error"
    assert check(11, replace(GOOD, files={})).status == "error"
    assert check(2, socket(kind="missing")).status == "error"
    assert check(2, replace(GOOD, sockets={})).status == "skip"
    assert check(3, reports(SecurityOptions=["name=rootless"])).status == "skip"
