# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action rollout_plan; the code is in plugins/action and plugins/plugin_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_plan
short_description: Decide whether a fleet can be rolled out to, and in which order
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Refuses a rollout as long as one host stands against it, with every host and reason in one message.
  - Puts the canaries first. Runs wholly on the controller and changes nothing.
extends_documentation_fragment:
  - openclaw.hardening.controller_action
options:
  hosts:
    description: The hosts of the inventory's order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the host.
        type: str
        required: true
      deployment:
        description: What M(openclaw.hardening.deployment_info) returned. A host without it counts as not reachable.
        type: dict
        default: {}
      account:
        description: The service account as M(openclaw.hardening.service_user) predicts it, with its C(uid).
        type: dict
        default: {}
      fault:
        description: Why the host cannot be a target; empty when it can.
        type: str
        default: ""
  canaries:
    description: Names of the hosts that come first.
    type: list
    elements: str
    default: []
  batches:
    description: Sizes of the batches, numbers or percentages.
    type: list
    elements: raw
    required: true
  unreachable:
    description: Whether a host that cannot be reached stops everything, or is left out.
    type: str
    choices: [stop, skip]
    default: stop
  same_uid:
    description: Whether the service account has to have one number everywhere.
    type: bool
    default: true
  hints:
    description: How O(batches), O(unreachable) and O(same_uid) are set where the caller comes from, for the message.
    type: dict
    default: {}
seealso:
  - module: openclaw.hardening.rollout_report
"""

EXAMPLES = r"""
- name: Decide
  openclaw.hardening.rollout_plan:
    hosts:
      - {name: one, deployment: "{{ hostvars.one.deployment }}"}
      - {name: two, deployment: "{{ hostvars.two.deployment }}"}
    canaries: [two]
    batches: [1, "100%"]
  run_once: true
  register: plan
"""

RETURN = r"""
order:
  description: The hosts that are meant, canaries first.
  returned: success
  type: list
  elements: str
  sample: [two, one]
skipped:
  description: The hosts that are left out, because they cannot be reached.
  returned: success
  type: list
  elements: str
  sample: []
"""
