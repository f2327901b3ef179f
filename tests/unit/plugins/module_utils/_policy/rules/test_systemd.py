# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each rule about units passes a good set and names each fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.units import (
    MainProcess,
    UnitFacts,
    UnitFile,
    Units,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.path_trace import Entry
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import systemd_checks
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.systemd import RULES
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import directives

ALLOWED = Baseline(units=(("job.service", 1.5), ("job.timer", 10.0), ("run.service", 2.0)))
NOW = 1795375800.0  # 2026-11-22 19:30 UTC
SERVICE = """[Service]
NoNewPrivileges=yes
ProtectSystem=strict
CapabilityBoundingSet=
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
UMask=0077
TimeoutStartSec=120
IPAddressDeny=any
BindReadOnlyPaths=-/var/lib/openclaw/.openclaw
RestrictAddressFamilies=AF_UNIX
"""
INSTALL = "[Install]\nWantedBy=multi-user.target\n"
CONFINED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "CapabilityBoundingSet": "",
    "SystemCallFilter": "read write",
    "UMask": "0077",
    "TimeoutStartUSec": "2min",
    "IPAddressDeny": "::/0 0.0.0.0/0",
    "BindReadOnlyPaths": "-/var/lib/openclaw/.openclaw:/var/lib/openclaw/.openclaw:rbind",
    "RestrictAddressFamilies": "AF_UNIX",
    "RestrictNamespaces": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "PrivateNetwork": "yes",
    "MemoryMax": "335544320",
    "LimitFSIZE": "1048576",
    "ExecStartEx": "{ path=/opt/job ; argv[]=/opt/job ; flags= ; start_time=[n/a] }",
}
LOADED = {"LoadState": "loaded", "NeedDaemonReload": "no", "Result": "success", "ExecMainStatus": "0"}
WAY = (Entry("/", "directory", 0o755), Entry("/etc/job", "file", 0o644))


def stamp(unix: float) -> str:
    minutes = int(unix - NOW) // 60 + 19 * 60 + 30
    return f"Sun 2026-11-22 {minutes // 60:02}:{minutes % 60:02}:00 UTC"


def unit_file(text: str) -> UnitFile:
    return UnitFile("/etc/job", WAY, tuple(directives(text)))


