# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fleet that every report is made from: typed, cleaned, sorted; made from what came back from the hosts.

What came back is not trusted. Every string is made harmless here once; what has another shape than the module
hardening_info returns makes its host one that could not be checked, never one that passed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import AREAS, SEVERITIES, STATUSES

FINDINGS = ("fail", "error")
UNCHECKED = "OCH-RUN-01"
LINE_LIMIT = 2_000
TEXT_LIMIT = 16_000
# Control, format (invisible, bidirectional), private, lone surrogate, unassigned, line and paragraph separator.
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
_PLAIN = re.compile(r"[\n -~]*")


@dataclass(frozen=True)
class Waiver:
    """Why a failing check need not pass, until when (empty: no end), and for what alone (empty: all that is found)."""

    reason: str
    expires: str
    expired: bool
    value: str = ""

    @property
    def text(self) -> str:
        """The reason, and what it is for."""
        return f"{self.reason} (only for {self.value})" if self.value else self.reason


@dataclass(frozen=True)
class Check:
    """What one rule reported of one target on one host; only a person can check a ``manual`` one."""

    host: str
    id: str
    title: str
    area: str
    severity: str
    target: str
    status: str
    expected: str
    actual: str
    evidence: tuple[tuple[str, str], ...]
    remediation: str
    refs: tuple[str, ...]
    waiver: Waiver | None = None
    manual: bool = False

    @property
    def rule(self) -> tuple[str, str, str, str, str, str, tuple[str, ...]]:
        """What the rule reports by itself. A host that reports it otherwise does not speak for the others."""
        return self.id, self.title, self.area, self.severity, self.expected, self.remediation, self.refs

    @property
    def order(self) -> tuple[int, int, int, str, str, str]:
        """Sorts findings first, the most severe of them first, then what is waived, skipped and passed."""
        status = STATUSES.index(self.status)
        group = 0 if self.status in FINDINGS else status
        return group, SEVERITIES.index(self.severity), status, self.id, self.host, self.target


@dataclass(frozen=True)
class Counts:
    """How many checks there are of each status, and how many findings of each severity."""

    statuses: dict[str, int]
    severities: dict[str, int]

    @property
    def findings(self) -> int:
        """How many failed or is inconclusive."""
        return sum(self.statuses[status] for status in FINDINGS)

    @property
    def worst(self) -> str:
        """The worst status that there is; ``skip`` only where nothing was checked at all."""
        order = ("fail", "error", "waived", "pass", "skip")
        return next((status for status in order if self.statuses[status]), "error")

    @property
    def severity(self) -> str:
        """The highest severity among the findings; empty without findings."""
        return next((severity for severity in SEVERITIES if self.severities[severity]), "")

    def as_dict(self) -> dict[str, Any]:
        """For a return value or a document."""
        return {**self.statuses, "findings": dict(self.severities), "worst": self.worst}


def count(checks: Iterable[Check]) -> Counts:
    """Count checks by status, and findings by severity."""
    statuses, severities = dict.fromkeys(STATUSES, 0), dict.fromkeys(SEVERITIES, 0)
    for check in checks:
        statuses[check.status] += 1
        if check.status in FINDINGS:
            severities[check.severity] += 1
    return Counts(statuses, severities)


@dataclass(frozen=True)
class Host:
    """One host with its checks, worst first; ``error`` reports why it could not be checked, or not wholly."""

    name: str
    checks: tuple[Check, ...]
    error: str = ""
    version: str = ""
    seconds: float = 0.0
    counts: Counts = field(init=False)

    def __post_init__(self) -> None:
        """Count once; a frozen dataclass takes it this way only."""
        object.__setattr__(self, "counts", count(self.checks))


@dataclass(frozen=True)
class Fleet:
    """All hosts by name, and when the report was made (UTC, ISO 8601)."""

    title: str
    generated: str
    hosts: tuple[Host, ...]
    counts: Counts = field(init=False)

    def __post_init__(self) -> None:
        """Count once."""
        object.__setattr__(self, "counts", count(self.checks))

    @property
    def checks(self) -> list[Check]:
        """Every check of every host, worst first."""
        return sorted((check for host in self.hosts for check in host.checks), key=lambda check: check.order)

    def summary(self) -> dict[str, Any]:
        """Counts of the fleet and of each host."""
        return {**self.counts.as_dict(), "hosts": {host.name: host.counts.as_dict() for host in self.hosts}}


def clean(text: str, limit: int = TEXT_LIMIT, lines: bool = True) -> str:
    """Text whose every character is visible: others are written as ``\\x1b`` or ``\\u202e``. Cut to ``limit``."""
    total = len(text)
    text = str(text[:limit]).replace("\r\n", "\n").replace("\t", "    ")
    if not lines:
        text = text.replace("\n", " ")
    if not _PLAIN.fullmatch(text):
        text = "".join(map(_visible, text))
    return text if total <= limit else f"{text}… ({total} characters)"


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def fleet(title: str, hosts: Sequence[Mapping[str, Any]], generated: str) -> Fleet:
    """Make the fleet from names and registered results, whatever those are."""
    if not hosts:
        raise HardeningError("hosts", "none", "at least one host with its result", "hosts")
    named: dict[str, Host] = {}
    for entry in hosts:
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            raise HardeningError("hosts", f"a host named {shown(name)}", "a name for every host", "hosts")
        name = clean(name, 255, lines=False)
        if name in named:
            raise HardeningError("hosts", f"{shown(name)} more than once", "every host once", "hosts")
        named[name] = _host(name, entry.get("result"))
    return Fleet(clean(title, 200, lines=False), generated, tuple(named[name] for name in sorted(named)))


