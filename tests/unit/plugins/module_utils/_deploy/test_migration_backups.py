"""OpenClaw's copies of its databases: those of its own form that are old enough go, nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import migration_backups as backups

UUID = "0d6e9c1e-7a51-4a44-9c4e-3f2f0d2a5b6c"
SHARED = f"state/openclaw.sqlite.pre-startup-migration-{UUID}.bak"
AGENT = f"agents/main/agent/openclaw-agent.sqlite.pre-startup-migration-{UUID}.bak"
DAY = 86400


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for path in ("state/openclaw.sqlite", "agents/main/agent/openclaw-agent.sqlite", SHARED, AGENT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * 1000)
        os.utime(tmp_path / path, (1000, 1000))
    return tmp_path


def test_those_older_than_the_days_expire(state: Path) -> None:
    os.utime(state / AGENT, (1000 + DAY, 1000 + DAY))
    assert backups.expired(str(state), 30, 1000 + 30 * DAY) == ()
    assert backups.expired(str(state), 30, 1001 + 30 * DAY) == (SHARED,)
    assert backups.expired(str(state), 30, 1001 + 31 * DAY) == (SHARED, AGENT)


def test_without_a_limit_none_expires(state: Path) -> None:
    assert backups.expired(str(state), 0, 1e12) == ()
    assert backups.expired(str(state / "not there"), 30, 1e12) == ()


@pytest.mark.parametrize("name", [
    "openclaw.sqlite.bak",
    "openclaw.sqlite",
    f"notes.sqlite.pre-startup-migration-{UUID}.bak",
    f"openclaw.sqlite.pre-startup-migration-{UUID}.bak.mine",
    "openclaw.sqlite.pre-startup-migration-mine.bak",
    f"openclaw.sqlite.pre-startup-migration-{UUID}.bak\n",
])  # fmt: skip
def test_what_has_another_name_stays(state: Path, name: str) -> None:
    (state / SHARED).unlink()
    (state / AGENT).unlink()
    (state / "state" / name).write_bytes(b"")
    os.utime(state / "state" / name, (1000, 1000))
    assert backups.expired(str(state), 1, 1e12) == ()


def test_a_link_and_a_directory_stay(state: Path) -> None:
    for path in (SHARED, AGENT):
        (state / path).unlink()
    (state / SHARED).symlink_to("/etc/passwd")
    (state / AGENT).mkdir()
    assert backups.expired(str(state), 1, 1e12) == ()
    backups.remove(str(state), (SHARED, AGENT))
    assert (state / SHARED).is_symlink()
    assert (state / AGENT).is_dir()


def test_a_directory_that_became_a_link_leads_nowhere(state: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The service exchanges a directory between the look and the removal."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    found = backups.expired(str(state), 1, 1e12)
    (state / "state").rename(elsewhere / "state")
    (state / "state").symlink_to(elsewhere / "state")
    backups.remove(str(state), found)
    assert (elsewhere / SHARED).exists()
    assert not (state / AGENT).exists()


def test_only_what_was_decided_is_removed(state: Path) -> None:
    backups.remove(str(state), (AGENT, "state/openclaw.sqlite", "../outside"))
    assert (state / SHARED).exists()
    assert (state / "state/openclaw.sqlite").exists()
    assert not (state / AGENT).exists()


def test_the_copies_to_come_take_what_the_databases_take(state: Path) -> None:
    size = backups.to_come(str(state))
    assert (size.size, size.files) == (2000, 2)
