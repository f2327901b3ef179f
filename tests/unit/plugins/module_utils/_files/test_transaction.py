"""Several files as one, on a real file system: killed at each single step, and with a disk that is full."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files import transaction
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ManagedFile, differences, look
from unit.killing import killed_at

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of root are written")
OLD = {"a": b"old a", "b": b"old b", "gone": b"old gone"}
NEW = {"a": b"new a", "b": b"new b", "c": b"new c"}


class Set:
    """Three files in two folders; ``a`` and ``b`` change, ``c`` is new, ``gone`` goes."""

    def __init__(self, top: Path):
        self.units = top / "units"
        for folder in (self.units, top / "lib"):
            folder.mkdir(mode=0o755)
        self.places = {"a": self.units / "a", "b": top / "lib/b", "c": self.units / "c", "gone": self.units / "gone"}
        self.record = transaction.record(str(self.units), ["a", "c"])
        for name, content in OLD.items():
            self.places[name].write_bytes(content)
            self.places[name].chmod(0o640)
        self.paths = [str(path) for path in self.places.values()]
        self.wanted = [ManagedFile(str(self.places[name]), content, 0o644) for name, content in NEW.items()]

    def pending(self):
        return transaction.pending(str(self.units), self.paths)

    def change(self):
        """What a run does: only what differs, all of what is pending counts, then it is content."""
        changes = self.pending()
        unconfirmed = [path for paths in changes.values() for path in paths]
        write = [file for file in self.wanted if differences(look(file.path), file)]
        remove = [str(self.places["gone"])] if self.places["gone"].exists() else []
        if write or remove:
            transaction.exchange(self.record, write, remove, unconfirmed)
        transaction.commit([self.record, *changes], [*self.paths, self.record])

    def take_back(self):
        for path in [path for paths in self.pending().values() for path in paths]:
            transaction.put_back(path)
        transaction.commit(list(self.pending()), [*self.paths, self.record])

    def there(self):
        """Every file of both folders: content, mode, number of names."""
        files = [path for folder in {path.parent for path in self.places.values()} for path in folder.iterdir()]
        return {
            path.name: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode), path.stat().st_nlink) for path in files
        }


NEW_WORLD = {name: (content, 0o644, 1) for name, content in NEW.items()}
OLD_WORLD = {name: (content, 0o640, 1) for name, content in OLD.items()}


@pytest.fixture
def tops(tmp_path) -> Iterator[Iterator[Path]]:
    """Fresh folders, in memory where that is possible: there are hundreds of steps, and each waits for its disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as top:
        yield (Path(tempfile.mkdtemp(dir=top)) for _turn in itertools.count())


@pytest.fixture
def files(tmp_path) -> Set:
    return Set(tmp_path)


def test_all_is_changed_and_nothing_is_left(files):
    files.change()
    assert files.there() == NEW_WORLD


@pytest.mark.parametrize("then", ["again", "back"])
def test_killed_at_each_step(tops, then):
    """The next run finishes; or goes back to what was confirmed, bytes and modes. Nothing is left beside."""
    observed = set()
    for step in range(1000):
        files = Set(next(tops))
        if not killed_at(step, files.change):
            break
        observed.add(bool(files.pending()))
        if then == "again":
            files.change()
            assert files.there() == NEW_WORLD, step
        else:
            before = files.there()
            confirmed = all(before.get(name, ())[:2] == NEW_WORLD[name][:2] for name in NEW) and not files.pending()
            files.take_back()
            assert files.there() == (NEW_WORLD if confirmed else OLD_WORLD), step
    assert step > 30
    assert observed == {True, False}


def test_killed_twice_what_was_confirmed_first_is_kept(tops):
    for step in range(1000):
        files = Set(next(tops))
        transaction.exchange(files.record, files.wanted, [str(files.places["gone"])])
        files.wanted = [ManagedFile(str(files.places[name]), b"a second attempt", 0o600) for name in ("a", "c")]
        if not killed_at(step, files.change) or not files.pending():
            break
        files.take_back()
        assert files.there() == OLD_WORLD, step
    assert step > 10


def test_killed_while_going_back(tops):
    for step in range(1000):
        files = Set(next(tops))
        transaction.exchange(files.record, files.wanted, [str(files.places["gone"])])
        assert files.pending()
        killed = killed_at(step, files.take_back)
        files.take_back()
        assert files.there() == OLD_WORLD, step
        if not killed:
            break
    assert step > 10


def test_a_record_of_another_set_is_left_alone(files):
    transaction.exchange(files.record, files.wanted)
    assert transaction.pending(str(files.units), ["/etc/other"]) == {}
    assert files.pending() == {files.record: tuple(sorted(file.path for file in files.wanted))}


def test_a_second_name_that_no_record_speaks_of_is_never_put_back(files):
    """Another user may have put it there, or a run was killed before it changed anything."""
    planted = files.units / ".a.hardening-old"
    planted.write_bytes(b"planted")
    transaction.exchange(files.record, files.wanted)
    files.take_back()
    assert {name: value for name, value in files.there().items() if name != "gone"} == {
        name: value for name, value in OLD_WORLD.items() if name != "gone"
    }


@pytest.mark.parametrize("content", [b"", b"x", b"{}", b"[1]", b"\xff"])
def test_a_record_that_no_run_wrote_is_refused(files, content):
    Path(files.record).write_bytes(content)
    with pytest.raises(HardeningError, match="text that no run wrote"):
        files.pending()


@pytest.mark.parametrize("blocked", ["a", "b", "c"])
def test_a_disk_that_is_full_changes_nothing(tmp_path, blocked):
    """A file system of 64 KiB; the file that does not fit is the first, second or third."""
    tmp_path.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        files = Set(tmp_path)
        files.wanted = [
            ManagedFile(file.path, bytes(1 << 20) if file.path.endswith(blocked) else file.content, 0o644)
            for file in files.wanted
        ]
        before = files.there()
        with pytest.raises(HardeningError, match=rf"/{blocked}: found No space left on device .* needed free space"):
            files.change()
        assert files.there() == before
        assert not files.pending()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_full_after_the_change_it_still_goes_back(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        files = Set(tmp_path)
        transaction.exchange(files.record, files.wanted, [str(files.places["gone"])])
        with pytest.raises(OSError, match="No space"), open(tmp_path / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        files.take_back()
        assert files.there() == OLD_WORLD
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_folder_of_other_user_else_is_refused_before_anything_is_written(files):
    os.chown(files.places["b"].parent, 1001, 1001)
    before = files.there()
    with pytest.raises(HardeningError, match="directory of uid 1001"):
        files.change()
    assert files.there() == before


def test_a_long_name_is_kept_under_a_short_one(tmp_path):
    tmp_path.chmod(0o755)
    path = tmp_path / ("x" * 255)
    path.write_bytes(b"old")
    record = transaction.record(str(tmp_path), ["x"])
    transaction.exchange(record, [ManagedFile(str(path), b"new", 0o644)])
    assert path.read_bytes() == b"new"
    transaction.put_back(str(path))
    transaction.commit([record], [str(path)])
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]
