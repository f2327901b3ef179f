# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Both programs of the auth monitor against what a compromised gateway can write into its state."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FILES = Path(__file__).parents[4] / "roles/openclaw_auth_monitor/files"


def load(name):
    spec = importlib.util.spec_from_file_location(f"hostile_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


monitor, notifier = load("auth_monitor"), load("auth_notifier")
NOW, WARN = 1_800_000_000_000, 7_200_000
CANARY = "canary-secret-value"
GOOD = {"type": "token", "provider": "anthropic", "token": CANARY}
# systemd hands over at most 1 MiB as a credential.
MOST_STATUS = 128 << 10


def few(examples):
    return settings(max_examples=examples, deadline=None, derandomize=True,
                    suppress_health_check=list(HealthCheck))  # fmt: skip


# --- names --------------------------------------------------------------------------------------------------------

NAMES = {
    "lone surrogate": "\ud800",
    "bytes that are not UTF-8": os.fsdecode(b"\xff\xfe"),
    "line ends": "a\r\nb\u2028c\u2029d\x85e\x0bf\x0cg",
    "terminal": "\x1b[2J\x1b]0;x\x07",
    "NUL": "a\0b",
    "right to left": "\u202egnp.exe\u2066x\u2069\u200b\ufeff",
    "combining": "e" + "\u0301" * 500,
    "link": "http://evil.example/x",
    "link without a scheme": "www.evil.example",
    "scheme in capitals": "HTTPS://EVIL.EXAMPLE",
    "address": "10.0.0.1",
    "wide dots": "evil\u3002example\uff0ecom",
    "mail": "user@evil.example",
    "mention": "@everyone <!channel> <@U1>",
    "markdown": "[click](http://evil.example)",
    "html": "<a href=x>y</a>",
    "long": "x" * 1_000_000,
    "journal priority": "<0>forged",
}


def inert(text, most):
    """Return whether it is one bounded line of which no messenger makes a link or a mention."""
    return (
        len(text) <= most
        and all(" " <= character <= "~" for character in text)
        and not any(part in text for part in ("://", "](", "<", ">", "`"))
        and "@" not in text.replace("[@]", "")
        and not any(a.isalnum() and b == "." and c.isalnum() for a, b, c in zip(text, text[1:], text[2:]))
    )


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_made_inert(name):
    shown = monitor.plain(name)
    assert inert(shown, 80)
    assert shown == notifier.plain(name, 80)
    assert notifier.plain(shown, 80) == shown


@few(150)
@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=200))
def test_any_text_is_made_inert_and_twice_is_once(text):
    shown = monitor.plain(text)
    assert inert(shown, 80)
    assert notifier.plain(shown, 80) == shown


def test_what_is_harmless_stays_as_it_is():
    text = "anthropic:manual (anthropic): expires in 59 min; /var/lib/openclaw/.openclaw: it is not JSON"
    assert monitor.plain(text, 200) == text
    assert unicodedata.normalize("NFKC", text) == text


# --- the whole way from a store to a message ------------------------------------------------------------------------


def through(tmp_path, text, notified=True):
    """Let both programs run on a store; return the status, and all that reader and notifier print."""
    home = tmp_path / "home/.openclaw"
    home.mkdir(parents=True, exist_ok=True)
    if text is not None:
        (home / "auth-profiles.json").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
    status = tmp_path / "status.json"
    argv = [sys.executable, "-I", "-B", str(FILES / "auth_monitor.py"), "--state-dir", str(home)]
    argv += ["--claude-file", str(tmp_path / "home/.claude/x"), "--status", str(status)]
    environment = {"WARN_HOURS": "2", "PATH": os.environ["PATH"], "LC_ALL": "C"}
    read = subprocess.run(argv, env=environment, capture_output=True, timeout=60, check=False)
    assert read.stderr == b""
    assert len(read.stdout) < 3000
    assert status.stat().st_size < MOST_STATUS
    document = json.loads(status.read_text())
    assert (read.returncode == 1) == (document["state"] == "unreadable")
    output = read.stdout
    if notified:
        done = tell(tmp_path, status.read_bytes())
        assert done.returncode == 0
        output += done.stdout
    assert CANARY.encode() not in output + status.read_bytes()
    return document, output


