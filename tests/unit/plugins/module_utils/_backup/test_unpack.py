"""An archive is unpacked into a directory of root when it is exactly what its manifest names; nothing else is."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import archive
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import manifest as contents
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manifest import About, Entry, Manifest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.unpack import Unpacker
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

ABOUT = About("2026-11-30T03:45:00+00:00", "openclaw", "alpha")


def entry(data: bytes, mode: int = 0o640) -> Entry:
    return Entry("file", mode, 1_700_000_000_123_456_789, len(data), hashlib.sha256(data).hexdigest())


FILES = {"state/a": b"text", "state/\udcff\n-rf": b"odd", "state/" + "d/" * 200 + "x": b"deep"}
ENTRIES = {
    **{path: entry(data) for path, data in FILES.items()},
    "state/empty": Entry("directory", 0o750, 1_600_000_000_000_000_000),
    "state/link": Entry("link", 0o777, 5, target="/etc/passwd"),
}


def stream(
    files: dict[str, bytes] | None = None, entries: dict[str, Entry] | None = None, *, behind: bytes = b""
) -> io.BytesIO:
    files, entries = FILES if files is None else files, ENTRIES if entries is None else entries
    parts = [archive.member(path, len(data)) + data + archive.finish(len(data)) for path, data in files.items()]
    written = contents.build(Manifest(ABOUT, entries))
    parts += [
        archive.member("manifest.json", len(written)) + written + archive.finish(len(written)),
        behind,
        archive.END,
    ]
    return io.BytesIO(b"".join(parts))


def test_everything_is_as_it_was(tmp_path: Path) -> None:
    manifest, digest = Unpacker(str(tmp_path)).run(stream())
    assert manifest.entries == ENTRIES
    assert digest == contents.digest(contents.build(manifest))
    for path, data in FILES.items():
        assert (tmp_path / path).read_bytes() == data
        found = os.lstat(tmp_path / path)
        assert (found.st_mode & 0o7777, found.st_mtime_ns) == (0o640, 1_700_000_000_123_456_789)
    assert (tmp_path / "state/empty").stat().st_mode & 0o7777 == 0o750
    assert os.readlink(tmp_path / "state/link") == "/etc/passwd"


def test_to_prove_it_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Unpacker("").run(stream())[0].entries == ENTRIES
    assert os.listdir(tmp_path) == []


def without(path: str) -> dict[str, bytes]:
    return {name: data for name, data in FILES.items() if name != path}


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (stream({**FILES, "state/a": b"tex!"}), "another content"),
        (stream({**FILES, "state/a": b"longer"}), "another content"),
        (stream(without("state/a")), "no 'state/a'"),
        (stream({**FILES, "state/b": b""}), "does not name"),
        (stream({**FILES, "../etc/cron.d/x": b"x"}), "the path"),
        (stream({**FILES, "state/../../x": b"x"}), "the path"),
        (stream({**FILES, "/etc/x": b"x"}), "the path"),
        (stream(behind=archive.member("state/z", 0)), "behind its manifest"),
        (io.BytesIO(archive.END), "no manifest"),
        (io.BytesIO(b""), "cut off"),
        (stream(entries={**ENTRIES, "state/link/x": entry(b"")}), "no directory"),
        (stream(entries={**ENTRIES, "state/a": Entry("link", 0o777, target="/etc")}), "does not name"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(tmp_path: Path, made: io.BytesIO, found: str) -> None:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    for place in (str(folder), ""):
        made.seek(0)
        with pytest.raises(HardeningError, match=found):
            Unpacker(place).run(made)
    assert os.listdir(tmp_path) == ["in"]
    assert os.listdir(tmp_path / "in") == ["here"]
    assert not (folder / "state/link").is_symlink()


def test_a_file_twice_is_refused(tmp_path: Path) -> None:
    twice = archive.member("state/a", 0) * 2
    with pytest.raises(HardeningError, match="second time"):
        Unpacker(str(tmp_path)).run(io.BytesIO(twice + archive.END))


def test_no_room_is_refused_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.openclaw.hardening.plugins.module_utils._backup.unpack._CHECKED", 1)

    def full(*_arguments: object) -> None:
        raise HardeningError("x", "0 MiB free", "more")

    monkeypatch.setattr("ansible_collections.openclaw.hardening.plugins.module_utils._backup.unpack.need_space", full)
    with pytest.raises(HardeningError, match="0 MiB free"):
        Unpacker(str(tmp_path)).run(stream())
