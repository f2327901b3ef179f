"""The manifest of a backup: written and read again, and what no backup has is refused."""

from __future__ import annotations

import json

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import manifest as contents
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manifest import About, Entry, Manifest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

FILE = Entry("file", 0o600, 5, 3, "a" * 64)
ABOUT = About("2026-11-30T03:45:00+00:00", "openclaw", "alpha", left_out=("secrets",), policy={"bind": "lan"})


def test_what_is_written_is_read_again() -> None:
    odd = "state/\udcff\n-rf"
    entries = {"state/a": FILE, "state/d": Entry("directory", 0o700), odd: Entry("link", 0o777, target="/etc/\udcfe")}
    written = contents.build(Manifest(ABOUT, entries))
    assert contents.parse(written) == Manifest(ABOUT, entries)
    assert written.isascii()
    assert contents.digest(written) == contents.digest(contents.build(Manifest(ABOUT, dict(reversed(entries.items())))))


@pytest.mark.parametrize(
    "path",
    ["", "x", "/etc/passwd", "state", "state/", "state//a", "state/../../etc/passwd", "state/./a", "other/a",
     "state/a\0b", "manifest.json", f"state/{'x' * 256}", "state/" + "d/" * 40000 + "a"],
)  # fmt: skip
def test_a_path_out_of_the_backup_is_refused(path: str) -> None:
    document = json.loads(contents.build(Manifest(ABOUT, {"state/a": FILE})))
    document["entries"] = {path: document["entries"]["state/a"]}
    with pytest.raises(HardeningError, match="nothing was changed"):
        contents.parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "device"},
        {"kind": "file", "mode": 0o4755},
        {"kind": "file", "mode": -1},
        {"kind": "file", "mode": True},
        {"kind": "file", "sha256": "x"},
        {"kind": "file", "size": -1},
        {"kind": "link", "target": ""},
        {"kind": "link", "target": "a\0b"},
        {"more": 1},
        [],
        None,
    ],
)
def test_an_entry_that_no_backup_has_is_refused(entry: object) -> None:
    document = json.loads(contents.build(Manifest(ABOUT, {"state/a": FILE})))
    whole = {**document["entries"]["state/a"], **entry} if isinstance(entry, dict) else entry
    document["entries"]["state/a"] = whole
    with pytest.raises(HardeningError, match="manifest that cannot be read"):
        contents.parse(json.dumps(document).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"format": 2}', b"[" * 100000])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(HardeningError, match="manifest that cannot be read"):
        contents.parse(content)


def test_nothing_is_below_a_link() -> None:
    entries = {"state/a": Entry("link", 0o777, target="/etc"), "state/a/passwd": FILE}
    with pytest.raises(HardeningError, match="no directory"):
        contents.parse(contents.build(Manifest(ABOUT, entries)))


def test_disagreements_are_named() -> None:
    manifest = Manifest(ABOUT, {"state/a": FILE, "state/b": FILE, "state/d": Entry("directory", 0o700)})
    other = Entry("file", 0, 0, 3, "b" * 64)
    assert list(contents.disagreements(manifest, {"state/a": FILE, "state/b": FILE})) == []
    found = list(contents.disagreements(manifest, {"state/b": other, "state/c": FILE}))
    assert found == ["no 'state/a'", "'state/c', which its manifest does not name", "another content of 'state/b'"]
