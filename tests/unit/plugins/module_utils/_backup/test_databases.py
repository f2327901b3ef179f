"""Databases are copied as of one moment while they are written, by a program with the rights of their owner."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.databases import (
    Copier,
    DamagedError,
    is_database,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the copying program gives up root")
OWNER = 12345


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a folder of the service, which everybody can reach here (pytest's own is root's)."""
    folder = tmp_path / "state"
    folder.mkdir()
    (tmp_path / "work").mkdir(mode=0o700)
    os.chown(folder, OWNER, OWNER)
    return folder


def database(path: Path, mode: str = "WAL") -> sqlite3.Connection:
    made = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    made.execute(f"PRAGMA journal_mode={mode}")
    made.execute("CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT)")
    for name in path.parent.iterdir():
        os.chown(name, OWNER, OWNER)
    return made


@contextmanager
def copied(path: Path, *, strip: bool = False) -> Iterator[sqlite3.Connection]:
    """Yield a copy, opened from elsewhere."""
    copier = Copier(str(path.parents[1] / "work"), (OWNER, OWNER), strip)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        handle = copier.copy(folder, path.name, os.lstat(path))
    finally:
        os.close(folder)
    with os.fdopen(handle, "rb") as file:
        (path.parents[1] / "copied").write_bytes(file.read())
    assert os.listdir(copier.work) == []
    assert os.stat(copier.work).st_uid == 0
    with closing(sqlite3.connect(path.parents[1] / "copied")) as opened:
        yield opened


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_the_last_row_before_the_copy_is_in_it(state: Path, mode: str) -> None:
    path = state / "a.sqlite"
    stop, last = threading.Event(), [0]
    with closing(database(path, mode)) as live:

        def write() -> None:
            while not stop.is_set():
                live.execute("INSERT INTO notes (text) VALUES (?)", ("x" * 2000,))
                last[0] += 1

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        while last[0] < 20:
            stop.wait(0.01)
        before = last[0]
        with copied(path) as copy:
            rows = copy.execute("SELECT count(*), max(number) FROM notes").fetchone()
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stop.set()
        writer.join(10)
        assert rows[0] == rows[1] >= before
        assert live.execute("SELECT count(*) FROM notes").fetchone()[0] == last[0] > before


def test_logins_are_taken_out_and_leave_nothing_in_the_file(state: Path) -> None:
    path = state / "openclaw.sqlite"
    with closing(database(path)) as live:
        live.execute("CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT)")
        live.execute("CREATE TABLE secret_store_entries (name TEXT, value TEXT)")
        live.execute("INSERT INTO config_machine_state VALUES ('authProfiles.store', 'canary-old')")
        live.execute("UPDATE config_machine_state SET value_json = 'canary-login'")
        live.execute("INSERT INTO config_machine_state VALUES ('other', 'stays')")
        live.execute("INSERT INTO secret_store_entries VALUES ('a', 'canary-secret')")
        with copied(path) as copy:
            assert copy.execute("SELECT count(*) FROM config_machine_state").fetchone() == (2,)
        with copied(path, strip=True) as copy:
            assert copy.execute("SELECT state_key FROM config_machine_state").fetchall() == [("other",)]
            assert copy.execute("SELECT count(*) FROM secret_store_entries").fetchone() == (0,)
        assert b"canary" not in (state.parent / "copied").read_bytes()
        assert live.execute("SELECT count(*) FROM config_machine_state").fetchone() == (2,)


def test_a_trigger_is_not_run(state: Path) -> None:
    path = state / "openclaw.sqlite"
    with closing(database(path)) as live:
        live.execute("CREATE TABLE device_auth_tokens (token TEXT)")
        live.execute(
            "CREATE TRIGGER t AFTER DELETE ON device_auth_tokens BEGIN INSERT INTO notes (text) VALUES ('ran'); END"
        )
        with pytest.raises(DamagedError, match="trigger"), copied(path, strip=True):
            pass


def test_a_damaged_one_is_named(state: Path) -> None:
    path = state / "a.sqlite"
    with closing(database(path, "DELETE")) as live:
        for _number in range(100):
            live.execute("INSERT INTO notes (text) VALUES (?)", ("x" * 2000,))
    whole = bytearray(path.read_bytes())
    whole[5000:9000] = b"y" * 4000
    path.write_bytes(whole)
    with pytest.raises(DamagedError), copied(path):
        pass
    path.write_bytes(b"SQLite format 3\0 and then nothing")
    with pytest.raises(DamagedError), copied(path):
        pass


@pytest.mark.parametrize("name", ["-rf.sqlite", "a b?mode=memory.sqlite", "%2e%2e.sqlite", "new\nline.sqlite"])
def test_a_hostile_name_is_a_name(state: Path, name: str) -> None:
    path = state / name
    with closing(database(path)) as live:
        live.execute("INSERT INTO notes (text) VALUES ('here')")
        with copied(path) as copy:
            assert copy.execute("SELECT text FROM notes").fetchone() == ("here",)


def test_a_link_leads_nowhere(state: Path, tmp_path: Path) -> None:
    """What is exchanged for a link after it was looked at stays in its folder."""
    outside = tmp_path / "outside.sqlite"
    with closing(sqlite3.connect(outside)) as other:
        other.execute("CREATE TABLE canary (x)")
        other.commit()
    (state / "a.sqlite").symlink_to(outside)
    with pytest.raises(DamagedError), copied(state / "a.sqlite"):
        pass


def test_the_header_decides(tmp_path: Path) -> None:
    for text, expected in ((b"SQLite format 3\0rest", True), (b"SQLite format 3", False), (b"", False)):
        (tmp_path / "x").write_bytes(text)
        with (tmp_path / "x").open("rb") as file:
            assert is_database(file.fileno()) is expected
