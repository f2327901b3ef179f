"""hardened_image on a real host: killed, full or without a daemon, the name stays where it is, and a run converges."""

from __future__ import annotations

import json
import random
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import LONG, OF_THE_IMAGE, FaultHost, Interrupted, wait_until

long_only = pytest.mark.skipif(not LONG, reason="takes minutes; FAULTS=long")
ROLE = Path(__file__).resolve().parents[2] / "roles/openclaw_image"
NAME, RECORDS = "fault:hardened", "/var/lib/fault-hardening"
CANDIDATES = "openclaw-hardening-candidate"
# The module's own process; not the shell that started it.
MODULE = "pgrep -f '^python3 .*modules.hardened_image$'"
BUILDS = "pgrep -f 'buildx build' >/dev/null"
BUILDING = "for _ in $(seq 600); do pgrep -f 'buildx build' >/dev/null && break; sleep 0.05; done"
SESSION = secrets.token_hex(8)  # on a host that was used before nothing comes out of the builder's cache
DOCKERFILE = """ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS builder
ARG SECONDS
ARG VERSION
ARG SESSION
RUN mkdir /app && echo "$VERSION" > /app/openclaw.mjs && sleep "$SECONDS"
FROM scratch
COPY --from=builder /app /app
USER 1000:1000
HEALTHCHECK CMD ["true"]
"""


@dataclass(frozen=True)
class World:
    """Everything that a build could leave: other things than a deployment does (harness.World)."""

    images: tuple[str, ...]
    files: tuple[str, ...]
    processes: tuple[str, ...]
    mounts: tuple[str, ...]


class Images:
    """The image on the host, by version."""

    def __init__(self, host: FaultHost):
        self.host = host
        self.version = self.highest = 0
        variables = yaml.safe_load((ROLE / "vars/main.yml").read_text())
        self.packages = [
            *variables["_openclaw_image_runtime_packages"],
            *variables["_openclaw_image_builder_packages"],
        ]
        self.before = self.look()

    def recipe(self, version: int, seconds: float = 0, **changes: Any) -> dict[str, Any]:
        """The options for a version; its build takes some time. Its base is the one of the deployment."""
        return {
            "name": NAME,
            "dockerfile": DOCKERFILE,
            "build_args": {"VERSION": str(version), "SECONDS": str(seconds), "SESSION": SESSION},
            "base": {"source": "debian", "packages": self.packages},
            "record_dir": RECORDS,
            **changes,
        }

    def run(self, version: int, **how: Any) -> dict[str, Any]:
        """Run the module."""
        return self.host.module("hardened_image", self.recipe(version, **how))

    def start(self, version: int, **how: Any) -> subprocess.Popen[str]:
        """Begin to run the module."""
        return self.host.start("hardened_image", self.recipe(version, **how))

    def next(self) -> int:
        """Begin with a good image; return the version to go to, which no test before has tried."""
        if not self.version:
            self.converges(1)
        self.highest += 2
        return self.highest

    def content(self) -> str:
        """Which version the name means, read from the image itself."""
        return self.host.check(
            f"id=$(docker create {NAME} x); docker cp $id:/app/openclaw.mjs - | tar -xO; docker rm $id >/dev/null"
        )

    def converges(self, version: int, **how: Any) -> dict[str, Any]:
        """One run makes it true, the next finds nothing to do, and nothing of any run before is left."""
        answer = self.run(version, **how)
        assert "msg" not in answer, answer
        assert self.content() == str(version)
        again = self.run(version, **how)
        assert (again["changed"], again["actions"], again["image_id"]) == (False, [], answer["image_id"])
        record = json.loads(self.host.check(f"cat {RECORDS}/image.json"))
        assert record["image_id"] == answer["image_id"]
        self.version, self.highest = version, max(version, self.highest)
        self.clean()
        return answer

    def look(self) -> World:
        """Return what is there."""
        script = f"""
          docker images --all --format '{{{{.Repository}}}}:{{{{.Tag}}}}' | sort; echo --
          find {RECORDS} /var/tmp -maxdepth 1 -name '[!s]*' 2>/dev/null | sort; echo --
          pgrep -fa 'buildx|mmdebstrap|hardened_image' | grep -v pgrep; echo --
          findmnt --noheadings --raw --output TARGET | grep -v '^/run/\\|/var/lib/docker' | sort"""
        return World(*(tuple(part.strip().splitlines()) for part in self.host.run(script).stdout.split("--\n")))

    def clean(self) -> None:
        """Assert that nothing is there but the image, the one before, and their records."""
        now = self.look()
        own = {NAME, f"{NAME}-previous"}
        assert sorted(set(now.images) - own) == sorted(set(self.before.images) - own)
        assert now.images.count("<none>:<none>") == self.before.images.count("<none>:<none>")
        kept = {RECORDS, *(f"{RECORDS}/{name}" for name in (*OF_THE_IMAGE, "options"))}
        assert set(now.files) - set(self.before.files) <= kept
        assert now.processes == ()
        assert now.mounts == self.before.mounts

    def killed(self, version: int, how: dict[str, Any] | None = None, **moment: Any) -> Interrupted:
        """Begin with a version, and kill the module, not what it started, at that moment."""
        return self.host.interrupt("hardened_image", self.recipe(version, **(how or {})), what="kill", **moment)


