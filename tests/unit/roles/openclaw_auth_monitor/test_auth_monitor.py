# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reader against real SQLite files, in each condition that a gateway can leave them in."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[4] / "roles/openclaw_auth_monitor/files/auth_monitor.py"
SPEC = importlib.util.spec_from_file_location("auth_monitor", PROGRAM)
monitor = importlib.util.module_from_spec(SPEC)
sys.modules["auth_monitor"] = monitor
SPEC.loader.exec_module(monitor)

NOW = 1_800_000_000_000
HOUR = 3_600_000
WARN = 2 * HOUR
CANARY = "canary-secret-value"


def token(**changes):
    return {"type": "token", "provider": "anthropic", "token": CANARY, **changes}


def store(**profiles):
    return json.dumps({"version": 1, "profiles": profiles})


def checked(entry):
    return monitor.check_profile("p", entry, "s", NOW, WARN)


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        (token(), "ok"),
        (token(expires=NOW + WARN), "ok"),
        (token(expires=NOW + WARN - 1), "expiring"),
        (token(expires=NOW + 1), "expiring"),
        (token(expires=NOW), "expired"),
        (token(expires=NOW - HOUR), "expired"),
        (token(expires="soon"), "unreadable"),
        (token(expires=0), "unreadable"),
        (token(expires=True), "unreadable"),
        (token(expires=float("nan")), "unreadable"),
        (token(expires=9e15), "unreadable"),
        (token(token=""), "missing"),
        (token(token="", tokenRef={"source": "file"}), "ok"),
        ({"type": "api_key", "provider": "openai", "key": CANARY}, "ok"),
        ({"type": "api_key", "provider": "openai"}, "missing"),
        ({"type": "magic", "provider": "openai"}, "unreadable"),
        ("text", "unreadable"),
        ({"type": "oauth", "provider": "o", "access": CANARY, "expires": NOW + HOUR}, "expiring"),
        ({"type": "oauth", "provider": "o", "access": CANARY, "expires": NOW - 1}, "expired"),
        # OpenClaw renews these by itself.
        ({"type": "oauth", "provider": "o", "access": CANARY, "refresh": CANARY, "expires": NOW + 1}, "ok"),
        ({"type": "oauth", "provider": "o", "access": CANARY, "refresh": CANARY, "expires": NOW - HOUR + 1}, "ok"),
        ({"type": "oauth", "provider": "o", "access": CANARY, "refresh": CANARY, "expires": NOW - HOUR}, "expired"),
        ({"type": "oauth", "provider": "o", "access": f"{monitor.RENEWAL_MARK}1:access:2", "expires": 1}, "expiring"),
        (
            {"type": "oauth", "provider": "o", "access": f"{monitor.RENEWAL_MARK}1:failed:access:2", "expires": 1},
            "expired",
        ),
    ],
)
def test_one_profile(entry, state):
    found = checked(entry)
    assert found.state == state
    assert found.note
    assert CANARY not in repr(found)


def test_a_saved_but_inactive_replacement_does_not_count():
    assert checked(token(setup={"replacement": {"x": 1}}, expires=1)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version":2,"profiles":{}}', '{"version":1}', "[" * 100_000])
def test_a_store_that_is_not_understood(text):
    with pytest.raises(monitor.StoreError):
        monitor.check_store(text, "s", NOW, WARN)


@pytest.mark.parametrize(
    ("states", "overall"),
    [
        (["ok"], "ok"),
        (["ok", "expiring"], "expiring"),
        (["expired", "missing", "expiring"], "expired"),
        (["unreadable", "expired"], "unreadable"),
    ],
)
def test_the_worst_profile_decides(states, overall):
    profiles = [monitor.Profile(f"p{n}", "x", "token", state, None, "note", "s") for n, state in enumerate(states)]
    assert monitor.report(monitor.counted(profiles), 1, True).state == overall


def test_a_problem_outweighs_good_profiles_and_nothing_at_all_is_missing():
    good = monitor.Profile("p", "x", "token", "ok", None, "note", "s")
    stores = monitor.joined([monitor.counted([good]), monitor.Current(problems=[monitor.Problem("/db", "is locked")])])
    found = monitor.report(stores, 1, True)
    assert (found.state, found.summary) == ("unreadable", "/db: is locked")
    assert monitor.report(monitor.Current(), 1, True).state == "missing"
    assert monitor.report(monitor.Current(), 1, False).state == "ok"


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0, "less than a minute"), (59, "59 min"), (61, "1 h 1 min"), (60 * 24 * 3 + 120, "3 d 2 h")],
)
def test_durations(minutes, words):
    assert monitor.duration(minutes * 60_000) == words


