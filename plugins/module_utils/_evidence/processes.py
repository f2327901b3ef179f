# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel reports about every process of a container: not what a file asks for, but what is in force.

What is read may be written by a hostile process (its name, its command line, its environment, the moment at which it
forks or ends); it decides nothing here but by numbers that the kernel gives.
"""

from __future__ import annotations

import errno
import operator
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._system.mountinfo import MountPoint, mount_table
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import start_field

PROC = "/proc"
SYS = "/sys"
INIT = "1"
ENGINE_SOCKET = "/run/docker.sock"
NAMESPACES = ("net", "pid", "ipc", "uts", "user", "mnt", "cgroup")
# How often, and after how many seconds, a process is looked at again that runc has not yet made into what it will be.
# A health check that begins on a busy host takes its time; it must not be taken for a process with all capabilities.
AGAIN = 60
PAUSE = 0.05

CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@dataclass(frozen=True)
class Process:
    """One process of the container (proc_pid_status(5)). ``argv`` and ``environment`` may hold secrets: show neither.

    Credentials, capabilities, ``no_new_privileges`` and ``seccomp`` belong to a thread: here the worst of all threads
    counts. The first four of ``uids`` and ``gids`` are real, effective, saved and file system; others' follow.
    """

    pid: int
    command: str
    uids: tuple[int, ...]
    gids: tuple[int, ...]
    groups: tuple[int, ...]
    # Set (CapEff, …) to bit mask.
    capabilities: Mapping[str, int]
    no_new_privileges: bool
    # 0: off, 1: strict, 2: filter.
    seccomp: int
    # Confinement of the security module (AppArmor profile, SELinux context); empty where there is none.
    label: str = ""
    # Kind (net, pid, ipc, uts, user, mnt, cgroup) to identity, such as ``net:[4026531840]``.
    namespaces: Mapping[str, str] = field(default_factory=dict)
    argv: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    oom_score_adj: int = 0


@dataclass(frozen=True)
class Limits:
    """Limits of the container's control group, of version 1 or 2; 0: none. Sizes in bytes."""

    memory: int = 0
    # Memory and swap together.
    memory_swap: int = 0
    cpus: float = 0.0
    pids: int = 0


@dataclass(frozen=True)
class Kernel:
    """The container as the kernel sees it."""

    main_pid: int
    processes: tuple[Process, ...]
    # One table for each mount namespace that a process of the container lives in; the main process's is the first.
    mounts: tuple[tuple[MountPoint, ...], ...]
    limits: Limits
    host_namespaces: Mapping[str, str]
    # The security module of the host: apparmor, selinux or an empty string.
    security_module: str = ""
    # Group that may write to Docker's socket; 0: root's, or there is no socket.
    engine_group: int = 0
    # What the host itself has mounted, and the sockets in its file systems; empty: not to be seen.
    host_mounts: tuple[MountPoint, ...] = ()
    host_sockets: tuple[str, ...] = ()


# A process that ends while it is read; reading a zombie's links reports ENOENT, too.
_GONE = (FileNotFoundError, ProcessLookupError)
# Version 1 reports "no limit" with a number near 2^63.
_UNLIMITED = 1 << 60
_READ_AT_MOST = 1 << 20


def look(container_id: str, pid: int) -> Kernel:
    """Read all processes of the container from ``/proc``.

    :param pid: main process of the container, as the daemon names it; 0: the container does not run.
    :raises HardeningError: it does not run.
    :raises PermissionError: the caller may not look (root may, with CAP_SYS_PTRACE).
    """
    what = f"container {container_id[:12]}"
    if pid <= 0:
        raise HardeningError(what, "not running", "a running container")
    module = security_module()
    try:
        search = _Search(container_id, pid, module)
        processes = tuple(search.all())
        limits = _limits(container_id, pid)
    except _GONE:
        processes = ()
    if pid not in [process.pid for process in processes]:
        raise HardeningError(what, f"not running: its main process {pid} is gone", "a running container")
    return Kernel(
        main_pid=pid,
        processes=processes,
        mounts=tuple(search.tables.values()),
        limits=limits,
        host_namespaces=_namespaces(f"{PROC}/{INIT}"),
        security_module=module,
        engine_group=_engine_group(),
        host_mounts=mount_table(_read_if_there(f"{PROC}/{INIT}/mountinfo")),
        host_sockets=socket_paths(_text(_read_if_there(f"{PROC}/{INIT}/net/unix"))),
    )


# --- processes ----------------------------------------------------------------------------------------------------


