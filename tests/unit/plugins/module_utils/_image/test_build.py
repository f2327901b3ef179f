"""Running a build: output goes to a private log, and a build that hangs is ended with all its children."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ansible_collections.openclaw.hardening.plugins.module_utils._image import build


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_output_and_exit_code(tmp_path):
    log = tmp_path / "build.log"
    log.write_text("an older build")
    assert build._run(["sh", "-c", "echo out; echo err >&2; exit 3"], str(log), 10) == 3
    assert log.read_text() == "out\nerr\n"


def test_the_log_is_private_and_never_written_through_a_link(tmp_path):
    assert build._run(["true"], str(tmp_path / "new.log"), 10) == 0
    assert (tmp_path / "new.log").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    try:
        build._run(["true"], str(tmp_path / "link"), 10)
    except OSError:
        assert not (tmp_path / "victim").exists()
    else:
        raise AssertionError("a link was followed")


def test_a_build_that_hangs_is_ended_with_its_children(tmp_path):
    log = tmp_path / "build.log"
    assert build._run(["sh", "-c", "sleep 300 & echo $! $$; wait"], str(log), 1) is None
    pids = [int(pid) for pid in log.read_text().split()]
    deadline = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(pids) == 2
    assert not any(map(alive, pids))
    assert os.listdir(tmp_path) == ["build.log"]
