# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a migration is, and what brings the base back: on disk, root's alone, before anything of it is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ensure_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import stored, write_json

# The base runs: its state and secrets are copied, nothing of it was touched.
PREPARED = "prepared"
# It is being stopped, or is stopped: it has to come back unless the new deployment is proven.
STOPPING = "stopping"
# The new deployment took its place.
RETIRED = "retired"
PHASES = (PREPARED, STOPPING, RETIRED)
_FORMAT = 1


@dataclass(frozen=True)
class Member:
    """A container of the base as it was.

    :param attrs: what the daemon reported about it, with its environment: the file is root's alone.
    :param retired: the name that it has afterwards.
    :param again: it has to be made again under another project, because labels cannot be changed.
    """

    container_id: str
    name: str
    alive: bool
    attrs: dict[str, Any] = field(repr=False)
    retired: str = ""
    again: bool = False


@dataclass(frozen=True)
class OwnUnit:
    """A unit that starts the base.

    :param account: whose manager has it; empty is the system's.
    """

    name: str
    active: bool
    enabled: bool
    account: str = ""


@dataclass(frozen=True)
class Record:
    """One migration."""

    phase: str
    members: tuple[Member, ...]
    units: tuple[OwnUnit, ...] = ()
    stopped_at: str = ""
    seconds_down: float = -1.0


@dataclass(frozen=True)
class Folder:
    """Where it is kept, below the directory of records."""

    path: str

    @property
    def record(self) -> str:
        """The record itself."""
        return f"{self.path}/base.json"

    @property
    def state(self) -> str:
        """The copy of the base's state."""
        return f"{self.path}/state"

    @property
    def secrets(self) -> str:
        """Its secrets, one file each."""
        return f"{self.path}/secrets"

    def load(self) -> Record | None:
        """Return the record.

        :raises HardeningError: it is damaged, so that nobody knows what the base was.
        """
        found = stored(self.record)
        if not found.there:
            return None
        try:
            if found.fault or found.record["format"] != _FORMAT or found.record["phase"] not in PHASES:
                raise ValueError(found.fault or "another format or phase")
            return Record(
                found.record["phase"],
                tuple(Member(**member) for member in found.record["members"]),
                tuple(OwnUnit(**unit) for unit in found.record["units"]),
                str(found.record["stopped_at"]),
                float(found.record["seconds_down"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            needed = (
                "the record of the migration; bring it back from a backup, or start the base by hand and move it away"
            )
            raise HardeningError(self.record, f"a damaged record ({error})", needed) from None

    def save(self, record: Record) -> None:
        """Write it."""
        ensure_directory(self.path, 0o700, 0, 0)
        content: Mapping[str, Any] = {"format": _FORMAT, **asdict(record)}
        write_json(self.record, content)
