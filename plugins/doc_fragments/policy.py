# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of a module that refuses what breaks the policy."""

from __future__ import annotations


class ModuleDocFragment:
    """Doc fragment ``openclaw.hardening.policy``."""

    DOCUMENTATION = r"""
options:
  policy:
    description:
      - What the policy allows beyond its defaults, which allow nothing.
    type: dict
    suboptions:
      addresses:
        description:
          - Addresses of the host, beside C(127.0.0.1) and C(::1), on which a port may be published (CIS 5.14).
          - V(any) allows all of them.
        type: list
        elements: str
        default: []
      capabilities:
        description: Capabilities that a service may have (CIS 5.4), such as V(NET_BIND_SERVICE).
        type: list
        elements: str
        default: []
"""
