# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths of another home in a copied state: files in which they are, for the operator; nothing is changed."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import READ, open_here, walk
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory

# What OpenClaw writes: sessions, settings, databases. The workspace is what the agent works on, and no setting.
_KINDS = (".json", ".jsonl", ".sqlite", ".db")
_SKIPPED = ("workspace",)
_FOREIGN = re.compile(rb"(?:/Users/[^/\x00-\x20\"]{1,64}|/home/(?!node/)[^/\x00-\x20\"]{1,64}|/root)/\.openclaw")
_LARGEST = 64 << 20
_MOST = 10


def scan(state_dir: str) -> list[str]:
    """Return a line for each file with a path of a state that was elsewhere, a few by name."""
    found: list[str] = []
    with open_directory(state_dir) as top:
        for entry in walk(top, _SKIPPED):
            if stat.S_ISREG(entry.status.st_mode) and entry.name.endswith(_KINDS):
                with suppress(OSError):
                    found += [entry.path] if _has(open_here(entry.name, READ, entry.folder)) else []
    lines = [
        f"{harmless(path, 120)}: a path of another home, which this container does not have" for path in found[:_MOST]
    ]
    return [*lines, *([f"{len(found) - _MOST} more files with such paths"] if len(found) > _MOST else [])]


def _has(handle: int) -> bool:
    with os.fdopen(handle, "rb") as file:
        return bool(_FOREIGN.search(file.read(_LARGEST)))
