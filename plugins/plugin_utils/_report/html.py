# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report as one HTML page that needs nothing else: template, style and script are the files in report/."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import AREAS, SEVERITIES, STATUSES
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report.model import (
    FINDINGS,
    Check,
    Counts,
    Fleet,
    Host,
    count,
)
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

PARTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
WORDS = {"fail": "failed", "error": "inconclusive", "waived": "waived", "skip": "skipped", "pass": "passed"}
SIGNS = {"fail": "✕", "error": "?", "waived": "~", "skip": "·", "pass": "✓"}


@dataclass(frozen=True)
class Group:
    """One rule with the checks that it made, worst first; ``anchor`` is where it is on the page."""

    anchor: str
    checks: tuple[Check, ...]

    @property
    def rule(self) -> Check:
        """Any of them speaks for the rule: they all have its words."""
        return self.checks[0]

    @property
    def counts(self) -> Counts:
        """How many are of each status."""
        return count(self.checks)

    @property
    def hosts(self) -> list[str]:
        """Names of the hosts, each once, in order."""
        return list(dict.fromkeys(check.host for check in self.checks))


@dataclass(frozen=True)
class Cell:
    """What a host has in one area."""

    area: str
    counts: Counts

    @property
    def total(self) -> int:
        """How many checks there are."""
        return sum(self.counts.statuses.values())

    @property
    def description(self) -> str:
        """All that the cell reports, in words."""
        return words(self.counts) if self.total else "no checks"


@dataclass(frozen=True)
class Row:
    """One host of the overview."""

    host: Host
    cells: tuple[Cell, ...]


def render(fleet: Fleet) -> str:
    """Make the page. Data only ever gets in as escaped text, never as part of the template."""
    style, script, template = (_part(name) for name in ("report.css", "report.js", "report.html.j2"))
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader({"report": template}),
    )
    checks = fleet.checks
    findings = _groups((check for check in checks if check.status in (*FINDINGS, "waived")), "finding")
    anchors = {id(check): group.anchor for group in findings for check in group.checks}
    areas = [area for area in AREAS if any(check.area == area for check in checks)]
    by_area = []
    for area in areas:
        groups = _groups((check for check in checks if check.area == area), f"rule-{area}", by_id=True)
        by_area.append((area, groups, count(check for group in groups for check in group.checks)))
    return environment.get_template("report").render(
        fleet=fleet,
        # Markup: these two are our own files; everything else is escaped.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        policy="; ".join(
            (
                "default-src 'none'",
                f"style-src {_hash(style)}",
                f"script-src {_hash(script)}",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
        rows=_rows(fleet, areas),
        findings=findings,
        anchor_of=lambda check: anchors.get(id(check), ""),
        areas=areas,
        by_area=by_area,
        severities=SEVERITIES,
        statuses=STATUSES,
        words=words,
        word=WORDS,
        sign=SIGNS,
    )


def words(counts: Counts) -> str:
    """How many are of each status, in words, worst first."""
    return ", ".join(f"{counts.statuses[status]} {WORDS[status]}" for status in STATUSES if counts.statuses[status])


def _rows(fleet: Fleet, areas: list[str]) -> list[Row]:
    """Hosts, the worst of them first."""
    hosts = sorted(
        fleet.hosts,
        key=lambda host: (
            tuple(-host.counts.severities[severity] for severity in SEVERITIES),
            STATUSES.index(host.counts.worst),
            host.name,
        ),
    )
    rows = []
    for host in hosts:
        cells = (Cell(area, count(check for check in host.checks if check.area == area)) for area in areas)
        rows.append(Row(host, tuple(cells)))
    return rows


def _groups(checks: Iterable[Check], prefix: str, by_id: bool = False) -> list[Group]:
    """Checks that one rule made of several hosts, together; waived ones apart from those that are findings."""

    def key(check: Check) -> tuple[object, ...]:
        return check.rule if by_id else (check.status == "waived", *check.rule)

    ordered = sorted(checks, key=lambda check: (key(check), check.order))
    groups = [tuple(pair[1]) for pair in groupby(ordered, key)]
    if not by_id:
        groups.sort(key=lambda group: group[0].order)
    return [Group(f"{prefix}-{number}", group) for number, group in enumerate(groups, 1)]


def _part(name: str) -> str:
    with open(os.path.join(PARTS, name), encoding="utf-8") as file:
        return file.read()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
