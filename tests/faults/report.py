"""Show what the last runs of `make faults` found, as the table of docs/reliability.md.

report.py                          print it
report.py docs/reliability.md      put it between the marks in that file
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "build/faults"
MARKS = re.compile(r"(<!-- faults: begin -->\n).*?(<!-- faults: end -->)", re.DOTALL)
# First the deployments, then what happens to a run, then what happens to the host; unknown faults come last.
ORDER = ("good image", "image", "configuration", "killed", "power", "runs at once", "second run", "disk", "no room",
         "record folder", "docker", "clock", "back on purpose", "rollback", "real openclaw")  # fmt: skip
NUMBERS = {
    "failed_seconds": "{} s without an answer",
    "own_restart_seconds": "a plain restart of it: {} s",
    "fault_to_restored_seconds": "{} s from the fault to the old one's answer",
    "runs": "{} runs",
    "repeats": "{} times",
    "seconds_to_converge": "{} s to converge",
    "longest_seconds_to_converge": "at most {} s to converge",
    "longest_seconds": "at most {} s",
    "boot_seconds": "{} s to boot",
}


def results() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the newest result of each fault, by who was tested."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for file in sorted(RESULTS.glob("*.json")):
        result = json.loads(file.read_text())
        found.setdefault(result["fault"], {})[result["who"]] = result
    return found


def place(fault: str) -> tuple[int, str]:
    """Return where a fault stands in the table."""
    lower = fault.lower()
    kinds = [number for number, words in enumerate(ORDER) if words in lower]
    return (min(kinds, default=len(ORDER)), lower)


def cell(result: dict[str, Any] | None) -> str:
    """Return what came out, and in which numbers."""
    if result is None:
        return "not run"
    numbers = [words.format(result[key]) for key, words in NUMBERS.items() if key in result]
    if result.get("failed_probes") == 0:
        numbers[0] = f"0 of {result['asked']} probes failed"
    text = "; ".join([result.get("outcome", ""), *numbers])
    return text.replace("|", "\\|").replace("\n", " ")


def table() -> str:
    """Return the table."""
    found = results()
    rows = (
        f"| {fault} | {cell(found[fault].get('plain'))} | {cell(found[fault].get('ours'))} |\n"
        for fault in sorted(found, key=place)
    )
    return "| fault | plain `docker compose up --wait` | `hardened_compose` |\n|---|---|---|\n" + "".join(rows)


def main() -> int:
    """Print or write."""
    if len(sys.argv) == 1:
        print(table(), end="")
        return 0
    file = Path(sys.argv[1])
    text, count = MARKS.subn(lambda marks: f"{marks[1]}{table()}{marks[2]}", file.read_text())
    if count != 1:
        print(f"{file}: found {count} times the marks '<!-- faults: begin -->' and '<!-- faults: end -->', needed once")
        return 1
    file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
