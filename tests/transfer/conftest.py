"""A build host and two targets that a controller reaches as a user who is not root, and a small OpenClaw to move."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fleet import BUILDER, LAB, TARGETS, Fleet, forget  # noqa: E402
from lab_host import CHECKOUT, keep_stub_image, lab  # noqa: E402
from registry import Registry  # noqa: E402


@pytest.fixture(scope="session")
def fleet():
    """Boot the hosts; the targets have nothing, the build host what it would build. They are taken away in any case."""
    try:
        keep_stub_image()
        lab("up", "--lab", LAB, "--images", BUILDER, BUILDER, *TARGETS)
        fleet = Fleet()
        fleet.let_deployer_in()
        fleet.bring_source(CHECKOUT / "tests/stub_gateway")
        yield fleet
        for host in fleet.hosts.values():
            host.close()
    finally:
        if not os.environ.get("TRANSFER_KEEP"):
            lab("down", "--lab", LAB)


@pytest.fixture(scope="session")
def deployed(fleet: Fleet) -> Fleet:
    """Deploy one target with site.yml: the build host is no part of that play, and builds for it."""
    forget(fleet["beta"])  # of a run that kept the hosts
    fleet.deployment = fleet.play("site.yml", "--limit", "alpha")
    return fleet


@pytest.fixture(scope="session")
def registry(fleet: Fleet) -> Registry:
    """Run a registry with TLS by a private CA and a password on the build host."""
    return Registry(fleet)
