# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a program that opens databases of the service: a process of its own, which gives up its rights by itself.

It cannot import this collection, whose files root alone may be able to read: the sources that it is made of go in by
standard input. What it answers is bounded, and a timer ends it.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from types import ModuleType
from typing import Any

_BOOT = """import json, sys, types
for name, text in json.load(sys.stdin):
    module = sys.modules[name] = types.ModuleType(name)
    exec(text, module.__dict__)
module.main()
"""
# Bytes of an answer.
ANSWER = 65536
_SECONDS = 120.0
# For a minimal Python, where importing one of the sources fails.
NO_SQLITE = f"no sqlite3 for {sys.executable}"


class RefusedError(Exception):
    """The program cannot do it; the message has nothing of what is in a database."""


def run(
    work: str,
    sources: Sequence[ModuleType],
    *arguments: str,
    given: Collection[int] = (),
    seconds: float = _SECONDS,
    largest: int = ANSWER,
) -> dict[str, Any]:
    """Return what the program answers.

    :param work: the directory that it begins in.
    :param sources: the modules that it is made of, what is imported first; the last one has its ``main``.
    :param given: descriptors that it gets.
    :param seconds: until it is ended.
    :param largest: bytes of its answer.
    :raises RefusedError: it refused, broke, or did not end in time.
    """
    program = json.dumps([(source.__name__, inspect.getsource(source)) for source in sources]).encode()
    argv = [sys.executable, "-I", "-c", _BOOT, *arguments]
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, cwd=work, env={}, pass_fds=tuple(given), **streams) as process:
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            if process.stdin and process.stdout:
                process.stdin.write(program)
                process.stdin.close()
            text = process.stdout.read(largest) if process.stdout else b""
        except BrokenPipeError:
            text = b""
        finally:
            process.kill()
            timer.cancel()
    try:
        found = json.loads(text)
        if "refused" not in found:
            return dict(found)
        reason = ascii(str(found["refused"]))[1:-1][:300]
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = "it could not be read within the limits of memory and time"
    raise RefusedError(reason)