def tell(tmp_path, status):
    credentials = tmp_path / "credentials"
    credentials.mkdir(exist_ok=True)
    (credentials / "settings").write_text("NAME=openclaw\nMAX_AGE_MINUTES=90\nGATEWAY_PORT=1\n")
    (credentials / "status").write_bytes(status)
    environment = {"CREDENTIALS_DIRECTORY": str(credentials), "STATE_DIRECTORY": str(tmp_path), "LC_ALL": "C"}
    argv = [sys.executable, "-I", "-B", str(FILES / "auth_notifier.py")]
    done = subprocess.run(argv, env=environment, capture_output=True, timeout=60, check=False)
    assert done.stderr == b""
    return done


def test_a_name_of_every_kind_ends_neither_program(tmp_path):
    profiles = {name: {**GOOD, "provider": name, "expires": 1} for name in NAMES.values()}
    document, output = through(tmp_path, json.dumps({"version": 1, "profiles": profiles}))
    assert document["state"] == "expired"
    assert document["counts"] == {"expired": len(NAMES)}
    assert b"nobody is reported about state expired" in output
    for profile in document["profiles"]:
        assert inert(profile["id"], 80)
        assert inert(profile["provider"], 80)
    text = notifier.read_status(json.dumps(document), document["checked_at"], 60)
    assert inert(text.summary, notifier.MAX_MESSAGE)


def test_a_folder_that_is_not_text_is_one_more_agent(tmp_path):
    folder = os.fsencode(tmp_path / "home/.openclaw/agents") + b"/\xff\n\x1b[2J"
    os.makedirs(folder + b"/agent")
    database = sqlite3.connect(tmp_path / "made", isolation_level=None)
    database.execute("CREATE TABLE auth_profile_store (store_key TEXT PRIMARY KEY, store_json TEXT)")
    text = json.dumps({"version": 1, "profiles": {"p": {**GOOD, "expires": 1}}})
    database.execute("INSERT INTO auth_profile_store VALUES ('primary', ?)", (text,))
    database.close()
    os.rename(tmp_path / "made", folder + b"/agent/openclaw-agent.sqlite")
    document, _output = through(tmp_path, None)
    assert document["state"] == "expired"
    assert inert(document["profiles"][0]["source"].replace("openclaw-agent.sqlite", "").replace(str(tmp_path), ""), 999)


def test_thousands_of_profiles_are_counted_and_the_most_urgent_ones_named(tmp_path):
    profiles = {f"p{n}": {**GOOD, "expires": 4_000_000_000_000} for n in range(5990)}
    profiles.update({f"late{n}": {**GOOD, "expires": 1} for n in range(10)})
    document, _output = through(tmp_path, json.dumps({"version": 1, "profiles": profiles}))
    assert document["state"] == "expired"
    assert document["counts"] == {"expired": 10, "ok": 5990}
    assert {entry["id"] for entry in document["profiles"][:10]} == {f"late{n}" for n in range(10)}
    assert len(document["profiles"]) == monitor.MAX_PROFILES