class _MalformedError(Exception):
    """A part of a result has another shape than it should have."""


def _host(name: str, result: Any) -> Host:
    if not isinstance(result, Mapping):
        result = {"failed": True, "msg": f"found {_kind(result)} instead of the result of hardening_info"}
    problem = _failure(result)
    listed = result.get("checks", [] if problem else None)
    if not isinstance(listed, (list, tuple)):
        problem = problem or f"malformed result: checks: found {_kind(listed)}, needed a list"
        listed = []
    read = [_read(name, raw, f"checks[{number}]") for number, raw in enumerate(listed)]
    checks = [check for check in read if isinstance(check, Check)]
    problem = problem or next((check for check in read if isinstance(check, str)), "")
    if not checks:
        problem = problem or "the result has no checks"
    version = result.get("version")
    version = clean(version, 40, lines=False) if isinstance(version, str) else ""
    error = ""
    if problem:
        error = "could not be checked: " + clean(problem, LINE_LIMIT, lines=False)
        checks.append(_unjudged(name, error))
    return Host(name, tuple(sorted(checks, key=lambda check: check.order)), error, version, _seconds(result))


def _failure(result: Mapping[str, Any]) -> str:
    """Return why there is no result although there is a result; empty when there is one."""
    message = result.get("msg")
    why = f": {message}" if isinstance(message, str) and message.strip() else ""
    for key, word in (("unreachable", "unreachable"), ("failed", "the module failed"), ("skipped", "not run")):
        if result.get(key):
            return f"{word}{why}"
    return ""


def _unjudged(host: str, error: str) -> Check:
    return Check(
        host=host,
        id=UNCHECKED,
        title="The host can be checked",
        area="host",
        severity="critical",
        target="host",
        status="error",
        expected="the host is reachable and hardening_info returns its checks",
        actual=error,
        evidence=(("result of hardening_info", error),),
        remediation="Repair what the message names (connection, privileges, Python, Docker) and run the audit again.",
        refs=(),
    )


def _read(host: str, raw: Any, where: str) -> Check | str:
    """Make a check of what should be one, or say what is wrong with it."""
    try:
        return _check(host, raw, where)
    except _MalformedError as error:
        return f"malformed result: {error}"


def _check(host: str, raw: Any, where: str) -> Check:
    if not isinstance(raw, Mapping):
        raise _MalformedError(f"{where}: found {_kind(raw)}, needed a dictionary")
    status, waiver = _one_of(raw, "status", STATUSES, where), _waiver(raw.get("waiver"), f"{where}.waiver")
    if status == "waived" and (waiver is None or waiver.expired):
        raise _MalformedError(f"{where}.status: found waived, needed a waiver that is not expired beside it")
    return Check(
        host=host,
        id=_required(raw, "id", where),
        title=_required(raw, "title", where),
        area=_one_of(raw, "area", AREAS, where),
        severity=_one_of(raw, "severity", SEVERITIES, where),
        target=_required(raw, "target", where),
        status=status,
        expected=_text(raw, "expected", where, LINE_LIMIT),
        actual=_text(raw, "actual", where, LINE_LIMIT),
        evidence=tuple(
            (_line(piece, "source", f"{where}.evidence"), _text(piece, "text", f"{where}.evidence"))
            for piece in _listed(raw, "evidence", where)
        ),
        remediation=_text(raw, "remediation", where),
        refs=tuple(_line({"ref": ref}, "ref", f"{where}.refs") for ref in _listed(raw, "refs", where)),
        waiver=waiver,
        manual=_flag(raw, "manual", where),
    )


def _waiver(raw: Any, where: str) -> Waiver | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or not isinstance(raw.get("expired"), bool):
        raise _MalformedError(f"{where}: found {_kind(raw)}, needed reason, expires and expired")
    reason, expires = _line(raw, "reason", where), _line(raw, "expires", where)
    return Waiver(reason, expires, bool(raw["expired"]), _line({"value": "", **raw}, "value", where))


def _listed(raw: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    value = raw.get(key)
    if not isinstance(value, (list, tuple)):
        raise _MalformedError(f"{where}.{key}: found {_kind(value)}, needed a list")
    return value


def _text(raw: Any, key: str, where: str, limit: int = TEXT_LIMIT, lines: bool = True) -> str:
    value = raw.get(key) if isinstance(raw, Mapping) else raw
    if not isinstance(value, str):
        raise _MalformedError(f"{where}.{key}: found {_kind(value)}, needed text")
    return clean(value, limit, lines)


def _line(raw: Any, key: str, where: str) -> str:
    return _text(raw, key, where, LINE_LIMIT, lines=False)


def _required(raw: Mapping[str, Any], key: str, where: str) -> str:
    value = _line(raw, key, where)
    if not value.strip():
        raise _MalformedError(f"{where}.{key}: found nothing, needed text")
    return value


def _one_of(raw: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or value not in known:
        raise _MalformedError(f"{where}.{key}: found {shown(value)}, needed one of {', '.join(known)}")
    return str(value)


def _flag(raw: Mapping[str, Any], key: str, where: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        raise _MalformedError(f"{where}.{key}: found {_kind(value)}, needed true or false")
    return value


def _seconds(raw: Mapping[str, Any]) -> float:
    value = raw.get("seconds")
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1e9:
        return 0.0
    return round(float(value), 3)


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "a dictionary"
    return "a list" if isinstance(value, (list, tuple)) else f"a value of type {type(value).__name__}"
