# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a deployment is about to replace, and how far it is: on disk, so that a run that is killed can be undone.

Below the record directory, which is root's alone: ``attempt/`` while a deployment is under way (``journal.json``, the
files and the state of before, the candidate's things), ``previous/`` what the last one replaced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import remove_tree
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    FileState,
    ManagedFile,
    ensure_directory,
    look,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import stored

# Nothing of the service was touched yet: a candidate runs beside it, and what is going to be replaced is copied.
PREPARING = "preparing"
# The old container is being stopped and its state copied; files and state are still the old ones.
STOPPING = "stopping"
# Files are written, the new container is started and has to prove itself.
STARTING = "starting"
# The new one is proven; what is left is to keep what it replaced.
COMMITTING = "committing"
# The rollback has begun.
RESTORING = "restoring"
PHASES = (PREPARING, STOPPING, STARTING, COMMITTING, RESTORING)
_FORMAT = 1


@dataclass(frozen=True)
class SavedFile:
    """A file as it was, or that there was none (``there``); its content is beside the journal under its number."""

    path: str
    there: bool
    mode: int = 0
    uid: int = 0
    gid: int = 0
    secret: bool = False


@dataclass(frozen=True)
class Deployment:
    """A deployment as it was before another one took its place."""

    image_ref: str
    image_id: str
    container_id: str
    # Whether it ran, and whether its unit kept it.
    served: bool
    supervised: bool
    probe: Probe
    files: tuple[SavedFile, ...]
    state_dir: str = ""
    # Names in it that are neither copied nor brought back.
    state_excludes: tuple[str, ...] = ()
    # Whether a copy of it is beside the journal.
    state_saved: bool = False
    replaced_at: str = ""
    # Whether it gave way to the one before on purpose.
    rolled_back: bool = False


@dataclass(frozen=True)
class Journal:
    """How far a deployment is.

    :param image_id: what it wants to run.
    :param remove: files that have to go when it is proven.
    :param keeps: what it replaces is worth to be kept as the previous deployment.
    """

    phase: str
    before: Deployment
    image_id: str
    remove: tuple[str, ...] = ()
    keeps: bool = False
    # Whether the state of before has to come back with the image of before.
    restore_state: bool = False


