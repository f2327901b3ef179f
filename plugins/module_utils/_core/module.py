# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Ansible's own base class of modules does not do for secrets."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule


class SecretiveModule(AnsibleModule):  # type: ignore[misc]
    """A module whose options hold secrets.

    Ansible writes the options of every run to the system log. There it looks for a secret's own text to mask it, and
    misses one with a line end or a quote inside a list, which :func:`repr` has escaped by then.
    """

    def _log_invocation(self) -> None:
        self.log("Invoked; its options hold secrets and are not logged")
