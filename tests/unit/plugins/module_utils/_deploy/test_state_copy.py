"""Copies of a state, on a real file system, with all that its owner may have planted."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import resource
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_copy
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import state_entry as entry
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.room import measure
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_copy import Mirror, refuse_foreign_mount
from ansible_collections.openclaw.hardening.plugins.module_utils._files import descent
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import open_here, remove_tree


@pytest.fixture
def state(tmp_path) -> Iterator[Path]:
    top = tmp_path / "state"
    (top / "agents/main").mkdir(parents=True)
    (top / "agents/main/log").write_text("a line\n")
    (top / "workspace").mkdir()
    (top / "workspace/report").write_text("the operator's own")
    (top / "db").write_bytes(b"pages")
    (top / "db").chmod(0o600)
    yield top
    handle = os.open(tmp_path, os.O_RDONLY)
    for name in os.listdir(handle):  # pytest itself cannot remove what is nested
        remove_tree(handle, name)
    os.close(handle)


@pytest.fixture
def copy(tmp_path) -> Path:
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy"


def mirror(source: Path, target: Path, **options) -> Mirror:
    return Mirror(str(source), str(target), ("workspace",), **options)


def back(copy: Path, state: Path, **options) -> Mirror:
    """Bring a copy back."""
    restoring = mirror(copy, state, restoring=True, **options)
    restoring.run()
    return restoring


def contents(top: Path) -> dict[str, object]:
    """Return what a tree is made of, but for the workspace."""
    found: dict[str, object] = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if name.split("/", maxsplit=1)[0] == "workspace":
            continue
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[name] = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_mtime_ns, content)
    return found


def settled(state: Path) -> None:
    """Let what was just written be old enough to be recognised."""
    time.sleep(0.05)
    assert state.exists()


def test_a_copy_is_equal_and_leaves_the_workspace_out(state, copy):
    assert mirror(state, copy).run() == 2
    assert contents(copy) == contents(state)
    assert not (copy / "workspace").exists()


def test_what_is_the_same_is_not_copied_again(state, copy):
    settled(state)
    copying = mirror(state, copy)
    assert copying.run() == 2
    assert copying.run() == 0
    (state / "db").write_bytes(b"other")
    os.utime(state / "db", ns=(1, (copy / "db").stat().st_mtime_ns))  # the time of before: its owner may set it
    assert copying.run() == 1
    assert (copy / "db").read_bytes() == b"other"


def test_the_way_back_brings_everything_back_and_leaves_the_workspace_alone(state, copy):
    before = contents(state)
    mirror(state, copy).run()
    (state / "db").write_bytes(b"migrated forward")
    (state / "new").mkdir()
    (state / "new/file").write_text("x")
    (state / "agents/main/log").unlink()
    (state / "workspace/report").write_text("more of it")
    back(copy, state)
    assert contents(state) == before
    assert (state / "workspace/report").read_text() == "more of it"


def test_links_are_copied_and_not_followed(state, copy, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / "secret").write_text("root's")
    (state / "link").symlink_to(victim)
    (copy / "agents").symlink_to(victim)  # planted where the copy goes
    mirror(state, copy).run()
    assert os.readlink(copy / "link") == str(victim)
    assert (copy / "agents/main/log").read_text() == "a line\n"
    assert sorted(os.listdir(victim)) == ["secret"]
    assert stat.S_IMODE(victim.stat().st_mode) == 0o700


def test_a_hard_link_planted_in_the_target_keeps_its_content(state, copy, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("another user's")
    os.link(victim, copy / "db")
    mirror(state, copy).run()
    assert victim.read_text() == "another user's"
    assert (copy / "db").read_bytes() == b"pages"


def test_pipes_and_sockets_are_left_out_and_do_not_block(state, copy):
    os.mkfifo(state / "pipe")
    os.mkfifo(copy / "db")  # something else in the place of a file
    mirror(state, copy).run()
    assert sorted(os.listdir(copy)) == ["agents", "db"]
    assert (copy / "db").read_bytes() == b"pages"


def test_a_hole_stays_a_hole(state, copy):
    with (state / "sparse").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 30)
        file.write(b"x")
    mirror(state, copy).run()
    found = (copy / "sparse").stat()
    assert found.st_size == 1 << 40
    assert found.st_blocks * 512 < 1 << 20


def test_an_earlier_copy_is_shared_and_never_changed(state, copy, tmp_path):
    settled(state)
    mirror(state, copy).run()
    (state / "db").write_bytes(b"newer")
    later = tmp_path / "later"
    later.mkdir()
    mirror(state, later, reuse=str(copy)).run()
    assert (later / "agents/main/log").stat().st_ino == (copy / "agents/main/log").stat().st_ino
    assert (later / "db").read_bytes() == b"newer"
    assert (copy / "db").read_bytes() == b"pages"


def test_a_state_that_is_nested_on_purpose_is_copied_brought_back_and_removed(state, copy):
    nest(state / "deep", 1500)
    mirror(state, copy).run()
    assert depth(copy / "deep") == 1500
    handle = os.open(state, os.O_RDONLY)
    remove_tree(handle, "deep")
    os.close(handle)
    back(copy, state)
    assert depth(state / "deep") == 1500
    assert measure(str(state), ("workspace",)).files == 1506
    handle = os.open(copy, os.O_RDONLY)
    remove_tree(handle, "deep")
    assert sorted(os.listdir(handle)) == ["agents", "db"]
    os.close(handle)


def depth(top: Path) -> int:
    handle, levels = os.open(top, os.O_RDONLY), 0
    while os.listdir(handle):
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle, levels = inner, levels + 1
    os.close(handle)
    return levels


def nest(top: Path, levels: int) -> None:
    top.mkdir()
    handle = os.open(top, os.O_RDONLY)
    for _level in range(levels):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)


def test_a_live_copy_is_of_one_moment(state, copy):
    """Two files that are always written one after the other: no copy may have the second newer than the first."""
    first, second = state / "a", state / "b"
    stop = threading.Event()

    def write() -> None:
        for number in range(10**9):
            first.write_text(str(number))
            second.write_text(str(number))
            if stop.wait(0.2):
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.1)
        for _turn in range(5):
            if mirror(state, copy).run_live():
                assert int((copy / "a").read_text()) >= int((copy / "b").read_text())
    finally:
        stop.set()
        writer.join()


def test_a_state_that_never_rests_is_output_so(state, copy):
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.001):
            (state / "db").write_bytes(os.urandom(16))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert mirror(state, copy).run_live() is False
    finally:
        stop.set()
        writer.join()


# --- a file that looks like another one ---------------------------------------------------------------------------

NPM = (499162500_000000000, 499162500_000000000)  # 1985-10-26, which npm gives to every file that it packs


def rewrite(path: Path, content: bytes) -> None:
    """Give a file another content of the same size, and all of its times again."""
    found = path.stat()
    assert found.st_size == len(content)
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.fixture
def package(state) -> Path:
    (state / "package.json").write_bytes(b'{"version": "1.2.3"}')
    os.utime(state / "package.json", ns=NPM)
    return state / "package.json"


def test_an_older_copy_that_only_looks_the_same_is_not_taken(state, copy, package, tmp_path):
    settled(state)
    mirror(state, copy).run()
    rewrite(package, b'{"version": "1.2.4"}')
    later = tmp_path / "later"
    later.mkdir()
    mirror(state, later, reuse=str(copy)).run()
    assert (later / "package.json").read_bytes() == b'{"version": "1.2.4"}'
    assert (copy / "package.json").read_bytes() == b'{"version": "1.2.3"}'
    assert (later / "db").stat().st_ino == (copy / "db").stat().st_ino


def test_the_way_back_does_not_trust_looks(state, copy, package):
    mirror(state, copy).run()
    rewrite(package, b'{"version": "1.2.4"}')
    back(copy, state)
    assert package.read_bytes() == b'{"version": "1.2.3"}'
    settled(state)
    inode = package.stat().st_ino
    assert back(copy, state)._changed == 0
    assert package.stat().st_ino == inode


def test_a_copy_that_is_there_is_not_trusted_by_its_looks(state, copy, package):
    settled(state)
    mirror(state, copy).run()
    rewrite(package, b'{"version": "1.2.4"}')
    mirror(state, copy).run()  # another run, which remembers nothing
    assert (copy / "package.json").read_bytes() == b'{"version": "1.2.4"}'


def test_what_is_written_through_a_mapping_is_not_missed(state, copy):
    """The kernel changes the times at the first such write only, until the page was written back."""
    with (state / "db").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:1] = b"1"
        settled(state)
        copying = mirror(state, copy)
        copying.run()
        mapped[0:1] = b"2"
        copying.run()
        assert (copy / "db").read_bytes() == b"2ages"


def test_a_clock_that_was_set_back_makes_everything_doubtful(state, copy, monkeypatch):
    settled(state)
    copying = mirror(state, copy)
    copying.run()
    (copy / "db").write_bytes(b"wrong")
    copying.run()
    assert (copy / "db").read_bytes() == b"wrong"  # nothing else writes there, so it is not looked at
    offset = entry.clock_offset()
    monkeypatch.setattr(entry, "clock_offset", lambda: offset - 30 * 10**9)
    copying.run()
    assert (copy / "db").read_bytes() == b"pages"


def test_a_file_system_that_does_not_track_mappings_is_compared(state, copy, monkeypatch):
    settled(state)
    monkeypatch.setattr(state_copy, "_TRACKING", frozenset())
    copying = mirror(state, copy)
    copying.run()
    (copy / "db").write_bytes(b"wrong")
    copying.run()
    assert (copy / "db").read_bytes() == b"pages"


# --- nothing is left beside the names -----------------------------------------------------------------------------


def test_a_second_pass_over_a_change_of_owner_or_mode_leaves_no_temporary_name(state, copy, tmp_path):
    settled(state)
    mirror(state, copy).run()
    later = tmp_path / "later"
    later.mkdir()
    second = mirror(state, later, reuse=str(copy))
    second.run()
    os.utime(state / "db")  # only the change time is another one afterwards
    os.utime(state / "db", ns=((copy / "db").stat().st_atime_ns, (copy / "db").stat().st_mtime_ns))
    second.run()
    assert sorted(os.listdir(later)) == ["agents", "db"]
    back(later, state)
    assert sorted(os.listdir(state)) == ["agents", "db", "workspace"]


def test_a_temporary_name_of_a_killed_run_never_comes_back(state, copy):
    name = entry.temporary_name()
    mirror(state, copy).run()
    (copy / name).write_text("half a file")
    (state / "agents" / name).write_text("half a file")
    back(copy, state)
    assert not list(state.rglob("*.hardening-tmp"))
    (state / "agents" / name).write_text("half a file")
    mirror(state, copy).run()
    assert not list(copy.rglob("*.hardening-tmp"))


# --- a state that its owner made hard to copy ---------------------------------------------------------------------


def test_a_lease_is_left_out_and_reported_and_not_removed_on_the_way_back(state, copy):
    handle = os.open(state / "db", os.O_RDWR)
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    previous = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        copying = mirror(state, copy, marks=True)
        copying.run()
        assert (copying.busy, copying.left) == (True, ["'db' (held by another process)"])
        assert "'db' (held by another process)" in copying.warning()
    finally:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        os.close(handle)
        signal.signal(signal.SIGIO, previous)
    (state / "db").write_bytes(b"newer")
    (state / "agents/main/log").write_text("newer")
    assert back(copy, state).warning() == ""
    assert (state / "db").read_bytes() == b"newer"  # there is nothing to go back to
    assert (state / "agents/main/log").read_text() == "a line\n"
    copying.run()  # when nobody holds it any more
    assert (copying.busy, copying.warning(), (copy / "db").read_bytes()) == (False, "", b"newer")


def test_a_lease_that_is_given_back_is_waited_for(state, copy):
    handle = os.open(state / "db", os.O_RDWR)
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    previous = signal.signal(signal.SIGIO, signal.SIG_IGN)
    timer = threading.Timer(0.5, lambda: fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK))
    timer.start()
    try:
        copying = mirror(state, copy, marks=True)
        copying.run_rested(20)
        assert (copying.warning(), (copy / "db").read_bytes()) == ("", b"pages")
    finally:
        timer.join()
        os.close(handle)
        signal.signal(signal.SIGIO, previous)


def test_names_of_every_kind_are_copied(state, copy):
    names = [b"\xff\xfe", b"n" * 255, b"line\nend", b"-rf *", b".hidden", "\u202eevil".encode()]
    for name in names:
        (state / os.fsdecode(name)).write_text("x")
    before = contents(state)
    assert mirror(state, copy).run() == 8
    assert contents(copy) == before
    (state / os.fsdecode(names[0])).unlink()
    back(copy, state)
    assert contents(state) == before


def test_what_is_named_is_escaped_and_short(state, copy, monkeypatch):
    (state / "evil\n\x1b[2J\udcff").write_text("x")
    for number in range(100):
        (state / f"file{number:03}").write_text("x")
    refuse(monkeypatch, errno.EIO, lambda name: name.startswith(("evil", "file")))
    copying = mirror(state, copy, marks=True)
    copying.run()
    assert r"'evil\n\x1b[2J\udcff' (Input/output error)" in copying.warning()
    assert copying.warning().endswith(" and 91 more")
    assert copying.warning().isprintable()
    assert len(copying.warning()) < 2000


def refuse(monkeypatch, code: int, chosen: Callable[[str], bool]) -> None:
    """Let the kernel refuse to open some names."""

    def opening(name: str, flags: int, folder: int) -> int:
        if chosen(name):
            raise OSError(code, os.strerror(code))
        return open_here(name, flags, folder)

    monkeypatch.setattr(state_copy, "open_here", opening)


def test_a_directory_that_cannot_be_read_is_left_out_and_stays(state, copy, monkeypatch):
    with monkeypatch.context() as context:
        refuse(context, errno.ESTALE, lambda name: name == "agents")
        copying = mirror(state, copy, marks=True)
        copying.run()
        assert copying.left == [f"'agents' ({os.strerror(errno.ESTALE)})"]
    back(copy, state)
    assert (state / "agents/main/log").read_text() == "a line\n"


def test_a_copy_that_runs_out_of_what_the_host_has_fails(state, copy, monkeypatch):
    refuse(monkeypatch, errno.EMFILE, lambda name: name == "db")
    with pytest.raises(HardeningError, match="at 'db'"):
        mirror(state, copy, marks=True).run()


def test_a_few_descriptors_are_enough(state, copy):
    nest(state / "deep", 300)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 3 * 66 + 20, hard))
    try:
        mirror(state, copy).run()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert depth(copy / "deep") == 300
    assert len(os.listdir("/proc/self/fd")) == open_now


def test_a_deep_directory_that_is_moved_meanwhile_is_left_out(state, copy, monkeypatch):
    nest(state / "deep", 100)
    path = "deep/" + "/".join(["d"] * 80)

    def moving(name: str, flags: int, folder: int) -> int:
        if name == ".." and (state / path).exists():
            os.rename(state / path, state / "moved")
        return open_here(name, flags, folder)

    monkeypatch.setattr(descent, "open_here", moving)
    copying = mirror(state, copy)
    copying.run()
    assert "moved while it was copied" in copying.warning()
    assert (copy / "db").read_bytes() == b"pages"


def test_a_file_that_grows_while_it_is_copied_ends(state, copy, monkeypatch):
    real = os.pread

    def growing(handle: int, length: int, place: int) -> bytes:
        with (state / "db").open("ab") as file:
            file.write(b"x" * 4096)
        return real(handle, length, place)

    monkeypatch.setattr(os, "pread", growing)
    mirror(state, copy).run()
    assert (copy / "db").read_bytes().startswith(b"pages")
    assert (copy / "db").stat().st_size < (state / "db").stat().st_size


def test_a_file_of_many_holes_stays_so(state, copy):
    with (state / "sparse").open("wb") as file:
        for number in range(200):
            file.seek(number << 26)
            file.write(b"x" * 10)
        file.truncate(1 << 42)
    mirror(state, copy).run()
    assert (copy / "sparse").stat().st_blocks <= (state / "sparse").stat().st_blocks
    back(copy, state)  # compared by data, too
    assert (state / "sparse").stat().st_size == 1 << 42


def test_a_file_that_outgrows_the_disk_fails_before_it_is_full(state, copy, monkeypatch):
    (state / "db").write_bytes(os.urandom(1 << 20))
    monkeypatch.setattr(entry, "_CHECKED", 1 << 19)
    monkeypatch.setattr(entry, "RESERVE", 1 << 60)
    with pytest.raises(HardeningError, match="No space left"):
        mirror(state, copy).run()
    assert not list(copy.rglob("*.hardening-tmp"))


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, and changes attributes")


@needs_root
def test_a_mount_point_in_it_is_left_out_and_left_alone(state, copy, tmp_path):
    (state / "mounted").mkdir()
    (state / "mounted/below").write_text("hidden by the mount")
    other = tmp_path / "other"
    other.mkdir()
    (other / "theirs").write_text("not the service's")
    with mounted("--bind", other, state / "mounted"):
        copying = mirror(state, copy, marks=True)
        copying.run()
        assert copying.left == ["'mounted' (a mount point)"]
        assert measure(str(state), ("workspace",)).files == 5
        back(copy, state)
        assert (other / "theirs").read_text() == "not the service's"
        (copy / "mounted").unlink()
        restoring = back(copy, state)  # not in the copy at all
        assert restoring.left == ["'mounted' (a mount point)"]
        assert (other / "theirs").exists()
    assert (state / "mounted/below").exists()


@needs_root
def test_what_cannot_be_exchanged_is_reported_and_the_rest_comes_back(state, copy):
    mirror(state, copy).run()
    (state / "db").write_bytes(b"newer")
    (state / "agents/main/log").write_text("newer")
    (state / "junk").write_text("x")
    if subprocess.run(["chattr", "+i", state / "db", state / "junk"], check=False, capture_output=True).returncode:
        pytest.skip("this file system has no such attribute")
    try:
        restoring = back(copy, state)
    finally:
        subprocess.run(["chattr", "-i", state / "db", state / "junk"], check=True)
    assert sorted(restoring.left) == ["'db' (Operation not permitted)", "'junk' (Operation not permitted)"]
    assert (state / "agents/main/log").read_text() == "a line\n"


@contextmanager
def mounted(*argv: str | Path) -> Iterator[None]:
    if subprocess.run(["mount", *argv], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        yield
    finally:
        subprocess.run(["umount", argv[-1]], check=True)


def test_a_file_system_that_another_user_mounted_over_it_is_refused_before_it_is_declared(tmp_path, monkeypatch):
    line = f"40 28 0:40 / {tmp_path} rw - fuse.sshfs theirs rw,user_id=1000,group_id=1000\n"
    known = tmp_path / "mountinfo"
    known.write_text(f"28 1 254:0 / / rw - ext4 /dev/vda rw\n{line}")
    real = open
    monkeypatch.setattr("builtins.open", lambda path, *rest: real(known if "mountinfo" in str(path) else path, *rest))
    with pytest.raises(HardeningError, match=r"user 1000 mounted at .*umount --lazy -- "):
        refuse_foreign_mount(str(tmp_path / "state"))
    known.write_text(known.read_text().replace("user_id=1000", "user_id=0"))
    refuse_foreign_mount(str(tmp_path / "state"))
