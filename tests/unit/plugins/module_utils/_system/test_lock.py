"""The lock, between real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._system import lock as system_lock
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import (
    Holder,
    describe,
    held,
    lock,
    read_holder,
)

HOLDER = """
import sys
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import lock
with lock(sys.argv[1], 0):
    print("held", flush=True)
    sys.stdin.read()
"""
# Runs a program as the modules do, under the lock.
RUN = """
import sys
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.openclaw.hardening.plugins.module_utils._system import command, lock
with patch_module_args({}):
    module = AnsibleModule({})
with lock.lock(sys.argv[1], 0):
    command.run(module, ["sh", "-c", sys.argv[2]])
print("ended", flush=True)
sys.stdin.read()
"""


def begin(script: str, *arguments: object) -> subprocess.Popen:
    """Start a script in another process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def appears(path: Path) -> int:
    """Wait for a process to write its number."""
    for _attempt in range(500):
        if path.exists() and path.read_text().endswith("\n"):
            return int(path.read_text())
        time.sleep(0.02)
    raise TimeoutError(path)


@pytest.fixture
def other(tmp_path) -> Iterator[subprocess.Popen]:
    """Another process that holds the lock until its standard input ends."""
    with begin(HOLDER, tmp_path / "lock") as process:
        if process.stdout is None or process.stdout.readline() != b"held\n":
            pytest.fail("no other process that holds the lock")
        yield process


def refusal(path, timeout: float = 0, option: str = "lock_timeout") -> str:
    """Ask for a lock that another user holds; return what is reported."""
    with pytest.raises(HardeningError) as refused, lock(str(path), timeout, option):
        pytest.fail("two runs at once")
    return str(refused.value)


def test_a_second_run_is_refused_and_reported_who_holds_the_lock_since_when(tmp_path, other):
    output = refusal(tmp_path / "lock")
    match = re.search(r"process ([0-9]+) \(-c\) holds the lock for ([0-9]+) seconds, since (.{19}) UTC", output)
    assert int(match[1]) == other.pid
    began = datetime.strptime(f"{match[3]}+0000", "%Y-%m-%d %H:%M:%S%z")
    assert abs((datetime.now(timezone.utc) - began).total_seconds() - int(match[2])) <= 2
    assert int(match[2]) < 60
    assert output.endswith("set 'lock_timeout'")


def test_the_refusal_names_the_callers_option(tmp_path, other):
    assert refusal(tmp_path / "lock", option="timeout").endswith("set 'timeout'")


def test_a_second_run_reports_how_long_it_waited(tmp_path, other):
    assert "another run at work after 0.3 seconds of waiting" in refusal(tmp_path / "lock", 0.3)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"4711",
        b"4711 ",
        b"1 2 3 x",
        b"-1 2 3 x\n",
        b"0 2 3 x\n",
        b"99999999999 2 3 x\n",
        b"1 2 3 a b\n",
        b"1 2 3 \x1b[2J\n",
        b"\x00\xff\xfe\n" * 999,
        b"9" * 100_000,
        "process 1 \u202e\n".encode(),
    ],
)
def test_a_torn_or_foreign_file_is_harmless(tmp_path, other, content):
    (tmp_path / "lock").write_bytes(content)
    output = refusal(tmp_path / "lock")
    assert "a process that is not known" in output
    assert output.isprintable()
    assert len(output) < 500


@pytest.mark.parametrize("line", [b"%d 1 2 hardened_compose.py\n", b"4194304 1 2 hardened_compose.py\n"])
def test_when_the_one_that_signed_is_gone_the_kernel_reports_who_holds_the_lock(tmp_path, other, line):
    """The number was used again, or nobody has it; a waiting run, which has the file open, too, is not named."""
    (tmp_path / "lock").write_bytes(line % other.pid if b"%d" in line else line)
    with begin(HOLDER.replace("1], 0", "1], 60"), tmp_path / "lock") as waiting:
        output = refusal(tmp_path / "lock", 0.5)
        waiting.kill()
    assert f"a run which is gone (hardened_compose.py) had started: process {other.pid} (python" in output
    assert output.count("process ") == 1


