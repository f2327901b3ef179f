"""Each rule passes on the good container, and fails on each single fault, also of a process beside the main one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Hook, Mount, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import (
    CAPABILITY_SETS,
    NAMESPACES,
    Kernel,
    Limits,
    Process,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import Result
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import (
    isolation,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.capabilities import CAPABILITIES
from ansible_collections.openclaw.hardening.plugins.module_utils._system.mountinfo import MountPoint

RULES = {rule.id: rule for rule in isolation.RULES}
GOOD = Settings(
    name="gateway",
    source="docker inspect gateway",
    user="1000:1000",
    cap_drop=("ALL",),
    security_opt=("no-new-privileges:true",),
    network_mode="openclaw",
    networks=("openclaw",),
    ipc_mode="private",
    mounts=(Mount("bind", "/var/lib/openclaw/.openclaw", "/home/node/.openclaw"),),
    entrypoint=("/usr/bin/dumb-init", "--"),
    command=("node", "openclaw.mjs", "gateway"),
    status="running",
    health="healthy",
)
OWN = {kind: f"{kind}:[2]" for kind in NAMESPACES}
HOST = {kind: f"{kind}:[1]" for kind in NAMESPACES}
MAIN = Process(
    pid=4711,
    command="dumb-init",
    uids=(1000,) * 4,
    gids=(1000,) * 4,
    groups=(1000,),
    capabilities=dict.fromkeys(CAPABILITY_SETS, 0),
    no_new_privileges=True,
    seccomp=2,
    namespaces=OWN,
    argv=("/usr/bin/dumb-init", "--", "node", "--token=hush"),
    environment={"TOKEN": "hush"},
)
BESIDE = replace(MAIN, pid=4712, command="beside", argv=("beside",))
FULL = (1 << 41) - 1


def mount(path: str, kind: str = "tmpfs", root: str = "/", options: str = "rw") -> MountPoint:
    return MountPoint(path, kind, kind, root, tuple(options.split(",")), ("rw",))


MOUNTS = (
    mount("/", "overlay", options="ro"),
    mount("/proc", "proc"),
    mount("/dev"),
    mount("/proc/sys", "proc", "/sys", "ro"),
    mount("/proc/keys", root="/null"),
)
KERNEL = Kernel(4711, (MAIN, BESIDE), (MOUNTS,), Limits(), HOST)


def asked(number: str, allowed: Baseline | None = None, **change: object) -> Result:
    check = RULES[f"OCH-CTR-{number}"].declared
    assert check
    return check(replace(GOOD, **change), allowed or Baseline())


def effective(number: str, allowed: Baseline | None = None, kernel: Kernel = KERNEL, **beside: object) -> Result:
    """Check a kernel in which the process beside the main one is changed."""
    rule = RULES[f"OCH-CTR-{number}"]
    assert rule.effective
    assert rule.needs == ("kernel",)
    processes = (*kernel.processes[:-1], replace(kernel.processes[-1], **beside))
    return rule.effective(replace(kernel, processes=processes), allowed or Baseline())


def mounted(number: str, *tables: tuple[MountPoint, ...]) -> Result:
    """Check a kernel in which the process beside the main one has a mount namespace of its own."""
    beside = replace(BESIDE, namespaces={**OWN, "mnt": "mnt:[3]"})
    return effective(number, kernel=replace(KERNEL, processes=(MAIN, beside), mounts=tables))


ASKED = sorted(number[-2:] for number, rule in RULES.items() if rule.declared)
IN_FORCE = sorted(number[-2:] for number, rule in RULES.items() if rule.needs == ("kernel",))


# --- good containers ----------------------------------------------------------------------------------------------


def test_the_table_is_what_was_planned():
    numbers = ["01", "02", "03", "04", "05", "07", "08", "13", "14", "15", "16", "17", "18", "19", "27", "30", "90"]
    assert list(RULES) == [f"OCH-CTR-{number}" for number in numbers]
    assert [id_ for id_, rule in RULES.items() if rule.manual] == ["OCH-CTR-90"]
    assert set(IN_FORCE) == set(numbers) - {"01", "17", "18", "90"}
    assert set(ASKED) == set(numbers) - {"01", "90"}


@pytest.mark.parametrize("number", ASKED)
def test_the_good_definition_passes(number):
    found = asked(number)
    assert found.status == ("skip" if number == "08" else "pass")
    assert [source for source, _text in found.evidence] == [GOOD.source]


@pytest.mark.parametrize("number", IN_FORCE)
def test_the_good_container_passes_and_shows_why(number):
    found = effective(number)
    assert found.status == ("skip" if number == "08" else "pass")
    assert found.evidence
    assert "hush" not in repr(found)


@pytest.mark.parametrize("number", IN_FORCE)
def test_nothing_seen_is_no_pass(number):
    found = effective(number, kernel=replace(KERNEL, security_module="apparmor", mounts=()))
    nothing = RULES[f"OCH-CTR-{number}"].effective(
        replace(KERNEL, processes=(), mounts=(), security_module="selinux"), Baseline()
    )
    assert nothing.status == "error"
    assert found.status == ("error" if number in ("08", "19", "27") else "pass")


@pytest.mark.parametrize("mode", ["service:openclaw-gateway", "container:abc"])
def test_a_helper_may_share_the_network_of_its_service(mode):
    assert asked("13", network_mode=mode, helper=True).status == "pass"


# --- asked --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "change", "words"),
    [
        ("02", {"user": "root"}, "'root' is root"),
        ("02", {"user": "0"}, "'0' is root"),
        ("02", {"user": "00:1000"}, "is root"),
        ("02", {"user": "+0"}, "is root"),
        ("02", {"user": "1000:0"}, "group '0'"),
        ("02", {"user": "1000:root"}, "group 'root'"),
        ("02", {"user": ""}, "no user is named"),
        ("02", {"user": ":1000"}, "no user is named"),
        ("02", {"group_add": ("docker",)}, "additional group 'docker'"),
        ("02", {"group_add": ("1001", "0")}, "additional group '0'"),
        ("03", {"privileged": True}, "privileged"),
        ("04", {"cap_drop": ()}, "empty"),
        ("04", {"cap_drop": ("NET_RAW",)}, "NET_RAW, not ALL"),
        ("04", {"cap_add": ("SYS_ADMIN",)}, "cap_add SYS_ADMIN"),
        ("04", {"cap_add": ("ALL",)}, "cap_add ALL"),
        ("04", {"privileged": True}, "privileged"),
        ("05", {"security_opt": ()}, "not asked"),
        ("05", {"security_opt": ("no-new-privileges:false",)}, "not asked"),
        ("05", {"security_opt": ("no-new-privileges", "no-new-privileges=0")}, "not asked"),
        ("07", {"security_opt": ("seccomp=unconfined",)}, "seccomp=unconfined"),
        ("07", {"security_opt": ("seccomp:unconfined",)}, "seccomp=unconfined"),
        ("07", {"security_opt": ('seccomp={"defaultAction":"SCMP_ACT_ALLOW"}',)}, "every system call"),
        ("07", {"privileged": True}, "privileged"),
        ("08", {"security_opt": ("apparmor=unconfined",)}, "apparmor=unconfined"),
        ("08", {"security_opt": ("apparmor:unconfined",)}, "apparmor=unconfined"),
        ("08", {"security_opt": ("label=disable",)}, "label=disable"),
        ("08", {"security_opt": ("label:disable",)}, "label=disable"),
        ("08", {"security_opt": ("disable",)}, "label=disable"),
        ("08", {"security_opt": ("label=type:spc_t",)}, "spc_t"),
        ("13", {"network_mode": "host"}, "network_mode: host"),
        ("13", {"network_mode": "container:abc"}, "container:abc"),
        ("13", {"network_mode": "service:other"}, "service:other"),
        ("13", {"network_mode": "host", "helper": True}, "network_mode: host"),
        ("13", {"network_mode": "", "networks": ("host",)}, "networks: host"),
        ("14", {"pid_mode": "host"}, "pid: host"),
        ("14", {"pid_mode": "container:abc"}, "pid: container:abc"),
        ("14", {"pid_mode": "service:other", "helper": True}, "pid: service:other"),
        ("15", {"ipc_mode": "host"}, "ipc: host"),
        ("15", {"ipc_mode": "shareable"}, "ipc: shareable"),
        ("15", {"ipc_mode": "container:abc"}, "ipc: container:abc"),
        ("16", {"uts_mode": "host"}, "uts: host"),
        ("17", {"userns_mode": "host"}, "userns_mode: host"),
        ("18", {"cgroup_parent": "/system"}, "cgroup_parent: /system"),
        ("19", {"devices": ("/dev/kvm",)}, "device /dev/kvm"),
        ("19", {"mounts": (Mount("bind", "/dev/bus/usb", "/usb", read_only=True),)}, "bind mount of /dev/bus/usb"),
        ("19", {"mounts": (Mount("bind", "//dev/./../dev/mem", "/mem"),)}, "bind mount of /dev/mem"),
        ("19", {"mounts": (Mount("bind", "/dev", "/dev"),)}, "bind mount of /dev"),
        ("02", {"user": "1000:42"}, "group '42'"),
        ("02", {"user": "1000:+042"}, "group '+042'"),
        ("02", {"user": "1000:shadow"}, "group 'shadow'"),
        ("02", {"group_add": ("42",)}, "additional group '42'"),
        ("02", {"group_add": ("998",)}, "additional group '998'"),
        ("02", {"group_add": ("wheel-of-a-site",)}, "additional group"),
        ("02", {"hooks": (Hook("post_start", "00"),)}, "user '00' of post_start is root"),
        ("02", {"hooks": (Hook("pre_stop", "+0:1000"),)}, "of pre_stop is root"),
        ("02", {"hooks": (Hook("post_start", "1000:0"),)}, "group '0' of the user of post_start"),
        ("02", {"hooks": (Hook("post_start", ":1000"),)}, "of post_start is root"),
        ("08", {"security_opt": ("apparmor=mine",)}, "apparmor=mine"),
        ("08", {"security_opt": ("label=type:mine_t",)}, "mine_t"),
        ("08", {"security_opt": ("label=role:unconfined_r",)}, "unconfined_r"),
        ("27", {"security_opt": ("writable-cgroups=true",)}, "writable-cgroups"),
        ("27", {"security_opt": ("writable-cgroups",)}, "writable-cgroups"),
        ("27", {"masked": False}, "systempaths"),
        ("27", {"security_opt": ("systempaths=unconfined",)}, "systempaths"),
        ("27", {"privileged": True}, "privileged"),
        ("30", {"command": ("/usr/sbin/sshd", "-D")}, "sshd"),
        ("30", {"entrypoint": ("sh", "-c", "/usr/sbin/dropbear&exec node")}, "dropbear"),
    ],
)
def test_each_fault_of_a_definition_is_found(number, change, words):
    found = asked(number, **change)
    assert found.status == "fail"
    assert words in found.actual
    assert found.evidence[0][0] == GOOD.source


@pytest.mark.parametrize(
    ("number", "change"),
    [
        ("02", {"user": "node"}),
        ("02", {"user": "1000", "group_add": ("1001", "audio")}),
        ("02", {"user": "10:100"}),
        ("02", {"user": "980:980", "group_add": ("980", "0980")}),
        ("02", {"user": "1000:1000", "hooks": (Hook("post_start", "1001:1001"), Hook("pre_stop"))}),
        ("27", {"security_opt": ("writable-cgroups=false",)}),
        ("05", {"security_opt": ("no-new-privileges",)}),
        ("05", {"security_opt": ("no-new-privileges=1",)}),
        ("07", {"security_opt": ("seccomp=builtin",)}),
        ("07", {"security_opt": ('seccomp={"defaultAction":"SCMP_ACT_ERRNO"}',)}),
        ("13", {"network_mode": "none"}),
        ("13", {"network_mode": "bridge"}),
        ("14", {"pid_mode": "private"}),
        ("15", {"ipc_mode": ""}),
        ("15", {"ipc_mode": "none"}),
        ("18", {"cgroup_parent": "/docker"}),
        ("18", {"cgroup_parent": "system.slice"}),
        ("19", {"mounts": (Mount("bind", "/dev/null", "/etc/foo"), Mount("bind", "/devices", "/devices"))}),
        ("30", {"command": ("node", "--ssh", "sshd.mjs")}),
    ],
)
def test_harmless_choices_pass(number, change):
    assert asked(number, **change).status == "pass"


@pytest.mark.parametrize("change", [{"pid_mode": "host"}, {"ipc_mode": "host"}, {"privileged": True}])
def test_what_the_daemon_adds_by_itself_is_not_held_against_the_definition(change):
    assert asked("08", security_opt=("label=disable",), **change).status == "skip"
    assert asked("08", security_opt=("label=disable", "apparmor=unconfined"), **change).status == "fail"


def test_without_a_user_the_image_of_a_definition_decides():
    assert asked("02", user="", status="").status == "error"
    assert asked("02", user="", status="", group_add=("docker",)).status == "fail"


def test_an_allowed_capability_may_be_added():
    allowed = Baseline(capabilities=("cap_net_bind_service",))
    assert asked("04", allowed, cap_add=("NET_BIND_SERVICE",)).status == "pass"
    assert asked("04", allowed, cap_add=("NET_BIND_SERVICE", "CHOWN")).actual == "cap_add CHOWN"


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ([], "fail"),
        ([{"names": ["mount"], "action": "SCMP_ACT_ALLOW"}], "fail"),
        ([{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}], "fail"),
    ],
)
def test_a_seccomp_profile_that_names_what_it_stops_lets_the_rest_pass(rules, status):
    for action in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"):
        profile = json.dumps({"defaultAction": action, "syscalls": rules})
        found = asked("07", security_opt=(f"seccomp={profile}",))
        assert found.status == status
        assert "SCMP" not in repr(found)


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}, "pass"),
        ({"names": ["read", "mount"], "action": "SCMP_ACT_ALLOW"}, "fail"),
        ({"name": "bpf", "action": "SCMP_ACT_LOG"}, "fail"),
        ({"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}}, "pass"),
        ({"names": ["mount"], "action": "SCMP_ACT_ERRNO"}, "pass"),
    ],
)
def test_a_seccomp_profile_that_names_what_passes_names_nothing_dangerous(rule, status):
    profile = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})
    assert asked("07", security_opt=(f"seccomp={profile}",)).status == status


def test_a_seccomp_profile_that_nobody_can_read_is_no_pass():
    assert asked("07", security_opt=("seccomp=/etc/docker/own.json",)).status == "error"


@pytest.mark.parametrize(
    ("status", "health", "result"),
    [
        ("running", "healthy", "pass"),
        ("running", "none", "pass"),
        ("running", "", "pass"),
        ("running", "starting", "skip"),
        ("running", "unhealthy", "fail"),
        ("restarting", "healthy", "fail"),
        ("paused", "healthy", "fail"),
        ("exited", "unhealthy", "fail"),
        ("created", "", "fail"),
        ("", "healthy", "error"),
    ],
)
def test_running_and_healthy(status, health, result):
    found = RULES["OCH-CTR-01"].effective(replace(GOOD, status=status, health=health), Baseline())
    assert found.status == result
    assert found.evidence == ((GOOD.source, f"State.Status: {status}, State.Health.Status: {health or 'none'}"),)


# --- in force -----------------------------------------------------------------------------------------------------

CAPABILITY_FAULTS = [
    ("04", {"capabilities": {**MAIN.capabilities, kind: 1 << 21}}, f"{kind} has SYS_ADMIN") for kind in CAPABILITY_SETS
]
NAMESPACE_FAULTS = [
    (number, {"namespaces": {**OWN, kind: HOST[kind]}}, f"the host's {kind} namespace")
    for number, kind in (("13", "net"), ("14", "pid"), ("15", "ipc"), ("16", "uts"))
]


@pytest.mark.parametrize(
    ("number", "change", "words"),
    [
        ("02", {"uids": (0,) * 4}, "root's uid"),
        ("02", {"uids": (1000, 1000, 0, 1000)}, "root's uid"),
        ("02", {"uids": (1000, 1000, 1000, 1000, 0)}, "root's uid"),
        ("02", {"gids": (1000, 0, 1000, 1000)}, "root's group"),
        ("02", {"groups": (0, 1000)}, "root's group"),
        ("02", {"groups": (42, 1000)}, "group 42, one of the system's own"),
        ("03", {"capabilities": {**MAIN.capabilities, "CapBnd": FULL}}, "privileged"),
        *CAPABILITY_FAULTS,
        ("04", {"capabilities": {**MAIN.capabilities, "CapEff": 1 << 50}}, "capability 50"),
        (
            "04",
            {"capabilities": {**MAIN.capabilities, "CapEff": FULL}},
            "CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER and 37",
        ),
        ("05", {"no_new_privileges": False}, "NoNewPrivs: 0"),
        ("07", {"seccomp": 0}, "Seccomp: 0"),
        *NAMESPACE_FAULTS,
        ("30", {"command": "sshd"}, "sshd"),
        ("30", {"argv": ("/usr/sbin/sshd", "-D")}, "sshd"),
        ("30", {"argv": ("sshd: /usr/sbin/sshd -D [listener]",)}, "sshd"),
    ],
)
def test_a_bad_process_beside_the_main_one_is_found_and_named(number, change, words):
    found = effective(number, **change)
    assert found.status == "fail"
    command = change.get("command", "beside")
    assert found.actual.startswith(f"pid 4712 ({command}): ")
    assert words in found.actual
    ((source, text),) = found.evidence
    assert source.startswith("/proc/4712/")
    assert text.startswith(f"{command}: ")


def test_the_group_of_dockers_socket_is_as_good_as_root():
    kernel = replace(KERNEL, engine_group=998)
    assert effective("02", kernel=kernel).status == "pass"
    found = effective("02", kernel=kernel, groups=(998, 1000))
    assert found.actual == "pid 4712 (beside): group 998, which may command Docker"
    assert effective("02", kernel=kernel, gids=(998,) * 4).status == "fail"


def test_an_allowed_capability_may_be_held():
    allowed = Baseline(capabilities=("NET_BIND_SERVICE",))
    held = {**MAIN.capabilities, "CapBnd": 1 << 10}
    assert effective("04", capabilities=held).status == "fail"
    assert effective("04", allowed, capabilities=held).status == "pass"
    assert effective("04", allowed, capabilities={**held, "CapInh": 1}).status == "fail"
    everything = Baseline(capabilities=CAPABILITIES)
    assert effective("03", everything).status == "pass"


def test_many_bad_processes_do_not_make_a_long_line():
    processes = tuple(replace(BESIDE, pid=pid, seccomp=0) for pid in range(100, 120))
    found = effective("07", kernel=replace(KERNEL, processes=processes))
    assert found.actual.endswith("pid 102 (beside): Seccomp: 0; 17 more processes")
    assert len(found.evidence) == 9


def test_strict_seccomp_is_fine():
    assert effective("07", seccomp=1).status == "pass"


@pytest.mark.parametrize(
    ("module", "label", "status"),
    [
        ("apparmor", "docker-default (enforce)", "pass"),
        ("apparmor", "unconfined", "fail"),
        ("apparmor", "docker-default (complain)", "fail"),
        ("apparmor", "mine (unconfined)", "fail"),
        ("apparmor", "mine (enforce)", "fail"),
        ("selinux", "system_u:system_r:mine_t:s0:c1,c2", "fail"),
        ("apparmor", "", "error"),
        ("selinux", "system_u:system_r:container_t:s0:c1,c2", "pass"),
        ("selinux", "system_u:system_r:container_t:s0:c1,c2 (permissive)", "fail"),
        ("selinux", "system_u:system_r:spc_t:s0", "fail"),
        ("selinux", "unconfined_u:unconfined_r:unconfined_t:s0", "fail"),
        ("", "", "skip"),
    ],
)
def test_confinement(module, label, status):
    good = {"apparmor": "docker-default (enforce)", "selinux": "system_u:system_r:container_t:s0:c1,c2", "": ""}[module]
    kernel = replace(KERNEL, security_module=module, processes=(replace(MAIN, label=good), BESIDE))
    found = effective("08", kernel=kernel, label=label)
    assert found.status == status
    if status == "fail":
        assert found.actual == f"pid 4712 (beside): {label}"


def test_unknown_namespaces_are_no_pass():
    assert effective("13", kernel=replace(KERNEL, host_namespaces={})).status == "error"
    assert effective("13", namespaces={"mnt": "mnt:[2]"}).status == "error"


@pytest.mark.parametrize("root", ["/", "/kvm", "/bus/usb"])
def test_devices_of_the_host_are_found_in_any_mount_namespace(root):
    found = mounted("19", MOUNTS, (*MOUNTS, mount("/dev/x", "devtmpfs", root)))
    assert found.status == "fail"
    assert found.actual.startswith("pid 4712 (beside): the host's /dev")
    assert [source for source, _text in found.evidence] == ["/proc/4711/mountinfo", "/proc/4712/mountinfo"]


def test_ordinary_devices_are_fine():
    assert mounted("19", MOUNTS, (*MOUNTS, mount("/dev/null", "devtmpfs", "/null"))).status == "pass"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (MOUNTS[:-1], "neither /proc/kcore nor /proc/keys is masked"),
        ((*MOUNTS[:3], MOUNTS[4]), "/proc/sys is writable"),
        ((*MOUNTS[:3], mount("/proc/sys", "proc", "/sys"), MOUNTS[4]), "/proc/sys is writable"),
        ((*MOUNTS, mount("/proc/sys", "proc", "/sys")), "/proc/sys is writable"),
        ((*MOUNTS, mount("/proc", "proc")), "/proc/sys is writable"),
        ((*MOUNTS, mount("/host/proc", "proc")), "/host/proc/sys is writable"),
        ((*MOUNTS, mount("/host/proc", "proc", options="ro")), "neither /host/proc/kcore"),
        ((*MOUNTS[:4], mount("/proc/keys", "proc", "/keys")), "neither"),
        ((*MOUNTS, mount("/sys/fs/cgroup", "cgroup2")), "/sys/fs/cgroup (control groups) is writable"),
    ],
)
def test_each_hole_in_the_masks_is_found_in_any_mount_namespace(table, words):
    found = mounted("27", MOUNTS, table)
    assert found.status == "fail"
    assert found.actual.startswith("pid 4712 (beside): ")
    assert words in found.actual
    assert found.evidence[1][0] == "/proc/4712/mountinfo"


def test_kernel_memory_may_be_the_masked_one():
    assert mounted("27", MOUNTS, (*MOUNTS[:4], mount("/proc/kcore", root="/null"))).status == "pass"
