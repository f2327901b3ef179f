# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which containers, networks, volumes and files of a host are this deployment's, and which foreign ones are in its way.

A name is no proof, and a label can be copied. A container is ours when Compose made it from our own definition (its
label ``com.docker.compose.project.config_files`` names that path, and the path names the instance) and there is proof
that we deploy from there: a record in the record directory, which only root can write, or a label of ours.
A network is ours when it has our project's label and no foreign container is on it; a file when a record names it, or
when it has our header.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_PROJECT
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import published
from ansible_collections.openclaw.hardening.plugins.module_utils._files.header import has_header

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Image
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.lists import Lists

LABEL_FILES = "com.docker.compose.project.config_files"
LABEL_DIRECTORY = "com.docker.compose.project.working_dir"
LABEL_OURS = "io.openclaw.hardening."
SUFFIX = "_candidate"  # no instance is called so: its names have no underscore
BRIDGE = "com.docker.network.bridge.name"
_SHOWN = 6


@dataclass(frozen=True)
class Claim:
    """What a deployment may call its own.

    :param definitions: paths of the Compose files that we deploy from.
    :param candidate: the path of the candidate's.
    :param recorded: a record of ours is there, readable or not.
    :param attempted: a journal of ours is there.
    :param files: the files that records name; None when a record is damaged and nobody knows.
    :param images: ids of the images that records name.
    :param replaces: ids of the containers of others whose place the deployment is going to take.
    """

    project: str
    container: str
    definitions: frozenset[str]
    candidate: str
    recorded: bool = False
    attempted: bool = False
    files: frozenset[str] | None = frozenset()
    images: frozenset[str] = frozenset()
    replaces: frozenset[str] = frozenset()

    def made_here(self, labels: Mapping[str, str]) -> bool:
        """Return whether Compose made a container from one of our definitions."""
        files = made_from(labels)
        if labels.get(LABEL_PROJECT) == self.project:
            return not files.isdisjoint(self.definitions)
        return labels.get(LABEL_PROJECT) == f"{self.project}{SUFFIX}" and self.candidate in files

    def owns(self, labels: Mapping[str, str]) -> bool:
        """Return whether a container is ours: made here, and proven by a record or a label."""
        proven = self.recorded or any(name.startswith(LABEL_OURS) for name in labels)
        return proven and self.made_here(labels)

    def wrote(self, path: str, content: bytes) -> bool:
        """Return whether a file is ours: named by a record, or with our header."""
        named = self.recorded if self.files is None else path in self.files
        return named or has_header(content)


@dataclass(frozen=True)
class Needs:
    """The names that a deployment is going to take: networks with the name of their bridge (or none), and so on."""

    networks: Mapping[str, str] = field(default_factory=dict)
    volumes: Collection[str] = ()
    # Address (empty is every one) and port of the host.
    ports: Collection[tuple[str, int]] = ()


def needs_of(resolved: Mapping[str, Any]) -> Needs:
    """Read from a resolved definition which names it takes; pure."""
    services = resolved.get("services") or {}
    # A range leaves the choice to Docker, so it needs none of its ports.
    fixed = (
        {"ports": [port for port in service.get("ports") or [] if str(port.get("published") or "").isdigit()]}
        for service in services.values()
    )
    ports = {(port.address, port.port) for service in fixed for port in published(service)}
    networks, volumes = (
        {str(what.get("name") or name): what for name, what in (resolved.get(kind) or {}).items()
         if isinstance(what, dict) and not what.get("external")}
        for kind in ("networks", "volumes")
    )  # fmt: skip
    bridges = {name: str((what.get("driver_opts") or {}).get(BRIDGE, "")) for name, what in networks.items()}
    return Needs(bridges, tuple(volumes), tuple(sorted(ports)))


# --- what is in the way (pure) ------------------------------------------------------------------------------------


def foreign_containers(claim: Claim, there: Lists) -> list[str]:
    """Describe the containers that have our project or our name and are not ours."""
    projects = (claim.project, f"{claim.project}{SUFFIX}")
    return [
        _container(found)
        for found in there.containers
        if (_labels(found).get(LABEL_PROJECT) in projects or claim.container in _names(found))
        and not claim.owns(_labels(found))
        and found.get("Id") not in claim.replaces
    ]


def foreign_candidate(claim: Claim, there: Lists) -> list[str]:
    """Describe the networks and volumes of a candidate that no attempt of ours has made."""
    project = f"{claim.project}{SUFFIX}"
    if claim.attempted:
        return []
    if any(_labels(found).get(LABEL_PROJECT) == project and claim.owns(_labels(found)) for found in there.containers):
        return []
    kinds = (("network", there.networks), ("volume", there.volumes))
    return [
        f"{kind} {harmless(str(found.get('Name')), 80)} of the Compose project {project}"
        for kind, entries in kinds
        for found in entries
        if _labels(found).get(LABEL_PROJECT) == project
    ]


def foreign_needs(claim: Claim, needs: Needs, there: Lists) -> list[str]:
    """Describe the process that holds a network, a bridge, a volume or a port that the deployment needs."""
    found: list[str] = []
    for name, bridge in needs.networks.items():
        found += _network_in_the_way(claim, name, bridge, there)
    for volume in there.volumes:
        ours = claim.recorded and _labels(volume).get(LABEL_PROJECT) == claim.project
        if volume.get("Name") in needs.volumes and not ours:
            since = volume.get("CreatedAt") or "an unknown time"
            found.append(f"volume {harmless(str(volume['Name']), 80)}{_project(_labels(volume))}, since {since}")
    for other in there.containers:
        if other.get("Id") in claim.replaces:
            continue
        if not claim.owns(_labels(other)) and other.get("State") in ("running", "restarting", "paused"):
            held = sorted({text for port in other.get("Ports") or [] for text in _held(port, needs.ports)})
            if held:
                found.append(f"{_container(other)}, which publishes {', '.join(held)}")
    return found


