# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose socket it is: the processes that hold it, from /proc (proc_pid_fd(5))."""

from __future__ import annotations

import glob
import os
import pwd
import re
from collections.abc import Mapping
from contextlib import suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless

_SOCKET = re.compile(r"socket:\[([0-9]+)\]")


def name(uids: Mapping[int, int]) -> dict[int, str]:
    """Name who holds each of some sockets, such as ``python3 (process 4711, user mallory)``.

    :param uids: inode of a socket to the uid that made it, which is all that is known of a process that cannot be seen.
    """
    found = {inode: f"a process that cannot be seen (user {_user(uid)})" for inode, uid in uids.items()}
    folders = sorted(filter(str.isdigit, os.listdir("/proc")), key=int) if uids else []
    for pid in folders:
        with suppress(OSError):  # it ended
            held = _sockets(f"/proc/{pid}") & set(found)
            if held:
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    program = harmless(file.read().strip(), 32)
                text = f"{program} (process {pid}, user {_user(os.stat(f'/proc/{pid}').st_uid)})"
                found.update(dict.fromkeys(held, text))
    return found


def of_control_group(pid: int) -> frozenset[int]:
    """Return the sockets of the processes in the control group of ``pid``, which is a container."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
        group = file.read()
    found: set[int] = set()
    for folder in glob.glob("/proc/[0-9]*"):
        with suppress(OSError), open(f"{folder}/cgroup", encoding="utf-8", errors="replace") as file:  # or it ended
            if file.read() == group:
                found |= _sockets(folder)
    return frozenset(found)


def _sockets(folder: str) -> set[int]:
    found = set()
    for entry in os.scandir(f"{folder}/fd"):
        with suppress(OSError):  # it was closed
            link = _SOCKET.fullmatch(os.readlink(entry.path))
            if link:
                found.add(int(link[1]))
    return found


def _user(uid: int) -> str:
    try:
        return harmless(pwd.getpwuid(uid).pw_name, 32)
    except KeyError:
        return str(uid)
