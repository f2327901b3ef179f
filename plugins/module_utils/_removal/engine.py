# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers, networks and images of one instance, and what of other owners is on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, listed
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import ownership
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import ALIVE
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_PROJECT
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.lists import lists
from ansible_collections.openclaw.hardening.plugins.module_utils._image import base, cleanup, recipe, tags
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.plan import (
    CONTAINERS,
    IMAGES,
    NETWORKS,
    Thing,
)

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import Claim
    from docker import DockerClient

_NOT_OURS = "not ours: no label or record of this collection is on it"


@dataclass(frozen=True)
class Engine:
    """What Docker has of the instance.

    :param attached: networks of ours with each container of another owner on them.
    :param running: whether a container of ours runs.
    """

    things: tuple[Thing, ...] = ()
    attached: tuple[tuple[str, str], ...] = ()
    running: bool = False


def gather(api: DockerClient, names: Mapping[str, str], claim: Claim, used: str) -> Engine:
    """Ask the daemon.

    :param used: which other instances need the base images; empty: none.
    """
    there = lists(api)
    ours = [found for found in there.containers if _is_ours(claim, names, found)]
    others = [found for found in there.containers if found not in ours]
    things = [Thing(CONTAINERS, "container", _name(found), key=str(found["Id"])) for found in ours]
    things += [Thing(CONTAINERS, "container", _name(found), _NOT_OURS)
               for found in others if _name(found) == names["container"]]  # fmt: skip
    attached = []
    for network in there.networks:
        name = harmless(str(network.get("Name")), 80)
        if _own_network(claim, names, network, ours):
            things.append(Thing(NETWORKS, "network", name, key=str(network["Id"])))
            attached += [(name, _name(found)) for found in others if ownership.is_on(found, network)]
        elif name == names["container"]:
            things.append(Thing(NETWORKS, "network", name, _NOT_OURS))
    things += _images(api, names, claim, others, used)
    running = any(found.get("State") in ALIVE for found in ours)
    return Engine(tuple(things), tuple(attached), running)


def _name(container: Mapping[str, Any]) -> str:
    return harmless(str((container.get("Names") or [container["Id"]])[0]).lstrip("/"), 80)


def _is_ours(claim: Claim, names: Mapping[str, str], container: Mapping[str, Any]) -> bool:
    """Return whether a container is ours: of our project, or a check of the configuration that was killed."""
    labels = container.get("Labels") or {}
    check = _name(container).startswith(f"{names['container']}-check-") and LABEL_PROJECT not in labels
    return claim.owns(labels) or (check and any(label.startswith(ownership.LABEL_OURS) for label in labels))


def _own_network(
    claim: Claim, names: Mapping[str, str], network: Mapping[str, Any], ours: list[dict[str, Any]]
) -> bool:
    """Return whether a network is ours: of our project with our bridge, or with a container of ours on it."""
    project = (network.get("Labels") or {}).get(LABEL_PROJECT)
    used = any(ownership.is_on(found, network) for found in ours)
    if project == f"{claim.project}{ownership.SUFFIX}":
        return used or claim.attempted
    bridge = (network.get("Options") or {}).get(ownership.BRIDGE)
    named = network.get("Name") == names["container"] and bridge == names["bridge"]
    return project == claim.project and (used or named)


def _images(
    api: DockerClient, names: Mapping[str, str], claim: Claim, others: list[dict[str, Any]], used: str
) -> Iterator[Thing]:
    """Return the names of our images, images that have lost theirs, and what killed builds left."""
    found: dict[str, tuple[client.Image, str]] = {}
    for key, record in (("image", "record_dir"), ("build_image", "build_record_dir")):
        name, folder = names[key], names[record]
        stale = cleanup.find(api, name, folder)
        yield from (Thing(IMAGES, "tree", path) for path in stale.folders)
        own = (name, tags.previous(name), tags.rollback(name), tags.rejected(name), cleanup.retired(name))
        for tag in (*own, *stale.names):
            image = client.find_image(api, tag)
            if image is not None:
                foreign = image.id not in claim.images and cleanup.foreign(image, tag, folder)
                found[tag] = image, _NOT_OURS if foreign else ""
    for tag, (image, reason) in found.items():
        users = [_name(container) for container in others if container.get("ImageID") == image.id]
        if users and set(image.tags) <= found.keys():
            reason = reason or f"used by container {listed(users)}"
        yield Thing(IMAGES, "image", tag, reason, key=tag)
    for image in client.images_by_label(api, base.DIGEST_LABEL):
        built, running = recipe.CONTENT_LABEL in image.labels, [one for one in others if one.get("ImageID") == image.id]
        if built or running:
            continue
        for tag in image.tags or (image.id,):
            yield Thing(IMAGES, "image", tag, used, key=tag)
    if not used:
        yield from _nameless(api, others)


def _nameless(api: DockerClient, others: list[dict[str, Any]]) -> Iterator[Thing]:
    """Return images that we built and that have no name any more; with other instances, nobody knows whose they are."""
    taken = {container.get("ImageID") for container in others}
    for image in client.images_by_label(api, recipe.CONTENT_LABEL):
        if not image.tags and image.id not in taken:
            yield Thing(IMAGES, "image", image.id, key=image.id)
