# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be done next, and which base is meant; pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import listed
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate import record as records
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.record import Record

# What the playbook has to do next.
MIGRATE, UNDO, FINISH, NOTHING = "migrate", "undo", "finish", "nothing"


@dataclass(frozen=True)
class Current:
    """What there is: the record of a migration, OpenClaws of others (in containers, on the host), and ours."""

    record: Record | None
    bases: tuple[Container, ...]
    deployed: bool = False
    ours: bool = False
    # Processes on the host that look like gateways, and that nothing could stop and start again.
    loose: tuple[str, ...] = ()


def next_step(found: Current) -> str:
    """Return what has to be done; pure."""
    if found.record and found.record.phase == records.STOPPING:
        return FINISH if found.deployed else UNDO
    if found.record and found.record.phase == records.RETIRED and found.ours and not found.bases:
        return NOTHING
    return MIGRATE


def choose(found: Current, named: str, project: str) -> Container:
    """Return the one base that is meant; pure.

    :raises HardeningError: there is none, or more than one, or a hardened deployment already.
    """
    if found.ours:
        needed = "none of this name, whose state would be lost; give this one another name (openclaw_instance)"
        raise HardeningError("migration", f"a deployment of {project} already", needed, outcome="unchanged")
    # ALICE@ is whatever the account alice runs.
    there = [
        base for base in found.bases if named in ("", base.name) or (named[-1] == "@" and base.name.startswith(named))
    ]
    if not there:
        what = f"no running OpenClaw {named}" if named else "no running OpenClaw"
        known = [*(base.name for base in found.bases), *found.loose]
        others = f" (there is {listed(known)})" if known else ""
        needed = "a base deployment that runs; start it, or deploy with site.yml when there is none"
        if found.loose:
            needed = "a base that a container or a unit starts (openclaw gateway install)"
        raise HardeningError("migration", f"{what}{others}", needed, "from", outcome="unchanged")
    if len(there) > 1:
        names = listed(base.name for base in there)
        needed = "the name of the one to migrate"
        raise HardeningError("migration", f"{len(there)} OpenClaw: {names}", needed, "from", outcome="unchanged")
    return there[0]
