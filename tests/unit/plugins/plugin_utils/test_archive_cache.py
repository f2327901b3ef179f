"""The controller's cache: whole archives only, bounded, safe to kill, and for one user."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive
from ansible_collections.openclaw.hardening.plugins.plugin_utils import _archive_cache as subject
from transfer import crafted
from transfer.crafted import GOOD, IMAGE, TinyImage, layer, written

LIMIT = 1 << 30


@pytest.fixture
def cache(tmp_path: Path) -> subject.ArchiveCache:
    return subject.ArchiveCache(str(tmp_path / "cache" / "images"), LIMIT)


def arrive(cache: subject.ArchiveCache, identity: str = IMAGE.id, content: bytes = GOOD) -> str:
    with cache.alone(1):
        Path(cache.part(identity)).write_bytes(content)
        return cache.accept(identity)


def test_a_directory_is_made_for_its_owner_alone(cache, tmp_path):
    assert stat.S_IMODE(os.stat(cache.directory).st_mode) == 0o700
    assert cache.find(IMAGE.id) == ""
    path = arrive(cache)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert cache.find(IMAGE.id) == path == cache.find_proven(IMAGE.id)
    assert cache.layers(IMAGE.id) == tuple(IMAGE.diff_ids)


def test_a_directory_that_others_can_write_is_refused(tmp_path):
    tmp_path.chmod(0o770)
    with pytest.raises(HardeningError, match="controller_cache"):
        subject.ArchiveCache(str(tmp_path), LIMIT)


def test_a_prediction_touches_nothing(cache, tmp_path):
    assert subject.there(str(tmp_path / "none"), IMAGE.id) == ""
    assert not (tmp_path / "none").exists()
    path = arrive(cache)
    assert subject.there(cache.directory, IMAGE.id) == path


@pytest.mark.parametrize("wrong", ["a flipped bit", "another image, whole", "the first half", "nothing"])
def test_what_arrives_broken_is_not_kept(cache, wrong):
    with pytest.raises(HardeningError):
        arrive(cache, content=crafted.hostile()[wrong])
    assert os.listdir(cache.directory) == ["lock"]


def test_what_was_broken_later_goes_when_it_is_noticed(cache):
    path = Path(arrive(cache))
    path.write_bytes(crafted.hostile()["a flipped bit"])
    assert cache.layers(IMAGE.id) == tuple(IMAGE.diff_ids)  # its configuration is whole
    assert cache.find_proven(IMAGE.id) == ""
    arrive(cache)
    path.write_bytes(crafted.hostile()["another image, whole"])
    assert cache.layers(IMAGE.id) == ()
    assert cache.find(IMAGE.id) == ""


def test_a_cut_archive_is_made_once_and_goes_with_the_image(cache):
    arrive(cache)
    with cache.alone(1):
        path = cache.above(IMAGE.id, 1)
        made = os.stat(path).st_mtime_ns
        assert cache.above(IMAGE.id, 1) == path
        assert cache.above(IMAGE.id, 0) == cache.find(IMAGE.id)
    assert os.stat(path).st_mtime_ns == made
    with archive.opened(path, "x") as file:
        archive.prove(file, archive.read(file, IMAGE.id), LIMIT, known=1)
    cache.drop(IMAGE.id)
    assert os.listdir(cache.directory) == ["lock"]


def test_three_images_are_kept_the_last_used(cache):
    images = [TinyImage(layer("x", str(number).encode())) for number in range(4)]
    for age, image in enumerate(images[:3]):
        os.utime(arrive(cache, image.id, written(image.parts())), (1000 + age, 1000 + age))
    cache.find(images[0].id)  # a use
    Path(cache.directory, "notes.txt").write_text("another user's")
    arrive(cache, images[3].id, written(images[3].parts()))
    assert [bool(cache.find(image.id)) for image in images] == [True, False, True, True]
    assert Path(cache.directory, "notes.txt").exists()


def test_the_next_run_removes_what_a_killed_one_left(cache):
    left = Path(cache.part(IMAGE.id))
    left.write_bytes(GOOD[:1000])
    with cache.alone(1):
        assert not left.exists()


def test_one_run_at_a_time(cache):
    order = []

    def second() -> None:
        with cache.alone(5):
            order.append("second")

    with cache.alone(1):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.3)
        order.append("first")
        with pytest.raises(HardeningError, match="another run"), cache.alone(0.1):
            pass
    other.join()
    assert order == ["first", "second"]
