# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reader of ``/proc``: processes, their programs and open sockets, what listens, memory and time since boot.

A process may end at any moment: what is read of one raises an ``OSError`` then. Its name is its own choice.
"""

from __future__ import annotations

import os
import re
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import read_text
from ansible_collections.openclaw.hardening.plugins.module_utils._system.deadline import within

_LISTENS = "0A"
_SOCKET = re.compile(r"socket:\[([0-9]+)\]")
# The kernel reads arguments and environment from the memory of the process, which may be on a file system that hangs.
_MEMORY_SECONDS = 5.0


@dataclass(frozen=True)
class Listener:
    """A TCP socket that waits for connections."""

    address: str
    port: int
    uid: int = 0
    inode: int = 0


# --- processes ----------------------------------------------------------------------------------------------------


def pids() -> list[int]:
    """Return all processes that can be seen."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())


def program(pid: int) -> str:
    """Return the name of a process's program (proc_pid_comm(5))."""
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()


def owner(pid: int) -> int:
    """Return the user that a process runs as."""
    return os.stat(f"/proc/{pid}").st_uid


def control_group(pid: int) -> str:
    """Return the control groups of a process, as its file lists them (proc_pid_cgroup(5))."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
        return file.read()


def strings(pid: int, name: str) -> list[str]:
    """Return the words of ``cmdline`` or ``environ`` of a process."""
    return [word for word in within(_MEMORY_SECONDS, lambda: read_text(f"/proc/{pid}/{name}")).split("\0") if word]


def started(pid: int) -> int | None:
    """Return when a process was started, in clock ticks after boot, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(start_field(file.read()))
    except (OSError, ValueError, IndexError):
        return None


def start_field(stat: bytes) -> bytes:
    """Return the start of a process from its ``stat`` (proc_pid_stat(5), field 22)."""
    # The name in parentheses may hold anything.
    return stat.rpartition(b")")[2].split()[19]


def uptime() -> float:
    """Return the seconds since boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


# --- open files ---------------------------------------------------------------------------------------------------


def descriptors(pid: int) -> list[str]:
    """Return the numbers of the open files of a process."""
    return os.listdir(f"/proc/{pid}/fd")


def socket_inodes(pid: int) -> set[int]:
    """Return the sockets that a process holds, by inode (proc_pid_fd(5))."""
    found = set()
    for number in descriptors(pid):
        with suppress(OSError):  # it was closed
            link = _SOCKET.fullmatch(os.readlink(f"/proc/{pid}/fd/{number}"))
            if link:
                found.add(int(link[1]))
    return found


def unix_socket_inodes(path: str) -> set[int]:
    """Return the inodes of the Unix sockets that are bound to a path."""
    rows = [line.split(None, 7) for line in read_text("/proc/net/unix").splitlines()[1:]]
    named = [row for row in rows if len(row) == 8 and row[7].endswith(f"/{os.path.basename(path)}")]
    return {int(row[6]) for row in named if os.path.realpath(row[7]) == path}


# --- network ------------------------------------------------------------------------------------------------------


def read_listeners(folder: str) -> tuple[Listener, ...]:
    """Read the listening sockets of a network namespace, such as ``/proc/self/net``."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            with open(f"{folder}/{name}", encoding="ascii") as file:
                lines = file.readlines()[1:]
        except FileNotFoundError:
            if name == "tcp":
                raise
            continue  # no IPv6
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTENS:
                address, _colon, port = fields[1].rpartition(":")
                found.append(Listener(kernel_address(address), int(port, 16), int(fields[7]), int(fields[9])))
    return tuple(found)


def kernel_address(digits: str) -> str:
    """Translate an address as /proc/net/tcp shows it: 32-bit words in the order of the processor."""
    raw = b"".join(struct.pack("=I", int(digits[start : start + 8], 16)) for start in range(0, len(digits), 8))
    address = ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


# --- memory -------------------------------------------------------------------------------------------------------


def memory(name: str) -> int:
    """Return the bytes of a line such as ``MemTotal`` or ``MemAvailable`` (proc_meminfo(5)); 0 when there is none."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0
