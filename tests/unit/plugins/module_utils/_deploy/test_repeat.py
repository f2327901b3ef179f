# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of a deployment: its options without its secrets, and nothing after it was undone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import repeat

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="records are root's")
SECRET = {"path": "/etc/x/secrets/a", "value": "canary-value", "mode": "0400", "uid": 1000, "gid": 1001}
SOURCE = {"path": "/etc/x/secrets/b", "source": "/var/lib/x/restore/b", "uid": 1000, "gid": 1001}


def params(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        **{"state": "present", "record_dir": str(folder), "secrets": [SECRET], "secret_sources": [SOURCE]},
        **{"directory": str(folder), "definition_name": "compose.yml", "definition": "services: {}\n"},
        **{"state_source": "/from", "keep_logins": True, "accept_losses": True, "image_id": "old", "_ansible_x": 1},
        **more,
    }


@pytest.fixture(autouse=True)
def deployed(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: {}\n")


def test_another_definition_than_the_one_that_is_there_is_not_repeated(tmp_path: Path) -> None:
    repeat.keep(params(tmp_path))
    (tmp_path / "compose.yml").write_text("services: {x: {}}\n")
    with pytest.raises(HardeningError, match=r"needed one by site\.yml"):
        repeat.again(str(tmp_path), "new")


def test_of_a_secret_only_its_place_is_kept(tmp_path: Path) -> None:
    repeat.keep(params(tmp_path))
    text = (tmp_path / "options/deploy.json").read_text()
    assert "canary" not in text
    assert oct((tmp_path / "options/deploy.json").stat().st_mode) == "0o100600"
    again = repeat.again(str(tmp_path), "new")
    assert again["secrets"] == []
    assert [(item["path"], item["source"]) for item in again["secret_sources"]] == [
        ("/etc/x/secrets/a", "/etc/x/secrets/a"),
        ("/etc/x/secrets/b", "/etc/x/secrets/b"),
    ]


def test_what_was_for_one_run_is_not_repeated(tmp_path: Path) -> None:
    repeat.keep(params(tmp_path))
    again = repeat.again(str(tmp_path), "new")
    assert (again["state_source"], again["keep_logins"], again["accept_losses"]) == ("", False, False)
    assert again["image_id"] == "new"
    assert "_ansible_x" not in again


@pytest.mark.parametrize("state", ["stopped", "absent", "previous"])
def test_after_anything_else_there_is_nothing_to_repeat(tmp_path: Path, state: str) -> None:
    repeat.keep(params(tmp_path))
    repeat.keep(params(tmp_path, state=state))
    with pytest.raises(HardeningError, match=r"needed one by site\.yml"):
        repeat.again(str(tmp_path), "new")


def test_the_same_options_are_not_written_again(tmp_path: Path) -> None:
    repeat.keep(params(tmp_path))
    before = (tmp_path / "options/deploy.json").stat()
    repeat.keep(params(tmp_path))
    assert (tmp_path / "options/deploy.json").stat().st_ino == before.st_ino
    json.loads((tmp_path / "options/deploy.json").read_text())
