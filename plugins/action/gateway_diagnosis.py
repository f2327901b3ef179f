# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action gateway_diagnosis: the module on the host, and its bundle in a file on the controller."""

from __future__ import annotations

import base64
import os
import re
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import printable
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import files as report_files


class ActionModule(ActionBase):  # type: ignore[misc]
    """The archive is taken out of the module's answer, so that it is in no output."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module and write what it packed."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            folder, name = self._place(str(variables.get("inventory_hostname") or "host"))
        except HardeningError as error:
            raise AnsibleActionFail(str(error)) from error
        answer: dict[str, Any] = self._execute_module(task_vars=variables)
        archive = str(answer.pop("archive", "") or "")
        if answer.get("failed") or not folder:
            return {**result, **answer, "bundle": ""}
        if archive:
            try:
                report_files.write(folder, {name: base64.b64decode(archive)})
            except HardeningError as error:
                raise AnsibleActionFail(str(error)) from error
        return {**result, **answer, "changed": True, "bundle": os.path.join(folder, name)}

    def _place(self, host: str) -> tuple[str, str]:
        """Return folder and name of the bundle, which are fit for it; no folder when none is wanted."""
        wanted = str(self._task.args.get("bundle_dir") or "")
        name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', host).lstrip('.') or 'host'}.tar.gz"
        if not wanted:
            return "", name
        folder = os.path.abspath(os.path.expanduser(printable("bundle_dir", wanted)))
        report_files.vet(folder, [name])
        return folder, name
