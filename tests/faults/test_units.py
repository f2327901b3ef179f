"""systemd_unit on a real host: when anything breaks, the old set goes on; after a kill, the next run converges."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from harness import LONG, ON_HOST, FaultHost

UNITS = "/etc/systemd/system"
LIB, ETC = "/usr/local/lib/fault-units", "/etc/fault-units"
KEEPER, JOB, CLOCK = "fault-keeper.service", "fault-job.service", "fault-job.timer"
RECORD = (
    f"{UNITS}/.{hashlib.sha256(chr(10).join(sorted((KEEPER, JOB, CLOCK))).encode()).hexdigest()[:16]}.hardening-pending"
)
SAME = "files and units are as they were before this run"


def unit_set(version: int, **changes: Any) -> dict[str, Any]:
    """A service that runs, a job and its timer, in a version that shows in each file, each link and each process."""
    start = f"/bin/sh -c 'exit {version}'"
    targets = "timers.target" if version % 2 else "multi-user.target"
    calendar = f"OnCalendar=2099-01-{version:02d}"
    often = "[Unit]\nStartLimitIntervalSec=0\n"  # more often than systemd.unit(5) lets anything be started
    keeper = f"[Service]\nEnvironment=UNIT={version}\nExecStart={LIB}/keep\n[Install]\nWantedBy=multi-user.target\n"
    return {
        "directories": [{"path": LIB}, {"path": ETC, "mode": "0750"}],
        "files": [
            {"path": f"{LIB}/keep", "mode": "0755", "content": "#!/bin/sh\n. /etc/fault-units/settings\n"
             f"exec env PROGRAM={version} SETTINGS=$SETTINGS sleep infinity\n"},
            {"path": f"{ETC}/settings", "mode": "0640" if version % 2 else "0644", "content": f"SETTINGS={version}\n"},
        ],
        "secrets": [{"path": f"{ETC}/secret", "value": f"value {version}"}],
        "units": [
            {"name": KEEPER, "content": f"{often}{keeper}"},
            {"name": JOB, "content": f"[Service]\nType=oneshot\nExecStart={start}\n"},
            {"name": CLOCK, "content": f"{often}[Timer]\n{calendar}\n[Install]\nWantedBy={targets}\n"},
        ],
        "enabled": [KEEPER, CLOCK],
        "started": [KEEPER, CLOCK],
        "exposure_limits": {KEEPER: 10},
        **changes,
    }  # fmt: skip


@dataclass(frozen=True)
class World:
    """What is there of the set (tests/on_host/snapshot.py)."""

    files: dict[str, str]
    units: dict[str, dict[str, str]]
    running: dict[str, dict[str, str]]

    @property
    def invocations(self) -> dict[str, str]:
        """Which start of each unit this is."""
        return {name: found["InvocationID"] for name, found in self.units.items()}


def is_version(world: World, version: int) -> None:
    """Assert that files, links, systemd and the running process are all of this version, and nothing is beside."""
    wanted = unit_set(version)
    link = "timers.target.wants" if version % 2 else "multi-user.target.wants"
    assert world.files == {
        **{item["path"]: f"directory {item.get('mode', '0755')} 0:0 1 " for item in wanted["directories"]},
        **{item["path"]: f"file {item['mode']} 0:0 1 {item['content']}" for item in wanted["files"]},
        **{f"{UNITS}/{unit['name']}": f"file 0644 0:0 1 {unit['content']}" for unit in wanted["units"]},
        f"{ETC}/secret": f"file 0400 0:0 1 value {version}",
        f"{UNITS}/multi-user.target.wants/{KEEPER}": f"link 0777 0:0 1 {UNITS}/{KEEPER}",
        f"{UNITS}/{link}/{CLOCK}": f"link 0777 0:0 1 {UNITS}/{CLOCK}",
    }
    for name in (KEEPER, CLOCK):
        found = world.units[name]
        assert (found["ActiveState"], found["UnitFileState"], found["NeedDaemonReload"]) == ("active", "enabled", "no")
    assert f"2099-01-{version:02d}" in world.units[CLOCK]["NextElapseUSecRealtime"]
    assert world.running == {KEEPER: dict.fromkeys(("UNIT", "PROGRAM", "SETTINGS"), str(version))}


class Units:
    """The set on the host."""

    def __init__(self, host: FaultHost):
        self.host = host
        self.version = 1

    def run(self, options: dict[str, Any], **how: Any) -> dict[str, Any]:
        """Run the module."""
        return self.host.module("systemd_unit", options, **how)

    def look(self) -> World:
        """Return what is there, once the service is what it will be."""
        what = json.dumps({"word": "fault-", "units": [KEEPER, JOB, CLOCK], "folders": [LIB, ETC]})
        for _attempt in range(50):
            world = World(**json.loads(self.host.check(f"python3 {ON_HOST}/snapshot.py units '{what}'")))
            if all(found["PROGRAM"] for found in world.running.values()):
                break
            time.sleep(0.05)
        return world

    def good(self) -> tuple[World, int]:
        """Begin with a good set, whatever the last test left; return the world with it and the version to go to."""
        answer = self.run(unit_set(self.version))
        assert "msg" not in answer, answer
        world = self.look()
        is_version(world, self.version)
        return world, self.version + 1

    def killed(self, options: dict[str, Any], **moment: Any) -> bool:
        """Run the module and kill it at that moment; return whether it was killed."""
        cut = self.host.interrupt("systemd_unit", options, what="kill", **moment)
        if not cut.killed:
            assert "msg" not in json.loads(cut.out), cut
        return cut.killed

    def converges(self, version: int) -> bool:
        """One run makes it true as check mode reports, the next finds nothing to do; return whether the first
        changed.
        """
        foretold = self.run(unit_set(version), check=True)
        answer = self.run(unit_set(version))
        assert "msg" not in answer, answer
        assert answer["actions"] == foretold["actions"]
        is_version(self.look(), version)
        assert self.run(unit_set(version))["changed"] is False
        self.version = version
        return answer["changed"]


@pytest.fixture(scope="module")
def units(host: FaultHost) -> Iterator[Units]:
    """The host, with nothing of the set before and after."""
    found = Units(host)
    yield found
    answer = found.run(unit_set(1, state="absent"))
    assert "msg" not in answer, answer
    left = {path: what for path, what in found.look().files.items() if path not in (LIB, ETC)}
    host.check(f"rm -rf {LIB} {ETC}; systemctl reset-failed")
    assert left == {}


@contextmanager
def mounted(host: FaultHost, folder: str, script: str) -> Iterator[None]:
    """Put a copy of a folder in its place, on a small file system of its own, and do something to it."""
    stage = "/run/fault-units"
    host.check(f"""
      mkdir -p {stage}; mount -t tmpfs -o size=256k,mode=755 fault-units {stage}
      cp -a {folder}/. {stage}/; chmod --reference={folder} {stage}; mount --bind {stage} {folder}
      {script}""")
    try:
        yield
    finally:
        host.check(f"umount {folder}; umount {stage}; rmdir {stage}")


FILL = "dd if=/dev/zero of={0}/filler bs=1k status=none || true"
FULL = "No space left on device (errno 28), needed free space"
READ_ONLY = "Read-only file system (errno 30), needed a file system that is mounted for writing"


@pytest.mark.parametrize("place", [LIB, ETC, UNITS])
@pytest.mark.parametrize(
    ("script", "output"), [(FILL, FULL), ("mount -o remount,bind,ro {0}", READ_ONLY)], ids=["full", "read-only"]
)
def test_a_place_that_cannot_be_written_leaves_all_as_it_was(units, place, script, output):
    """The first, a later, and a unit file: nothing of the set is touched, no unit is started again."""
    before, new = units.good()
    with mounted(units.host, place, script.format(place)):
        answer = units.run(unit_set(new))
        assert output in answer["msg"]
        assert answer["restored"] == [SAME]
        now = units.look()
        now.files.pop(f"{place}/filler", None)
        assert now == before
    assert units.look() == before


def broken(name: str, version: int) -> dict[str, Any]:
    """A set that cannot be installed, and why."""
    options = unit_set(version)
    keeper = options["units"][0]
    if name == "verify":
        keeper["content"] += "[Service]\nProtectSystem=nonsense\n"
    elif name == "exposure":
        options["exposure_limits"] = {KEEPER: 0.5}
    elif name == "not enabled":
        options["units"][2]["content"] = options["units"][2]["content"].partition("[Install]")[0]
    elif name == "start":
        keeper["content"] = "[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"
    elif name == "start, and full":
        fill = f"/bin/sh -c 'dd if=/dev/zero of={LIB}/filler bs=1k; exit 1'"
        keeper["content"] = f"[Service]\nType=oneshot\nExecStart={fill}\n[Install]\nWantedBy=multi-user.target\n"
    return options


@pytest.mark.parametrize(
    ("name", "output"),
    [("verify", "ProtectSystem"), ("exposure", "needed at most 0.5"), ("not enabled", "a unit that [Install] enables")],
)
def test_a_set_that_is_refused_leaves_all_as_it_was(units, name, output):
    before, new = units.good()
    answer = units.run(broken(name, new))
    assert output in answer["msg"]
    assert units.look() == before


def test_an_exposure_in_effect_is_checked_while_the_old_set_runs(units):
    """A drop-in of the host opens what the unit file shuts."""
    before, new = units.good()
    options = unit_set(new)
    options["units"][0]["content"] = options["units"][0]["content"].replace(
        "[Service]", "[Service]\nPrivateNetwork=yes"
    )
    shut = units.run(options, check=True)["units"][KEEPER]["exposure"]
    folder = f"{UNITS}/{KEEPER}.d"
    units.host.check(f"mkdir {folder}; printf '[Service]\\nPrivateNetwork=no\\n' > {folder}/open.conf")
    try:
        answer = units.run({**options, "exposure_limits": {KEEPER: shut}})
        assert f"needed at most {shut}" in answer["msg"]
        assert "open.conf" in answer["msg"]
        assert answer["restored"] == [SAME]
        now = units.look()
        assert {path: what for path, what in now.files.items() if KEEPER + ".d" not in path} == before.files
        assert (now.units, now.running) == (before.units, before.running)
    finally:
        units.host.check(f"rm -r {folder}; systemctl daemon-reload")


@pytest.mark.parametrize("name", ["start", "start, and full"])
def test_a_service_that_does_not_start_brings_the_old_one_back(units, name):
    """Also when it fills the disk before it fails: to put back needs no space."""
    before, new = units.good()
    with mounted(units.host, LIB, ":"):
        answer = units.run(broken(name, new))
        assert "systemctl restart" in answer["msg"]
        assert answer["restored"] == [SAME]
        now = units.look()
        full = now.files.pop(f"{LIB}/filler", None)
        assert bool(full) == ("full" in name)
        is_version(now, units.version)
        assert now.files == before.files
        assert now.invocations[KEEPER] != before.invocations[KEEPER]


def test_a_broken_first_installation_leaves_nothing(units):
    units.run(unit_set(1, state="absent"))
    before = units.look()
    assert "systemctl" in units.run(broken("start", 2))["msg"]
    assert units.look() == before


MOMENTS: list[dict[str, Any]] = [
    *({"verb": verb} for verb in ("daemon-reload", "reenable", "restart")),
    {"verb": "restart", "done": True},
    *({"verb": verb, "done": True} for verb in (("daemon-reload", "reenable") if LONG else ())),
    *({"appears": "record", "gone": gone} for gone in (False, True)),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: " ".join(map(str, moment.values())))
def test_killed_between_two_phases(units, moment):
    """The record reports so; the next run puts into effect what is not yet, and check mode foretells it."""
    before, new = units.good()
    assert units.killed(unit_set(new), **{**moment, **({"appears": RECORD} if "appears" in moment else {})})
    now = units.look()
    assert (RECORD in now.files) == (not moment.get("gone"))
    if moment == {"verb": "restart"}:
        assert now.files != before.files
        assert now.running == before.running, "the service goes on with what the next run has to find"
    # The record is the first thing that goes: what is killed then is confirmed already.
    assert units.converges(new) or moment.get("gone")


@pytest.mark.parametrize("name", ["verify", "start"])
def test_killed_and_then_a_broken_set_goes_back_to_what_was_confirmed(units, name):
    """Whether it is refused before anything changes, or afterwards."""
    before, new = units.good()
    assert units.killed(unit_set(new), verb="restart", done=True)
    answer = units.run(broken(name, new))
    assert answer["restored"] == ["files and units are as they were before the run that was killed"]
    now = units.look()
    is_version(now, units.version)
    assert now.files == before.files
    assert units.converges(units.version) is False


@pytest.mark.parametrize("state", ["present", "absent"] if LONG else ["present"])
def test_killed_and_then_taken_away(units, state):
    _before, new = units.good()
    assert units.killed(unit_set(new, state=state), verb="daemon-reload")
    assert "msg" not in units.run(unit_set(new, state="absent"))
    world = units.look()
    assert not [path for path in world.files if path not in (LIB, ETC)]
    assert {found["ActiveState"] for found in world.units.values()} == {"inactive"}
    assert units.run(unit_set(new, state="absent"))["changed"] is False


def test_files_from_the_future_hide_nothing(units):
    """A clock that was set back: systemd takes a unit file for changed only when it is newer than the one it read."""
    _before, new = units.good()
    units.host.check(f"touch -d '+1 day' {UNITS}/fault-*; systemctl daemon-reload")
    assert units.killed(unit_set(new), verb="daemon-reload")
    assert units.look().units[CLOCK]["NeedDaemonReload"] == "no"
    assert units.converges(new)


def test_killed_at_random_moments(units):
    """As often as not it is killed while it looks or checks; the next run converges all the same."""
    chance = random.Random(20261125)
    units.good()
    began = time.monotonic()
    units.run(unit_set(2))
    longest = time.monotonic() - began
    for version in range(3, 23 if LONG else 5):
        units.killed(unit_set(version), seconds=chance.uniform(0.1, longest))
        units.converges(version)


def test_runs_at_once_take_turns(units):
    units.good()
    for runs in [2, 5] * 10 if LONG else [3]:
        processes = [units.host.start("systemd_unit", unit_set(version)) for version in range(2, 2 + runs)]
        answers = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
        assert [answer.get("msg") for answer in answers] == [None] * runs
        last = int(units.look().running[KEEPER]["UNIT"])
        assert units.converges(last) is False


def test_a_run_that_may_not_wait_names_the_other(units):
    _before, new = units.good()
    slow = unit_set(new)
    wait = "ExecStartPre=/bin/sh -c 'until [ -e /run/fault-go ]; do sleep 0.1; done'"
    slow["units"][0]["content"] = slow["units"][0]["content"].replace("ExecStart=", f"{wait}\nExecStart=")
    first = units.host.start("systemd_unit", slow)
    units.host.check("until systemctl is-active fault-keeper.service | grep -q activating; do sleep 0.1; done")
    answer = units.run({**unit_set(new), "lock_timeout": 0})
    units.host.check("touch /run/fault-go")
    assert "msg" not in json.loads(first.communicate(timeout=60)[0])
    units.host.check("rm /run/fault-go")
    assert "another run at work" in answer["msg"]
    assert "(systemd_unit.py) holds the lock for" in answer["msg"]
    assert answer["msg"].endswith("set 'lock_timeout'")


@pytest.mark.skipif(not LONG, reason="a host reset for real takes half a minute; FAULTS=long")
@pytest.mark.parametrize("verb", ["daemon-reload", "reenable", "restart"])
def test_a_reset_of_the_host_in_between(units, verb):
    host = units.host
    _before, new = units.good()
    assert units.killed(unit_set(new), verb=verb)
    host.check("touch /run/fault-before")
    host.run("systemctl --force --force reboot", timeout=20)
    for _attempt in range(120):
        time.sleep(1)
        if host.run("[ ! -e /run/fault-before ] && systemctl is-system-running --wait").stdout.strip() == "running":
            break
    assert RECORD in units.look().files
    assert units.converges(new)
