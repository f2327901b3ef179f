# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SQLite databases of a state, each copied as of one moment while the service writes it, and checked."""

from __future__ import annotations

import inspect
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import (
    DIRECTORY,
    READ,
    open_here,
    remove_tree,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import environment

HEADER = b"SQLite format 3\0"
# What SQLite keeps beside a database; of no use, and a danger, beside a copy.
BESIDE = ("-wal", "-shm", "-journal")
_NOBODY = 65534
_ANSWER = 65536
_SECONDS = 3600.0
_BOOT = """import json, sys, types
for name, text in json.load(sys.stdin):
    module = sys.modules[name] = types.ModuleType(name)
    exec(text, module.__dict__)
module.main()
"""


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
            os.chown(target, _NOBODY, _NOBODY, follow_symlinks=False)
            os.fchown(top, _NOBODY, _NOBODY)
            answer = self._ask("check", str(_NOBODY), str(_NOBODY), largest, str(int(self.strip)))
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

    def _ask(self, *arguments: str, given: Collection[int] = ()) -> dict[str, object]:
        """Run the program; what it answers is bounded, and a timer ends it."""
        argv = [sys.executable, "-I", "-c", _BOOT, *arguments]
        with subprocess.Popen(argv, cwd=self.work, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, pass_fds=tuple(given)) as process:  # fmt: skip
            timer = threading.Timer(_SECONDS, process.kill)
            timer.start()
            try:
                if process.stdin and process.stdout:
                    process.stdin.write(_program())
                    process.stdin.close()
                answer = process.stdout.read(_ANSWER) if process.stdout else b""
            except BrokenPipeError:
                answer = b""
            finally:
                process.kill()
                timer.cancel()
        try:
            read = json.loads(answer)
            if "refused" not in read:
                return dict(read)
            reason = ascii(str(read["refused"]))[1:-1][:300]
        except (ValueError, KeyError, TypeError):
            reason = "it could not be read within the limits of memory and time"
        raise DamagedError(reason)


def is_database(handle: int) -> bool:
    """Return whether a file begins as every database of SQLite does."""
    return os.pread(handle, len(HEADER), 0) == HEADER


def _program() -> bytes:
    """Return the sources that the program is made of: it imports nothing of this collection by itself."""
    try:  # a minimal Python has no sqlite3
        from ansible_collections.openclaw.hardening.plugins.module_utils._backup import database_program
        from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import logins_merge
    except ImportError as error:
        found = f"no sqlite3 for {sys.executable}"
        raise HardeningError("python", found, "the package python3, or another ansible_python_interpreter") from error
    parts = (logins_merge, database_program)
    names = ("_deploy.logins_merge", "_backup.database_program")
    prefix = "ansible_collections.openclaw.hardening.plugins.module_utils"
    return json.dumps([(f"{prefix}.{name}", inspect.getsource(part)) for name, part in zip(names, parts)]).encode()
