# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From an archive into the daemon, proven on the way: what makes the daemon act is sent last, and only by us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive as image_archive

if TYPE_CHECKING:
    from docker import DockerClient


def load(api: DockerClient, file: IO[bytes], archive: image_archive.Archive, max_size: int, known: int) -> None:
    """Make the image of an archive, without a name; on any failure the daemon takes nothing.

    :param known: how many of the lowest layers this daemon has; they are not sent, even if the archive has them.
    """
    lacking = archive.missing(known)
    if lacking:
        needed = "an archive that holds every layer that this host lacks"
        raise HardeningError("the archive", f"no layer {lacking[0][:19]}", needed, "path")
    client.need_classic_store(api)
    _same_platform(api, archive)

    def send() -> None:
        for line in api.api.load_image(_upload(file, archive, max_size, known)):  # type: ignore[no-untyped-call]
            problem = line.get("error") or line.get("message")
            if problem:
                found = validate.spoken(str(problem))
                raise HardeningError("docker load", found, "an archive that the daemon takes")

    try:
        client.streamed(api, f"loading {archive.image_id}", send)
    except HardeningError:
        # The daemon waits for the rest as long as it is connected.
        api.close()
        raise
    if client.find_image(api, archive.image_id) is None:
        found = "no image of this id after it was loaded"
        raise HardeningError(archive.image_id[:19], found, "a daemon that keeps what it loads")


def known_layers(api: DockerClient, layers: tuple[str, ...]) -> int:
    """Count how many of the lowest layers the daemon has in other images."""
    return image_archive.common_bottom(layers, [image.layers for image in client.all_images(api)])


def _upload(file: IO[bytes], archive: image_archive.Archive, max_size: int, known: int) -> Iterator[bytes]:
    config = archive.config
    yield image_archive.header(image_archive.config_name(archive.image_id), len(config))
    yield config + image_archive.padding(len(config))
    budget = image_archive.Budget(max_size)
    for layer in dict.fromkeys(archive.layers[known:]):
        name = image_archive.layer_name(layer)
        size = archive.members[name].size
        yield image_archive.header(name, size)
        yield from image_archive.layer_pieces(file, archive, layer, budget)
        yield image_archive.padding(size)
    # The daemon unpacks into a folder of its own and does nothing before it has this.
    manifest = image_archive.manifest(archive.image_id, archive.layers)
    yield image_archive.header(image_archive.MANIFEST, len(manifest))
    yield manifest + image_archive.padding(len(manifest)) + image_archive.END


def _same_platform(api: DockerClient, archive: image_archive.Archive) -> None:
    version: dict[str, Any] = api.version()
    ours = f"{version.get('Os')}/{version.get('Arch')}"
    if archive.platform != ours:
        raise HardeningError("the image", f"one for {archive.platform}", f"one for {ours}, built on such a host")
