# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One set of systemd units with the files they need, all or nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_unit
short_description: Make one set of systemd units true, verified before it is installed
version_added: 0.1.0
description:
  - Installs services, timers, paths and sockets that belong together, with the programs and settings they need,
    then reloads the service manager once, and enables and starts what is asked for.
  - The whole set is checked before anything changes. C(systemd-analyze verify) must not print a single word about it,
    because a directive that a version of systemd cannot parse is only logged, and the hardening behind it is silently
    lost. No service may be more exposed than O(exposure_limits) allows.
  - All or nothing. Every file is complete before the first takes its place, so that a full disk changes nothing; when
    a later step fails, the files and units that were there are put back, which needs no space.
  - A run that is killed leaves a record of its change beside the unit files. The next run finishes what was begun and
    restarts what may still run with old settings, or, when it fails, goes back to the set that was confirmed last.
  - One run at a time on a host, by a lock of the kernel below C(/run/openclaw-hardening).
options:
  units:
    description: The unit files of the set.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the unit; it ends in C(.service), C(.timer), C(.path) or C(.socket).
        type: str
        required: true
      content:
        description:
          - Text of the unit file.
          - Refused are control characters, lines that end with a backslash, and sections that the type does not have.
        type: str
        required: true
  files:
    description: Programs and settings that the units need.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. Its directory must exist, or be one of O(directories).
        type: str
        required: true
      content:
        description: Text of the file.
        type: str
        required: true
      encoding:
        description:
          - With V(gzip), O(files[].content) is the base64 of the gzip of a file that is no text, of at most 16 MiB.
        type: str
        choices: [utf-8, gzip]
        default: utf-8
      mode:
        description: Quoted octal mode; others than the owner may not write.
        type: str
        default: '0644'
      uid:
        description: Owner.
        type: int
        default: 0
      gid:
        description: Group.
        type: int
        default: 0
  secrets:
    description: Files like O(files) whose content is never shown.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. Its directory must exist, or be one of O(directories).
        type: str
        required: true
      value:
        description: Content of the file.
        type: str
        required: true
      mode:
        description: Quoted octal mode without any right for others.
        type: str
        default: '0400'
      uid:
        description: Owner.
        type: int
        default: 0
      gid:
        description: Group.
        type: int
        default: 0
  directories:
    description: Directories that are created or corrected, in this order. They are never removed.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. Its parent must exist, or be named before it.
        type: str
        required: true
      mode:
        description: Quoted octal mode; others than the owner may not write.
        type: str
        default: '0755'
      uid:
        description: Owner.
        type: int
        default: 0
      gid:
        description: Group.
        type: int
        default: 0
  enabled:
    description:
      - Units of the set that are pulled in at boot.
      - A timer that is neither here nor in O(started) is stopped and disabled.
    type: list
    elements: str
    default: []
  started:
    description:
      - Units of the set that run now.
      - A unit that a timer or another unit starts does not belong here.
    type: list
    elements: str
    default: []
  restart_on_change:
    description:
      - Whether units of O(started) that run are restarted when their own unit file changes, and services also when one
        of O(files) or O(secrets) changes.
    type: bool
    default: true
  run:
    description:
      - Services of the set that are run once, and waited for, when anything of the set changed; also when the last run
        of one of them failed, because that may have been before the cause was put right.
      - A run that fails does not undo the change. It is a warning here, in RV(failed_runs), and a finding of
        M(openclaw.hardening.hardening_info).
    type: list
    elements: str
    default: []
  run_timeout:
    description: Seconds to wait for the services of O(run), together.
    type: int
    default: 300
  exposure_limits:
    description:
      - Greatest exposure allowed for services of the set, as C(systemd-analyze security) measures it, from 0 to 10.
      - Measured on the unit file before it is installed, and on the unit in effect after each run, so that a drop-in
        that exposes it is found, too.
    type: dict
    default: {}
  directory:
    description: Where the unit files go.
    type: str
    choices: [/etc/systemd/system, /run/systemd/system]
    default: /etc/systemd/system
  lock_timeout:
    description: Seconds to wait for another run of this module on the host; then this one fails and names it.
    type: int
    default: 600
  command_timeout:
    description:
      - Seconds for one C(systemctl) or C(systemd-analyze) command; the start of a C(oneshot) unit lasts until its end.
      - A command that takes longer is ended, and counts as failed.
    type: int
    default: 300
  refuse_foreign:
    description:
      - Refuse, before anything changes, a unit or a file of these names that does not have the header of this
        collection and does not are in one of O(directories), and a unit of these names that lies elsewhere.
    type: bool
    default: false
  state:
    description:
      - V(present) makes the set true.
      - V(absent) stops and disables the units, and removes them and the O(files) and O(secrets).
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - openclaw.hardening.attributes
seealso:
  - name: systemd.exec(5)
    description: The sandboxing directives.
    link: https://www.freedesktop.org/software/systemd/man/systemd.exec.html
  - name: systemd-analyze(1)
    description: How C(verify) and C(security) check.
    link: https://www.freedesktop.org/software/systemd/man/systemd-analyze.html
