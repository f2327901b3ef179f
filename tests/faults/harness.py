"""The host under fault: booted and deployed once; what is on it, asked all the time, and interfered with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_host import CHECKOUT, PORT, LabHost, deploy_stub_gateway, lab, wait_until
from module_runner import ON_HOST as COMMON_PROGRAMS

LAB = "faults-light"
NAME = "gateway"
RESULTS = CHECKOUT / "build/faults"  # not the lab's folder: that goes with the lab
LONG = os.environ.get("FAULTS") == "long"
ON_HOST = "/root/.faults"
PROGRAMS = [*Path(__file__).with_name("on_host").glob("*.py"), *COMMON_PROGRAMS.glob("*.py")]
RECORDS = "/var/lib/openclaw-hardening"
JOURNAL = f"{RECORDS}/attempt/journal.json"
# In the record folder, what stays: that of the image, what is known of deployments, and the one to go back to.
OF_THE_IMAGE = ("build.log", "image.json", "image.lock", "verified")
OF_DEPLOYMENTS = ("claim.json", "deploy.lock", "deployed.json", "rejected.json", "previous", "options", "maintenance")
KEPT = (*OF_THE_IMAGE, *OF_DEPLOYMENTS)


def up() -> FaultHost:
    """Boot the host and deploy on it, or bring one that was kept up to date."""
    deploy_stub_gateway(LAB, NAME)
    return FaultHost(LAB, NAME)


def down(lab_name: str = LAB) -> None:
    """Take the host away; FAULTS_KEEP=1 keeps it for the next run."""
    if os.environ.get("FAULTS_KEEP") != "1":
        lab("down", "--lab", lab_name)


@dataclass(frozen=True)
class World:
    """Everything on a host that a deployment could change or leave behind (tests/on_host/snapshot.py)."""

    containers: list[dict[str, Any]]
    images: dict[str, str]
    untagged: list[str]
    networks: list[str]
    volumes: list[str]
    files: dict[str, str]
    unit: str
    processes: list[str]
    mounts: list[str]

    def container(self, name: str = "openclaw-gateway") -> dict[str, Any]:
        """Return the container of that name; an empty one when there is none."""
        return next((found for found in self.containers if found["name"] == name), {})

    def below(self, *tops: str) -> dict[str, str]:
        """Return the files in these folders."""
        return {
            path: what for path, what in self.files.items() if any(f"{path}/".startswith(f"{top}/") for top in tops)
        }

    def left_over(self, before: World) -> list[str]:
        """Name what is here, was not there before, and should not be."""
        found = []
        for kind in ("networks", "volumes", "mounts", "untagged"):
            found += [f"{kind}: {name}" for name in getattr(self, kind) if name not in getattr(before, kind)]
        names = [container["name"] for container in before.containers]
        found += [f"container: {c['name']} ({c['status']})" for c in self.containers if c["name"] not in names]
        found += [f"process: {line}" for line in self.processes]
        records = {f"{RECORDS}/{name}" for name in KEPT}
        for path in self.files.keys() - before.files.keys():
            if not any(path == kept or path.startswith(f"{kept}/") for kept in records):
                found.append(f"file: {path}")
        return sorted(found)


@dataclass
class Probes:
    """What a prober that asks every 20 ms was answered."""

    began: float = 0
    seconds: float = 0
    asked: int = 0
    failed: int = 0
    # Seconds after it began, whether it was answered 200, and by which version or why not.
    changes: list[list[Any]] = field(default_factory=list)

    @property
    def down(self) -> list[tuple[float, float]]:
        """Return the spans without an answer."""
        spans: list[tuple[float, float]] = []
        since = None
        for moment, well, _what in [*self.changes, [self.seconds, True, "end"]]:
            if not well and since is None:
                since = moment
            elif well and since is not None:
                spans.append((since, moment))
                since = None
        return spans

    @property
    def failed_seconds(self) -> float:
        """Return for how long it was not answered, in all."""
        return round(sum(end - start for start, end in self.down), 2)

    @property
    def versions(self) -> list[str]:
        """Return who answered, in order."""
        reported: list[str] = []
        for _moment, well, what in self.changes:
            if well and reported[-1:] != [what]:
                reported.append(what)
        return reported


@dataclass(frozen=True)
class Interrupted:
    """How a run went that was interfered with (on_host/interrupt.py)."""

    reached: float | None
    seconds: float
    rc: int
    phases: list[tuple[float, str]]
    output: str
    out: str
    err: str

    @property
    def killed(self) -> bool:
        """Return whether it was, before its end."""
        return self.rc == -signal.SIGKILL

    @property
    def answer(self) -> dict[str, Any]:
        """Return what the module answered; empty when it was killed before."""
        try:
            return json.loads(self.out)
        except ValueError:
            return {}


class FaultHost(LabHost):
    """A host of the lab with a gateway on it."""

    def __init__(self, lab_name: str, name: str) -> None:
        super().__init__(lab_name, name)
        self.lab_name = lab_name
        self.send(ON_HOST, *PROGRAMS)

    def look(self) -> World:
        """Return what is there now."""
        return World(**json.loads(self.check(f"python3 {ON_HOST}/snapshot.py deployment")))

    def is_up(self) -> bool:
        """Return whether it can be reached."""
        with suppress(subprocess.TimeoutExpired):
            return self.run("true", timeout=20).returncode == 0
        return False

    @contextmanager
    def probed(self, every: float = 0.02) -> Iterator[Probes]:
        """Ask every so many seconds while the block runs; the answers are there when it has ended."""
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen([*self.ssh, f"python3 {ON_HOST}/probe.py {PORT} {every}"], text=True, **pipes)
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        probes = Probes()
        try:
            yield probes
        finally:
            out, _err = process.communicate(timeout=60)
            probes.__init__(**json.loads(out))  # type: ignore[misc]

    def interrupt(self, name: str, options: dict[str, Any], **plan: Any) -> Interrupted:
        """Run a module in a process of its own and interfere (see on_host/interrupt.py)."""
        process = self.start_interrupted(name, options, **plan)
        out, err = process.communicate(timeout=300)
        return self.interrupted(out, err)

    def start_interrupted(self, name: str, options: dict[str, Any], **plan: Any) -> subprocess.Popen[str]:
        """Begin to do so."""
        place = f"{ON_HOST}/input-{time.monotonic_ns()}"
        whole = {"program": self.program(name), "input": place, "journal": JOURNAL, **plan}
        self.write(place, self.arguments(name, options))
        self.write(f"{place}.plan", json.dumps(whole))
        command = f"python3 {ON_HOST}/interrupt.py {place}.plan"
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*self.ssh, command], text=True, **pipes)

    @staticmethod
    def interrupted(out: str, err: str) -> Interrupted:
        """Read what it printed."""
        lines = out.splitlines()
        if not lines:
            raise AssertionError(f"interrupt.py reported nothing: {err}")
        return Interrupted(**json.loads(lines[-1]))

    def lose_power(self) -> None:
        """End every process of the host at once, from outside."""
        subprocess.run(["docker", "kill", self.container], check=True, capture_output=True)
        self.close(patience=0)

    def boot(self) -> float:
        """Start the host again; return how many seconds it took until Docker answered."""
        start = time.monotonic()
        subprocess.run(["docker", "start", self.container], check=True, capture_output=True)
        wait_until(self._booted, "the host did not boot", 90)
        return time.monotonic() - start

    def _booted(self) -> bool:
        with suppress(subprocess.TimeoutExpired):
            state = self.run("systemctl is-system-running; docker version >/dev/null && echo docker", timeout=10).stdout
            return state in ("running\ndocker\n", "degraded\ndocker\n")
        return False
