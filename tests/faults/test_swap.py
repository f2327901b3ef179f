"""The swap itself: how long nobody answers, and the rollback when the new one fails in its place."""

from __future__ import annotations

import time
from collections.abc import Callable

import plain
import pytest
from deployment import CONTAINER, ETC, STATE, UNIT, Deployment
from harness import LONG, RECORDS, FaultHost, Probes, World, wait_until
from proofs import clean, converged, reported, restored, same_files, state_version

by_others = pytest.mark.skipif(not LONG, reason="what others make of it: FAULTS=long")


def test_a_good_one_costs_no_more_than_a_start(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    with host.probed() as own:
        host.check(f"docker restart {CONTAINER} >/dev/null")
        wait_until(host.answers, "no answer after docker restart")
    started = host.look().container()["started"]
    assert started != before.container()["started"]
    with host.probed() as probes:
        answer = deployment.run("v2")
    assert answer["changed"], answer
    after = host.look()
    clean(before, after)
    assert after.container()["image"] == deployment.images["v2"]
    assert (state_version(deployment), probes.versions) == ("2", ["version 1", "version 2"])
    assert host.check(f"systemctl is-active {UNIT}") == "active"
    note("good image", outcome="version 2 serves", **reported(probes), own_restart_seconds=own.failed_seconds)
    # Generous: the machine may be busy.
    assert 0 < probes.failed_seconds < own.failed_seconds + 10
    assert deployment.run("v2")["changed"] is False


@by_others
def test_a_good_one_by_plain_compose(before: World, deployment: Deployment, note: Callable[..., None]) -> None:
    plain.begin(deployment)
    code, probes = plain.up(deployment, "v2")
    note("good image", "plain", outcome=f"{plain.serves(probes)} serves, exit code {code}", **reported(probes))
    assert (code, plain.serves(probes)) == (0, "version 2")


def test_another_configuration_keeps_the_state(before: World, deployment: Deployment, host: FaultHost) -> None:
    answer = deployment.run(config={"logging": {"maxFileBytes": 5_000_000}})
    assert answer["changed"], answer
    after = host.look()
    clean(before, after)
    assert after.below(STATE) == before.below(STATE)
    assert after.below(ETC) != before.below(ETC)
    assert after.container()["id"] != before.container()["id"]
    assert after.container()["image"] == before.container()["image"]


def fault_and_return(probes: Probes) -> tuple[float, float]:
    """Return how long it took from the fault of version 2 to the first answer of version 1, and without any answer."""
    fault = next(at for at, well, what in probes.changes if not well and at > first(probes, "version 2"))
    back = next(at for at, _well, what in probes.changes if what == "version 1" and at > fault)
    silent = sum(min(end, back) - start for start, end in probes.down if start >= fault)
    return round(back - fault, 2), round(silent, 2)


def first(probes: Probes, who: str) -> float:
    """Return when another user answered first."""
    return next(at for at, _well, what in probes.changes if what == who)


def test_one_that_dies_after_five_seconds_gives_way(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    with host.probed() as probes:
        answer = deployment.run("dies", health={"stabilize": 10})
    assert answer["failed"], answer
    assert answer["outcome"] == "rolled_back"
    assert "this image dies after a while" in answer["msg"]
    after = host.look()
    restored(before, after)
    assert state_version(deployment) == "1"
    assert probes.versions[0] == probes.versions[-1] == "version 1"
    took, silent = fault_and_return(probes)
    note("image that dies 5 s after it is ready", outcome="version 1 serves again, its state too",
         **reported(probes), fault_to_restored_seconds=took, without_answer=silent, message=answer["msg"])  # fmt: skip
    assert took < 15
    assert host.check(f"systemctl is-active {UNIT}") == "active"
    assert deployment.run()["changed"] is False


@by_others
def test_one_that_dies_after_five_seconds_by_plain_compose(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    plain.begin(deployment)
    plain.write(deployment, "dies")
    with host.probed() as probes:
        code = host.run(f"{plain.UP} 2>&1").returncode
        time.sleep(12)
    versions = [what for _at, well, what in probes.changes if well]
    note("image that dies 5 s after it is ready", "plain",
         outcome=f"exit code {code}; version 2 is started again and again, and dies", **reported(probes))  # fmt: skip
    assert code == 0
    assert versions.count("version 2") >= 2, probes.changes


def test_one_that_fails_after_it_migrated_the_state(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    with host.probed() as probes:
        answer = deployment.run("fails-in-place")
    assert (answer["failed"], answer["outcome"]) == (True, "rolled_back")
    restored(before, host.look())
    assert state_version(deployment) == "1"
    note("image that fails after it migrated the state", outcome="version 1 serves again, with its state",
         **reported(probes), message=answer["msg"])  # fmt: skip
    assert converged(deployment, before, "v2") > 0


@by_others
def test_one_that_fails_after_it_migrated_the_state_by_plain_compose(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """Going back to the old image alone, as another user would by hand."""
    plain.begin(deployment)
    code, probes = plain.up(deployment, "fails-in-place")
    assert (code, plain.serves(probes)) != (0, "version 2")
    again, probes_after = plain.up(deployment, "v1")
    log = host.check(f"docker logs --tail 3 {CONTAINER} 2>&1")
    note("image that fails after it migrated the state", "plain", **reported(probes),
         outcome=f"{plain.serves(probes_after)} serves, also with the old image: {log.splitlines()[-1]}")  # fmt: skip
    assert again != 0
    assert plain.serves(probes_after) == "nobody"
    assert "the state has version 2, newer than 1" in log


@pytest.mark.parametrize("candidate", ["never", "always"])
def test_it_is_as_safe_without_a_candidate(
    candidate: str, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    with host.probed() as probes:
        answer = deployment.run("exits", candidate=candidate)
    assert (answer["failed"], answer["outcome"]) == (True, {"never": "rolled_back", "always": "unchanged"}[candidate])
    restored(before, host.look())
    if candidate == "never":
        note("image that ends at once, without a candidate", outcome="version 1 serves again", **reported(probes))
        assert probes.failed > 0


def test_images_that_were_taken_back_do_not_pile_up(before: World, deployment: Deployment, host: FaultHost) -> None:
    """The last one is kept to be looked at; each is 635 MB with the real OpenClaw."""
    bad = [deployment.one_more(f"bad-{number}", "exits") for number in range(2)]
    for number in range(2):
        deployment.tag(f"bad-{number}")
        host.check(f"docker rmi stub:bad-{number} >/dev/null")  # the name that is deployed is the only one
        assert host.module("hardened_compose", deployment.options(f"bad-{number}"), diff=False)["failed"]
    after = host.look()
    assert after.untagged == before.untagged
    assert bad[0] not in after.images.values()
    assert after.images["openclaw:hardened-rejected"] == bad[1]


def test_a_first_deployment_that_fails_leaves_nothing_running(
    before: World, deployment: Deployment, host: FaultHost
) -> None:
    gone = deployment.run(state="absent")
    assert gone["changed"], gone
    answer = deployment.run("exits")
    assert answer["failed"]
    after = host.look()
    assert after.container().get("status", "none") != "running"
    same_files(before, after)
    assert deployment.run("v1")["changed"]
    assert host.answers()


def test_when_the_way_back_fails_too_it_reports_how_to_recover(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """Another user takes the port in the one moment in which nobody has it."""
    squat = "nohup python3 -m http.server --bind 127.0.0.1 18789 >/dev/null 2>&1 & echo $! > /root/squatter; sleep 1"
    stop = f"systemctl stop {UNIT} || true; docker rm --force {CONTAINER} >/dev/null; {squat}"
    plan = {"phase": "restoring", "what": "shell", "script": stop}
    held = deployment.interrupt("fails-in-place", plan=plan, health={"timeout": 12})
    assert held.output.startswith("0 "), held.output
    answer = held.answer
    assert (answer["failed"], answer["outcome"]) == (True, "rollback_failed")
    note("rollback that fails, too", outcome="rollback_failed; the message has the commands", message=answer["msg"])
    commands = next(part for part in answer["msg"].split("By hand: ")[1:]).split(", needed")[0]
    assert not host.answers()
    # With the cause gone the commands of the message bring the old one back, and so does another run.
    host.check("kill $(cat /root/squatter)")
    host.check(commands)
    wait_until(host.answers, f"the commands of the message do not help: {commands}")
    assert host.look().container()["image"] == deployment.images["v1"]
    assert state_version(deployment) == "1"
    assert converged(deployment, before, "v1") > 0
    assert not host.check(f"ls {RECORDS} | grep attempt || true")
