# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""BuildKit's cache of our builds: known by the programs of our Dockerfile, and by what is made from their results.

Copies of a context (``local source``) name nothing, and stay until BuildKit lets go of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_OURS = re.compile(
    r"-eu -c sh /context/(?:app-[a-z]+|builder|measure|npm-settings|prune|rootfs)\.sh"
    r"|/usr/local/share/openclaw-hardening/"
)
_ID = re.compile(r"[a-z0-9]{25}")
_AT_ONCE = 100


@dataclass(frozen=True)
class Record:
    """One entry of the cache, and those that it is made from."""

    id: str
    parents: tuple[str, ...] = ()
    text: str = ""
    free: bool = True


def gather(module: AnsibleModule, docker_host: str) -> list[str]:
    """Return the ids of our entries; none where Docker has no BuildKit."""
    argv = [*client.cli(docker_host), "buildx", "du", "--builder", "default", "--verbose"]
    answer = run(module, argv, check=False)
    return ours(records(answer.stdout)) if answer.rc == 0 else []


def records(text: str) -> list[Record]:
    """Read the answer of ``docker buildx du --verbose``: one block of lines for each entry; pure."""
    found = []
    for block in text.split("\n\n"):
        values = dict(line.split(":", 1) for line in block.splitlines() if ":" in line)
        identity = _ID.fullmatch(values.get("ID", "").strip())
        if identity:
            parents = _ID.findall(values.get("Parent", "") + values.get("Parents", ""))
            free = values.get("Reclaimable", "").strip() == "true"
            found.append(Record(identity[0], tuple(parents), values.get("Description", ""), free))
    return found


def ours(there: Collection[Record]) -> list[str]:
    """Return our entries: those of our programs, what is made from them, and what only they are made from; pure."""
    children: dict[str, set[str]] = {record.id: set() for record in there}
    for record in there:
        for parent in record.parents:
            children.setdefault(parent, set()).add(record.id)
    found = {record.id for record in there if _OURS.search(record.text)}
    _grow(found, lambda: {child for one in found for child in children.get(one, ())})
    _grow(found, lambda: {one for one, below in children.items() if below and below <= found})
    # What a build has at work holds what it is made from.
    held = {record.id for record in there if not record.free}
    _grow(held, lambda: {parent for record in there if record.id in held for parent in record.parents})
    return sorted((found & {record.id for record in there}) - held)


def remove(module: AnsibleModule, docker_host: str, ids: Collection[str]) -> None:
    """Remove entries by their ids."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), _AT_ONCE):
        pattern = f"id=^({'|'.join(ordered[start : start + _AT_ONCE])})$"
        run(module, [*client.cli(docker_host), "builder", "prune", "--force", "--all", "--filter", pattern])


def _grow(found: set[str], more: Callable[[], Iterable[str]]) -> None:
    """Add what ``more`` finds until it finds nothing new."""
    size = -1
    while len(found) != size:
        size = len(found)
        found.update(more())
