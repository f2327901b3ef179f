# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action validate_settings: every fault of the settings of all roles at once, before a host is reached."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.template import Templar, trust_as_template
from ansible_collections.openclaw.hardening.plugins.plugin_utils._controller_action import ControllerAction
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.fault import Fault
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.role import (
    ROLES,
    Role,
    faults,
    load,
    playbook,
)

ARGUMENT_SPEC: dict[str, Any] = {
    "roles": {"type": "list", "elements": "str", "default": []},
    # Its parts are checked by role.playbook: Ansible raises where the whole is no dictionary.
    "playbook": {"type": "dict"},
}


class Variables:
    """The variables of a host as a role sees them."""

    def __init__(self, templar: Templar, role: Role, given: dict[str, Any]) -> None:
        """Put the role's own below what the host has."""
        folder = str(ROLES / role.name)
        self._all = {**role.defaults, **role.internal, **given, "role_path": folder}
        self._all["ansible_search_path"] = [folder, *given.get("ansible_search_path", [])]
        self._templar = templar.copy_with_new_env(available_variables=self._all)

    def value(self, option: str) -> Any:
        """Return the value of an option; what cannot hold a template is that value itself, which saves much time."""
        raw = self._all.get(option)
        if isinstance(raw, (bool, int, float)) or raw in ([], {}) or (isinstance(raw, str) and "{" not in raw):
            return raw
        return self.expression(option, None)

    def expression(self, text: str, item: object) -> Any:
        """Return the value of an expression."""
        return self._templar.evaluate_expression(trust_as_template(text), local_variables={"item": item})

    def text(self, template: str, item: object) -> str:
        """Return a template as text."""
        with_item = {**self._all, "item": item}
        return str(self._templar.copy_with_new_env(available_variables=with_item).template(template))


class ActionModule(ControllerAction):
    """Reads the roles, evaluates their variables, and refuses all faults in one message."""

    argument_spec = ARGUMENT_SPEC

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Validate."""
        roles = [load(name, self._read) for name in options["roles"]]
        roles += [playbook(options["playbook"])] if options["playbook"] is not None else []
        found: list[Fault] = []
        for role in roles:
            found += faults(role, self.variables, Variables(self._templar, role, self.variables))
        # An option that several roles take over has its fault once.
        unique = list(dict.fromkeys(found))
        if not unique:
            return {"changed": False}
        count = "1 setting" if len(unique) == 1 else f"{len(unique)} settings"
        lines = "".join(f"\n{fault}" for fault in unique)
        raise AnsibleActionFail(f"Refused {count}, nothing was changed:{lines}")

    def _read(self, path: str) -> Any:
        # "unsafe" spares a copy of what no cache holds.
        return self._loader.load_from_file(path, cache="none", unsafe=True, trusted_as_template=True)