author: OpenClaw Hardening maintainers (@openclaw)
"""

EXAMPLES = r"""
- name: A job that runs every half hour, less exposed than 1.0
  openclaw.hardening.systemd_unit:
    files:
      - path: /usr/local/sbin/tidy
        content: "{{ lookup('ansible.builtin.file', 'tidy') }}\n"
        mode: '0755'
    units:
      - name: tidy.service
        content: "{{ lookup('ansible.builtin.template', 'tidy.service.j2') }}"
      - name: tidy.timer
        content: |
          [Unit]
          Description=Tidy every half hour
          [Timer]
          OnCalendar=*:0/30
          Persistent=yes
          [Install]
          WantedBy=timers.target
    enabled: [tidy.timer]
    started: [tidy.timer]
    exposure_limits:
      tidy.service: 1.0
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be done, in this order.
  returned: always
  type: list
  elements: str
  sample: ["write /etc/systemd/system/tidy.timer", "reload systemd", "enable tidy.timer", "start tidy.timer"]
failed_runs:
  description: What is wrong with the runs of services of O(run), by unit; empty when nothing is, or none was run.
  returned: always
  type: dict
  sample: {tidy.service: its run ended with exit-code (exit status 1)}
units:
  description: Each unit of the set, by name, as it is after the run, or in check mode as it was before.
  returned: always
  type: dict
  contains:
    active_state:
      description: State by systemd.
      type: str
      returned: always
      sample: active
    sub_state:
      description: State of this type of unit by systemd.
      type: str
      returned: always
      sample: waiting
    unit_file_state:
      description: Whether the unit is enabled; empty when there is none.
      type: str
      returned: always
      sample: enabled
    drop_ins:
      description: Files that change the unit beside its own, by their paths.
      type: list
      elements: str
      returned: always
      sample: []
    exposure:
      description: Exposure by C(systemd-analyze security), of what was checked last.
      type: float
      returned: for services of O(exposure_limits)
      sample: 0.2
  sample:
    tidy.timer: {active_state: active, sub_state: waiting, unit_file_state: enabled, drop_ins: []}
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.module import SecretiveModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import integer
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import refuse
from ansible_collections.openclaw.hardening.plugins.module_utils._files.options import (
    BINARY_FILE,
    OWNER,
    PATH,
    SECRET,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import OPTION
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import host_wide, lock
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.install import act, confirm
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import (
    UNIT_PATH,
    UnitStatus,
    clear_staged,
    journal,
    programs,
    refuse_faults,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.options import wanted_set
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.unit_set import (
    Current,
    Plan,
    decide,
    diff,
    foreign,
    look,
)

ARGUMENTS: dict[str, Any] = {
    "units": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, "content": {"type": "str", "required": True}},
    },
    "files": {"type": "list", "elements": "dict", "default": [], "options": BINARY_FILE},
    "secrets": {"type": "list", "elements": "dict", "default": [], "no_log": False, "options": SECRET},
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"path": PATH, "mode": {"type": "str", "default": "0755"}, **OWNER},
    },
    "enabled": {"type": "list", "elements": "str", "default": []},
    "started": {"type": "list", "elements": "str", "default": []},
    "restart_on_change": {"type": "bool", "default": True},
    "run": {"type": "list", "elements": "str", "default": []},
    "run_timeout": {"type": "int", "default": 300},
    "exposure_limits": {"type": "dict", "default": {}},
    "directory": {"type": "str", "default": UNIT_PATH, "choices": [UNIT_PATH, "/run/systemd/system"]},
    "lock_timeout": {"type": "int", "default": 600},
    "command_timeout": {"type": "int", "default": 300},
    "refuse_foreign": {"type": "bool", "default": False},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
}


