# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person set up in a state, by key, so that an upgrade which loses some of it is found.

OpenClaw migrates its state at the first start of a newer version. That it then starts and serves does not show that
every cron job, login, device and agent is still there. The configuration is no part of it: it is ours and read-only.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import listed
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import confined, state_files
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import remove_path
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory

# By kind: the key of each thing, and how it is set.
Contents = Mapping[str, Mapping[str, str]]
_MOST_JSON = 16 << 20
_MOST_ANSWER = 4 << 20
_ATTEMPTS = 5
_ONCE = "one-time cron job"


def read(state_dir: str, folder: str) -> Contents:
    """Return what is set up in a state.

    :param folder: where to work; root's alone, made and removed here.
    :raises HardeningError: a database cannot be read, also not after some attempts (the service may be writing it).
    """
    for attempt in range(_ATTEMPTS):
        try:
            return _read(state_dir, folder)
        except (confined.RefusedError, state_files.UnreadableError) as error:
            reason = str(error)
        time.sleep(0.5 * (attempt + 1))
    raise HardeningError(state_dir, reason, "a state whose databases can be read")


def _read(state_dir: str, folder: str) -> Contents:
    found: dict[str, dict[str, str]] = {}
    remove_path(folder)
    os.mkdir(folder, 0o700)
    try:
        with open_directory(state_dir) as top:
            for number, path in enumerate(state_files.databases(top)):
                work = f"{folder}/{number}"
                os.mkdir(work, 0o700)
                if state_files.fetch(top, path, f"{work}/present.sqlite"):
                    os.chown(work, state_files.NOBODY, state_files.NOBODY)
                    for kind, things in state_files.program(work, "contents", largest=_MOST_ANSWER)["contents"].items():
                        found.setdefault(kind, {}).update(things)
            found.setdefault("agent", {}).update(dict.fromkeys(state_files.names(top, "agents"), ""))
            found["account of a channel"] = dict.fromkeys(state_files.accounts(top), "")
            for path in state_files.stores(top):
                found.setdefault("login", {}).update(_profiles(state_files.read(top, path, _MOST_JSON)))
            found.setdefault("cron job", {}).update(_jobs(state_files.read(top, "cron/jobs.json", _MOST_JSON)))
    finally:
        remove_path(folder)
    return found


# --- pure ---------------------------------------------------------------------------------------------------------


def lost(before: Contents, after: Contents) -> list[str]:
    """Name what is not there any more, or is set otherwise."""
    result = []
    for kind, things in before.items():
        there = after.get(kind, {})
        for key, setting in things.items():
            name = f"{kind} {key}" + (f" ({setting})" if setting else "")
            if key not in there:
                result.append(f"{name} is gone")
            elif setting and there[key] and there[key] != setting:
                result.append(f"{name} is now {there[key]}")
    return sorted(result)


def refuse_losses(before: Contents, after: Contents, *, accept: bool) -> str:
    """Refuse an upgrade that loses something; return what was lost, when that is accepted.

    :raises HardeningError: something was lost.
    """
    found = lost(before, after)
    if found and not accept:
        needed = "everything that was set up before the upgrade"
        raise HardeningError("the state after the upgrade", listed(found, 10), needed, "accept_losses")
    return f"lost by the upgrade, and accepted: {listed(found, 10)}" if found else ""


@dataclass(frozen=True)
class Comparison:
    """What was set up before an upgrade, to be compared with what is there after it.

    :param folder: where to work.
    :param accept: losses are a warning.
    """

    folder: str
    accept: bool
    warnings: list[str]

    def before(self, state_dir: str) -> Contents | None:
        """Return what is set up; None with a warning when it cannot be read: a state must not stop its own update."""
        try:
            return read(state_dir, self.folder)
        except HardeningError as error:
            self.warnings.append(f"what the upgrade keeps of the state could not be compared: {error}")
            return None

    def after(self, before: Contents | None, state_dir: str, *, running: bool) -> None:
        """Refuse what was lost.

        :param running: the gateway runs, so that a job which runs at one time only may have run.
        """
        if before is not None:
            kept = {kind: things for kind, things in before.items() if not (running and kind == _ONCE)}
            warning = refuse_losses(kept, read(state_dir, self.folder), accept=self.accept)
            self.warnings.extend(filter(None, [warning]))


def _profiles(text: bytes) -> dict[str, str]:
    """Return the names of the logins in an older store."""
    with suppress(ValueError, RecursionError, AttributeError):
        return {str(name)[:200]: "" for name in json.loads(text)["profiles"]}
    return {}


def _jobs(text: bytes) -> dict[str, str]:
    """Return the cron jobs of a version that kept them in a file, but those that OpenClaw itself declares."""
    with suppress(ValueError, RecursionError, AttributeError, KeyError, TypeError):
        jobs = [job for job in json.loads(text)["jobs"] if isinstance(job, dict) and not job.get("declarationKey")]
        return {str(job["id"])[:200]: f"{job.get('name', '')} {int(bool(job.get('enabled', True)))}" for job in jobs}
    return {}
