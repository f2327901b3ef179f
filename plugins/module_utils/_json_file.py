# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records that modules keep for their next run: one JSON object a file, root's alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._files import ManagedFile, differences, look, write


def read_json(path: str) -> dict[str, Any]:
    """Return the object in a file; nothing when there is none that can be read."""
    found = look(path)
    try:
        record = json.loads(found.content) if found else {}
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def write_json(path: str, record: Mapping[str, Any]) -> None:
    """Write an object, unless it is there already."""
    wanted = ManagedFile(path, json.dumps(record, indent=2, sort_keys=True).encode() + b"\n", 0o600)
    if differences(look(path), wanted):
        write(wanted)