class UnitManager:
    """Reads the options and makes the set true."""

    def __init__(self, module: AnsibleModule) -> None:
        """Check the options before anything is looked at."""
        self.module = module
        self.wanted = wanted_set(module.params)
        self.timeout = integer("lock_timeout", module.params["lock_timeout"], 0, 86400)
        integer(OPTION, module.params[OPTION], 1, 86400)

    def run(self) -> dict[str, Any]:
        """Look, decide, act."""
        found, plan = self._plan()
        if not plan.actions:
            return self._result(found, plan, found.units, confirm(self.module, self.wanted, found.units))
        if self.module.check_mode:
            return self._result(found, plan, found.units, self._check(plan, self.module.tmpdir))
        # Not below /run, which need not let anything be executed.
        folder = os.path.dirname(self.module.tmpdir)
        # One lock for all sets: they may overlap, and systemd reads all unit files at once.
        with lock(host_wide("units"), self.timeout):
            clear_staged(folder)
            # Another run may have been at work meanwhile.
            found, plan = self._plan()
            if not plan.actions:
                return self._result(found, plan, found.units, confirm(self.module, self.wanted, found.units))
            units, measured, failures = act(self.module, self.wanted, found, plan, lambda: self._check(plan, folder))
        for name, reason in failures.items():
            lines = journal(self.module, [name], 5)
            self.module.warn(f"{name}: {reason}; the set is installed. Its journal: {' | '.join(lines)}")
        return {**self._result(found, plan, units, measured), "failed_runs": failures}

    def _plan(self) -> tuple[Current, Plan]:
        found = look(self.module, self.wanted)
        refuse(foreign(self.wanted, found), " and ".join(self.wanted.names))
        return found, decide(self.wanted, found)

    def _result(
        self, found: Current, plan: Plan, units: Mapping[str, UnitStatus], measured: dict[str, float]
    ) -> dict[str, Any]:
        result: dict[str, Any] = {
            "changed": bool(plan.actions),
            "actions": plan.actions,
            "failed_runs": {},
            "units": {name: _described(status, measured.get(name)) for name, status in units.items()},
        }
        if self.module._diff:
            result["diff"] = diff(self.wanted, found, plan)
        return result

    def _check(self, plan: Plan, folder: str) -> dict[str, float]:
        """Let systemd check the set when a part of it changes."""
        if not plan.write or not self.wanted.present:
            return {}
        return refuse_faults(self.module, self.wanted.units, self._programs(), self.wanted.exposure_limits, folder)

    def _programs(self) -> list[str]:
        """Return the programs that will be there; in check mode an earlier task may still have to install some."""
        brought = {file.path for file in self.wanted.files if file.mode & 0o111}
        own = {file.path for file in self.wanted.files}
        others = [path for path in programs(self.wanted.units) if path not in own]
        return [*brought, *(path for path in others if self.module.check_mode or os.access(path, os.X_OK))]


def _described(status: UnitStatus, exposure: float | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "active_state": status.active_state,
        "sub_state": status.sub_state,
        "unit_file_state": status.unit_file_state,
        "drop_ins": list(status.drop_ins),
    }
    return described if exposure is None else {**described, "exposure": exposure}


def main() -> None:
    """Run the module."""
    module = SecretiveModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = UnitManager(module).run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
