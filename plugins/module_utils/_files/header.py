# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The header of the files that this collection writes."""

from __future__ import annotations

import re

_HEADER = re.compile(
    rb"(?m)^# (?:Made by the role openclaw\.hardening\.|Managed by Ansible \(openclaw\.hardening\."
    rb"|Copyright: \(c\) [0-9]{4}, OpenClaw Hardening maintainers)"
)
_WITHIN = 1024


def has_header(content: bytes) -> bool:
    """Return whether a file begins with the header of what this collection writes."""
    return _HEADER.search(content[:_WITHIN]) is not None
