# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the units beside the gateway: they are there, they work, and the hardening in their files is in force."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection
from datetime import datetime, timezone

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.units import EXEC, SANDBOX, UnitFacts, Units
from ansible_collections.openclaw.hardening.plugins.module_utils._files.path_trace import Entry, faults_of
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    Result,
    Rule,
    failed,
    guide,
    inconclusive,
    passed,
    skipped,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import systemd_checks as hardening

Observed = tuple[list[str], list[tuple[str, str]]]

# A timer runs by its accuracy (a minute by default), on a busy host a little later.
GRACE_SECONDS = 300
_STARTED_BY_SECONDS = 120


# --- the frame of each check --------------------------------------------------------------------------------------


def _each(
    units: Units, allowed: Baseline, check: Callable[[UnitFacts], Observed], good: str, kinds: Collection[str] = ()
) -> Result:
    """Check each expected unit that exists; one that does not exist proves nothing."""
    if not allowed.units:
        return skipped("no units are expected here")
    faults: list[str] = []
    evidence: list[tuple[str, str]] = []
    missing = []
    checked = 0
    for name, _limit in allowed.units:
        unit = units.units.get(name)
        if unit is None or not unit.loaded:
            missing.append(name)
        elif not kinds or unit.kind in kinds:
            found, observed = check(unit)
            checked += 1
            faults += [f"{name}: {', '.join(found)}"] if found else []
            evidence += observed
    if faults:
        return failed("; ".join(faults), *evidence)
    if missing:
        return inconclusive(f"not loaded: {', '.join(missing)}", *evidence)
    return passed(good, *evidence) if checked else skipped("none of the expected units is a service")


def _seen(unit: UnitFacts, *names: str) -> tuple[str, str]:
    return f"systemctl show {unit.name}", " ".join(f"{name}={unit.get(name)}" for name in names)


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, tz=timezone.utc).strftime("%Y-%m-%d %H:%M UTC") if unix else "never"


# --- OCH-SYS-01, 02: they are there and work ----------------------------------------------------------------------


def _active(units: Units, allowed: Baseline) -> Result:
    if not allowed.units:
        return skipped("no units are expected here")
    faults: list[str] = []
    evidence = []
    for name, _limit in allowed.units:
        unit = units.units.get(name)
        if unit is None:
            return inconclusive(f"nobody looked at {name}")
        evidence.append(_seen(unit, "LoadState", "ActiveState", "SubState", "UnitFileState"))
        found = _activity(unit)
        faults += [f"{name}: {', '.join(found)}"] if found else []
    if faults:
        return failed("; ".join(faults), *evidence)
    return passed(f"all {len(allowed.units)} units are loaded, pulled in at boot and active", *evidence)


def _activity(unit: UnitFacts) -> list[str]:
    load = unit.get("LoadState") or "not-found"
    if load != "loaded":
        return {"masked": ["masked"], "not-found": ["does not exist"]}.get(load, [f"not loaded ({load})"])
    faults = []
    state, installed = unit.get("UnitFileState"), _installs(unit)
    pulled = unit.words("TriggeredBy") + unit.words("WantedBy") + unit.words("RequiredBy")
    if installed and state != "enabled":
        faults.append(f"{state or 'not enabled'}, although it has [Install]")
    elif not installed and not pulled:
        faults.append("nothing starts it: no [Install], and no timer or unit that wants it")
    active, sub = unit.get("ActiveState"), unit.get("SubState")
    if unit.oneshot and unit.get("RemainAfterExit") != "yes":
        # What an older version of it did is no evidence about this one.
        if active == "failed" and not unit.outdated:
            faults.append("failed")
    elif active != "active" or (unit.kind == "service" and not unit.oneshot and sub != "running"):
        faults.append(f"{active} ({sub})")
    elif unit.kind == "timer" and sub == "elapsed":
        faults.append("elapsed: it will not run again")
    return faults


def _installs(unit: UnitFacts) -> bool:
    return any(
        found.section == "Install" and found.key in ("WantedBy", "RequiredBy", "UpheldBy")
        for file in unit.files
        for found in file.directives
    )


