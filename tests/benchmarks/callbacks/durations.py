"""Write down how long each task of a run took, skipped ones too."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: durations
type: aggregate
short_description: Records how long each task took as JSON
description:
  - Writes the action, name and seconds of each task on each host into the file that E(DURATIONS_FILE) names.
options: {}
"""


class CallbackModule(CallbackBase):
    """Collect the durations and the hosts' sums."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "durations"

    def __init__(self):
        super().__init__()
        self.tasks = []
        self.started = time.monotonic()

    def v2_playbook_on_task_start(self, task, is_conditional):
        """Note the time."""
        self.started = time.monotonic()

    def _ended(self, result, skipped=False):
        self.tasks.append(
            {
                "action": result.task.action,
                "task": result.task.get_name(),
                "seconds": round(time.monotonic() - self.started, 3),
                "skipped": skipped,
                "changed": bool(result.result.get("changed")),
            }
        )

    def v2_runner_on_ok(self, result):
        """Keep a task that ran."""
        self._ended(result)

    def v2_runner_on_skipped(self, result):
        """Keep a task that did not run."""
        self._ended(result, skipped=True)

    def v2_playbook_on_stats(self, stats):
        """Write the file."""
        Path(os.environ["DURATIONS_FILE"]).write_text(json.dumps(self.tasks, indent=1))
