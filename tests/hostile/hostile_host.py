"""What the hostile tests share: one host with a good deployment, and its modules on call."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import lab_host
from lab_host import CHECKOUT, LabHost, with_secrets
from module_runner import MODULES, Line
from module_runner import ON_HOST as COMMON_PROGRAMS

LAB = "hostile"
HOST = "gateway"
BUILD = CHECKOUT / "build" / LAB
ON_HOST = Path(__file__).parent / "on_host"
PROGRAMS = MODULES  # on the host, beside the modules: the watch does not look there
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


class HostileHost(LabHost):
    """The one host under test."""

    def __init__(self) -> None:
        super().__init__(LAB, HOST)
        self.send(PROGRAMS, *ON_HOST.glob("*.py"), *COMMON_PROGRAMS.glob("*.py"))
        self._watch: Line | None = None

    def watch(self) -> Line:
        """Look at the host from now on."""
        if self._watch is None:
            self._watch = Line(self, f"python3 {PROGRAMS}/snapshot.py watch")
            self._watch.answer()  # that it has looked
        return self._watch

    def close(self, patience: float = 10) -> None:
        if self._watch is not None:
            self._watch.close(patience)
        super().close(patience)


class Module:
    """A module of the collection on that host, for requests that are no sensible ones."""

    def __init__(self, host: HostileHost, name: str) -> None:
        self.name = name
        self._host = host
        host.watch()

    def run(self, options: dict[str, Any], *, check: bool, seconds: float = 120) -> dict[str, Any]:
        """Run it once; return what it wrote and how it ended, whatever that is."""
        arguments = self._host.arguments(self.name, options, check=check, tracebacks=("error",))
        return self._host.modules.call(self.name, arguments, seconds)

    def changes(self) -> list[str]:
        """Return what on the host is another since the last call, for this or another module."""
        return self._host.watch().ask()


def requests(host: LabHost, module: str) -> list[dict[str, Any]]:
    """Return what the roles asked of a module, with the secrets that Ansible had masked."""
    tasks = json.loads(REQUESTS.read_text())["tasks"]
    asked = [task["options"] for task in tasks if task["action"] == f"openclaw.hardening.{module}" and task["options"]]
    return [
        with_secrets(host, {name: value for name, value in options.items() if value is not None}) for options in asked
    ]
