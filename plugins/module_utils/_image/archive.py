# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image as one file that proves itself: its configuration hashes to the image's id and names the hash of each layer.

The file is a plain tar of ``manifest.json``, ``ID.json`` and one ``DIFFID.tar.gz`` for each layer, so that
``docker load`` takes it, too. Reading it here trusts nothing: what is not exactly as it is written here is refused,
sizes are bounded, and no name out of it ever becomes a path.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

# Measured with the real image (658 MB): level 1 takes 9 s for 225 MB, 4 takes 12 s for 202 MB, 6 takes 36 s for 195 MB.
LEVEL = 4
MANIFEST = "manifest.json"
# Names of whole archives, and of those without their lowest layers.
FILE_NAMES = r"[0-9a-f]{64}(?:-above-[0-9]{1,3})?\.tar"
END = bytes(1024)

_BLOCK = 512
_PIECE = 1 << 20
_GZIP = 31  # zlib's word for a gzip header and the largest window
_MOST_LAYERS = 127  # as many as Docker takes
_LARGEST_CONFIG = 4 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CONTENT = re.compile(r"manifest\.json|[0-9a-f]{64}\.(?:json|tar\.gz)")


@dataclass(frozen=True)
class Member:
    """Where the bytes of one part are in the file."""

    offset: int
    size: int


@dataclass(frozen=True)
class Archive:
    """An archive whose configuration is the promised one; its layers are proven while they are read."""

    image_id: str
    config: bytes
    layers: tuple[str, ...]
    platform: str
    members: Mapping[str, Member]

    def missing(self, known: int) -> list[str]:
        """Return the layers that the file lacks, apart from the ``known`` lowest ones."""
        return [layer for layer in self.layers[known:] if layer_name(layer) not in self.members]


@dataclass
class Budget:
    """How many unpacked bytes are still accepted."""

    limit: int
    spent: int = field(default=0, init=False)

    def spend(self, count: int) -> None:
        """Take ``count`` bytes, or refuse the archive."""
        self.spent += count
        if self.spent > self.limit:
            found = f"more than {self.limit} bytes when it is unpacked"
            raise HardeningError("the archive", found, "an image that is smaller", "max_size_mib")


# --- names and ids (pure) -----------------------------------------------------------------------------------------


def image_id(option: str, value: str) -> str:
    """Return an image's id, or refuse it."""
    if not _DIGEST.fullmatch(value):
        raise HardeningError(option, validate.shown(value, 90), "the id of an image, sha256:<64 hex digits>", option)
    return value


def file_name(identity: str, known: int = 0) -> str:
    """Name the archive of an image, whole or without its ``known`` lowest layers."""
    return f"{_hex(identity)}{f'-above-{known}' if known else ''}.tar"


def config_name(identity: str) -> str:
    """Name the part that holds the configuration."""
    return f"{_hex(identity)}.json"


def layer_name(layer: str) -> str:
    """Name the part that holds a layer."""
    return f"{_hex(layer)}.tar.gz"


def common_bottom(wanted: Sequence[str], images: Collection[Sequence[str]]) -> int:
    """Count the lowest layers of ``wanted`` that are also the lowest of another image.

    A layer is only the same on the same layers: Docker knows it by the chain down to the first one.
    """
    return max((_common(wanted, other) for other in images), default=0)


def manifest(identity: str, layers: Sequence[str]) -> bytes:
    """Write what ``docker load`` reads first; no name is given to the image."""
    entry = {"Config": config_name(identity), "RepoTags": None, "Layers": [layer_name(layer) for layer in layers]}
    return json.dumps([entry]).encode()


def header(name: str, size: int, kind: bytes = b"0") -> bytes:
    """Write the one form of a tar header (ustar, by default of a regular file) that is also accepted."""
    fields = [
        name.encode().ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,
        b"%011o\0" % size,
        b"00000000000\0" + b" " * 8 + kind + bytes(100),
        b"ustar\00000" + bytes(64) + b"0000000\0" * 2 + bytes(167),
    ]
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padding(size: int) -> bytes:
    """Fill the last block of a part."""
    return bytes(-size % _BLOCK)


def _hex(digest: str) -> str:
    return digest.partition(":")[2]


