# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ends the lease that a gateway had of its state, in a copy: who was killed leaves it, and for five minutes no gateway
of another host name starts on that state.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import confined, state_files
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_entry as entry
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import READ, open_here, remove_path
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory


def end(state_dir: str, work: str) -> int:
    """Return how many leases were ended.

    :param work: where to work; root's alone, made and removed here.
    :raises HardeningError: the database cannot be read.
    """
    remove_path(work)
    os.mkdir(work, 0o700)
    try:
        with open_directory(state_dir) as top, ExitStack() as stack:
            if not state_files.is_file(top, state_files.SHARED):
                return 0
            state_files.fetch(top, state_files.SHARED, f"{work}/present.sqlite")
            os.chown(work, state_files.NOBODY, state_files.NOBODY)
            ended = _ask(state_dir, work)
            if ended:
                folder, name = state_files.parent(stack, top, state_files.SHARED)
                own = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                stack.callback(os.close, own)
                handle = open_here("present.sqlite", READ, own)
                stack.callback(os.close, handle)
                entry.Placer().copy(handle, os.fstat(handle), folder, name)
                for suffix in ("-wal", "-shm", "-journal"):
                    with suppress(FileNotFoundError):
                        os.unlink(f"{name}{suffix}", dir_fd=folder)
            return ended
    finally:
        remove_path(work)


def _ask(state_dir: str, work: str) -> int:
    try:
        from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import logins_merge
        from ansible_collections.openclaw.hardening.plugins.module_utils._migrate import lease_program
    except ImportError as error:
        raise HardeningError("python", confined.NO_SQLITE, "the package python3") from error
    numbers = (str(state_files.NOBODY), str(state_files.NOBODY))
    try:
        return int(confined.run(work, [logins_merge, lease_program], *numbers)["ended"])
    except confined.RefusedError as error:
        raise HardeningError(f"{state_dir}/{state_files.SHARED}", str(error), "a database that can be read") from error
