"""A state from elsewhere is given to the account of this host, links themselves included."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_source

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setattr(state_source, "vet_parents", lambda _path: None)
    for name in ("source", "state"):
        (tmp_path / name).mkdir()
    os.chown(tmp_path / "state", 12345, 23456)
    return tmp_path / "source", tmp_path / "state"


def test_everything_is_given_and_nothing_followed(folders: tuple[Path, Path], tmp_path: Path) -> None:
    source, state = folders
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    (source / "link").symlink_to(outside)
    deep = source
    for _level in range(200):
        deep = deep / "d"
        os.mkdir(deep)
    (deep / "-rf\n").write_text("x")
    state_source.adopt(str(source), str(state))
    for path in (source, source / "link", deep, deep / "-rf\n"):
        assert (os.lstat(path).st_uid, os.lstat(path).st_gid) == (12345, 23456)
    assert os.stat(outside / "file").st_uid == os.stat(outside).st_uid == 0


def test_without_an_account_or_a_state_nothing_is_given(folders: tuple[Path, Path]) -> None:
    source, state = folders
    with pytest.raises(HardeningError, match="create the account first"):
        state_source.adopt(str(source), f"{state}-none")
    with pytest.raises(HardeningError, match="set 'state_source'"):
        state_source.adopt(f"{source}-none", str(state))
    assert os.stat(source).st_uid == 0
