# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host remembers of its deployments: the one that was proven last, and the images that had to be rolled back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import FileState
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import (
    set_aside,
    stored,
    write_json,
)

_MOST_REJECTED = 20


@dataclass(frozen=True)
class Deployed:
    """The last deployment that was proven: its image, and a fingerprint of each of its files.

    :param project: of which instance; empty in a record of an earlier version.
    :param host: on which host (see ``host_id``); empty when that is not known.
    """

    image_ref: str
    image_id: str
    at: str
    files: Mapping[str, str]
    project: str = ""
    host: str = ""


def now() -> str:
    """Return the time for people; nothing is decided by it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def fingerprint(state: FileState | None) -> str:
    """Return what reports a file from another one: content, owner and mode."""
    if state is None:
        return "absent"
    if state.type != "file":
        return f"a {state.type}"
    return f"{hashlib.sha256(state.content).hexdigest()} {state.uid}:{state.gid} {state.mode:04o}"


# --- the last one that was proven ---------------------------------------------------------------------------------


def deployed_path(record_dir: str) -> str:
    """Return where the record of the last proven deployment is."""
    return f"{record_dir}/deployed.json"


def look_deployed(record_dir: str, project: str = "") -> tuple[Deployed | None, str]:
    """Return the last proven deployment, and why what is there cannot be its record; (None, "") without a record.

    :param project: the instance that is meant; empty does not compare it.
    """
    found = stored(deployed_path(record_dir))
    if not found.there or found.fault:
        return None, found.fault
    texts = [found.record.get(key, "") for key in ("image_ref", "image_id", "at", "project", "host")]
    files = found.record.get("files")
    if not all(isinstance(text, str) for text in texts) or not isinstance(files, dict) or not texts[1]:
        return None, "JSON without image_ref, image_id, at and files"
    if not all(path.startswith("/") and isinstance(print_, str) for path, print_ in files.items()):
        return None, "files that are no paths with a fingerprint"
    deployed = Deployed(texts[0], texts[1], texts[2], files, texts[3], texts[4])
    if project and deployed.project and deployed.project != project:
        return None, f"the record of {harmless(deployed.project, 80)}"
    if deployed.host and host_id() and deployed.host != host_id():
        return None, "the record of another host (its machine-id differs)"
    return deployed, ""


def read_deployed(record_dir: str) -> Deployed | None:
    """Return the last proven deployment; None when there is no record that can be believed."""
    return look_deployed(record_dir)[0]


def record_of(project: str, image_ref: str, image_id: str, files: Mapping[str, str]) -> Deployed:
    """Return what is true now, to be compared or written."""
    return Deployed(image_ref, image_id, now(), dict(files), project, host_id())


def differs(deployed: Deployed | None, true: Deployed) -> str:
    """Return why a record is not the true one; pure. Nothing when it is; its time does not count."""
    if deployed is None:
        return "there was none"
    same = (deployed.image_ref, deployed.image_id) == (true.image_ref, true.image_id)
    if not same:
        return f"it named {harmless(deployed.image_id, 80)}"
    changed = sorted(
        path for path in {*deployed.files, *true.files} if deployed.files.get(path) != true.files.get(path)
    )
    return f"it differed in {', '.join(changed[:5])}" if changed else ""


def save_deployed(record_dir: str, true: Deployed) -> None:
    """Write down what was proven; a record that has it already stays."""
    before, fault = look_deployed(record_dir, true.project)
    if fault:
        set_aside(deployed_path(record_dir))
    if before is None or differs(before, true) or (before.project, before.host) != (true.project, true.host):
        write_json(deployed_path(record_dir), asdict(true))


def host_id() -> str:
    """Return what reports this host from another one, without its machine-id, which is confidential (machine-id(5))."""
    path = "/etc/machine-id"
    try:
        with open(path, "rb") as file:
            text = file.read(64).strip()
    except OSError:
        return ""
    # One that is mounted is made again at each boot.
    if len(text) != 32 or os.path.ismount(path):
        return ""
    return hashlib.sha256(b"openclaw.hardening " + text).hexdigest()[:32]


def drift(deployed: Deployed | None, image_id: str, files: Mapping[str, str], damaged: Iterable[str] = ()) -> list[str]:
    """Name what is not as it was proven; pure.

    :param damaged: records that cannot be believed, with the reason.
    :param image_id: what runs now; empty is nothing.
    :param files: the present fingerprints of the files of ``deployed``.
    """
    faults = [f"the record {text}; it is rewritten by the next deployment" for text in damaged]
    if deployed is None:
        return faults or ["nothing was deployed here by this collection"]
    found = [] if image_id == deployed.image_id else [f"runs {image_id or 'nothing'}, deployed was {deployed.image_id}"]
    return (
        faults
        + found
        + [f"{path} was changed" for path, was in sorted(deployed.files.items()) if files.get(path) != was]
    )


def damaged(record_dir: str, project: str = "") -> list[str]:
    """Name the records that are there and cannot be believed, with the reason."""
    faults = {deployed_path(record_dir): look_deployed(record_dir, project)[1]}
    faults[_rejected_path(record_dir)] = _look_rejected(record_dir)[1]
    faults[f"{record_dir}/image.json"] = stored(f"{record_dir}/image.json").fault
    faults[f"{record_dir}/claim.json"] = stored(f"{record_dir}/claim.json").fault
    return [f"{path} is damaged: {harmless(fault, 200)}" for path, fault in faults.items() if fault]


# --- images that were rolled back ----------------------------------------------------------------------------------


def _rejected_path(record_dir: str) -> str:
    return f"{record_dir}/rejected.json"


def _look_rejected(record_dir: str) -> tuple[list[dict[str, str]], str]:
    found = stored(_rejected_path(record_dir))
    entries = found.record.get("images")
    if not found.there or found.fault:
        return [], found.fault
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return [], "JSON without a list of images"
    return [{key: str(entry.get(key, "")) for key in ("image_id", "at", "why")} for entry in entries], ""


def read_rejected(record_dir: str) -> list[dict[str, str]]:
    """Return the images that were tried here and rolled back, the latest last."""
    return _look_rejected(record_dir)[0]


def fix_rejected(record_dir: str) -> None:
    """Begin the list again when what is there is damaged, which is kept aside."""
    if _look_rejected(record_dir)[1]:
        set_aside(_rejected_path(record_dir))


def reject(record_dir: str, image_id: str, why: str) -> None:
    """Remember an image that had to be rolled back."""
    fix_rejected(record_dir)
    others = [entry for entry in read_rejected(record_dir) if entry["image_id"] != image_id]
    entry = {"image_id": image_id, "at": now(), "why": harmless(why, 500)}
    write_json(_rejected_path(record_dir), {"images": [*others, entry][-_MOST_REJECTED:]})


def clear_rejection(record_dir: str, image_id: str) -> None:
    """Forget that an image was rolled back: it was proven now."""
    entries = read_rejected(record_dir)
    if any(entry["image_id"] == image_id for entry in entries):
        write_json(
            _rejected_path(record_dir), {"images": [entry for entry in entries if entry["image_id"] != image_id]}
        )
