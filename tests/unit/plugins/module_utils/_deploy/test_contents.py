"""What a person set up in a state: read from real databases by the confined program, and compared by key."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import contents as subject

SCHEMA = """
CREATE TABLE cron_jobs (job_id TEXT, declaration_key TEXT, name TEXT, enabled INTEGER, job_json TEXT);
CREATE TABLE device_pairing_paired (device_id TEXT, public_key TEXT);
CREATE TABLE channel_pairing_allow_entries (channel_key TEXT, account_id TEXT, entry TEXT);
CREATE TABLE config_machine_state (state_key TEXT, value_json TEXT);
CREATE TABLE secret_store_entries (scope_kind TEXT, name TEXT, value TEXT, deleted_at_ms INTEGER);
INSERT INTO cron_jobs VALUES ('1', NULL, 'daily', 1, '{"schedule": {"kind": "every"}}'),
  ('2', 'heartbeat:main', 'heartbeat', 1, '{}'), ('3', '', 'once', 1, '{"schedule": {"kind": "at"}}');
INSERT INTO device_pairing_paired VALUES ('phone', 'canary');
INSERT INTO channel_pairing_allow_entries VALUES ('telegram', 'main', '4711');
INSERT INTO config_machine_state VALUES
  ('authProfiles.store', '{"version": 1, "profiles": {"anthropic:manual": {"token": "canary"}}}');
INSERT INTO secret_store_entries VALUES ('team', 'KEY', 'canary', NULL), ('team', 'OLD', 'canary', 5);
"""
EXPECTED = {
    "cron job": {"1": "daily 1"},
    "one-time cron job": {"3": "once 1"},
    "paired device": {"phone": ""},
    "allowed sender": {"telegram/main/4711": ""},
    "login": {"anthropic:manual": ""},
    "stored secret": {"team/KEY": ""},
    "account of a channel": {"credentials/whatsapp/default": ""},
    "agent": {"main": ""},
}


@pytest.fixture
def state(tmp_path: Path, as_root: None) -> Path:
    """Return a state in which something of each kind was set up."""
    top = tmp_path / "state"
    (top / "state").mkdir(parents=True)
    (top / "agents/main").mkdir(parents=True)
    (top / "credentials/whatsapp/default").mkdir(parents=True)
    with sqlite3.connect(top / "state/openclaw.sqlite") as database:
        database.executescript(SCHEMA)
    database.close()
    tmp_path.chmod(0o755)
    return top


def change(state: Path, statement: str) -> None:
    database = sqlite3.connect(state / "state/openclaw.sqlite")
    database.executescript(statement)
    database.close()


def read(state: Path) -> subject.Contents:
    return subject.read(str(state), str(state.parent / "work"))


def test_what_a_person_set_up_is_found_and_no_value_of_a_secret(state, tmp_path):
    found = read(state)
    assert found == EXPECTED
    assert "canary" not in json.dumps(found)
    assert not (tmp_path / "work").exists()


def test_an_older_version_that_kept_it_in_files(state):
    change(state, "DROP TABLE cron_jobs; DROP TABLE config_machine_state")
    (state / "cron").mkdir()
    jobs = [{"id": "1", "name": "daily"}, {"id": "2", "name": "own", "declarationKey": "heartbeat:main"}, "canary"]
    (state / "cron/jobs.json").write_text(json.dumps({"jobs": jobs}))
    (state / "auth-profiles.json").write_text(json.dumps({"version": 1, "profiles": {"anthropic:manual": {}}}))
    found = read(state)
    assert (found["cron job"], found["login"]) == (EXPECTED["cron job"], EXPECTED["login"])


def test_a_state_without_anything_has_nothing(tmp_path, as_root):
    (tmp_path / "state").mkdir()
    assert not any(read(tmp_path / "state").values())


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM cron_jobs", ["cron job 1 (daily 1) is gone", "one-time cron job 3 (once 1) is gone"]),
        ("UPDATE cron_jobs SET enabled = 0 WHERE job_id = '1'", ["cron job 1 (daily 1) is now daily 0"]),
        ("DELETE FROM device_pairing_paired", ["paired device phone is gone"]),
        ("DROP TABLE device_pairing_paired", ["paired device phone is gone"]),
        ("UPDATE config_machine_state SET value_json = '{\"profiles\": {}}'", ["login anthropic:manual is gone"]),
        ("UPDATE secret_store_entries SET deleted_at_ms = 6", ["stored secret team/KEY is gone"]),
        ("DELETE FROM channel_pairing_allow_entries", ["allowed sender telegram/main/4711 is gone"]),
        ("INSERT INTO device_pairing_paired VALUES ('new', '')", []),
        ("ALTER TABLE cron_jobs ADD COLUMN more TEXT", []),
        ("DELETE FROM cron_jobs WHERE job_id = '2'", []),  # of OpenClaw itself
    ],
)
def test_each_loss_is_named(state, statement, expected):
    before = read(state)
    change(state, statement)
    assert subject.lost(before, read(state)) == expected


@pytest.mark.parametrize("running", [True, False])
def test_a_job_that_runs_once_may_have_run(state, running):
    comparison, before = subject.Comparison(str(state.parent / "work"), False, []), read(state)
    change(state, "DELETE FROM cron_jobs WHERE job_id = '3'")
    if running:
        comparison.after(before, str(state), running=True)
    else:
        with pytest.raises(HardeningError, match="one-time cron job 3"):
            comparison.after(before, str(state), running=False)


def test_a_loss_that_is_accepted_is_a_warning(state):
    comparison, before = subject.Comparison(str(state.parent / "work"), True, []), read(state)
    change(state, "DELETE FROM device_pairing_paired")
    comparison.after(before, str(state), running=True)
    assert comparison.warnings == ["lost by the upgrade, and accepted: paired device phone is gone"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_ATTEMPTS", 1)


@pytest.mark.parametrize("kind", ["garbage", "trigger", "link", "directory"])
def test_a_state_that_cannot_be_read_does_not_stop_its_own_update(state, impatient, kind):
    """Before it; when it could be read before and cannot afterwards, it is not known that nothing was lost."""
    comparison, before = subject.Comparison(str(state.parent / "work"), False, []), read(state)
    path = state / "state/openclaw.sqlite"
    if kind == "garbage":
        path.write_bytes(b"canary" * 1000)
    elif kind == "trigger":
        change(state, "CREATE TRIGGER t AFTER DELETE ON cron_jobs BEGIN SELECT 1; END")
    else:
        path.unlink()
        path.symlink_to("/etc/shadow") if kind == "link" else path.mkdir()
    with pytest.raises(HardeningError):
        comparison.after(before, str(state), running=True)
    if kind in ("garbage", "trigger"):
        assert comparison.before(str(state)) is None
        (warning,) = comparison.warnings
        assert "could not be compared" in warning
        assert "canary" not in warning
