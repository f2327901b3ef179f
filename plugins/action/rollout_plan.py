# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action rollout_plan: whether a fleet can be rolled out to, and in which order, decided on the controller."""

from __future__ import annotations

from typing import Any

from ansible_collections.openclaw.hardening.plugins.plugin_utils._controller_action import ControllerAction
from ansible_collections.openclaw.hardening.plugins.plugin_utils._rollout import plan as rollout_plan

ARGUMENT_SPEC: dict[str, Any] = {
    "hosts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "deployment": {"type": "dict", "default": {}},
            "account": {"type": "dict", "default": {}},
            "fault": {"type": "str", "default": ""},
        },
    },
    "canaries": {"type": "list", "elements": "str", "default": []},
    "batches": {"type": "list", "elements": "raw", "required": True},
    "unreachable": {"type": "str", "choices": ["stop", "skip"], "default": "stop"},
    "same_uid": {"type": "bool", "default": True},
    "hints": {"type": "dict", "default": {}},
}


class ActionModule(ControllerAction):
    """Decides, or refuses."""

    argument_spec = ARGUMENT_SPEC

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Decide."""
        rollout_plan.batches(options["batches"], options["hints"])
        hosts = [rollout_plan.candidate(item["name"], item, options["canaries"]) for item in options["hosts"]]
        plan = rollout_plan.plan(
            hosts,
            skip_unreachable=options["unreachable"] == "skip",
            same_uid=options["same_uid"],
            hints=options["hints"],
        )
        return {"changed": False, "order": list(plan.order), "skipped": list(plan.skipped)}