def test_more_of_one_state_than_fit_are_output_to_be_more(tmp_path):
    profiles = {f"p{n}": {**GOOD, "expires": 1} for n in range(6000)}
    document, _output = through(tmp_path, json.dumps({"version": 1, "profiles": profiles}))
    assert document["summary"].endswith("; and 5990 more")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"version":1,"profiles":' + '{"a":' * 100_000,
        '{"version":1,"profiles":{"a":' + "[" * 900 + "]" * 900 + "}}",
        '{"version":1,"profiles":{"a":{"type":' + "[" * 900 + "]" * 900 + "}}}",
        '{"version":true,"profiles":{"a":{}}}',
        '{"version":1,"profiles":{"a":{"type":"token","token":"x","expires":NaN}}}',
        '{"version":1,"profiles":{"a":{"type":"token","token":"x","expires":-Infinity}}}',
        '{"version":1,"profiles":{"a":{"type":"token","token":"x","expires":1' + "0" * 400 + "}}}",
        '{"version":1,"profiles":{"a":{"type":"token","token":"x","expires":1' + "0" * 5000 + "}}}",
        '{"version":1,"profiles":{"a":{"type":"token","token":"x","expires":"1"}}}',
        '{"version":1,"profiles":{"a":{"type":["token"]}}}',
        '{"version":1,"profiles":{"a":{"type":"token","token":"x","expires":{}}}}',
        '{"version":1,"profiles":{"a":null}}',
        '{"version":1,"profiles":[]}',
        '{"version":1e400,"profiles":{}}',
        b"\0" * 100,
        b"\xff\xfe{}",
        b"{" * (monitor.MAX_JSON + 1),
    ],
)
def test_nonsense_is_unreadable_and_never_ok(tmp_path, text):
    document, _output = through(tmp_path, text, notified=False)
    assert document["state"] == "unreadable"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**400) | st.just("1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.dictionaries(
    st.sampled_from(["type", "provider", "expires", "token", "key", "access", "refresh", "oauthRef", "setup"]),
    VALUES | st.sampled_from(["token", "api_key", "oauth"]),
)


@few(120)
@given(st.dictionaries(st.text(max_size=10), ENTRIES | VALUES, max_size=4) | VALUES, VALUES | st.just(1))
def test_any_store_is_checked_or_refused(profiles, version):
    try:
        text = json.dumps({"version": version, "profiles": profiles})
    except ValueError:  # more digits than Python writes
        return
    try:
        found = monitor.counted(monitor.check_store(text, "s", NOW, WARN))
    except monitor.StoreError:
        return
    done = monitor.report(found, 1, True)
    assert inert(monitor.plain(done.summary, 5000), 5000)
    assert len(monitor.journal_line(done)) < 2200
    assert len(json.dumps(monitor.asdict(done), allow_nan=False)) < MOST_STATUS