def _common(wanted: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for ours, theirs in zip(wanted, other):
        if ours != theirs:
            break
        count += 1
    return count


# --- read ---------------------------------------------------------------------------------------------------------


def opened(path: str, option: str) -> IO[bytes]:
    """Open an archive, and nothing but a regular file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise HardeningError(path, error.strerror or "an error", "an archive that can be read", option) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise HardeningError(path, "something that is not a regular file", "an archive", option)
    return os.fdopen(handle, "rb")


def read(file: IO[bytes], identity: str) -> Archive:
    """Return what an archive holds, when its configuration is that of the image ``identity``.

    :raises HardeningError: it is another image, no archive of ours, or has a part that belongs to no layer.
    """
    members = _members(file)
    config = _config(file, members.get(config_name(identity)), identity)
    try:
        parsed: Any = json.loads(config)
        layers = tuple(str(layer) for layer in parsed["rootfs"]["diff_ids"])
        platform = f"{parsed['os']}/{parsed['architecture']}"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _refused("a configuration that is not that of an image") from error
    if not 0 < len(layers) <= _MOST_LAYERS or not all(_DIGEST.fullmatch(layer) for layer in layers):
        raise _refused(f"a configuration with {len(layers)} layers or with names that are no hashes")
    foreign_ones = members.keys() - {MANIFEST, config_name(identity), *map(layer_name, layers)}
    if foreign_ones:
        raise _refused(f"the part {min(foreign_ones)}, which belongs to no layer of the image")
    return Archive(identity, config, layers, platform, members)


def layer_pieces(file: IO[bytes], archive: Archive, layer: str, budget: Budget) -> Iterator[bytes]:
    """Yield the packed bytes of a layer; the end is only reached when they unpack to what ``layer`` promises."""
    member = archive.members[layer_name(layer)]
    file.seek(member.offset)
    total, unpacker, rest = hashlib.sha256(), zlib.decompressobj(_GZIP), member.size
    while rest:
        packed = _exactly(file, min(_PIECE, rest))
        rest -= len(packed)
        for unpacked in _unpacked(unpacker, packed):
            budget.spend(len(unpacked))
            total.update(unpacked)
        yield packed
    # Another program could see more in what follows the end than this one does.
    if not unpacker.eof or unpacker.unused_data:
        raise _refused(f"the layer {_hex(layer)[:12]} cut off or with something behind its end")
    if total.hexdigest() != _hex(layer):
        raise _refused(f"the layer {_hex(layer)[:12]} with the content {total.hexdigest()[:12]}")


def prove(file: IO[bytes], archive: Archive, max_size: int, known: int = 0) -> None:
    """Read an archive to its end; refuse it unless every layer, but for the ``known`` lowest, is what it promises."""
    lacking = archive.missing(known)
    if lacking:
        raise _refused(f"no layer {_hex(lacking[0])[:12]}")
    budget = Budget(max_size)
    for layer in dict.fromkeys(archive.layers[known:]):
        for _piece in layer_pieces(file, archive, layer, budget):
            pass


def is_whole(path: str, identity: str, max_size: int) -> bool:
    """Return whether a file is the whole archive of an image, by reading all of it."""
    try:
        with opened(path, "directory") as file:
            prove(file, read(file, identity), max_size)
    except HardeningError:
        return False
    return True


def cut(file: IO[bytes], archive: Archive, known: int, target: IO[bytes]) -> None:
    """Write the archive without its ``known`` lowest layers (those that occur further up, too, stay)."""
    left_out = set(archive.layers[:known]) - set(archive.layers[known:])
    dropped = {layer_name(layer) for layer in left_out}
    for name, member in archive.members.items():
        if name in dropped:
            continue
        target.write(header(name, member.size))
        file.seek(member.offset)
        rest = member.size
        while rest:
            piece = _exactly(file, min(_PIECE, rest))
            rest -= len(piece)
            target.write(piece)
        target.write(padding(member.size))
    target.write(END)


def _members(file: IO[bytes]) -> dict[str, Member]:
    """Walk the headers, in bounded memory; only what :func:`header` writes is accepted."""
    size, offset = file.seek(0, os.SEEK_END), 0
    members: dict[str, Member] = {}
    while True:
        file.seek(offset)
        block = _exactly(file, _BLOCK)
        if block == bytes(_BLOCK):
            break
        name, length = _parsed(block)
        offset += _BLOCK
        if not _CONTENT.fullmatch(name) or name in members or block != header(name, length):
            raise _refused(f"the part {validate.shown(name)}, which no archive of an image has")
        if len(members) > _MOST_LAYERS + 1 or not 0 <= length <= size - offset:
            raise _refused("more parts than an image has, or a part that is cut off")
        members[name] = Member(offset, length)
        offset += length + -length % _BLOCK
    if size != offset + len(END) or _exactly(file, len(END) - _BLOCK).strip(b"\0"):
        raise _refused("something behind its end")
    return members


def _parsed(block: bytes) -> tuple[str, int]:
    try:
        return block[:100].rstrip(b"\0").decode("ascii"), int(block[124:135], 8)
    except ValueError:
        raise _refused("something that is no header of an archive") from None


def _config(file: IO[bytes], member: Member | None, identity: str) -> bytes:
    if member is None or member.size > _LARGEST_CONFIG:
        raise _refused(f"no configuration of the image {identity[:19]}")
    file.seek(member.offset)
    config = _exactly(file, member.size)
    found = hashlib.sha256(config).hexdigest()
    if found != _hex(identity):
        raise _refused(f"the configuration of the image sha256:{found[:12]} as that of {identity[:19]}")
    return config


def _unpacked(unpacker: Any, packed: bytes) -> Iterator[bytes]:
    """Unpack in bounded pieces, whatever a few bytes want to become."""
    try:
        while not unpacker.eof:
            piece = unpacker.decompress(packed, _PIECE)
            packed = unpacker.unconsumed_tail
            yield piece
            # A full piece may have left something inside.
            if not packed and len(piece) < _PIECE:
                break
    except zlib.error as error:
        raise _refused("a layer that is not compressed as it has to be") from error


def _exactly(file: IO[bytes], count: int) -> bytes:
    found = file.read(count)
    if len(found) != count:
        raise _refused("less than it promises: it is cut off")
    return found


def _refused(found: str) -> HardeningError:
    needed = "one that proves to be the promised image; nothing of it was taken"
    return HardeningError("the archive", found, needed, archive_refused=True)
