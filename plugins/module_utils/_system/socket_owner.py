# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose socket it is: the processes that hold it, from /proc (proc_pid_fd(5))."""

from __future__ import annotations

import pwd
from collections.abc import Mapping
from contextlib import suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._system import proc


def name(uids: Mapping[int, int]) -> dict[int, str]:
    """Name who holds each of some sockets, such as ``python3 (process 4711, user mallory)``.

    :param uids: inode of a socket to the uid that made it, which is all that is known of a process that cannot be seen.
    """
    found = {inode: f"a process that cannot be seen (user {_user(uid)})" for inode, uid in uids.items()}
    for pid in proc.pids() if uids else ():
        with suppress(OSError):  # it ended
            held = proc.socket_inodes(pid) & set(found)
            if held:
                text = f"{harmless(proc.program(pid), 32)} (process {pid}, user {_user(proc.owner(pid))})"
                found.update(dict.fromkeys(held, text))
    return found


def of_control_group(pid: int) -> frozenset[int]:
    """Return the sockets of the processes in the control group of ``pid``, which is a container."""
    group = proc.control_group(pid)
    found: set[int] = set()
    for other in proc.pids():
        with suppress(OSError):  # it ended
            if proc.control_group(other) == group:
                found |= proc.socket_inodes(other)
    return frozenset(found)


def _user(uid: int) -> str:
    try:
        return harmless(pwd.getpwuid(uid).pw_name, 32)
    except KeyError:
        return str(uid)
