# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be seen of a container that did not become healthy, for ``_diagnosis``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import (
    Facts,
    Mount,
    Owner,
    at,
    denied_path,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import ALIVE, STARTED, ask
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener, read_listeners

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
    from docker import DockerClient


def look(
    api: DockerClient, container: Container | None, failure: str, log: str, probe: Probe, inside_port: int = 0
) -> Facts:
    """Collect what can be known of a failed container; what cannot be read is left out.

    :param failure: what failed, in one text.
    :param log: the last lines of its log.
    :param inside_port: where it should listen; 0 is what it publishes.
    """
    port = Port(probe.host, probe.port, lambda: container)
    taken = _taken_by(api, container, port)
    lines = tuple(log.splitlines())
    if container is None:
        return Facts(failure, log=lines, port=probe.port, taken_by=taken)
    replies = ask(probe, None if inside_port else port, (ALIVE, STARTED)).replies if container.running else {}
    attrs = container.attrs
    host: dict[str, Any] = attrs.get("HostConfig") or {}
    mounts = tuple(_mount(found) for found in attrs.get("Mounts") or [] if found.get("Destination"))
    path = denied_path(lines)
    ports = [int(name.partition("/")[0]) for name in host.get("PortBindings") or {} if name.endswith("/tcp")]
    return Facts(
        failure=failure,
        exit_code=container.exit_code,
        oom_killed=container.oom_killed,
        log=lines,
        user=_user(str((attrs.get("Config") or {}).get("User") or "")),
        read_only=bool(host.get("ReadonlyRootfs")),
        memory=int(host.get("Memory") or 0),
        tmpfs=host.get("Tmpfs") or {},
        mounts=mounts,
        denied=_denied(path, mounts),
        port=probe.port,
        taken_by=taken,
        answered=any(reply.answered for reply in replies.values()),
        inside=_inside(int((attrs.get("State") or {}).get("Pid") or 0)) if container.running else (),
        inside_port=inside_port or (ports[0] if ports else 0),
        healthy_inside=container.health == "healthy",
    )


def _mount(found: Mapping[str, Any]) -> Mount:
    source, target = str(found.get("Source") or ""), str(found["Destination"])
    owner = _owner(source)
    return Mount(source, target, bool(found.get("RW")), owner, owner is not None and os.path.isdir(source))


def _owner(path: str) -> Owner | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return Owner(status.st_uid, status.st_gid, status.st_mode & 0o7777)


def _user(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"([0-9]{1,10})(?::([0-9]{1,10}))?", text)
    return (int(match[1]), int(match[2] or match[1])) if match else None


def _denied(path: str, mounts: Iterable[Mount]) -> tuple[str, str, Owner] | None:
    """Find what the container was denied, or the nearest directory above it that is there."""
    mount = at(path, mounts) if path else None
    if mount is None:
        return None
    place = mount.source + path[len(mount.target) :]
    while len(place) >= len(mount.source):
        owner = _owner(place)
        if owner:
            return path, place, owner
        place = os.path.dirname(place)
    return None


def _inside(pid: int) -> tuple[Listener, ...]:
    try:
        return read_listeners(f"/proc/{pid}/net") if pid else ()
    except (OSError, ValueError):
        return ()  # it ended


def _taken_by(api: DockerClient, container: Container | None, port: Port) -> tuple[str, ...]:
    """Name who listens on a port of the host, other than the container itself."""
    own = container.id if container else ""
    others = [
        f"the container {', '.join(name.lstrip('/') for name in found.get('Names') or [])}"
        for found in api.api.containers()
        if found.get("Id") != own and any(entry.get("PublicPort") == port.port for entry in found.get("Ports") or [])
    ]
    return tuple(others) or tuple(filter(None, [port.named(port.foreign())]))
