# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of a report on the controller: whole or not at all, for their owner only, never through a link."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError


def vet(directory: str, names: list[str]) -> None:
    """Refuse what cannot become the files of a report. Touches nothing."""
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise HardeningError(directory, "something that is not a directory", "a directory, or nothing", "directory")
    for name in names:
        path = os.path.join(directory, name)
        if os.path.isdir(path) and not os.path.islink(path):
            raise HardeningError(path, "a directory", "a file, or nothing", "directory")


def write(directory: str, contents: Mapping[str, str | bytes]) -> None:
    """Write all of them, each by a rename over what has its name (a link itself, not what it leads to)."""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for name, content in contents.items():
            _replace(os.path.join(directory, name), content)
    except OSError as error:
        found = f"{error.strerror} ({error.filename or directory})"
        raise HardeningError(directory, found, "a directory that can be written to", "directory") from error


def _replace(path: str, content: str | bytes) -> None:
    folder, name = os.path.split(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)  # made with the mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
