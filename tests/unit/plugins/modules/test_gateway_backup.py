"""A whole backup, from options to archive and back, in folders of its own."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import archive, manager
from ansible_collections.openclaw.hardening.plugins.modules import gateway_backup

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a backup needs root")
TOKEN = "canary-token"


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the options of a deployment that was made up here."""
    monkeypatch.setattr(
        "ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path._vet", lambda *_: None
    )
    state = tmp_path / "home/state"
    for path in ("state", "workspace"):
        (state / path).mkdir(parents=True)
    with closing(sqlite3.connect(state / "state/openclaw.sqlite")) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE notes (text)")
        made.execute("INSERT INTO notes VALUES ('here')")
        made.commit()
    (state / "workspace/notes.md").write_text("work")
    (tmp_path / "etc/secrets").mkdir(parents=True)
    (tmp_path / "etc/secrets/gateway_token").write_text(TOKEN)
    (tmp_path / "etc/openclaw.json").write_text(json.dumps({"gateway": {"port": 1}}))
    for top, folders, files in os.walk(state):
        for name in (".", *folders, *files):
            os.chown(f"{top}/{name}", 12345, 12345)
    return {
        "project": "openclaw",
        "directory": str(tmp_path / "backups"),
        "state_dir": str(state),
        "config_dir": str(tmp_path / "etc"),
        "record_dir": str(tmp_path / "records"),
        "config": str(tmp_path / "etc/openclaw.json"),
        "lock_files": {"package.json": '{"dependencies": {"openclaw": "2026.9.6"}}', "package-lock.json": "{}",
                       "requirements-node.txt": "x"},
    }  # fmt: skip


@pytest.fixture
def call(run_module: Any, options: dict[str, Any]) -> Any:
    def run(check: bool = False, **more: object) -> dict[str, Any]:
        return run_module(gateway_backup, check=check, **{**options, **more})

    return run


def names(options: dict[str, Any]) -> list[str]:
    folder = options["directory"]
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def test_a_backup_and_back(call: Any, options: dict[str, Any]) -> None:
    made = call()
    assert made["changed"]
    assert made["problems"] == []
    assert [text.split(":")[0] for text in made["left_out"]] == ["secrets and logins"]
    assert (made["version"], made["workspace"], made["secrets"]) == ("2026.9.6", True, False)
    assert Path(made["path"]).stat().st_mode & 0o777 == 0o600
    assert names(options) == [os.path.basename(made["path"]), f"{os.path.basename(made['path'])}.json"]
    assert call(state="verified", archive=made["path"])["manifest_sha256"] == made["manifest_sha256"]
    unpacked = call(state="unpacked")
    place = Path(unpacked["state_source"])
    with closing(sqlite3.connect(place / "state/openclaw.sqlite")) as copy:
        assert copy.execute("SELECT text FROM notes").fetchall() == [("here",)]
    assert (place / "workspace/notes.md").read_text() == "work"
    assert unpacked["secret_files"] == {}
    assert sorted(os.listdir(unpacked["lock_dir"])) == ["package-lock.json", "package.json", "requirements-node.txt"]
    assert place.parent.stat().st_mode & 0o777 == 0o700
    Path(options["config"]).write_text(json.dumps({"gateway": {"port": 2}}))
    cleared = call(state="absent", proven=True)
    assert cleared["config_changes"] == ["gateway.port: another value"]
    assert not place.parent.exists()
    assert call(state="absent")["changed"] is False
    assert json.loads(Path(f"{made['path']}.json").read_text())["verified_at"]


def test_check_mode_predicts_and_writes_nothing(call: Any, options: dict[str, Any], tmp_path: Path) -> None:
    predicted = call(check=True)
    assert predicted["changed"]
    assert not (tmp_path / "backups").exists()
    assert not (tmp_path / "records").exists()
    made = call()
    assert call(check=True, state="unpacked")["manifest_sha256"] == made["manifest_sha256"]
    assert not (tmp_path / "records/restore").exists()
    assert call(check=True, keep=1)["pruned"] == [os.path.basename(made["path"])]
    assert Path(made["path"]).exists()


