# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host remembers of its deployments: the one that was proven last, and the images that had to be taken back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.openclaw.hardening.plugins.module_utils._files import FileState, look
from ansible_collections.openclaw.hardening.plugins.module_utils._json_file import read_json, write_json
from ansible_collections.openclaw.hardening.plugins.module_utils._text import harmless

_MOST_REJECTED = 20


@dataclass(frozen=True)
class Deployed:
    """The last deployment that was proven: its image, and a fingerprint of each of its files."""

    image_ref: str
    image_id: str
    at: str
    files: Mapping[str, str]


def now() -> str:
    """Return the time for people; nothing is decided by it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def fingerprint(state: FileState | None) -> str:
    """Return what tells a file from another one: content, owner and mode."""
    if state is None:
        return "absent"
    if state.type != "file":
        return f"a {state.type}"
    return f"{hashlib.sha256(state.content).hexdigest()} {state.uid}:{state.gid} {state.mode:04o}"


# --- the last one that was proven ---------------------------------------------------------------------------------


def read_deployed(record_dir: str) -> Deployed | None:
    """Return the last proven deployment; None when there is no record that can be read."""
    found = read_json(f"{record_dir}/deployed.json")
    try:
        return Deployed(found["image_ref"], found["image_id"], found["at"], dict(found["files"]))
    except (KeyError, TypeError, ValueError):
        return None


def save_deployed(record_dir: str, image_ref: str, image_id: str, paths: Iterable[str]) -> None:
    """Write down what was proven, from the files as they lie there."""
    files = {path: fingerprint(look(path)) for path in paths}
    record = {"image_ref": image_ref, "image_id": image_id, "at": now(), "files": files}
    before = read_deployed(record_dir)
    if before is None or (before.image_ref, before.image_id, dict(before.files)) != (image_ref, image_id, files):
        write_json(f"{record_dir}/deployed.json", record)


def drift(deployed: Deployed | None, image_id: str, files: Mapping[str, str]) -> list[str]:
    """Name what is not as it was proven; pure.

    :param image_id: what runs now; empty is nothing.
    :param files: the present fingerprints of the files of ``deployed``.
    """
    if deployed is None:
        return ["nothing was deployed here by this collection"]
    found = [] if image_id == deployed.image_id else [f"runs {image_id or 'nothing'}, deployed was {deployed.image_id}"]
    return found + [f"{path} was changed" for path, was in sorted(deployed.files.items()) if files.get(path) != was]


# --- images that were taken back ----------------------------------------------------------------------------------


def read_rejected(record_dir: str) -> list[dict[str, str]]:
    """Return the images that were tried here and taken back, the latest last."""
    entries = read_json(f"{record_dir}/rejected.json").get("images")
    known = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [{key: str(entry.get(key, "")) for key in ("image_id", "at", "why")} for entry in known]


def reject(record_dir: str, image_id: str, why: str) -> None:
    """Remember an image that had to be taken back."""
    others = [entry for entry in read_rejected(record_dir) if entry["image_id"] != image_id]
    entry = {"image_id": image_id, "at": now(), "why": harmless(why, 500)}
    write_json(f"{record_dir}/rejected.json", {"images": [*others, entry][-_MOST_REJECTED:]})


def absolve(record_dir: str, image_id: str) -> None:
    """Forget that an image was taken back: it was proven now."""
    entries = read_rejected(record_dir)
    if any(entry["image_id"] == image_id for entry in entries):
        write_json(
            f"{record_dir}/rejected.json", {"images": [entry for entry in entries if entry["image_id"] != image_id]}
        )