def test_a_program_of_a_killed_run_is_waited_for_and_named(tmp_path):
    lock_file, number = tmp_path / "lock", tmp_path / "number"
    with begin(RUN, lock_file, f"echo $$ > {number}; exec sleep 60") as run:
        program = appears(number)
        run.kill()
    output = refusal(lock_file, 0.3)
    assert f"a run which is gone (-c) had started: process {program} (sleep) holds the lock for" in output
    os.kill(program, signal.SIGKILL)
    with lock(str(lock_file), 10):
        pass


def test_a_program_that_a_run_left_for_good_holds_nothing(tmp_path):
    lock_file, number = tmp_path / "lock", tmp_path / "number"
    with begin(RUN, lock_file, f"sleep 60 >/dev/null 2>&1 & echo $! > {number}") as run:
        program = appears(number)
        assert run.stdout.readline() == b"ended\n"
        with lock(str(lock_file), 0):
            os.kill(program, signal.SIGKILL)
        run.stdin.close()


def test_only_locks_that_are_held_are_handed_on(tmp_path):
    assert held() == ()
    with lock(str(tmp_path / "outer"), 0), lock(str(tmp_path / "inner"), 0):
        assert [os.readlink(f"/proc/self/fd/{number}") for number in held()] == [
            str(tmp_path / "outer"),
            str(tmp_path / "inner"),
        ]
    assert held() == ()


def test_the_holder_signs_with_one_line_and_takes_it_back(tmp_path):
    path = tmp_path / "lock"
    path.write_bytes(b"old " * 100)
    with lock(str(path), 0):
        content = path.read_bytes()
        assert content.count(b"\n") == 1
        assert content.endswith(b"\n")
        assert read_holder(content).pid == os.getpid()
    assert path.read_bytes() == b""
    with pytest.raises(KeyError), lock(str(path), 0):
        raise KeyError
    assert path.read_bytes() == b""


def test_a_full_disk_does_not_keep_the_lock_from_being_held(tmp_path, monkeypatch):
    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(system_lock.os, "pwrite", full)
    with lock(str(tmp_path / "lock"), 0):
        assert "a process that is not known" in refusal(tmp_path / "lock")


def test_a_clock_that_was_set_does_not_matter():
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)
    holder = Holder(7, 1, 1000, "hardened_compose.py")
    output = "process 7 (hardened_compose.py) holds the lock for 90 seconds, since 2026-11-22 11:58:30 UTC"
    assert describe(holder, 1090.2, now) == output
    assert "for 0 seconds" in describe(Holder(7, 1, 10**12 - 1, "x"), 1090.2, now)


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


def test_a_lock_below_a_directory_of_other_user_else_or_through_a_link_is_refused(tmp_path, as_root):
    theirs, link = tmp_path / "theirs", tmp_path / "link"
    theirs.mkdir()
    os.chown(theirs, 1000, 1000)
    link.symlink_to("/")
    assert "a directory of uid 1000" in refusal(theirs / "lock")
    assert "a symbolic link" in refusal(link / "lock")
    assert not list(theirs.iterdir())


def test_who_waited_for_a_lock_that_was_removed_with_what_it_locks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deploy.lock"
    holder = begin(HOLDER, path)
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"held\n"
    timer = threading.Timer(0.3, lambda: (path.unlink(), holder.communicate()))
    timer.start()
    with pytest.raises(HardeningError, match="run this again"), lock(str(path), 30):
        raise AssertionError("it is locked")
    timer.join()
    with lock(str(path), 0):
        assert path.exists()


def test_who_is_at_work_is_read_without_a_try_to_take_the_lock(tmp_path):
    path = str(tmp_path / "x.lock")
    assert system_lock.at_work(path) == ""
    with lock(path, 1):
        assert f"process {os.getpid()} " in system_lock.at_work(path)
    assert system_lock.at_work(path) == ""
    (tmp_path / "x.lock").write_text(f"{os.getpid()} 1 5 gone\n")
    assert system_lock.at_work(path) == ""
