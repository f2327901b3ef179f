"""The lock, between real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._lock import lock

HOLDER = """
import sys
from ansible_collections.openclaw.hardening.plugins.module_utils._lock import lock
with lock(sys.argv[1], 0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path) -> Iterator[subprocess.Popen]:
    """Another process that holds the lock until its standard input ends."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        if process.stdout is None or process.stdout.readline() != b"held\n":
            pytest.fail("no other process that holds the lock")
        yield process


def test_a_second_run_is_refused_and_told_who_holds_the_lock(tmp_path, other):
    with (
        pytest.raises(HardeningError, match=rf"process {other.pid}\b.*lock_timeout"),
        lock(str(tmp_path / "lock"), 0),
    ):
        pytest.fail("two runs at once")


def test_a_second_run_waits_for_the_first(tmp_path, other):
    with pytest.raises(HardeningError), lock(str(tmp_path / "lock"), 0):
        pytest.fail("two runs at once")
    other.stdin.close()
    with lock(str(tmp_path / "lock"), 10):
        assert other.wait(10) == 0


def test_a_killed_run_leaves_no_lock(tmp_path, other):
    other.kill()
    other.wait(10)
    with lock(str(tmp_path / "lock"), 0):
        pass


def test_a_planted_link_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(HardeningError, match="lock file"), lock(str(tmp_path / "lock"), 0):
        pytest.fail("followed a link")
    assert (tmp_path / "target").read_text() == "kept"
