# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the last run of a module that succeeded, for the jobs that repeat it without Ansible: root's alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ensure_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json, write_json

_FOLDER = "options"


def save(record_dir: str, kind: str, params: Mapping[str, Any]) -> None:
    """Write the options down, if they differ from those that are there.

    :param kind: which module: image, deploy.
    :param params: without any secret; what Ansible adds for itself is left out.
    """
    ensure_directory(f"{record_dir}/{_FOLDER}", 0o700, 0, 0)
    write_json(_path(record_dir, kind), {name: value for name, value in params.items() if not name.startswith("_")})


def read(record_dir: str, kind: str) -> dict[str, Any]:
    """Return the options; nothing where there are none that can be believed."""
    return read_json(_path(record_dir, kind))


def forget(record_dir: str, kind: str) -> None:
    """Remove the options: what they made is not what is used any more."""
    if managed.look_directory(f"{record_dir}/{_FOLDER}") is not None:
        managed.remove(_path(record_dir, kind))


def _path(record_dir: str, kind: str) -> str:
    return f"{record_dir}/{_FOLDER}/{kind}.json"
