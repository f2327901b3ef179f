"""Copies of a state, on a real file system, with all that its owner may have planted."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._snapshot import (
    Mirror,
    measure,
    need_space,
    remove_tree,
)


@pytest.fixture
def state(tmp_path) -> Path:
    top = tmp_path / "state"
    (top / "agents/main").mkdir(parents=True)
    (top / "agents/main/log").write_text("a line\n")
    (top / "workspace").mkdir()
    (top / "workspace/report").write_text("the operator's own")
    (top / "db").write_bytes(b"pages")
    (top / "db").chmod(0o600)
    return top


@pytest.fixture
def copy(tmp_path) -> Path:
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy"


def mirror(source: Path, target: Path, **options) -> Mirror:
    return Mirror(str(source), str(target), ("workspace",), **options)


def contents(top: Path) -> dict[str, object]:
    """Return what a tree is made of, but for the workspace."""
    found: dict[str, object] = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if name.split("/", maxsplit=1)[0] == "workspace":
            continue
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[name] = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_mtime_ns, content)
    return found


def settled(state: Path) -> None:
    """Let what was just written be old enough to be recognised."""
    time.sleep(0.05)
    assert state.exists()


def test_a_copy_is_equal_and_leaves_the_workspace_out(state, copy):
    assert mirror(state, copy).run() == 2
    assert contents(copy) == contents(state)
    assert not (copy / "workspace").exists()


def test_what_is_the_same_is_not_copied_again(state, copy):
    settled(state)
    copying = mirror(state, copy)
    assert copying.run() == 2
    assert copying.run() == 0
    (state / "db").write_bytes(b"other")
    os.utime(state / "db", ns=(1, (copy / "db").stat().st_mtime_ns))  # the time of before: its owner may set it
    assert copying.run() == 1
    assert (copy / "db").read_bytes() == b"other"


def test_the_way_back_brings_everything_back_and_leaves_the_workspace_alone(state, copy):
    before = contents(state)
    mirror(state, copy).run()
    (state / "db").write_bytes(b"migrated forward")
    (state / "new").mkdir()
    (state / "new/file").write_text("x")
    (state / "agents/main/log").unlink()
    (state / "workspace/report").write_text("more of it")
    mirror(copy, state).run()
    assert contents(state) == before
    assert (state / "workspace/report").read_text() == "more of it"


def test_links_are_copied_and_not_followed(state, copy, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / "secret").write_text("root's")
    (state / "link").symlink_to(victim)
    (copy / "agents").symlink_to(victim)  # planted where the copy goes
    mirror(state, copy).run()
    assert os.readlink(copy / "link") == str(victim)
    assert (copy / "agents/main/log").read_text() == "a line\n"
    assert sorted(os.listdir(victim)) == ["secret"]
    assert stat.S_IMODE(victim.stat().st_mode) == 0o700


def test_a_hard_link_planted_in_the_target_keeps_its_content(state, copy, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("somebody else's")
    os.link(victim, copy / "db")
    mirror(state, copy).run()
    assert victim.read_text() == "somebody else's"
    assert (copy / "db").read_bytes() == b"pages"


def test_pipes_and_sockets_are_left_out_and_do_not_block(state, copy):
    os.mkfifo(state / "pipe")
    os.mkfifo(copy / "db")  # something else in the place of a file
    mirror(state, copy).run()
    assert sorted(os.listdir(copy)) == ["agents", "db"]
    assert (copy / "db").read_bytes() == b"pages"


def test_a_hole_stays_a_hole(state, copy):
    with (state / "sparse").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 30)
        file.write(b"x")
    mirror(state, copy).run()
    found = (copy / "sparse").stat()
    assert found.st_size == 1 << 40
    assert found.st_blocks * 512 < 1 << 20


def test_an_earlier_copy_is_shared_and_never_changed(state, copy, tmp_path):
    settled(state)
    mirror(state, copy).run()
    (state / "db").write_bytes(b"newer")
    later = tmp_path / "later"
    later.mkdir()
    mirror(state, later, reuse=str(copy)).run()
    assert (later / "agents/main/log").stat().st_ino == (copy / "agents/main/log").stat().st_ino
    assert (later / "db").read_bytes() == b"newer"
    assert (copy / "db").read_bytes() == b"pages"


def test_a_state_that_is_nested_on_purpose_is_refused_and_can_be_removed(state, copy):
    nest(state / "deep", 250)
    with pytest.raises(HardeningError, match="directories deeper than"):
        mirror(state, copy).run()
    nest(copy / "deeper", 1500)
    handle = os.open(copy, os.O_RDONLY)
    remove_tree(handle, "deeper")
    assert "deeper" not in os.listdir(handle)
    assert not [name for name in os.listdir(handle) if name.endswith("hardening-tmp")]
    os.close(handle)


def nest(top: Path, levels: int) -> None:
    top.mkdir()
    handle = os.open(top, os.O_RDONLY)
    for _level in range(levels):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)


def test_a_live_copy_is_of_one_moment(state, copy):
    """Two files that are always written one after the other: no copy may have the second newer than the first."""
    first, second = state / "a", state / "b"
    stop = threading.Event()

    def write() -> None:
        for number in range(10**9):
            first.write_text(str(number))
            second.write_text(str(number))
            if stop.wait(0.2):
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.1)
        for _turn in range(5):
            if mirror(state, copy).run_live():
                assert int((copy / "a").read_text()) >= int((copy / "b").read_text())
    finally:
        stop.set()
        writer.join()


def test_a_state_that_never_rests_is_said_so(state, copy):
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.001):
            (state / "db").write_bytes(os.urandom(16))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert mirror(state, copy).run_live() is False
    finally:
        stop.set()
        writer.join()


def test_the_size_is_what_lies_on_the_disk(state):
    (state / "workspace/big").write_bytes(b"x" * (1 << 20))
    (state / "agents/some").write_bytes(b"x" * (1 << 18))
    assert 1 << 18 <= measure(str(state), ("workspace",)) < 1 << 19
    assert measure(str(state)) > 1 << 20


def test_too_little_space_is_refused_with_both_numbers(tmp_path):
    need_space(str(tmp_path), 1, "copies", "record_dir")
    with pytest.raises(HardeningError, match=r"MiB free, needed \d+ MiB for copies.*set 'record_dir'"):
        need_space(str(tmp_path), 1 << 60, "copies", "record_dir")
