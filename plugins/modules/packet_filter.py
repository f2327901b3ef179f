# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module packet_filter: the gateway's own nftables table, compared rule by rule with what is declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packet_filter
short_description: Keep neighbours off a gateway with an nftables table of its own
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Docker before 28 answers a neighbour who puts 127.0.0.1 on the wire, and forwards what is routed to a container's
    own address, wherever the port is published.
  - Loads one table of the family C(inet) that drops such packets before Docker's rules see them, for IPv4 and IPv6.
    It only drops, and only what goes to this gateway's port on loopback or into its bridge.
  - The kernel's rules are compared with the declared ones; any difference is a change, and healed in one transaction.
  - Proves that C(nft) and the kernel take the table before anything changes (C(nft --check)).
  - Removes exactly the rule in the chain C(DOCKER-USER) that this collection used before; other rules and tables are
    never touched.
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
options:
  state:
    description: V(present) loads the table, V(absent) takes it away.
    type: str
    choices: [present, absent]
    default: present
  table:
    description: Name of the table, one for each gateway.
    type: str
    required: true
  bridge:
    description: Name of the gateway's bridge, which need not exist yet.
    type: str
    required: true
  port:
    description: Port of the host on which the gateway is published.
    type: int
    default: 18789
  addresses:
    description: Addresses beside loopback where others may reach the port; V(any) is everywhere.
    type: list
    elements: str
    default: []
  mode:
    description:
      - V(auto) loads nothing where Docker itself protects, which is Docker 28 and newer with its packet filter on.
      - V(always) loads the table there, too.
    type: str
    choices: [auto, always]
    default: auto
  unit:
    description:
      - The service that restores the table; it is stopped before another table is loaded, which it would undo.
      - It has to be started again with the new settings.
    type: str
    default: ""
seealso:
  - module: openclaw.hardening.hardened_compose
  - module: openclaw.hardening.systemd_unit
"""

EXAMPLES = r"""
- name: Keep neighbours off the gateway
  openclaw.hardening.packet_filter:
    table: openclaw-gateway
    bridge: br-openclaw
    port: 18789
"""

RETURN = r"""
statement:
  description: What protects the gateway, in one sentence.
  returned: success
  type: str
  sample: table inet openclaw-gateway keeps neighbours away from br-openclaw and port 18789
protected:
  description: Why nothing is loaded, because Docker itself protects; empty where the table is loaded.
  returned: success
  type: str
  sample: ""
differences:
  description: How the kernel's table was not as declared.
  returned: success
  type: list
  elements: str
  sample: ["table inet openclaw-gateway is not there"]
"""

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import (
    DOCKER_ARGUMENTS,
    client,
    docker_host,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft
from ansible_collections.openclaw.hardening.plugins.module_utils._system.packet_filter import (
    act,
    decide,
    look,
    protects,
    prove,
    wanted_settings,
)

ARGUMENT_SPEC: dict[str, Any] = {
    **DOCKER_ARGUMENTS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "table": {"type": "str", "required": True},
    "bridge": {"type": "str", "required": True},
    "unit": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 18789},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "mode": {"type": "str", "choices": ["auto", "always"], "default": "auto"},
}


class PacketFilter:
    """One table on one host."""

    def __init__(self, module: AnsibleModule) -> None:
        """Read the options."""
        self.module = module
        self.wanted = wanted_settings(module.params)
        self.docker_host = docker_host(module.params["docker_host"])

    def run(self) -> dict[str, Any]:
        """Look, decide, act."""
        present = self.module.params["state"] == "present"
        wanted = replace(self.wanted, protected=self._protected() if present else "")
        load = present and not wanted.protected
        # A host that is still bare in check mode gets nft from the engine's role.
        if load and (self.module.get_bin_path("nft") or not self.module.check_mode):
            prove(self.module, wanted)
        found = look(self.module, wanted)
        plan = decide(wanted, found, present=load)
        if not self.module.check_mode:
            act(self.module, wanted, plan, self.module.params["unit"])
        declared = f"table inet {wanted.table} keeps neighbours away from {wanted.bridge} and port {wanted.port}"
        result: dict[str, Any] = {
            "changed": bool(plan.actions),
            "statement": declared if load else wanted.protected or f"there is no table inet {wanted.table}",
            "protected": wanted.protected,
            "differences": list(plan.different),
        }
        if self.module._diff and plan.actions:  # noqa: SLF001 - Ansible's own
            before = "".join(f"{text}\n" for text in plan.different or ("the table is loaded",))
            after = "".join(f"{text}\n" for text in plan.actions)
            header = f"table {nft.FAMILY} {wanted.table}"
            result["diff"] = {"before": before, "after": after, "before_header": header, "after_header": header}
        return result

    def _protected(self) -> str:
        """Ask the engine; one that cannot be asked protects nobody."""
        if self.module.params["mode"] != "auto":
            return ""
        try:
            api = client(self.docker_host)
            version = str(api.version().get("Version") or "")
        except Exception:  # whatever it reports instead
            return ""
        if not protects(version, {}, ()):
            return ""
        from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import daemon as evidence_daemon

        daemon = evidence_daemon.look(self.module, api)
        return "" if daemon.config_fault else protects(daemon.version, daemon.options, daemon.environment)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**PacketFilter(module).run())
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)


if __name__ == "__main__":
    main()
