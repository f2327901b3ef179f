# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a fleet can be rolled out to, and in which order: pure, from what was seen on every host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError, hint
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, listed, shown
from ansible_collections.openclaw.hardening.plugins.plugin_utils._rollout.registered import part, text

_BATCH = re.compile(r"([1-9][0-9]{0,5})|([1-9][0-9]?|100)%")


@dataclass(frozen=True)
class Candidate:
    """A host as it was seen before anything was changed."""

    name: str
    reachable: bool
    # Why it cannot be a target; empty when it can.
    fault: str
    uid: int | None
    canary: bool


@dataclass(frozen=True)
class Plan:
    """Who is meant, in this order, and who is left out."""

    order: tuple[str, ...]
    skipped: tuple[str, ...]


def candidate(name: str, facts: Mapping[str, Any], canaries: Iterable[str]) -> Candidate:
    """Read the facts of a host: ``deployment``, ``account``, ``fault``."""
    deployment = part(facts, "deployment")
    uid = part(facts, "account").get("uid")
    fault = text(part(facts).get("fault"))
    if not fault and deployment.get("failed"):
        fault = text(deployment.get("msg")) or "its deployment could not be read"
    # A host without facts is not known to be there.
    reachable = bool(deployment) and not deployment.get("unreachable")
    return Candidate(name, reachable, fault, uid if isinstance(uid, int) else None, name in set(canaries))


def batches(values: Iterable[object], hints: Mapping[str, str]) -> None:
    """Refuse sizes that Ansible would read as something else."""
    found = list(values)
    if not found or not all(_BATCH.fullmatch(str(value)) for value in found):
        needed = f'numbers of hosts and percentages, such as [1, "25%", "100%"]{hint(hints, "batches")}'
        raise HardeningError("batches", shown(found), needed, "batches")


def plan(hosts: Iterable[Candidate], *, skip_unreachable: bool, same_uid: bool, hints: Mapping[str, str]) -> Plan:
    """Return who is meant, or refuse with everything that stands against it, in one message.

    :param hints: option to how it is set where the caller comes from.
    """
    known = list(hosts)
    lost = [host.name for host in known if not host.reachable]
    faults = [f"- {host.name}: {harmless(host.fault, 600)}" for host in known if host.reachable and host.fault]
    if lost and not skip_unreachable:
        faults.append(
            f"- not reachable: {listed(lost)}; fix that, leave them out with --limit, "
            f"or set 'unreachable' to skip{hint(hints, 'unreachable')}"
        )
    uids: dict[int, list[str]] = {}
    for host in known:
        if host.reachable and host.uid is not None:
            uids.setdefault(host.uid, []).append(host.name)
    if same_uid and len(uids) > 1:
        groups = ", ".join(f"{uid} on {listed(names, 3)}" for uid, names in sorted(uids.items()))
        fix = f"give the account one number, or set 'same_uid' to false{hint(hints, 'same_uid')}"
        faults.append(f"- uid of the account: {groups}; {fix}")
    if faults:
        raise HardeningError(
            "rollout", f"{len(faults)} reasons against it", "hosts that can all be targets; nothing was changed\n"
            + "\n".join(faults)
        )  # fmt: skip
    meant = [host for host in known if host.reachable]
    order = [host.name for host in meant if host.canary] + [host.name for host in meant if not host.canary]
    return Plan(tuple(order), tuple(lost))
