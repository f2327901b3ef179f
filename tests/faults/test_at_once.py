"""Several runs at the same time: one of them works, the others find its result."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import plain
import pytest
from deployment import COMPOSE, CONFIG, CONTAINER, Deployment
from harness import LONG, FaultHost, World, wait_until
from proofs import clean, converged, state_version

REPEATS = 50 if LONG else 2
HOLDER = re.compile(
    r"process (\d+) \(\S+\) holds the lock for (\d+) seconds?, since (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC)"
)


@pytest.mark.parametrize("runs", [2, 5] if LONG else [2])
def test_one_result(
    runs: int, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    options = deployment.options("v2", health={"stabilize": 0})
    longest = 0.0
    for number in range(REPEATS):
        deployment.good()
        from_nothing = number % 2 == 1
        if from_nothing:
            assert deployment.run(state="absent")["changed"]
        deployment.tag("v2")
        start = time.monotonic()
        processes = [host.start("hardened_compose", options, diff=False) for _run in range(runs)]
        answers = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
        longest = max(longest, time.monotonic() - start)
        assert [answer["msg"] for answer in answers if answer.get("failed")] == []
        assert sorted(answer["changed"] for answer in answers) == [False] * (runs - 1) + [True]
        assert len({answer["container_id"] for answer in answers}) == 1
        after = host.look()
        clean(before, after)
        assert after.container()["image"] == deployment.images["v2"]
        assert (state_version(deployment), host.answers()) == ("2", True)
    note(f"{runs} runs at once", outcome="one works, the others find its result", repeats=REPEATS,
         longest_seconds=round(longest, 1))  # fmt: skip


@pytest.mark.parametrize("runs", [2, 5])
def test_by_plain_compose(
    runs: int, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """From nothing, as after a `down`."""
    plain.begin(deployment)
    host.check(f"docker compose --file {COMPOSE} down 2>&1")
    one = f"{plain.UP} >/root/up.$n 2>&1 && echo 0 >> /root/codes || echo 1 >> /root/codes"
    host.check(f"rm -f /root/codes; for n in $(seq {runs}); do ({one}) & done; wait")
    codes = host.check("cat /root/codes").split()
    words = host.check("grep -hiE 'error|conflict|duplicate|already' /root/up.* | sort | uniq -c | sort -rn | head -3")
    after = host.look()
    note(f"{runs} runs at once", "plain",
         outcome=f"{codes.count('0')} of {runs} succeed; the gateway {'answers' if host.answers() else 'is down'}",
         networks=len(after.networks) - len(before.networks), message=words)  # fmt: skip
    assert len(codes) == runs


def test_who_waits_too_long_is_reported_for_whom(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    deployment.tag("v2-slow")
    first = host.start("hardened_compose", deployment.options("v2-slow"), diff=False)
    wait_until(lambda: host.run("test -s /var/lib/openclaw-hardening/deploy.lock").returncode == 0, "no lock is held")
    now = host.check("date -u '+%F %H:%M'")
    second = host.module("hardened_compose", deployment.options("v2", lock_timeout=1), diff=False)
    assert second["failed"]
    holder = HOLDER.search(second["msg"])
    assert holder, second["msg"]
    assert "hardened_compose" in host.run(f"cat /proc/{holder[1]}/cmdline").stdout
    assert abs(int(holder[3][14:16]) - int(now[-2:])) <= 1
    answer = json.loads(first.communicate(timeout=300)[0])
    assert answer["changed"], answer
    clean(before, host.look())
    note("a second run that waits too long", outcome="refused; names the process and since when", message=second["msg"])


def test_two_that_want_something_else_come_one_after_the_other(
    before: World, deployment: Deployment, host: FaultHost
) -> None:
    one = deployment.options(config={"logging": {"maxFileBytes": 5_000_000}}, health={"stabilize": 0})
    other = deployment.options(config={"logging": {"maxFileBytes": 6_000_000}}, health={"stabilize": 0})
    processes = [host.start("hardened_compose", options, diff=False) for options in (one, other)]
    answers = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    assert [answer["changed"] for answer in answers] == [True, True], answers
    clean(before, host.look())
    lines = host.check(f"""
        grep maxFileBytes {CONFIG}
        cat /proc/$(docker inspect --format '{{{{.State.Pid}}}}' {CONTAINER})/root{CONFIG} | grep maxFileBytes
    """).splitlines()
    assert lines[0].strip() == lines[1].strip()
    assert converged(deployment, before, "v1") > 0