class _Search:
    """Finds the processes in the control group of a container and, as one may be moved, in its pid namespace."""

    def __init__(self, container_id: str, pid: int, module: str) -> None:
        self.id = container_id.encode()
        self.main = pid
        self.namespace = os.readlink(f"{PROC}/{pid}/ns/pid")
        if self.namespace == os.readlink(f"{PROC}/{INIT}/ns/pid"):
            self.namespace = ""
        # Mount namespace to what is mounted there.
        self.tables: dict[str, tuple[MountPoint, ...]] = {}
        self.label = _Label(module)

    def all(self) -> Iterator[Process]:
        """Yield each process once, the main one first; one that runc still prepares: when it is done, if ever."""
        others: set[int] = set()
        done: set[int] = set()
        sightings: dict[tuple[int, bytes], int] = {}
        waiting = False
        for _attempt in range(AGAIN + 1):
            time.sleep(PAUSE if waiting else 0)
            waiting = fresh = False
            for number in sorted(_numbers(PROC) - others - done, key=lambda number: (number != self.main, number)):
                try:
                    threads = _threads(number) if self.belongs(number) else []
                    if not threads:
                        others.add(number)
                        continue
                    # The first thread may have ended before the others: it is a zombie then, the process is not.
                    directory, status = threads[0]
                    if status["Name"].startswith("runc") and not self.belongs(int(status["PPid"])):
                        # The same start time: no other process with a number that was given out again.
                        identity = (number, _start_time(directory))
                        sightings[identity] = sightings.get(identity, 0) + 1
                        if sightings[identity] <= AGAIN:
                            waiting = True
                            continue
                    process = self.process(number, directory, [status for _directory, status in threads])
                except _GONE:
                    # Gone, or only the thread that was asked: the next list reports.
                    waiting = True
                    continue
                done.add(number)
                fresh = True
                yield process
            if not (waiting or fresh):
                return

    def belongs(self, number: int) -> bool:
        """Return whether this is a process of the container; one that is gone is not."""
        try:
            if self.id in _read(f"{PROC}/{number}/cgroup"):
                return True
            return bool(self.namespace) and os.readlink(f"{PROC}/{number}/ns/pid") == self.namespace
        except _GONE:
            return False
        except PermissionError:
            # It may do more than the caller. With one number only it is in the caller's pid namespace.
            if b"\nNSpid:\t%d\n" % number in _read(f"{PROC}/{number}/status"):
                return False
            raise

    def process(self, number: int, directory: str, threads: list[dict[str, str]]) -> Process:
        """Read what one process is, from the directory of a thread that lives."""
        first = threads[0]
        try:
            process = Process(
                pid=number,
                command=first["Name"],
                uids=_joined(threads, "Uid"),
                gids=_joined(threads, "Gid"),
                groups=tuple(sorted({int(group) for thread in threads for group in thread["Groups"].split()})),
                capabilities={name: _union(threads, name) for name in CAPABILITY_SETS},
                no_new_privileges=all(thread["NoNewPrivs"] == "1" for thread in threads),
                # Without the line the kernel has no seccomp.
                seccomp=min(int(thread.get("Seccomp", "0")) for thread in threads),
                label=self.label.of(directory),
                namespaces=_namespaces(directory),
                argv=tuple(_strings(f"{directory}/cmdline")),
                environment={
                    text.partition("=")[0]: text.partition("=")[2] for text in _strings(f"{directory}/environ")
                },
                oom_score_adj=int(_read(f"{directory}/oom_score_adj")),
            )
        except KeyError as error:
            raise HardeningError("/proc/PID/status", f"no line {error}", "Linux 4.10 or later") from error
        if process.namespaces["mnt"] not in self.tables:
            self.tables[process.namespaces["mnt"]] = mount_table(_mountinfo(directory))
        return process


def _numbers(directory: str) -> set[int]:
    return {int(name) for name in os.listdir(directory) if name.isdecimal()}


def _threads(number: int) -> list[tuple[str, dict[str, str]]]:
    """Return directory and status of the threads that live, the first one first."""
    found = []
    for thread in sorted(_numbers(f"{PROC}/{number}/task")):
        directory = f"{PROC}/{number}/task/{thread}"
        try:
            lines = _text(_read(f"{directory}/status")).split("\n")
        except _GONE:
            continue
        status = {key: value.strip() for key, _colon, value in (line.partition(":") for line in lines)}
        if status["State"][:1] not in ("Z", "X"):
            found.append((directory, status))
    return found


def _joined(threads: list[dict[str, str]], name: str) -> tuple[int, ...]:
    """Return the ids of the first thread, and behind them what others have."""
    first = [int(number) for number in threads[0][name].split()]
    rest = {int(number) for thread in threads[1:] for number in thread[name].split()}
    return (*first, *sorted(rest - set(first)))


def _union(threads: list[dict[str, str]], name: str) -> int:
    return reduce(operator.or_, (int(thread[name], 16) for thread in threads))


