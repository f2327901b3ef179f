# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The log of a long run: what it does, since when. The controller reads it and prints it while the run goes on.

The file is in memory, readable for root only, and is removed when the run ends. Its texts are constants of ours and
numbers: no value of an option and no output of a program, so no secret.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ensure_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import FOLDER
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import uptime

LARGEST = 16384
_LINE = re.compile(r"([0-9]{1,12}) ([ -~]{1,160})")
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_open: list[int] = []


def path(kind: str, subject: str) -> str:
    """Return the file for the runs of one module on one thing (an image's name), of which one runs at a time."""
    return f"{FOLDER}/{kind}-{hashlib.sha256(subject.encode()).hexdigest()[:16]}.progress"


@contextmanager
def log(kind: str, subject: str) -> Iterator[None]:
    """Keep the log while the block runs. A log that cannot be written stops nothing."""
    file = path(kind, subject)
    with suppress(OSError, HardeningError):
        ensure_directory(FOLDER, 0o700, 0, 0)
        _open.append(os.open(file, _FLAGS, 0o600))
    try:
        yield
    finally:
        if _open:
            os.close(_open.pop())
            with suppress(OSError):
                os.unlink(file)


def step(text: str) -> None:
    """Note what the run does from now on; without a log this does nothing."""
    for descriptor in _open:
        with suppress(OSError):
            os.write(descriptor, f"{int(uptime())} {text}\n".encode("ascii", "replace"))


def read(content: str) -> list[tuple[int, str]]:
    """Return the steps of a log, each with the seconds after boot at which it began; other lines are left out."""
    found = (_LINE.fullmatch(line) for line in content[:LARGEST].splitlines())
    return [(int(match[1]), match[2]) for match in found if match]
