# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An action that happens on the controller alone: no connection, no module on a target."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError


class ControllerAction(ActionBase):  # type: ignore[misc]
    """Checks the arguments, and turns our refusals into Ansible's."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    argument_spec: dict[str, Any]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do the work with arguments that were checked."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.variables: dict[str, Any] = task_vars or {}
        options = self.validate_argument_spec(self.argument_spec)[1]
        try:
            return {**result, **self.work(options)}
        except HardeningError as error:
            raise AnsibleActionFail(str(error)) from error

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the answer."""
        raise NotImplementedError
