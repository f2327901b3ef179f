# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of an audit, and what those are that are not given: of the module, and of what audits without Ansible."""

from __future__ import annotations

from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import DOCKER_ARGUMENTS
from ansible_collections.openclaw.hardening.plugins.module_utils._instance import names
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import WAIVER_ARGUMENTS

AUDIT_ARGUMENTS: dict[str, Any] = {
    "instance": {"type": "str", "default": "openclaw"},
    "containers": {"type": "list", "elements": "str", "default": []},
    "project": {"type": "str", "default": ""},
    "account": {"type": "str"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "capabilities": {"type": "list", "elements": "str", "default": []},
    "units": {"type": "dict"},
    "record": {"type": "str"},
    "image_max_age_days": {"type": "int", "default": 30},
    "docker_users": {"type": "list", "elements": "str", "default": []},
    **WAIVER_ARGUMENTS,
    **DOCKER_ARGUMENTS,
}


def complete(params: dict[str, Any]) -> None:
    """Fill in what was not given: what the instance has, or nothing for containers that may be anybody's."""
    own = names(params["instance"], "instance")
    given: dict[str, Any] = {"account": "", "units": {}, "record": ""}
    if not params["containers"] and not params["project"]:
        groups: dict[str, dict[str, float]] = own["unit_groups"]  # type: ignore[assignment]
        # These have no schedule unless one is set.
        expected = [group for name, group in groups.items() if name not in ("backup", "update")]
        units = {unit: limit for group in expected for unit, limit in group.items()}
        given = {"account": own["name"], "units": units, "record": own["image_record"]}
        params["containers"] = [own["container"]]
    for name, value in given.items():
        if params[name] is None:
            params[name] = value
