"""File work against a real file system, with another user hostile in it."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed as files_managed
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    DirectoryState,
    FileState,
    ManagedFile,
)

ME, MY_GROUP = os.geteuid(), os.getegid()
SERVICE = 4242
RENAME_EXCHANGE = 2


def managed(path: Path, content: bytes = b"new\n", mode: int = 0o640, **more: object) -> ManagedFile:
    return ManagedFile(str(path), content, mode, **{"uid": ME, "gid": MY_GROUP, **more})


def write(wanted: ManagedFile) -> None:
    files_managed.write(wanted, trusted=[ME])


def fingerprint(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return (found.st_ino, found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, found.st_ctime_ns)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Make a directory that must never be touched, and prove afterwards that it was not."""
    folder = tmp_path / "outside"
    folder.mkdir()
    secret = folder / "shadow"
    secret.write_text("root:secret\n")
    secret.chmod(0o600)
    before = fingerprint(folder), fingerprint(secret)
    yield folder
    assert (fingerprint(folder), fingerprint(secret)) == before
    assert secret.read_text() == "root:secret\n"
    assert os.listdir(folder) == ["shadow"]


@pytest.fixture
def tight_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


# --- write --------------------------------------------------------------------------------------------------------


def test_write_makes_content_mode_and_nothing_else(tmp_path, tight_umask):
    wanted = managed(tmp_path / "file", b"a\x00b", 0o644)
    assert files_managed.look(wanted.path) is None
    write(wanted)
    assert files_managed.look(wanted.path) == FileState("file", b"a\x00b", 0o644, ME, MY_GROUP, 1)
    assert not files_managed.differences(files_managed.look(wanted.path), wanted)
    assert os.listdir(tmp_path) == ["file"]


def test_write_sets_the_owner(tmp_path, as_root):
    write(managed(tmp_path / "token", mode=0o400, uid=SERVICE, gid=SERVICE + 1))
    found = files_managed.look(str(tmp_path / "token"))
    assert (found.uid, found.gid, found.mode) == (SERVICE, SERVICE + 1, 0o400)


def test_write_replaces_the_inode_so_that_a_hard_link_keeps_its_own(tmp_path, as_root):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.write_text("theirs")
    theirs.chmod(0o666)
    os.link(theirs, ours)
    assert files_managed.differences(files_managed.look(str(ours)), managed(ours, b"theirs", 0o666))
    write(managed(ours, mode=0o400, uid=SERVICE, gid=SERVICE))
    assert theirs.read_text() == "theirs"
    assert (theirs.stat().st_uid, stat.S_IMODE(theirs.stat().st_mode)) == (ME, 0o666)
    assert ours.read_text() == "new\n"


@pytest.mark.parametrize("act", ["look", "write", "read_bytes", "remove", "ensure_directory", "look_directory"])
@pytest.mark.parametrize("where", ["last", "parent", "grandparent", "dangling"])
def test_no_link_is_followed(tmp_path, outside, act, where):
    link = tmp_path / "link"
    link.symlink_to(outside / "shadow" if where == "last" else tmp_path / "gone" if where == "dangling" else outside)
    path = link / {"parent": "shadow", "grandparent": "deep/shadow"}.get(where, "")
    call = {
        "write": lambda: write(managed(path)),
        "ensure_directory": lambda: files_managed.ensure_directory(str(path), 0o777, ME, MY_GROUP),
    }.get(act, lambda: getattr(files_managed, act)(str(path)))
    with pytest.raises(HardeningError) as caught:
        call()
    if act != "write" or where not in ("last", "dangling"):
        assert f"{link}: found a symbolic link to" in str(caught.value)
    assert link.is_symlink()
    assert not (tmp_path / "gone").exists()


def test_write_refuses_what_is_not_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder"):
        with pytest.raises(HardeningError, match="not a regular file"):
            write(managed(tmp_path / name))
    assert sorted(os.listdir(tmp_path)) == ["fifo", "folder"]


def test_write_refuses_a_parent_that_others_may_write(tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o775)
    with pytest.raises(HardeningError, match=r"loose: found mode 0775, .*chmod go-w"):
        write(managed(loose / "file"))
    loose.chmod(0o1777)
    write(managed(loose / "file"))


def test_write_refuses_a_parent_of_other_user_else_unless_trusted(tmp_path, as_root):
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, SERVICE, SERVICE)
    with pytest.raises(HardeningError, match=r"home: found a directory of uid 4242, .* root"):
        write(managed(home / "file"))
    with pytest.raises(HardeningError, match="uid 4242"):
        files_managed.vet_parents(str(home / "gone/file"))
    assert os.listdir(home) == []
    files_managed.write(managed(home / "file"), trusted=[SERVICE])
    assert os.listdir(home) == ["file"]


