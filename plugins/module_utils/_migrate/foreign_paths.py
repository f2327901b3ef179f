# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths of another home in a copied state: files in which they are, for the operator; nothing is changed."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import (
    DIRECTORY,
    READ,
    Descent,
    look,
    open_here,
)
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
    with open_directory(state_dir) as top, Descent([top]) as descent:
        descent.here.names = [name for name in os.listdir(top) if name not in _SKIPPED]
        while descent.deep or descent.here.names:
            here = descent.here
            if not here.names:
                descent.up()
                continue
            name = here.names.pop()
            with suppress(OSError):
                status = look(name, here.handles[0])
                if stat.S_ISDIR(status.st_mode):
                    inner = open_here(name, DIRECTORY, here.handles[0])
                    descent.down(name, [inner]).names = os.listdir(inner)
                elif stat.S_ISREG(status.st_mode) and name.endswith(_KINDS):
                    path = descent.path(name)
                    found += [path] if _has(open_here(name, READ, here.handles[0])) else []
    lines = [
        f"{harmless(path, 120)}: a path of another home, which this container does not have" for path in found[:_MOST]
    ]
    return [*lines, *([f"{len(found) - _MOST} more files with such paths"] if len(found) > _MOST else [])]


def _has(handle: int) -> bool:
    with os.fdopen(handle, "rb") as file:
        return bool(_FOREIGN.search(file.read(_LARGEST)))
