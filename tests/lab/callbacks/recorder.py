"""Write down what each run of a playbook changed, so that a prediction can be held against the run that followed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: recorder
type: aggregate
short_description: Records the changed tasks of a run as JSON
description:
  - Writes one file a run, named by time, playbook and mode, into the folder that E(RECORDER_DIR) names.
options: {}
"""


class CallbackModule(CallbackBase):
    """Collect the results of every task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "recorder"

    def __init__(self):
        super().__init__()
        self.started = time.time()
        self.tasks = []
        self.playbook = ""

    def v2_playbook_on_start(self, playbook):
        """Keep the playbook's name."""
        self.playbook = Path(playbook._file_name).stem

    def v2_runner_on_ok(self, result):
        """Keep host, task, the options that its module got, when it ended, whether it changed, and what it moved."""
        answer = result.result
        self.tasks.append(
            {
                "host": result.host.get_name(),
                "task": result.task.get_name(),
                "action": result.task.action,
                "options": (answer.get("invocation") or {}).get("module_args"),
                "changed": bool(answer.get("changed")),
                "diff": answer.get("diff"),
                "moved_bytes": answer.get("moved_bytes", 0),
                "at": round(time.time() - self.started, 2),
            }
        )

    def v2_runner_on_failed(self, result, ignore_errors=False):
        """Keep host, task and the message an operator reads."""
        message = str(result.result.get("msg", ""))
        self.tasks.append(
            {
                "host": result.host.get_name(),
                "task": result.task.get_name(),
                "action": result.task.action,
                "changed": False,
                "failed": message,
            }
        )

    def v2_playbook_on_stats(self, stats):
        """Write the file."""
        folder = os.environ.get("RECORDER_DIR")
        if not folder:
            return
        mode = "check" if context.CLIARGS.get("check") else "run"
        Path(folder).mkdir(parents=True, exist_ok=True)
        record = {"seconds": round(time.time() - self.started, 2), "tasks": self.tasks}
        file = Path(folder) / f"{time.time_ns()}-{self.playbook}-{mode}.json"
        file.write_text(json.dumps(record, indent=1, default=str))
