"""The same by plain `docker compose up --wait`, for comparison: no unit, no journal, no candidate."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from deployment import COMPOSE, CONFIG, CONTAINER, IMAGE, SERVICE, UNIT, Deployment
from harness import Probes, wait_until

PATIENCE = 8  # seconds that Compose waits, and the same as the deployment of the tests
AFTERMATH = 3
UP = f"docker compose --file {COMPOSE} up --detach --wait --wait-timeout {PATIENCE} {SERVICE}"


def begin(deployment: Deployment) -> None:
    """Take the unit out of the way of what is compared."""
    deployment.host.check(f"systemctl stop {UNIT}; docker start {CONTAINER} >/dev/null")
    wait_until(deployment.host.answers, "the gateway does not answer without its unit")


def write(deployment: Deployment, image: str = "v1", config: dict[str, Any] | None = None) -> None:
    """Do what another user does by hand: another name for the image, other files."""
    options = deployment.options(image, config)
    if image in deployment.images:
        deployment.tag(image)
    else:
        deployment.host.check(f"docker rmi {IMAGE} >/dev/null")
    for file in options["files"]:
        if file["path"] == CONFIG:
            deployment.host.write(CONFIG, file["content"])
    deployment.host.write(COMPOSE, options["definition"])


def up(deployment: Deployment, image: str = "v1", config: dict[str, Any] | None = None) -> tuple[int, Probes]:
    """Deploy so; return the exit code and what a prober was answered until a while after."""
    host = deployment.host
    write(deployment, image, config)
    with host.probed() as probes:
        result = host.run(f"{UP} 2>&1")
        time.sleep(AFTERMATH)
    return result.returncode, probes


def serves(probes: Probes) -> str:
    """Return who answered last; nobody when it was not answered 200."""
    with suppress(IndexError):
        _moment, well, what = probes.changes[-1]
        return str(what) if well else "nobody"
    return "nobody"
