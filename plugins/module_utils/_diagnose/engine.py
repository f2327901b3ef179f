# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decide what is wrong by a table of cases: each is a pure function over what was found on the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.facts import Host
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable

FAULT, WARNING, NOTE = "fault", "warning", "note"
LEVELS = (FAULT, WARNING, NOTE)
GUIDE = "the hardening guide, Troubleshooting"
SITE = "run the playbook site.yml"


@dataclass(frozen=True)
class Cause:
    """What is wrong and what fixes it.

    :param subject: what has to be set; who deploys knows the name of the variable.
    :param value: what it has to be set to, or what has to be added to it, where the facts show it.
    :param certain: whether the facts prove it; else it is the likely cause.
    """

    found: str
    needed: str
    remedy: str
    subject: str = ""
    value: Any = None
    level: str = FAULT
    certain: bool = True


@dataclass(frozen=True)
class Case:
    """One thing that can be wrong.

    :param needs: names of the parts of ``Host`` without which it cannot be decided.
    :param fallback: it counts only where no other case explains the fault.
    """

    id: str
    title: str
    check: Callable[[Host], Iterator[Cause]]
    needs: tuple[str, ...]
    source: str = "the deployment"
    fallback: bool = False


@dataclass(frozen=True)
class Finding:
    """A case that was found."""

    case: Case
    found: Cause


def diagnose(host: Host, cases: Iterable[Case]) -> list[Finding]:
    """Return what is wrong, the likeliest first; a case whose facts could not be read is left out."""
    cases = [case for case in cases if not lacking(host, case)]
    findings = [Finding(case, found) for case in cases if not case.fallback for found in case.check(host)]
    for case in cases:
        if case.fallback and not any(finding.found.level == FAULT for finding in findings):
            findings += [Finding(case, found) for found in case.check(host)]
    return sorted(findings, key=lambda finding: (LEVELS.index(finding.found.level), not finding.found.certain))


def lacking(host: Host, case: Case) -> list[str]:
    """Return the parts that a case needs and that could not be read."""
    return [name for name in case.needs if isinstance(getattr(host, name), Unavailable)]


def not_checked(host: Host, cases: Iterable[Case]) -> list[dict[str, Any]]:
    """Return each part that could not be read, why, and the cases that were not decided for it."""
    cases = list(cases)
    parts: Mapping[str, Any] = {entry.name: getattr(host, entry.name) for entry in fields(host)}
    return [
        {"part": name, "reason": part.why, "cases": [case.id for case in cases if name in case.needs]}
        for name, part in parts.items()
        if isinstance(part, Unavailable)
    ]