def good() -> dict[str, UnitFacts]:
    job = UnitFacts(
        "job.service",
        {
            **LOADED,
            **CONFINED,
            **{"Type": "oneshot", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "static"},
            **{"TriggeredBy": "job.timer", "ExecMainStartTimestamp": stamp(NOW - 600), "MainPID": "0"},
        },
        fragment=unit_file(SERVICE),
        uses={"/opt/job": WAY},
        exposure=0.2,
    )
    timer = UnitFacts(
        "job.timer",
        {
            **LOADED,
            **{"ActiveState": "active", "SubState": "waiting", "UnitFileState": "enabled"},
            **{"LastTriggerUSec": stamp(NOW - 600), "LastTriggerUSecMonotonic": "1h"},
            "NextElapseUSecRealtime": stamp(NOW + 600),
        },
        fragment=unit_file(INSTALL),
    )
    run = UnitFacts(
        "run.service",
        {
            **LOADED,
            **CONFINED,
            **{"Type": "exec", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled"},
            **{"MainPID": "7", "BindReadOnlyPaths": "", "PrivateNetwork": "no"},
        },
        fragment=unit_file(SERVICE.replace("BindReadOnlyPaths=-/var/lib/openclaw/.openclaw\n", "") + INSTALL),
        exposure=0.7,
        process=MainProcess(7, (0, 0, 0, 0), True, 0, 2),
    )
    return {unit.name: unit for unit in (job, timer, run)}


def check(number: int, units: dict[str, UnitFacts], allowed: Baseline = ALLOWED, **more):
    (rule,) = (rule for rule in RULES if rule.id == f"OCH-SYS-{number:02}")
    return rule.effective(Units(units, now=NOW, **more), allowed)


def changed(name: str, *, properties: dict[str, str] | None = None, **fields) -> dict[str, UnitFacts]:
    units = good()
    unit = replace(units[name], properties={**units[name].properties, **(properties or {})}, **fields)
    return {**units, name: unit}


@pytest.mark.parametrize("number", range(1, 9))
def test_a_good_set_passes_everything(number):
    found = check(number, good())
    assert (found.status, bool(found.evidence)) == ("pass", True), found.actual


@pytest.mark.parametrize("number", range(1, 9))
def test_nothing_expected_is_skipped(number):
    assert check(number, {}, Baseline()).status == "skip"


@pytest.mark.parametrize("number", range(1, 9))
def test_a_missing_unit_never_passes(number):
    found = check(number, changed("job.timer", properties={"LoadState": "not-found"}))
    assert found.status in ("fail", "error")
    assert "job.timer" in found.actual


@pytest.mark.parametrize(
    ("name", "properties", "reason"),
    [
        ("job.timer", {"LoadState": "masked"}, "job.timer: masked"),
        ("job.timer", {"LoadState": "not-found"}, "job.timer: does not exist"),
        ("job.timer", {"LoadState": "bad-setting"}, "not loaded (bad-setting)"),
        ("job.timer", {"UnitFileState": "disabled"}, "disabled, although it has [Install]"),
        ("job.timer", {"ActiveState": "inactive", "SubState": "dead"}, "inactive (dead)"),
        ("job.timer", {"SubState": "elapsed"}, "will not run again"),
        ("job.service", {"TriggeredBy": ""}, "nothing starts it"),
        ("job.service", {"ActiveState": "failed"}, "job.service: failed"),
        ("job.service", {"RemainAfterExit": "yes"}, "inactive (dead)"),
        ("run.service", {"ActiveState": "activating", "SubState": "auto-restart"}, "activating (auto-restart)"),
        ("run.service", {"UnitFileState": "enabled-runtime"}, "enabled-runtime, although"),
    ],
)
def test_01_names_what_does_not_work(name, properties, reason):
    found = check(1, changed(name, properties=properties))
    assert found.status == "fail"
    assert reason in found.actual


def test_02_a_failed_run():
    found = check(2, changed("job.service", properties={"Result": "exit-code", "ExecMainStatus": "3"}))
    assert found.status == "fail"
    assert "its run of 2026-11-22 19:20 UTC ended with exit-code (exit status 3)" in found.actual
    never = {"Result": "resources", "ExecMainStartTimestamp": ""}
    assert "its start ended with resources" in check(2, changed("job.service", properties=never)).actual


FAILED = {"Result": "exit-code", "ExecMainStatus": "3", "ActiveState": "failed", "SubState": "failed"}


@pytest.mark.parametrize(
    ("changed_at", "statuses"),
    [
        (0.0, ("fail", "fail")),  # nothing known
        (NOW - 1200, ("fail", "fail")),  # before the run
        (NOW - 600, ("fail", "fail")),  # in the same second
        (NOW - 599.5, ("fail", "fail")),
        (NOW - 598, ("pass", "skip")),  # afterwards: what ran was another version
    ],
)
def test_a_failure_of_before_a_change_is_not_held_against_what_is_there_now(changed_at, statuses):
    units = changed("job.service", properties=FAILED, changed=changed_at)
    assert (check(1, units).status, check(2, units).status) == statuses
    if statuses[1] == "skip":
        assert "has not run since it was changed" in check(2, units).actual


def test_a_job_that_could_not_begin_counts_from_when_it_tried():
    at = {**FAILED, "Result": "resources", "StateChangeTimestamp": stamp(NOW - 300)}
    assert check(2, changed("job.service", properties=at, changed=NOW - 400)).status == "fail"
    assert check(2, changed("job.service", properties=at, changed=NOW - 200)).status == "skip"
    late = {**FAILED, "InactiveExitTimestamp": stamp(NOW - 300)}
    assert check(2, changed("job.service", properties=late, changed=NOW - 400)).status == "fail"


def test_a_service_that_runs_on_has_no_excuse():
    units = changed("run.service", properties=FAILED, changed=NOW)
    assert (check(1, units).status, check(2, units).status) == ("fail", "fail")


def test_02_an_overdue_run():
    late = changed("job.timer", properties={"NextElapseUSecRealtime": stamp(NOW - 600)})
    assert "overdue: job.timer should have run it at 2026-11-22 19:20 UTC" in check(2, late).actual
    off = changed("job.timer", properties={"ActiveState": "inactive"})
    assert "job.timer, which starts it, is inactive" in check(2, off).actual
    ignored = changed("job.service", properties={"ExecMainStartTimestamp": stamp(NOW - 3600)})
    assert "job.timer fired at" in check(2, ignored).actual
    running = {"ActiveState": "activating", "ExecMainStartTimestamp": stamp(NOW - 3600)}
    assert check(2, changed("job.service", properties=running)).status == "pass"


def test_02_a_first_run_that_is_not_due_is_output():
    units = changed("job.service", properties={"ExecMainStartTimestamp": ""})
    units["job.timer"] = changed("job.timer", properties={"LastTriggerUSecMonotonic": "0"})["job.timer"]
    found = check(2, units)
    assert found.status == "skip"
    assert "job.service has not run yet, due 2026-11-22 19:40 UTC" in found.actual


def test_02_a_job_that_its_starter_did_not_start():
    units = changed("job.service", properties={"ExecMainExitTimestamp": stamp(NOW - 600)})
    tell = {**units["job.service"].properties, "TriggeredBy": "", "WantedBy": "job.service"}
    tell["ExecMainStartTimestamp"] = stamp(NOW - 3600)
    units["tell.service"] = UnitFacts("tell.service", tell)
    found = check(2, units, Baseline(units=(("tell.service", 1.0),)))
    assert "job.service ran at 2026-11-22 19:20 UTC, but its own last run is 2026-11-22 18:30 UTC" in found.actual


def test_03_exposure():
    assert "job.service: exposure 1.6, limit 1.5" in check(3, changed("job.service", exposure=1.6)).actual
    assert check(3, changed("job.service", exposure=None)).status == "fail"
    assert check(3, good(), exposure_fault="broken").status == "error"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("UMask=0077\n", "UMask=0077 \\\n", "line 7 ends in a backslash and swallows TimeoutStartSec"),
        ("UMask=0077", "UMask=0022", "UMask=0022 is not in force (in force: 0077)"),
        ("ProtectSystem=strict", "ProtectSystem=full", "ProtectSystem=full is not in force"),
        ("TimeoutStartSec=120", "TimeoutStartSec=5min", "TimeoutStartSec=5min is not in force"),
        ("CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_KILL", "CAP_KILL is not in force (in force: nothing)"),
        ("=AF_UNIX", "=AF_INET", "RestrictAddressFamilies=AF_INET is not in force"),
        ("-/var/lib/openclaw/.openclaw", "/elsewhere", "BindReadOnlyPaths=/elsewhere is not in force"),
        ("UMask=0077", "LockPersonality=yes", "LockPersonality= is not known to this systemd"),
    ],
)
def test_04_a_directive_that_was_not_taken(old, new, reason):
    found = check(4, changed("job.service", fragment=unit_file(SERVICE.replace(old, new))))
    assert found.status == "fail"
    assert reason in found.actual


