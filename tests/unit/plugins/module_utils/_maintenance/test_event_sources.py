# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a log, Docker's events and OpenClaw's database have, turned into events; all of it may be hostile."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import event_sources
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.event_rules import Happened

UNAUTHORIZED = (
    "2026-11-22T19:27:15.224+00:00 [ws] unauthorized conn=962af022 peer=192.0.2.7:36588->172.18.0.2:18789 "
    "remote=192.0.2.7 client={client} cli v1.0 role=operator scopes=0 auth=token device=no reason=token_mismatch "
    "guidance=unauthorized: gateway token mismatch"
)
RELOAD = "2026-11-22T19:27:15.224+00:00 [reload] config change detected; evaluating reload (tools.exec)"
SECRET = "sk-ant-oat01-" + "7" * 60


def stamp(number: int) -> str:
    return f"2026-11-22T19:27:15.{number:09}Z"


def text(*lines: str) -> str:
    return "".join(f"{stamp(number)} {line}\n" for number, line in enumerate(lines, 1))


def test_only_what_is_after_the_place_counts() -> None:
    log = text(*[UNAUTHORIZED.format(client="cli")] * 5, RELOAD)
    found, newest = event_sources.read(log, stamp(2))
    assert found == [Happened("refused login", "from 192.0.2.7", 3), Happened("configuration change", "", 1)]
    assert newest == stamp(6)
    assert event_sources.read(log, newest) == ([], newest)


def test_lines_that_openclaw_left_out_count() -> None:
    (found,), _newest = event_sources.read(text(UNAUTHORIZED.format(client="cli") + " suppressed=40"), "")
    assert found.count == 41


def test_nothing_that_another_wrote_is_shown() -> None:
    line = UNAUTHORIZED.format(client=f"{SECRET} remote=evil.example reason=x")
    found, _newest = event_sources.read(text(line, f"[tools] EROFS: read-only file system, open '/{SECRET}'"), "")
    assert found == [Happened("refused login", "from 192.0.2.7", 1), Happened("denied write", "", 1)]


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\u2028", "\x85"])
def test_a_line_cannot_pretend_to_be_of_another_time(separator: str) -> None:
    log = text(f"x{separator}2099-01-01T00:00:00.000000000Z [ws] x", RELOAD)
    found, newest = event_sources.read(log, "")
    assert (newest, [one.kind for one in found]) == (stamp(2), ["configuration change"])


def test_more_lines_than_are_read_is_an_event() -> None:
    found, _newest = event_sources.read("".join(f"{stamp(n)} x\n" for n in range(event_sources.MOST_LINES)), "")
    assert found == [Happened("flood", "", 1)]


def test_a_container_that_is_gone_and_a_log_that_cannot_be_read() -> None:
    def daemon(error: Exception) -> Any:
        def logs(_name: str, **_options: Any) -> bytes:
            raise error

        return SimpleNamespace(api=SimpleNamespace(logs=logs))

    assert event_sources.logged(daemon(docker.errors.NotFound("gone")), "a", "x") == ([], "x")
    with pytest.raises(HardeningError, match="logging driver"):
        event_sources.logged(daemon(docker.errors.APIError("no reading")), "a", "x")


def event(action: str, at: int, identity: str = "a", code: str = "") -> dict[str, Any]:
    return {"Action": action, "timeNano": at, "Actor": {"ID": identity, "Attributes": {"exitCode": code}}}


def test_docker_s_events() -> None:
    events = [
        event("die", 1, code="1"),  # before the place
        event("start", 9),
        event("die", 3, code="143"),
        event("die", 4, code="0"),
        event("oom", 5),
        event("die", 6, code="137"),
        event("start", 7, "new"),
        event("start", 8, "new"),
        event("die", 10, code="evil words"),
    ]
    found = event_sources.docker_events(events, 2, {"a": ""})
    assert found == [
        Happened("out of memory"),
        Happened("crash", "exit code 137"),
        Happened("restart"),
        Happened("restart"),
        Happened("crash", ""),
    ]


