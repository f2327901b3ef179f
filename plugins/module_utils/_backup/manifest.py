# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup has: one entry for each path, with its hash. Written last, believed when everything agrees. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown

# Parts of a backup: the first word of each path in it.
STATE, CONFIG, SECRETS, RECORDS, IMAGE = "state", "config", "secrets", "records", "image"
AREAS = (STATE, CONFIG, SECRETS, RECORDS, IMAGE)
NAME = "manifest.json"
# What the files of an image's lock are called.
LOCK_FILES = ("package.json", "package-lock.json", "requirements-node.txt")
FILE, DIRECTORY, LINK = "file", "directory", "link"
_FORMAT = 1
_LONGEST = 60_000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_IMAGE_ID = re.compile(r"(sha256:[0-9a-f]{64})?")


@dataclass(frozen=True)
class Entry:
    """One path. Owners are not kept: a restore gives everything to the account of its host."""

    kind: str
    mode: int
    mtime_ns: int = 0
    size: int = 0
    sha256: str = ""
    # Where a link points; it is made last, so that nothing is ever written through it.
    target: str = ""


@dataclass(frozen=True)
class About:
    """What a backup is of, and what is not in it."""

    made_at: str
    project: str
    host: str
    image_id: str = ""
    image_ref: str = ""
    version: str = ""
    # Whether secrets (files and logins) are in it.
    secrets: bool = False
    workspace: bool = False
    # Parts that were left out on purpose, each with why.
    left_out: tuple[str, ...] = ()
    # What could not be read, or is damaged.
    problems: tuple[str, ...] = ()
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """All of it."""

    about: About
    entries: Mapping[str, Entry]


def build(manifest: Manifest) -> bytes:
    """Write a manifest as it is in an archive."""
    entries = {path: _compact(entry) for path, entry in sorted(manifest.entries.items())}
    document = {"format": _FORMAT, "about": asdict(manifest.about), "entries": entries}
    # ASCII only: a name that is not UTF-8 stays what it is.
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def digest(content: bytes) -> str:
    """Return the name of a manifest, and so of a backup's whole content."""
    return hashlib.sha256(content).hexdigest()


def parse(content: bytes) -> Manifest:
    """Read a manifest of an archive that may have been made by anybody."""
    try:
        document = json.loads(content)
        if document["format"] != _FORMAT:
            raise ValueError(f"the format {shown(document['format'], 20)}")
        about = _about(document["about"])
        entries = {_path(path): _entry(found) for path, found in document["entries"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise refused(f"a manifest that cannot be read ({shown(str(error))})") from error
    for path in entries:
        above = path.rpartition("/")[0]
        if above in entries and entries[above].kind != DIRECTORY:
            raise refused(f"{shown(path)} below something that is no directory")
    return Manifest(about, entries)


def disagreements(manifest: Manifest, found: Mapping[str, Entry]) -> Iterator[str]:
    """Compare what an archive has with what its manifest promises: size and hash of each file."""
    files = {path: entry for path, entry in manifest.entries.items() if entry.kind == FILE}
    yield from (f"no {shown(path)}" for path in sorted(files.keys() - found.keys()))
    yield from (f"{shown(path)}, which its manifest does not name" for path in sorted(found.keys() - files.keys()))
    for path in sorted(files.keys() & found.keys()):
        if (files[path].size, files[path].sha256) != (found[path].size, found[path].sha256):
            yield f"another content of {shown(path)}"


def refused(found: str) -> HardeningError:
    """Return the refusal of an archive; whatever is wrong with it, nothing was done with its content."""
    return HardeningError("the archive", found, "a whole backup of this collection; nothing was changed", "archive")


def safe_path(path: str) -> str:
    """Return a path of an archive, or refuse it."""
    parts = path.split("/")
    if path != NAME and (len(parts) < 2 or parts[0] not in AREAS):
        raise refused(f"the path {shown(path)}, which no backup has")
    if len(path) > _LONGEST or "\0" in path or any(part in ("", ".", "..") or len(part) > 255 for part in parts):
        raise refused(f"the path {shown(path)}")
    return path


# --- reading ------------------------------------------------------------------------------------------------------


def _path(path: str) -> str:
    if path == NAME or path != safe_path(path):
        raise ValueError("an entry of that name")
    return path


def _compact(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if value or name in ("kind", "mode")}


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _entry(found: dict[str, Any]) -> Entry:
    entry = Entry(**found)
    numbers = (entry.mode, entry.mtime_ns, entry.size)
    if entry.kind not in (FILE, DIRECTORY, LINK) or not all(_whole(number) for number in numbers):
        raise ValueError("an entry of no known kind")
    if not 0 <= entry.mode <= 0o777 or entry.size < 0 or abs(entry.mtime_ns) > 1 << 62:
        raise ValueError("an entry with impossible numbers")
    if entry.kind == FILE and not _DIGEST.fullmatch(entry.sha256):
        raise ValueError("a file without a hash")
    if entry.kind == LINK and (not isinstance(entry.target, str) or not entry.target or "\0" in entry.target):
        raise ValueError("a link to nowhere")
    return entry


def _about(found: dict[str, Any]) -> About:
    lists = {name: tuple(str(text) for text in found[name]) for name in ("left_out", "problems")}
    texts = {name: str(found[name]) for name in ("made_at", "project", "host", "image_id", "image_ref", "version")}
    if not _IMAGE_ID.fullmatch(texts["image_id"]):
        raise ValueError("an image without an id")
    flags = {name: found[name] is True for name in ("secrets", "workspace")}
    whole: dict[str, Any] = {**texts, **flags, **lists, "policy": dict(found["policy"])}
    return About(**whole)
