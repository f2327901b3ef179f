"""Docker that is away, dies or loses an image, and a clock that jumps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deployment import STATE, Deployment
from harness import LONG, ON_HOST, FaultHost, World, wait_until
from proofs import converged, reported, same_files, state_version, untouched

UP_AGAIN = "docker version >/dev/null 2>&1"


def test_stopped_before(before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]) -> None:
    deployment.tag("v2")
    options = deployment.options("v2")
    files = host.check(f"find /etc/openclaw {STATE} -type f | sort | xargs sha256sum")
    host.check("systemctl stop docker.socket docker.service")
    try:
        answer = host.module("hardened_compose", options, diff=False)
        assert answer["failed"], answer
        host.check(answer["msg"].partition("run `")[2].partition("`")[0])  # what the message reports, to the letter
    finally:
        host.run("systemctl start docker.socket docker.service")
    assert "docker.sock" in answer["msg"]
    assert files == host.check(f"find /etc/openclaw {STATE} -type f | sort | xargs sha256sum")
    wait_until(host.answers, "the gateway does not come back with Docker", 60)
    note("Docker stopped before", outcome="refused; version 1 is back with Docker", message=answer["msg"])
    converged(deployment, before, "v2")


@pytest.mark.parametrize("phase", ["preparing", "stopping", "starting", "committing"] if LONG else ["starting"])
def test_killed_meanwhile(
    phase: str, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    script = "kill -9 $(pidof dockerd)"
    cut = deployment.interrupt("v2", plan={"phase": phase, "what": "shell", "script": script})
    assert cut.output == "0 ", cut.output
    assert "Traceback" not in cut.out + cut.err
    assert cut.answer, cut  # a clean answer, whichever
    wait_until(lambda: host.run(UP_AGAIN).returncode == 0, "Docker does not come back", 60)
    outcome = cut.answer.get("outcome", "failed" if cut.answer.get("failed") else "deployed all the same")
    seconds = converged(deployment, before, "v2")
    assert state_version(deployment) == "2"
    note(f"Docker killed when {phase}", outcome=f"{outcome}; one run converges", seconds_to_converge=seconds,
         message=cut.answer.get("msg", ""))  # fmt: skip


@pytest.mark.parametrize("phase", ["preparing", "stopping"])
def test_the_image_goes_meanwhile(
    phase: str, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """Another user prunes between look and act."""
    gone = deployment.one_more("gone", "v2")
    script = f"docker rmi --force {gone} >/dev/null"
    with host.probed() as probes:
        cut = deployment.interrupt("gone", plan={"phase": phase, "what": "shell", "script": script})
    assert cut.output == "0 ", cut.output
    answer = cut.answer
    assert answer.get("failed"), cut
    assert "Traceback" not in cut.out + cut.err
    assert answer["outcome"] == {"preparing": "unchanged", "stopping": "rolled_back"}[phase]
    after = host.look()
    same_files(before, after)
    assert after.left_over(before) == []
    assert after.container()["image"] == before.container()["image"]
    if phase == "preparing":
        untouched(before, after)
        assert probes.failed == 0
    note(f"image removed when {phase}", outcome=f"{answer['outcome']}: version 1 serves", **reported(probes),
         message=answer["msg"])  # fmt: skip
    assert deployment.run()["changed"] is False


@pytest.mark.skipif(not LONG, reason="installs faketime on the host; FAULTS=long")
@pytest.mark.parametrize("jump", ["+370d", "-370d"])
def test_a_clock_that_jumps(
    jump: str, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """The clock of the run alone (libfaketime): the host shares the machine's own, which others need."""
    library = host.check("""
        command -v faketime >/dev/null || { apt-get update -qq && apt-get install -y -qq faketime; } >/dev/null 2>&1
        find /usr/lib -name libfaketime.so.1 | head -1
    """)
    clock = f"{ON_HOST}/clock"
    host.write(clock, "+0d\n")
    program = ["env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={clock}", "FAKETIME_NO_CACHE=1",
               "FAKETIME_DONT_FAKE_MONOTONIC=1", *host.program("hardened_compose")]  # fmt: skip
    script = f"echo {jump} > {clock}; {' '.join(program[:5])} date +%Y"
    cut = deployment.interrupt("v2", plan={"phase": "starting", "what": "shell", "script": script, "program": program})
    year = int(host.check("date +%Y"))
    assert (
        cut.output.split() == ["0", str(year + (1 if jump.startswith("+") else -2))]
        or int(cut.output.split()[1]) != year
    )
    assert cut.answer["changed"], cut
    converged(deployment, before, "v2")
    assert state_version(deployment) == "2"
    note(f"clock jumps {jump}", outcome="deployed all the same", seconds=cut.seconds)
