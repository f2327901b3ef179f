"""What copying a state costs: many small files and few large ones; writes the table in docs/reliability.md.

state_copy.py [--files 100000 1000000] [--gib 10] [--folder DIR]   writes build/benchmarks/state_copy.json and the table

The passes are those of a deployment: the first one beside the running service, the second one while it is stopped, and
the first one of the next deployment, which finds the copy of the one before.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).resolve().parent), str(CHECKOUT / ".collections")]

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_copy import Mirror, measure  # noqa: E402
from document import replace_table  # noqa: E402

RESULTS = CHECKOUT / "build/benchmarks/state_copy.json"
DOCUMENT = CHECKOUT / "docs/reliability.md"
BEGIN, END = "<!-- state copy: begin -->", "<!-- state copy: end -->"
FILE = 4096
IN_A_FOLDER = 1000
LARGE = 1 << 30
CHANGED = 100


def fill_small(top: Path, count: int) -> None:
    """Make so many files of 4 KiB, a thousand in each directory."""
    for number in range(count):
        if number % IN_A_FOLDER == 0:
            folder = top / f"{number // IN_A_FOLDER:06}"
            folder.mkdir()
        (folder / f"{number % IN_A_FOLDER:03}").write_bytes(os.urandom(16) * (FILE // 16))


def fill_large(top: Path, gib: int) -> None:
    """Make files of 1 GiB."""
    block = os.urandom(1 << 20)
    for number in range(gib):
        with (top / str(number)).open("wb") as file:
            for _piece in range(LARGE >> 20):
                file.write(block)


def change(top: Path) -> None:
    """Write a block into a hundred of the files, or into one when they are large."""
    paths = sorted(path for path in top.rglob("*") if path.is_file())
    count = CHANGED if len(paths) > CHANGED else 1
    for path in paths[:: len(paths) // count][:count]:
        with path.open("r+b") as file:
            file.write(os.urandom(FILE))


def spent(work: Callable[[], object]) -> dict[str, float]:
    """Return wall time and processor time of some work, in seconds."""
    wall, cpu = time.monotonic(), time.process_time()
    work()
    return {"seconds": round(time.monotonic() - wall, 2), "processor": round(time.process_time() - cpu, 2)}


def passes(folder: str, fill: Callable[[Path, int], None], amount: int) -> dict[str, Any]:
    """Measure all passes over one state; runs in a process of its own, for its memory."""
    top = Path(folder)
    state, first, second = (top / name for name in ("state", "first", "second"))
    for path in (state, first, second):
        path.mkdir()
    fill(state, amount)
    os.sync()
    mirror = Mirror(str(state), str(first))
    size = measure(str(state))
    found: dict[str, Any] = {"files": size.files, "bytes": size.size, "first": spent(mirror.run)}
    found["second, nothing changed"] = spent(mirror.run)
    change(state)
    found["second, after a change"] = spent(mirror.run)
    found["first, beside the copy before"] = spent(Mirror(str(state), str(second), reuse=str(first)).run)
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return found


def measured(parent: str, fill: Callable[[Path, int], None], amount: int) -> dict[str, Any]:
    """Measure in a new folder, which is taken away."""
    place = tempfile.TemporaryDirectory(prefix="state-copy-", dir=parent)
    with place as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(passes, (folder, fill, amount))


def table(results: list[dict[str, Any]]) -> str:
    """Return the rows for the document: wall time, and processor time in brackets."""
    lines = [
        "| state | first pass | second pass, no change | 100 files, or a large one | beside an older copy | memory |",
        "|---|---|---|---|---|---|",
    ]
    for found in results:
        times = [
            f"{value['seconds']:.1f} s ({value['processor']:.1f})"
            for value in found.values()
            if isinstance(value, dict)
        ]
        lines.append(
            f"| {found['files']:,} files, {found['bytes'] / 1e9:.1f} GB | {' | '.join(times)} "
            f"| {found['memory'] / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--gib", nargs="*", type=int, default=[10])
    parser.add_argument("--folder", default="/var/tmp", help="where the states are made: a local disk, not a tmpfs")
    options = parser.parse_args()
    results = []
    for fill, amounts in ((fill_small, options.files), (fill_large, options.gib)):
        for amount in amounts:
            results.append(measured(options.folder, fill, amount))
            print(json.dumps(results[-1]), flush=True)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    replace_table(DOCUMENT, BEGIN, END, table(results))


if __name__ == "__main__":
    main()