def _start_time(directory: str) -> bytes:
    return start_field(_read(f"{directory}/stat"))


def _namespaces(directory: str) -> dict[str, str]:
    return {kind: os.readlink(f"{directory}/ns/{kind}") for kind in NAMESPACES}


def _strings(path: str) -> list[str]:
    return [_text(text) for text in _read(path).split(b"\0") if text]


# --- security modules, Docker's group -----------------------------------------------------------------------------


def security_module() -> str:
    """Return the name of the module that can confine containers here, by the signs that Docker goes by."""
    if os.path.isdir(f"{SYS}/kernel/security/apparmor") and _flag("module/apparmor/parameters/enabled") == "Y":
        return "apparmor"
    return "selinux" if _flag("fs/selinux/enforce") else ""


def _flag(path: str) -> str:
    try:
        return _text(_read(f"{SYS}/{path}")).strip()
    except FileNotFoundError:
        return ""


class _Label:
    """Reads the labels of processes."""

    def __init__(self, module: str) -> None:
        self.module = module
        # AppArmor reports the mode behind each profile; SELinux has one for all.
        self.mode = " (permissive)" if module == "selinux" and _flag("fs/selinux/enforce") == "0" else ""
        # With several modules ``attr/current`` is that of one.
        own = module == "apparmor" and os.path.isdir(f"{PROC}/{INIT}/attr/apparmor")
        self.file = "attr/apparmor/current" if own else "attr/current"

    def of(self, directory: str) -> str:
        """Return the label of a thread, or an empty string."""
        if not self.module:
            return ""
        try:
            label = _text(_read(f"{directory}/{self.file}")).strip("\0\n ")
        except OSError as error:
            if error.errno == errno.EINVAL:  # the module gives it none
                return ""
            raise
        return label + self.mode


def socket_paths(table: str) -> tuple[str, ...]:
    """Return the paths in ``/proc/net/unix`` (unix(7)); a name that begins with @ is in no file system."""
    fields = (line.split(None, 7) for line in table.splitlines())
    return tuple(dict.fromkeys(words[7] for words in fields if len(words) == 8 and words[7].startswith("/")))


def _read_if_there(path: str) -> bytes:
    try:
        return _read(path)
    except OSError:
        return b""


def _engine_group() -> int:
    try:
        return os.stat(ENGINE_SOCKET).st_gid
    except FileNotFoundError:
        return 0


# --- limits -------------------------------------------------------------------------------------------------------


def _limits(container_id: str, pid: int) -> Limits:
    lines = [line.split(":", 2) for line in _text(_read(f"{PROC}/{pid}/cgroup")).splitlines()]
    # Controllers to the path of the control group; an empty name is version 2, which has all the others.
    paths = {name: path for _number, names, path in lines for name in names.split(",")}
    hierarchies = [mount for mount in mount_table(_read(f"{PROC}/self/mountinfo")) if mount.kind.startswith("cgroup")]

    def limit(controller: str, version_1: str, version_2: str) -> list[str]:
        """Return the words of a limit; none where nothing could limit."""
        old = controller in paths
        path = _own(paths.get(controller if old else "", "/"), container_id)
        for mount in hierarchies:
            if controller in mount.super_options if old else mount.kind == "cgroup2":
                below = path[len(mount.root) :] if mount.root != "/" and path.startswith(mount.root) else path
                try:
                    return _text(_read(f"{mount.path}{below}/{version_1 if old else version_2}")).split()
                except FileNotFoundError:
                    return []
        return []

    memory = _number(limit("memory", "memory.limit_in_bytes", "memory.max"))
    swap = limit("memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
    both = _number(swap)
    if "memory" not in paths:  # version 2 counts swap alone; "0" is a limit
        both = memory + both if memory and swap and swap[0].isdecimal() else 0
    period = _number(limit("cpu", "cpu.cfs_period_us", "cpu.max")[-1:]) or 100000
    cpus = _number(limit("cpu", "cpu.cfs_quota_us", "cpu.max")) / period
    return Limits(memory, both, cpus, _number(limit("pids", "pids.max", "pids.max")))


def _own(path: str, container_id: str) -> str:
    """Return the container's own group; its processes may be in one below."""
    return re.sub(f"({re.escape(container_id)}[^/]*)/.*", r"\1", path)


def _number(words: list[str]) -> int:
    return int(words[0]) if words and words[0].isdecimal() and int(words[0]) < _UNLIMITED else 0


# --- reading ------------------------------------------------------------------------------------------------------


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(_READ_AT_MOST)


def _mountinfo(directory: str) -> bytes:
    try:
        return _read(f"{directory}/mountinfo")
    except OSError as error:
        if error.errno == errno.EINVAL:  # it is ending and has left its namespaces
            raise ProcessLookupError(directory) from error
        raise


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")
