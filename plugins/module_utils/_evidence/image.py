# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container was made from, and what of it there is now (its files: ``_look_tree``)."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.container_tree import (
    DIRECTORY,
    MAX_DRIFT,
    Tree,
    changes,
    walk,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed

if TYPE_CHECKING:
    from docker import DockerClient

NO_RECORD = "there is none"
_VIRTUAL = ("/dev", "/proc", "/sys")
_CHANGES = ("C", "A", "D")

_NAME = r"(?:TOKEN(?!IZ|S\b)|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|PRIVATE_?KEY|_AUTH\b)"
_SECRETIVE = re.compile(_NAME, re.IGNORECASE)
_ASSIGNED = re.compile(rf"([\w.:/@-]*{_NAME}[\w-]*)\s*=\s*[\"']?([^\s\"',;&|]+)", re.IGNORECASE)
# Where a secret lies, what has to be expanded first, switches and small numbers are no secrets.
_HARMLESS = re.compile(r"\$.*|true|false|yes|no|on|off|none|null|undefined|\d{1,6}", re.IGNORECASE)
_PLACE = re.compile(r".*_(FILE|PATH|DIR)", re.IGNORECASE)
_SHAPES = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{40,})"),
    "a GitLab token": re.compile(r"\bglpat-[\w-]{20,}"),
    "an npm token": re.compile(r"\bnpm_[A-Za-z0-9]{36}"),
    "an API key": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    "an AWS key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a Slack token": re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    "a login in an address": re.compile(r"://[^/\s:@$]+:[^/\s@$]+@"),
    "a login in a header": re.compile(r"\bAuthorization:\s*(?:Bearer|Basic)\s+[^\s$\"']{8,}", re.IGNORECASE),
}


@dataclass(frozen=True)
class Record:
    """The last verified build, as ``hardened_image`` wrote it down; ``uid`` and ``mode`` are the file's."""

    image_id: str
    ref: str
    base: str
    content_hash: str
    verified: str
    # When a refresh found that the base is still the newest; empty: never.
    base_current: str = ""
    uid: int = 0
    mode: int = 0o600


@dataclass(frozen=True)
class ImageFacts:
    """The image of one container, and what became of it."""

    id: str
    tags: tuple[str, ...]
    # What the container was asked to run, and which image that name means now; empty: none.
    reference: str
    reference_id: str
    user: str
    healthcheck: tuple[str, ...]
    labels: Mapping[str, str]
    environment: tuple[str, ...]
    # Where (``environment``, ``label``, ``history, step 3``) and what; never the value.
    secrets: tuple[tuple[str, str], ...]
    # Oldest first, with all that it was built with: never show it is.
    history: tuple[str, ...] = field(repr=False)
    created: str
    record: Record | None
    record_problem: str
    # None: not to be seen, because of ``tree_problem``.
    tree: Tree | None
    tree_problem: str
    # Kind (A: added, C: changed, D: deleted) and path, as ``docker diff`` reports it.
    drift: tuple[tuple[str, str], ...]
    now: float


def look(api: DockerClient, attrs: dict[str, Any], pid: int, record: str) -> ImageFacts:
    """Read everything about the image of the container that ``attrs`` (``docker inspect``) describes."""
    identity = attrs.get("Image") or ""
    image = client.find_image(api, identity)
    if image is None:
        raise HardeningError(f"image {identity}", "nothing", "the image that the container was made from")
    config = attrs.get("Config") or {}
    reference = config.get("Image") or ""
    named = client.find_image(api, reference) if reference else None
    entries = [str(entry) for entry in image.config.get("Env") or []]
    steps = api.api.history(identity)  # type: ignore[no-untyped-call]
    history = tuple(str(step.get("CreatedBy") or "") for step in reversed(steps))
    found, problem = read_record(record) if record else (None, "")
    tree, unreadable = _tree(attrs, pid)
    return ImageFacts(
        id=image.id,
        tags=image.tags,
        reference=reference,
        reference_id=named.id if named else "",
        user=str(image.config.get("User") or ""),
        healthcheck=tuple((image.config.get("Healthcheck") or {}).get("Test") or ()),
        labels=image.labels,
        environment=tuple(entry.partition("=")[0] for entry in entries),
        secrets=secrets_of(entries, image.labels, history),
        history=history,
        created=image.created,
        record=found,
        record_problem=problem,
        tree=tree,
        tree_problem=unreadable,
        drift=_drift(api, attrs, pid),
        now=time.time(),
    )


