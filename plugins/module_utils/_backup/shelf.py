# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directory of backups: archives, each with a record beside it that anybody who has no key can read."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._backup.retention import Backup, made_at
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import remove_path, remove_tree
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    ensure_directory,
    look_directory,
    vet_parents,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json, write_json

WORK = ".work"
# What everybody may enter on the way to the backups; Debian has it.
_ABOVE = "/var/backups"


def ensure(directory: str) -> None:
    """Make the directory, for root alone, and what is usually above it."""
    vet_parents(directory)
    if directory.startswith(f"{_ABOVE}/") and look_directory(_ABOVE) is None:
        ensure_directory(_ABOVE, 0o755, 0, 0)
    ensure_directory(directory, 0o700, 0, 0)


def found(directory: str, project: str) -> list[Backup]:
    """Return the archives of a project that are there."""
    result = []
    for name in sorted(os.listdir(directory)) if look_directory(directory) else []:
        when = made_at(name, project)
        if when:
            known = record(f"{directory}/{name}")
            result.append(Backup(name, when, not known.get("problems"), bool(known.get("verified_at"))))
    return result


def record(path: str) -> dict[str, Any]:
    """Return what is known of an archive; nothing where its record is missing."""
    return read_json(f"{path}.json")


def save_record(path: str, known: dict[str, Any]) -> None:
    """Write what is known of an archive."""
    write_json(f"{path}.json", known)


def new_name(directory: str, project: str, suffix: str, now: float) -> str:
    """Return a name that no archive has: one backup a second, or a number behind it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    for number in range(1000):
        name = f"{project}-{stamp}{f'-{number}' if number else ''}{suffix}"
        if not os.path.lexists(f"{directory}/{name}"):
            return name
    raise HardeningError(directory, "a thousand backups of this second", "a clock that goes on")


def remove(directory: str, names: list[str]) -> None:
    """Remove archives; each record goes after its archive."""
    with open_directory(directory) as folder:
        for name in names:
            for part in (name, f"{name}.json"):
                with suppress(FileNotFoundError):
                    remove_tree(folder, part)
        os.fsync(folder)


def work(directory: str) -> str:
    """Return an empty folder for copies of databases; what a killed run left in it is removed."""
    clear_work(directory)
    ensure_directory(f"{directory}/{WORK}", 0o700, 0, 0)
    return f"{directory}/{WORK}"


def clear_work(directory: str) -> None:
    """Remove that folder."""
    remove_path(f"{directory}/{WORK}")
