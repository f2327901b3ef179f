"""A state is walked without following anything in it; what cannot be read is named."""

from __future__ import annotations

import io
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import archive
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.collect import Collector, measure
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.databases import Copier

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the files of another user")


def collected(
    state: Path, *, secrets: bool = True, databases: bool = False, excluded: tuple[str, ...] = ()
) -> Collector:
    stream = io.BytesIO()
    work = state.parent / "work"
    work.mkdir(mode=0o700, exist_ok=True)
    copier = Copier(str(work), (12345, 12345), not secrets) if databases else None
    collector = Collector(stream, copier, secrets)
    collector.tree("state", str(state), excluded)
    stream.write(archive.END)
    stream.seek(0)
    found = {name: b"".join(pieces) for name, _size, pieces in archive.members(stream)}
    files = {path for path, entry in collector.entries.items() if entry.kind == "file"}
    assert files == found.keys()
    assert all(len(found[path]) == collector.entries[path].size for path in files)
    collector.found = found  # type: ignore[attr-defined]
    return collector


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def test_links_are_kept_and_not_followed(state: Path) -> None:
    (state / "etc").symlink_to("/etc")
    (state / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(state / "pipe")
    (state / "a").write_text("x")
    found = collected(state)
    assert sorted(found.entries) == ["state/a", "state/etc", "state/passwd"]
    assert found.entries["state/etc"].target == "/etc"
    assert found.problems == []


def test_any_name_and_any_depth(state: Path) -> None:
    deep = state
    for _level in range(300):
        deep = deep / "d"
        os.mkdir(deep)
    names = ["-rf", "new\nline", "\udcff", "a" * 255, " "]
    for name in names:
        (state / name).write_text(name.encode("utf-8", "surrogateescape").hex())
    (deep / "x").write_text("deep")
    found = collected(state)
    assert {f"state/{name}" for name in names} <= found.entries.keys()
    assert found.found["state/" + "d/" * 300 + "x"] == b"deep"  # type: ignore[attr-defined]


def test_databases_come_without_what_is_beside_them(state: Path) -> None:
    os.chown(state, 12345, 12345)
    with closing(sqlite3.connect(state / "a.sqlite", isolation_level=None)) as live:
        live.execute("PRAGMA journal_mode=WAL")
        live.execute("CREATE TABLE notes (text)")
        live.execute("INSERT INTO notes VALUES ('in the log')")
        for path in state.iterdir():
            os.chown(path, 12345, 12345)
        (state / "b-wal").write_text("beside nothing, so a file as any other")
        found = collected(state, databases=True)
    assert sorted(found.entries) == ["state/a.sqlite", "state/b-wal"]
    assert b"in the log" in found.found["state/a.sqlite"]  # type: ignore[attr-defined]


def test_a_damaged_database_is_named_and_the_rest_is_there(state: Path) -> None:
    (state / "bad.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    (state / "good").write_text("x")
    found = collected(state, databases=True)
    assert list(found.entries) == ["state/good"]
    assert len(found.problems) == 1
    assert "bad.sqlite" in found.problems[0]


def test_credentials_are_left_out_by_name(state: Path) -> None:
    for path in ("credentials/whatsapp/x.json", "agents/a/agent/auth-profiles.json", "x.key", ".env", "kept.json"):
        (state / path).parent.mkdir(parents=True, exist_ok=True)
        (state / path).write_text("canary")
    files = {path for path, entry in collected(state, secrets=False).entries.items() if entry.kind == "file"}
    assert files == {"state/kept.json"}
    assert len(collected(state).found) == 5  # type: ignore[attr-defined]


def test_what_is_excluded_is_only_at_the_top(state: Path) -> None:
    for path in ("workspace/a", "deep/workspace/b"):
        (state / path).parent.mkdir(parents=True, exist_ok=True)
        (state / path).write_text("x")
    assert set(collected(state, excluded=("workspace",)).found) == {"state/deep/workspace/b"}  # type: ignore[attr-defined]


def test_terabytes_of_holes_are_named(state: Path) -> None:
    with (state / "sparse").open("wb") as file:
        file.truncate(8 << 40)
    found = collected(state)
    assert found.entries == {}
    assert "mostly holes" in found.problems[0]
    assert measure(str(state), ()).total < 1 << 20


def test_many_problems_are_counted(state: Path) -> None:
    for number in range(30):
        with (state / f"sparse-{number}").open("wb") as file:
            file.truncate(8 << 30)
    found = collected(state)
    assert (len(found.problems), found.left) == (20, 30)


def test_the_largest_database_is_measured(state: Path) -> None:
    (state / "plain").write_bytes(b"x" * 100_000)
    with closing(sqlite3.connect(state / "a.sqlite")) as made:
        made.execute("CREATE TABLE a (x)")
        made.commit()
    size = measure(str(state), ())
    assert size.database == (state / "a.sqlite").stat().st_size
    assert size.total >= 100_000 + size.database
