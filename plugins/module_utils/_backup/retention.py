# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which backups may go. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NAME = re.compile(r"([a-z][a-z0-9-]{0,40})-([0-9]{8}T[0-9]{6}Z)(?:-[0-9]{1,3})?\.tar\.(?:zst|gz)(?:\.(?:age|gpg))?")


@dataclass(frozen=True)
class Backup:
    """One archive in the directory.

    :param good: nothing in it is missing or damaged.
    :param verified: a gateway was ready from it.
    """

    name: str
    made_at: str
    good: bool = True
    verified: bool = False


def made_at(name: str, project: str) -> str:
    """Return when an archive was made; nothing for a name that is not one of this project's."""
    match = _NAME.fullmatch(name)
    return match[2] if match and match[1] == project else ""


def superfluous(backups: Sequence[Backup], keep: int) -> list[str]:
    """Return the archives that may go, the oldest first.

    The newest ``keep`` good ones stay, and so does the newest that was verified. One that is not good only goes
    when a good one is newer: the last good one is never a question of age.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.made_at, backup.name), reverse=True)
    good = [backup for backup in newest_first if backup.good]
    verified = [backup for backup in newest_first if backup.verified]
    kept = {backup.name for backup in (*good[: max(1, keep)], *verified[:1])}
    for backup in newest_first:
        if backup.good:
            break
        kept.add(backup.name)
    return [backup.name for backup in reversed(newest_first) if backup.name not in kept]


def newest_good(backups: Sequence[Backup]) -> str:
    """Return the archive that a restore takes when none is named; empty without one."""
    good = [backup for backup in backups if backup.good]
    return max(good, key=lambda backup: (backup.made_at, backup.name)).name if good else ""
