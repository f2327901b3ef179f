# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Change the content of a file and keep its inode: a container that mounts the single file sees the new content.

A file that is exchanged instead (``atomic``) is another inode, which such a container never sees.
"""

from __future__ import annotations

import errno
import os
import stat

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import failures, opened, parent


def overwrite(path: str, content: bytes) -> None:
    """Write ``content`` into the regular file at ``path``; owner and mode stay.

    The new bytes are written in one call before the file is cut to their length, so that no reader finds it empty.

    :raises HardeningError: it is no regular file with one name, or a link is on the way.
    """
    with failures(path), parent(path) as there, opened(*there, path, os.O_RDWR | os.O_NONBLOCK) as handle:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise HardeningError(path, "something else than before", "a regular file with one name")
        if os.pwrite(handle, content, 0) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        os.ftruncate(handle, len(content))
        os.fsync(handle)
