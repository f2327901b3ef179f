# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts of a play: those that were asked for, or an error; never the controller by accident."""

from __future__ import annotations

DOCUMENTATION = r"""
name: target_hosts
short_description: The host pattern of a play, refused when it matches no host
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Returns the host pattern of a play, for the keyword C(hosts).
  - Fails when the pattern matches no host of the inventory (and of C(--limit)). Ansible itself skips such a play and
    exits with 0.
  - The local machine is a target only when it is in the group, or named by the pattern, or by
    C(-i localhost, -c local).
    Ansible's implicit localhost never stands in for an inventory that is missing, empty or mistyped.
options:
  _terms:
    description: The host pattern; group names, host names and Ansible's other patterns.
    type: list
    elements: str
    required: true
notes:
  - Checks nothing for C(--syntax-check), C(--list-tasks) and C(--list-tags), which have no target.
"""

EXAMPLES = r"""
- name: Deploy OpenClaw on the group openclaw, or on the hosts that openclaw_hosts names
  hosts: "{{ lookup('openclaw.hardening.target_hosts', openclaw_hosts | default('openclaw')) }}"
"""

RETURN = r"""
_raw:
  description: The pattern, or C(localhost) for C(-i localhost, -c local).
  type: list
  elements: str
"""

from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase

# What Ansible is asked for without a target.
_NO_TARGET = ("syntax", "listtasks", "listtags")
_ADVICE = (
    "put the hosts into the group 'openclaw' of the inventory that -i names, or name them with "
    "-e openclaw_hosts=PATTERN. Only to deploy on this machine itself: -i localhost, -c local"
)


class LookupModule(LookupBase):  # type: ignore[misc]
    """Validates the target of a play before Ansible selects hosts."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the pattern as one string.

        :raises AnsibleLookupError: it matches no host.
        """
        pattern = ",".join(str(part) for term in terms for part in (term if isinstance(term, list) else [term])).strip()
        if any(context.CLIARGS.get(name) for name in _NO_TARGET):
            return [pattern]
        known = dict((variables or {}).get("groups") or {})
        limit = str((variables or {}).get("ansible_limit") or "")
        if self._matching(pattern, known, limit):
            return [pattern]
        unnamed = pattern == "openclaw" and not known.get("openclaw")
        if unnamed and _local_is_declared() and self._matching("localhost", known, limit):
            return ["localhost"]
        raise AnsibleLookupError(f"hosts: found {_found(pattern, known, limit)}, needed at least one host; {_ADVICE}")

    def _matching(self, pattern: str, known: dict[str, list[str]], limit: str) -> list[str]:
        """Return the hosts that the pattern matches within the limit, as Ansible will."""
        manager = InventoryManager(self._loader, parse=False)
        for group, hosts in known.items():
            manager.add_group(group)
            for host in hosts:
                manager.add_host(host, group=group)
        try:
            if limit:
                manager.subset(limit)
            # An empty pattern is every host for Ansible, and nobody's wish.
            return [host.name for host in manager.get_hosts(pattern=pattern)] if pattern else []
        except AnsibleError:
            return []


def _local_is_declared() -> bool:
    """Whether ``-i localhost, -c local`` was typed; a default inventory with localhost in it does not ask."""
    sources = [str(source) for source in context.CLIARGS.get("inventory") or ()]
    return sources == ["localhost,"] and context.CLIARGS.get("connection") == "local"


def _found(pattern: str, known: dict[str, list[str]], limit: str) -> str:
    """Return why no host is left."""
    everybody = known.get("all") or []
    if not everybody and pattern not in constants.LOCALHOST:
        sources = ", ".join(str(source) for source in context.CLIARGS.get("inventory") or ())
        return f"no host in the inventory ({sources or 'none was given'})"
    where = f" within --limit {limit}" if limit else ""
    if pattern in known:
        return f"no host in the group {pattern!r}{where}"
    return f"no host for {pattern!r}{where} among the {len(everybody)} of the inventory"
