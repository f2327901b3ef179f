"""How long a run of playbooks/site.yml takes that changes nothing, beside other ways to the same end, on one host.

no_change.py [--peer PLAYBOOK] [--before CHECKOUT] [--rounds 5] [--stub]   writes the table in docs/scaling.md

--peer PLAYBOOK    a playbook for the same end state, of ansible.builtin and community.docker; what it copies from
                   `files/` is fetched from the host first, so that it changes nothing. It runs with PyPI's `ansible` in
                   a virtual environment in the user's cache.
--before CHECKOUT  another checkout of this collection, measured in the same session.
--stub             the stub gateway of tests/stub_gateway instead of OpenClaw.

Every run connects again, has pipelining, and fails the benchmark when it changes anything.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import yaml  # noqa: E402
from document import replace_table  # noqa: E402
from lab_host import CHECKOUT, TIMER, TOOLS, LabHost, lab  # noqa: E402

LAB, HOST = "nochange", "gateway"
RESULTS = CHECKOUT / "build/benchmarks/no_change.json"
DOCUMENT = CHECKOUT / "docs/scaling.md"
BEGIN, END = "<!-- no change: begin -->", "<!-- no change: end -->"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openclaw-hardening"
# The release of PyPI's `ansible` that holds community.docker for the ansible-core of requirements/tools.txt.
PEER_PACKAGE = "ansible==12.3.0"
OURS, BEFORE, PEER = "this collection, with its audit", "the same, before", "the peer's playbook, without an audit"
CALLBACKS = Path(__file__).resolve().parent / "callbacks"


@dataclass
class Contender:
    """One way to the end state: a command, and how long each of its runs took."""

    name: str
    argv: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    tasks: list[list[dict[str, Any]]] = field(default_factory=list)

    def run(self) -> float:
        """Run it once; it must change nothing.

        :raises SystemExit: it failed, or changed something.
        """
        with tempfile.TemporaryDirectory() as scratch:
            durations = Path(scratch) / "durations.json"
            environment = {
                **os.environ,
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": scratch,  # a connection of its own
                "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
                "ANSIBLE_CALLBACKS_ENABLED": "durations",
                "DURATIONS_FILE": str(durations),
                **self.environment,
            }
            start, used = time.monotonic(), processor_seconds()
            done = subprocess.run(
                self.argv, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
            )
            seconds, used = time.monotonic() - start, processor_seconds() - used
            if done.returncode != 0:
                raise SystemExit(f"{self.name} failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
            tasks = json.loads(durations.read_text())
        changed = [task["task"] for task in tasks if task["changed"]]
        if changed:
            raise SystemExit(f"{self.name} changed something: {', '.join(changed)}")
        self.seconds.append(round(seconds, 2))
        self.processor.append(round(used, 2))
        self.tasks.append(tasks)
        return seconds

    def forget(self) -> None:
        """Forget a run that only warmed caches."""
        self.seconds.clear()
        self.processor.clear()
        self.tasks.clear()


def processor_seconds() -> float:
    """Return what the processors have done so far for the host, its gateway included, and for ended children of ours.

    A machine that does other work at the same time takes longer, but not more of this.
    """
    files = "/sys/fs/cgroup/cpuacct/cpuacct.usage /sys/fs/cgroup/cpu.stat"  # cgroup v1 and v2
    lines = LabHost(LAB, HOST).run(f"cat {files} 2>/dev/null").stdout.splitlines()
    host = int(lines[0]) / 1e9 if lines[0].isdigit() else int(lines[0].removeprefix("usage_usec ")) / 1e6
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    return host + ours.ru_utime + ours.ru_stime


def inventory() -> Path:
    """Return the inventory of the host."""
    return CHECKOUT / "build" / LAB / "inventory.yml"


def of_collection(name: str, checkout: Path, playbook: str, variables: dict[str, Any]) -> Contender:
    """Return the playbook of a checkout of this collection."""
    argv = [str(TOOLS / "ansible-playbook"), "--inventory", str(inventory()), "--extra-vars", json.dumps(variables),
            str(checkout / playbook)]  # fmt: skip
    return Contender(name, argv, checkout, {"ANSIBLE_CONFIG": str(checkout / "ansible.cfg")})


def of_peer(playbook: Path, folder: Path) -> Contender:
    """Return the peer's playbook, in a folder of its own with the files that it copies."""
    program = peer_tools() / "bin/ansible-playbook"
    shutil.copy(playbook, folder / "site.yml")
    host = LabHost(LAB, HOST)
    for path in copied_files(playbook):
        target = folder / "files" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(subprocess.run([*host.ssh, f"cat {path}"], capture_output=True, check=True).stdout)
    argv = [str(program), "--inventory", str(inventory()), "--limit", HOST, "site.yml"]
    configuration = folder / "ansible.cfg"
    configuration.touch()
    return Contender(PEER, argv, folder, {"ANSIBLE_CONFIG": str(configuration)})


