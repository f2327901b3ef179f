"""Two hosts with the real OpenClaw, one of which is taken down to what a new host has: Docker, and the image."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
pytest.register_assert_rewrite("life")

from harness import FaultHost  # noqa: E402
from lab_host import deploy_gateway, lab  # noqa: E402
from life import LAB, Life, forget  # noqa: E402

# The proof of a gateway takes its time; how long it is watched afterwards is shown elsewhere.
QUICK = {"openclaw_gateway_stabilize_seconds": 2}


@pytest.fixture(scope="session")
def life() -> Iterator[Life]:
    """Return both hosts; they are taken away at the end, unless LIFECYCLE_KEEP is set."""
    try:
        deploy_gateway(LAB, Path(__file__).with_name("deploy.yml"), "alpha", "beta", **QUICK)
        life = Life(FaultHost(LAB, "alpha"), FaultHost(LAB, "beta"), QUICK)
        life.make_key()
        forget(life.beta)
        yield life
        life.alpha.close()
        life.beta.close()
    finally:
        if not os.environ.get("LIFECYCLE_KEEP"):
            lab("down", "--lab", LAB)