def _last_run(units: Units, allowed: Baseline) -> Result:
    waiting: list[str] = []

    def check(unit: UnitFacts) -> Observed:
        observed = [_seen(unit, "Result", "ExecMainStatus", "ExecMainStartTimestamp")]
        timers = [units.units[name] for name in unit.words("TriggeredBy") if name in units.units]
        observed += [_seen(timer, "LastTriggerUSec", "NextElapseUSecRealtime") for timer in timers]
        result, status = unit.get("Result"), unit.get("ExecMainStatus")
        started = unit.time("ExecMainStartTimestamp")
        if result not in ("success", "") or unit.get("ActiveState") == "failed":
            when = f"its run of {_moment(started)}" if started else "its start"
            if unit.outdated:
                changed = _moment(unit.changed)
                waiting.append(f"{unit.name} has not run since it was changed at {changed} ({when} failed before)")
                return [], observed
            return [f"{when} ended with {result} (exit status {status})"], observed
        faults = [fault for timer in timers for fault in _overdue(timer, units.now)]
        if unit.oneshot and unit.get("ActiveState") != "activating":
            faults += [
                f"{cause} at {_moment(when)}, but its own last run is {_moment(started)}"
                for cause, when in _causes(unit, units)
                if when - started > _STARTED_BY_SECONDS and units.now - when > _STARTED_BY_SECONDS
            ]
            if not started and not faults:
                due = min((timer.time("NextElapseUSecRealtime") for timer in timers), default=0.0)
                waiting.append(f"{unit.name} has not run yet" + (f", due {_moment(due)}" if due else ""))
        return faults, observed

    found = _each(units, allowed, check, "the last run of each service succeeded", ("service",))
    return skipped("; ".join(waiting), *found.evidence) if waiting and found.status == "pass" else found


def _overdue(timer: UnitFacts, now: float) -> list[str]:
    """A timer that is off, or whose next run is over."""
    if not timer.loaded or timer.get("ActiveState") != "active":
        return [f"{timer.name}, which starts it, is {timer.get('ActiveState') or 'missing'}"]
    due = timer.time("NextElapseUSecRealtime")
    if due and now - due > GRACE_SECONDS:
        return [f"overdue: {timer.name} should have run it at {_moment(due)}"]
    return []


def _causes(unit: UnitFacts, units: Units) -> list[tuple[str, float]]:
    """What should have started a job, and when: a timer that fired since boot, another job that wants it."""
    others = {name: units.units[name] for name in units.units if units.units[name].loaded}
    fired = [
        (f"{name} fired", others[name].time("LastTriggerUSec"))
        for name in unit.words("TriggeredBy")
        if name in others and others[name].get("LastTriggerUSecMonotonic") not in ("", "0", "n/a")
    ]
    ran = [
        (f"{name} ran", others[name].time("ExecMainExitTimestamp"))
        for name in unit.words("WantedBy") + unit.words("RequiredBy")
        if name in others and others[name].oneshot
    ]
    return [cause for cause in fired + ran if cause[1]]


# --- OCH-SYS-03: exposure -----------------------------------------------------------------------------------------


def _exposure(units: Units, allowed: Baseline) -> Result:
    limits = dict(allowed.units)
    if units.exposure_fault:
        return inconclusive(units.exposure_fault)

    def check(unit: UnitFacts) -> Observed:
        if unit.exposure is None:
            return ["no exposure was measured"], []
        observed = [("systemd-analyze security", f"{unit.name}: {unit.exposure} (limit {limits[unit.name]})")]
        if unit.exposure > limits[unit.name]:
            return [f"exposure {unit.exposure}, limit {limits[unit.name]}"], observed
        return [], observed

    return _each(units, allowed, check, "the exposure of each service is within its limit", ("service",))


# --- OCH-SYS-04: every directive was taken ------------------------------------------------------------------------


