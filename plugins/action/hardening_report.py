# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action hardening_report: reports of what hardening_info proved on a fleet, made on the controller."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import printable
from ansible_collections.openclaw.hardening.plugins.plugin_utils._controller_action import ControllerAction
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import files as report_files
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import html as report_html
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import json_document, junit, sarif, table
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report.model import Fleet, fleet

FORMATS: dict[str, tuple[str, Callable[[Fleet], str]]] = {
    "json": ("openclaw-hardening.json", json_document.render),
    "junit": ("openclaw-hardening.xml", junit.render),
    "sarif": ("openclaw-hardening.sarif", sarif.render),
    "html": ("openclaw-hardening.html", report_html.render),
}
ARGUMENT_SPEC: dict[str, Any] = {
    "hosts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, "result": {"type": "raw"}},
    },
    "directory": {"type": "str", "default": ""},
    "formats": {"type": "list", "elements": "str", "choices": list(FORMATS), "default": list(FORMATS)},
    "title": {"type": "str", "default": "OpenClaw hardening"},
    "table": {"type": "bool", "default": True},
}


class ActionModule(ControllerAction):
    """Makes the fleet, then the files, then the table."""

    argument_spec = ARGUMENT_SPEC

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Report."""
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        made = fleet(options["title"], options["hosts"], now)
        files: list[str] = []
        if options["directory"]:
            directory = os.path.abspath(os.path.expanduser(printable("directory", options["directory"])))
            wanted = [FORMATS[name] for name in FORMATS if name in options["formats"]]
            report_files.vet(directory, [pair[0] for pair in wanted])
            contents = {name: render(made) for name, render in wanted}
            if not self._task.check_mode:
                report_files.write(directory, contents)
            files = [os.path.join(directory, name) for name in contents]
        if options["table"]:
            self._print(made)
        return {"changed": bool(files), "files": files, "summary": made.summary()}

    def _print(self, made: Fleet) -> None:
        display = Display()
        for line, colour in table.lines(made, display.columns, everything=display.verbosity > 0):
            display.display(line, color=getattr(constants, colour) if colour else None)
