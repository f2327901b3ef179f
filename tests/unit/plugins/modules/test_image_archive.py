"""An archive proves itself or is refused; what is written is what can be read."""

from __future__ import annotations

import io
import json
import os
import random
import tracemalloc

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive as subject
from ansible_collections.openclaw.hardening.plugins.modules import image_archive
from transfer import crafted
from transfer.crafted import BOMB, BOMB_ARCHIVE, GOOD, IMAGE, LOWER, UPPER, TinyImage, written

pytestmark = pytest.mark.usefixtures("without_docker")

HOSTILE = crafted.hostile()
LIMIT = 1 << 30


def prove(content: bytes, identity: str = IMAGE.id, limit: int = LIMIT, known: int = 0) -> subject.Archive:
    file = io.BytesIO(content)
    archive = subject.read(file, identity)
    subject.prove(file, archive, limit, known)
    return archive


def test_a_whole_archive_is_accepted():
    archive = prove(GOOD)
    assert list(archive.layers) == IMAGE.diff_ids
    assert archive.config == IMAGE.config
    assert archive.platform == "linux/amd64"


@pytest.mark.parametrize("wrong", HOSTILE)
def test_what_is_wrong_is_refused(wrong):
    assert HOSTILE[wrong] != GOOD
    with pytest.raises(HardeningError) as refused:
        prove(HOSTILE[wrong])
    assert refused.value.details == {"archive_refused": True}


def test_every_flipped_bit_in_headers_and_configuration_is_refused():
    chosen = random.Random(1)
    places, start = [], 0
    for name, content in IMAGE.parts():
        places += range(start, start + 512)
        # The manifest is never believed; a layer may be compressed in more than one way.
        places += range(start + 512, start + 512 + len(content) * (name == crafted.CONFIG_NAME))
        start += 512 + len(content) + len(subject.padding(len(content)))
    survived = []
    for place in chosen.sample(places, 1000):
        changed = bytearray(GOOD)
        changed[place] ^= 1 << chosen.randrange(8)
        try:
            prove(bytes(changed))
            survived.append(place)
        except HardeningError:
            pass
    assert survived == []


def test_the_manifest_is_not_believed():
    archive = prove(crafted.MISLEADING)
    assert json.loads(subject.manifest(archive.image_id, archive.layers)) == [
        {
            "Config": f"{IMAGE.id[7:]}.json",
            "RepoTags": None,
            "Layers": [f"{one[7:]}.tar.gz" for one in IMAGE.diff_ids],
        }
    ]


def test_a_bomb_is_refused_early_and_in_little_memory():
    assert len(BOMB_ARCHIVE) < 1 << 20
    prove(BOMB_ARCHIVE, BOMB.id, 65 << 20)
    tracemalloc.start()
    with pytest.raises(HardeningError, match="max_size_mib"):
        prove(BOMB_ARCHIVE, BOMB.id, 8 << 20)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 << 20


def test_the_limit_is_for_all_layers_together():
    prove(GOOD, limit=len(LOWER) + len(UPPER))
    with pytest.raises(HardeningError, match="unpacked"):
        prove(GOOD, limit=len(LOWER) + len(UPPER) - 1)


@pytest.mark.parametrize(
    "config",
    [b"[]", b"{}", b"null", b"[" * 100_000, b'{"rootfs": {"diff_ids": []}, "os": "linux", "architecture": "amd64"}',
     b'{"rootfs": {"diff_ids": ["../../etc"]}, "os": "linux", "architecture": "amd64"}', b"\xff"],
)  # fmt: skip
def test_a_configuration_that_is_none_is_refused_even_when_it_was_promised(config):
    identity = crafted.digest(config)
    with pytest.raises(HardeningError):
        prove(written([(subject.config_name(identity), config)]), identity)


def test_a_layer_that_occurs_twice_is_kept_once():
    image = TinyImage(LOWER, UPPER, LOWER)
    assert list(prove(written(image.parts()), image.id).layers) == [*image.diff_ids[:2], image.diff_ids[0]]


