"""Where a base is made: the first place that will do, the one that was chosen, or a refusal with every reason."""

from __future__ import annotations

import os
import stat
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._image import place

GOOD = {"f_flag": 0, "f_bavail": place.NEEDED_MIB, "f_frsize": 1 << 20, "f_files": 1000, "f_favail": 1_000_000}
MOUNTED = {
    "mounted noexec": {"f_flag": os.ST_NOEXEC | os.ST_NOSUID},
    "mounted nodev": {"f_flag": os.ST_NODEV},
    "mounted noexec and nodev": {"f_flag": os.ST_NOEXEC | os.ST_NODEV},
    "mounted read-only": {"f_flag": os.ST_RDONLY},
    "1535 MiB free": {"f_bavail": place.NEEDED_MIB - 1},
    "10 inodes free": {"f_favail": 10},
}


@pytest.fixture
def systems(monkeypatch):
    """File systems by path, each of which is good."""
    found = {path: dict(GOOD) for path in (*place.PLACES, "/srv/build")}
    root = SimpleNamespace(st_mode=stat.S_IFDIR | 0o755, st_uid=0)
    monkeypatch.setattr(place.os, "statvfs", lambda path: SimpleNamespace(**found[path]))
    monkeypatch.setattr(place.os, "lstat", lambda _path: root)
    monkeypatch.setattr(place, "_on_the_way", lambda _path: "")
    monkeypatch.setattr(place.os.path, "isdir", lambda _path: True)
    monkeypatch.setattr(place.os.path, "ismount", lambda path: path in found)
    return found


def test_the_first_usual_place_that_will_do(systems):
    assert place.chosen("") == "/var/tmp"
    systems["/var/tmp"].update(MOUNTED["mounted noexec"])
    systems["/var/cache"].update(MOUNTED["mounted nodev"])
    assert place.chosen("") == "/var/lib"
    systems["/var/lib"].update(MOUNTED["10 inodes free"])
    with pytest.raises(HardeningError) as refused:
        place.chosen("")
    for reason in (
        "/var/tmp, which is mounted noexec",
        "/var/cache, which is mounted nodev",
        "10 inodes",
        "'build_dir'",
    ):
        assert reason in str(refused.value)


@pytest.mark.parametrize("reason", MOUNTED)
def test_a_place_that_was_chosen_is_taken_or_refused(systems, reason):
    assert place.chosen("/srv/build") == "/srv/build"
    systems["/srv/build"].update(MOUNTED[reason])
    with pytest.raises(HardeningError, match=rf"/srv/build: .*{reason}.*set 'build_dir'"):
        place.chosen("/srv/build")


def test_another_user_must_not_be_able_to_change_it(tmp_path, monkeypatch):
    found = SimpleNamespace(st_mode=stat.S_IFDIR | 0o777, st_uid=0)
    monkeypatch.setattr(place.os, "lstat", lambda _path: found)
    assert "another user than root" in place.fault(str(tmp_path))
    found.st_mode |= stat.S_ISVTX
    assert "another user" not in place.fault(str(tmp_path))
    found.st_uid = 1000
    assert "uid 1000" in place.fault(str(tmp_path))


def test_what_is_no_directory(tmp_path):
    assert place.fault(f"{tmp_path}/none") == "no such file or directory"
    (tmp_path / "link").symlink_to(tmp_path)
    assert place.fault(f"{tmp_path}/link") == "not a directory"


def test_the_way_to_a_chosen_place_is_roots_and_has_no_link(tmp_path, as_root):
    chosen = tmp_path / "a/b"
    chosen.mkdir(parents=True)
    assert place._on_the_way(str(chosen)) == ""
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert "is a symbolic link" in place._on_the_way(f"{tmp_path}/link/b")
    (tmp_path / "a").chmod(0o777)
    assert "mode 0777" in place._on_the_way(str(chosen))
    assert place._on_the_way(f"{tmp_path}/none/b") == "no such file or directory"
