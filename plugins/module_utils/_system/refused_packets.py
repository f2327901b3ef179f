# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many packets of the container the packet filter has refused, as its unit writes it down."""

from __future__ import annotations

import os
import re

_LINE = re.compile(r"([0-9]{1,20}) ([0-9]{1,18})\n")


def path(container: str) -> str:
    """Return the file in the RuntimeDirectory of the unit."""
    return f"/run/{container}-firewall/refused"


def read(file: str) -> tuple[int, int] | None:
    """Return when the unit began (nanoseconds since 1970) and how many since then; None: it does not run."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = _LINE.fullmatch(os.read(handle, 100).decode("ascii", "replace"))
    finally:
        os.close(handle)
    return (int(found[1]), int(found[2])) if found else None
