"""Trials of refusals about removals."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ansible_collections.openclaw.hardening.plugins.module_utils._backup.options import BACKUP_ARGUMENTS
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._removal import manager, options
from ansible_collections.openclaw.hardening.plugins.module_utils._removal import plan as removal

from .refusal_trials import trial, two

STATE = removal.Thing(removal.DATA, removal.STATE, "/var/lib/openclaw/.openclaw", data=True)
FOUND = removal.Current((STATE,), running=True)
BACKUP = {name: BACKUP_ARGUMENTS[name].get("default") for name in ("workspace", "keep", "timeout", "recipient")}
BACKUP = {**BACKUP, "secrets": False, "lock_files": {}, "policy": {}}


def params(backup: dict[str, Any] | None, data: bool = True) -> dict[str, Any]:
    given = {name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}
    return {**given, "instance": "openclaw", "data": data, "backup": backup}


@trial("instance")
def an_instance_that_is_none(_folder: Path) -> Any:
    return two(lambda name: options.wanted_from({**params(None), "instance": name}), "../x", "openclaw")


@trial("backup")
def secrets_that_would_be_lost(_folder: Path) -> Any:
    def attempt(secrets: bool) -> None:
        backup = options.wanted_from(params({**BACKUP, "secrets": secrets})).backup
        removal.refuse(FOUND, removal.decide(FOUND, data=True, backup=True), data=True, backup=backup)

    return two(attempt, True, False)


def backed_up(folder: Path, backup: dict[str, Any] | None, result: Any) -> None:
    """Make the last backup, of which this comes out."""

    def make(_manager: object) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    with ExitStack() as stack:
        stack.enter_context(patch.object(manager.BackupManager, "make", make))
        stack.enter_context(patch.object(manager.RemovalManager, "_record", lambda _self: str(folder / "removal.json")))
        removing = manager.RemovalManager(SimpleNamespace(params=params(backup)))  # type: ignore[arg-type]
        removing._back_up()


@trial("backup")
def a_last_backup_that_fails(folder: Path) -> Any:
    return two(lambda backup: backed_up(folder, backup, HardeningError("x", "no room", "room")), BACKUP, None)


@trial("backup")
def a_last_backup_that_is_not_whole(folder: Path) -> Any:
    made = {"path": "/var/backups/openclaw/x.tar.zst", "problems": ["'media' (a mount point)"]}
    return two(lambda backup: backed_up(folder, backup, made), BACKUP, None)
