"""A channel is not the gateway, and who answers at its port need not be it: the four questions, deployed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from deployment import CONTAINER, UNIT, Deployment
from harness import ON_HOST, PORT, FaultHost, World, wait_until
from proofs import reported, restored, state_version, untouched

DEAD = {"stub": {"failing": ["telegram", "slack"]}}
SEEN = "/tmp/impostor.jsonl"  # on the host


def warned(answer: dict[str, Any]) -> str:
    """Return the warnings of a run."""
    return " ".join(map(str, answer.get("warnings", [])))


def test_a_dead_channel_is_a_warning_that_names_it(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """Deployed, deployed again without a change, and rolled back to: never a reason to fail, restart or wait."""
    answer = deployment.run(config=DEAD)
    assert answer["changed"], answer
    assert answer["health"]["not_ready"] == ["telegram", "slack"]
    assert "telegram, slack" in warned(answer)
    there = host.look().container()
    start = time.monotonic()
    again = deployment.run(config=DEAD)
    seconds = time.monotonic() - start
    assert (again["changed"], again["health"]["not_ready"]) == (False, ["telegram", "slack"])
    assert "telegram, slack" in warned(again)
    assert host.look().container() == there
    assert seconds < 30 - 5  # the patience with a gateway that is not well, which it is
    with host.probed() as probes:
        bad = deployment.run("dies", health={"stabilize": 10})
    assert (bad["failed"], bad["outcome"]) == (True, "rolled_back"), bad["msg"]
    assert (
        host.look().container()["config_hash" if "config_hash" in there else "image"]
        == there["config_hash" if "config_hash" in there else "image"]
    )
    assert host.run(f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{PORT}/readyz").stdout == "503"
    note("a dead channel", outcome="a warning that names it; no wait, no restart; it is rolled back to",
         seconds_without_change=round(seconds, 1), **reported(probes))  # fmt: skip


def test_a_channel_that_dies_later_changes_nothing(before: World, deployment: Deployment, host: FaultHost) -> None:
    config = {"stub": {"failing": ["telegram"], "failing_after": 2}}
    assert deployment.run(config=config, health={"stabilize": 4})["changed"]
    wait_until(lambda: "503" in host.run(f"curl -sI -X GET http://127.0.0.1:{PORT}/readyz | head -1").stdout, "503")
    again = deployment.run(config=config)
    assert (again["changed"], again["health"]["not_ready"]) == (False, ["telegram"])
    diagnosis = host.module("gateway_diagnosis", {})
    channels = [(found["level"], found["found"]) for found in diagnosis["findings"] if found["id"] == "channel"]
    assert diagnosis["serves"], diagnosis["messages"]
    assert channels == [("warning", "the channel telegram is not ready; the gateway itself serves")]


def test_the_operator_may_let_a_dead_channel_decide(before: World, deployment: Deployment, host: FaultHost) -> None:
    answer = deployment.run(config=DEAD, candidate="never", health={"require_dependencies": True, "timeout": 3})
    assert (answer["failed"], answer["outcome"]) == (True, "rolled_back"), answer
    assert "/readyz: 503 (telegram, slack)" in answer["msg"]
    restored(before, host.look())


@pytest.mark.parametrize(
    ("stub", "reports"),
    [
        ({"starting": 600}, "/startupz: 503"),
        ({"startupz": "missing"}, "does not know /startupz"),
        ({"startupz": "page"}, "does not know /startupz"),
        ({"broken": True}, "POST /tools/invoke: 500 with the token"),
        ({"failing": ["agent-database:main"]}, "names agent-database:main"),
    ],
    ids=["never started", "startupz missing", "startupz a page", "token not served", "own part failing"],
)
def test_a_gateway_that_is_not_started_or_does_not_serve_is_refused(
    stub: dict[str, Any], reports: str, before: World, deployment: Deployment, host: FaultHost
) -> None:
    answer = deployment.run(config={"stub": stub}, health={"timeout": 6})
    assert (answer["failed"], answer["outcome"]) == (True, "unchanged"), answer
    assert reports in answer["msg"], answer["msg"]
    assert "skipping channel start" in answer["msg"]  # the candidate was reported to
    untouched(before, host.look())


def test_a_slow_start_is_waited_for_and_only_a_candidate_is_silenced(
    before: World, deployment: Deployment, host: FaultHost
) -> None:
    answer = deployment.run(config={"stub": {"starting": 3}})
    assert answer["changed"], answer
    assert answer["health"]["seconds_to_ready"] >= 2
    environment = host.check(f"docker inspect --format '{{{{json .Config.Env}}}}' {CONTAINER}")
    assert "OPENCLAW_SKIP_" not in environment
    assert "skipping channel start" not in host.check(f"docker logs {CONTAINER} 2>&1")


# --- another process at the port ----------------------------------------------------------------------------------


@contextmanager
def impostor(host: FaultHost, status: int, seconds: float = 0) -> Iterator[None]:
    """Let an account without rights wait for the port, take it, and answer everybody with this status."""
    run = f"python3 {ON_HOST}/impostor.py {PORT} {status} {seconds:g} {SEEN}"
    host.check(f"rm -f {SEEN}; chmod 0755 {ON_HOST}; cp {ON_HOST}/impostor.py /tmp/impostor.py; "
               f"setsid setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs "
               f"{run.replace(ON_HOST, '/tmp')} >/dev/null 2>&1 </dev/null &")  # fmt: skip
    try:
        yield
    finally:
        host.run(f"pkill -9 -u 65534 -f impostor.py; rm -f {SEEN} /tmp/impostor.py")


def shown(host: FaultHost) -> list[str]:
    """Return what the impostor was shown: requests, and a line when it got the port."""
    return [json.loads(line) for line in host.run(f"cat {SEEN}").stdout.splitlines()]


@pytest.mark.parametrize("status", [200, 503])
def test_one_that_is_there_already_is_named_before_anything_is_touched(
    status: int, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    host.check(f"systemctl stop {UNIT}")
    with impostor(host, status):
        wait_until(lambda: shown(host), "the impostor has no port")
        answer = deployment.run("v2")
        requests = shown(host)[1:]
    assert (answer["failed"], answer["outcome"]) == (True, "unchanged"), answer
    assert "python3 (process " in answer["msg"]
    assert "user nobody" in answer["msg"]
    assert requests == []
    assert host.look().below("/etc/openclaw") == before.below("/etc/openclaw")
    note(
        f"another account at the port, answering {status}",
        outcome="refused by name, nothing touched",
        message=answer["msg"],
    )
    assert deployment.run()["changed"]


@pytest.mark.parametrize("status", [200, 503])
def test_one_that_takes_it_in_the_gap_is_waited_for_and_believed_nothing(
    status: int, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    with impostor(host, status, seconds=4), host.probed() as probes:
        answer = deployment.run("v2", health={"timeout": 60})
        requests = shown(host)
    assert not answer.get("failed"), answer
    assert requests[0] == "taken"
    assert not [request for request in requests if "Authorization" in request or "POST" in request]
    assert answer["probes"]["seconds_failed"] >= 3  # its 200 is not the gateway's
    assert state_version(deployment) == "2"
    note(
        f"another account takes the port in the gap for 4 s, answering {status}",
        outcome="version 2 serves",
        **reported(probes),
    )


def test_one_that_stays_is_named_and_the_next_run_goes_on_when_it_is_gone(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    with impostor(host, 200):
        answer = deployment.run("v2", health={"timeout": 5})
        assert not [request for request in shown(host) if "Authorization" in request]
    assert (answer["failed"], answer["outcome"]) == (True, "rollback_failed"), answer
    assert "user nobody" in answer["msg"]
    note(
        "another account takes the port in the gap and stays",
        outcome="named; the next run goes on",
        message=answer["msg"],
    )
    assert deployment.run()["changed"]
    restored(before, host.look())
