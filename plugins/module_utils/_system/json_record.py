# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records that modules keep for their next run: one JSON object a file, root's alone."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import remove_tree
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    ManagedFile,
    differences,
    look,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory

# The longest that this collection writes is below 100 kB.
_LARGEST = 4 << 20
_ASIDE = ".damaged"


@dataclass(frozen=True)
class Stored:
    """What is in a record file.

    :param fault: why what is there is no record of ours; empty when it is one, or when there is nothing.
    """

    record: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    there: bool = False


def stored(path: str) -> Stored:
    """Read a record; what is damaged, or what another user could have written, is not believed."""
    try:
        found = look(path, _LARGEST)
    except HardeningError as error:
        return Stored(fault=str(error), there=True)
    if found is None:
        return Stored()
    fault = f"a {found.type}" if found.type != "file" else ""
    if not fault and (found.uid != os.geteuid() or found.mode & (stat.S_IWGRP | stat.S_IWOTH)):
        fault = f"a file of uid {found.uid}, mode {found.mode:04o}"
    if not fault and found.nlink != 1:
        fault = f"a file with {found.nlink} names (hard links)"
    try:
        record = None if fault else json.loads(found.content)
    except (ValueError, RecursionError):
        fault = f"{len(found.content)} bytes that are no JSON"
        record = None
    if not fault and not isinstance(record, dict):
        fault = "JSON that is no object"
    return Stored(record if isinstance(record, dict) and not fault else {}, fault, True)


def read_json(path: str) -> dict[str, Any]:
    """Return the object in a file; nothing when there is none that can be believed."""
    return stored(path).record


def write_json(path: str, record: Mapping[str, Any]) -> None:
    """Write an object, unless it is there already; something damaged in its place is kept aside, the last one only."""
    if stored(path).fault:
        set_aside(path)
    wanted = ManagedFile(path, json.dumps(record, indent=2, sort_keys=True).encode() + b"\n", 0o600)
    if differences(look(path), wanted):
        write(wanted)


def set_aside(path: str) -> None:
    """Keep what is damaged under another name; whatever it is, it is not followed and not opened."""
    parent, _slash, name = path.rpartition("/")
    with open_directory(parent) as folder:
        remove_tree(folder, f"{name}{_ASIDE}")
        os.rename(name, f"{name}{_ASIDE}", src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
