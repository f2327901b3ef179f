# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the service manager, the disk and the kernel say about units: three programs are run, however many units."""

from __future__ import annotations

import calendar
import os
import posixpath
import pwd
import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.path_trace import Entry, entry, trace
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import read_text
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import manager
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import Directive

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

EXEC = ("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost")
# Directives that limit what a service can use up (systemd.exec(5), systemd.resource-control(5)).
LIMITS = (*("LimitAS", "LimitCORE", "LimitCPU", "LimitFSIZE", "LimitNOFILE", "MemoryMax", "MemorySwapMax", "TasksMax"),)
# Directives that confine a service and are properties of the same name (systemd.exec(5), systemd.resource-control(5)).
SANDBOX = (
    "AmbientCapabilities",
    "BindPaths",
    "BindReadOnlyPaths",
    "CapabilityBoundingSet",
    "DevicePolicy",
    "DynamicUser",
    "Group",
    "IPAddressDeny",
    "InaccessiblePaths",
    "KeyringMode",
    *LIMITS,
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "NotifyAccess",
    "PrivateDevices",
    "PrivateIPC",
    "PrivateMounts",
    "PrivateNetwork",
    "PrivateTmp",
    "PrivateUsers",
    "ProcSubset",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RemoveIPC",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SystemCallArchitectures",
    "SystemCallFilter",
    "TemporaryFileSystem",
    "UMask",
    "User",
)
_STATE = (
    *("Id", "LoadState", "LoadError", "ActiveState", "SubState", "UnitFileState", "FragmentPath", "DropInPaths"),
    *("NeedDaemonReload", "Type", "RemainAfterExit", "Result", "MainPID", "UID", "TimeoutStartUSec"),
    *("ExecMainStatus", "ExecMainStartTimestamp", "ExecMainExitTimestamp", "EnvironmentFiles"),
    *("InactiveExitTimestamp", "StateChangeTimestamp"),
    *("TriggeredBy", "WantedBy", "RequiredBy", "Triggers"),
    *("LastTriggerUSec", "LastTriggerUSecMonotonic", "NextElapseUSecRealtime", "NextElapseUSecMonotonic"),
)
_WANTED = (*_STATE, *(f"{name}Ex" for name in EXEC), *SANDBOX)
# A program that runs for a moment only may end while it is looked at.
_LOOKS = 4
_COMMAND = re.compile(r"\{ path=(\S+) ; argv\[\]=(.*?) ; flags=(.*?) ; start_time=")
_INTERPRETER = re.compile(r"(?:python[0-9.]*|perl|ruby|node|nodejs|sh|bash|dash|ksh|zsh|env)")
_TIME = re.compile(r"[A-Z][a-z]{2} ([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}) UTC")