def test_04_a_command_on_several_lines_is_no_fault():
    text = SERVICE + "ExecStart=/opt/job \\\n  --a=b \\\n  Z=1\n"
    assert check(4, changed("job.service", fragment=unit_file(text))).status == "pass"


def test_04_words_of_systemd_and_unreadable_files():
    units = changed("job.timer", complaints=("job.timer:3: bad",), fragment=UnitFile("/x", WAY, fault="denied"))
    found = check(4, units)
    assert "systemd reports: job.timer:3: bad" in found.actual
    assert "/x could not be read (denied)" in found.actual


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"NoNewPrivileges": "no"}, "lacks NoNewPrivileges=yes"),
        ({"ProtectSystem": "full"}, "lacks ProtectSystem=strict"),
        ({"CapabilityBoundingSet": "cap_kill"}, "lacks User= other than root"),
        ({"RestrictAddressFamilies": "~"}, "lacks RestrictAddressFamilies="),
        ({"SystemCallFilter": "~"}, "lacks SystemCallFilter="),
        ({"RestrictNamespaces": "no"}, "lacks RestrictNamespaces=yes"),
        ({"ProtectKernelTunables": "no"}, "lacks ProtectKernelTunables=yes"),
        ({"ExecStartEx": CONFINED["ExecStartEx"].replace("flags=", "flags=privileged")}, "ExecStart=+ runs outside"),
    ],
)
def test_04_less_than_the_guide(properties, reason):
    assert reason in check(4, changed("job.service", properties=properties, fragment=None)).actual


