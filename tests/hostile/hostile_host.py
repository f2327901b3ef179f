"""What the hostile tests share: one host with a good deployment, and its modules on call."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import lab_host
from lab_host import CHECKOUT, COMMON, MODULES, LabHost, with_secrets

LAB = "hostile"
HOST = "gateway"
BUILD = CHECKOUT / "build" / LAB
ON_HOST = Path(__file__).parent / "on_host"
REQUESTS = BUILD / "requests.json"
LONG = os.environ.get("HOSTILE") == "long"
# What is deployed has an entry in every list that a role can fill, so that hostile values find a place in each.
VARIABLES: dict[str, Any] = {
    "openclaw_gateway_provider_keys": {"stub": "sk-of-the-good-deployment"},
    "openclaw_gateway_secrets": {"channel": "secret-of-the-good-deployment"},
    "openclaw_waivers": [{"id": "OCH-UPK-01", "reason": "a waiver that can be spoilt", "target": "openclaw-gateway"}],
}


def deploy() -> None:
    """Boot the host, deploy, and keep what the roles asked of the modules."""
    lab_host.deploy_stub_gateway(LAB, HOST, **VARIABLES)
    newest = max((BUILD / "records").glob("*-run.json"))
    REQUESTS.write_text(newest.read_text())


def down() -> None:
    """Take the host away; HOSTILE_KEEP=1 keeps it for the next run."""
    if os.environ.get("HOSTILE_KEEP") != "1":
        lab_host.lab("down", "--lab", LAB)


class ModuleServer:
    """A module that is loaded on the host and runs as often as it is asked to."""

    def __init__(self, host: LabHost, name: str) -> None:
        host.unpack(name)
        self.name = name
        command = (
            f"exec python3 -B -u {MODULES}/module_server.py {MODULES}/{name} "
            f"ansible_collections.openclaw.hardening.plugins.modules.{name}"
        )
        self._process = subprocess.Popen(
            [*host.ssh, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(self, options: dict[str, Any], *, check: bool, seconds: float = 120) -> dict[str, Any]:
        """Run the module once."""
        common = {**COMMON, "_ansible_module_name": self.name, "_ansible_check_mode": check, "_ansible_diff": True,
                  "_ansible_tracebacks_for": ["error"]}  # fmt: skip
        return self._ask({"do": "run", "arguments": {**options, **common}, "seconds": seconds})

    def changes(self) -> list[str]:
        """Return what on the host is another since the last call."""
        return self._ask({"do": "changes"})["changes"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        self._process.stdin.write(json.dumps(order) + "\n")
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.name}: its server ended with {self._process.wait(30)}")
        return json.loads(line)


class HostileHost(LabHost):
    """The one host under test."""

    def __init__(self) -> None:
        super().__init__(LAB, HOST)
        for path in ON_HOST.iterdir():
            if path.suffix == ".py":
                self.check(f"mkdir -p {MODULES}")
                self.write(f"{MODULES}/{path.name}", path.read_text())

    def serve(self, name: str) -> ModuleServer:
        """Load a module."""
        return ModuleServer(self, name)


def requests(host: LabHost, module: str) -> list[dict[str, Any]]:
    """Return what the roles asked of a module, with the secrets that Ansible had masked."""
    tasks = json.loads(REQUESTS.read_text())["tasks"]
    asked = [task["options"] for task in tasks if task["action"] == f"openclaw.hardening.{module}" and task["options"]]
    return [
        with_secrets(host, {name: value for name, value in options.items() if value is not None}) for options in asked
    ]
