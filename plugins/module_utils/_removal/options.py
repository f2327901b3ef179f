# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a removal is asked to do: the options of the module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._backup.options import (
    BACKUP_ARGUMENTS,
    Request,
    refuse_inside,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.options import wanted_from as backup_from
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import integer, own_path
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.instances import names_of
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import OPTION

_BACKUP = ("workspace", "secrets", "recipient", "keep", "lock_files", "policy", "timeout")
ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["absent", "planned"], "default": "absent"},
    "instance": {"type": "str", "required": True},
    "data": {"type": "bool", "default": False},
    "backup": {"type": "dict", "options": {name: BACKUP_ARGUMENTS[name] for name in _BACKUP}},
    "backup_dir": {"type": "str", "default": ""},
    "lock_timeout": {"type": "int", "default": 600},
    "command_timeout": {"type": "int", "default": 300},
    **client.DOCKER_ARGUMENTS,
}


@dataclass(frozen=True)
class Desired:
    """One removal.

    :param names: every name and path of the instance.
    :param backup: the last backup; None: none is made.
    """

    names: Mapping[str, str]
    data: bool
    backup: Request | None
    backup_dir: str
    planned: bool
    docker_host: str
    lock_timeout: int


def wanted_from(params: dict[str, Any]) -> Desired:
    """Turn the options into a wish, or refuse them."""
    names = names_of(params["instance"])
    backup_dir = own_path("backup_dir", params["backup_dir"]) if params["backup_dir"] else names["backup_dir"]
    # Also without a last backup: the earlier ones would go with it.
    for key in ("home", "config_dir", "record_dir", "build_record_dir"):
        refuse_inside(backup_dir, names[key], "backup_dir")
    lock_timeout = integer("lock_timeout", params["lock_timeout"], 0, 86400)
    integer(OPTION, params[OPTION], 1, 3600)
    return Desired(
        names=names,
        data=params["data"],
        backup=_backup(params["backup"], names, backup_dir, lock_timeout) if params["backup"] is not None else None,
        backup_dir=backup_dir,
        planned=params["state"] == "planned",
        docker_host=client.docker_host(params["docker_host"]),
        lock_timeout=lock_timeout,
    )


def _backup(given: dict[str, Any], names: Mapping[str, str], directory: str, lock_timeout: int) -> Request:
    """Return the last backup as the module gateway_backup would take it."""
    own = {"project": names["name"], "directory": directory, "lock_timeout": lock_timeout}
    paths = {name: names[name] for name in ("state_dir", "config_dir", "record_dir")}
    defaults = {name: spec.get("default") for name, spec in BACKUP_ARGUMENTS.items()}
    return backup_from({**defaults, **given, **own, **paths})
