# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Print what a long module does while it runs: its log on the host is read by a second command beside it."""

from __future__ import annotations

import copy
import shlex
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.openclaw.hardening.plugins.module_utils._system import progress

# Seconds between two looks at the log, and after which a step that goes on is printed again.
EVERY = 5.0
AGAIN = 15.0
_LAST_LOOK = 10.0

Steps = Sequence[tuple[int, str]]


class Printed:
    """What is on the screen already."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._steps = 0
        self._at = 0.0

    def news(self, steps: Steps, now: float) -> list[str]:
        """Return the lines to print: each new step, and the last one again after a while; pure but for its memory.

        :param now: seconds, on the same clock as the steps.
        """
        new = steps[self._steps :]
        if not new and steps and now - self._at >= AGAIN:
            new = steps[-1:]
        if new:
            self._steps, self._at = len(steps), now
        return [f"{text} ({max(0, round(now - began))} s)" for began, text in new]


class ProgressAction(ActionBase):  # type: ignore[misc]
    """Run the module of the same name, and print its steps meanwhile."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True
    # The module's name for its logs, and the option that names what it works on.
    kind = ""
    subject = ""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module."""
        result = self.begin(tmp, task_vars)
        with self.followed(task_vars or {}, self.kind, str(self._task.args.get(self.subject) or "")):
            return {**result, **self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)}

    def begin(self, tmp: str | None, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Do what Ansible asks of every action first."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        return result

    @contextmanager
    def followed(self, task_vars: dict[str, Any], kind: str, subject: str) -> Iterator[None]:
        """Print the steps of the log while the block runs; a prediction, and a task that hides all, has none."""
        if self._task.check_mode or self._task.async_val or self._task.no_log or not subject:
            yield
            return
        # A connection of its own: the other one keeps the state of the command that it runs.
        reader = copy.copy(self)
        reader._connection = copy.copy(self._connection)
        reader._connection.become = copy.copy(self._connection.become)
        file = shlex.quote(progress.path(kind, subject))
        command = f"head -c {progress.LARGEST} {file} 2>/dev/null; cat /proc/uptime"

        def look() -> tuple[Steps, float]:
            return parse(str(reader._low_level_execute_command(command)["stdout"]))

        with printing(str(task_vars.get("inventory_hostname", "")), look):
            yield


def parse(answer: str) -> tuple[Steps, float]:
    """Split the log and the uptime that follows it.

    :raises ValueError: there is no uptime.
    """
    content, _newline, uptime = answer.rstrip("\r\n").replace("\r\n", "\n").rpartition("\n")
    return progress.read(content), float(uptime.split(" ")[0])


@contextmanager
def printing(host: str, look: Callable[[], tuple[Steps, float]]) -> Iterator[None]:
    """Look every few seconds while the block runs, and print what is new; a look that fails stops only the looking."""
    ended, printed = threading.Event(), Printed()

    def follow() -> None:
        while not ended.wait(EVERY):
            try:
                lines = printed.news(*look())
            except Exception as error:
                Display().vvv(f"no progress to be seen: {type(error).__name__}: {error}", host=host)
                return
            if not ended.is_set():
                for line in lines:
                    Display().display(f"{host}: {line}")

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_LAST_LOOK)