@pytest.mark.parametrize("known", [0, 1, 2])
def test_a_cut_archive_lacks_exactly_the_lowest_layers(known):
    out = io.BytesIO()
    file = io.BytesIO(GOOD)
    subject.cut(file, subject.read(file, IMAGE.id), known, out)
    archive = prove(out.getvalue(), known=known)
    assert (archive.missing(0), archive.missing(known)) == (IMAGE.diff_ids[:known], [])
    assert (out.getvalue() == GOOD) == (known == 0)
    if known:
        with pytest.raises(HardeningError, match="no layer"):
            prove(out.getvalue(), known=known - 1)


def test_a_cut_keeps_a_low_layer_that_occurs_again_further_up():
    image = TinyImage(LOWER, UPPER, LOWER)
    out, file = io.BytesIO(), io.BytesIO(written(image.parts()))
    subject.cut(file, subject.read(file, image.id), 1, out)
    assert prove(out.getvalue(), image.id).missing(0) == []


@pytest.mark.parametrize(
    ("wanted", "images", "count"),
    [
        ("abc", [], 0),
        ("abc", ["xbc"], 0),  # a layer on other ones is another layer
        ("abc", ["ab", "axc"], 2),
        ("abc", ["abcd"], 3),
        ("abc", ["", "a"], 1),
    ],
)
def test_layers_are_known_from_the_bottom_up(wanted, images, count):
    assert subject.common_bottom(wanted, images) == count


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "file").write_bytes(GOOD)
    with subject.opened(str(tmp_path / "file"), "path") as file:
        assert file.read() == GOOD
    for name in ("fifo", "link", "missing", "."):
        with pytest.raises(HardeningError):
            subject.opened(str(tmp_path / name), "path")


def test_whole_means_all_of_it(tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(GOOD)
    assert subject.is_whole(str(path), IMAGE.id, LIMIT)
    path.write_bytes(HOSTILE["a flipped bit"])
    assert not subject.is_whole(str(path), IMAGE.id, LIMIT)
    assert not subject.is_whole(str(tmp_path / "none"), IMAGE.id, LIMIT)


@pytest.mark.parametrize(
    "options",
    [
        {"state": "imported", "image_id": "sha256:1", "name": "a:b"},
        {"state": "imported", "image_id": "", "name": "a:b"},
        {"state": "imported", "image_id": IMAGE.id, "name": "a"},
        {"state": "imported", "image_id": IMAGE.id, "name": "-a:b"},
        {"state": "imported", "image_id": IMAGE.id, "name": "a:b", "path": "relative"},
        {"state": "imported", "image_id": IMAGE.id, "name": "a:b", "layers": ["x"]},
        {"state": "imported", "image_id": IMAGE.id, "name": "a:b", "record": {"image_id": IMAGE.id}},
        {"state": "imported", "image_id": IMAGE.id, "name": "a:b", "controller_cache": "/tmp/x"},
        {"state": "exported", "image": "a:b"},
        {"state": "exported", "image": "", "directory": "/srv/x"},
        {"state": "exported", "image": "a:b", "directory": "/proc/x"},
        {"state": "exported", "image": "--help", "directory": "/srv/x"},
        {"state": "exported", "image": "a:b", "directory": "/srv/x", "max_size_mib": 0},
    ],
)
def test_options_are_checked_before_docker_is_declared(run_module, options):
    answer = run_module(image_archive, docker_host="unix:///nowhere", **options)
    assert answer["failed"]
    assert "Docker at" not in answer["msg"]


@pytest.mark.parametrize(
    "options",
    [
        {"state": "exported", "image": "", "directory": "/srv/x"},
        {"state": "imported", "image_id": "", "name": "a:b", "path": "/srv/x"},
        {"state": "imported", "image_id": IMAGE.id, "name": "a:b", "path": "/srv/x"},
    ],
)
def test_without_a_daemon_or_an_image_a_change_is_predicted(run_module, options):
    answer = run_module(image_archive, check=True, docker_host="unix:///nowhere", **options)
    assert (answer["changed"], answer["moved_bytes"]) == (True, 0)
    assert not os.path.exists("/srv/x")
