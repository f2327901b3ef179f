# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The copies of its databases that OpenClaw makes before it migrates them: room for them, and their end.

A gateway that finds a database of an older version copies it first, as ``DATABASE.pre-startup-migration-UUID.bak``
beside it, and never removes the copy. (OpenClaw's `openclaw update cleanup` removes what `openclaw doctor` kept.)
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_files
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.room import Size
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import look
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import failed, open_directory

_SUFFIX = r"\.pre-startup-migration-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.bak"
_DAY = 86400


def to_come(state_dir: str) -> Size:
    """Return what the copies take that a gateway makes when it migrates all databases of a state."""
    size = files = 0
    try:
        with open_directory(state_dir) as top:
            for path in state_files.databases(top):
                with ExitStack() as stack:
                    folder, name = state_files.parent(stack, top, path)
                    size, files = size + look(name, folder).st_size, files + 1
    except OSError as error:
        raise failed(f"look at the databases in {state_dir}", error) from error
    return Size(size, files)


def expired(state_dir: str, days: int, now: float) -> tuple[str, ...]:
    """Return the paths below a state of copies that are older than ``days``; 0 days is no limit."""
    if not days or not os.path.isdir(state_dir):
        return ()
    try:
        with open_directory(state_dir) as top:
            return tuple(path for path, status in _copies(top) if now - status.st_mtime > days * _DAY)
    except OSError as error:
        raise failed(f"look for old copies of databases in {state_dir}", error) from error


def remove(state_dir: str, paths: tuple[str, ...]) -> None:
    """Remove copies; one that is gone, or is no file any more, is left alone."""
    try:
        with open_directory(state_dir) as top:
            there = {path for path, _status in _copies(top)}
            for path in there & set(paths):
                with ExitStack() as stack:
                    folder, name = state_files.parent(stack, top, path)
                    os.unlink(name, dir_fd=folder)
    except OSError as error:
        raise failed(f"removal of old copies of databases in {state_dir}", error) from error


def _copies(top: int) -> Iterator[tuple[str, os.stat_result]]:
    """Return the copies of the databases that are there: files in the same directory, no link."""
    for database in state_files.databases(top):
        above, _slash, base = database.rpartition("/")
        for name in state_files.names(top, *above.split("/")):
            if re.fullmatch(re.escape(base) + _SUFFIX, name):
                with ExitStack() as stack:
                    folder, _name = state_files.parent(stack, top, database)
                    found = look(name, folder)
                if stat.S_ISREG(found.st_mode):
                    yield f"{above}/{name}", found
