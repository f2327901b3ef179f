"""How a rollout scales: first deployment, no change, and a change, for more and more hosts, side by side in one run.

scale.py [--hosts 1 2 4 8 16]   writes build/benchmarks/scale.json, docs/scaling.svg and the table in docs/scaling.md

The gateway is the light one of tests/stub_gateway, so that what is measured is the collection and Ansible.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from document import replace_table  # noqa: E402
from lab_host import CHECKOUT, TOOLS, LabHost, ansible_environment, lab  # noqa: E402
from plot import line_chart  # noqa: E402

LAB = "scale"
RESULTS = CHECKOUT / "build/benchmarks/scale.json"
DOCUMENT, PICTURE = CHECKOUT / "docs/scaling.md", CHECKOUT / "docs/scaling.svg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SETTINGS = {
    "openclaw_image_source": "checkout",
    "openclaw_image_checkout_path": "/root/checkout",
    "openclaw_image_build_host": "builder",
    "openclaw_rollout_soak_seconds": 0,
    "openclaw_gateway_stabilize_seconds": 2,
    "openclaw_rollout_report_dir": "",
}
# What is run, in this order; the batches are those of a rollout only where something changes.
STEPS: dict[str, dict[str, Any]] = {
    "first deployment": {"openclaw_rollout_batches": ["100%"]},
    "no change": {"openclaw_rollout_batches": ["100%"]},
    "rollout of a change": {"openclaw_rollout_batches": [1, "25%", "100%"], "openclaw_gateway_log_max_file": 4},
}


@dataclass(frozen=True)
class Measured:
    """One run: how long it took, and what the controller's processes took at most, together."""

    hosts: int
    step: str
    seconds: float
    controller_mib: int
    moved_bytes: int
    # Seconds by task, the five that took longest.
    longest: dict[str, float]


def measure(count: int) -> list[Measured]:
    """Boot hosts without anything on them, and run the steps on them."""
    names = [f"host{number:02}" for number in range(1, count + 1)]
    lab("up", "--lab", LAB, "--aside", "builder", *names)
    tree = subprocess.run(
        ["tar", "-c", "-C", str(CHECKOUT / "tests/stub_gateway"), "."], capture_output=True, check=True
    )
    unpack = "mkdir -p /root/checkout; tar -x -C /root/checkout"
    subprocess.run([*LabHost(LAB, "builder").ssh, unpack], input=tree.stdout, check=True)
    found = []
    for step, changes in STEPS.items():
        found.append(run(count, step, {**SETTINGS, **changes}))
        print(f"{count:3} hosts  {step:20} {found[-1].seconds:7.1f} s  {found[-1].controller_mib} MiB", flush=True)
    for name in names:
        container = LabHost(LAB, name).container
        subprocess.run(["docker", "rm", "--force", container], check=True, capture_output=True)
        subprocess.run(["docker", "volume", "rm", f"{container}-docker"], check=True, capture_output=True)
    return found


def run(count: int, step: str, variables: dict[str, Any]) -> Measured:
    """Run the playbook and watch its processes."""
    records = CHECKOUT / "build" / LAB / f"records-{time.time_ns()}"
    environment = ansible_environment(records, ANSIBLE_FORKS=str(min(count, 16)))
    argv = [str(TOOLS / "ansible-playbook"), "--inventory", str(CHECKOUT / "build" / LAB / "inventory.yml"),
            "--extra-vars", json.dumps(variables), str(CHECKOUT / "playbooks/rollout.yml")]  # fmt: skip
    log = CHECKOUT / "build" / LAB / "run.log"
    start = time.monotonic()
    most = 0
    with log.open("w") as output:
        process = subprocess.Popen(
            argv, stdout=output, stderr=output, env=environment, cwd=CHECKOUT, start_new_session=True
        )
        while process.poll() is None:
            most = max(most, memory(process.pid))
            time.sleep(0.5)
    seconds = time.monotonic() - start
    if process.returncode != 0:
        raise SystemExit(f"{step} on {count} hosts failed:\n{log.read_text()[-4000:]}")
    record = json.loads(next(records.iterdir()).read_text())
    moved = sum(task.get("moved_bytes") or 0 for task in record["tasks"])
    return Measured(count, step, round(seconds, 1), most >> 20, moved, longest(record["tasks"]))


def memory(session: int) -> int:
    """Return the bytes that the processes of a session take, each page counted for its share (proc_pid_smaps(5))."""
    return sum(_share(folder, session) for folder in Path("/proc").glob("[0-9]*"))


def _share(folder: Path, session: int) -> int:
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        rollup = (folder / "smaps_rollup").read_text() if int(fields[3]) == session else ""
    except OSError:
        return 0  # it has ended
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def longest(tasks: list[dict[str, Any]]) -> dict[str, float]:
    """Return the tasks that took longest, over all batches: each answer ends a span that the answer before it began."""
    spans: dict[str, float] = {}
    before = 0.0
    for task in sorted(tasks, key=lambda task: task["at"]):
        name = task["task"].removeprefix("openclaw.hardening.")
        spans[name] = spans.get(name, 0.0) + task["at"] - before
        before = task["at"]
    return {name: round(spans[name], 1) for name in sorted(spans, key=lambda name: -spans[name])[:5]}


def table(found: list[Measured]) -> str:
    """Return the measurements as Markdown."""
    lines = [
        "| hosts | first deployment | no change | rollout of a change | controller, at most |",
        "|---|---|---|---|---|",
    ]
    for count in sorted({item.hosts for item in found}):
        mine = {item.step: item for item in found if item.hosts == count}
        cells = [f"{mine[step].seconds:g} s ({mine[step].seconds / count:.1f} s a host)" for step in STEPS]
        lines.append(f"| {count} | {' | '.join(cells)} | {max(item.controller_mib for item in mine.values())} MiB |")
    last = max(found, key=lambda item: item.hosts).hosts
    lines += ["", f"What took longest with {last} hosts:", "", "| run | tasks |", "|---|---|"]
    for item in found:
        if item.hosts == last:
            tasks = ", ".join(f"{name}: {seconds:g} s" for name, seconds in item.longest.items())
            lines.append(f"| {item.step} | {tasks} |")
    moved = {item.step: item.moved_bytes for item in found if item.hosts == last}
    lines += ["", "Bytes of image moved with that many hosts: "
              + ", ".join(f"{step} {moved[step]:,}" for step in STEPS) + "."]  # fmt: skip
    return "\n".join(lines)


def write(found: list[Measured]) -> None:
    """Keep the numbers, draw the picture, and put the table into the document."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(item) for item in found], indent=2) + "\n")
    series = {step: [(item.hosts, item.seconds) for item in found if item.step == step] for step in STEPS}
    PICTURE.write_text(line_chart("Seconds for a whole run, by number of hosts", series))
    replace_table(DOCUMENT, BEGIN, END, table(found))


def main() -> None:
    """Measure, and take everything away again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    found: list[Measured] = []
    try:
        for count in parser.parse_args().hosts:
            found += measure(count)
            write(found)  # each time: the larger counts take long
    finally:
        lab("down", "--lab", LAB)


if __name__ == "__main__":
    main()