# --- units --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UnitFile:
    """A fragment or drop-in: how it was reached, and its text; ``fault``: why there is no text."""

    path: str
    way: tuple[Entry, ...]
    directives: tuple[Directive, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class MainProcess:
    """The running main process of a service, as the kernel sees it (proc_pid_status(5))."""

    pid: int
    uids: tuple[int, ...]
    no_new_privileges: bool
    bounding: int
    seccomp: int
    # Namespaces (net, mnt, ipc, user) that it shares with the host; None: the kernel does not say.
    shared: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class UnitFacts:
    """Everything about one unit. ``properties`` are in force, drop-ins included; files are as they are on the disk."""

    name: str
    properties: Mapping[str, str] = field(default_factory=dict)
    fragment: UnitFile | None = None
    drop_ins: tuple[UnitFile, ...] = ()
    # What the unit starts or reads (programs, scripts, environment files): path to the way there.
    uses: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    exposure: float | None = None
    # Lines of systemd-analyze verify that name it.
    complaints: tuple[str, ...] = ()
    # Number of the account that User= names; None: no such account, or no User=.
    uid: int | None = None
    process: MainProcess | None = None
    # When root last changed what it is made of, in seconds since 1970: unit files, programs, settings, credentials.
    changed: float = 0.0

    @property
    def began(self) -> float:
        """When its last run began; 0: never. One that failed before its program was started counts, too."""
        if self.get("Result") == "resources":
            return self.time("StateChangeTimestamp")
        return max(self.time("ExecMainStartTimestamp"), self.time("InactiveExitTimestamp"))

    @property
    def outdated(self) -> bool:
        """Whether the last run of a job began before what it is made of was changed; times are of whole seconds."""
        return self.oneshot and 0 < self.began <= self.changed - 1

    @property
    def loaded(self) -> bool:
        """Return whether there is such a unit."""
        return self.get("LoadState") == "loaded"

    @property
    def kind(self) -> str:
        """The type in its name."""
        return self.name.rpartition(".")[2]

    @property
    def oneshot(self) -> bool:
        """Return whether it is a job that ends."""
        return self.kind == "service" and self.get("Type") == "oneshot"

    @property
    def files(self) -> tuple[UnitFile, ...]:
        """The fragment and its drop-ins."""
        return (*((self.fragment,) if self.fragment else ()), *self.drop_ins)

    @property
    def unread(self) -> bool:
        """Whether systemd names a main process of which we could not see how it is confined."""
        return self.get("MainPID") not in ("", "0") and (self.process is None or self.process.shared is None)

    def get(self, name: str) -> str:
        """Return a property; empty when there is none."""
        return self.properties.get(name, "")

    def words(self, name: str) -> list[str]:
        """Return a property that is a list."""
        return self.get(name).split()

    def time(self, name: str) -> float:
        """Return a property that is a point in time; 0: never."""
        match = _TIME.fullmatch(self.get(name))
        return float(calendar.timegm(time.strptime(match[1], "%Y-%m-%d %H:%M:%S"))) if match else 0.0

    def commands(self) -> list[tuple[str, str, list[str], list[str]]]:
        """Return directive, program, arguments and flags of all that it starts."""
        return [
            (name, path, argv.split()[1:], flags.split())
            for name in EXEC
            for path, argv, flags in _COMMAND.findall(self.get(f"{name}Ex"))
        ]


@dataclass(frozen=True)
class Units:
    """The units that were asked for, looked at at ``now``; ``exposure_fault``: why there are no exposures."""

    units: Mapping[str, UnitFacts] = field(default_factory=dict)
    exposure_fault: str = ""
    now: float = 0.0


def look(module: AnsibleModule, names: Collection[str]) -> Units:
    """Read the units and what they start; one that does not exist is a fact.

    :raises HardeningError: a name is none, or systemd does not answer.
    """
    for name in names:
        manager.unit_name("units", name)
    if not names:
        return Units()
    if not os.path.isdir("/run/systemd/system"):
        raise HardeningError("systemd", "another PID 1", "a host that systemd booted")
    shown = manager.properties(module, sorted(set(names)), _WANTED)
    loaded = [name for name, got in shown.items() if got.get("LoadState") == "loaded"]
    exposures, fault = _exposures(module, [name for name in loaded if name.endswith(".service")])
    lines = manager.complaints(module, loaded)
    units: dict[str, UnitFacts] = {}
    passing: list[str] = []
    for attempt in range(_LOOKS):
        if attempt:
            time.sleep(0.1)
            shown = manager.properties(module, passing, _WANTED)
        units |= {name: _facts(name, got, exposures.get(name), lines) for name, got in shown.items()}
        passing = [name for name, unit in units.items() if unit.unread]
        if not passing:
            break
    return Units(units, fault, time.time())


def _exposures(module: AnsibleModule, services: Collection[str]) -> tuple[dict[str, float], str]:
    try:
        return manager.exposures(module, services), ""
    except HardeningError as error:
        return {}, str(error)


def _facts(name: str, got: dict[str, str], exposure: float | None, lines: Iterable[str]) -> UnitFacts:
    bare = UnitFacts(name, got)
    paths = [path for path in (got.get("FragmentPath", ""), *got.get("DropInPaths", "").split()) if path]
    named = re.compile(rf"(?<![\w.@-])(?:{'|'.join(map(re.escape, [name, *paths]))})(?![\w@-]|\.\w)")
    pid = got.get("MainPID", "0")
    fragment = _unit_file(got["FragmentPath"]) if got.get("FragmentPath") else None
    drop_ins = tuple(_unit_file(path) for path in bare.words("DropInPaths"))
    uses = {path: trace(path) for path in _used(bare)}
    return UnitFacts(
        name,
        got,
        fragment=fragment,
        drop_ins=drop_ins,
        uses=uses,
        changed=_changed([*((fragment,) if fragment else ()), *drop_ins], uses),
        exposure=exposure,
        complaints=tuple(line.strip() for line in lines if named.search(line)),
        uid=_uid(bare),
        process=_process(int(pid)) if pid.isdecimal() and pid != "0" else None,
    )


def _unit_file(path: str) -> UnitFile:
    try:
        return UnitFile(path, trace(path), tuple(manager.directives(read_text(path))))
    except OSError as error:
        return UnitFile(path, trace(path), fault=error.strerror or str(error))


def _changed(files: Iterable[UnitFile], uses: Mapping[str, tuple[Entry, ...]]) -> float:
    """Return when the newest file changed; what is not root's could be touched to hide a failure."""
    found = [way[-1] for way in uses.values()]
    for file in files:
        found.append(file.way[-1])
        sources = (each.value.partition(":")[2] for each in file.directives if each.key.startswith("LoadCredential"))
        found += [entry(path) for path in sources if path.startswith("/")]
    return max((each.changed for each in found if each.there and each.uid == 0), default=0.0)


def _used(unit: UnitFacts) -> list[str]:
    """Return the programs, the scripts that they are given to run, and the environment files."""
    found = [word for word in unit.words("EnvironmentFiles") if word.startswith("/")]
    for _directive, path, arguments, _flags in unit.commands():
        found.append(path)
        if _INTERPRETER.fullmatch(posixpath.basename(path)):
            script = next((word for word in arguments if not word.startswith("-")), "")
            found += [script] if script.startswith("/") else []
    return list(dict.fromkeys(found))


def _uid(unit: UnitFacts) -> int | None:
    if unit.get("UID").isdecimal():
        return int(unit.get("UID"))
    user = unit.get("User")
    if user.isdecimal():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid if user else None
    except KeyError:
        return None


def _process(pid: int) -> MainProcess | None:
    """Read one process; None when it has ended meanwhile, or is still systemd's own about to become the service."""
    try:
        if os.path.basename(os.readlink(f"/proc/{pid}/exe")) in ("systemd", "systemd-executor"):
            return None
        lines = read_text(f"/proc/{pid}/status").splitlines()
        status = dict(line.split(":", 1) for line in lines if ":" in line)
        return MainProcess(
            pid,
            tuple(int(number) for number in status["Uid"].split()),
            status["NoNewPrivs"].strip() == "1",
            int(status["CapBnd"], 16),
            int(status["Seccomp"]),
            _shared(pid),
        )
    except (OSError, KeyError, ValueError):
        return None


def _shared(pid: int) -> tuple[str, ...] | None:
    """Compare with the service manager: the audit itself may be a service with a file system view of its own."""
    kinds = ("net", "mnt", "ipc", "user")
    try:
        return tuple(kind for kind in kinds if os.path.samestat(os.stat(f"/proc/{pid}/ns/{kind}"), _of_host(kind)))
    except OSError:
        return None


def _of_host(kind: str) -> os.stat_result:
    """Return the host's namespace; where not even root may see that of the service manager, our own."""
    try:
        return os.stat(f"/proc/1/ns/{kind}")
    except PermissionError:
        return os.stat(f"/proc/self/ns/{kind}")
