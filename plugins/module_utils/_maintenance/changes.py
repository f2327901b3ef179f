# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an audit found that the one before did not. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.alerts import Alert

BAD = ("fail", "error")
_SHOWN = 10
_LONGEST = 300
_SEVERE = ("critical", "high")


def key(check: Mapping[str, Any]) -> str:
    """Return what names a rule on a target."""
    return f"{check['id']} {check['target']}"


def bad(checks: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return what fails, or could not be checked."""
    return {key(check): check for check in checks if check["status"] in BAD}


def confirmed(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]], known: Mapping[str, str]
) -> dict[str, str]:
    """Return which findings count: those known before, and new ones that a second audit has, too.

    A gateway that restarts just then, or a file that is exchanged, fails for a moment.
    """
    now = {name: str(check["status"]) for name, check in bad(second).items()}
    return {name: status for name, status in now.items() if name in known or name in bad(first)}


def alerts(checks: Sequence[Mapping[str, Any]], known: Mapping[str, str], found: Mapping[str, str]) -> list[Alert]:
    """Return at most two alerts: what begins to fail (or to be unknown), and what passes again.

    :param known: the findings that were reported before, by rule and target, with their status.
    :param found: those that count now.
    """
    by_key = {key(check): check for check in checks}
    begun = [by_key[name] for name, status in found.items() if known.get(name) != status and name in by_key]
    ended = sorted(name for name in known if name not in found)
    result = []
    if begun:
        lines = [f"{check['id']} ({check['target']}) {check['title']}: {check['status']}, {check['actual']}"
                 for check in begun]  # fmt: skip
        urgent = any(check["severity"] in _SEVERE for check in begun)
        result.append(Alert("audit", _title(len(begun), "begin", "begins", "to fail"), _joined(lines), urgent))
    if ended:
        result.append(Alert("audit", _title(len(ended), "do", "does", "not fail any more"), _joined(ended), False))
    return result


def _title(number: int, several: str, one: str, rest: str) -> str:
    return f"one rule of the audit {one} {rest}" if number == 1 else f"{number} rules of the audit {several} {rest}"


def _joined(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "; ".join([*(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in lines[:_SHOWN]), *more])
