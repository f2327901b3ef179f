"""What never ends: a gateway that drips, a check that hangs, a Docker that is frozen, a command that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from deployment import Deployment
from harness import LONG, RECORDS, FaultHost, World, wait_until
from proofs import converged, reported, restored, state_version, untouched

# Where the CLI looks first for `docker compose`.
PLUGIN = "/root/.docker/cli-plugins/docker-compose"
# Generous: the machine may be busy. Without a deadline the run would hang until the harness gives it up, at 900 s.
LIMIT = 150


def timed(run: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], float]:
    """Run, and return the answer and how long it took."""
    start = time.monotonic()
    answer = run()
    seconds = round(time.monotonic() - start, 1)
    assert seconds < LIMIT
    return answer, seconds


def lock_is_free(host: FaultHost) -> None:
    """Nobody holds the lock."""
    host.check(f"flock --nonblock {RECORDS}/deploy.lock true")


@contextmanager
def frozen(host: FaultHost) -> Iterator[None]:
    """Stop the Docker daemon of the host as a process, and let it go on."""
    daemon = host.check("cat /run/docker.pid")
    host.check(f"kill -STOP {daemon}")
    try:
        yield
    finally:
        host.check(f"kill -CONT {daemon}")


@pytest.mark.parametrize("image", ["drips", "drips-in-place"] if LONG else ["drips-in-place"])
def test_a_gateway_that_drips_is_no_gateway(
    image: str, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """A header byte a second, as a candidate or only when it serves."""
    with host.probed() as probes:
        answer, seconds = timed(lambda: deployment.run(image, health={"timeout": 8}))
    assert answer["failed"], answer
    assert "timeout" in answer["msg"]
    lock_is_free(host)
    (untouched if image == "drips" else restored)(before, host.look())
    assert state_version(deployment) == "1"
    note(
        f"image that {image}", outcome=f"version 1 serves, after {seconds} s", **reported(probes), message=answer["msg"]
    )


@pytest.mark.parametrize("argv", [["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]])
def test_a_check_of_the_configuration_that_never_ends(
    argv: list[str], before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    options = deployment.options("v2", config={"logging": {"maxFileBytes": 5_000_000}}, command_timeout=4)
    options["validate"]["argv"] = argv
    deployment.tag("v2")
    answer, seconds = timed(lambda: host.module("hardened_compose", options, diff=False))
    assert answer["failed"], answer
    assert "no end after 4 seconds of waiting for OpenClaw's check of" in answer["msg"]
    assert "set 'command_timeout'" in answer["msg"]
    assert answer["outcome"] == "unchanged"
    lock_is_free(host)
    assert host.check("docker ps --all --quiet --filter name=-check-") == ""
    untouched(before, host.look())
    note("configuration check never ends", outcome=f"refused after {seconds} s", message=answer["msg"])


def test_a_docker_that_is_frozen(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    deployment.tag("v2")
    with frozen(host):
        answer, seconds = timed(
            lambda: host.module("hardened_compose", deployment.options("v2", command_timeout=4), diff=False)
        )
        lock_is_free(host)
        preflight, _seconds = timed(lambda: host.module("deployment_info", {"project": "openclaw"}, diff=False))
    assert answer["failed"], answer
    assert "no answer within 4 seconds" in answer["msg"]
    assert preflight["failed"], preflight
    note("Docker frozen before", outcome=f"refused after {seconds} s", message=answer["msg"])
    converged(deployment, before, "v2")


def test_a_docker_that_freezes_meanwhile(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    script = "kill -STOP $(cat /run/docker.pid)"
    plan = {"phase": "starting", "what": "shell", "script": script}
    start = time.monotonic()
    try:
        cut = deployment.interrupt("v2", plan=plan, command_timeout=3, health={"timeout": 5})
        seconds = round(time.monotonic() - start, 1)
        lock_is_free(host)
    finally:
        host.check("kill -CONT $(cat /run/docker.pid)")
    assert cut.output == "0 ", cut.output
    assert cut.answer.get("failed"), cut
    wait_until(lambda: host.run("docker version >/dev/null 2>&1").returncode == 0, "Docker does not go on", 60)
    note("Docker freezes when starting", outcome=f"fails after {seconds} s; one run converges", seconds=seconds,
         message=cut.answer["msg"])  # fmt: skip
    converged(deployment, before, "v2")
    assert state_version(deployment) == "2"


def test_a_docker_command_that_sleeps(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """What it started sleeps in its stead: a plugin or a credential helper."""
    host.check(f"mkdir -p $(dirname {PLUGIN}); printf '#!/bin/sh\\nsleep 4711\\n' >{PLUGIN}; chmod +x {PLUGIN}")
    try:
        answer, seconds = timed(lambda: deployment.run("v2", command_timeout=4))
    finally:
        host.check(f"rm {PLUGIN}")
        deployment.tag("v1")
    assert answer["failed"], answer
    assert "docker compose" in answer["msg"]
    assert "no end after 4 seconds" in answer["msg"]
    lock_is_free(host)
    assert host.run("pgrep -f 'sleep 4711'").stdout == ""
    untouched(before, host.look())
    note("docker compose sleeps", outcome=f"refused after {seconds} s", message=answer["msg"])
