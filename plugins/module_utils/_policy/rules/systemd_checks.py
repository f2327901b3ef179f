# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a unit file asks for and what systemd made of it: lost directives, and the least that a service must give up.

Everything here is pure.
"""

from __future__ import annotations

import re

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.units import (
    LIMITS,
    SANDBOX,
    MainProcess,
    UnitFacts,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.capabilities import SYSTEMD_NAMES
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import Directive

# What root may keep and still be no more than an ordinary account to the files of others.
HARMLESS_CAPABILITIES = frozenset({"cap_net_admin", "cap_net_bind_service", "cap_net_raw"})
_TRUE = ("1", "yes", "y", "true", "t", "on")
_FALSE = ("0", "no", "n", "false", "f", "off", "")
_LISTS = (
    *("BindPaths", "BindReadOnlyPaths", "IPAddressDeny", "InaccessiblePaths", "ReadOnlyPaths", "ReadWritePaths"),
    *("RestrictAddressFamilies", "SystemCallArchitectures", "SystemCallFilter", "TemporaryFileSystem"),
)
# The jobs of the role openclaw_maintenance: they have to see every process and to read files of every owner.
_ROOT_JOBS = re.compile(r"openclaw(?:-[a-z0-9-]+)?-(?:audit|backup|update|events)\.service")
_STATE_PATH = re.compile(r"(?:^|/)(?:\.openclaw|\.claude|\.credentials\.json|auth-profiles\.json)(?:[/:]|$)")
_CAPABILITY_SETS = ("AmbientCapabilities", "CapabilityBoundingSet")
_SPAN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)")
_SPANS = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
    **{"us": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3},
}
# How a directive or a section begins.
_DIRECTIVE = re.compile(r"\[|[A-Z][A-Za-z]*[a-z][A-Za-z]*\s*=")


def continued(path: str, found: Directive) -> list[str]:
    """Return what a backslash took away; a long command on several lines is none of that."""
    lost = [line for line in found.continued if not line or _DIRECTIVE.match(line)]
    return [
        f"the value of {found.key}= in {path} line {found.line} ends in a backslash and swallows "
        f"{line.partition('=')[0].strip() or 'the end of the section'}"
        for line in lost
    ]


def wanted(unit: UnitFacts) -> dict[str, list[str]]:
    """The values that the fragment gives to each sandboxing directive; an empty one starts a list again."""
    found: dict[str, list[str]] = {}
    for directive in unit.fragment.directives if unit.fragment else ():
        if directive.section == "Service" and directive.key in (*SANDBOX, "TimeoutStartSec"):
            before = found.get(directive.key, []) if directive.value else []
            found[directive.key] = [*before, directive.value] if directive.value else [""]
    return {key: [value for value in values if value] or [""] for key, values in found.items()}


def lost(unit: UnitFacts) -> list[str]:
    """Name each directive of the fragment whose value is not in force."""
    faults = []
    for key, values in wanted(unit).items():
        name = "TimeoutStartUSec" if key == "TimeoutStartSec" else key
        if name not in unit.properties:
            faults.append(f"{key}= is not known to this systemd")
        elif not _effective(key, values, unit.get(name)):
            faults.append(f"{key}={' '.join(values)} is not in force (in force: {unit.get(name)[:80] or 'nothing'})")
    return faults


def _effective(key: str, values: list[str], effective: str) -> bool:
    last = values[-1]
    words = [word for value in values for word in value.split()]
    if key in _CAPABILITY_SETS:
        return _capabilities_effective(values, effective)
    if key in _LISTS:
        return _list_effective(key, words, effective)
    if "%" in last:
        return bool(effective)
    if key == "TimeoutStartSec":
        # Zero is systemd's other word for "never".
        span = seconds(last) or float("inf")
        return seconds(last) is None or span == seconds(effective)
    if key in LIMITS:
        most, got = _amount(last), _amount(effective)
        return most is None or (got is not None and got <= most)
    if key == "UMask":
        return last.isdigit() and effective.isdigit() and int(last, 8) == int(effective, 8)
    if last.lower() in _FALSE:
        return True
    if last.lower() in _TRUE:
        return effective not in ("no", "")
    # Several values became more than yes and no in newer versions, whose old property then reports yes.
    return (
        effective in (last, "yes")
        if key.startswith(("Private", "ProtectC", "ProtectHostn"))
        else _same(last, effective)
    )


def seconds(text: str) -> float | None:
    """Read a time span such as ``1min 30s`` or ``infinity`` (systemd.time(7)); None: not understood."""
    if text.strip() == "infinity":
        return float("inf")
    total, position = 0.0, 0
    while match := _SPAN.match(text, position):
        if match[2] not in _SPANS:
            return None
        total, position = total + float(match[1]) * _SPANS[match[2]], match.end()
    return total if position and not text[position:].strip() else None


def _amount(text: str) -> float | None:
    """Read a size, a number or ``infinity``, of ``soft:hard`` the latter; None: a share of something."""
    match = re.fullmatch(r"([0-9]+)([KMGTPE]?)", text.rpartition(":")[2])
    if match:
        return float(int(match[1]) << 10 * " KMGTPE".index(match[2] or " "))
    return float("inf") if text.rpartition(":")[2] in ("infinity", "") else None


def sees(unit: UnitFacts) -> list[str]:
    """Return the paths of OpenClaw's state that a unit is shown."""
    keys = ("BindPaths", "BindReadOnlyPaths", "ReadWritePaths", "ReadOnlyPaths")
    return [word.split(":")[0].lstrip("-+") for key in keys for word in unit.words(key) if _STATE_PATH.search(word)]