def test_write_reports_that_the_parent_is_missing(tmp_path):
    with pytest.raises(HardeningError, match=r"found no directory .*/gone, needed"):
        write(managed(tmp_path / "gone/file"))
    files_managed.vet_parents(str(tmp_path / "gone/file"), trusted=[ME])


@pytest.mark.parametrize("path", ["file", "/", "//tmp/x", "/tmp/../etc/x", "/tmp/x/", ""])
def test_a_path_has_one_spelling(path):
    for act in (
        files_managed.look,
        files_managed.remove,
        lambda path: files_managed.write(ManagedFile(path, b"", 0o600)),
    ):
        with pytest.raises(HardeningError, match="an absolute path without"):
            act(path)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    target = tmp_path / "file"
    write(managed(target, b"old", 0o604))
    before = fingerprint(target)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(HardeningError, match=f"errno {errno.EFBIG}"):
            write(managed(target, b"x" * 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert fingerprint(target) == before
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


KILLED = """
import os, signal, sys
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed
os.rename = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
managed.write(managed.ManagedFile(sys.argv[1], b"new", 0o600, os.geteuid(), os.getegid()), trusted=[os.geteuid()])
"""


def test_what_a_killed_run_left_is_swept_and_nothing_else(tmp_path):
    target = tmp_path / "file"
    write(managed(target, b"old"))
    argv = [sys.executable, "-c", KILLED, str(target)]
    killed = subprocess.run(argv, env={**os.environ, "PYTHONPATH": ".collections"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    left = set(os.listdir(tmp_path)) - {"file"}
    assert len(left) == 1
    for name in (".other." + "0" * 16 + ".hardening-tmp", ".file.notes.hardening-tmp"):
        (tmp_path / name).touch()
        left.add(name)
    living = tmp_path / f".file.{'a' * 16}.hardening-tmp"
    with living.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        write(managed(target))
    assert target.read_bytes() == b"new\n"
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["file", living.name, ".other." + "0" * 16 + ".hardening-tmp", ".file.notes.hardening-tmp"]
    )


def test_a_reader_sees_the_old_or_the_new_file_and_never_an_open_secret(tmp_path):
    target = tmp_path / "secret"
    contents = [bytes([65 + turn]) * 50_000 for turn in range(2)]
    write(managed(target, contents[0], 0o400))
    observed, wrong, stop = set(), [], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for name in os.listdir(tmp_path):
                try:
                    found = os.stat(tmp_path / name)
                except FileNotFoundError:
                    continue
                if found.st_mode & 0o077:
                    wrong.append((name, oct(found.st_mode)))
            content = target.read_bytes()
            observed.add(content[:1])
            if content not in contents:
                wrong.append(len(content))

    watcher = threading.Thread(target=watch)
    watcher.start()
    until = time.monotonic() + 20
    turns = 0
    while turns < 100 or (len(observed) < 2 and time.monotonic() < until):
        turns += 1
        write(managed(target, contents[turns % 2], 0o400))
    stop.set()
    watcher.join()
    assert wrong == []
    assert observed == {b"A", b"B"}


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step, so that a racer never leaves a gap."""
    failed = ctypes.CDLL(None).renameat2(-100, os.fsencode(one), -100, os.fsencode(other), RENAME_EXCHANGE)
    assert not failed


@contextmanager
def racing(step: Callable[[], None]) -> Iterator[None]:
    """Repeat ``step`` in a thread as fast as it goes; its failure is the test's."""
    stop, errors = threading.Event(), []

    def loop() -> None:
        try:
            while not stop.is_set():
                step()
        except BaseException as error:
            errors.append(error)

    racer = threading.Thread(target=loop)
    racer.start()
    try:
        yield
    finally:
        stop.set()
        racer.join()
    assert errors == []


def until_both(act: Callable[[int], None], turns: int = 400) -> None:
    """Call ``act`` until it was both done and refused, and at least ``turns`` times; anything else is a failure."""
    done = refused = turn = 0
    end = time.monotonic() + 30
    while turn < turns or (not (done and refused) and time.monotonic() < end):
        turn += 1
        try:
            act(turn)
            done += 1
        except HardeningError:
            refused += 1
    assert done, "nothing was ever done: the race proves nothing"
    assert refused, "nothing was ever refused: the race proves nothing"


def test_a_parent_exchanged_for_a_link_never_leads_outside(tmp_path, outside):
    home, link = tmp_path / "home", tmp_path / "link"
    home.mkdir()
    link.symlink_to(outside)

    def act(turn: int) -> None:
        write(managed(home / "shadow", mode=0o644))
        files_managed.ensure_directory(str(home / f"state{turn % 7}"), 0o700 if turn % 2 else 0o750, ME, MY_GROUP)

    with racing(lambda: exchange(home, link)):
        until_both(act)
    real = link if home.is_symlink() else home
    assert [name for name in os.listdir(real) if "-tmp" in name] == []


def test_a_directory_exchanged_for_a_link_never_changes_the_outside(tmp_path, outside):
    state, link = tmp_path / "state", tmp_path / "link"
    state.mkdir()
    link.symlink_to(outside)

    def act(turn: int) -> None:
        files_managed.ensure_directory(str(state), 0o700 if turn % 2 else 0o750, ME, MY_GROUP)

    with racing(lambda: exchange(state, link)):
        until_both(act)


def test_a_file_exchanged_for_a_link_is_never_read_through(tmp_path, outside):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("ours")
    link.symlink_to(outside / "shadow")
    observed = set()
    with racing(lambda: exchange(file, link)):
        until_both(lambda _turn: observed.add(files_managed.read_bytes(str(file))), turns=10_000)
    assert observed == {b"ours"}


def test_a_temporary_file_exchanged_by_the_owner_of_the_directory_is_noticed(tmp_path):
    theirs = tmp_path / "theirs"

    def plant() -> None:
        for name in os.listdir(tmp_path):
            if name.startswith(".file."):
                theirs.write_text("theirs")
                with suppress(FileNotFoundError):
                    exchange_or_lose(theirs, tmp_path / name)

    def exchange_or_lose(one: Path, other: Path) -> None:
        ctypes.CDLL(None).renameat2(-100, os.fsencode(one), -100, os.fsencode(other), RENAME_EXCHANGE)

    def act(_turn: int) -> None:
        write(managed(tmp_path / "file", b"ours" * 50_000))

    with racing(plant):
        until_both(act, turns=50)


# --- look, read, remove -------------------------------------------------------------------------------------------


def test_look_reports_types_and_never_blocks(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir(mode=0o750)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        types = {name: files_managed.look(str(tmp_path / name)).type for name in os.listdir(tmp_path)}
    assert types == {"fifo": "fifo", "folder": "directory", "socket": "socket"}
    assert files_managed.look("/dev/null").type == "character device"
    assert files_managed.look(str(tmp_path / "gone")) is None
    assert files_managed.look(str(tmp_path / "gone/deeper")) is None


def test_a_file_on_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HardeningError, match=r"/file: found a file, needed a directory"):
        files_managed.look(str(tmp_path / "file/below"))


def test_read_bytes_has_a_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert files_managed.read_bytes(str(tmp_path / "file"), max_size=100) == b"x" * 100
    with pytest.raises(HardeningError, match="more than 99 bytes"):
        files_managed.read_bytes(str(tmp_path / "file"), max_size=99)
    for name, found in (("gone", "nothing"), ("", "directory")):
        with pytest.raises(HardeningError, match=f"found {found}, needed a regular file"):
            files_managed.read_bytes(str(tmp_path / name))


def test_remove_takes_a_regular_file_and_nothing_else(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert files_managed.remove(str(tmp_path / "file"))
    assert not files_managed.remove(str(tmp_path / "file"))
    with pytest.raises(HardeningError, match="not a regular file"):
        files_managed.remove(str(tmp_path / "folder"))
    assert os.listdir(tmp_path) == ["folder"]


# --- directories --------------------------------------------------------------------------------------------------


def test_ensure_directory_creates_corrects_and_rests(tmp_path, tight_umask):
    path = tmp_path / "state"
    assert files_managed.look_directory(str(path)) is None
    assert files_managed.ensure_directory(str(path), 0o755, ME, MY_GROUP)
    assert files_managed.look_directory(str(path)) == DirectoryState(0o755, ME, MY_GROUP)
    (path / "theirs").touch(mode=0o644)
    before = fingerprint(path / "theirs")
    assert files_managed.ensure_directory(str(path), 0o700, ME, MY_GROUP)
    assert not files_managed.ensure_directory(str(path), 0o700, ME, MY_GROUP)
    assert fingerprint(path / "theirs") == before
    with pytest.raises(HardeningError, match="found no directory"):
        files_managed.ensure_directory(str(tmp_path / "gone/deeper"), 0o700, ME, MY_GROUP)


def test_ensure_directory_drops_an_inherited_setgid_bit_and_sets_the_owner(tmp_path, as_root):
    tmp_path.chmod(0o2755)
    path = tmp_path / "state"
    files_managed.ensure_directory(str(path), 0o750, SERVICE, SERVICE)
    assert files_managed.look_directory(str(path)) == DirectoryState(0o750, SERVICE, SERVICE)


def test_a_file_in_the_place_of_a_directory_is_refused(tmp_path):
    (tmp_path / "state").write_text("theirs")
    for act in (files_managed.look_directory, lambda path: files_managed.ensure_directory(path, 0o700, ME, MY_GROUP)):
        with pytest.raises(HardeningError, match=r"state: found a file, needed a directory"):
            act(str(tmp_path / "state"))
    assert (tmp_path / "state").read_text() == "theirs"


# --- decide -------------------------------------------------------------------------------------------------------

WANTED = ManagedFile("/x", b"new", 0o640, 1, 2)
SAME = FileState("file", b"new", 0o640, 1, 2, 1)


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        (None, True),
        (SAME, False),
        (FileState("file", b"old", 0o640, 1, 2, 1), True),
        (FileState("file", b"new", 0o644, 1, 2, 1), True),
        (FileState("file", b"new", 0o640, 0, 2, 1), True),
        (FileState("file", b"new", 0o640, 1, 0, 1), True),
        (FileState("file", b"new", 0o640, 1, 2, 2), True),
    ],
)
def test_differences(existing, expected):
    assert files_managed.differences(existing, WANTED) is expected


def test_differences_refuses_to_replace_a_directory():
    with pytest.raises(HardeningError, match="found a directory, needed a regular file"):
        files_managed.differences(FileState("directory", b"", 0o755, 0, 0, 2), WANTED)


@pytest.mark.parametrize("mode", [0o700, 0o750])
def test_directory_differs(mode):
    assert files_managed.directory_differs(None, mode, 1, 2)
    assert files_managed.directory_differs(DirectoryState(0o755, 1, 2), mode, 1, 2)
    assert files_managed.directory_differs(DirectoryState(mode, 0, 2), mode, 1, 2)
    assert not files_managed.directory_differs(DirectoryState(mode, 1, 2), mode, 1, 2)


def test_the_diff_shows_content_owner_and_mode():
    diff = files_managed.diff_entry(FileState("file", b"old\n", 0o600, 0, 0, 1), WANTED)
    assert diff == {
        "before_header": "/x",
        "after_header": "/x",
        "before": "owner 0:0, mode 0600\nold\n",
        "after": "owner 1:2, mode 0640\nnew",
    }
    assert files_managed.diff_entry(None, WANTED)["before"] == ""
    binary = ManagedFile("/x", b"\xff\xfe", 0o640)
    assert files_managed.diff_entry(None, binary)["after"] == "owner 0:0, mode 0640\n(binary, 2 bytes)\n"


def test_the_diff_of_a_secret_shows_that_it_changes_and_nothing_of_it():
    secret = ManagedFile("/x", b"hunter-2", 0o400, secret=True)
    diff = files_managed.diff_entry(FileState("file", b"hunter-1", 0o400, 0, 0, 1), secret)
    assert "hunter" not in str(diff)
    assert diff["before"] == "owner 0:0, mode 0400\n(secret, 8 bytes)\n"
    assert diff["after"] == "owner 0:0, mode 0400\n(another secret, 8 bytes)\n"
    same = files_managed.diff_entry(FileState("file", b"hunter-2", 0o444, 0, 0, 1), secret)
    assert (same["before"], same["after"]) == (
        "owner 0:0, mode 0444\n(secret, 8 bytes)\n",
        "owner 0:0, mode 0400\n(secret, 8 bytes)\n",
    )


@pytest.mark.parametrize(
    ("number", "needed"),
    [(errno.ENOSPC, "free space"), (errno.EDQUOT, "a quota"), (errno.EROFS, "mounted for writing"),
     (errno.EIO, "a disk that works"), (errno.EPERM, "a place that root can write")],
)  # fmt: skip
def test_what_the_kernel_refuses_is_named_with_what_helps(number, needed):
    output = str(files_managed.failed("/etc/x", OSError(number, os.strerror(number))))
    assert output.startswith(f"/etc/x: found {os.strerror(number)} (errno {number}), needed ")
    assert needed in output
