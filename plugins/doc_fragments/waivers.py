# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option by which an operator sets rules of the policy aside."""

from __future__ import annotations


class ModuleDocFragment:
    """Doc fragment ``openclaw.hardening.waivers``."""

    DOCUMENTATION = r"""
options:
  waivers:
    description: Rules that need not hold, each with a reason.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The rule, such as V(OCH-CTR-06).
        type: str
        required: true
      reason:
        description: Why it need not hold here. It is part of every report.
        type: str
        required: true
      expires:
        description:
          - Last day of the waiver, such as V(2027-01-31). Empty means that it does not end.
          - The waiver of a critical rule needs one. One that has ended does not count beside another that has not.
        type: str
        default: ""
      target:
        description: Only for this container, by name, or for V(host). Empty means everywhere.
        type: str
        default: ""
      value:
        description:
          - Only for what is found with this path or value in it, such as V(/srv/data) or V(NET_ADMIN).
          - Whatever else the rule finds still counts.
          - Empty means whatever is found.
        type: str
        default: ""
"""
