"""A module that the server of tests/on_host/run_module.py runs finds itself in a process like one that was started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ansible
import pytest

PROGRAM = Path(__file__).parents[1] / "on_host/run_module.py"
# As on a host, where nothing but Python is.
HOW = {"executable": sys.executable, "env": {**os.environ, "PYTHONPATH": str(Path(ansible.__file__).parents[1])}}
MODULE = "ansible_collections.openclaw.hardening.plugins.modules.probe"
# Prints what it was given and what it is; and leaves traces, which the next run must not find.
PROBE = """
import atexit, json, os, random, resource, signal, subprocess, sys, threading, time
from ansible.module_utils import basic
from ansible_collections.openclaw.hardening.plugins.module_utils import helper


def main():
    given = json.loads(basic._ANSIBLE_ARGS)["ANSIBLE_MODULE_ARGS"]
    with open("/proc/self/cmdline") as file:
        line = file.read().rstrip(chr(0)).split(chr(0))
    handles = []
    for handle in os.listdir("/proc/self/fd"):
        try:
            handles.append((int(handle), os.readlink("/proc/self/fd/" + handle).partition(":")[0]))
        except OSError:
            pass  # that of the list
    mask = os.umask(0o22)
    os.umask(mask)
    leads = os.getsid(0) == os.getpid()
    print(json.dumps({
        "given": given, "line": line[1:], "argv": sys.argv, "orig_argv": sys.orig_argv[1:], "cwd": os.getcwd(),
        "umask": mask, "environment": dict(os.environ), "handles": sorted(handles), "leads": leads,
        "stdin": sys.stdin.read(), "name": __name__, "path": sys.path,
        "streams": [(s.encoding, s.errors, s.line_buffering, s.isatty()) for s in (sys.stdin, sys.stdout, sys.stderr)],
        "signals": [str(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT)],
        "limits": resource.getrlimit(resource.RLIMIT_NOFILE), "threads": threading.active_count(),
        "state": helper.STATE, "main": sys.modules["__main__"].__name__,
        "children": subprocess.run(["true"]).returncode,
    }), flush=True)
    print(random.random(), file=sys.stderr)
    helper.STATE.append("a trace")
    os.environ["TRACE"] = "1"
    os.chdir("/")
    os.umask(0)
    atexit.register(print, "at the end")
    threading.Thread(target=lambda: (time.sleep(0.1), print("by a thread"))).start()
    if given.get("sleep"):
        time.sleep(given["sleep"])
    sys.exit(given.get("code", 0))


if __name__ == "__main__":
    main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A module as it is unpacked on a host; Ansible's part is that of the tools."""
    plugins = tmp_path / "unpacked/ansible_collections/openclaw/hardening/plugins"
    for part in ("modules", "module_utils"):
        (plugins / part).mkdir(parents=True)
        (plugins / part / "__init__.py").touch()
    (plugins / "module_utils/helper.py").write_text("STATE = []\n")
    (plugins / "modules/probe.py").write_text(PROBE)
    return tmp_path / "unpacked"


def given(**options: Any) -> str:
    return json.dumps({"ANSIBLE_MODULE_ARGS": options})


Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(folder: Path) -> Iterator[Call]:
    """Return a function that lets one server run the module."""
    argv = ["python3", str(PROGRAM), "serve", "-" * 600]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(argv, cwd=folder, text=True, bufsize=1, **HOW, **pipes)

    def ask(order: dict[str, Any]) -> dict[str, Any]:
        process.stdin.write(f"{json.dumps(order)}\n")
        return json.loads(process.stdout.readline())

    assert ask({"folder": str(folder), "module": MODULE}) == {}
    yield lambda seconds=30.0, **options: ask({"input": given(**options), "seconds": seconds})
    process.stdin.close()
    assert process.wait(10) == 0


def test_it_is_like_one_that_was_started(folder: Path, call: Call) -> None:
    argv = ["python3", str(PROGRAM), str(folder), MODULE]
    started = subprocess.run(argv, cwd=folder, input=given(code=3), text=True, **HOW,
                             capture_output=True, check=False, start_new_session=True)  # fmt: skip
    served = [call(code=3), call(code=3)]
    assert started.returncode == 3, started.stderr
    assert [answer["rc"] for answer in served] == [3, 3]
    expected = started.stdout.splitlines()
    assert expected[1:] == ["by a thread", "at the end"]
    for answer in served:
        found = answer["stdout"].splitlines()
        assert found[1:] == expected[1:]
        assert json.loads(found[0]) == json.loads(expected[0])
        assert float(answer["stderr"]) < 1, "the server's own end shows"
    assert len({answer["stderr"] for answer in served}) == 2, "chance is not the same for all"


def test_its_own_exception_is_the_answer(folder: Path, call: Call) -> None:
    answer = call(code={"no": "code"}, sleep="long")
    assert answer["rc"] == 1
    assert json.loads(answer["stdout"].splitlines()[1])["failed"]


def test_one_that_does_not_end_is_killed_with_all_that_it_started(call: Call) -> None:
    start = time.monotonic()
    answer = call(seconds=1, sleep=60)
    assert (answer["killed"], answer["rc"]) == (True, -signal.SIGKILL)
    assert time.monotonic() - start < 20
    assert call()["rc"] == 0
