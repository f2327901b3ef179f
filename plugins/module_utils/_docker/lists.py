# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemon's lists of containers, networks and volumes."""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.questions import ask
from ansible_collections.openclaw.hardening.plugins.module_utils._system.deadline import within

if TYPE_CHECKING:
    from docker import DockerClient

_TIMEOUT = 30.0  # seconds for all answers of the daemon


@dataclass(frozen=True)
class Lists:
    """What is on the host: the daemon's lists as it returns them, and the names of the network interfaces."""

    containers: list[dict[str, Any]]
    networks: list[dict[str, Any]]
    volumes: list[dict[str, Any]]
    interfaces: frozenset[str]


def lists(api: DockerClient) -> Lists:
    """Ask the daemon, once for each kind."""
    client: Any = api.api
    return Lists(
        client.containers(all=True),
        client.networks(),
        client.volumes()["Volumes"] or [],
        interfaces(),
    )


def interfaces() -> frozenset[str]:
    """Return the names of the network interfaces."""
    folder = "/sys/class/net"
    return frozenset(os.listdir(folder) if os.path.isdir(folder) else ())


def without_sdk(docker_host: str) -> Lists | None:
    """Ask the daemon where the SDK may not be installed yet; None when it does not answer on a Unix socket."""
    if not docker_host.startswith("unix://"):
        return None
    path = docker_host[len("unix://") :]
    try:
        containers, networks, volumes = within(_TIMEOUT, lambda: _lists(path))
    except (OSError, ValueError, http.client.HTTPException):
        return None
    found = volumes.get("Volumes") if isinstance(volumes, dict) else None
    return Lists(containers, networks, found or [], interfaces())


def _lists(path: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], object]:
    return _list(path, "containers/json?all=1"), _list(path, "networks"), _ask(path, "volumes")


def _list(path: str, name: str) -> list[dict[str, Any]]:
    found = _ask(path, name)
    return found if isinstance(found, list) else []


def _ask(path: str, name: str) -> object:
    status, body = ask(path, name, _TIMEOUT)
    return json.loads(body) if status == 200 else None
