# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a Docker daemon cannot be asked, and whether there is one at all: not installed is not the same as not seen."""

from __future__ import annotations

import errno
import glob
import json
import os
import platform
import socket
import sys
from contextlib import suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._system import proc
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import find_program

# Only these say that nobody listens; anything else (no permission, no room in the queue) leaves it open.
_NOBODY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED})
_CONNECT_SECONDS = 2


def interpreter() -> str:
    """Return the Python that runs this module, as an operator finds it again."""
    return f"{sys.executable or 'this Python'} (Python {platform.python_version()})"


def missing_package(name: str, package: str, reason: object, exception: str | None) -> HardeningError:
    """Return the error for a Python package that this interpreter cannot import.

    :param name: its import name. :param package: the distribution's package, which is for /usr/bin/python3.
    """
    return HardeningError(
        f"Python package {name!r}",
        f"none that {interpreter()} can import ({harmless(str(reason)) or 'not found'})",
        f"it for that interpreter ({package} is for /usr/bin/python3), or an interpreter that has it",
        "ansible_python_interpreter",
        exception=exception,
    )


def not_installed(docker_host: str) -> bool:
    """Whether there is certainly no Docker Engine on this host: no program, no process, nobody at the socket.

    A daemon elsewhere (``tcp://``), one that is stopped, refuses or hangs, or a hidden ``/proc`` is not that.
    """
    if not docker_host.startswith("unix://") or find_program("dockerd") or os.path.lexists("/snap/bin/docker"):
        return False
    return _connect(docker_host[len("unix://") :]) in _NOBODY and _engines() == ()


def unavailable(docker_host: str, error: Exception) -> HardeningError:
    """Return the error for a daemon that does not answer: what was found there, and what fixes it."""
    found, needed = harmless(f"no answer ({error})"), "a running Docker daemon; run `systemctl start docker`"
    if docker_host.startswith("unix://"):
        path = docker_host[len("unix://") :]
        refused = _connect(path)
        if refused in (errno.ENOENT, errno.ENOTDIR):
            found = f"no socket {path}"
        elif refused == errno.ECONNREFUSED:
            found = f"nothing that listens on {path}"
        elif refused in (errno.EACCES, errno.EPERM):
            found = f"no permission for uid {os.geteuid()} to use {path}"
            needed = "root, by become: true"
    others = elsewhere(docker_host)
    return HardeningError(
        f"Docker at {docker_host}",
        found + (f"; {'; '.join(others)}" if others else ""),
        needed + (", the system's own: one of a user or of a context is not used" if others else ""),
        "docker_host",
    )


def elsewhere(docker_host: str) -> list[str]:
    """Return where else Docker is on this host, for a message: rootless daemons, contexts, DOCKER_HOST."""
    found = [
        f"a rootless Docker of uid {path.split('/')[3]} is at {path}"
        for path in sorted(glob.glob("/run/user/*/docker.sock"))
        if f"unix://{path}" != docker_host
    ]
    given = {name: os.environ.get(name, "") for name in ("DOCKER_HOST", "DOCKER_CONTEXT")}
    found += [f"{name} is {harmless(value)}" for name, value in given.items() if value not in ("", docker_host)]
    with suppress(OSError, ValueError, AttributeError):
        with open(os.path.expanduser("~/.docker/config.json"), encoding="utf-8") as file:
            context = json.load(file).get("currentContext") or "default"
        if context != "default":
            found.append(f"the docker command of this account uses the context {harmless(str(context))}")
    return found


def _connect(path: str) -> int:
    """Return 0 when another user accepts at a socket, or the error's number."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_SECONDS)
            probe.connect(path)
    except OSError as error:
        return error.errno or errno.ETIMEDOUT
    return 0


def _engines() -> tuple[int, ...] | None:
    """Return the processes named dockerd; None: the processes of others are hidden (proc(5), hidepid)."""
    found = []
    try:
        proc.program(1)
        for pid in proc.pids():
            with suppress(FileNotFoundError, ProcessLookupError):
                if proc.program(pid) == "dockerd":
                    found.append(pid)
    except OSError:
        return None
    return tuple(found)
