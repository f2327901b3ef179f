# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The set of units: options, decision, and what is put back after a failure.

The service manager is a small program that keeps states in files, because none runs where these tests run; the files
of the set are real. The module against a real systemd is tested by Molecule.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import os
import sys

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import FileState, ManagedFile
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import install, unit_set
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import options as systemd_options
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import Unit, UnitStatus
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.unit_set import (
    Current,
    ManagedDirectory,
    Plan,
    UnitSet,
)
from unit.plugins.module_utils._systemd.test_manager import SERVICE, TIMER, Host

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="files of root are written")
STATUS = UnitStatus("active", "waiting", "enabled")

MANAGER = """#!{python}
import json, os, sys
path = os.environ["UNIT_STATES"]
states, log = json.load(open(path)), open(path + ".log", "a")
words = [word for word in sys.argv[1:] if not word.startswith("--")]
verb, names = words[0], words[1:]
log.write(" ".join(words) + "\\n")
if verb == "show":
    for name in names:
        active, enabled, invocation = states.get(name, ["inactive", "", 0])
        unit = os.path.join(os.environ["UNIT_FOLDER"], name)
        fragment = unit if os.path.exists(unit) else ""
        print(f"Id={{name}}\\nActiveState={{active}}\\nSubState=x\\nUnitFileState={{enabled}}\\nFragmentPath={{fragment}}\\nInvocationID={{invocation}}\\n")
for name in names if verb != "show" else []:
    state = states.setdefault(name, ["inactive", "disabled", 0])
    if verb in ("start", "restart"):
        text = open(os.path.join(os.environ["UNIT_FOLDER"], name)).read()
        if "Refused" in text:
            sys.exit("refused")
        state[0] = "failed" if "Broken" in text else "active"
        state[2] += 1
        if "Broken" in text:
            json.dump(states, open(path, "w"))
            sys.exit("job failed")
    if verb == "stop":
        state[0] = "inactive"
    if verb in ("enable", "reenable", "disable"):
        state[1] = "disabled" if verb == "disable" else "enabled"
json.dump(states, open(path, "w"))
"""


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """A host with a service manager; its call log is ``manager.log``."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (
        ("systemctl", MANAGER.format(python=sys.executable)),
        ("journalctl", "#!/bin/sh\necho last line\n"),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    states = tmp_path / "states.json"
    states.write_text("{}")
    units = tmp_path / "units"
    units.mkdir(mode=0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("UNIT_STATES", str(states))
    monkeypatch.setenv("UNIT_FOLDER", str(units))
    host = Host(tmp_path)
    host.units = units
    host.states = lambda: json.loads(states.read_text())
    host.log = lambda: (tmp_path / "states.json.log").read_text().splitlines()
    return host


def wanted(folder, timer=TIMER, **changes):
    units = (Unit("a.service", SERVICE), Unit("a.timer", timer))
    program = ManagedFile(f"{folder}/program", b"#!/bin/sh\n", 0o755)
    options = {"enabled": frozenset({"a.timer"}), "started": frozenset({"a.timer"}), **changes}
    return UnitSet(str(folder), units, (program,), **options)


def apply(host, target, check=bool):
    """What the module does; ``check`` may refuse the set."""
    found = unit_set.look(host, target)
    plan = unit_set.decide(target, found)
    return plan, install.act(host, target, found, plan, check) if plan.actions else None


# --- options ------------------------------------------------------------------------------------------------------

PARAMS = {
    "units": [{"name": "a.service", "content": SERVICE}, {"name": "a.timer", "content": TIMER}],
    "files": [],
    "secrets": [],
    "directories": [],
    "enabled": ["a.timer"],
    "started": ["a.timer"],
    "restart_on_change": True,
    "run": [],
    "run_timeout": 300,
    "refuse_foreign": False,
    "exposure_limits": {"a.service": "0.3"},
    "directory": "/etc/systemd/system",
    "state": "present",
}


def test_options_become_a_set():
    item = {"path": "/etc/x/s", "value": "v", "mode": "0400", "uid": 5, "gid": 6}
    got = systemd_options.wanted_set({**PARAMS, "secrets": [item]})
    assert got.names == ["a.service", "a.timer"]
    assert got.exposure_limits == {"a.service": 0.3}
    assert got.files == (ManagedFile("/etc/x/s", b"v", 0o400, 5, 6, secret=True),)


FILE = {"path": "/etc/x", "content": "x", "mode": "0644", "uid": 0, "gid": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": []}, "at least one unit"),
        ({"units": [PARAMS["units"][0]] * 2}, "each only once"),
        ({"enabled": ["b.timer"]}, "enabled: found b.timer, needed only units of the set"),
        ({"started": ["b.timer"]}, "started: found b.timer"),
        ({"exposure_limits": {"a.timer": 1}}, "for a service of the set"),
        ({"exposure_limits": {"a.service": 11}}, "from 0 to 10"),
        ({"exposure_limits": {"a.service": "low"}}, "from 0 to 10"),
        ({"exposure_limits": {"a.service": 10**400}}, "from 0 to 10"),
        ({"enabled": ["a\n\x1b[2J"]}, r"enabled: found a\\n\\x1b\[2J, needed"),
        ({"started": [f"{number}.timer" for number in range(999)]}, "and 989 more, needed only units of the set"),
        ({"files": [{**FILE, "path": "/proc/sys/kernel/core_pattern"}]}, "not below /dev, /proc"),
        ({"files": [{**FILE, "content": "\ud800"}]}, "files.content: found a lone surrogate"),
        ({"secrets": [{**FILE, "value": "canary-value\ud800", "mode": "0400"}]}, "secrets.value: found a lone"),
        ({"files": [{**FILE, "mode": "0777"}]}, "files.mode: found '0777'"),
        ({"files": [{**FILE, "path": "etc/x"}]}, "an absolute path"),
        ({"files": [FILE, FILE]}, "each path once"),
        ({"files": [{**FILE, "path": "/etc/systemd/system/a.service"}]}, "none among the unit files"),
        ({"secrets": [{**FILE, "value": "canary-value", "mode": "0644"}]}, "secrets.mode: found '0644'"),
        ({"directories": [{"path": "/x/../y", "mode": "0755", "uid": 0, "gid": 0}]}, "directories: found"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(changes, message):
    with pytest.raises(HardeningError, match=message) as refusal:
        systemd_options.wanted_set({**PARAMS, **changes})
    assert "canary-value" not in str(refusal.value)


def packed(content):
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


GZIPPED = {**FILE, "encoding": "gzip"}


def test_a_program_that_is_no_text_is_unpacked():
    program = bytes(range(256)) * 100
    got = systemd_options.wanted_set({**PARAMS, "files": [{**GZIPPED, "content": packed(program)}]})
    assert got.files == (ManagedFile("/etc/x", program, 0o644),)
    plain = systemd_options.wanted_set({**PARAMS, "files": [{**FILE, "encoding": "utf-8"}]})
    assert plain.files == (ManagedFile("/etc/x", b"x", 0o644),)


def test_the_largest_program_is_taken_and_one_byte_more_is_not():
    most = 16 << 20
    got = systemd_options.wanted_set({**PARAMS, "files": [{**GZIPPED, "content": packed(b"a" * most)}]})
    assert len(got.files[0].content) == most
    with pytest.raises(HardeningError, match="at most 16 MiB"):
        systemd_options.wanted_set({**PARAMS, "files": [{**GZIPPED, "content": packed(b"a" * (most + 1))}]})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no base64!",
        packed(b"a")[:-8],
        packed(b"a" * 9999)[:40],
        packed(b""),
        base64.b64encode(b"plain text").decode(),
        base64.b64encode(gzip.compress(b"a") + gzip.compress(b"b")).decode(),
        base64.b64encode(gzip.compress(b"a") + b"rubbish").decode(),
        base64.b64encode(gzip.compress(b"a")[:-4] + b"0000").decode(),
        packed(b"\0" * (64 << 20)),
        f"{packed(b'a')}\n",
        "\xe4",
    ],
    ids=[
        "empty",
        "no-base64",
        "no-end",
        "cut",
        "nothing",
        "no-gzip",
        "streams",
        "rubbish",
        "sum",
        "bomb",
        "line",
        "ascii",
    ],
)
def test_a_program_that_is_not_one_gzip_stream_is_refused(content):
    with pytest.raises(HardeningError, match=r"files\.content: found .* needed base64 of one gzip stream"):
        systemd_options.wanted_set({**PARAMS, "files": [{**GZIPPED, "content": content}]})


# --- decision -----------------------------------------------------------------------------------------------------


def state_of(target, units=None, **files):
    """A world where everything is as wanted, except what is reported."""
    there = {f.path: FileState("file", f.content, f.mode, f.uid, f.gid, 1) for f in target.all_files}
    there.update({f"/u/{name.replace('_', '.')}": value for name, value in files.items()})
    return Current(there, {}, units or {"a.service": UnitStatus(), "a.timer": STATUS})


def test_nothing_to_do():
    target = wanted("/u")
    assert unit_set.decide(target, state_of(target)) == Plan()


def test_everything_to_do():
    target = wanted("/u", directories=(ManagedDirectory("/d", 0o755),))
    nothing = Current(
        dict.fromkeys(f.path for f in target.all_files), {"/d": None}, dict.fromkeys(target.names, UnitStatus())
    )
    assert unit_set.decide(target, nothing).actions == [
        "correct directory /d",
        "write /u/program",
        "write /u/a.service",
        "write /u/a.timer",
        "reload systemd",
        "enable a.timer",
        "start a.timer",
    ]


def test_a_changed_timer_is_restarted_and_a_changed_program_waits_for_the_next_tick():
    target = wanted("/u")
    assert unit_set.decide(target, state_of(target, a_timer=None)).restart == ("a.timer",)
    plan = unit_set.decide(target, state_of(target, program=None))
    assert (plan.reload, plan.restart, plan.start) == (False, (), ())


def test_a_running_service_is_restarted_for_its_program_unless_reported_otherwise():
    running = {"a.service": STATUS, "a.timer": STATUS}
    target = wanted("/u", started=frozenset({"a.service", "a.timer"}))
    assert unit_set.decide(target, state_of(target, running, program=None)).restart == ("a.service",)
    calm = wanted("/u", started=frozenset({"a.service"}), restart_on_change=False)
    assert unit_set.decide(calm, state_of(calm, running, program=None)).restart == ()


def test_drift_is_seen():
    target = wanted("/u")
    units = {"a.service": UnitStatus(needs_reload=True), "a.timer": UnitStatus("inactive", "dead", "disabled")}
    plan = unit_set.decide(target, state_of(target, units))
    assert plan.actions == ["reload systemd", "enable a.timer", "start a.timer"]


def test_a_timer_that_is_neither_enabled_nor_started_is_switched_off():
    off = wanted("/u", enabled=frozenset(), started=frozenset())
    assert unit_set.decide(off, state_of(off)).actions == ["stop a.timer", "disable a.timer"]
    quiet = {"a.service": STATUS, "a.timer": UnitStatus("inactive", "dead", "disabled")}
    # A service runs as long as it has to: only timers are switched off.
    assert unit_set.decide(off, state_of(off, quiet)) == Plan()
    assert unit_set.decide(off, state_of(off, quiet, a_timer=None)).actions == ["write /u/a.timer", "reload systemd"]
    started = wanted("/u", enabled=frozenset())
    assert unit_set.decide(started, state_of(started)) == Plan()


RUN = {"run": ("a.service",)}


@pytest.mark.parametrize("changed", ["program", "a_service", "a_timer"])
def test_a_changed_set_is_run_once(changed):
    target = wanted("/u", **RUN)
    assert unit_set.decide(target, state_of(target, **{changed: None})).actions[-1] == "run a.service"
    assert unit_set.decide(wanted("/u"), state_of(target, **{changed: None})).run == ()


def test_what_failed_before_is_run_again_and_what_is_well_is_not():
    target = wanted("/u", **RUN)
    failed = state_of(target, {"a.service": UnitStatus("failed", "failed"), "a.timer": STATUS})
    assert unit_set.decide(target, failed).actions == ["run a.service"]
    assert unit_set.decide(target, failed).reset == ("a.service",)
    assert unit_set.decide(target, state_of(target)) == Plan()
    absent = dataclasses.replace(target, present=False)
    assert unit_set.decide(absent, failed).run == ()


@pytest.mark.parametrize("name", ["a.timer"])
def test_a_failed_unit_of_any_kind_is_started_again(name):
    target = wanted("/u")
    plan = unit_set.decide(target, state_of(target, {"a.service": UnitStatus(), name: UnitStatus("failed", "failed")}))
    assert (plan.start, plan.reset) == ((name,), (name,))


class Runs:
    """What systemd reports about a service, one answer after the other."""

    def __init__(self, monkeypatch, *answers):
        self.answers, self.started = list(answers), []
        monkeypatch.setattr(install, "show", lambda _module, names: dict.fromkeys(names, self._next()))
        monkeypatch.setattr(install, "systemctl", lambda _module, verb, names, **how: self.started.append(verb))
        monkeypatch.setattr(install, "_POLL", 0)

    def _next(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def status(state, invocation, result="success", job=False):
    return UnitStatus(state, invocation=invocation, result=result, exit_status="3", job=job)


@pytest.mark.parametrize(
    ("before", "answers", "failure", "starts"),
    [
        (status("inactive", "1"), [status("inactive", "1", job=True), status("activating", "2"),
                                   status("inactive", "2")], None, 1),
        (status("failed", "1"), [status("failed", "2", "exit-code")], "ended with exit-code (exit status 3)", 1),
        # A run of the old set, which was under way, is not the one that counts.
        (status("activating", "1"), [status("inactive", "1"), status("inactive", "2")], None, 2),
        (status("inactive", "1"), [status("inactive", "1")], "did not run", 2),
        (status("inactive", "1"), [status("activating", "2")], "had not ended after 1 seconds", 1),
    ],
)  # fmt: skip
def test_a_run_is_awaited(monkeypatch, before, answers, failure, starts):
    target = wanted("/u", run=("a.service",), run_timeout=1)
    runs = Runs(monkeypatch, *answers)
    found = state_of(target, {"a.service": before, "a.timer": STATUS})
    failures = install.run_once(None, target, found, Plan(run=("a.service",)))
    assert (list(failures), runs.started) == (["a.service"] if failure else [], ["start"] * starts)
    assert not failure or failure in failures["a.service"]


def test_absent_undoes_it_and_is_quiet_when_nothing_is_there():
    target = wanted("/u", present=False)
    plan = unit_set.decide(target, state_of(target))
    assert (plan.stop, plan.disable, plan.reload) == (("a.timer",), ("a.timer",), True)
    assert plan.remove == ("/u/a.timer", "/u/a.service", "/u/program")
    nothing = Current(dict.fromkeys(f.path for f in target.all_files), {}, dict.fromkeys(target.names, UnitStatus()))
    assert unit_set.decide(target, nothing) == Plan()


def test_diff_names_files_and_units_but_no_secret():
    target = UnitSet("/u", (Unit("a.timer", TIMER),), (ManagedFile("/s", b"canary-value", 0o400, secret=True),),
                     enabled=frozenset({"a.timer"}), started=frozenset({"a.timer"}))  # fmt: skip
    found = Current({"/s": None, "/u/a.timer": None}, {}, {"a.timer": UnitStatus()})
    entries = unit_set.diff(target, found, unit_set.decide(target, found))
    assert [entry["after_header"] for entry in entries] == ["/s", "/u/a.timer", "a.timer"]
    assert "canary-value" not in json.dumps(entries)
    assert entries[2]["after"] == "enabled: yes\nactive: yes\n"


# --- act ----------------------------------------------------------------------------------------------------------


@as_root
def test_installed_reloaded_once_enabled_started_and_then_one_question_only(manager):
    apply(manager, wanted(manager.units))
    assert manager.states()["a.timer"][:2] == ["active", "enabled"]
    assert [line.split()[0] for line in manager.log()] == ["show", "daemon-reload", "enable", "show", "start", "show"]
    plan, _result = apply(manager, wanted(manager.units))
    assert plan == Plan()
    assert manager.log()[6:] == ["show a.service a.timer"]


@as_root
def test_a_failure_puts_the_old_set_back_and_the_old_timer_ticks_on(manager):
    apply(manager, wanted(manager.units))
    before = {path.name: path.read_bytes() for path in manager.units.iterdir()}
    with pytest.raises(HardeningError, match=r"systemctl restart a.timer: found exit code 1 \(job failed\)") as failure:
        apply(manager, wanted(manager.units, TIMER.replace("A timer", "Broken")))
    assert failure.value.details["journal"] == ["last line"]
    assert failure.value.details["restored"] == ["files and units are as they were before this run"]
    assert {path.name: path.read_bytes() for path in manager.units.iterdir()} == before
    assert manager.states()["a.timer"][:2] == ["active", "enabled"]
    assert manager.log()[-1] == "restart a.timer"


@as_root
def test_a_refused_restart_leaves_the_old_timer_untouched(manager):
    apply(manager, wanted(manager.units))
    before = manager.states()
    with pytest.raises(HardeningError, match="refused"):
        apply(manager, wanted(manager.units, TIMER.replace("A timer", "Refused")))
    assert manager.states() == before


@as_root
def test_a_file_that_cannot_be_written_restarts_nothing(manager):
    apply(manager, wanted(manager.units))
    before, asked = manager.states(), len(manager.log())
    target = wanted(manager.units, TIMER.replace("A timer", "Another"))
    folder = ManagedFile(f"{manager.units}/folder", b"x", 0o644)
    (manager.units / "folder").mkdir()
    with pytest.raises(HardeningError, match="folder"):
        plan = Plan(write=(*target.all_files, folder))
        install.act(manager, target, unit_set.look(manager, target), plan, bool)
    assert [line.split()[0] for line in manager.log()[asked:]] == ["show", "daemon-reload"]
    assert manager.states() == before


def kill_at(verb, host, target):
    """Act in another process that is killed when it asks systemd for this."""
    child = os.fork()
    if child == 0:
        ask = host.run_command
        host.run_command = lambda argv, **options: os.kill(os.getpid(), 9) if verb in argv else ask(argv, **options)
        apply(host, target)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


@as_root
@pytest.mark.parametrize("verb", ["daemon-reload", "restart"])
def test_what_a_killed_run_wrote_is_put_into_effect_by_the_next(manager, verb):
    started = frozenset({"a.service", "a.timer"})
    apply(manager, wanted(manager.units, started=started))
    target = wanted(manager.units, started=started)
    target = dataclasses.replace(target, files=(dataclasses.replace(target.files[0], content=b"#!/bin/other\n"),))
    if verb == "daemon-reload":
        target = dataclasses.replace(target, units=(target.units[0], Unit("a.timer", TIMER + "# new\n")))
    kill_at(verb, manager, target)
    found = unit_set.look(manager, target)
    plan, _result = apply(manager, target)
    assert plan.write == ()
    assert plan.restart == (("a.service", "a.timer") if verb == "daemon-reload" else ("a.service",))
    assert plan.actions[0] == f"finish what a killed run began at {found.pending[0]}"
    assert apply(manager, target)[0] == Plan()
    assert sorted(path.name for path in manager.units.iterdir()) == ["a.service", "a.timer", "program"]


@as_root
def test_a_broken_set_after_a_killed_run_goes_back_to_what_was_confirmed(manager):
    apply(manager, wanted(manager.units))
    before = {path.name: (path.read_bytes(), path.stat().st_ino) for path in manager.units.iterdir()}
    kill_at("restart", manager, wanted(manager.units, TIMER + "# killed\n"))
    with pytest.raises(HardeningError, match="job failed") as failure:
        apply(manager, wanted(manager.units, TIMER.replace("A timer", "Broken")))
    assert failure.value.details["restored"] == ["files and units are as they were before the run that was killed"]
    assert {path.name: (path.read_bytes(), path.stat().st_ino) for path in manager.units.iterdir()} == before
    assert manager.states()["a.timer"][:2] == ["active", "enabled"]
    assert apply(manager, wanted(manager.units))[0] == Plan()


@as_root
def test_a_refused_set_after_a_killed_run_goes_back_to_what_was_confirmed(manager):
    apply(manager, wanted(manager.units))
    before = {path.name: (path.read_bytes(), path.stat().st_ino) for path in manager.units.iterdir()}
    kill_at("daemon-reload", manager, wanted(manager.units, TIMER + "# killed\n"))

    def refuse():
        raise HardeningError("a.timer", "a fault", "none")

    with pytest.raises(HardeningError, match="a fault") as failure:
        apply(manager, wanted(manager.units, TIMER + "# refused\n"), refuse)
    assert failure.value.details["restored"] == ["files and units are as they were before the run that was killed"]
    assert {path.name: (path.read_bytes(), path.stat().st_ino) for path in manager.units.iterdir()} == before
    assert apply(manager, wanted(manager.units))[0] == Plan()


@as_root
def test_a_broken_set_after_a_killed_first_installation_leaves_nothing(manager):
    kill_at("start", manager, wanted(manager.units))
    with pytest.raises(HardeningError, match="job failed"):
        apply(manager, wanted(manager.units, TIMER.replace("A timer", "Broken")))
    assert list(manager.units.iterdir()) == []
    assert manager.states()["a.timer"][:2] == ["inactive", "disabled"]


@as_root
def test_a_failing_first_installation_leaves_nothing(manager):
    with pytest.raises(HardeningError, match="systemctl start"):
        apply(manager, wanted(manager.units, TIMER.replace("A timer", "Broken")))
    assert list(manager.units.iterdir()) == []
    assert manager.states()["a.timer"][:2] == ["inactive", "disabled"]


@as_root
@pytest.mark.parametrize("place", ["none", "alice"])
def test_a_place_that_cannot_be_written_is_refused_before_the_first_change(manager, tmp_path, place):
    (tmp_path / "alice").mkdir()
    os.chown(tmp_path / "alice", 1001, 1001)
    target = wanted(manager.units, directories=(ManagedDirectory(str(tmp_path / "own"), 0o750),))
    late = ManagedFile(f"{tmp_path}/{place}/x", b"x", 0o644)
    with pytest.raises(HardeningError, match=r"/none: found|no directory|directory of uid 1001") as refusal:
        apply(manager, dataclasses.replace(target, files=(*target.files, late)))
    assert refusal.value.details["restored"] == ["files and units are as they were before this run"]
    assert [line.split()[0] for line in manager.log()] == ["show"]
    assert list(manager.units.iterdir()) == []
    assert not (tmp_path / "own").exists()
    assert [line.split()[0] for line in manager.log()] == ["show"]


@as_root
def test_a_place_in_a_directory_of_the_set_needs_not_be_there_yet(manager, tmp_path):
    own = ManagedDirectory(str(tmp_path / "own"), 0o750)
    target = wanted(manager.units, directories=(own, ManagedDirectory(f"{own.path}/in", 0o750)))
    inside = ManagedFile(f"{own.path}/in/x", b"x", 0o644)
    apply(manager, dataclasses.replace(target, files=(*target.files, inside)))
    assert (tmp_path / "own/in/x").read_text() == "x"


@as_root
def test_a_unit_that_systemd_reads_from_elsewhere_is_refused(manager, monkeypatch):
    monkeypatch.setenv("UNIT_FOLDER", str(manager.units.parent))
    (manager.units.parent / "a.timer").write_text(TIMER)
    with pytest.raises(HardeningError, match="in effect; remove what hides it"):
        apply(manager, wanted(manager.units))


@as_root
def test_absent_removes_the_set(manager):
    apply(manager, wanted(manager.units))
    apply(manager, wanted(manager.units, present=False))
    assert list(manager.units.iterdir()) == []
    assert manager.states()["a.timer"][:2] == ["inactive", "disabled"]


@pytest.mark.parametrize(
    ("content", "refused"),
    [(b"[Unit]\nDescription=theirs\n", True), (b"# Made by the role openclaw.hardening.openclaw_gateway; x\n", False)],
)
def test_what_other_user_else_wrote_is_foreign(content, refused):
    units = wanted("/u", refuse_foreign=True)
    path = units.all_files[0].path
    theirs = FileState("file", content, 0o644, 0, 0, 1)
    found = Current(files={file.path: None for file in units.all_files} | {path: theirs}, directories={}, units={})
    assert bool(unit_set.foreign(units, found)) is refused
    assert not unit_set.foreign(dataclasses.replace(units, refuse_foreign=False), found)
    bare = dataclasses.replace(found, files=dict.fromkeys(found.files))
    assert not unit_set.foreign(units, bare)
    elsewhere = {"a.service": UnitStatus(fragment="/usr/lib/systemd/system/a.service")}
    assert unit_set.foreign(units, dataclasses.replace(bare, units=elsewhere))
