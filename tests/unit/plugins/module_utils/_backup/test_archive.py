"""One tar stream through real programs: what is written is read, by tar too, and anything else is refused."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import IO

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import archive
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

NAMES = ["state/a", "state/" + "d/" * 200 + "deep", "state/\u00e4 b", "state/\udcff\n-rf", "state/-x", "state/empty"]
SUFFIXES = ["tar.gz", *(["tar.zst"] if shutil.which("zstd") else [])]


def content(name: str) -> bytes:
    return b"" if name.endswith("empty") else os.fsencode(name) * 100


def fill(stream: IO[bytes]) -> None:
    for name in NAMES:
        data = content(name)
        stream.write(archive.member(name, len(data)) + data + archive.finish(len(data)))
    stream.write(archive.END)


def packed(path: Path, *sealed: str) -> tuple[int, str]:
    with path.open("wb") as file:
        return archive.pack(file.fileno(), str(path), sealed, 60, fill)


def unpacked(path: Path, *opened: str) -> dict[str, bytes]:
    with path.open("rb") as file, archive.unpack(file, str(path), opened, 60) as stream:
        return {name: b"".join(pieces) for name, _size, pieces in archive.members(stream)}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_packed_is_unpacked(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    size, digest = packed(path)
    assert size == path.stat().st_size
    assert digest == subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
    assert unpacked(path) == {name: content(name) for name in NAMES}


def test_tar_reads_it_without_a_word(tmp_path: Path) -> None:
    packed(tmp_path / "x.tar.gz")
    (tmp_path / "out").mkdir()
    plain = [name for name in NAMES if "\udcff" not in name]
    argv = ["tar", "xzf", "x.tar.gz", "-C", "out", "--", *plain]
    done = subprocess.run(
        argv, cwd=tmp_path, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert [line for line in done.stderr.splitlines() if "hdrcharset" not in line] == []
    assert all((tmp_path / "out" / name).read_bytes() == content(name) for name in plain)


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -30])
def test_one_that_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.tar.gz"
    packed(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(HardeningError, match="the archive"):
        unpacked(path)


def plain(path: Path, stream: bytes) -> None:
    path.write_bytes(subprocess.run(["gzip"], input=stream, capture_output=True, check=True).stdout)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        info = tarfile.TarInfo("state/x")
        info.type, info.linkname = kind, "/etc/passwd"
        made.addfile(info)
    plain(tmp_path / "x.tar.gz", buffer.getvalue())
    with pytest.raises(HardeningError, match="a link, a device"):
        unpacked(tmp_path / "x.tar.gz")


def test_what_another_tar_wrote_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/x").write_text("x")
    subprocess.run(["tar", "czf", "x.tar.gz", "state/x"], cwd=tmp_path, check=True)
    with pytest.raises(HardeningError):
        unpacked(tmp_path / "x.tar.gz")


def test_something_behind_the_end_is_refused(tmp_path: Path) -> None:
    plain(tmp_path / "x.tar.gz", archive.END + b"more")
    with pytest.raises(HardeningError, match="behind its end"):
        unpacked(tmp_path / "x.tar.gz")


def test_a_name_that_does_not_say_how_is_refused() -> None:
    with pytest.raises(HardeningError, match="the name"):
        archive.how("/x/backup.zip")


def test_a_full_disk_is_our_own_error() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="space") as caught:
        archive.pack(full.fileno(), "x.tar.gz", [], 60, fill)
    assert caught.value.errno == errno.ENOSPC


def test_a_program_that_fails_is_named(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file, pytest.raises(HardeningError, match=r"sh: found exit code 3 .canary"):
        archive.pack(file.fileno(), "x.tar.gz", ["sh", "-c", "cat >/dev/null; echo canary >&2; exit 3"], 60, fill)


def test_a_program_that_never_ends_is_ended(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file, pytest.raises(HardeningError, match="no end in time"):
        archive.pack(file.fileno(), "x.tar.gz", ["sleep", "60"], 1, fill)


def test_what_fails_while_it_is_filled_is_raised(tmp_path: Path) -> None:
    def fails(stream: IO[bytes]) -> None:
        stream.write(b"x" * 100)
        raise HardeningError("x", "y", "z")

    with (tmp_path / "x").open("wb") as file, pytest.raises(HardeningError, match="x: found y"):
        archive.pack(file.fileno(), "x.tar.gz", [], 60, fails)
