"""Back to the deployment before, on purpose."""

from __future__ import annotations

from collections.abc import Callable

from deployment import ETC, IMAGE, STATE, UNIT, Deployment
from harness import LONG, FaultHost, World
from proofs import clean, converged, reported, restored, state_version, untouched

CONFIG = {"logging": {"maxFileBytes": 5_000_000}}


def test_image_configuration_and_state_go_back_together(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    assert deployment.run("v2", config=CONFIG)["changed"]
    assert state_version(deployment) == "2"
    newer = host.look()
    host.check(
        f"echo later > {STATE}/sessions.new; install -o 1000 -g 1000 -m 600 /dev/null {STATE}/workspace/later.md"
    )
    with host.probed() as probes:
        back = deployment.run(state="previous")
    assert back["changed"], back
    after = host.look()
    assert after.files.pop(f"{STATE}/workspace/later.md")  # what the agent made since is not rolled back
    restored(before, after)
    assert (state_version(deployment), host.answers()) == ("1", True)
    assert host.check(f"systemctl is-active {UNIT}") == "active"
    note("back on purpose", outcome="image, configuration and state of before", **reported(probes))

    container = after.container()["id"]
    again = deployment.run(state="previous")
    assert again["changed"] is False, again
    assert host.look().container()["id"] == container

    forward = deployment.run("v2", config=CONFIG)
    assert forward["changed"], forward
    latest = host.look()
    clean(before, World(**{**vars(latest), "files": {p: w for p, w in latest.files.items() if "later.md" not in p}}))
    assert latest.below(ETC) == newer.below(ETC)
    assert latest.images[IMAGE] == deployment.images["v2"] == latest.container()["image"]
    assert state_version(deployment) == "2"


def test_check_mode_reports_so_and_touches_nothing(before: World, deployment: Deployment, host: FaultHost) -> None:
    assert deployment.run("v2")["changed"]
    newer = host.look()
    predicted = deployment.run(state="previous", check=True)
    assert predicted["changed"], predicted
    assert host.look() == newer
    assert deployment.run(state="previous")["actions"] == predicted["actions"]


def test_without_a_deployment_before(before: World, deployment: Deployment, host: FaultHost) -> None:
    answer = deployment.run(state="previous")
    assert answer["failed"]
    assert "no previous deployment" in answer["msg"]
    untouched(before, host.look())


def test_an_image_that_is_gone(before: World, deployment: Deployment, host: FaultHost) -> None:
    """Another user pruned the host."""
    gone = deployment.one_more("gone", "v1")
    assert deployment.run("gone")["changed"]
    assert deployment.run("v2")["changed"]
    newer = host.look()
    tags = [tag for tag, image in newer.images.items() if image == gone]
    host.check(f"docker rmi --force {' '.join(tags)} >/dev/null; ! docker image inspect {gone} 2>/dev/null >&2")
    with host.probed() as probes:
        answer = deployment.run(state="previous")
    assert answer["failed"]
    assert "image of the previous deployment" in answer["msg"]
    assert probes.failed == 0
    assert host.look().container()["id"] == newer.container()["id"]


def test_the_way_back_that_is_killed(before: World, deployment: Deployment, host: FaultHost) -> None:
    assert deployment.run("v2", config=CONFIG)["changed"]
    for phase in ("preparing", "stopping", "starting", "committing") if LONG else ("starting", "committing"):
        cut = deployment.interrupt(state="previous", plan={"phase": phase, "what": "group"})
        assert cut.reached is not None, cut
    deployment.run(state="previous")
    after = host.look()
    restored(before, after)
    assert (state_version(deployment), host.answers()) == ("1", True)
    assert deployment.run(state="previous")["changed"] is False
    assert converged(deployment, before, "v2") > 0
