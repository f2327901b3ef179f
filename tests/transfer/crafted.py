"""Archives of a tiny image, whole and in every way that another user could spoil them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable

from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive as image_archive

Parts = list[tuple[str, bytes]]
ESCAPED = "/etc/cron.d/escaped"


def layer(name: str, content: bytes) -> bytes:
    """One layer: a tar with one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def packed(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


class TinyImage:
    """Configuration and layers of an image that Docker takes."""

    def __init__(self, *layers: bytes, architecture: str = "amd64") -> None:
        self.layers = layers
        self.diff_ids = [digest(one) for one in layers]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/none"]},
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
            "history": [{"created_by": "crafted"}] * len(layers),
        }
        self.config = json.dumps(config).encode()
        self.id = digest(self.config)

    def parts(self) -> Parts:
        names = [(image_archive.layer_name(one), packed(content)) for one, content in zip(self.diff_ids, self.layers)]
        manifest = image_archive.manifest(self.id, self.diff_ids)
        return [
            ("manifest.json", manifest),
            (image_archive.config_name(self.id), self.config),
            *dict(names).items(),
        ]


def written(parts: Parts, end: bytes = image_archive.END) -> bytes:
    """Write an archive as the module does."""
    found = b""
    for name, content in parts:
        found += image_archive.header(name, len(content)) + content + image_archive.padding(len(content))
    return found + end


LOWER, UPPER = layer("lower", b"1" * 5000), layer("upper", b"2" * 5000)
IMAGE = TinyImage(LOWER, UPPER)
OTHER = TinyImage(LOWER, layer("other", b"3" * 5000))
GOOD = written(IMAGE.parts())
CONFIG_NAME = image_archive.config_name(IMAGE.id)
UPPER_NAME = image_archive.layer_name(IMAGE.diff_ids[1])


def replaced(name: str, content: bytes) -> bytes:
    """Write the archive with another content of one part."""
    return written([(part, content if part == name else old) for part, old in IMAGE.parts()])


def foreign(change: Callable[[tarfile.TarInfo], object], content: bytes = b"x", **options: object) -> bytes:
    """Write the archive with one more member, as another program makes it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", **{"format": tarfile.USTAR_FORMAT, **options}) as archive:
        entry = tarfile.TarInfo("x")
        entry.size = len(content)
        change(entry)
        archive.addfile(entry, io.BytesIO(content))
    member = stream.getvalue()
    size = len(member.rstrip(b"\0"))
    return member[: size + -size % 512] + GOOD


def named(name: str) -> Callable[[tarfile.TarInfo], object]:
    return lambda entry: setattr(entry, "name", name)


def link(kind: bytes, name: str) -> Callable[[tarfile.TarInfo], object]:
    def change(entry: tarfile.TarInfo) -> None:
        entry.name, entry.type, entry.linkname, entry.size = name, kind, "../../../../etc/shadow", 0

    return change


def resized(field: bytes) -> bytes:
    """Write the archive with another size in the first header, and its checksum right."""
    block = bytearray(GOOD[:512])
    block[124:136] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + GOOD[512:]


def hostile() -> dict[str, bytes]:
    """Return every archive that must be refused as that of IMAGE, by what is wrong with it."""
    upper = packed(UPPER)
    flipped = bytearray(upper)
    flipped[len(upper) // 2] ^= 1
    config_of_other = [(CONFIG_NAME if name.endswith("json") and name != "manifest.json" else name, content)
                       for name, content in OTHER.parts()]  # fmt: skip
    return {
        "a name that leads out": foreign(named(f"../../../..{ESCAPED}"), b"* * * * * root true\n"),
        "an absolute name": foreign(named(ESCAPED), b"* * * * * root true\n"),
        "a symbolic link with the name of a layer": foreign(link(tarfile.SYMTYPE, "0" * 64 + ".tar.gz")),
        "a hard link": foreign(link(tarfile.LNKTYPE, "0" * 64 + ".tar.gz")),
        "a directory": foreign(link(tarfile.DIRTYPE, "blobs")),
        "a device": foreign(link(tarfile.CHRTYPE, "0" * 64 + ".json")),
        "a pax header": foreign(named("x" * 150), format=tarfile.PAX_FORMAT),
        "a GNU long name": foreign(named("x" * 150), format=tarfile.GNU_FORMAT),
        "a part twice": written([*IMAGE.parts(), IMAGE.parts()[-1]]),
        "a layer that does not belong": written(
            [*IMAGE.parts(), (image_archive.layer_name(OTHER.diff_ids[1]), packed(OTHER.layers[1]))]
        ),
        "a layer less": written(IMAGE.parts()[:-1]),
        "another layer under its name": replaced(UPPER_NAME, packed(OTHER.layers[1])),
        "a flipped bit": replaced(UPPER_NAME, bytes(flipped)),
        "a second compressed stream": replaced(UPPER_NAME, upper + packed(layer("evil", b"evil"))),
        "something behind the compressed stream": replaced(UPPER_NAME, upper + b"evil"),
        "a compressed stream without its end": replaced(UPPER_NAME, upper[:-8]),
        "an empty layer": replaced(UPPER_NAME, b""),
        "a layer that is not compressed": replaced(UPPER_NAME, UPPER),
        "a zlib stream": replaced(UPPER_NAME, __import__("zlib").compress(UPPER)),
        "the configuration of another image": written(config_of_other),
        "another image, whole": written(OTHER.parts()),
        "no configuration": written([part for part in IMAGE.parts() if part[0] != CONFIG_NAME]),
        "a configuration of 8 MiB": written([(CONFIG_NAME, b" " * (8 << 20)), *IMAGE.parts()[2:]]),
        "a negative size": resized(b"-0000001000\0"),
        "a size that is no number": resized(b"evil0000000\0"),
        "a size in base 256": resized(b"\x80" + bytes(10) + b"\x01"),
        "a size beyond the end": resized(b"77777777777\0"),
        "two hundred parts": written([(f"{number:064x}.tar.gz", b"") for number in range(200)]),
        "nothing": b"",
        "zeros only": bytes(10240),
        "the first half": GOOD[: len(GOOD) // 2],
        "no end": written(IMAGE.parts(), end=b""),
        "half an end": written(IMAGE.parts(), end=bytes(512)),
        "something behind its end": GOOD + b"evil",
        "zeros behind its end": GOOD + bytes(1 << 20),
        "a compressed archive": packed(GOOD),
    }


BOMB = TinyImage(layer("bomb", bytes(64 << 20)))
BOMB_ARCHIVE = written(BOMB.parts())


def with_manifest(entry: dict[str, object]) -> bytes:
    """Write a good archive in which the part that docker load would believe reports something else."""
    return replaced("manifest.json", json.dumps([entry]).encode())


MISLEADING = with_manifest(
    {"Config": "../../../../etc/shadow", "RepoTags": ["openclaw:stolen"], "Layers": ["/etc/shadow"]}
)