def _taken(units: Units, allowed: Baseline) -> Result:
    def check(unit: UnitFacts) -> Observed:
        faults = [f"systemd reports: {line}" for line in unit.complaints]
        for file in unit.files:
            faults += [f"{file.path} could not be read ({file.fault})"] if file.fault else []
            faults += [fault for found in file.directives for fault in hardening.continued(file.path, found)]
        if unit.kind == "service":
            faults += hardening.lost(unit) + hardening.below_minimum(unit)
            faults += hardening.unlimited(unit) if hardening.sees(unit) else []
        return faults, [("systemd-analyze verify", line) for line in unit.complaints] or [
            (
                f"systemctl show {unit.name}",
                f"{len(hardening.wanted(unit))} directives of its file that confine it, all in force",
            )
            if unit.kind == "service" and not faults
            else ("systemd-analyze verify", f"nothing about {unit.name}")
        ]

    return _each(units, allowed, check, "systemd has no complaint about the units, and every directive is in force")


# --- OCH-SYS-05, 06, 07: nothing beside it ------------------------------------------------------------------------


def _no_drop_in(units: Units, allowed: Baseline) -> Result:
    def check(unit: UnitFacts) -> Observed:
        faults = []
        for file in unit.drop_ins:
            keys = list(dict.fromkeys(found.key for found in file.directives))
            # Distributions bring some for all services, about how they are stopped.
            vendor = file.path.startswith(("/usr/lib/", "/lib/")) and f"/{unit.kind}.d/" in file.path
            if not vendor or file.fault or {*keys} & {*SANDBOX, *EXEC, "Environment", "EnvironmentFile"}:
                faults.append(f"{file.path} sets {', '.join(keys) or file.fault or 'nothing'}")
        return faults, [_seen(unit, "DropInPaths")]

    return _each(units, allowed, check, "the units have no drop-ins")


def _files(units: Units, allowed: Baseline) -> Result:
    def check(unit: UnitFacts) -> Observed:
        faults = []
        for file in unit.files:
            faults += [f"{found.path} is a link" for found in file.way if _leads_to(found, file.path)]
            faults += faults_of(file.way)
        program = next((path for name, path, *_rest in unit.commands() if name == "ExecStart"), "")
        for path, way in unit.uses.items():
            faults += [f"{path} is {way[-1].kind}"] if way[-1].there and way[-1].kind != "file" else []
            faults += [f"{path} is missing"] if path == program and not way[-1].there else []
            faults += faults_of(way)
        ways = [*((file.path, file.way) for file in unit.files), *unit.uses.items()]
        return list(dict.fromkeys(faults)), [(f"lstat {path}", _owner(way[-1])) for path, way in ways]

    return _each(units, allowed, check, "unit files, programs and environment files are root's alone")


def _leads_to(found: Entry, path: str) -> bool:
    """Return whether it is the file itself that is a link; distributions have links among the folders (/lib)."""
    return found.kind == "link" and posixpath.basename(found.path) == posixpath.basename(path)


def _owner(found: Entry) -> str:
    return f"{found.kind} {found.uid}:{found.gid} {found.mode:04o}" if found.there else found.kind


def _running(units: Units, allowed: Baseline) -> Result:
    unread: list[str] = []

    def check(unit: UnitFacts) -> Observed:
        observed = [_seen(unit, "NeedDaemonReload", "MainPID")]
        faults = []
        if unit.get("NeedDaemonReload") != "no":
            faults.append("its files were changed since systemd read them (systemctl daemon-reload)")
        process = unit.process
        if process:
            text = f"Uid: {process.uids[0]}, NoNewPrivs: {int(process.no_new_privileges)}, "
            text += f"CapBnd: {process.bounding:016x}, Seccomp: {process.seccomp}"
            observed.append((f"/proc/{process.pid}/status", text))
            faults += [f"process {process.pid} {fault}" for fault in hardening.differences(unit, process)]
        if unit.unread:
            unread.append(f"{unit.name}: process {unit.get('MainPID')} could not be read")
        return faults, observed

    good = "systemd has read what is on the disk, and what runs is confined accordingly"
    found = _each(units, allowed, check, good)
    return inconclusive("; ".join(unread), *found.evidence) if unread and found.status == "pass" else found


