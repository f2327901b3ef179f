# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemon's lists without its Python package: what is on a host must be seen before that is installed."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._deadline import within
from ansible_collections.openclaw.hardening.plugins.module_utils._owner import Standing, interfaces

_TIMEOUT = 30.0  # seconds for all answers of the daemon
_LARGEST = 64 << 20


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(self._path)


def look(docker_host: str) -> Standing | None:
    """Ask the daemon; None when it does not answer, or is not on a Unix socket."""
    if not docker_host.startswith("unix://"):
        return None
    path = docker_host[len("unix://") :]
    try:
        containers, networks, volumes = within(_TIMEOUT, lambda: _lists(path))
    except (OSError, ValueError, http.client.HTTPException):
        return None
    found = volumes.get("Volumes") if isinstance(volumes, dict) else None
    return Standing(containers, networks, found or [], interfaces())


def _lists(path: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], object]:
    return _list(path, "containers/json?all=1"), _list(path, "networks"), _ask(path, "volumes")


def _list(path: str, name: str) -> list[dict[str, Any]]:
    found = _ask(path, name)
    return found if isinstance(found, list) else []


def _ask(path: str, name: str) -> object:
    with closing(_Connection(path)) as connection:
        connection.request("GET", f"/{name}")
        response = connection.getresponse()
        body = response.read(_LARGEST)
        return json.loads(body) if response.status == 200 else None
