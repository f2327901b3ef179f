"""The options of a backup; a directory that is part of what it backs up is refused, also through a link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.options import BACKUP_ARGUMENTS, wanted_from
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

GIVEN: dict[str, Any] = {
    **{name: spec.get("default") for name, spec in BACKUP_ARGUMENTS.items()},
    "project": "openclaw",
    "directory": "/var/backups/openclaw",
    "state_dir": "/var/lib/openclaw/.openclaw",
    "config_dir": "/etc/openclaw",
    "record_dir": "/var/lib/openclaw-hardening",
}


def test_what_is_wanted() -> None:
    wanted = wanted_from(GIVEN)
    assert (wanted.excludes, wanted.with_secrets) == ((), False)
    assert wanted_from({**GIVEN, "workspace": False}).excludes == ("workspace",)
    assert wanted_from({**GIVEN, "recipient": f"age1{'q' * 58}"}).with_secrets
    assert not wanted_from({**GIVEN, "recipient": f"age1{'q' * 58}", "secrets": False}).with_secrets


@pytest.mark.parametrize(
    "directory",
    ["/var/lib/openclaw/.openclaw", "/var/lib/openclaw/.openclaw/workspace/b", "/var/lib/openclaw", "/var/lib",
     "/etc/openclaw/b", "/var/lib/openclaw-hardening/b"],
)  # fmt: skip
def test_a_directory_in_what_is_backed_up_is_refused(directory: str) -> None:
    with pytest.raises(HardeningError, match=r"a directory apart from .*set 'directory'"):
        wanted_from({**GIVEN, "directory": directory})


def test_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    with pytest.raises(HardeningError, match="apart from"):
        wanted_from({**GIVEN, "state_dir": str(tmp_path / "state"), "directory": str(tmp_path / "link/backups")})


@pytest.mark.parametrize(
    ("option", "value"),
    [("project", "../x"), ("keep", 0), ("timeout", 1), ("archive", "relative"), ("lock_files", {"/etc/passwd": ""}),
     ("lock_files", {"package.json": 1}), ("state_dir", "/proc/x"), ("recipient", "x")],
)  # fmt: skip
def test_a_bad_option_is_named(option: str, value: object) -> None:
    with pytest.raises(HardeningError, match=option):
        wanted_from({**GIVEN, option: value})


def test_verified_needs_an_archive() -> None:
    with pytest.raises(HardeningError, match="set 'archive'"):
        wanted_from({**GIVEN, "state": "verified"})