def read_record(path: str) -> tuple[Record | None, str]:
    """Return the record of the verified build, or why there is none."""
    try:
        found = managed.look(path, max_size=1 << 20)
    except HardeningError as error:
        return None, str(error)
    if found is None:
        return None, NO_RECORD
    if found.type != "file":
        return None, f"{path} is a {found.type}"
    try:
        content = json.loads(found.content)
        texts = {name: content[name] for name in ("image_id", "ref", "base", "content_hash", "verified")}
        texts["base_current"] = content.get("base_current", "")
    except (ValueError, KeyError, TypeError):
        return None, f"{path} is not what a build writes"
    if not all(isinstance(text, str) for text in texts.values()):
        return None, f"{path} is not what a build writes"
    return Record(**texts, uid=found.uid, mode=found.mode), ""


# --- secrets (pure) -----------------------------------------------------------------------------------------------


def secrets_of(
    environment: Collection[str], labels: Mapping[str, str], history: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Say where the image shows a secret, and what kind it is, or what it is called."""
    found = [("environment", name) for entry in environment for name in _in_setting(*entry.partition("=")[::2])]
    found += [("label", name) for key, value in labels.items() for name in _in_setting(key, value)]
    for number, step in enumerate(history, start=1):
        assigned = [name for name, value in _ASSIGNED.findall(step) if _decisive(name, value)]
        found += [(f"history, step {number}", name) for name in [*assigned, *_shapes(step)]]
    return tuple(dict.fromkeys(found))


def _in_setting(name: str, value: str) -> list[str]:
    if _SECRETIVE.search(name) and _decisive(name, value):
        return [name]
    return [f"{name} ({shape})" for shape in _shapes(value)]


def _decisive(name: str, value: str) -> bool:
    return bool(value) and not _HARMLESS.fullmatch(value) and not (_PLACE.fullmatch(name) and value.startswith("/"))


def _shapes(text: str) -> list[str]:
    return [shape for shape, pattern in _SHAPES.items() if pattern.search(text)]


# --- the container's files ----------------------------------------------------------------------------------------


def _tree(attrs: Mapping[str, Any], pid: int) -> tuple[Tree | None, str]:
    """Walk the container's file system, or say why that is not possible."""
    if not pid:
        return None, "the container does not run"
    try:
        top = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if os.path.samestat(os.fstat(top), os.stat("/")):
            os.close(top)
            return None, "the container ended meanwhile, or its root directory is the host's"
        return walk(top, _mounted(attrs), _workdir(attrs), root_uid(pid)), ""
    except OSError as error:
        return None, f"/proc/{pid}/root: {error.strerror}"


def _mounted(attrs: Mapping[str, Any]) -> set[str]:
    mounts = {str(mount.get("Destination")) for mount in attrs.get("Mounts") or []}
    return {*_VIRTUAL, *mounts, *((attrs.get("HostConfig") or {}).get("Tmpfs") or {})}


def _workdir(attrs: Mapping[str, Any]) -> str:
    return str((attrs.get("Config") or {}).get("WorkingDir") or "").rstrip("/")


def root_uid(pid: int) -> int:
    """Return the host's number of the container's root: not 0 behind a user namespace."""
    try:
        with open(f"/proc/{pid}/uid_map", encoding="ascii") as lines:
            maps = [[int(number) for number in line.split()] for line in lines]
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return 0  # it ended
    return next((outside for inside, outside, _count in maps if inside == 0), 0)


# --- what was changed ---------------------------------------------------------------------------------------------


def _drift(api: DockerClient, attrs: Mapping[str, Any], pid: int) -> tuple[tuple[str, str], ...]:
    """Return what was changed since the container was made."""
    upper = upper_layer(attrs, pid)
    if upper:
        try:
            return changes(os.open(upper, DIRECTORY))
        except OSError:
            pass  # another mount namespace, a remote daemon: the daemon knows
    reported = api.api.diff(attrs.get("Id") or "") or []
    return tuple((_CHANGES[change["Kind"]], str(change["Path"])) for change in reported[: MAX_DRIFT + 1])


def upper_layer(attrs: Mapping[str, Any], pid: int) -> str:
    """Return the directory of the container's writable layer, where overlayfs keeps one."""
    driver = attrs.get("GraphDriver") or {}
    if driver.get("Name") == "overlay2":
        return str((driver.get("Data") or {}).get("UpperDir") or "")
    # The containerd image store does not tell; the kernel does.
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            return upper_in(lines.read())
    except OSError:
        return ""


def upper_in(mountinfo: str) -> str:
    """Read the writable layer of the root file system from proc_pid_mountinfo(5)."""
    roots = [line.split() for line in mountinfo.splitlines() if line.split()[4:5] == ["/"] and " - overlay " in line]
    options = roots[-1][-1].split(",") if roots else []
    found = next((option.partition("=")[2] for option in options if option.startswith("upperdir=")), "")
    return found if found.startswith("/") and "\\" not in found else ""
