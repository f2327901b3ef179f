# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a base deployment in a container is, read from what the daemon reports about it; pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_PROJECT
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.host_install import KIND, is_host_install

_SERVICE = "com.docker.compose.service"
_DIRECTORY = "com.docker.compose.project.working_dir"
_FOLDER = "/.openclaw"
# Where OpenClaw is a user's program: the homes of upstream's image, and of root.
_HOMES = ("/home/node", "/root")
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (what is compared)


@dataclass(frozen=True)
class Base:
    """One OpenClaw that this collection did not deploy.

    :param inside: the state directory as OpenClaw sees it.
    :param nested: directories of the host that are mounted below it: path from there, and where they are.
    :param config: its configuration, on the host.
    :param published: address and port on the host.
    :param environment: the container's variables; some are secrets.
    """

    name: str
    container_id: str
    image: str
    status: str
    project: str
    directory: str
    inside: str
    state_dir: str
    nested: Mapping[str, str]
    config: str
    published: tuple[tuple[str, int], ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    # What is mounted beside the state, and does not come along.
    beside: tuple[str, ...] = ()
    restart: str = "no"
    kind: str = "docker run"

    @property
    def reachable(self) -> bool:
        """Return whether others than this host reach its port."""
        return any(address not in ("127.0.0.1", "::1") for address, _port in self.published)

    def facts(self) -> dict[str, Any]:
        """Return what may be shown of it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "container_id": self.container_id,
            "image": self.image,
            "project": self.project,
            "directory": self.directory,
            "state_dir": self.state_dir,
            "config": self.config,
            "published": [f"{address or 'every address'}:{port}" for address, port in self.published],
            "restart": self.restart,
        }


def is_gateway(container: Container) -> bool:
    """Return whether a container runs OpenClaw's gateway, by its command line and what names OpenClaw in it."""
    command = _command(container)
    if "gateway" not in command.split():
        return False
    config = container.attrs.get("Config") or {}
    places = [str(mount.get("Destination")) for mount in container.attrs.get("Mounts") or []]
    about = [command, str(config.get("Image")), *(config.get("Env") or []), *places]
    return any("openclaw" in text.lower() for text in about)


def is_openclaw(container: Container, base: Container) -> bool:
    """Return whether a container of the same Compose project is a part of this OpenClaw, such as its command line."""
    return container.image_id == base.image_id or "openclaw" in _command(container)


def _command(container: Container) -> str:
    config = container.attrs.get("Config") or {}
    return " ".join(str(word) for key in ("Entrypoint", "Cmd") for word in config.get(key) or [])


def service_of(container: Container) -> str:
    """Return the name of its service, or of the container."""
    return harmless(container.labels.get(_SERVICE) or container.name, 80)


def read(container: Container) -> Base:
    """Return what has to be known of a base.

    :raises HardeningError: its state is where it cannot be taken from.
    """
    config = container.attrs.get("Config") or {}
    environment = dict(text.partition("=")[::2] for text in config.get("Env") or [])
    mounts = [mount for mount in container.attrs.get("Mounts") or [] if mount.get("Type") in ("bind", "volume")]
    inside = _inside(environment, str(config.get("User") or ""), mounts)
    state_dir = _on_host(inside, mounts)
    if not state_dir:
        raise HardeningError(
            f"the container {harmless(container.name, 80)}",
            f"its state ({harmless(inside, 200)}) in the container itself",
            "a state in a volume or a directory of the host: copy it there (docker cp), and run the container with it",
            "from",
        )
    path = environment.get("OPENCLAW_CONFIG_PATH") or f"{inside}/openclaw.json"
    nested = {
        str(mount["Destination"])[len(inside) + 1 :]: str(mount["Source"])
        for mount in mounts
        if str(mount["Destination"]).startswith(f"{inside}/") and mount["Destination"] != path
    }
    taken = {inside, path, *(f"{inside}/{name}" for name in nested)}
    beside = sorted(
        f"{mount['Destination']} ({mount['Source']})"
        for mount in mounts
        if mount["Destination"] not in taken
        and not f"{inside}/".startswith(f"{mount['Destination']}/")
        and not is_host_install(container.id)
    )
    labels = container.labels
    return Base(
        name=container.name,
        container_id=container.id,
        image=str(config.get("Image") or ""),
        status=container.status,
        project=labels.get(LABEL_PROJECT, ""),
        directory=labels.get(_DIRECTORY, ""),
        inside=inside,
        state_dir=state_dir,
        nested=nested,
        config=_on_host(path, mounts) or "",
        published=_published(container),
        environment=environment,
        beside=tuple(harmless(text, 200) for text in beside),
        restart=restart_of(container.attrs)["Name"],
        kind=KIND if is_host_install(container.id) else "compose" if labels.get(LABEL_PROJECT) else "docker run",
    )


def restart_of(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the restart policy of a container."""
    policy = dict((attrs.get("HostConfig") or {}).get("RestartPolicy") or {})
    return {"Name": policy.get("Name") or "no", "MaximumRetryCount": policy.get("MaximumRetryCount") or 0}


def _inside(environment: Mapping[str, str], user: str, mounts: Iterable[Mapping[str, Any]]) -> str:
    """Return the state directory as OpenClaw sees it: named by a variable, mounted under its name, or in the home."""
    named = environment.get("OPENCLAW_STATE_DIR") or ""
    if named.startswith("/"):
        return posixpath.normpath(named)
    mounted = sorted(str(mount["Destination"]) for mount in mounts if str(mount["Destination"]).endswith(_FOLDER))
    if len(mounted) == 1:
        return mounted[0]
    home = environment.get("OPENCLAW_HOME") or environment.get("HOME") or ""
    if not home.startswith("/"):
        home = _HOMES[1] if user.partition(":")[0] in ("root", "0", "") else _HOMES[0]
    return f"{posixpath.normpath(home)}{_FOLDER}"


def _on_host(path: str, mounts: Iterable[Mapping[str, Any]]) -> str:
    """Return where a path of the container is on the host; nothing when it is in the container itself."""
    above = [mount for mount in mounts if f"{path}/".startswith(f"{str(mount['Destination']).rstrip('/')}/")]
    if not above:
        return ""
    mount = max(above, key=lambda found: len(str(found["Destination"])))
    return posixpath.normpath(f"{mount['Source']}{path[len(str(mount['Destination']).rstrip('/')) :]}")


def _published(container: Container) -> tuple[tuple[str, int], ...]:
    ports = (container.attrs.get("HostConfig") or {}).get("PortBindings") or {}
    return tuple(
        sorted(
            (str(entry.get("HostIp") or ""), int(entry["HostPort"]))
            for name, entries in ports.items()
            if name.endswith("/tcp")
            for entry in entries or []
            if str(entry.get("HostPort") or "").isdigit()
        )
    )
