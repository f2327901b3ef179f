"""What is demanded after a fault, of the world and not of the module's word."""

from __future__ import annotations

import time
from typing import Any

from deployment import ETC, IMAGE, STATE, Deployment
from harness import JOURNAL, Probes, World


def untouched(before: World, after: World) -> None:
    """The same container still runs, and nothing at all was changed or left behind."""
    for key in ("id", "started", "image", "status"):
        assert after.container()[key] == before.container()[key], key
    same_files(before, after)
    assert after.images[IMAGE] == before.images[IMAGE]
    assert after.left_over(before) == []


def restored(before: World, after: World) -> None:
    """Another container of the old image runs, with the old files and the old state."""
    assert after.container()["image"] == before.container()["image"]
    assert after.container()["status"] == "running"
    same_files(before, after)
    assert after.images[IMAGE] == before.images[IMAGE]
    assert after.left_over(before) == []


def same_files(before: World, after: World) -> None:
    """Every file of the deployment and of the state has its old bytes, mode and owner."""
    assert after.below(ETC) == before.below(ETC)
    assert after.below(STATE) == before.below(STATE)


def clean(before: World, after: World) -> None:
    """One container, the unit's; nothing of a run is left."""
    assert after.left_over(before) == []
    assert [found["name"] for found in after.containers] == [found["name"] for found in before.containers]
    assert after.container()["status"] == "running"


def converged(deployment: Deployment, before: World, image: str, **changes: Any) -> float:
    """One run leads to what is wanted, the next has nothing to do; return the seconds of the first."""
    host = deployment.host
    start = time.monotonic()
    answer = deployment.run(image, **changes)
    seconds = time.monotonic() - start
    assert not answer.get("failed"), answer["msg"]
    again = deployment.run(image, **changes)
    assert not again.get("failed"), again["msg"]
    assert again["changed"] is False, again["actions"]
    after = host.look()
    clean(before, after)
    assert after.container()["image"] == deployment.images[image] == after.images[IMAGE]
    assert host.answers()
    assert after.unit == "active"
    assert host.run(f"test -e {JOURNAL}").returncode != 0
    return round(seconds, 1)


def state_version(deployment: Deployment) -> str:
    """Return which version of the gateway the state is of, by its content."""
    lines = deployment.host.check(f"cat {STATE}/version {STATE}/sessions.jsonl {STATE}/workspace/notes.md").splitlines()
    version = lines[0]
    expected = [f'{{"text":"{text}","version":{version}}}' for text in ("hello", "goodbye")]
    assert lines[1:] == [*expected, "what the agent works on"]
    return version


def reported(probes: Probes) -> dict[str, Any]:
    """Return what a result keeps of the probes."""
    return {"asked": probes.asked, "failed_probes": probes.failed, "failed_seconds": probes.failed_seconds}
