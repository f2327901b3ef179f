# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action rollout_report: how a rollout went, host by host, made on the controller."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from typing import Any

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import printable
from ansible_collections.openclaw.hardening.plugins.plugin_utils._controller_action import ControllerAction
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import files as report_files
from ansible_collections.openclaw.hardening.plugins.plugin_utils._rollout import summary

FILE = "openclaw-rollout.json"
ARGUMENT_SPEC: dict[str, Any] = {
    "hosts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "deployment": {"type": "dict", "default": {}},
            "outcome": {"type": "dict", "default": {}},
        },
    },
    "skipped": {"type": "list", "elements": "str", "default": []},
    "directory": {"type": "str", "default": ""},
}


class ActionModule(ControllerAction):
    """Makes the rows, then the file, then the table."""

    argument_spec = ARGUMENT_SPEC

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Report."""
        rows = [
            summary.row(item["name"], item, skipped=item["name"] in options["skipped"]) for item in options["hosts"]
        ]
        made = summary.document(rows, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
        files = self._write(options["directory"], made)
        display = Display()
        for line, colour in summary.lines(rows, max(120, display.columns)):
            display.display(line, color=getattr(constants, colour) if colour else None)
        bad = [row.host for row in rows if row.bad]
        return {"changed": bool(files), "files": files, "failed_hosts": bad, "summary": made}

    def _write(self, directory: str, made: dict[str, Any]) -> list[str]:
        if not directory:
            return []
        directory = os.path.abspath(os.path.expanduser(printable("directory", directory)))
        report_files.vet(directory, [FILE])
        if not self._task.check_mode:
            report_files.write(directory, {FILE: json.dumps(made, indent=2) + "\n"})
        return [os.path.join(directory, FILE)]
