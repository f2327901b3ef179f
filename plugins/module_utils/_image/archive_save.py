# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the daemon into an archive: the stream of ``docker save`` is reported apart by content, not by its names."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from typing import IO, TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive
from ansible_collections.openclaw.hardening.plugins.module_utils._image.verify import Chunks

if TYPE_CHECKING:
    from docker import DockerClient

_PIECE = 1 << 20
# Every JSON document that Docker writes is smaller; a layer may be, too.
_SMALL = 4 << 20


class _Writer:
    """Writes the parts of one archive."""

    def __init__(self, target: IO[bytes], identity: str, layers: list[str], level: int) -> None:
        self.target = target
        self.identity = identity
        self.wanted = set(layers)
        self.level = level
        self.has_config = False

    def small(self, content: bytes) -> None:
        """Take a part that fits into memory, if it belongs to the image."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if digest == self.identity and not self.has_config:
            self.has_config = True
            self.plain(archive.config_name(digest), content)
        elif digest in self.wanted:
            packed = zlib.compressobj(self.level, zlib.DEFLATED, 31)
            self.plain(archive.layer_name(digest), packed.compress(content) + packed.flush())
            self.wanted.remove(digest)

    def large(self, head: bytes, rest: IO[bytes]) -> None:
        """Pack a part while it is read, and take it back when it is no layer of the image."""
        start, total = self.target.tell(), hashlib.sha256()
        packer = zlib.compressobj(self.level, zlib.DEFLATED, 31)
        self.target.write(bytes(512))
        piece = head
        while piece:
            total.update(piece)
            self.target.write(packer.compress(piece))
            piece = rest.read(_PIECE)
        self.target.write(packer.flush())
        digest = f"sha256:{total.hexdigest()}"
        if digest not in self.wanted:
            self.target.seek(start)
            self.target.truncate()
            return
        self.wanted.remove(digest)
        size = self.target.tell() - start - 512
        self.target.write(archive.padding(size))
        end = self.target.tell()
        self.target.seek(start)
        self.target.write(archive.header(archive.layer_name(digest), size))
        self.target.seek(end)

    def plain(self, name: str, content: bytes) -> None:
        """Write a part whose size is known."""
        self.target.write(archive.header(name, len(content)))
        self.target.write(content + archive.padding(len(content)))


def save(api: DockerClient, image: client.Image, handle: int, level: int = archive.LEVEL) -> None:
    """Write the whole archive of an image to an empty file."""
    client.need_classic_store(api)
    with os.fdopen(os.dup(handle), "r+b") as target:
        client.streamed(api, f"saving {image.id}", lambda: _write(api, image, target, level))


def _write(api: DockerClient, image: client.Image, target: IO[bytes], level: int) -> None:
    writer = _Writer(target, image.id, list(image.layers), level)
    stream = io.BufferedReader(Chunks(api.api.get_image(image.id)), _PIECE)
    with tarfile.open(fileobj=stream, mode="r|") as parts:
        for part in parts:
            content = parts.extractfile(part) if part.isreg() else None
            if content is None:
                continue
            head = content.read(_SMALL)
            if part.size <= _SMALL:
                writer.small(head)
            else:
                writer.large(head, content)
    if not writer.has_config or writer.wanted:
        raise HardeningError(
            f"what Docker saves of {image.id[:19]}",
            "not its configuration and every layer",
            "parts whose hashes are the image's id and its layers",
        )
    writer.plain(archive.MANIFEST, archive.manifest(image.id, image.layers))
    target.write(archive.END)
