"""Four hosts on which the first version was rolled out; rollouts as a user runs them, and what their users saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests/faults"), str(Path(__file__).parent)]

from harness import FaultHost, Probes  # noqa: E402
from rig_host import RigHost  # noqa: E402

RIG = "rollout"
NAMES = ("one", "two", "three", "four")
# What makes another image of the same OpenClaw within a minute: one small package more.
SECOND = {"openclaw_image_packages": ["less"]}


@dataclass
class Rollout:
    """One rollout: how it ended, its summary by host, and what each host's users were answered meanwhile."""

    rc: int
    output: str
    seconds: float
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    probes: dict[str, Probes] = field(default_factory=dict)

    def results(self) -> dict[str, str]:
        return {name: host["result"] for name, host in self.hosts.items()}


@pytest.fixture(scope="session")
def hosts() -> dict[str, FaultHost]:
    """Return the four hosts."""
    return {name: FaultHost(RIG, name) for name in NAMES}


@pytest.fixture(scope="session")
def builder() -> RigHost:
    """Return the build host."""
    return RigHost(RIG, "builder")


@pytest.fixture
def reports(tmp_path) -> Path:
    """Return where a rollout leaves its report."""
    return tmp_path / "report"


@pytest.fixture
def command(reports) -> Callable[..., list[str]]:
    """Return what makes the command line of a playbook."""

    def make(playbook: str, *options: str, **variables: Any) -> list[str]:
        settings = {
            "openclaw_image_build_host": "builder",
            "openclaw_rollout_soak_seconds": 5,
            "openclaw_rollout_report_dir": str(reports),
            "openclaw_verify_report": False,
            **variables,
        }
        return [str(Path(sys.executable).parent / "ansible-playbook"), "--inventory",
                str(CHECKOUT / "build" / RIG / "inventory.yml"), *options, "--extra-vars", json.dumps(settings),
                str(CHECKOUT / "playbooks" / playbook)]  # fmt: skip

    return make


@pytest.fixture
def environment() -> dict[str, str]:
    """Return the environment of a run."""
    return {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0"}  # fmt: skip


@pytest.fixture
def rollout(hosts, command, environment, reports) -> Callable[..., Rollout]:
    """Return what runs a rollout while every host is asked all the time."""

    def run(*options: str, **variables: Any) -> Rollout:
        start = time.monotonic()
        with probing(hosts) as probes:
            argv = command("rollout.yml", *options, **variables)
            done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)
        made = Rollout(done.returncode, done.stdout + done.stderr, time.monotonic() - start, {}, probes)
        report = reports / "openclaw-rollout.json"
        if report.exists():
            made.hosts = {host["host"]: host for host in json.loads(report.read_text())["hosts"]}
            report.unlink()
        return made

    return run


@contextmanager
def probing(hosts: dict[str, FaultHost]) -> Iterator[dict[str, Probes]]:
    """Ask every host's port every 20 ms."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(host.probed()) for name, host in hosts.items() if host.is_up()}


def images(hosts: dict[str, FaultHost]) -> dict[str, str]:
    """Return the image that each gateway runs."""
    return {name: host.check("docker inspect -f '{{.Image}}' openclaw-gateway") for name, host in hosts.items()}


def containers(hosts: dict[str, FaultHost]) -> dict[str, str]:
    """Return the container that each gateway is."""
    return {name: host.check("docker inspect -f '{{.Id}}' openclaw-gateway") for name, host in hosts.items()}


def lasting(host: RigHost) -> dict[str, str]:
    """Return content, owner and mode of what is to be the same on all hosts: definition and units."""
    files = (
        "/etc/openclaw/docker-compose.hardened.yml /etc/openclaw/openclaw.json /etc/openclaw/passwd /etc/openclaw/group"
    )
    units = "/etc/systemd/system/openclaw-*"
    lines = host.check(f"for f in {files} {units}; do stat -c '%U %G %a' $f; sha256sum $f; done").splitlines()
    return {line.split()[1]: f"{owner} {line.split()[0]}" for owner, line in zip(lines[::2], lines[1::2])}
