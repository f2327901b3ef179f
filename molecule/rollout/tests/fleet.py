"""What the tests of a fleet share: names, what a rollout came to, and what is on the hosts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path += [str(CHECKOUT / "tests"), str(CHECKOUT / "tests/faults")]

from harness import FaultHost, Probes  # noqa: E402
from lab_host import LabHost  # noqa: E402

LAB = "rollout"
NAMES = ("one", "two", "three", "four")
LONG = os.environ.get("ROLLOUT") == "long"
# A channel that is dead on every host, all the time: never a reason to stop, to wait, or to roll back. The same as in
# converge.yml.
DEAD_CHANNEL: dict[str, Any] = json.loads((Path(__file__).parents[1] / "dead_channel.json").read_text())
# Which gateway converge.yml rolled out: the real OpenClaw in the long form, the light one in the short.
LIGHT = {
    "openclaw_image_source": "checkout",
    "openclaw_image_checkout_path": "/root/checkout",
    "openclaw_gateway_stabilize_seconds": 3,
}
GATEWAY = DEAD_CHANNEL["long"] if LONG else {**LIGHT, **DEAD_CHANNEL["light"]}
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


@contextmanager
def probing(hosts: dict[str, FaultHost]) -> Iterator[dict[str, Probes]]:
    """Ask every host's port ten times a second."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(host.probed(0.1)) for name, host in hosts.items() if host.is_up()}


def images(hosts: dict[str, FaultHost]) -> dict[str, str]:
    """Return the image that each gateway runs."""
    return {name: host.check("docker inspect -f '{{.Image}}' openclaw-gateway") for name, host in hosts.items()}


def containers(hosts: dict[str, FaultHost]) -> dict[str, str]:
    """Return the container that each gateway is."""
    return {name: host.check("docker inspect -f '{{.Id}}' openclaw-gateway") for name, host in hosts.items()}


def lasting(host: LabHost) -> dict[str, str]:
    """Return content, owner and mode of what is to be the same on all hosts: definition and units."""
    files = (
        "/etc/openclaw/docker-compose.hardened.yml /etc/openclaw/openclaw.json /etc/openclaw/passwd /etc/openclaw/group"
    )
    units = "/etc/systemd/system/openclaw-*"
    lines = host.check(f"for f in {files} {units}; do stat -c '%U %G %a' $f; sha256sum $f; done").splitlines()
    return {line.split()[1]: f"{owner} {line.split()[0]}" for owner, line in zip(lines[::2], lines[1::2])}