def test_the_journal_line_stays_one_line():
    evil = monitor.check_profile("a\n<0>forged\x1b[31m", token(expires=1), "s", NOW, WARN)
    line = monitor.journal_line(monitor.report(monitor.counted([evil]), 1, True))
    assert line.startswith(r"<3>expired: a\x0a\x3c0\x3eforged\x1b[31m (anthropic): expired")
    assert "\n" not in line


# --- real stores --------------------------------------------------------------------------------------------------


def make_database(path, text=None, table="config_machine_state"):
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    if table == "config_machine_state":
        database.execute("CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT)")
        statement = "INSERT OR REPLACE INTO config_machine_state VALUES ('authProfiles.store', ?)"
    else:
        database.execute(f"CREATE TABLE {table} (store_key TEXT PRIMARY KEY, store_json TEXT)")
        statement = f"INSERT OR REPLACE INTO {table} VALUES ('primary', ?)"
    if text is not None:
        database.execute(statement, (text,))
    return database, statement


def shared(tmp_path):
    return tmp_path / "state/openclaw.sqlite"


def collected(tmp_path):
    return monitor.collect(str(tmp_path), str(tmp_path / ".claude/.credentials.json"), NOW, WARN)


def states(tmp_path):
    found = collected(tmp_path)
    assert sum(found.counts.values()) == len(found.profiles)
    return [profile.state for profile in found.profiles] + ["unreadable"] * len(found.problems)


def snapshot(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def test_nothing_is_nothing(tmp_path):
    assert collected(tmp_path) == collected(tmp_path / "none") == monitor.Current()


def test_a_live_writer_is_read_up_to_its_last_commit_and_not_disturbed(tmp_path):
    database, statement = make_database(shared(tmp_path), store(p=token(expires=NOW + 1)))
    assert states(tmp_path) == ["expiring"]
    before = snapshot(shared(tmp_path).parent)
    database.execute("BEGIN IMMEDIATE")
    database.execute(statement, (store(p=token(expires=1)),))
    assert states(tmp_path) == ["expiring"]
    database.execute("COMMIT")
    assert states(tmp_path) == ["expired"]
    assert set(snapshot(shared(tmp_path).parent)) == set(before)
    assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    assert states(tmp_path) == ["expired"]


def test_a_stopped_gateway_leaves_one_file_and_nothing_is_added(tmp_path):
    make_database(shared(tmp_path), store(p=token()))[0].close()
    assert [path.name for path in shared(tmp_path).parent.iterdir()] == ["openclaw.sqlite"]
    assert states(tmp_path) == ["ok"]
    assert [path.name for path in shared(tmp_path).parent.iterdir()] == ["openclaw.sqlite"]


@pytest.mark.parametrize("left", [("", "-wal"), ("", "-wal", "-shm")])
def test_a_killed_gateway_leaves_its_log(tmp_path, left):
    database, statement = make_database(tmp_path / "live/db", store(p=token()))
    database.execute(statement, (store(p=token(expires=1)),))
    shared(tmp_path).parent.mkdir()
    for suffix in left:
        shutil.copy(tmp_path / f"live/db{suffix}", f"{shared(tmp_path)}{suffix}")
    before = snapshot(shared(tmp_path).parent)
    assert states(tmp_path) == ["expired"]
    assert snapshot(shared(tmp_path).parent) == before


def test_a_store_of_an_agent_counts_beside_the_shared_one(tmp_path):
    make_database(shared(tmp_path), store(p=token()))
    make_database(tmp_path / "agents/main/agent/openclaw-agent.sqlite", store(q=token(expires=1)), "auth_profile_store")
    make_database(tmp_path / "agents/new/agent/openclaw-agent.sqlite", None, "another_table")
    assert states(tmp_path) == ["expired", "ok"]


@pytest.mark.parametrize("name", ["agents/main/agent/auth-profiles.json", "auth-profiles.json"])
def test_the_older_file_counts_only_when_the_database_holds_nothing(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(store(p=token(expires=1)))
    assert states(tmp_path) == ["expired"]
    database, statement = make_database(shared(tmp_path))
    assert states(tmp_path) == ["expired"]
    database.execute(statement, (store(p=token()),))
    assert states(tmp_path) == ["ok"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"claudeAiOauth": {"expiresAt": NOW + 3 * HOUR}}, "ok"),
        ({"claudeAiOauth": {"expiresAt": NOW + HOUR}}, "expiring"),
        ({"claudeAiOauth": {"expiresAt": NOW - HOUR}}, "expired"),
        ({"claudeAiOauth": {}}, "unreadable"),
        ({"other": 1}, "unreadable"),
    ],
)
def test_the_oldest_file(tmp_path, content, expected):
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude/.credentials.json").write_text(json.dumps(content))
    assert states(tmp_path) == [expected]


