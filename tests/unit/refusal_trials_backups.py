"""Trials of refusals about backups."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ansible_collections.openclaw.hardening.plugins.module_utils._backup import (
    archive,
    encrypt,
    manager,
    manifest,
    options,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import options as deploy_options
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_source

from .refusal_trials import trial, two

PUBLIC = f"age1{'q' * 58}"
GIVEN: dict[str, Any] = {
    **{name: spec.get("default") for name, spec in options.BACKUP_ARGUMENTS.items()},
    "project": "openclaw",
    "directory": "/var/backups/openclaw",
    "state_dir": "/var/lib/openclaw/.openclaw",
    "config_dir": "/etc/openclaw",
    "record_dir": "/var/lib/openclaw-hardening",
}


def given(name: str, bad: Any, good: Any) -> Any:
    return two(lambda value: options.wanted_from({**GIVEN, name: value}), bad, good)


@trial("project")
def a_project_that_is_none(_folder: Path) -> Any:
    return given("project", "../x", "openclaw")


@trial("lock_files")
def a_lock_file_of_another_name(_folder: Path) -> Any:
    return given("lock_files", {"passwd": ""}, {"package.json": "{}"})


@trial("directory")
def backups_in_the_state(_folder: Path) -> Any:
    return given("directory", "/var/lib/openclaw/.openclaw/backups", "/srv/backups")


@trial("archive")
def nothing_to_verify(_folder: Path) -> Any:
    return two(lambda path: options.wanted_from({**GIVEN, "state": "verified", "archive": path}), "", "/srv/x.tar.gz")


@trial("recipient")
def a_secret_key_as_the_public_one(_folder: Path) -> Any:
    return two(lambda key: encrypt.recipient("recipient", key), "AGE-SECRET-KEY-1X", PUBLIC)


@trial("recipient")
def no_key_at_all(_folder: Path) -> Any:
    return two(lambda key: encrypt.recipient("recipient", key), "me@example.org", PUBLIC)


def opened(folder: Path, kind: str, key: str) -> None:
    """Take a key as an archive's program would."""
    imported = SimpleNamespace(rc=0) if "good" in key else None

    def run(_module: object, argv: list[str], **_more: object) -> object:
        if imported is None and "--import" in argv:
            raise manager.HardeningError("gpg", "exit code 2", "exit code 0")
        return imported

    with (
        patch.object(encrypt.lock, "host_wide", lambda name: str(folder / name)),
        patch.object(encrypt, "find_program", lambda name: name),
        patch.object(encrypt.command, "run", run),
        encrypt.opening(SimpleNamespace(), kind, key, "openclaw"),  # type: ignore[arg-type]
    ):
        pass


@trial("key")
def no_key_for_an_encrypted_archive(folder: Path) -> Any:
    return two(lambda key: opened(folder, "age", key), "", "good")


@trial("key")
def a_key_that_cannot_be_read(folder: Path) -> Any:
    return two(lambda key: opened(folder, "gpg", key), "bad", "good")


@trial("timeout")
def a_program_that_takes_too_long(_folder: Path) -> Any:
    def attempt(seconds: float) -> None:
        chain = archive.Chain([["sleep", "0.5"]], seconds)
        with chain.run(subprocess.DEVNULL, subprocess.DEVNULL):
            chain.check()

    return two(attempt, 0.05, 20)


@trial("archive")
def an_archive_that_is_none(_folder: Path) -> Any:
    return two(archive.how, "/srv/backup.zip", "/srv/backup.tar.gz")


def request(folder: Path, **more: Any) -> manager.BackupManager:
    paths = {name: str(folder / name) for name in ("directory", "state_dir", "config_dir", "record_dir")}
    return manager.BackupManager(SimpleNamespace(), options.wanted_from({**GIVEN, **paths, **more}))  # type: ignore[arg-type]


@trial("archive")
def no_backup_is_there(folder: Path) -> Any:
    return two(lambda path: request(folder, archive=path)._archive(), "", "/srv/x.tar.gz")


@trial("archive")
def an_archive_that_is_not_there(folder: Path) -> Any:
    there = folder / "there.tar.gz"
    there.write_bytes(b"")

    def attempt(path: str) -> None:
        with patch.object(manager.archive, "unpack", lambda *_: manager.ExitStack()), request(folder)._stream(path):
            pass

    return two(attempt, "/no/such.tar.gz", str(there))


@trial("archive")
def a_backup_of_another_project(folder: Path) -> Any:
    def attempt(project: str) -> None:
        about = manifest.About("now", project, "alpha")
        with (
            patch.object(manager.BackupManager, "_stream", lambda *_: manager.ExitStack()),
            patch.object(manager.Unpacker, "run", lambda *_: (manifest.Manifest(about, {}), "")),
        ):
            request(folder)._read("/srv/x.tar.gz", "")

    return two(attempt, "acme", "openclaw")


@trial("state_dir")
def no_state_to_back_up(folder: Path) -> Any:
    (folder / "state").mkdir()
    return two(lambda path: request(folder, state_dir=path)._need_state(), str(folder / "none"), str(folder / "state"))


def adopted(source: Path, state: Path) -> None:
    with patch.object(state_source, "vet_parents", lambda _path: None):
        state_source.adopt(str(source), str(state))


@trial("state_dir")
def no_account_for_a_state(folder: Path) -> Any:
    for name in ("source", "state"):
        (folder / name).mkdir()
    return two(lambda name: adopted(folder / "source", folder / name), "none", "state")


@trial("state_source")
def a_state_that_was_not_unpacked(folder: Path) -> Any:
    for name in ("source", "state"):
        (folder / name).mkdir()
    return two(lambda name: adopted(folder / name, folder / "state"), "none", "source")


@trial("state_source")
def a_state_for_what_does_not_run(_folder: Path) -> Any:
    from .test_refusals_healed import DEPLOYMENT

    base = {**DEPLOYMENT, "state": "stopped"}
    return two(lambda path: deploy_options.wanted_from({**base, "state_source": path}), "/srv/state", "")