def test_only_so_many_are_kept(call: Any, options: dict[str, Any]) -> None:
    for _number in range(3):
        last = call(keep=2)
    assert len([name for name in names(options) if not name.endswith(".json")]) == 2
    assert os.path.basename(last["path"]) in names(options)


def test_no_secret_is_in_an_archive_without_a_key(call: Any, tmp_path: Path) -> None:
    made = call()
    with open(made["path"], "rb") as file, archive.unpack(file, made["path"], [], 60) as stream:
        assert TOKEN.encode() not in b"".join(b"".join(pieces) for _name, _size, pieces in archive.members(stream))
    assert TOKEN not in json.dumps(made)


def test_no_room_is_refused_before_anything_is_written(call: Any, options: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(manager.collect, "measure", lambda *_: manager.collect.Size(1 << 60))
    failed = call()
    assert failed["failed"]
    assert "MiB free" in failed["msg"]
    assert "set 'directory'" in failed["msg"]
    assert names(options) == []


def test_a_disk_that_fills_leaves_the_older_ones(call: Any, options: dict[str, Any], monkeypatch: Any) -> None:
    call()
    before = names(options)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archive.os, "write", full)
    failed = call()
    monkeypatch.undo()
    assert failed["failed"]
    assert "No space left" in failed["msg"]
    assert names(options) == before


def test_what_a_killed_run_left_goes(call: Any, options: dict[str, Any]) -> None:
    made = call()
    folder = Path(options["directory"])
    left = folder / f".{os.path.basename(made['path'])}.0123456789abcdef.hardening-tmp"
    left.write_text("half")
    (folder / ".work").mkdir()
    (folder / ".work/copy").write_text("half")
    (Path(options["record_dir"]) / "restore/state").mkdir(parents=True)
    call()
    assert [name for name in names(options) if name.startswith(".")] == []
    assert call(state="unpacked")["changed"]


def test_a_deployment_that_was_cut_off_is_refused(call: Any, options: dict[str, Any]) -> None:
    call()
    attempt = Path(options["record_dir"]) / "attempt"
    attempt.mkdir()
    (attempt / "journal.json").write_text("{")
    assert "journal" in call()["msg"]


@pytest.mark.parametrize("where", [0.01, 0.5, 0.99])
def test_a_changed_byte_is_refused(call: Any, options: dict[str, Any], where: float) -> None:
    made = call()
    whole = bytearray(Path(made["path"]).read_bytes())
    whole[int(len(whole) * where)] ^= 0x55
    Path(made["path"]).write_bytes(whole)
    failed = call(state="unpacked")
    assert failed["failed"]
    assert "the archive" in failed["msg"]
    assert not (Path(options["record_dir"]) / "restore").exists()


def test_another_project_is_refused(call: Any, options: dict[str, Any]) -> None:
    made = call()
    assert "one of acme" in call(state="unpacked", archive=made["path"], project="acme")["msg"]
    assert "no backup" in call(state="unpacked", project="acme")["msg"]


def test_a_link_as_an_archive_is_refused(call: Any, options: dict[str, Any]) -> None:
    made = call()
    link = Path(options["directory"]) / "link.tar.gz"
    link.symlink_to(made["path"])
    assert call(state="verified", archive=str(link))["failed"]


def test_no_state_is_refused(call: Any, options: dict[str, Any]) -> None:
    assert "deploy first" in call(state_dir=f"{options['state_dir']}-none")["msg"]


def test_a_lock_of_another_version_is_left_out(call: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(manager.BackupManager, "_deployed_version", lambda _self: "2026.8.2")
    made = call()
    assert made["version"] == "2026.8.2"
    assert "of '2026.9.6', deployed is '2026.8.2'" in made["left_out"][1]
    assert call(state="unpacked")["lock_dir"] == ""
