"""Write down what each module of the collection was asked for, so that hostile values can be put into real requests."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: requests_kept
type: aggregate
short_description: Keeps the arguments of the collection's modules as JSON
description:
  - Writes one file a run, a list of module and arguments, to the path that E(REQUESTS_KEPT) names.
options: {}
"""
PREFIX = "openclaw.hardening."


class CallbackModule(CallbackBase):
    """Collect the arguments with all defaults filled in, as the module saw them; secrets are masked by Ansible."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "requests_kept"

    def __init__(self):
        super().__init__()
        self.requests = []

    def v2_runner_on_ok(self, result):
        """Keep one request."""
        action = result.task.action
        if action.startswith(PREFIX):
            invocation = result.result.get("invocation") or {}
            arguments = invocation.get("module_args") or result.task.args
            self.requests.append([action.removeprefix(PREFIX), arguments])

    def v2_playbook_on_stats(self, stats):
        """Write the file."""
        path = os.environ.get("REQUESTS_KEPT")
        if path:
            Path(path).write_text(json.dumps(self.requests, indent=1, default=str))
