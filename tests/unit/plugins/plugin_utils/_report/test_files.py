"""Files of a report: whole, private, never through a link."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import files


def mode(path) -> str:
    return oct(stat.S_IMODE(os.lstat(path).st_mode))


def test_directory_and_files_are_for_their_owner(tmp_path):
    folder = tmp_path / "deep" / "reports"
    files.write(str(folder), {"a.json": "é\n", "b.xml": "x"})
    assert mode(folder) == "0o700"
    assert {file.name: mode(file) for file in folder.iterdir()} == {"a.json": "0o600", "b.xml": "0o600"}
    assert (folder / "a.json").read_bytes() == b"\xc3\xa9\n"


def test_an_existing_directory_keeps_its_mode_and_an_existing_file_becomes_private(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o644)
    files.write(str(tmp_path), {"a": "new"})
    assert (mode(tmp_path), mode(tmp_path / "a"), (tmp_path / "a").read_text()) == ("0o755", "0o600", "new")


def test_a_link_is_replaced_and_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "a").symlink_to(victim)
    (folder / "b").symlink_to(tmp_path)
    files.vet(str(folder), ["a", "b"])
    files.write(str(folder), {"a": "x", "b": "y"})
    assert victim.read_text() == "mine"
    assert not (folder / "a").is_symlink()
    assert not (folder / "b").is_symlink()


def test_nothing_is_left_when_writing_fails(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(HardeningError, match="No space left on device"):
        files.write(str(tmp_path), {"a": "x"})
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_replaced_is_refused_before_anything(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "b").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(HardeningError, match="not a directory"):
        files.vet(str(tmp_path / "file"), [])
    with pytest.raises(HardeningError, match="not a directory"):
        files.vet(str(tmp_path / "dangling"), [])
    with pytest.raises(HardeningError, match="found a directory"):
        files.vet(str(tmp_path), ["a", "b"])
    files.vet(str(tmp_path / "new"), ["a"])


def test_a_file_in_the_way_of_the_directory_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HardeningError, match="directory"):
        files.write(str(tmp_path / "file" / "below"), {"a": "x"})
