"""Four hosts on which the first version was rolled out; rollouts as a user runs them, and what their users saw."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fleet import CHECKOUT, GATEWAY, LAB, NAMES, FaultHost, LabHost, Rollout, probing  # noqa: E402
from lab_host import ansible_environment  # noqa: E402


@pytest.fixture(scope="session")
def hosts() -> dict[str, FaultHost]:
    """Return the four hosts."""
    return {name: FaultHost(LAB, name) for name in NAMES}


@pytest.fixture(scope="session")
def builder() -> LabHost:
    """Return the build host."""
    return LabHost(LAB, "builder")


@pytest.fixture
def reports(tmp_path) -> Path:
    """Return where a rollout leaves its report."""
    return tmp_path / "report"


@pytest.fixture
def command(reports) -> Callable[..., list[str]]:
    """Return what makes the command line of a playbook."""

    def make(playbook: str, *options: str, **variables: Any) -> list[str]:
        settings = {
            **GATEWAY,
            "openclaw_image_build_host": "builder",
            "openclaw_rollout_soak_seconds": 5,
            "openclaw_rollout_report_dir": str(reports),
            "openclaw_verify_report": False,
            **variables,
        }
        return [str(Path(sys.executable).parent / "ansible-playbook"), "--inventory",
                str(CHECKOUT / "build" / LAB / "inventory.yml"), *options, "--extra-vars", json.dumps(settings),
                str(CHECKOUT / "playbooks" / playbook)]  # fmt: skip

    return make


@pytest.fixture
def environment() -> dict[str, str]:
    """Return the environment of a run."""
    # What a killed controller leaves goes with the lab's folder. Molecule asks for colours.
    scratch = str(CHECKOUT / "build" / LAB / "controller")
    return ansible_environment(ANSIBLE_FORCE_COLOR="0", ANSIBLE_LOCAL_TEMP=scratch)


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