@pytest.fixture(scope="module")
def images(host: FaultHost) -> Iterator[Images]:
    """The host, with nothing of the image before and after."""
    found = Images(host)
    yield found
    assert "msg" not in found.run(1, state="absent")
    host.check(f"rm -rf {RECORDS}")
    assert found.look() == found.before


def test_killed_while_it_builds(images):
    """The build goes on without its run; the next run waits for it instead of building beside it."""
    new = images.next()
    assert images.killed(new, {"seconds": 5}, when=BUILDS).killed
    alive = images.host.run("pgrep -f 'buildx build' -a").stdout
    assert CANDIDATES in alive, "the build should have outlived its run"
    assert images.content() == str(images.version)
    images.converges(new, seconds=5)


def test_killed_with_all_that_it_started(images):
    """As a reset of the host does."""
    new = images.next()
    process = images.start(new, seconds=60)
    images.host.check(f"{BUILDING}; sleep 1; kill -9 $({MODULE}) $(pgrep -f 'buildx build')")
    process.communicate(timeout=60)
    assert any("openclaw-build-" in path for path in images.look().files)
    assert images.content() == str(images.version)
    images.converges(new)


MOMENTS = {
    "the candidate has its name": f"docker image ls {CANDIDATES} | grep -q {CANDIDATES}",
    "the record is written": f"[ {RECORDS}/image.json -nt {RECORDS}/mark ]",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_when(images, moment):
    new = images.next()
    images.host.check(f"touch {RECORDS}/mark")
    images.killed(new, when=MOMENTS[moment])
    images.host.check(f"rm {RECORDS}/mark")
    assert images.content() in (str(images.version), str(new))
    images.converges(new)


def test_killed_at_random_moments(images):
    chance = random.Random(20261125)
    new = images.next()
    for version in range(new, new + (20 if LONG else 2)):
        images.killed(version, {"seconds": 1}, seconds=chance.uniform(0.2, 6))
        assert images.content() in (str(images.version), str(version))
        images.converges(version, seconds=1)


def test_killed_and_then_another_content(images):
    """What the killed build leaves belongs to a content that nobody asks for again."""
    new = images.next()
    assert images.killed(new, {"seconds": 2}, when=BUILDS).killed
    images.converges(new + 1)


@pytest.mark.parametrize(
    "script", ["dd if=/dev/zero of={0}/filler bs=1k status=none || true", "mount -o remount,ro {0}"]
)
def test_records_that_cannot_be_written_leave_the_name(images, script):
    """A disk that is full, and one that is mounted for reading."""
    new = images.next()
    host = images.host
    host.check(f"mount -t tmpfs -o size=256k,mode=700 fault-image {RECORDS}; {script.format(RECORDS)}")
    try:
        answer = images.run(new)
        assert "No space left on device" in answer["msg"] or "Read-only file system" in answer["msg"]
        assert "Traceback" not in json.dumps(answer)
    finally:
        host.check(f"umount {RECORDS}")
    assert images.content() == str(images.version)
    images.converges(new)


# What is given back is taken at once, as long as the module runs.
FILLER = f"""
import os, sys, time
with open("{RECORDS}/filler", "wb", buffering=0) as filler:
    while os.path.exists(f"/proc/{{sys.argv[1]}}"):
        try:
            filler.write(bytes(1024))
        except OSError:
            time.sleep(0.001)
"""


def test_a_disk_that_fills_up_while_it_builds_leaves_the_name(images):
    """The log has no room any more, and then the record has none."""
    new = images.next()
    host = images.host
    host.check(f"mount -t tmpfs -o size=256k,mode=700 fault-image {RECORDS}")
    try:
        process = images.start(new, seconds=2)
        host.check(f"{BUILDING}\n"
                   f"python3 - $({MODULE}) <<'PYTHON'\n{FILLER}\nPYTHON")  # fmt: skip
        answer = json.loads(process.communicate(timeout=120)[0])
        assert "No space left on device" in answer["msg"]
        assert "Traceback" not in json.dumps(answer)
    finally:
        host.check(f"umount {RECORDS}")
    assert images.content() == str(images.version)
    images.converges(new)


def test_two_runs_at_once_build_once(images):
    new = images.next()
    processes = [images.start(new, seconds=1) for _run in range(2)]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert sorted(answer["changed"] for answer in answers) == [False, True]
    assert len({answer["image_id"] for answer in answers}) == 1
    images.converges(new, seconds=1)


def test_a_daemon_that_is_killed_while_it_builds_leaves_the_name(images):
    """systemd brings the daemon back; the deployment on the host comes back with it."""
    new = images.next()
    process = images.start(new, seconds=60)
    images.host.check(f"{BUILDING}; sleep 1; kill -9 $(pidof dockerd)")
    answer = json.loads(process.communicate(timeout=120)[0])
    assert "msg" in answer
    assert "Traceback" not in json.dumps(answer)
    images.host.check("for _ in $(seq 300); do docker version >/dev/null 2>&1 && break; sleep 0.2; done")
    assert images.content() == str(images.version)
    images.converges(new)
    wait_until(images.host.answers, "the gateway does not come back with Docker", 60)


@long_only
def test_a_daemon_that_is_stopped_is_a_clean_message(images):
    new = images.next()
    images.host.check("systemctl stop docker.socket docker.service")
    try:
        answer = images.run(new)
        images.host.check(re.search("run `([^`]+)`", answer["msg"])[1])  # what the message reports, to the letter
    finally:
        images.host.run("systemctl start docker.socket docker.service")
    assert images.content() == str(images.version)
    images.converges(new)
    wait_until(images.host.answers, "the gateway does not come back with Docker", 60)


@long_only
def test_a_run_that_may_not_wait_names_the_build_that_goes_on(images):
    new = images.next()
    assert images.killed(new, {"seconds": 80}, when=f"{BUILDS} && sleep 1").killed
    answer = images.run(new, timeout=60)
    assert "a program that a run which is gone (hardened_image.py) had started: process" in answer["msg"]
    assert "docker" in answer["msg"]
    images.host.check("kill $(pgrep -f 'buildx build')")
    images.converges(new)


@long_only
@pytest.mark.parametrize("everything", [False, True])
def test_killed_while_it_makes_a_base(images, everything):
    """mmdebstrap outlives its run or not; its folder and mounts are gone afterwards."""
    new = images.next()
    base = {"source": "debian", "packages": ["netbase"]}
    process = images.start(new, base=base)
    images.host.check("until pgrep -f mmdebstrap >/dev/null; do sleep 0.05; done; sleep 5")
    if everything:
        images.host.check(f"kill -9 $({MODULE}) $(pgrep -f mmdebstrap)")
    else:
        images.host.check(f"kill -9 $({MODULE})")
        assert images.host.run("pgrep -f mmdebstrap").returncode == 0
    process.communicate(timeout=60)
    began = time.monotonic()
    try:
        answer = images.run(new, base=base)
        assert "msg" not in answer, answer
        assert images.run(new, base=base)["changed"] is False
    finally:
        known = images.before.images
        made = [name for name in images.look().images if name.startswith("openclaw-hardening-base:")]
        images.host.check(f"docker rmi {' '.join(name for name in made if name not in known)}")
    images.version = new
    images.clean()
    print(f"{time.monotonic() - began:.0f} seconds")