@pytest.mark.parametrize(
    ("directive", "properties", "reason"),
    [
        ("MemoryMax=320M", {"MemoryMax": "infinity"}, "MemoryMax=320M is not in force"),
        ("MemoryMax=320M", {"MemoryMax": "335544320"}, ""),
        ("MemoryMax=10%", {"MemoryMax": "99999999"}, ""),
        ("LimitCPU=60", {"LimitCPU": "infinity"}, "LimitCPU=60 is not in force"),
        ("LimitNOFILE=64:128", {"LimitNOFILE": "128"}, ""),
        ("TasksMax=8", {"TasksMax": "4915"}, "TasksMax=8 is not in force"),
        ("", {"MemoryMax": "infinity"}, "MemoryMax= is missing"),
        ("", {"LimitFSIZE": "infinity"}, "LimitFSIZE= is missing"),
    ],
)
def test_04_limits(directive, properties, reason):
    units = changed("job.service", properties=properties, fragment=unit_file(f"{SERVICE}{directive}\n"))
    found = check(4, units)
    assert (found.status == "pass") == (not reason), found.actual
    assert reason in found.actual
    # What reads nothing of the gateway's needs none.
    other = changed("run.service", properties={"MemoryMax": "infinity"})
    assert check(4, other).status == "pass"


@pytest.mark.parametrize(
    ("properties", "fine"),
    [
        ({"CapabilityBoundingSet": "cap_net_admin cap_net_raw", "ProtectKernelModules": "no"}, True),
        ({"CapabilityBoundingSet": "cap_kill", "User": "openclaw"}, True),
        ({"CapabilityBoundingSet": "cap_kill", "DynamicUser": "yes"}, True),
        ({"CapabilityBoundingSet": "cap_kill", "User": "root"}, False),
        ({"CapabilityBoundingSet": "cap_sys_module", "User": "a", "ProtectKernelModules": "no"}, False),
    ],
)
def test_04_what_does_the_same_is_enough(properties, fine):
    unit = UnitFacts("a.service", {**CONFINED, **properties})
    assert (systemd_checks.below_minimum(unit) == []) is fine


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("openclaw-audit.service", True),
        ("openclaw-acme-backup.service", True),
        ("openclaw-acme-1-audit.service", True),
        ("openclaw-audit.service.d", False),
        ("xopenclaw-audit.service", False),
        ("openclaw-audit.timer", False),
        ("audit.service", False),
        ("openclaw-gateway.service", False),
    ],
)
def test_04_the_jobs_of_maintenance_alone_may_be_root_with_capabilities(name, fine):
    unit = UnitFacts(name, {**CONFINED, "CapabilityBoundingSet": "cap_kill cap_dac_override", "User": "root"})
    assert (systemd_checks.below_minimum(unit) == []) is fine
    # Everything else of the minimum holds for them, too.
    assert systemd_checks.below_minimum(UnitFacts(name, {**unit.properties, "NoNewPrivileges": "no"}))


