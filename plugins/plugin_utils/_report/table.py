# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report as a table for a terminal, worst first. Only text and the name of a colour; printing is the caller's."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import SEVERITIES, STATUSES
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report.model import FINDINGS, Check, Fleet

WIDTH_MINIMUM = 100
HEADS = ("SEVERITY", "STATUS", "ID", "WHAT SHOULD HOLD", "HOST/TARGET", "FOUND")
WORDS = {"fail": "failed", "error": "inconclusive", "waived": "waived", "skip": "skipped", "pass": "passed"}
# Display's configurable colours: ansible.cfg's [colors] sets what they look like.
COLOURS = {
    "fail": "COLOR_ERROR",
    "error": "COLOR_UNREACHABLE",
    "waived": "COLOR_WARN",
    "skip": "COLOR_SKIP",
    "pass": "COLOR_OK",
}


def lines(fleet: Fleet, width: int, everything: bool = False) -> Iterator[tuple[str, str]]:
    """Lines with their colours (empty: none). Passed and skipped checks are only counted, unless ``everything``."""
    width = max(width, WIDTH_MINIMUM)
    checks = [check for check in fleet.checks if everything or check.status in (*FINDINGS, "waived")]
    yield fleet.title, ""
    if checks:
        rows = [_row(check) for check in checks]
        widths = _widths(rows, width)
        yield _line(HEADS, widths), ""
        for check, row in zip(checks, rows):
            yield _line(row, widths), COLOURS[check.status]
    yield from _totals(fleet)


def _row(check: Check) -> tuple[str, ...]:
    waived = f" (waived: {check.waiver.text})" if check.waiver and check.status == "waived" else ""
    cells = (
        check.severity,
        check.status,
        check.id,
        check.title,
        f"{check.host}/{check.target}",
        f"{check.actual}{waived}",
    )
    return tuple(" ".join(cell.split()) for cell in cells)


def _widths(rows: list[tuple[str, ...]], width: int) -> list[int]:
    """Give the short columns what they need, at most; what was found gets the rest."""
    most = (8, 6, 12, max(24, width // 4), max(20, width // 5))
    needed = [max(columns(row[number]) for row in (HEADS, *rows)) for number in range(len(most))]
    widths = [min(need, limit) for need, limit in zip(needed, most)]
    return [*widths, width - sum(widths) - 2 * len(widths)]


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(pad(cut(cell, width), width) for cell, width in zip(cells, widths)).rstrip()


def _totals(fleet: Fleet) -> Iterator[tuple[str, str]]:
    counts = fleet.counts
    hosts = len(fleet.hosts)
    bad = sum(bool(host.counts.findings) for host in fleet.hosts)
    severe = [f"{counts.severities[severity]} {severity}" for severity in SEVERITIES if counts.severities[severity]]
    findings = f"{bad} of {hosts} with findings ({', '.join(severe)})" if bad else "no findings"
    yield f"{hosts} host{'s' if hosts > 1 else ''}, {findings}", COLOURS[counts.worst] if bad else COLOURS["pass"]
    yield ", ".join(f"{counts.statuses[status]} {WORDS[status]}" for status in STATUSES), ""


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Text that takes at most so many columns, with an ellipsis where it was cut."""
    if columns(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += _columns(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def pad(text: str, width: int) -> str:
    """Text followed by spaces up to a number of columns."""
    return text + " " * (width - columns(text))
