"""Outside programs, each with a deadline: real ones, that hang, flood and leave children."""

from __future__ import annotations

import fcntl
import os
import time
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._system import command, lock

MODULE = SimpleNamespace(params={}, run_command_environ_update={})
# A program that starts another one, writes the numbers of both, and stays.
FAMILY = "sleep 60 & echo $$ $! >{}; {} wait"


def run(argv, **options):
    return command.run(options.pop("module", MODULE), argv, **options)


def shell(script, **options):
    return run(["sh", "-c", script], **options)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_output_code_environment_and_input_arrive(tmp_path):
    answer = shell("cat; echo $LC_ALL $X >&2; pwd; exit 3", data="in\n", env={"X": "y"}, cwd=str(tmp_path), check=False)
    assert answer == command.Output(3, f"in\n{tmp_path}\n", "C.UTF-8 y\n")
    assert shell("cat").stdout == ""
    assert run(["printf", "%s", "~$HOME"]).stdout == "~$HOME"


def test_input_and_output_larger_than_a_pipe_do_not_block_each_other():
    assert len(run(["cat"], data="x" * 3_000_000, timeout=20).stdout) == 3_000_000
    assert shell("exec true", data="x" * 3_000_000, timeout=20).rc == 0


def test_a_failure_and_a_missing_program_are_refusals():
    with pytest.raises(HardeningError, match="exit code 1"):
        shell("exit 1")
    with pytest.raises(HardeningError, match="program no-such-program: found No such file or directory"):
        run(["no-such-program"])


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM;"])
@pytest.mark.parametrize("check", [True, False])
def test_a_program_that_does_not_end_is_ended_with_what_it_started(tmp_path, monkeypatch, stubborn, check):
    monkeypatch.setattr(command, "_GRACE", 0.3)
    numbers, began = tmp_path / "numbers", time.monotonic()
    with pytest.raises(command.DeadlinePassedError) as refused:
        shell(FAMILY.format(numbers, stubborn), timeout=0.5, check=check)
    assert time.monotonic() - began < 5
    assert "sh: found no end after 0.5 seconds; it was ended" in str(refused.value)
    assert not [pid for pid in map(int, numbers.read_text().split()) if alive(pid)]


def test_a_program_that_stops_itself_or_writes_without_end_is_ended():
    with pytest.raises(command.DeadlinePassedError):
        shell("kill -STOP $$", timeout=0.5)
    with pytest.raises(command.DeadlinePassedError):
        shell("while :; do echo x; sleep 0.1; done", timeout=0.5)
    with pytest.raises(command.DeadlinePassedError):
        shell("exec >&- 2>&-; sleep 60", timeout=0.5)


def test_output_without_end_is_ended_at_a_limit(monkeypatch):
    monkeypatch.setattr(command, "MAX_OUTPUT", 1 << 20)
    with pytest.raises(HardeningError, match="more than 1 MiB of output"):
        run(["yes"], timeout=60)


def test_what_a_program_leaves_behind_does_not_hold_its_pipes(tmp_path):
    began = time.monotonic()
    answer = shell(f"echo done; sleep 20 & echo $! >{tmp_path}/number", timeout=60)
    assert answer.stdout == "done\n"
    assert time.monotonic() - began < 10
    os.kill(int((tmp_path / "number").read_text()), 9)


def test_locks_are_handed_on_and_free_when_the_program_was_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "_GRACE", 0.3)
    path = str(tmp_path / "lock")
    with lock.lock(path, 1):
        held = lock.held()[0]
        assert shell(f"ls /proc/$$/fd/{held}").rc == 0
        with pytest.raises(command.DeadlinePassedError):
            shell("trap '' TERM; sleep 60", timeout=0.3)
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_options_of_the_module_give_more_time_and_are_named():
    module = SimpleNamespace(params={"command_timeout": 0.3}, run_command_environ_update={})
    with pytest.raises(command.DeadlinePassedError, match=r"no end after 0\.3 seconds.*set 'command_timeout'"):
        shell("sleep 9", module=module)
    with pytest.raises(command.DeadlinePassedError, match=r"no end after 0\.7 seconds.*set 'command_timeout'"):
        shell("sleep 9", module=module, extra=0.4)
    with pytest.raises(command.DeadlinePassedError, match=r"0\.2 seconds of waiting for a build.*set 'timeout'"):
        shell("sleep 9", module=module, timeout=0.2, option="timeout", waits_for="a build")


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (
            ["docker", "--host", "tcp://u:secret@h:1", "compose", "--ansi", "never", "--file", "f", "up", "-d"],
            "docker compose up",
        ),
        (["/usr/bin/systemctl", "--no-ask-password", "start", "--", "a.service"], "systemctl"),
        (["docker", "--host", "h", "run", "--rm", "--", "image"], "docker run"),
        (["systemctl", "stop", "--", "x.service"], "systemctl stop"),
    ],
)
def test_a_command_is_named_without_its_values(argv, name):
    assert command.named(argv) == name
