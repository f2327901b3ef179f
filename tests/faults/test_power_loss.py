"""Every process of the host ends at once and it boots again: what a power failure leaves, but for its disk cache."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import PHASES, RESTORING
from deployment import Deployment
from harness import LONG, FaultHost, World
from proofs import converged, state_version


@pytest.mark.parametrize("phase", PHASES if LONG else ["starting"])
def test_in_a_phase(
    phase: str, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    image = "fails-in-place" if phase == RESTORING else "v2"
    deployment.tag(image)
    process = host.start_interrupted("hardened_compose", deployment.options(image), phase=phase, what="hold")
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"  # the run stands still exactly there
    host.lose_power()
    process.wait(30)
    booted = host.boot()
    start = time.monotonic()
    while not (answering := host.answers()) and time.monotonic() - start < 10:
        time.sleep(0.5)
    seconds = converged(deployment, before, "v2")
    assert state_version(deployment) == "2"
    note(f"power lost when {phase}", outcome="one run converges, the next changes nothing",
         boot_seconds=round(booted, 1), answers_after_boot=answering, seconds_to_converge=seconds)  # fmt: skip
