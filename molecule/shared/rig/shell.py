"""Small things that every part of the rig uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openclaw-hardening" / "rig"


class RigError(Exception):
    """Something the person at the keyboard can act on."""


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"rig: {text}", file=sys.stderr, flush=True)


def run(*argv: str, data: str | None = None, check: bool = True) -> str:
    """Run a program and return what it printed; a failure names the program and its last words."""
    result = subprocess.run(argv, input=data, capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        words = (result.stderr or result.stdout).strip()[-1500:]
        raise RigError(f"{' '.join(argv[:4])} … ended with {result.returncode}: {words}")
    return result.stdout.strip()


def answers(*argv: str) -> bool:
    """Tell whether a program exists and exits 0."""
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
