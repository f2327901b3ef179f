# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of ``base_deployment``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    integer,
    object_name,
    own_path,
    plain,
    shown,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files.options import PATH

BASE_ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["found", "copied", "stopped", "retired", "running"], "default": "found"},
    "from": {"type": "str", "default": ""},
    "project": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "container_name": {"type": "str", "required": True},
    "definition": PATH,
    "record_dir": PATH,
    "image_id": {"type": "str", "default": ""},
    "image_ref": {"type": "str", "default": ""},
    "lock_timeout": {"type": "int", "default": 600},
}

_ON_HOST = re.compile(r"[a-z_][a-z0-9_-]{0,31}@(?:[A-Za-z0-9:_.@\\-]{1,240}\.service)?")


@dataclass(frozen=True)
class Request:
    """What is to be done with a base."""

    state: str
    named: str
    project: str
    service: str
    container: str
    definition: str
    record_dir: str
    image_id: str
    image_ref: str
    lock_timeout: int
    docker_host: str


def wanted_from(params: dict[str, Any]) -> Request:
    """Turn the options into a wish, or refuse them."""
    named = params["from"]
    if "@" in named and not _ON_HOST.fullmatch(named):
        needed = "the name of a container, or ACCOUNT@ or ACCOUNT@UNIT for what runs on the host itself"
        raise HardeningError("from", shown(named), needed, "from")
    return Request(
        state=params["state"],
        named=object_name("from", named) if named and "@" not in named else named,
        project=plain("project", params["project"]),
        service=plain("service", params["service"]),
        container=object_name("container_name", params["container_name"]),
        definition=own_path("definition", params["definition"]),
        record_dir=own_path("record_dir", params["record_dir"]),
        image_id=plain("image_id", params["image_id"]),
        image_ref=client.reference("image_ref", params["image_ref"]) if params["image_ref"] else "",
        lock_timeout=integer("lock_timeout", params["lock_timeout"], 0, 86400),
        docker_host=client.docker_host(params["docker_host"]),
    )
