"""Keep the present logins when an older state comes back: on real databases with OpenClaw's schema."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import logins as deploy_logins
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.logins import Logins
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_copy import Mirror

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the merging program gives up root")
# As OpenClaw 2026.9.6 makes them (PRAGMA user_version 18).
SCHEMA = """
CREATE TABLE config_machine_state (state_key TEXT NOT NULL PRIMARY KEY, value_json TEXT NOT NULL,
  updated_at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE mcp_oauth_stores (store_key TEXT NOT NULL PRIMARY KEY, format_version INTEGER NOT NULL
  CHECK (format_version = 1), store_json TEXT NOT NULL, updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE device_auth_tokens (device_id TEXT NOT NULL, role TEXT NOT NULL, token TEXT NOT NULL,
  scopes_json TEXT NOT NULL, updated_at_ms INTEGER NOT NULL, PRIMARY KEY (device_id, role)) STRICT;
CREATE TABLE sessions (id TEXT PRIMARY KEY, text TEXT);
"""
AGENT = "CREATE TABLE auth_profile_store (store_key TEXT NOT NULL PRIMARY KEY, store_json TEXT NOT NULL) STRICT;"


def store(**refresh: str) -> str:
    profiles = {f"{name}:default": {"type": "oauth", "provider": name, "refresh": value, "expires": 1}
                for name, value in refresh.items()}  # fmt: skip
    return json.dumps({"version": 1, "profiles": profiles})


def database(path: Path, schema: str = SCHEMA, version: int = 18, **refresh: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.executescript(schema + f"PRAGMA user_version={version};")
        if schema == AGENT:
            made.execute("INSERT INTO auth_profile_store VALUES ('primary', ?)", (store(**refresh),))
        elif refresh:
            made.execute("INSERT INTO config_machine_state VALUES ('authProfiles.store', ?, 1)", (store(**refresh),))
            made.execute("INSERT INTO sessions VALUES ('s', ?)", (f"version {version}",))
            made.execute("INSERT INTO config_machine_state VALUES ('config.lastTouchedAt', ?, 1)", (f'"{version}"',))
        made.commit()
    return path


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as opened:
        for statement in statements:
            opened.execute(statement)
        opened.commit()


def refresh_tokens(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as opened:
        text = opened.execute("SELECT value_json FROM config_machine_state WHERE state_key = 'authProfiles.store'")
        return {
            key.split(":")[0]: entry["refresh"] for key, entry in json.loads(text.fetchone()[0])["profiles"].items()
        }


@pytest.fixture
def state(tmp_path) -> Path:
    database(tmp_path / "state/state/openclaw.sqlite", anthropic="renewed", openai="new")
    return tmp_path / "state"


@pytest.fixture
def older(tmp_path) -> Path:
    database(tmp_path / "older/state/openclaw.sqlite", version=15, anthropic="spent", gone="logged-out")
    return tmp_path / "older"


@pytest.fixture
def logins(state, older, tmp_path) -> Logins:
    return Logins(str(state), str(older), str(tmp_path / "work"))


def go_back(logins: Logins, state: Path) -> None:
    """Do what a rollback does."""
    present = state.parent / "present"
    present.mkdir()
    Mirror(str(state), str(present)).run()
    back = Logins(str(present), logins.older, logins.folder)
    Mirror(logins.older, str(state), restoring=True, kept=back.files()).run()
    back.bring(str(state))
    logins.kept = back.kept


def test_a_login_that_rotated_stays_and_everything_else_goes_back(logins, state, older, tmp_path):
    logins.check()
    before = (older / "state/openclaw.sqlite").stat()
    go_back(logins, state)
    found = state / "state/openclaw.sqlite"
    # Renewed, new since, and one that was logged out since stays so.
    assert refresh_tokens(found) == {"anthropic": "renewed", "openai": "new"}
    with closing(sqlite3.connect(found)) as opened:
        assert opened.execute("SELECT text FROM sessions").fetchall() == [("version 15",)]
        assert opened.execute("PRAGMA user_version").fetchone() == (15,)
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        touched = opened.execute("SELECT value_json FROM config_machine_state WHERE state_key LIKE 'config.%'")
        assert touched.fetchall() == [('"15"',)]
    assert (found.stat().st_uid, found.stat().st_mode) == (before.st_uid, before.st_mode)
    assert refresh_tokens(older / "state/openclaw.sqlite")["anthropic"] == "spent"  # the copy is not changed
    assert not (tmp_path / "work").exists()
    assert logins.kept == ["1 of config_machine_state in 'state/openclaw.sqlite'"]
    assert "renewed" not in logins.report()


def test_what_is_in_the_log_of_a_database_counts(logins, state, older):
    writer = sqlite3.connect(state / "state/openclaw.sqlite")
    writer.execute("UPDATE config_machine_state SET value_json = ? WHERE state_key = 'authProfiles.store'",
                   (store(anthropic="newest"),))  # fmt: skip
    writer.commit()  # it stays in the log as long as the connection is open
    assert (state / "state/openclaw.sqlite-wal").stat().st_size > 0
    go_back(logins, state)
    assert not (state / "state/openclaw.sqlite-wal").exists()
    assert refresh_tokens(state / "state/openclaw.sqlite") == {"anthropic": "newest"}
    writer.close()


def test_tokens_of_servers_and_devices_are_kept_row_by_row(logins, state, older):
    change(state / "state/openclaw.sqlite", "INSERT INTO mcp_oauth_stores VALUES ('a', 1, 'renewed', 2)",
           "INSERT INTO device_auth_tokens VALUES ('phone', 'node', 'rotated', '[]', 2)")  # fmt: skip
    change(older / "state/openclaw.sqlite", "INSERT INTO mcp_oauth_stores VALUES ('a', 1, 'spent', 1)",
           "INSERT INTO device_auth_tokens VALUES ('phone', 'node', 'old', '[]', 1)",
           "INSERT INTO device_auth_tokens VALUES ('stolen', 'node', 'revoked since', '[]', 1)")  # fmt: skip
    go_back(logins, state)
    with closing(sqlite3.connect(state / "state/openclaw.sqlite")) as opened:
        assert opened.execute("SELECT store_json FROM mcp_oauth_stores").fetchall() == [("renewed",)]
        assert opened.execute("SELECT token FROM device_auth_tokens").fetchall() == [("rotated",)]


def test_an_agents_own_store_is_kept(logins, state, older):
    path = "agents/main/agent/openclaw-agent.sqlite"
    database(state / path, AGENT, anthropic="renewed")
    database(older / path, AGENT, anthropic="spent")
    go_back(logins, state)
    with closing(sqlite3.connect(state / path)) as opened:
        assert "renewed" in opened.execute("SELECT store_json FROM auth_profile_store").fetchone()[0]


def test_channel_sessions_and_an_older_store_stay_as_they_are(logins, state, older):
    for top, word in ((state, "now"), (older, "then")):
        for account in ("credentials/whatsapp/default", f"credentials/whatsapp/{word}"):
            (top / account).mkdir(parents=True)
            (top / account / "creds.json").write_text(word)
        (top / "credentials/oauth.json").write_text(word)
        (top / "auth-profiles.json").write_text(store(anthropic=word))
        (top / "other.json").write_text(word)
    (state / "credentials/matrix/only-now").mkdir(parents=True)
    go_back(logins, state)
    assert (state / "credentials/whatsapp/default/creds.json").read_text() == "now"
    assert (state / "credentials/whatsapp/now/creds.json").read_text() == "now"
    assert (state / "credentials/whatsapp/then/creds.json").read_text() == "then"
    assert (state / "credentials/matrix/only-now").exists()
    assert (state / "credentials/oauth.json").read_text() == "now"
    assert (state / "auth-profiles.json").read_text() == store(anthropic="now")
    assert (state / "other.json").read_text() == "then"


# --- what cannot be kept is refused before anything changes -------------------------------------------------------


def refused(logins: Logins, why: str) -> None:
    with pytest.raises(HardeningError, match=rf"{why}.*set 'keep_logins'"):
        logins.check()
    assert not Path(logins.folder).exists()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(deploy_logins.time, "sleep", lambda _seconds: None)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("ALTER TABLE config_machine_state ADD COLUMN more TEXT", "other columns"),
        ("UPDATE config_machine_state SET value_json = '{\"version\":2}'", "not of version 1"),
        ("UPDATE config_machine_state SET value_json = 'no json'", "not of version 1"),
        ("DELETE FROM config_machine_state", "keeps them elsewhere"),
        ("CREATE TRIGGER t AFTER INSERT ON config_machine_state BEGIN SELECT 1; END", "has a trigger"),
        ("DROP TABLE config_machine_state", "other columns"),
    ],
)
def test_another_form_is_refused(logins, state, statement, why):
    change(state / "state/openclaw.sqlite", statement)
    refused(logins, why)


def test_a_view_or_a_generated_column_in_its_place_is_refused(logins, state):
    path = state / "state/openclaw.sqlite"
    change(path, "DROP TABLE config_machine_state",
           "CREATE VIEW config_machine_state AS SELECT 'authProfiles.store' AS state_key")  # fmt: skip
    refused(logins, "not a plain table")
    change(path, "DROP VIEW config_machine_state",
           "CREATE TABLE config_machine_state (state_key, value_json, x AS (hex(zeroblob(100000000))))")  # fmt: skip
    refused(logins, "generated column")


def test_what_is_no_database_or_too_large_is_refused(logins, state, monkeypatch):
    (state / "state/openclaw.sqlite").write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    refused(logins, "logins in 'state/openclaw.sqlite'")
    with (state / "state/openclaw.sqlite-wal").open("wb") as file:
        file.truncate(1 << 40)
    refused(logins, "no file of at most")


def test_more_rows_than_a_person_has_are_refused(logins, state):
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
    change(state / "state/openclaw.sqlite", f"INSERT INTO mcp_oauth_stores {many} SELECT i, 1, '', 1 FROM n")
    refused(logins, "more than 10000 rows")


def test_logins_that_moved_from_a_file_into_the_database_are_refused(logins, older):
    (older / "auth-profiles.json").write_text(store(anthropic="then"))
    refused(logins, "only one of the two versions")


def test_a_link_in_the_place_of_a_database_is_not_followed(logins, state, tmp_path):
    victim = database(tmp_path / "victim.sqlite", anthropic="someone-else")
    (state / "state/openclaw.sqlite").unlink()
    (state / "state/openclaw.sqlite").symlink_to(victim)
    refused(logins, "logins in 'state/openclaw.sqlite'")


def test_without_any_login_nothing_is_kept(tmp_path):
    for name in ("state", "older"):
        (tmp_path / name).mkdir()
    logins = Logins(str(tmp_path / "state"), str(tmp_path / "older"), str(tmp_path / "work"))
    logins.check()
    assert logins.report() == "the present logins were kept: there are none"
