"""What a tree takes, and whether there is room for it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import room
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.room import (
    Size,
    measure,
    need_both,
    need_space,
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name in ("workspace", "agents"):
        (tmp_path / "state" / name).mkdir(parents=True)
    (tmp_path / "state/openclaw.json").write_bytes(b"{}")
    return tmp_path / "state"


def test_the_size_is_what_lies_on_the_disk(state):
    (state / "workspace/big").write_bytes(b"x" * (1 << 20))
    (state / "agents/some").write_bytes(b"x" * (1 << 18))
    assert 1 << 18 <= measure(str(state), ("workspace",)).size < 1 << 19
    assert measure(str(state)).size > 1 << 20
    assert measure(str(state), ("workspace",)).files == 4  # the directory itself, one in it, two files


def test_too_little_space_is_refused_with_both_numbers(tmp_path):
    need_space(str(tmp_path), Size(1, 1), "copies", "copy_state")
    with pytest.raises(HardeningError, match=r"MiB free, needed \d+ MiB for copies.*set 'copy_state'"):
        need_space(str(tmp_path), Size(1 << 60, 1), "copies", "copy_state")


def test_inodes_are_checked_as_bytes_are(tmp_path, monkeypatch):
    found = os.statvfs(tmp_path)
    fields = {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(**{**fields, "f_files": 9999, "f_favail": 1500}))
    need_space(str(tmp_path), Size(1, 500), "copies", "copy_state")
    with pytest.raises(HardeningError, match=r"1500 inodes free, needed 1501 for copies.*set 'copy_state'"):
        need_space(str(tmp_path), Size(1, 501), "copies", "copy_state")
    # Some file systems have no fixed number of them.
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(**{**fields, "f_files": 0, "f_favail": 0}))
    need_space(str(tmp_path), Size(1, 501), "copies", "copy_state")


def test_what_two_paths_take_is_added_up_where_they_share_a_file_system(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(room, "need_space", lambda path, size, *_: asked.append((path, size)))
    here, there = str(tmp_path), "/proc"
    need_both((here, Size(2, 2)), (here, Size(3, 1)), "copies", "")
    assert asked == [(here, Size(5, 3))]
    asked.clear()
    need_both((here, Size(2, 2)), (there, Size(3, 1)), "copies", "")
    assert asked == [(here, Size(2, 2)), (there, Size(3, 1))]
