"""One host with the real OpenClaw, taken down to what a host with another OpenClaw has: Docker, and the image."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(TESTS / "faults"), str(TESTS / "lifecycle")]
pytest.register_assert_rewrite("bases")

from bases import LAB, Bases  # noqa: E402
from harness import FaultHost  # noqa: E402
from lab_host import deploy_gateway, lab  # noqa: E402

# The same as those of the tests of backups, so that both are copies of one host.
QUICK = {"openclaw_gateway_stabilize_seconds": 2}


@pytest.fixture(scope="session")
def bases() -> Iterator[Bases]:
    """Return the host; it is taken away at the end, unless MIGRATE_KEEP is set."""
    try:
        deploy_gateway(LAB, TESTS / "lifecycle/deploy.yml", "gamma", **QUICK)
        bases = Bases(FaultHost(LAB, "gamma"), QUICK)
        yield bases
        bases.host.close()
    finally:
        if not os.environ.get("MIGRATE_KEEP"):
            lab("down", "--lab", LAB)
