# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a rollout went, host by host: pure, from what the play handed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report.table import cut, pad
from ansible_collections.openclaw.hardening.plugins.plugin_utils._rollout.registered import number, part, text

UPDATED, UNCHANGED, ROLLED_BACK, FAILED = "updated", "unchanged", "rolled back", "failed"
ROLLBACK_FAILED, UNREACHABLE, NOT_REACHED, SKIPPED = "rollback failed", "unreachable", "not reached", "skipped"
PREDICTED = "would be updated"
GOOD = (UPDATED, UNCHANGED, PREDICTED)
BAD = (ROLLED_BACK, FAILED, ROLLBACK_FAILED, UNREACHABLE)
COLOURS = {
    **dict.fromkeys(GOOD, "COLOR_OK"),
    **dict.fromkeys((ROLLED_BACK, NOT_REACHED, SKIPPED), "COLOR_WARN"),
    **dict.fromkeys((FAILED, ROLLBACK_FAILED), "COLOR_ERROR"),
    UNREACHABLE: "COLOR_UNREACHABLE",
}
HEADS = ("HOST", "RESULT", "FROM", "TO", "SECONDS", "PROBES FAILED", "WHY")
_MOST = (40, 16, 12, 12, 8, 20)


@dataclass(frozen=True)
class Row:
    """One host of the summary. ``probes_declared`` is 0 where nothing was deployed."""

    host: str
    result: str
    image_before: str
    image_after: str
    seconds: float
    probes_declared: int
    probes_failed: int
    seconds_failed: float
    message: str
    # What the gateway depends on and is not ready (channels): a warning, never a reason to roll back.
    not_ready: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        """Return whether the rollout has failed because of it."""
        return self.result in BAD


def row(name: str, facts: Mapping[str, Any], *, skipped: bool) -> Row:
    """Read the facts of a host: ``deployment`` and ``outcome``."""
    deployment, outcome = part(facts, "deployment"), part(facts, "outcome")
    before = text(deployment.get("image_id"))
    result = text(outcome.get("result"))
    if skipped or not deployment:
        result = SKIPPED if skipped else UNREACHABLE
    elif result not in COLOURS:
        result = NOT_REACHED
    probes = part(outcome, "probes")
    return Row(
        host=name,
        result=result,
        image_before=before,
        image_after=text(outcome.get("image_id")) or before,
        seconds=round(number(outcome.get("seconds")), 1),
        probes_declared=int(number(probes.get("asked"))),
        probes_failed=int(number(probes.get("failed"))),
        seconds_failed=number(probes.get("seconds_failed")),
        message=harmless(text(outcome.get("message")), 2000),
        not_ready=_names(outcome.get("not_ready")),
    )


def document(rows: Iterable[Row], when: str) -> dict[str, Any]:
    """Return the report for programs."""
    hosts = list(rows)
    counts = {result: sum(host.result == result for host in hosts) for result in COLOURS}
    return {
        "format": 1,
        "made_at": when,
        "failed": any(host.bad for host in hosts),
        "counts": {result: count for result, count in counts.items() if count},
        "hosts": [asdict(host) for host in hosts],
    }


def lines(rows: Iterable[Row], width: int) -> Iterator[tuple[str, str]]:
    """Lines of the table, with their colours."""
    hosts = list(rows)
    cells = [_cells(host) for host in hosts]
    widths = [min(most, max(len(line[number]) for line in (HEADS, *cells))) for number, most in enumerate(_MOST)]
    rest = max(20, width - sum(widths) - 2 * len(widths))
    yield "OpenClaw rollout", ""
    for line, colour in ((HEADS, ""), *((line, COLOURS[host.result]) for line, host in zip(cells, hosts))):
        yield "  ".join(pad(cut(cell, size), size) for cell, size in zip(line, (*widths, rest))).rstrip(), colour
    results = [host.result for host in hosts]
    yield ", ".join(f"{results.count(result)} {result}" for result in COLOURS if result in results), ""


def _cells(host: Row) -> tuple[str, ...]:
    probes = f"{host.probes_failed}/{host.probes_declared} ({host.seconds_failed:g} s)" if host.probes_declared else "-"
    seconds = f"{host.seconds:g}" if host.seconds else "-"
    warning = f"warning, not ready: {', '.join(host.not_ready)}" if host.not_ready else ""
    why = " ".join([*host.message.split(), *warning.split()])
    return (host.host, host.result, _short(host.image_before), _short(host.image_after), seconds, probes, why)


def _names(value: object) -> tuple[str, ...]:
    return tuple(harmless(str(name), 64) for name in value[:20]) if isinstance(value, list) else ()


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12] or "-"