@pytest.mark.parametrize(
    ("text", "effective", "there"),
    [
        ("PrivateTmp=disconnected", "yes", True),
        ("PrivateUsers=yes", "no", False),
        ("ProtectHome=no", "yes", True),
        ("ProtectHome=tmpfs", "no", False),
        ("RestrictNamespaces=net user", "user net", True),
        ("RestrictNamespaces=~user", "no", False),
        ("User=%i", "me", True),
        ("User=%i", "", False),
        ("RestrictAddressFamilies=~AF_NETLINK", "~AF_NETLINK", True),
        ("RestrictAddressFamilies=none", "", True),
        ("SystemCallFilter=@system-service", "~", False),
        ("SystemCallArchitectures=native", "native", True),
        ("IPAddressDeny=any", "", False),
        ("InaccessiblePaths=-/a /b\nInaccessiblePaths=", "", True),
        ("InaccessiblePaths=-/a -/b", "-/a", False),
        ("CapabilityBoundingSet=~CAP_KILL\nCapabilityBoundingSet=", "", True),
        ("CapabilityBoundingSet=CAP_KILL CAP_CHOWN\nCapabilityBoundingSet=~CAP_KILL", "cap_chown", True),
    ],
)
def test_values_are_compared_by_their_meaning(text, effective, there):
    key = text.partition("=")[0]
    unit = UnitFacts("a.service", {key: effective}, fragment=unit_file(f"[Service]\n{text}\n"))
    assert (systemd_checks.lost(unit) == []) is there


def test_05_drop_ins():
    weak = UnitFile("/etc/systemd/system/job.service.d/x.conf", WAY, tuple(directives("[Service]\nUser=root\n")))
    assert "x.conf sets User" in check(5, changed("job.service", drop_ins=(weak,))).actual
    vendor = replace(weak, path="/usr/lib/systemd/system/service.d/10-timeout-abort.conf")
    assert check(5, changed("job.service", drop_ins=(vendor,))).status == "fail"
    vendor = replace(vendor, directives=tuple(directives("[Service]\nTimeoutStopFailureMode=abort\n")))
    assert check(5, changed("job.service", drop_ins=(vendor,))).status == "pass"


def test_06_files():
    linked = UnitFile("/etc/job", (WAY[0], Entry("/etc/job", "link", 0o777), Entry("/t", "file", 0o644)))
    assert "/etc/job is a link" in check(6, changed("job.service", fragment=linked)).actual
    writable = {"/opt/job": (Entry("/opt", "directory", 0o775, 0, 50), Entry("/opt/job", "file", 0o755, 33))}
    found = check(6, changed("job.service", uses=writable)).actual
    assert "/opt can be written by gid 50 (mode 0775)" in found
    assert "/opt/job belongs to uid 33" in found
    assert "missing" in check(6, changed("job.service", uses={"/opt/job": (Entry("/opt", "missing"),)})).actual
    assert (
        check(6, changed("job.service", uses={"/etc/none.env": (Entry("/etc/none.env", "missing"),)})).status == "pass"
    )


@pytest.mark.parametrize(
    ("process", "properties", "reason"),
    [
        (MainProcess(7, (0,) * 4, False, 0, 2), {}, "may gain privileges"),
        (MainProcess(7, (0,) * 4, True, 1 << 21, 2), {}, "more capabilities in its bounding set: cap_sys_admin"),
        (MainProcess(7, (0,) * 4, True, 1 << 60, 2), {}, "cap_60"),
        (MainProcess(7, (0,) * 4, True, 0, 0), {}, "no system call filter"),
        (MainProcess(7, (0,) * 4, True, 0, 2), {"User": "gone"}, "runs as root instead of gone"),
        (MainProcess(7, (0,) * 4, True, 0, 2, ("net",)), {"PrivateNetwork": "yes"}, "shares the host's net namespace"),
        (MainProcess(7, (0,) * 4, True, 0, 2), {"NeedDaemonReload": "yes"}, "systemctl daemon-reload"),
    ],
)
def test_07_what_runs_is_less_confined(process, properties, reason):
    found = check(7, changed("run.service", properties=properties, process=process))
    assert found.status == "fail"
    assert reason in found.actual


@pytest.mark.parametrize("process", [None, MainProcess(7, (0,) * 4, True, 0, 2, None)])
def test_07_an_unreadable_process_proves_nothing(process):
    found = check(7, changed("run.service", process=process))
    assert (found.status, found.actual) == ("error", "run.service: process 7 could not be read")


def test_07_another_account():
    assert "has uids 0 instead of 980" in check(7, changed("run.service", uid=980)).actual


def test_08_credentials_and_the_network():
    found = check(8, changed("job.service", properties={"PrivateNetwork": "no"}))
    assert found.status == "fail"
    assert "sees /var/lib/openclaw/.openclaw and has the network" in found.actual
