# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the program that opens databases of the service (``logins_merge``): without any right, and within limits."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import threading
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_files import NOBODY

_ANSWER = 4 << 20
_SECONDS = 120


class RefusedError(Exception):
    """The program cannot do it; the message has nothing of what is in a database."""


def answer(work: str, what: str) -> dict[str, Any]:
    """Return what the program answers in the directory ``work``, which has to belong to the account without rights.

    :param what: ``merge`` or ``contents``.
    """
    try:  # a minimal Python has no sqlite3
        from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import logins_merge
    except ImportError as error:
        raise RefusedError(f"no sqlite3 for {sys.executable}") from error
    argv = [sys.executable, "-I", "-c", inspect.getsource(logins_merge), str(NOBODY), str(NOBODY), what]
    with subprocess.Popen(
        argv, cwd=work, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        timer = threading.Timer(_SECONDS, process.kill)
        timer.start()
        try:
            text = process.stdout.read(_ANSWER) if process.stdout else b""
        finally:
            process.kill()
            timer.cancel()
    try:
        found = json.loads(text)
        if isinstance(found, dict) and "refused" not in found:
            return found
        reason = ascii(str(found["refused"]))[1:-1][:300]
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = "it could not be read within the limits of memory and time"
    raise RefusedError(reason)
