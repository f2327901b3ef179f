# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action validate_settings; the code is in plugins/action and plugins/plugin_utils/_settings."""

from __future__ import annotations

DOCUMENTATION = r"""
module: validate_settings
short_description: Validate the settings of this collection's roles, all at once
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Evaluates every option of the roles for the host, and compares it with the role's argument spec
    (C(meta/argument_specs.yml)) and with the rules of its C(meta/settings.yml).
  - Fails with one message that names every fault of all roles, each with the option, the value found, the value
    needed and the remediation. The value of an option that is a secret is not shown.
  - Text from C(-e) or an INI inventory counts as the switch or number that it is the text of. For a list or a
    dictionary it is refused.
  - A variable with the prefix of a role that the role does not have is refused, because it would be ignored.
  - Runs wholly on the controller, and needs no connection.
extends_documentation_fragment:
  - openclaw.hardening.controller_action
options:
  roles:
    description: The roles, such as V(openclaw_gateway), in the order of the message.
    type: list
    elements: str
    default: []
  playbook:
    description: Options that belong to a playbook instead of a role.
    type: dict
    suboptions:
      name:
        description: The prefix of their names, without the underscore.
        type: str
        required: true
      options:
        description: The options by name, each as in an argument spec.
        type: dict
        required: true
      rules:
        description: Rules as in a role's C(meta/settings.yml).
        type: list
        elements: dict
        default: []
      results:
        description: Variables with that prefix that are results, not options.
        type: list
        elements: str
        default: []
"""

EXAMPLES = r"""
- name: Validate the settings of two roles
  openclaw.hardening.validate_settings:
    roles: [openclaw_user, openclaw_gateway]
"""

RETURN = r"""
"""
