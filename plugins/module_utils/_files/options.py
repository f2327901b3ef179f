# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options in which several modules take files and secrets, and what becomes of them."""

from __future__ import annotations

import base64
import zlib
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    encoded,
    integer,
    octal_mode,
    own_path,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ManagedFile

# Paths are "str": the type "path" would expand a $ before it can be refused.
PATH: dict[str, Any] = {"type": "str", "required": True}
OWNER: dict[str, Any] = {"uid": {"type": "int", "default": 0}, "gid": {"type": "int", "default": 0}}
FILE: dict[str, Any] = {
    "path": PATH,
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
    **OWNER,
}
# A program that is no text.
BINARY_FILE: dict[str, Any] = {**FILE, "encoding": {"type": "str", "choices": ["utf-8", "gzip"], "default": "utf-8"}}
SECRET: dict[str, Any] = {
    "path": PATH,
    "value": {"type": "str", "required": True, "no_log": True},
    "mode": {"type": "str", "default": "0400"},
    **OWNER,
}
_HIGHEST_ID = 2**32 - 2
# What zlib.decompressobj takes for gzip, and the most that is unpacked.
_GZIP = 31
_LARGEST = 16 << 20


def owner(option: str, item: dict[str, Any]) -> tuple[int, int]:
    """Return uid and gid, or refuse them."""
    uid = integer(f"{option}.uid", item["uid"], 0, _HIGHEST_ID)
    return uid, integer(f"{option}.gid", item["gid"], 0, _HIGHEST_ID)


def managed_files(params: dict[str, Any]) -> tuple[ManagedFile, ...]:
    """Return what ``files`` and ``secrets`` ask for, or refuse it; nobody else may read a secret."""
    entries = [("files", item, _content(item), 0o022) for item in params["files"]]
    entries += [("secrets", item, encoded("secrets.value", item["value"]), 0o077) for item in params["secrets"]]
    return tuple(
        ManagedFile(
            own_path(f"{option}.path", item["path"]),
            content,
            octal_mode(f"{option}.mode", item["mode"], forbid_bits=forbidden),
            *owner(option, item),
            secret=option == "secrets",
        )
        for option, item, content, forbidden in entries
    )


def _content(item: dict[str, Any]) -> bytes:
    """Return the bytes of a file."""
    if item.get("encoding", "utf-8") == "utf-8":
        return encoded("files.content", item["content"])
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        content = unpacker.decompress(base64.b64decode(item["content"], validate=True), _LARGEST)
    except (ValueError, zlib.error):
        content = b""
    if not content or not unpacker.eof or unpacker.unused_data:
        needed = f"base64 of one gzip stream of at most {_LARGEST >> 20} MiB, or 'encoding' utf-8"
        raise HardeningError("files.content", "something else", needed, "files")
    return content
