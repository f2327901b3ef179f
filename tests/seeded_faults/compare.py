"""Try docker-bench-security on every fault, beside our audit, and write docs/docker-bench.md.

compare.py --docker-bench PATH   PATH: a checkout of docker-bench-security, which is copied to the hosts
"""

from __future__ import annotations

import argparse
import io
import json
import queue
import re
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import pytest  # noqa: E402
from harness import BUILD, CHECKOUT, IMAGE, Host, SeededFault, down, up  # noqa: E402
from seeded_faults import AREAS, everything  # noqa: E402

DOCUMENT = CHECKOUT / "docs/docker-bench.md"
RESULTS = BUILD.parent / "docker-bench.json"
# The name is for its filter of containers and images.
BENCH = (
    "rm -f /root/bench.log; cd /root/docker-bench; "
    "bash docker-bench-security.sh -b -l /root/bench.log -i openclaw {} >/dev/null 2>&1; cat /root/bench.log"
)
# A fault of the host is looked for by all of its sections, one of a container by the two about those.
OF_THE_HOST = ("account", "systemd", "daemon")
OF_CONTAINERS = "-c container_images,container_runtime"
# Below it is what compare_definitions.py writes.
HALF = "\n<!-- weakened definitions -->\n"
CHECK = re.compile(r"\[\w+\] +(\d[\d.]*) ")

INTRODUCTION = """\
# Beside docker-bench-security

{count} deployments, each with a single fault that is really there (in a container, a file, a unit, an account or the
daemon of a test host), checked by `hardening_info` and by docker-bench-security {version} (for a container: its
sections
about containers and images, for the host: all of them). *Found* means, for ours, a failed check of the id that stands
in `tests/seeded_faults/`; for docker-bench, any `[WARN]` line that it does not print about the good deployment.

| | of {count} | |
|---|--:|--:|
| found by `hardening_info` | {ours} | {ours_percent} % |
| found by docker-bench-security | {theirs} | {theirs_percent} % |
| found by docker-bench-security alone | {theirs_alone} | |
| alarms of `hardening_info` about the good deployment | {false_alarms} | |

docker-bench reads configuration, mostly `docker inspect` of running containers; it knows nothing of OpenClaw, its files
and its units, and does not claim to. The comparison lists what one cannot rely on it for.

Made by `python tests/seeded_faults/compare.py --docker-bench PATH`.
"""


def main() -> int:
    """Run all, or some areas, and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--docker-bench", type=Path, required=True, metavar="PATH")
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument(
        "--only", nargs="+", choices=AREAS, default=AREAS, help="keep the last run's results of the others"
    )
    arguments = parser.parse_args()
    try:
        results = compare(arguments.docker_bench, up(arguments.hosts), arguments.only)
    finally:
        down()
    if RESULTS.exists():
        results["faults"] += [
            row for row in json.loads(RESULTS.read_text())["faults"] if row["area"] not in arguments.only
        ]
    order = [fault.name for faults in everything().values() for fault in faults]
    results["faults"] = sorted(
        (row for row in results["faults"] if row["name"] in order), key=lambda row: order.index(row["name"])
    )
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    write(results)
    return 0


def compare(bench: Path, names: list[str], areas: list[str]) -> dict:
    """Check every fault by both, each host taking the next one."""
    tasks: queue.Queue[tuple[str, SeededFault]] = queue.Queue()
    for area in areas:
        for fault in everything()[area]:
            tasks.put((area, fault))
    found: list[dict] = []
    with ThreadPoolExecutor() as pool:
        good = list(pool.map(lambda name: work(name, bench, tasks, found), names))
    return {"version": version_of(bench), "good": good[0], "faults": found}


def version_of(bench: Path) -> str:
    """Return the version of a checkout of docker-bench."""
    version = re.search(r"version='([\d.]+)'", (bench / "docker-bench-security.sh").read_text())
    return version[1] if version else ""


def work(name: str, bench: Path, tasks: queue.Queue, found: list[dict]) -> dict:
    """Work on one host until nothing is left."""
    host = Host(name)
    install(host, bench)
    audit = host.good()
    known = warnings(host, "account")
    while True:
        try:
            area, fault = tasks.get_nowait()
        except queue.Empty:
            alarms = {**audit.bad, **host.good().bad}
            host.close()
            return {"alarms": len(alarms), "warnings": len(known)}
        try:
            with host.having(fault) as options:
                ours = host.audit(**options)
                theirs = warnings(host, area) - known
        except pytest.skip.Exception as reason:
            print(f"{name}: {fault.name}: {reason}", flush=True)
            continue
        row = {
            "area": area,
            "name": fault.name,
            "id": fault.expected,
            "severity": ours.severity(fault.expected),
            "ours": ours.found(fault.expected),
            "theirs": sorted({identity for identity, _line in theirs}, key=lambda text: [*map(int, text.split("."))]),
        }
        found.append(row)
        print(f"{name}: {fault.name}: {row['ours']} {' '.join(row['theirs']) or '—'}", flush=True)


def install(host: Host, bench: Path) -> None:
    """Copy docker-bench to the host."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(bench, "docker-bench")
    host.run("rm -rf /root/docker-bench")
    subprocess.run([*host.ssh, "tar -xz -C /root"], input=archive.getvalue(), check=True)


def warnings(host: Host, area: str) -> set[tuple[str, str]]:
    """Return every warning, as the number of its check and its line."""
    host.run(f"[ \"$(container '{{{{.Config.Image}}}}')\" = {IMAGE} ] || docker rmi {IMAGE} >/dev/null 2>&1")
    found, check = set(), ""
    for line in host.run(BENCH.format("" if area in OF_THE_HOST else OF_CONTAINERS)).stdout.splitlines():
        match = CHECK.match(line)
        check = match[1].rstrip(".") if match else check
        if line.startswith("[WARN]"):
            found.add((check, line))
    return found


def write(results: dict) -> None:
    """Write the document."""
    rows = results["faults"]
    ours = sum(row["ours"] for row in rows)
    theirs = sum(bool(row["theirs"]) for row in rows)
    text = INTRODUCTION.format(
        count=len(rows),
        version=results["version"],
        ours=ours,
        ours_percent=round(100 * ours / len(rows)),
        theirs=theirs,
        theirs_percent=round(100 * theirs / len(rows)),
        theirs_alone=sum(bool(row["theirs"]) and not row["ours"] for row in rows),
        false_alarms=results["good"]["alarms"],
    )
    for area in dict.fromkeys(row["area"] for row in rows):
        of_area = [row for row in rows if row["area"] == area]
        observed = sum(bool(row["theirs"]) for row in of_area)
        text += f"\n## {area.capitalize()}: {sum(row['ours'] for row in of_area)} and {observed} of {len(of_area)}\n\n"
        text += "| fault | `hardening_info` | docker-bench-security |\n|---|---|---|\n"
        for row in of_area:
            mine = f"{row['id']} ({row['severity']})" if row["ours"] else "—"
            text += f"| {row['name']} | {mine} | {', '.join(row['theirs']) or '—'} |\n"
    replace_half(text, half()[1])
    print(f"wrote {DOCUMENT.relative_to(CHECKOUT)}: {ours} and {theirs} of {len(rows)}")


def half() -> tuple[str, str]:
    """Return what this wrote, and what compare_definitions.py wrote below it."""
    mine, _marker, below = DOCUMENT.read_text().partition(HALF)
    return mine, below


def replace_half(mine: str, below: str) -> None:
    """Write both halves."""
    DOCUMENT.write_text(f"{mine}{HALF}{below}")


if __name__ == "__main__":
    sys.exit(main())