def _separated(units: Units, allowed: Baseline) -> Result:
    def check(unit: UnitFacts) -> Observed:
        sees = hardening.sees(unit)
        if not sees:
            return [], []
        offline = unit.get("PrivateNetwork") == "yes"
        observed = [_seen(unit, "PrivateNetwork"), (f"systemctl show {unit.name}", f"sees {', '.join(sees)}")]
        return ([] if offline else [f"sees {', '.join(sees)} and has the network"]), observed

    return _each(units, allowed, check, "no unit has both OpenClaw's credentials and the network", ("service",))


RULES: tuple[Rule, ...] = (
    Rule(
        id="OCH-SYS-01",
        title="Every unit is loaded, pulled in at boot and active",
        area="systemd",
        severity="high",
        expected="each unit exists, is enabled or wanted, and runs; timers wait",
        remediation="run `systemctl enable --now UNIT`",
        refs=(*guide("Using Hardened Systemd Service", "Security Checklist, item 8"), "systemctl(1)"),
        needs=("units",),
        effective=_active,
    ),
    Rule(
        id="OCH-SYS-02",
        title="The last run of every service succeeded, and none is overdue",
        area="systemd",
        severity="high",
        expected="Result=success, and a run after each time that its timer fired",
        remediation="run `journalctl --unit UNIT` for the reason; run `systemctl reset-failed UNIT`, "
        "`systemctl start UNIT` when it is fixed",
        refs=(*guide("Step 2: Verify Functionality"), "systemd.service(5), systemd.timer(5)"),
        needs=("units",),
        effective=_last_run,
    ),
    Rule(
        id="OCH-SYS-03",
        title="Every service is as little exposed as it was made",
        area="systemd",
        severity="high",
        expected="exposure by systemd-analyze security, drop-ins included, within the limit of the unit",
        remediation="",
        refs=(*guide("Systemd Security Hardening"), "systemd-analyze(1), security"),
        needs=("units",),
        effective=_exposure,
    ),
    Rule(
        id="OCH-SYS-04",
        title="systemd took every directive of the units, and the least hardening is there",
        area="systemd",
        severity="high",
        expected="no word by systemd-analyze verify, no directive lost, none of the guide's missing",
        remediation=(""),
        refs=(*guide("openclaw-auth-monitor.service.hardened"), "systemd.syntax(7), systemd.exec(5)"),
        needs=("units",),
        effective=_taken,
    ),
    Rule(
        id="OCH-SYS-05",
        title="No drop-in changes a unit",
        area="systemd",
        severity="high",
        expected="no files in UNIT.d",
        remediation="run `rm PATH` for each drop-in that is named; run `systemctl daemon-reload`",
        refs=(*guide("Security Checklist, item 8"), "systemd.unit(5)"),
        needs=("units",),
        effective=_no_drop_in,
    ),
    Rule(
        id="OCH-SYS-06",
        title="Only root can change the units and what they start",
        area="systemd",
        severity="high",
        expected="unit files, programs and environment files are regular and root's, and so are the folders on the way",
        remediation="run `chown root:root PATH`, `chmod go-w PATH` for each file and directory that is named",
        refs=(*guide("Security Checklist, item 8"), "systemd.unit(5)"),
        needs=("units",),
        effective=_files,
    ),
    Rule(
        id="OCH-SYS-07",
        title="What runs is what is on the disk",
        area="systemd",
        severity="high",
        expected="no reload is due, and the running main process has what its unit asks for",
        remediation="run `systemctl daemon-reload`, `systemctl restart UNIT`",
        refs=("systemd.exec(5)", "proc_pid_status(5)"),
        needs=("units",),
        effective=_running,
    ),
    Rule(
        id="OCH-SYS-08",
        title="What sees OpenClaw's credentials has no network",
        area="systemd",
        severity="high",
        expected="PrivateNetwork=yes for each unit that is shown OpenClaw's state",
        remediation="",
        refs=(*guide("Systemd Security Hardening"), "systemd.exec(5)"),
        needs=("units",),
        effective=_separated,
    ),
)