ROWS = """
CREATE TABLE audit_events (sequence INTEGER PRIMARY KEY, action TEXT, status TEXT);
CREATE TABLE operator_approvals (approval_id TEXT, kind TEXT, status TEXT, decision TEXT, resolved_at_ms INTEGER);
CREATE TABLE device_pairing_paired (device_id TEXT, role TEXT, approved_via TEXT, approved_at_ms INTEGER);
CREATE TABLE exec_approvals_config (config_key TEXT, updated_at_ms INTEGER);
INSERT INTO audit_events VALUES (1, 'tool.action.finished', 'succeeded');
INSERT INTO operator_approvals VALUES ('1', 'exec', 'pending', NULL, NULL);
"""
LATER = """
INSERT INTO audit_events VALUES (2, 'tool.action.finished', 'blocked'), (3, 'tool.action.finished', 'blocked'),
    (4, 'tool.action.finished', 'succeeded');
UPDATE operator_approvals SET status = 'allowed', decision = 'allow-always', resolved_at_ms = 1000;
INSERT INTO operator_approvals VALUES ('2', 'exec', 'denied', NULL, 1001);
INSERT INTO device_pairing_paired VALUES ('secret device', 'operator', 'silent', 1002);
INSERT INTO exec_approvals_config VALUES ('x', 1003);
"""


@pytest.fixture
def state(tmp_path: Path, as_root: None) -> Path:
    """A state with a database of another account, in a directory that only that account may enter."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    write(folder / "openclaw.sqlite", "PRAGMA journal_mode=WAL;" + ROWS)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 4242, 4242)
    return tmp_path


def write(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)


def ledger(state: Path, places: Mapping[str, int], now_ms: int = 10_000) -> tuple[list[Happened], dict[str, int]]:
    return event_sources.ledger(str(state), places, now_ms)


def test_the_ledger_is_read_from_where_it_was_left(state: Path) -> None:
    """By the real program, which gives up root for it."""
    first, places = ledger(state, {})
    assert first == []
    write(state / "state/openclaw.sqlite", LATER)
    second, following = ledger(state, places)
    assert second == [
        Happened("blocked tool", "tool.action.finished", 2),
        Happened("approval", "exec allowed allow-always", 1),
        Happened("approval", "exec denied", 1),
        Happened("paired device", "operator silent", 1),
        Happened("approval rules", "", 1),
    ]
    assert following == {"audit_events": 4, "operator_approvals": 1001, "device_pairing_paired": 1002,
                         "exec_approvals_config": 1003}  # fmt: skip
    assert ledger(state, following)[0] == []


def test_a_time_of_the_future_hides_nothing_that_comes_later(state: Path) -> None:
    _first, places = ledger(state, {})
    write(state / "state/openclaw.sqlite", "INSERT INTO device_pairing_paired VALUES ('a', 'x', 'y', 99999999)")
    assert ledger(state, places)[1]["device_pairing_paired"] == 10_000


def test_another_database_is_refused_and_none_is_nothing(state: Path) -> None:
    database = state / "state/openclaw.sqlite"
    write(database, "CREATE TRIGGER t AFTER INSERT ON audit_events BEGIN SELECT 1; END")
    with pytest.raises(HardeningError, match="has a trigger"):
        ledger(state, {})
    database.unlink()
    database.symlink_to("/etc/shadow")
    with pytest.raises(HardeningError, match="no file of the service"):
        ledger(state, {})
    database.unlink()
    assert ledger(state, {"audit_events": 7}) == ([], {"audit_events": 7})


@pytest.mark.parametrize(
    "answer",
    [
        {"audit_events": {"newest": "7", "rows": [["x", "1"]]}},
        {"audit_events": {"newest": True, "rows": []}},
        {"audit_events": [1]},
        {"device_pairing_paired": {"newest": 5, "rows": [[SECRET, "1"], ["a b", "-1"], "x", [], ["ok", "1" * 12]]}},
    ],
)
def test_what_the_program_answers_is_not_believed(answer: Mapping[str, Any]) -> None:
    happened, _places = event_sources.read_ledger(answer, {}, 10)
    assert [one.detail for one in happened if one.detail] == []


@pytest.mark.parametrize(
    ("place", "found", "count", "following"),
    [
        (None, (5, 100), 0, [5, 100]),
        ([5, 100], (5, 100), 0, [5, 100]),
        ([5, 100], (5, 112), 12, [5, 112]),
        ([5, 100], (6, 7), 7, [6, 7]),
        ([5, 100], (5, 90), 0, [5, 90]),
        ([5, 100], None, 0, [5, 100]),
        ("garbage", (5, 100), 0, [5, 100]),
        ([5, "100"], (5, 3), 3, [5, 3]),
    ],
)
def test_refused_packets(place: object, found: tuple[int, int] | None, count: int, following: object) -> None:
    happened, kept = event_sources.refused(found, place)
    assert (sum(one.count for one in happened), kept) == (count, following)
