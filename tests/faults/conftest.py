"""The host under fault, made once and taken away at the end; and the good deployment that every test begins with."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("deployment", "proofs")  # so that they say what differs

from deployment import Deployment  # noqa: E402
from harness import RESULTS, FaultHost, World, down, up  # noqa: E402
from lab_host import recorded  # noqa: E402
from stubs import build  # noqa: E402


@pytest.fixture(scope="session")
def host() -> Iterator[FaultHost]:
    """Return a host with the stub gateway, deployed by site.yml."""
    try:
        host = up()
        yield host
        host.close()
    finally:
        down()


@pytest.fixture(scope="session")
def deployment(host: FaultHost) -> Deployment:
    """Return what runs hardened_compose there with other images and configurations."""
    return Deployment(host, recorded(host.lab_name, "hardened_compose"), build(host))


@pytest.fixture
def before(deployment: Deployment) -> World:
    """Begin with the good deployment, and return the world with it."""
    return deployment.good()


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function that keeps a result for the report: the fault, who was tested, what came out."""

    def write(fault: str, who: str = "ours", **numbers: Any) -> None:
        RESULTS.mkdir(parents=True, exist_ok=True)
        name = "".join(letter if letter.isalnum() else "-" for letter in f"{who} {fault}".lower())
        result = {"fault": fault, "who": who, "test": request.node.name, "at": round(time.time()), **numbers}
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")

    return write