def garbage(path):
    path.write_bytes(b"not a database, not at all " * 100)


def other_layout(path):
    make_database(path, table="something_else")


def blob(path):
    database, statement = make_database(path)
    database.execute(statement, (b"\0",))


def bad_json(path):
    make_database(path, '{"version":')


def a_link(path):
    target = path.with_name("elsewhere")
    make_database(target, store(p=token()))
    path.symlink_to(target)


@pytest.mark.parametrize("spoil", [garbage, other_layout, blob, bad_json, a_link, os.mkfifo, os.mkdir])
def test_a_spoilt_database_is_unreadable_and_never_ok(tmp_path, spoil, monkeypatch):
    monkeypatch.setattr(monitor.time, "sleep", lambda seconds: None)
    shared(tmp_path).parent.mkdir()
    (tmp_path / "auth-profiles.json").write_text(store(p=token()))
    spoil(shared(tmp_path))
    assert states(tmp_path) == ["unreadable"]


@pytest.mark.parametrize("spoil", [garbage, os.mkfifo, os.mkdir, a_link])
def test_a_spoilt_older_file_is_unreadable_and_never_waited_for(tmp_path, spoil):
    spoil(tmp_path / "auth-profiles.json")
    assert states(tmp_path) == ["unreadable"]


# --- the whole program --------------------------------------------------------------------------------------------


def run_program(tmp_path, warn_hours="2", python=sys.executable, program=PROGRAM, **options):
    status = tmp_path / "status.json"
    argv = [python, "-I", "-B", str(program), "--state-dir", str(tmp_path / "home/.openclaw")]
    argv += ["--claude-file", str(tmp_path / "home/.claude/.credentials.json"), "--status", str(status)]
    environment = {"WARN_HOURS": warn_hours, "PATH": os.environ["PATH"]}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False, **options)
    return done, status


@pytest.mark.parametrize(
    ("seconds", "state", "priority", "code"),
    [(86400, "ok", 6, 0), (3600, "expiring", 4, 0), (-60, "expired", 3, 0), (None, "missing", 4, 0)],
)
def test_the_program_end_to_end(tmp_path, seconds, state, priority, code):
    if seconds is not None:
        entry = token(expires=int((time.time() + seconds) * 1000))
        make_database(tmp_path / "home/.openclaw/state/openclaw.sqlite", store(**{"anthropic:manual": entry}))
    done, status = run_program(tmp_path)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith(f"<{priority}>{state}: ")
    document = json.loads(status.read_text())
    assert (document["version"], document["state"]) == (2, state)
    assert abs(document["checked_at"] - time.time()) < 60
    assert status.stat().st_mode & 0o777 == 0o600
    assert CANARY not in status.read_text() + done.stdout


def test_the_program_fails_visibly_but_still_reports(tmp_path):
    folder = tmp_path / "home/.openclaw"
    folder.mkdir(parents=True)
    (folder / "auth-profiles.json").write_text("{")
    done, status = run_program(tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("<3>unreadable: ")
    assert json.loads(status.read_text())["state"] == "unreadable"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_no_permission_is_unreadable(tmp_path):
    database = tmp_path / "home/.openclaw/state/openclaw.sqlite"
    make_database(database, store(p=token()))
    database.chmod(0o600)
    for folder in (tmp_path, *(parent for parent in tmp_path.parents if "pytest-" in str(parent))):
        folder.chmod(0o755)
    os.chown(tmp_path, 4242, 4242)
    shutil.copy(PROGRAM, tmp_path / "program.py")
    done, status = run_program(
        tmp_path, python="/usr/bin/python3", program=tmp_path / "program.py", user=4242, group=4242, cwd="/"
    )
    assert done.returncode == 1
    assert json.loads(status.read_text())["state"] == "unreadable"


def test_a_run_that_dies_leaves_no_older_status_behind(tmp_path):
    _done, status = run_program(tmp_path)
    assert status.exists()
    done, status = run_program(tmp_path, warn_hours="many")
    assert done.returncode == 1
    assert not status.exists()
