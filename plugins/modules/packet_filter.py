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
  - With O(policy=private-blocked), what the container itself begins is rejected, logged and counted when it goes to
    this host or to a network that is not the internet. Answers pass, and so do questions to its name servers.
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
  sources:
    description:
      - Networks from which others may reach the published port, where O(addresses) let them, such as
        V(192.168.1.0/24). This host always may. Empty is every network.
    type: list
    elements: str
    default: []
  policy:
    description:
      - Where the container may begin connections to. V(off) is anywhere. V(private-blocked) is neither this host nor a
        private, link-local or other special network (RFC 6890), such as the metadata service of a cloud; the internet
        stays open.
      - Name servers that the container asks are reached on port 53. They are those in the daemon's O(ignore:dns), else
        those in the host's C(/etc/resolv.conf), and are read again when they change.
    type: str
    choices: ['off', private-blocked]
    default: 'off'
  reachable:
    description:
      - With O(policy=private-blocked), what may be reached nevertheless, such as V(192.168.1.5:11434),
        V([fd00::5]:443), V(10.1.0.0/16:443) or V(192.168.1.5:5000/udp).
    type: list
    elements: str
    default: []
  proxy:
    description:
      - URL of the HTTP proxy that the container uses. With O(policy=private-blocked), it is reached also where it is in
        a private network. A name is resolved on the host.
    type: str
    default: ""
  mode:
    description:
      - V(auto) loads no rules against neighbours where Docker itself protects, which is Docker 28 and newer with its
        packet filter on.
      - V(always) loads them there, too.
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

- name: Keep the agent out of the local network, but for a model server in it
  openclaw.hardening.packet_filter:
    table: openclaw-gateway
    bridge: br-openclaw
    policy: private-blocked
    reachable: ["192.168.1.5:11434"]
"""

RETURN = r"""
statement:
  description: What protects the gateway, in one sentence.
  returned: success
  type: str
  sample: table inet openclaw-gateway keeps neighbours away from br-openclaw and port 18789
protected:
  description: Why no rules against neighbours are loaded, because Docker itself protects; empty where they are.
  returned: success
  type: str
  sample: ""
proxy:
  description: Where the proxy is, and is let through; empty where it is on the internet, or there is none.
  returned: success
  type: list
  elements: str
  sample: ["10.0.0.5:3128"]
resolvers:
  description: Name servers of the daemon, which it gives to every container; empty where they are those of the host.
  returned: success
  type: list
  elements: str
  sample: []
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
    proxy_places,
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
    "sources": {"type": "list", "elements": "str", "default": []},
    "policy": {"type": "str", "choices": ["off", "private-blocked"], "default": "off"},
    "reachable": {"type": "list", "elements": "str", "default": []},
    "proxy": {"type": "str", "default": ""},
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
        protected, resolvers = self._of_docker() if present else ("", ())
        limits = present and self.wanted.policy != nft.OFF
        proxy = proxy_places(self.module, self.module.params["proxy"]) if limits else ()
        reachable = tuple(dict.fromkeys((*self.wanted.reachable, *proxy)))
        wanted = nft.of_this_host(replace(self.wanted, protected=protected, resolvers=resolvers, reachable=reachable))
        load = present and wanted.loaded
        # A host that is still bare in check mode gets nft from the engine's role.
        if load and (self.module.get_bin_path("nft") or not self.module.check_mode):
            prove(self.module, wanted)
        found = look(self.module, wanted)
        plan = decide(wanted, found, present=load)
        if not self.module.check_mode:
            act(self.module, wanted, plan, self.module.params["unit"])
        declared = f"table inet {wanted.table} keeps {self._kept_apart(wanted)}"
        result: dict[str, Any] = {
            "changed": bool(plan.actions),
            "statement": declared if load else wanted.protected or f"there is no table inet {wanted.table}",
            "protected": wanted.protected,
            "proxy": list(proxy),
            "resolvers": list(resolvers),
            "differences": list(plan.different),
        }
        if self.module._diff and plan.actions:  # noqa: SLF001 - Ansible's own
            before = "".join(f"{text}\n" for text in plan.different or ("the table is loaded",))
            after = "".join(f"{text}\n" for text in plan.actions)
            header = f"table {nft.FAMILY} {wanted.table}"
            result["diff"] = {"before": before, "after": after, "before_header": header, "after_header": header}
        return result

    @staticmethod
    def _kept_apart(wanted: nft.Settings) -> str:
        """Put in words what the table is for."""
        parts = [f"neighbours away from {wanted.bridge} and port {wanted.port}"] if not wanted.protected else []
        parts += [f"port {wanted.port} to {len(wanted.sources)} networks"] if wanted.sources else []
        parts += [f"{wanted.bridge} away from this host and private networks"] if wanted.policy != nft.OFF else []
        return ", and ".join(parts)

    def _of_docker(self) -> tuple[str, tuple[str, ...]]:
        """Ask the engine whether it protects, and for its own name servers; one that cannot be asked has neither."""
        asks = self.module.params["mode"] == "auto"
        try:
            api = client(self.docker_host)
            version = str(api.version().get("Version") or "")
        except Exception:  # whatever it reports instead
            return "", ()
        newer = asks and bool(protects(version, {}, ()))
        if not newer and self.wanted.policy == nft.OFF:
            return "", ()
        from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import daemon as evidence_daemon

        daemon = evidence_daemon.look(self.module, api)
        if daemon.config_fault:
            return "", ()
        own = daemon.options.get("dns") or ()
        resolvers = nft.asked([own] if isinstance(own, str) else map(str, own))
        return protects(daemon.version, daemon.options, daemon.environment) if newer else "", resolvers


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**PacketFilter(module).run())
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)


if __name__ == "__main__":
    main()
