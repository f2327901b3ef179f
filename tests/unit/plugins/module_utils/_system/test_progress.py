"""The log of a run: what is in the file while it goes on, and that nothing is left of it."""

from __future__ import annotations

import os
import stat
import time

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._system import progress


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "FOLDER", str(tmp_path))
    monkeypatch.setattr(progress, "ensure_directory", lambda *_arguments: None)
    return tmp_path


def test_a_log_has_the_steps_with_their_times_and_goes_with_the_run(folder):
    file = progress.path("image", "openclaw:hardened")
    with progress.log("image", "openclaw:hardened"):
        progress.step("one")
        progress.step("two")
        with open(file) as log:
            steps = progress.read(log.read())
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert [text for _began, text in steps] == ["one", "two"]
    assert all(0 <= now - began < 5 for began, _text in steps)
    assert os.listdir(folder) == []
    progress.step("nobody reads it")


def test_an_error_takes_the_log_away_too(folder):
    with pytest.raises(ValueError, match="x"), progress.log("deploy", "a"):
        raise ValueError("x")
    assert os.listdir(folder) == []


def test_a_log_of_a_killed_run_is_begun_again(folder):
    file = progress.path("image", "a")
    with open(file, "w") as left:
        left.write("1 of before\n")
    with progress.log("image", "a"):
        progress.step("now")
        with open(file) as log:
            assert [text for _began, text in progress.read(log.read())] == ["now"]


def test_a_link_is_not_followed_and_stops_nothing(folder):
    (folder / "victim").write_text("kept")
    os.symlink(folder / "victim", progress.path("image", "a"))
    with progress.log("image", "a"):
        progress.step("lost")
    assert (folder / "victim").read_text() == "kept"


def test_two_things_have_two_logs():
    paths = {progress.path(kind, subject) for kind in ("image", "deploy") for subject in ("a", "b", "../../etc/x\n")}
    assert len(paths) == 6
    assert all(os.path.dirname(path) == progress.FOLDER for path in paths)


@pytest.mark.parametrize("line", ["", "x 1", "1", "-1 a", "1 \x1b[31mred", "1 " + "a" * 161, "1 é"])
def test_a_line_that_is_not_ours_is_left_out(line):
    assert progress.read(f"{line}\n5 good\n") == [(5, "good")]


def test_a_log_without_an_end_is_cut():
    assert len(progress.read("1 a\n" * progress.LARGEST)) <= progress.LARGEST // 4
