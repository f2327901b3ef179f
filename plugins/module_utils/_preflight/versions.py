# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Version numbers: of what programs print about themselves, and as people write them."""

from __future__ import annotations

import re

Version = tuple[int, ...]


def show(version: Version | None) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version)) if version else ""


def parse_version(text: str) -> Version | None:
    """Return the first version number in a text: ``systemd 257 (257.13)`` is ``(257,)``."""
    match = re.search(r"(?<![0-9A-Za-z.])v?(\d+(?:\.\d+)*)", text)
    return tuple(map(int, match[1].split("."))) if match else None
