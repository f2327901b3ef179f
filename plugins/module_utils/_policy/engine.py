# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one table of rules, and how it is applied: the gate before a deployment, the audit after it.

The rows stand in one file for each subject (``rules/*.py``). Everything here is pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import printable, shown
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    STATUSES,
    Result,
    Rule,
    inconclusive,
    skipped,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import (
    account,
    definition,
    filesystem,
    host,
    image,
    isolation,
    network,
    resources,
    systemd,
    upkeep,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import secrets as secrets_rules

RULES: tuple[Rule, ...] = (
    *account.RULES,
    *image.RULES,
    *isolation.RULES,
    *filesystem.RULES,
    *resources.RULES,
    *definition.RULES,
    *network.RULES,
    *secrets_rules.RULES,
    *systemd.RULES,
    *host.RULES,
    *upkeep.RULES,
)
BY_ID = {rule.id: rule for rule in RULES}
# What a run of site.yml puts right, where this collection deployed the gateway (tests/seeded_faults).
BY_SITE = frozenset({"OCH-NET-15", "OCH-SYS-01", "OCH-SYS-03", "OCH-SYS-04", "OCH-SYS-08"})
# The argument spec of the doc fragment openclaw.hardening.waivers.
WAIVER_ARGUMENTS: dict[str, Any] = {
    "waivers": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "id": {"type": "str", "required": True},
            "reason": {"type": "str", "required": True},
            "expires": {"type": "str", "default": ""},
            "target": {"type": "str", "default": ""},
            "value": {"type": "str", "default": ""},
        },
    },
}


@dataclass(frozen=True)
class Waiver:
    """The operator's word that a rule need not hold.

    Without ``expires`` for good, without ``target`` everywhere, without ``value`` for whatever is found.
    """

    id: str
    reason: str
    expires: date | None = None
    target: str = ""
    value: str = ""

    def covers(self, rule: Rule, target: str) -> bool:
        """Return whether it is about this rule at this place."""
        return self.id == rule.id and self.target in ("", target)

    def about(self, fault: str) -> bool:
        """Return whether it is about this fault: its value is there as a whole, ``/srv`` is not in ``/srv/data``."""
        return not self.value or bool(re.search(rf"(?<![\w./-]){re.escape(self.value)}(?![\w/-]|\.\w)", fault))

    def expired(self, today: date) -> bool:
        """Return whether its last day is over."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True)
class Finding:
    """What one rule reports about one target."""

    rule: Rule
    target: str
    status: str
    actual: str
    evidence: tuple[tuple[str, str], ...]
    waiver: Waiver | None = None
    expired: bool = False
    # Every waiver that has a part in it: each may be about another value.
    waivers: tuple[Waiver, ...] = ()

    @property
    def bad(self) -> bool:
        """Return whether it is wrong, or is inconclusive right, and is not waived."""
        return self.status in ("fail", "error")


def waivers_from(option: str, items: Iterable[Mapping[str, str]]) -> tuple[Waiver, ...]:
    """Return the waivers of an option, or refuse them: a reason is demanded, and a rule of that id."""
    found = []
    for number, item in enumerate(items):
        place = f"{option}[{number}]"
        if item["id"] not in BY_ID:
            raise HardeningError(f"{place}.id", shown(item["id"]), "the id of a rule, such as OCH-CTR-06", option)
        reason = printable(f"{place}.reason", item["reason"].strip(), max_length=500)
        if len(reason) < 4:
            raise HardeningError(f"{place}.reason", shown(reason), "why this rule need not hold here", option)
        expires = _day(place, option, item.get("expires") or "")
        if expires is None and BY_ID[item["id"]].severity == "critical":
            raise HardeningError(
                f"{place}.expires",
                "nothing for a critical rule",
                "the last day of the waiver, such as 2027-01-31",
                option,
            )
        value = printable(f"{place}.value", item.get("value") or "", max_length=500)
        found.append(Waiver(item["id"], reason, expires, item.get("target") or "", value))
    return tuple(found)


def _day(place: str, option: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise HardeningError(f"{place}.expires", shown(text), "a day such as 2027-01-31, or nothing", option) from None


def check_definition(
    settings: Iterable[Settings], allowed: Baseline, waivers: tuple[Waiver, ...], today: date
) -> list[Finding]:
    """Gate: check what a definition asks for. A rule that only the running container can prove is not asked."""
    return [
        _waived(rule, wanted.name, _called(rule.declared, ("settings",), {"settings": wanted}, allowed), waivers, today)
        for wanted in settings
        for rule in RULES
        if rule.declared is not None
    ]


def check_evidence(
    rules: Iterable[Rule],
    target: str,
    evidence: Mapping[str, object],
    allowed: Baseline,
    waivers: tuple[Waiver, ...],
    today: date,
) -> list[Finding]:
    """Audit: check what is asked for and what is in force; the worse of both counts."""
    return [_waived(rule, target, _result(rule, evidence, allowed), waivers, today) for rule in rules]


def _result(rule: Rule, evidence: Mapping[str, object], allowed: Baseline) -> Result:
    if rule.manual:
        return skipped("for a person to check")
    checks: list[tuple[Callable[..., Result] | None, tuple[str, ...]]] = [
        (rule.declared, ("settings",)),
        (rule.effective, rule.needs),
    ]
    return _worst([_called(check, needs, evidence, allowed) for check, needs in checks if check is not None])


def _called(
    check: Callable[..., Result], needs: tuple[str, ...], evidence: Mapping[str, object], allowed: Baseline
) -> Result:
    parts = [evidence.get(name, Unavailable(f"{name}: nobody looked")) for name in needs]
    missing = [part.why for part in parts if isinstance(part, Unavailable)]
    if missing:
        return inconclusive("; ".join(dict.fromkeys(missing)))
    try:
        return check(*parts, allowed)
    except Exception as error:  # what a hostile container makes of a check is not a pass
        return inconclusive(f"the check failed: {type(error).__name__}: {error}")


def _worst(results: list[Result]) -> Result:
    """Join the results of one rule. A part that does not apply never hides one that was proven."""
    decisive = [found for found in results if found.status != "skip"] or results
    status = min((found.status for found in decisive), key=STATUSES.index)
    actual = "; ".join(dict.fromkeys(found.actual for found in decisive if found.status == status))
    faults = tuple(dict.fromkeys(fault for found in decisive if found.status == status for fault in found.faults))
    return Result(status, actual, tuple(text for found in results for text in found.evidence), faults)


def _waived(rule: Rule, target: str, found: Result, waivers: tuple[Waiver, ...], today: date) -> Finding:
    """Set a finding aside when each of its faults has a waiver that has not ended; else the finding stays."""
    if found.status not in ("fail", "error"):
        return Finding(rule, target, found.status, found.actual, found.evidence)
    about = [waiver for waiver in waivers if waiver.covers(rule, target)]
    faults = found.faults or (found.actual,)
    valid = [waiver for waiver in about if not waiver.expired(today)]
    chosen = [next((waiver for waiver in valid if waiver.about(fault)), None) for fault in faults]
    used = tuple(dict.fromkeys(waiver for waiver in chosen if waiver))
    if None not in chosen:
        return Finding(rule, target, "waived", found.actual, found.evidence, used[0], False, used)
    ended = next((waiver for waiver in about if waiver not in valid and any(map(waiver.about, faults))), None)
    parts = (*used, *([ended] if ended else ()))
    return Finding(rule, target, found.status, found.actual, found.evidence, ended, bool(ended), parts)
