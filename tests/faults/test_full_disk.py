"""No room, or no right to write: what was there stays as it was, and with room again one run is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from deployment import ETC, STATE, Deployment
from harness import LONG, RECORDS, FaultHost, World
from proofs import converged, reported, restored, state_version, untouched

FILLER = "filler"
CONFIG = {"logging": {"maxFileBytes": 5_000_000}}


@contextmanager
def small_disk(deployment: Deployment, path: str, size: str) -> Iterator[World]:
    """Put a file system of its own, in memory, where a folder was; the deployment runs from there. Yields the world."""
    host = deployment.host
    host.check(f"""
        tar -cpf /root/moved.tar -C {path} .
        mount -t tmpfs -o size={size},mode=$(stat -c %a {path}) none {path}
        tar -xpf /root/moved.tar -C {path}
    """)
    try:
        assert not deployment.run(health={"stabilize": 0}).get("failed")  # the container has the files of the new place
        host.check(f"rm -rf {RECORDS}/previous")
        yield host.look()
    finally:
        # What runs from there has to go before.
        deployment.nothing()
        host.check(f"umount {path}")


def fill(path: str, free_pages: int = 0) -> str:
    """Return shell that leaves so many pages of 4096 bytes free."""
    return f"""
        head --bytes=100G /dev/zero > {path}/{FILLER} 2>/dev/null || true
        truncate --size=-{free_pages * 4096} {path}/{FILLER}
    """


@pytest.mark.parametrize("what", ["configuration", "definition", "secret"] if LONG else ["definition"])
def test_while_a_file_is_written(
    what: str, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    options = deployment.options(config=CONFIG if what != "secret" else None, health={"stabilize": 0})
    if what == "definition":
        options["definition"] += "# " + "x" * 8192 + "\n"  # more than the pages that are left
    if what == "secret":
        options = deployment.secret(options, "anthropic", "sk-canary-of-the-full-disk")
    with small_disk(deployment, ETC, "400k"):
        host.check(fill(ETC, 1 if what == "definition" else 0))
        full = host.look()
        with host.probed() as probes:
            answer = host.module("hardened_compose", options, diff=False)
        assert answer["failed"], answer
        assert "No space left on device" in answer["msg"]
        assert "canary" not in str(answer)
        after = host.look()
        restored(full, after)
        assert (after.unit, host.answers()) == ("active", True)
        host.check(f"rm {ETC}/{FILLER}")
        again = host.module("hardened_compose", options, diff=False)
        assert again["changed"], again
        assert host.module("hardened_compose", options, diff=False)["changed"] is False
        assert host.answers()
    note(f"disk full while a {what} is written", outcome=f"{answer.get('outcome', 'refused')}: version 1 serves, "
         "old files", **reported(probes), message=answer["msg"])  # fmt: skip


def test_while_the_journal_is_written(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    with small_disk(deployment, RECORDS, "1m"):
        host.check(fill(RECORDS))
        full = host.look()
        with host.probed() as probes:
            answer = deployment.run(config=CONFIG, candidate="never")
        assert answer["failed"], answer
        assert "No space left on device" in answer["msg"]
        untouched(full, host.look())
        assert probes.failed == 0
        host.check(f"rm {RECORDS}/{FILLER}")
        converged(deployment, full, "v1", config=CONFIG, candidate="never")
    note("disk full while the journal is written", outcome="version 1 serves, not touched", **reported(probes),
         message=answer["msg"])  # fmt: skip


def test_without_room_for_the_state(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """It is seen before anything is copied."""
    host.check(f"head --bytes=30M /dev/urandom > {STATE}/memory.bin; chown 1000:1000 {STATE}/memory.bin")
    with small_disk(deployment, RECORDS, "80m"):
        full = host.look()
        with host.probed() as probes:
            answer = deployment.run("v2")
        assert answer["failed"], answer
        assert [word for word in ("MiB free", "copies of", STATE, "copy_state") if word not in answer["msg"]] == []
        untouched(full, host.look())
        assert probes.failed == 0
    note("no room for a copy of the state", outcome="version 1 serves, not touched", **reported(probes),
         message=answer["msg"])  # fmt: skip


@pytest.mark.parametrize("phase", ["preparing", "stopping"])
def test_while_the_state_is_copied(
    phase: str, before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    """There was room when it was measured."""
    grown = f"head --bytes=30M /dev/urandom > {STATE}/memory.bin; chown 1000:1000 {STATE}/memory.bin"
    host.check(f"touch {STATE}/memory.bin; chown 1000:1000 {STATE}/memory.bin")
    with small_disk(deployment, RECORDS, "90m"):
        deployment.tag("v2")
        options = deployment.options("v2")
        with host.probed() as probes:
            script = f"{grown}\n{fill(RECORDS)}"
            cut = host.interrupt("hardened_compose", options, phase=phase, what="shell", script=script)
        assert cut.output == "0 ", cut.output
        assert cut.answer.get("failed"), cut
        assert "No space left on device" in cut.answer["msg"]
        host.check(f"rm -f {RECORDS}/{FILLER}")
        if cut.answer["outcome"] == "rollback_failed":  # not even the journal of the rollback could be written
            assert "By hand" in cut.answer["msg"]
        assert host.check(f"cat {STATE}/version") == "1"
        assert host.check(f"stat -c %s {STATE}/memory.bin") == str(30 << 20)
        host.check(f"truncate --size=0 {STATE}/memory.bin")
        converged(deployment, host.look(), "v2")
        assert state_version(deployment) == "2"
    note(f"disk full while the state is copied ({phase})", outcome=f"{cut.answer['outcome']}; one run converges",
         **reported(probes), message=cut.answer["msg"])  # fmt: skip


def test_on_the_way_back(before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]) -> None:
    with small_disk(deployment, ETC, "400k"):
        full = host.look()
        deployment.tag("fails-in-place")
        options = deployment.options("fails-in-place")
        cut = host.interrupt("hardened_compose", options, phase="restoring", what="shell", script=fill(ETC))
        answer = cut.answer
        assert (answer["failed"], answer["outcome"]) == (True, "rollback_failed")
        assert [word for word in ("No space left on device", "By hand") if word not in answer["msg"]] == []
        host.check(f"rm {ETC}/{FILLER}")
        converged(deployment, full, "v1")
        restored(full, host.look())
        assert state_version(deployment) == "1"
    note("disk full on the rollback", outcome="rollback_failed; with room, one run converges", message=answer["msg"])


def test_a_record_folder_that_cannot_be_written(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    host.check(f"mount --bind {RECORDS} {RECORDS}; mount -o remount,ro,bind {RECORDS}")
    try:
        with host.probed() as probes:
            answer = deployment.run("v2")
        assert answer["failed"], answer
        assert [word for word in (RECORDS, "Read-only file system") if word not in answer["msg"]] == [], answer["msg"]
        assert host.look().container()["id"] == before.container()["id"]
        assert probes.failed == 0
    finally:
        host.check(f"umount {RECORDS}")
    note("record folder that is read-only", outcome="version 1 serves, not touched", **reported(probes),
         message=answer["msg"])  # fmt: skip
    converged(deployment, before, "v2")