def copied_files(playbook: Path) -> Iterator[str]:
    """Find the paths on the host that a playbook copies from ``files/``: the first part of each item of such a loop."""
    for play in yaml.safe_load(playbook.read_text()):
        for task in play.get("tasks") or []:
            source = (task.get("ansible.builtin.copy") or {}).get("src", "")
            if source.startswith("files{{"):
                yield from (item if isinstance(item, str) else item[0] for item in task["loop"])


def peer_tools() -> Path:
    """Return a virtual environment with the peer's Ansible; the first call makes it."""
    folder = CACHE / "peer" / PEER_PACKAGE.replace("==", "-")
    if not (folder / "complete").exists():
        print(f"installing {PEER_PACKAGE} in {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                   "--only-binary", ":all:", PEER_PACKAGE]  # fmt: skip
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return folder


def per_module(contender: Contender) -> list[tuple[str, int, float]]:
    """Return module, calls and median seconds a run; what runs on the controller is one row.

    The median is taken for each task, then the tasks of a module are added up.
    """
    rows: dict[str, tuple[int, float]] = {}
    for tasks in zip(*contender.tasks):
        action = tasks[0]["action"]
        ours = action.startswith("openclaw.hardening.") and not action.endswith("_report")
        key = f"`{action.removeprefix('openclaw.hardening.')}`" if ours else "tasks on the controller"
        calls, seconds = rows.get(key, (0, 0.0))
        rows[key] = (calls + 1, seconds + statistics.median(task["seconds"] for task in tasks))
    table = sorted(((key, *row) for key, row in rows.items()), key=lambda row: -row[2])
    rest = statistics.median(contender.seconds) - sum(seconds for _key, _calls, seconds in table)
    return [*table, ("start, inventory, end", 1, rest)]


def ratio(ours: list[float], theirs: list[float]) -> str:
    """Return the median ratio of the rounds, and the smallest and largest."""
    ratios = [mine / other for mine, other in zip(ours, theirs)]
    return "" if ours is theirs else f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def table(contenders: list[Contender], gateway: str) -> str:
    """Return the measurements as Markdown."""
    ours = contenders[0]
    rounds = len(ours.seconds)
    lines = [
        f"{gateway}, {rounds} rounds, each way once a round in turn:",
        "",
        "| way | median | fastest to slowest | ours by theirs | processor seconds | ours by theirs | tasks |",
        "|---|---|---|---|---|---|---|",
    ]
    for contender in contenders:
        found, used = contender.seconds, contender.processor
        cells = [contender.name, f"{statistics.median(found):.1f} s", f"{min(found):.1f} s to {max(found):.1f} s",
                 ratio(ours.seconds, found), f"{statistics.median(used):.1f} s", ratio(ours.processor, used),
                 str(len(contender.tasks[0]))]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    for contender in contenders:
        if contender.name != PEER:
            lines += ["", f"Where the time goes, {contender.name}:", "", "| what | calls | seconds |", "|---|---|---|"]
            lines += [f"| {name} | {calls} | {seconds:.2f} |" for name, calls, seconds in per_module(contender)]
    return "\n".join(lines)


def main() -> None:
    """Deploy, measure in turn, write, take the host away."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--stub", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the host for the next run")
    parser.add_argument("--dry", action="store_true", help="print the table instead of writing it into the document")
    arguments = parser.parse_args()
    playbook = "tests/deploy_stub_gateway.yml" if arguments.stub else "playbooks/site.yml"
    variables = {**TIMER, "openclaw_verify_report_dir": ""}
    try:
        lab("up", "--lab", LAB, HOST)
        with tempfile.TemporaryDirectory() as folder:
            ours = of_collection(OURS, CHECKOUT, playbook, variables)
            print("deploying", flush=True)
            deployment = subprocess.run(
                ours.argv,
                cwd=CHECKOUT,
                env={**os.environ, **ours.environment},
                capture_output=True,
                text=True,
                check=False,
            )
            if deployment.returncode != 0:
                raise SystemExit(f"the deployment failed:\n{deployment.stdout[-4000:]}{deployment.stderr[-2000:]}")
            contenders = [ours]
            if arguments.before:
                contenders.append(of_collection(BEFORE, arguments.before.resolve(), playbook, variables))
            if arguments.peer:
                contenders.append(of_peer(arguments.peer, Path(folder)))
            measure(contenders, arguments.rounds)
        text = table(contenders, "The stub gateway" if arguments.stub else "OpenClaw")
        results = {
            contender.name: {"seconds": contender.seconds, "processor": contender.processor, "tasks": contender.tasks}
            for contender in contenders
        }
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(text)
        if not arguments.dry:
            replace_table(DOCUMENT, BEGIN, END, text)
    finally:
        if not arguments.keep:
            lab("down", "--lab", LAB)


def measure(contenders: list[Contender], rounds: int) -> None:
    """Run them in turn; the first round is not counted."""
    for number in range(rounds + 1):
        for contender in contenders:
            print(f"{number}  {contender.run():5.1f} s  {contender.name}", flush=True)
            if number == 0:
                contender.forget()


if __name__ == "__main__":
    main()