@dataclass(frozen=True)
class Places:
    """Where things are kept."""

    record_dir: str
    attempt: str = field(init=False)
    previous: str = field(init=False)
    retired: str = field(init=False)
    logins: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the names."""
        for name in ("attempt", "previous", "retired", "logins"):
            object.__setattr__(self, name, f"{self.record_dir}/{name}")

    @property
    def scratch(self) -> str:
        """Where the state of a candidate is."""
        return f"{self.attempt}/scratch"

    def state(self, of: str) -> str:
        """Return where the state of a deployment is."""
        return f"{of}/state"


def saved(path: str, state: FileState | None, secret: bool) -> SavedFile:
    """Return what has to come back at a path."""
    if state is None:
        return SavedFile(path, False, secret=secret)
    return SavedFile(path, True, state.mode, state.uid, state.gid, secret)


# --- the attempt --------------------------------------------------------------------------------------------------


def load(places: Places) -> Journal | None:
    """Return the journal of a deployment that is under way or was cut off."""
    path = f"{places.attempt}/journal.json"
    if os.path.lexists(places.attempt) and (os.path.islink(places.attempt) or not os.path.isdir(places.attempt)):
        raise _damaged_journal(places, "its directory is none")
    found = stored(path)
    if not found.there:
        return None
    try:
        if found.fault:
            raise ValueError(found.fault)
        if found.record["format"] != _FORMAT or found.record["phase"] not in PHASES:
            raise ValueError("another format or phase")
        return Journal(
            found.record["phase"],
            _deployment(found.record["before"]),
            _text(found.record["image_id"]),
            _texts(found.record["remove"]),
            _flag(found.record["keeps"]),
            _flag(found.record["restore_state"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged_journal(places, f"{type(error).__name__}: {error}") from None


def begin(places: Places, journal: Journal, contents: Iterable[FileState | None]) -> None:
    """Write down what is going to be replaced, before anything of it is touched."""
    clear(places)
    try:
        for path in (places.record_dir, places.attempt, f"{places.attempt}/files"):
            ensure_directory(path, 0o700, 0, 0)
        for number, state in enumerate(contents):
            if state is not None:
                write(ManagedFile(f"{places.attempt}/files/{number}", state.content, 0o600))
        advance(places, journal)
    except Exception:
        clear(places)
        raise


def advance(places: Places, journal: Journal) -> Journal:
    """Report in which phase the deployment is now."""
    content = json.dumps({"format": _FORMAT, **asdict(journal)}, indent=1).encode() + b"\n"
    write(ManagedFile(f"{places.attempt}/journal.json", content, 0o600))
    return journal


def saved_files(folder: str, deployment: Deployment) -> list[tuple[SavedFile, ManagedFile | None]]:
    """Return each file of a saved deployment with what it has to be again; None where there was none."""
    result: list[tuple[SavedFile, ManagedFile | None]] = []
    for number, file in enumerate(deployment.files):
        if not file.there:
            result.append((file, None))
            continue
        state = look(f"{folder}/files/{number}")
        if state is None or state.type != "file":
            raise HardeningError(f"{folder}/files/{number}", "nothing", f"the content of {file.path}")
        result.append((file, ManagedFile(file.path, state.content, file.mode, file.uid, file.gid, file.secret)))
    return result


def clear(places: Places) -> None:
    """Forget the attempt; the journal goes first, so that nobody undoes a half of it."""
    _unlink(places.attempt, "journal.json")
    _remove(places.record_dir, "attempt")
    _remove(places.record_dir, "logins")


def drop(places: Places, *names: str) -> None:
    """Remove parts of the attempt that are not needed any more."""
    for name in names:
        _remove(places.attempt, name)


# --- what it replaced ---------------------------------------------------------------------------------------------


def keep(places: Places, journal: Journal) -> None:
    """Make what was replaced the previous deployment. Safe to be called again after it was cut off anywhere."""
    content = json.dumps({"format": _FORMAT, **asdict(journal.before)}, indent=1).encode() + b"\n"
    write(ManagedFile(f"{places.attempt}/deployment.json", content, 0o600))
    drop(places, "candidate", "scratch")
    _remove(places.record_dir, "retired")
    with open_directory(places.record_dir) as folder:
        if os.path.isdir(places.previous):
            os.rename("previous", "retired", src_dir_fd=folder, dst_dir_fd=folder)
        os.rename("attempt", "previous", src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    sweep(places)


def sweep(places: Places) -> None:
    """Remove what a run that was cut off while it cleaned up has left."""
    _remove(places.record_dir, "logins")
    if os.path.isdir(places.previous):
        _unlink(places.previous, "journal.json")
        _remove(places.record_dir, "retired")
    if os.path.isdir(places.attempt) and not os.path.lexists(f"{places.attempt}/journal.json"):
        _remove(places.record_dir, "attempt")


def load_previous(places: Places) -> Deployment | None:
    """Return the deployment that the present one replaced."""
    path = f"{places.previous}/deployment.json"
    found = stored(path)
    if not found.there:
        return None
    try:
        if found.fault:
            raise ValueError(found.fault)
        if found.record["format"] != _FORMAT:
            raise ValueError("another format")
        return _deployment(found.record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"a damaged record ({type(error).__name__}: {harmless(str(error), 200)})"
        needed = "the record of the deployment before; there is no rollback to it: the next change replaces the record"
        raise HardeningError(path, why, needed) from None


# --- reading and removing -----------------------------------------------------------------------------------------


def _deployment(found: dict[str, Any]) -> Deployment:
    probe = {**found["probe"], "essential": tuple(found["probe"]["essential"])}
    if "settle" in probe:  # written before the option was renamed
        probe["stabilize"] = probe.pop("settle")
    return Deployment(
        image_ref=_text(found["image_ref"]),
        image_id=_text(found["image_id"]),
        container_id=_text(found["container_id"]),
        served=_flag(found["served"]),
        supervised=_flag(found["supervised"]),
        probe=Probe(**probe),
        files=tuple(_saved_file(file) for file in found["files"]),
        state_dir=_text(found["state_dir"]),
        state_excludes=_texts(found["state_excludes"]),
        state_saved=_flag(found["state_saved"]),
        replaced_at=_text(found["replaced_at"]),
        rolled_back=_flag(found["rolled_back"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("no truth value")
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("no whole number")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return tuple(_text(entry) for entry in value)


def _saved_file(found: dict[str, Any]) -> SavedFile:
    path = _text(found["path"])
    if not path.startswith("/"):
        raise ValueError("a file without an absolute path")
    mode, uid, gid = (_number(found[name]) for name in ("mode", "uid", "gid"))
    return SavedFile(path, _flag(found["there"]), mode, uid, gid, _flag(found["secret"]))


def _damaged_journal(places: Places, why: str) -> HardeningError:
    """Refuse to guess how far a deployment is; what it replaced is still there."""
    needed = (
        "its journal: a deployment was cut off, and how far it was cannot be read. Nothing was changed. Bring the "
        f"journal back from a backup; or see whether the gateway is well, move {places.attempt} away (it holds files "
        "and state of before) and run the same playbook again, which compares everything with what is wanted"
    )
    return HardeningError(f"{places.attempt}/journal.json", f"a damaged record ({harmless(why, 200)})", needed)


def _unlink(folder: str, name: str) -> None:
    if os.path.lexists(f"{folder}/{name}"):
        with open_directory(folder) as handle:
            remove_tree(handle, name)
            os.fsync(handle)


def _remove(folder: str, name: str) -> None:
    if os.path.lexists(f"{folder}/{name}"):
        with open_directory(folder) as handle:
            remove_tree(handle, name)
