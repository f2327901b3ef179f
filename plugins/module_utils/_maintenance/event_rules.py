# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of the log watcher: which security events are alerts, from how many on, and how often. Pure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.alerts import Alert

# Seconds in which the threshold of a rule has to be reached, and for which it is quiet after an alert: what happens
# meanwhile is counted, and reported afterwards.
WINDOW = 600
QUIET = 3600
_SHOWN = 5
# A flood of different details must not fill the record.
_MOST_DETAILS = 50


@dataclass(frozen=True)
class Rule:
    """When events of one kind are an alert.

    :param title: what happened, for the alert.
    :param do: what an operator looks at.
    :param threshold: how many events within WINDOW seconds are an alert.
    :param urgent: whether it cannot wait.
    """

    title: str
    do: str
    threshold: int = 1
    urgent: bool = True


# Guide section "Security Checklist": container logs monitored for security events. The first six are the kinds of
# _evidence/log.py, which the audit counts, too (OCH-UPK-03).
RULES: Mapping[str, Rule] = {
    "refused login": Rule("logins are refused", "a client with an old token, or a guess: see the gateway's log", 5),
    "lockout": Rule("a client is locked out after refused logins", "see the gateway's log for its address"),
    "foreign web page": Rule("a foreign web page asks for the gateway", "see the gateway's log for its origin", 3),
    "pairing request": Rule("a device asks for access", "openclaw devices list", 1, False),
    "configuration tampered with": Rule("the configuration was tampered with", "playbooks/verify.yml"),
    "security warning": Rule("OpenClaw warns of its own configuration", "see the gateway's log", 1, False),
    "configuration change": Rule("the configuration was changed while the gateway runs", "playbooks/verify.yml"),
    "denied write": Rule("a write was denied", "playbooks/diagnose.yml, if it was not an attack", 1, False),
    "paired device": Rule("a device was paired", "openclaw devices list"),
    "approval": Rule("commands of the agent were approved or refused", "openclaw audit", 1, False),
    "approval rules": Rule("the rules for approving commands were changed", "openclaw approvals get"),
    "blocked tool": Rule("tools of the agent were blocked", "openclaw audit --status blocked", 3, False),
    "refused connection": Rule(
        "the gateway or its agent tries to reach this host or a private network", "docs/network-policy.md", 5
    ),
    "crash": Rule("the gateway ended with an error", "playbooks/diagnose.yml"),
    "out of memory": Rule("the gateway ran out of memory", "playbooks/diagnose.yml, which names the option"),
    "restart": Rule("the gateway is restarted again and again", "playbooks/diagnose.yml", 3),
    "flood": Rule("the log grows faster than it is kept", "see the gateway's log: events may be missing"),
}


@dataclass(frozen=True)
class Happened:
    """Events of one kind.

    :param kind: one of RULES.
    :param detail: what may be shown of them, a word or two that nobody else wrote.
    """

    kind: str
    detail: str = ""
    count: int = 1


def decide(
    counted: Mapping[str, Mapping[str, Any]], happened: Iterable[Happened], now: float
) -> tuple[dict[str, dict[str, Any]], list[Alert]]:
    """Return what is counted from now on, and the alerts that are due.

    :param counted: what was counted before, by rule: ``since``, ``count``, ``quiet_until``, ``details``.
    """
    kept: dict[str, dict[str, Any]] = {}
    alerts = []
    new: dict[str, list[Happened]] = {}
    for one in happened:
        new.setdefault(one.kind, []).append(one)
    for kind, rule in RULES.items():
        entry = dict(counted.get(kind, {}))
        quiet = now < entry.get("quiet_until", 0) <= now + QUIET  # a clock that was set back ends it
        if not quiet and now - entry.get("since", now) > WINDOW and entry.get("count", 0) < rule.threshold:
            entry = {}
        for one in new.get(kind, []):
            entry = _added(entry, one, now)
        if not quiet and entry.get("count", 0) >= rule.threshold:
            alerts.append(Alert("events", rule.title, _body(entry, rule), rule.urgent))
            entry = {"quiet_until": now + QUIET}
        if entry.get("count") or entry.get("quiet_until", 0) > now:
            kept[kind] = entry
    return kept, alerts


def _added(entry: Mapping[str, Any], one: Happened, now: float) -> dict[str, Any]:
    details = Counter(entry.get("details", {}))
    if one.detail and (one.detail in details or len(details) < _MOST_DETAILS):
        details[one.detail] += one.count
    count = entry.get("count", 0) + one.count
    return {**entry, "since": entry.get("since", now), "count": count, "details": dict(details)}


def _body(entry: Mapping[str, Any], rule: Rule) -> str:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry["since"]))
    shown = [f"{detail} ({count})" for detail, count in Counter(entry["details"]).most_common(_SHOWN)]
    more = len(entry["details"]) - len(shown)
    what = ", ".join([*shown, *([f"and {more} more"] if more > 0 else [])])
    return f"{entry['count']} since {since}{f': {what}' if what else ''}. To look at: {rule.do}"
