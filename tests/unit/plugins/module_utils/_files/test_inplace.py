"""A file that is changed in place: the same inode with the new bytes, and nothing else than a regular file."""

from __future__ import annotations

import os

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files import inplace

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.mark.parametrize("content", [b"new", b"a longer one than before", b"", b"other"])
def test_the_inode_owner_and_mode_stay(tmp_path, content):
    path = tmp_path / "secret"
    path.write_bytes(b"other")
    path.chmod(0o400)
    os.chown(path, 1234, 1235)
    before = path.stat()
    inplace.overwrite(str(path), content)
    after = path.stat()
    assert path.read_bytes() == content
    assert (after.st_ino, after.st_mode, after.st_uid, after.st_gid) == (
        before.st_ino,
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


@pytest.mark.parametrize("kind", ["link", "fifo", "hard link", "nothing"])
def test_anything_else_is_left_alone(tmp_path, kind):
    target, path = tmp_path / "target", tmp_path / "secret"
    target.write_bytes(b"kept")
    if kind == "link":
        path.symlink_to(target)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "hard link":
        path.hardlink_to(target)
    with pytest.raises(HardeningError):
        inplace.overwrite(str(path), b"new")
    assert target.read_bytes() == b"kept"
