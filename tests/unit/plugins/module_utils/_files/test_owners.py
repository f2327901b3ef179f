"""Whose the entries of a tree are, and how they are given to one account."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files import owners


@pytest.fixture
def tree(tmp_path: Path, as_root: None) -> Path:
    """Make a tree of root's with a link that leads out."""
    (tmp_path / "outside").write_text("root's")
    top = tmp_path / "state"
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/file").touch()
    (top / "link").symlink_to(tmp_path / "outside")
    return top


def test_everything_is_found_and_given_and_no_link_is_followed(tree: Path) -> None:
    assert {entry.path for entry in owners.foreign(str(tree), 1234, 1234)} == {"a", "a/b", "a/b/file", "link"}
    owners.give(str(tree), 1234, 1234)
    assert owners.foreign(str(tree), 1234, 1234) == []
    assert os.stat(tree.parent / "outside").st_uid == 0
    assert os.lstat(tree / "link").st_uid == 1234


def test_a_file_with_several_names_is_refused_before_anything_changes(tree: Path) -> None:
    os.link(tree.parent / "outside", tree / "a/another-name")
    with pytest.raises(HardeningError, match="several names"):
        owners.give(str(tree), 1234, 1234)
    assert len(owners.foreign(str(tree), 1234, 1234)) == 5


def test_a_tree_without_end_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "MOST", 3)
    with pytest.raises(HardeningError, match="more than 3 entries"):
        owners.foreign(str(tree), 0, 0)
