# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SQLite databases of a state, each copied as of one moment while the service writes it, and checked."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import confined
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_files import NOBODY
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import (
    DIRECTORY,
    READ,
    open_here,
    remove_tree,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory

HEADER = b"SQLite format 3\0"
# What SQLite keeps beside a database; of no use, and a danger, beside a copy.
BESIDE = ("-wal", "-shm", "-journal")
_SECONDS = 3600.0


class DamagedError(Exception):
    """A database that cannot be copied or is not sound; the message has nothing of its content."""


@dataclass(frozen=True)
class Copier:
    """Copies databases into one folder of root, one at a time.

    :param work: that folder.
    :param owner: who copies a database whose owner is root.
    :param strip: take the logins out of the copies.
    """

    work: str
    owner: tuple[int, int]
    strip: bool

    def copy(self, folder: int, name: str, found: os.stat_result) -> int:
        """Copy ``name`` in a directory; return the descriptor of the copy, which has no name any more.

        :raises DamagedError: it is no database, is damaged, or stays locked.
        """
        target = f"{self.work}/copy"
        self._clear()
        top = os.open(self.work, DIRECTORY)
        uid, gid = (found.st_uid, found.st_gid) if found.st_uid else self.owner
        # VACUUM and the log of a database that is read take room, too.
        largest = str(2 * found.st_size + (1 << 30))
        try:
            self._ask("copy", str(folder), str(top), os.fsencode(name).hex(), str(uid), str(gid), largest,
                      given=(folder, top))  # fmt: skip
            os.chown(target, NOBODY, NOBODY, follow_symlinks=False)
            os.fchown(top, NOBODY, NOBODY)
            answer = self._ask("check", str(NOBODY), str(NOBODY), largest, str(int(self.strip)))
            if answer.get("integrity") != "ok":
                raise DamagedError(f"integrity_check: {ascii(str(answer.get('integrity')))[:200]}")
            os.fchown(top, 0, 0)
            handle = open_here("copy", READ, top)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                os.close(handle)
                raise DamagedError("its copy was exchanged")
            return handle
        finally:
            os.close(top)
            self._clear()

    def _clear(self) -> None:
        os.chown(self.work, 0, 0)
        with open_directory(self.work) as top:
            for name in os.listdir(top):
                remove_tree(top, name)

    def _ask(self, *arguments: str, given: Collection[int] = ()) -> dict[str, Any]:
        try:
            return confined.run(self.work, _program(), *arguments, given=given, seconds=_SECONDS)
        except confined.RefusedError as error:
            raise DamagedError(str(error)) from error


def is_database(handle: int) -> bool:
    """Return whether a file begins as every database of SQLite does."""
    return os.pread(handle, len(HEADER), 0) == HEADER


def _program() -> list[ModuleType]:
    """Return the sources that the program is made of."""
    try:
        from ansible_collections.openclaw.hardening.plugins.module_utils._backup import database_program
        from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import logins_merge
    except ImportError as error:
        needed = "the package python3, or another ansible_python_interpreter"
        raise HardeningError("python", confined.NO_SQLITE, needed) from error
    return [logins_merge, database_program]
