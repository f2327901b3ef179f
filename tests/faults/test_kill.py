"""A run that is killed, at any moment: the next one undoes or finishes it, goes on, and leaves nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import PHASES, RESTORING
from deployment import Deployment
from harness import LONG, FaultHost, World
from proofs import converged, state_version

SEED = 4
MOMENTS = 50 if LONG else 2
# Only the module's own process, so that what it had started goes on; or all of it.
KINDS = ("kill", "group")
CUTS = [(phase, kind) for number, phase in enumerate(PHASES) for kind in (KINDS if LONG else [KINDS[number % 2]])]


@pytest.mark.parametrize(("phase", "kind"), CUTS)
def test_at_the_beginning_of_a_phase(
    phase: str, kind: str, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    image = "fails-in-place" if phase == RESTORING else "v2"
    cut = deployment.interrupt(image, plan={"phase": phase, "what": kind})
    assert (cut.reached is not None, cut.rc) == (True, -9), cut
    answering = host.answers()
    seconds = converged(deployment, before, "v2")
    assert state_version(deployment) == "2"
    note(f"killed when {phase} ({kind})", outcome="one run converges, the next changes nothing",
         answers_in_between=answering, seconds_to_converge=seconds)  # fmt: skip


def test_at_any_moment(before: World, deployment: Deployment, note: Callable[..., None]) -> None:
    whole = deployment.interrupt("v2", plan={"what": "kill"}).seconds
    chance = random.Random(SEED)
    seconds, phases = [], []
    for number in range(MOMENTS):
        deployment.good()
        moment = chance.uniform(0.05, whole)
        cut = deployment.interrupt("v2", plan={"seconds": moment, "what": KINDS[number % 2]})
        phases.append(cut.phases[-1][1] if cut.phases else "before any")
        try:
            seconds.append(converged(deployment, before, "v2"))
            assert state_version(deployment) == "2"
        except AssertionError as error:
            raise AssertionError(f"killed after {moment:.3f} s ({KINDS[number % 2]}), {cut.phases}") from error
    note("killed at random moments", outcome="one run converges, the next changes nothing", runs=MOMENTS,
         phases={phase: phases.count(phase) for phase in phases}, longest_seconds_to_converge=max(seconds))  # fmt: skip


@pytest.mark.parametrize("candidate", ["never", "always"])
def test_while_the_configuration_changes(candidate: str, before: World, deployment: Deployment) -> None:
    config = {"logging": {"maxFileBytes": 5_000_000}}
    cut = deployment.interrupt(config=config, candidate=candidate, plan={"phase": "starting", "what": "group"})
    assert cut.reached is not None, cut
    converged(deployment, before, "v1", config=config, candidate=candidate)
    assert state_version(deployment) == "1"


def test_the_same_moment_twice(before: World, deployment: Deployment) -> None:
    """The run that undoes is killed itself."""
    for phase in ("starting", "restoring", "restoring", "committing"):
        cut = deployment.interrupt("v2", plan={"phase": phase, "what": "group"})
        assert cut.reached is not None, cut
    converged(deployment, before, "v2")
    assert state_version(deployment) == "2"
