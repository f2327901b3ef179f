"""Small things that every part of the lab uses."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
# Checkouts on one machine (two worktrees, CI beside a developer) have hosts of their own.
CHECKOUT_ID = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openclaw-hardening" / "lab"

# The name that a kept image has until a deployment gives it its own.
KEPT_IMAGE = "openclaw-hardening-lab:kept"


class LabError(Exception):
    """Something the person at the keyboard can act on."""


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Wait for the process of this user that else makes or removes the same.

    :param what: ``hosts`` for one call of the lab: the first makes the root filesystem, the last stops the Docker
        Engine. Or what several calls make and others then find: a kind of snapshot.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ("lock" if what == "hosts" else f"{what}.lock")).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


def run(*argv: str, data: str | None = None, check: bool = True) -> str:
    """Run a program and return what it printed; a failure names the program and its last words."""
    result = subprocess.run(argv, input=data, capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        words = (result.stderr or result.stdout).strip()[-1500:]
        raise LabError(f"{' '.join(argv[:4])} … ended with {result.returncode}: {words}")
    return result.stdout.strip()


def answers(*argv: str) -> bool:
    """Return whether a program exists and exits 0."""
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
