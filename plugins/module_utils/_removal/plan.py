# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a removal takes away, what stays and why, and what it is refused for: pure, from what was found on the host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import listed

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._backup.options import Request

# In this order: nothing starts a container again once its units are gone from memory, the packet filter protects it as
# long as it is there, and what proves that a thing is ours goes after that thing. Records are last.
UNITS = "stop the units"
CONTAINERS = "remove the containers"
NETWORKS = "remove the networks"
FILTER = "remove the packet filter"
IMAGES = "remove the images"
FILES = "remove programs and configuration"
UNIT_FILES = "remove the units"
DATA = "remove the data"
ACCOUNT = "remove the account"
RECORDS = "remove the records"
STAGES = (UNITS, CONTAINERS, NETWORKS, FILTER, IMAGES, FILES, UNIT_FILES, DATA, ACCOUNT, RECORDS)

STATE = "state"
HOME = "home"
CACHE = "build cache"
DIRECTORY = "directory"
_KEPT = "it is data, or needed for it; with data=true (in the playbook: openclaw_remove_data) it goes, too"


@dataclass(frozen=True)
class Thing:
    """One thing on the host.

    :param path: its path, or its name where it has none.
    :param reason: why it stays; empty: it goes.
    :param data: it stays as long as data is kept.
    :param key: what the program that removes it calls it.
    """

    stage: str
    kind: str
    path: str
    reason: str = ""
    data: bool = False
    key: str = ""

    @property
    def text(self) -> str:
        """Name it."""
        return f"{self.kind} {self.path}"


@dataclass(frozen=True)
class Current:
    """What is on the host.

    :param attached: containers of other owners on our networks, each with its network.
    :param interrupted: how far a deployment was that was cut off; empty: none was.
    :param mounts: what is mounted in a directory of ours.
    :param processes: programs of the account that are neither in a container nor in a unit of ours.
    :param running: our container runs, so that the state may change.
    :param backed_up: a removal that was cut off has made the last backup; empty: none has.
    """

    things: tuple[Thing, ...] = ()
    attached: tuple[tuple[str, str], ...] = ()
    interrupted: str = ""
    mounts: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    running: bool = False
    backed_up: str = ""


@dataclass(frozen=True)
class Plan:
    """What goes, in this order, and what stays."""

    removed: tuple[Thing, ...] = ()
    stays: tuple[Thing, ...] = ()
    # Whether a last backup has to be made before.
    backup: bool = False

    @property
    def actions(self) -> list[str]:
        """One line for each thing that goes."""
        lines = [f"{'stop' if thing.stage == UNITS else 'remove'} {thing.text}" for thing in self.removed]
        return [*(["make a last backup"] if self.backup else []), *lines]

    def of(self, stage: str) -> list[Thing]:
        """Return what goes in one stage."""
        return [thing for thing in self.removed if thing.stage == stage]


def decide(found: Current, *, data: bool, backup: bool) -> Plan:
    """Say what goes and what stays.

    :param data: data goes, too.
    :param backup: a last backup is wanted.
    """
    # Without data there is nothing that the account or the token would be needed for.
    kinds = {thing.kind for thing in found.things if not thing.reason}
    keeps = bool(kinds & {STATE, HOME}) and not data
    things = [replace(thing, reason=_KEPT) if keeps and thing.data and not thing.reason else thing
              for thing in found.things]  # fmt: skip
    stays = {(thing.kind, thing.path): thing for thing in things if thing.reason}
    # A directory goes when everything in it goes.
    for folder in sorted((thing for thing in things if thing.kind == DIRECTORY), key=lambda thing: -len(thing.path)):
        inside = sorted({path for _kind, path in stays if path.startswith(f"{folder.path}/")})
        if inside and not folder.reason:
            stays[DIRECTORY, folder.path] = replace(folder, reason=f"it holds {listed(inside, 3)}")
    removed = sorted((thing for thing in things if (thing.kind, thing.path) not in stays), key=_order)
    destroys = any(thing.stage != RECORDS for thing in removed)
    needed = backup and STATE in kinds and destroys and (found.running or not found.backed_up)
    return Plan(tuple(removed), tuple(sorted(stays.values(), key=lambda thing: (thing.kind, thing.path))), needed)


def _order(thing: Thing) -> tuple[int, int, bool, str]:
    """Order things by stage; what is in a directory goes before the directory, and the locks of records last."""
    depth = thing.path.count("/") if thing.path.startswith("/") else 0
    return STAGES.index(thing.stage), -depth, thing.kind == "lock", thing.path


def refuse(found: Current, plan: Plan, *, data: bool, backup: Request | None) -> None:
    """Refuse a removal that would break something of another owner, or lose data; nothing was changed yet."""
    for network, container in found.attached:
        raise HardeningError(
            f"network {network}",
            f"container {container} on it, which this collection did not make",
            f"none but its own: docker network disconnect {network} {container}, or remove that container",
            outcome="unchanged",
        )
    if found.interrupted and plan.removed and (backup is not None or not data):
        raise HardeningError(
            "the deployment",
            f"one that was cut off while {found.interrupted}",
            "one that is finished or undone, because its data may be in a copy: run the playbook that was cut off once "
            "more. Only a removal with the data and without a backup goes on",
            outcome="unchanged",
        )
    if plan.backup and data and backup is not None and backup.secrets and not backup.with_secrets:
        needed = "a public key, because secrets and logins go with the data, and are in no backup that is not encrypted"
        raise HardeningError(
            "backup.recipient", "none", f"{needed}; or 'secrets' false, when they may be lost", "backup"
        )
    mounted = _below(found.mounts, (thing.path for thing in plan.removed))
    if mounted:
        needed = f"nothing mounted there: umount {mounted[0]}, or keep the data"
        raise HardeningError("mount points", listed(mounted), needed, outcome="unchanged")
    if found.processes and any(thing.kind == "account" for thing in plan.removed):
        needed = "no program of the account but those of its container and units; stop them"
        raise HardeningError("processes", listed(found.processes), needed, outcome="unchanged")


def _below(mounts: Iterable[str], tops: Iterable[str]) -> list[str]:
    places = tuple(f"{top}/" for top in tops if top.startswith("/"))
    return sorted({mount for mount in mounts if f"{mount}/".startswith(places)}) if places else []