@few(120)
@given(
    st.dictionaries(st.sampled_from(["version", "state", "summary", "checked_at", "counts", "profiles"]),
                    VALUES | st.sampled_from([2, "ok", NOW // 1000])) | VALUES
)  # fmt: skip
def test_any_status_is_read_and_only_a_whole_one_is_ok(document):
    try:
        text = json.dumps(document)
    except ValueError:
        return
    status = notifier.read_status(text, NOW / 1000, 5400)
    assert status.state in notifier.STATES
    message = notifier.compose("alert", status, "n", "h")
    assert inert(message.body.removesuffix("."), notifier.MAX_MESSAGE)
    if status.state == "ok":
        assert (document["version"], document["state"]) == (2, "ok")


@few(80)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_status_end_nothing(data):
    assert notifier.read_status(data.decode("utf-8", "replace"), NOW / 1000, 5400).state == "unreadable"


def test_a_status_that_is_too_large_or_not_text_is_reported_and_ends_nothing(tmp_path):
    good = {"version": 2, "state": "ok", "summary": "x" * (1 << 20), "checked_at": time.time()}
    for status in (json.dumps(good).encode(), b"\xff" * 100, b""):
        done = tell(tmp_path, status)
        assert done.returncode == 0
        assert b"nobody is reported about state unreadable" in done.stdout


@few(80)
@given(VALUES | st.dictionaries(st.sampled_from(["ntfy", "phone"]), st.dictionaries(
    st.sampled_from(["sent", "alarmed"]), VALUES | st.dictionaries(st.just("expired"), VALUES))))  # fmt: skip
def test_any_memory_costs_one_message_at_most(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("memory") / "reported.json"
    try:
        path.write_text(json.dumps(document))
    except ValueError:
        return
    for memory in notifier.load_memory(str(path)).values():
        notifier.due(notifier.Status("expired", ""), memory, NOW)


@pytest.mark.parametrize("moment", [float("nan"), float("inf"), NOW + 1e9])
def test_a_memory_of_the_future_silences_nobody(moment):
    memory = notifier.Memory({"expired": moment})
    assert notifier.due(notifier.Status("expired", ""), memory, NOW) == "alert"


# --- files that are none --------------------------------------------------------------------------------------------


def database(path, *statements):
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path, isolation_level=None) as made:
        for statement in statements:
            made.execute(statement)
    made.close()


TABLE = "CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT"
EMPTY = json.dumps({"version": 1, "profiles": {}})
ROW = f"INSERT INTO config_machine_state (state_key, value_json) VALUES ('authProfiles.store', '{EMPTY}')"


def computed(path):
    database(path, "CREATE TABLE config_machine_state (state_key TEXT, value_json TEXT AS (hex(zeroblob(100000000))))",
             "INSERT INTO config_machine_state (state_key) VALUES ('authProfiles.store')")  # fmt: skip


def view(path):
    database(path, "CREATE VIEW config_machine_state AS SELECT 'authProfiles.store' AS state_key, "
             "hex(zeroblob(100000000)) AS value_json")  # fmt: skip


def endless_view(path):
    database(path, "CREATE VIEW config_machine_state AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
             " SELECT 'none' AS state_key, x AS value_json FROM n")  # fmt: skip


def virtual(path):
    database(path, "CREATE VIRTUAL TABLE config_machine_state USING fts5(state_key, value_json)")


def huge_cell(path):
    database(path, f"{TABLE})", "INSERT INTO config_machine_state VALUES "
             f"('authProfiles.store', CAST(zeroblob({monitor.MAX_JSON + 1}) AS TEXT))")  # fmt: skip


def not_utf8(path):
    database(path, f"{TABLE})", "INSERT INTO config_machine_state VALUES "
             f"('authProfiles.store', CAST(X'{CANARY.encode().hex()}FF' AS TEXT))")  # fmt: skip


def blob_of_json(path):
    database(path, f"{TABLE})", "INSERT INTO config_machine_state VALUES ('authProfiles.store', "
             f"CAST('{EMPTY}' AS BLOB))")  # fmt: skip


def sparse(size, suffix=""):
    def make(path):
        database(path, f"{TABLE})", ROW)
        with open(f"{path}{suffix}", "ab") as file:
            file.truncate(size)

    return make


def beside(suffix, make):
    def both(path):
        database(path, f"{TABLE})", ROW)
        make(f"{path}{suffix}")

    return both


def link(path):
    os.symlink("/dev/zero", path)


def listens(path):
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)


SPOILT = {
    "computed column": computed,
    "view of that name": view,
    "view without an end": endless_view,
    "virtual table": virtual,
    "cell too large": huge_cell,
    "text that is not text": not_utf8,
    "blob": blob_of_json,
    "10 GB": sparse(10 << 30),
    "log of 300 MB": sparse(300 << 20, "-wal"),
    "index of 300 MB": sparse(300 << 20, "-shm"),
    "log that is a pipe": beside("-wal", os.mkfifo),
    "index that is a pipe": beside("-shm", os.mkfifo),
    "log that is a link": beside("-wal", link),
    "log that is a folder": beside("-wal", os.mkdir),
    "a pipe": os.mkfifo,
    "a link to a device": link,
    "a socket": listens,
    "a folder": os.mkdir,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_database_is_a_clear_bounded_failure(tmp_path, spoil):
    path = tmp_path / "home/.openclaw/state/openclaw.sqlite"
    path.parent.mkdir(parents=True)
    spoil(path)
    start = time.monotonic()
    document, output = through(tmp_path, None, notified=False)
    assert time.monotonic() - start < 15
    assert document["state"] == "unreadable"
    assert b"openclaw.sqlite: cannot be read: " in output
    assert len(document["problems"]) == 1


@pytest.mark.parametrize("spoil", [view, virtual])
def test_an_agents_table_that_is_none_is_not_passed_over(tmp_path, spoil):
    path = tmp_path / "home/.openclaw/agents/main/agent/openclaw-agent.sqlite"
    path.parent.mkdir(parents=True)
    spoil(path)
    with sqlite3.connect(path) as made:
        made.execute("PRAGMA writable_schema = ON")
        made.execute("UPDATE sqlite_master SET name = 'AUTH_PROFILE_STORE', tbl_name = 'AUTH_PROFILE_STORE',"
                     " sql = replace(sql, 'config_machine_state', 'AUTH_PROFILE_STORE')"
                     " WHERE name = 'config_machine_state'")  # fmt: skip
    made.close()
    assert through(tmp_path, None, notified=False)[0]["state"] == "unreadable"


@pytest.mark.parametrize("name", ["state", "agents", "agents/main", "agents/main/agent"])
def test_a_folder_that_is_a_link_is_not_passed_over(tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = tmp_path / "home/.openclaw" / name
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    assert through(tmp_path, None, notified=False)[0]["state"] == "unreadable"


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="no leases")
def test_a_lease_holds_nobody_up(tmp_path):
    path = tmp_path / "home/.openclaw/state/openclaw.sqlite"
    database(path, f"{TABLE})", ROW)
    holder = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        old = signal.signal(signal.SIGIO, lambda *_: None)
        start = time.monotonic()
        document, _output = through(tmp_path, None, notified=False)
        assert time.monotonic() - start < 10
        assert "holds a lease" in document["summary"]
        signal.signal(signal.SIGIO, old)
    finally:
        os.close(holder)


def test_rows_without_end_are_a_failure_in_time(tmp_path, monkeypatch):
    path = tmp_path / "state/openclaw.sqlite"
    database(path, "CREATE TABLE config_machine_state (state_key TEXT, value_json TEXT)",
             "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000000)"
             " INSERT INTO config_machine_state SELECT 'k', x FROM n")  # fmt: skip
    store = monitor.Store(str(tmp_path), ("state", "openclaw.sqlite"))
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        monitor._cell(f"file:{path}?mode=ro&immutable=1", time.monotonic(), "config_machine_state",
                      "SELECT value_json, 'text' FROM config_machine_state WHERE state_key = 'x'", True)  # fmt: skip
    assert monitor.checked(store, monitor.read_shared, monitor.check_store, NOW, WARN, 10).problems == []


def test_a_reader_that_hangs_crashes_or_reports_too_much_is_a_failure(tmp_path):
    store = monitor.Store(str(tmp_path), ("x",))
    tries = {
        "not within": lambda _store, _end: time.sleep(60),
        "signal 9": lambda _store, _end: os.kill(os.getpid(), 9),
        "exit code": lambda _store, _end: os._exit(0),
        "more memory": lambda _store, _end: bytearray(1 << 62),
    }
    for words, read in tries.items():
        found = monitor._apart(store, read, monitor.check_store, NOW, WARN, 0.1)
        assert [words in problem.reason for problem in found.problems] == [True]


def test_more_agents_than_anybody_has_are_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(monitor, "MAX_AGENTS", 3)
    for number in range(4):
        (tmp_path / f"agents/{number}").mkdir(parents=True)
    assert "more than 3 agents" in monitor.collect(str(tmp_path), "/nowhere/x", NOW, WARN).problems[0].reason
    monkeypatch.setattr(monitor, "ALL_SECONDS", 0)
    assert "used up" in monitor.collect(str(tmp_path / "agents"), "/nowhere/x", NOW, WARN).problems[0].reason
