# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a killed run left of an image: working folders, names that were not final, a base that lost its name.

All of it can be reported from what others have at work, and goes only under the lock of the image. A program that the
killed run had started holds that lock until it ends, so that nothing is taken away from under it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._image import base as image_base
from ansible_collections.openclaw.hardening.plugins.module_utils._image import build, recipe, tags
from ansible_collections.openclaw.hardening.plugins.module_utils._image import place as image_place
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class StaleFiles:
    """Folders by path, and names of images."""

    folders: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def find(api: DockerClient, name: str, record_dir: str, build_dir: str = "") -> StaleFiles:
    """Look for what the image of this name, with its records there, would not have if nothing had been killed.

    :param build_dir: where its base is made, beside the usual places.
    """
    folders = _folders(record_dir, build.CONTEXT)
    for place in dict.fromkeys([*image_place.PLACES, *([build_dir] if build_dir else [])]):
        folders += _folders(place, base_prefix(record_dir))
    built = client.images_by_label(api, recipe.CONTENT_LABEL)
    candidates = {tag for image in built for tag in image.tags if tag.endswith(build.candidate_suffix(name))}
    if client.find_image(api, name) and client.find_image(api, retired(name)):
        candidates.add(retired(name))
    return StaleFiles(tuple(folders), tuple(sorted(candidates)))


def remove(api: DockerClient, name: str, found: StaleFiles) -> None:
    """Take it away; the caller holds the lock."""
    for folder in found.folders:
        shutil.rmtree(folder)
    for ref in found.names:
        if ref == retired(name):
            _retire(api, name)
        else:
            client.remove_unused(api, ref)
    # A base that was replaced; what is built on one has its label, too.
    for base in client.images_by_label(api, image_base.DIGEST_LABEL):
        if not base.tags and recipe.CONTENT_LABEL not in base.labels:
            client.remove_unused(api, base.id)


def foreign(image: client.Image | None, name: str, record_dir: str) -> bool:
    """Return whether another user gave an image this name: it has no label of ours, and no record of ours names it."""
    if image is None or recipe.CONTENT_LABEL in image.labels:
        return False
    names = (f"{record_dir}/verified/{image.id.partition(':')[2]}.json", f"{record_dir}/image.json")
    return not any(read_json(path).get("image_id") == image.id for path in names)


def refuse_foreign(images: Mapping[str, client.Image | None], record_dir: str) -> None:
    """Refuse to take a name away from an image of another user, before anything is built or moved."""
    for name, image in images.items():
        if image is not None and foreign(image, name, record_dir):
            raise HardeningError(
                f"image {name}",
                f"{image.id[:19]} of {image.created or 'an unknown time'}, not built or verified by this collection",
                "a name that is free or its own. Nothing was changed: give that image another name "
                f"(docker tag {name} NAME:TAG && docker rmi {name}), or take another one here",
                "name",
                outcome="unchanged",
            )


def base_prefix(record_dir: str) -> str:
    """Return how the folders are called in which the instance with these records makes a base."""
    return f"{image_base.WORKING}{hashlib.sha256(record_dir.encode()).hexdigest()[:12]}-"


def retired(name: str) -> str:
    """Return the name that an image has while it gives its own one up."""
    return f"{name}-retired"


def take_name(
    api: DockerClient, name: str, image_id: str, tagged: client.Image | None, previous: client.Image | None
) -> None:
    """Move a name; the image that had it stays for a rollback, the one before that goes when nothing uses it.

    Each image has some name at any moment, so that one that is to go is found when this is killed.
    """
    if tagged and tagged.id != image_id:
        if previous and previous.id not in (tagged.id, image_id):
            client.tag_image(api, previous.id, retired(name))
        client.tag_image(api, tagged.id, tags.previous(name))
    client.tag_image(api, image_id, name)
    _retire(api, name)


def _retire(api: DockerClient, name: str) -> None:
    """Remove an image that gave its name up; when something runs it, it stays, but without a name."""
    if client.remove_unused(api, retired(name)) or not client.find_image(api, retired(name)):
        return
    tagged = client.find_image(api, name)
    if tagged:
        client.tag_image(api, tagged.id, retired(name))
        client.remove_unused(api, retired(name))


def _folders(place: str, prefix: str) -> list[str]:
    """Return root's folders of these names; what another user put there is not ours to remove."""
    found = []
    with suppress(FileNotFoundError):
        for name in sorted(name for name in os.listdir(place) if name.startswith(prefix)):
            path = os.path.join(place, name)
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                found.append(path)
    return found
