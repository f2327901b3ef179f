# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The records of verified builds: ``image.json`` of the image in use, and one for each image that may come back."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ensure_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json, write_json

_IMAGE_ID = re.compile(r"sha256:([0-9a-f]{64})")


def read_record(record_dir: str) -> dict[str, Any]:
    """Return the record of the image in use; nothing when there is none that can be read."""
    return read_json(f"{record_dir}/image.json")


def save_record(record_dir: str, record: dict[str, Any]) -> None:
    """Write the record of the image in use, and keep it for the day on which that image comes back."""
    match = _IMAGE_ID.fullmatch(str(record.get("image_id", "")))
    if match:
        ensure_directory(f"{record_dir}/verified", 0o700, 0, 0)
        write_json(f"{record_dir}/verified/{match[1]}.json", record)
    write_json(f"{record_dir}/image.json", record)


def restore_record(record_dir: str, image_id: str, ref: str) -> None:
    """Let the record speak of an image that was verified before; without one of it, the present record stays."""
    match = _IMAGE_ID.fullmatch(image_id)
    kept = read_json(f"{record_dir}/verified/{match[1]}.json") if match else {}
    if kept.get("image_id") == image_id:
        write_json(f"{record_dir}/image.json", {**kept, "ref": ref})
