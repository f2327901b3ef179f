# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a regular file that another user may exchange: opening never waits (a FIFO, a device), reading has an end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

MAX_SIZE = 1 << 20
_PIECE = 1 << 20


@contextmanager
def regular(path: str, *, follow: bool = True) -> Iterator[BinaryIO]:
    """Open a regular file for reading.

    :param follow: follow a link in the last part of the path.
    :raises OSError: it is anything else (EINVAL), or cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "no regular file", path)
        yield file


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """Read as much as the file had when this began: one that another process goes on writing has no end."""
    left = os.fstat(file.fileno()).st_size
    while left and (piece := file.read(min(_PIECE, left))):
        left -= len(piece)
        yield piece


def read_text(path: str) -> str:
    """Return a text file that may be anything, up to 1 MiB; a unit that is masked has none."""
    if os.path.realpath(path) == os.devnull:
        return ""
    with regular(path) as file:
        return file.read(MAX_SIZE).decode("utf-8", "replace")