def unlimited(unit: UnitFacts) -> list[str]:
    """Name the limits that are missing: what reads files of the gateway can be made to use up the host by them."""
    return [f"{key}= is missing" for key in ("MemoryMax", "LimitFSIZE") if _amount(unit.get(key)) == float("inf")]


def _same(wanted: str, effective: str) -> bool:
    """Compare words in any order (``RestrictNamespaces=net user``)."""
    if wanted.startswith("~"):
        return effective not in ("no", "")
    return sorted(wanted.split()) == sorted(effective.split())


def _capabilities_effective(values: list[str], effective: str) -> bool:
    wanted: set[str] = set()
    for value in values:
        names = set(value.lower().lstrip("~").split())
        if value.startswith("~"):
            wanted = (wanted or set(SYSTEMD_NAMES)) - names
        else:
            wanted |= names
    return set(effective.split()) == wanted


def _list_effective(key: str, words: list[str], effective: str) -> bool:
    got = effective.split()
    if not words:
        return True
    if key == "SystemCallFilter":
        return bool(got) and got != ["~"]
    if key == "IPAddressDeny":
        return bool(got)
    if key == "RestrictAddressFamilies":
        if words == ["none"]:
            return "~" not in effective
        return effective.startswith("~") == words[0].startswith("~") and set(got) >= {
            word for word in words if not word.startswith("~")
        }
    if key == "SystemCallArchitectures":
        return set(words) <= set(got)
    bare = {word.split(":")[0].lstrip("-+") for word in got}
    return all("%" in word or word.split(":")[0].strip("\"'").lstrip("-+") in bare for word in words)


def below_minimum(unit: UnitFacts) -> list[str]:
    """Name what of the guide's unit is missing; where it fits less, what does the same is taken for it."""
    bounding = set(unit.words("CapabilityBoundingSet"))
    confined = {
        "NoNewPrivileges=yes": unit.get("NoNewPrivileges") == "yes",
        "ProtectSystem=strict": unit.get("ProtectSystem") == "strict",
        "ProtectHome=": unit.get("ProtectHome") not in ("no", ""),
        "PrivateTmp=yes": unit.get("PrivateTmp") not in ("no", ""),
        "User= other than root, DynamicUser=yes or CapabilityBoundingSet= (empty)": unit.get("DynamicUser") == "yes"
        or unit.get("User") not in ("", "root", "0")
        or bounding <= HARMLESS_CAPABILITIES
        or _ROOT_JOBS.fullmatch(unit.name) is not None,
        "RestrictAddressFamilies=": not unit.get("RestrictAddressFamilies").startswith("~"),
        "RestrictNamespaces=yes": unit.get("RestrictNamespaces") not in ("no", ""),
        "SystemCallFilter=": unit.get("SystemCallFilter") not in ("", "~"),
        "ProtectKernelTunables=yes": unit.get("ProtectKernelTunables") == "yes",
        "ProtectKernelModules=yes": unit.get("ProtectKernelModules") == "yes" or "cap_sys_module" not in bounding,
        "ProtectKernelLogs=yes": unit.get("ProtectKernelLogs") == "yes" or "cap_syslog" not in bounding,
        "ProtectControlGroups=yes": unit.get("ProtectControlGroups") not in ("no", ""),
    }
    faults = [f"lacks {directive}" for directive, there in confined.items() if not there]
    outside = [name for name, _path, _arguments, flags in unit.commands() if {"privileged", "no-setuid"} & set(flags)]
    return faults + [f"{name}=+ runs outside its confinement" for name in outside]


def differences(unit: UnitFacts, process: MainProcess) -> list[str]:
    """Name what the running main process has that its unit does not give it."""
    faults = []
    if unit.get("NoNewPrivileges") == "yes" and not process.no_new_privileges:
        faults.append("may gain privileges (NoNewPrivs: 0)")
    given = set(unit.words("CapabilityBoundingSet"))
    more = [
        SYSTEMD_NAMES[number] if number < len(SYSTEMD_NAMES) else f"cap_{number}"
        for number in range(64)
        if process.bounding >> number & 1
    ]
    more = [name for name in more if name not in given]
    if more:
        faults.append(f"has more capabilities in its bounding set: {', '.join(more[:5])}{' …' if more[5:] else ''}")
    if unit.get("SystemCallFilter") not in ("", "~") and process.seccomp != 2:
        faults.append(f"has no system call filter (Seccomp: {process.seccomp})")
    if unit.uid is not None and set(process.uids) != {unit.uid}:
        faults.append(f"has uids {', '.join(map(str, sorted(set(process.uids))))} instead of {unit.uid}")
    if unit.uid is None and unit.get("User") and 0 in process.uids:
        faults.append(f"runs as root instead of {unit.get('User')}")
    namespaced = {"net": "PrivateNetwork", "mnt": "PrivateMounts", "ipc": "PrivateIPC", "user": "PrivateUsers"}
    faults += [
        f"shares the host's {kind} namespace ({name}={unit.get(name)})"
        for kind, name in namespaced.items()
        if unit.get(name) not in ("no", "") and kind in (process.shared or ())
    ]
    return faults