def foreign_images(named: Mapping[str, Image | None], known: Collection[str]) -> list[str]:
    """Describe the images that have a name which a deployment gives to those it replaces or rolls back.

    :param known: ids of the images that the records name; those have no label of ours when they were made elsewhere.
    """
    return [
        f"image {name} ({image.id[:19]}), which this collection did not name so (docker tag {name} NAME:TAG && "
        f"docker rmi {name} gives it another name)"
        for name, image in named.items()
        if image is not None
        and image.id not in known
        and not any(label.startswith(LABEL_OURS) for label in image.labels)
    ]


def _network_in_the_way(claim: Claim, name: str, bridge: str, there: Lists) -> list[str]:
    ours, found = False, []
    for network in there.networks:
        labels, options = _labels(network), network.get("Options") or {}
        described = f"network {harmless(str(network.get('Name')), 80)}{_project(labels)}"
        since = f", since {harmless(str(network.get('Created') or 'an unknown time'), 40)}"
        if network.get("Name") == name:
            foreign_ones = [
                _names(other)[0]
                for other in there.containers
                if is_on(other, network) and not claim.owns(_labels(other))
            ]
            same = labels.get(LABEL_PROJECT) == claim.project and (not bridge or options.get(BRIDGE) == bridge)
            ours = same and not foreign_ones
            if foreign_ones:
                found.append(f"{described} with {', '.join(harmless(one, 80) for one in foreign_ones[:5])}{since}")
            elif not same:
                found.append(f"{described}{since}")
        elif bridge and options.get(BRIDGE) == bridge:
            found.append(f"{described} with the bridge {bridge}{since}")
    if bridge in there.interfaces and not ours and not found:
        found.append(f"network interface {bridge}, which is no network of Docker's (ip link show {bridge})")
    return found


def refuse(found: Iterable[str], project: str) -> None:
    """Refuse what is in the way, all of it in one message."""
    entries = list(dict.fromkeys(found))
    if not entries:
        return
    more = f"; and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    raise HardeningError(
        f"what has the names of {project}",
        f"{'; '.join(entries[:_SHOWN])}{more}",
        "names that nothing else on this host has. Nothing was changed: this collection changes and removes only what "
        "its own records and labels name; migrate.yml takes an existing deployment over. Or stop what was found and "
        "give it another name (of a Compose project: take it down, and bring it up with another --project-name), move "
        "a file away, or give this deployment other names (in the roles: openclaw_instance, and a port)",
        "project",
        foreign=entries,
        outcome="unchanged",
    )


# --- reading the daemon's lists -----------------------------------------------------------------------------------


def attached(container: Mapping[str, Any]) -> set[str]:
    """Return the networks that a container is on, by name and, while it runs, by id: a stopped one has names alone."""
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    ids = {str(found["NetworkID"]) for found in networks.values() if (found or {}).get("NetworkID")}
    return {*networks, *ids}


def is_on(container: Mapping[str, Any], network: Mapping[str, Any]) -> bool:
    """Return whether a container is on a network."""
    return not attached(container).isdisjoint({network.get("Id"), network.get("Name")})


def _labels(found: Mapping[str, Any]) -> Mapping[str, str]:
    return found.get("Labels") or {}


def _names(container: Mapping[str, Any]) -> list[str]:
    return [str(name).lstrip("/") for name in container.get("Names") or []] or [str(container.get("Id", ""))[:12]]


def made_from(labels: Mapping[str, str]) -> set[str]:
    """Return the paths of the Compose files that a container was made from."""
    folder = labels.get(LABEL_DIRECTORY, "")
    return {os.path.join(folder, name) for name in labels.get(LABEL_FILES, "").split(",") if name}


def _project(labels: Mapping[str, str]) -> str:
    if LABEL_PROJECT not in labels:
        return ""
    where = harmless(labels.get(LABEL_FILES) or labels.get(LABEL_DIRECTORY) or "", 200)
    return f" of the Compose project {harmless(labels[LABEL_PROJECT], 80)}{f' ({where})' if where else ''}"


def _container(found: Mapping[str, Any]) -> str:
    name, identity = harmless(_names(found)[0], 80), str(found.get("Id", ""))[:12]
    state = harmless(f"{found.get('State', '')}: {found.get('Status', '')}", 60)
    image = harmless(str(found.get("Image", "")), 120)
    made = found.get("Created")
    since = f", made {_when(made)}" if isinstance(made, int) else ""
    return f"container {name} ({identity}){_project(_labels(found))}, image {image}, {state}{since}"


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _held(port: Mapping[str, Any], needed: Collection[tuple[str, int]]) -> list[str]:
    public, address = port.get("PublicPort"), str(port.get("IP") or "")
    if port.get("Type", "tcp") != "tcp":
        return []
    return [f"{address}:{public}" for host, number in needed if number == public and _overlap(address, host)]


def _overlap(one: str, other: str) -> bool:
    """Return whether two listeners on the same port exclude each other; no address is every one."""
    first, second = _address(one), _address(other)
    if first is None or second is None:
        return True
    everything = first.version == second.version and (first.is_unspecified or second.is_unspecified)
    return first == second or everything


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
