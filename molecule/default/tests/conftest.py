"""What the tests of a deployed host share. They run on the controller and look at the host over SSH."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Run:
    """One run of a playbook."""

    rc: int
    output: str
    tasks: list[dict]
    seconds: float

    @property
    def changed(self) -> list[str]:
        """Name the tasks that changed something, in their order."""
        return [task["task"] for task in self.tasks if task["changed"]]


@pytest.fixture(scope="session")
def inventory(request) -> str:
    """Return the inventory of the host under test."""
    return str(Path(request.config.getoption("--ansible-inventory")).resolve())


@pytest.fixture(scope="session")
def playbook(inventory, tmp_path_factory):
    """Return a function that runs a playbook of the collection: ``playbook("site.yml", "--check", variable=value)``."""

    def run(name: str, *options: str, **variables) -> Run:
        records = tmp_path_factory.mktemp("records")
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "molecule/shared/callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "recorder",
            "ANSIBLE_NOCOLOR": "1",
            "RECORDER_DIR": str(records),
        }
        argv = ["ansible-playbook", "--inventory", inventory, *options, "--extra-vars", json.dumps(variables),
                str(CHECKOUT / "playbooks" / name)]  # fmt: skip
        result = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)
        record = json.loads(next(iter(records.iterdir())).read_text())
        return Run(result.returncode, result.stdout + result.stderr, record["tasks"], record["seconds"])

    return run
