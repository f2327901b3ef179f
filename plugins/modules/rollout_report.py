# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action rollout_report; the code is in plugins/action and plugins/plugin_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_report
short_description: Report how a rollout went, host by host
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Prints a table of all hosts of a rollout and writes it as JSON. Runs wholly on the controller.
  - A host of which nothing is known is part of it, as V(not reached) or V(unreachable). It never counts as updated.
extends_documentation_fragment:
  - openclaw.hardening.controller_action
attributes:
  check_mode:
    details:
      - Prints the table and names the file, writes none.
  idempotent:
    support: none
    details:
      - A report reports when it was made, so each run writes a new file.
options:
  hosts:
    description: The hosts of the rollout.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the host.
        type: str
        required: true
      deployment:
        description:
          - What M(openclaw.hardening.deployment_info) returned before the rollout.
          - A host without it counts as V(unreachable).
        type: dict
        default: {}
      outcome:
        description:
          - The result, a dictionary of C(result) (V(updated), V(unchanged), V(would be updated), V(rolled back),
            V(failed), V(rollback failed) or V(unreachable)), C(image_id), C(seconds), C(probes), C(message) and
            C(not_ready), names of channels that are not ready, shown as a warning.
        type: dict
        default: {}
  skipped:
    description: Names of hosts that were left out on purpose.
    type: list
    elements: str
    default: []
  directory:
    description:
      - Where C(openclaw-rollout.json) goes, for its owner only. Created when it is missing; a relative path starts at
        the current working directory. Empty means no file.
    type: str
    default: ""
notes:
  - Use it once for the whole fleet, with C(run_once).
seealso:
  - module: openclaw.hardening.rollout_plan
  - module: openclaw.hardening.hardening_report
"""

EXAMPLES = r"""
- name: Report
  openclaw.hardening.rollout_report:
    directory: ./reports
    hosts:
      - name: one
        deployment: "{{ hostvars.one.deployment }}"
        outcome: {result: updated, image_id: "sha256:af5ec7bde6d0", seconds: 31.4}
  run_once: true
"""

RETURN = r"""
files:
  description: Absolute path of the file that was (in check mode, would be) written.
  returned: success
  type: list
  elements: str
  sample: [/srv/reports/openclaw-rollout.json]
failed_hosts:
  description: The hosts because of which the rollout has failed.
  returned: success
  type: list
  elements: str
  sample: [two]
summary:
  description: The content of the file.
  returned: success
  type: dict
  sample:
    format: 1
    made_at: "2026-11-25T03:00:00Z"
    failed: true
    counts: {updated: 1, rolled back: 1}
    hosts: []
"""
