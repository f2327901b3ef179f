# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a diagnosis is about, and what was found on the host; a part that could not be read reports why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import Facts as Failure
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Health
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.history import Deployed
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable

MIB = 1 << 20
_NOT_READ = Unavailable("it was not read")


@dataclass(frozen=True)
class Subject:
    """The deployment that is diagnosed: its names and paths, and what the inventory asks for."""

    project: str
    service: str
    container: str
    definition: str
    config: str
    secrets_dir: str
    token_file: str
    state_dir: str
    record_dir: str
    account: str
    unit: str
    units: tuple[str, ...] = ()
    image_ref: str = ""
    port: int = 18789
    # Where the port is published; an empty text is every address.
    addresses: tuple[str, ...] = ("127.0.0.1",)
    # Whether the gateway is meant to run.
    runs: bool = True


@dataclass(frozen=True)
class Daemon:
    """Docker: whether it is there, and why it does not answer."""

    installed: bool
    fault: str = ""


@dataclass(frozen=True)
class Unit:
    """A unit, by the words of systemd."""

    name: str
    load: str = ""
    active: str = ""
    enabled: str = ""
    result: str = ""
    exit_status: str = ""
    needs_reload: bool = False


@dataclass(frozen=True)
class Records:
    """What the host remembers of deployments."""

    deployed: Deployed | None = None
    rejected: tuple[Mapping[str, str], ...] = ()
    interrupted: str = ""
    # Which run is at work on this deployment now.
    busy: str = ""
    damaged: tuple[str, ...] = ()
    # Files that are not as they were proven.
    changed: tuple[str, ...] = ()
    definition: bool = True


@dataclass(frozen=True)
class Disk:
    """A file system: what of ours is there, and what is free."""

    use: str
    path: str
    free: int
    total: int
    free_files: int = 1
    files: int = 0


@dataclass(frozen=True)
class Usage:
    """What the container ran out of since it was started."""

    memory: int = 0
    killed: int = 0
    processes: int = 0
    refused: int = 0
    # Memory file systems without room: place and size in bytes.
    full: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Owned:
    """A path whose owner or mode is not what the container's user needs."""

    path: str
    found: str


@dataclass(frozen=True)
class Files:
    """The files that the gateway needs; ``linked``: one of the state has several names."""

    uid: int = 0
    wrong: tuple[Owned, ...] = ()
    missing: tuple[str, ...] = ()
    linked: bool = False


@dataclass(frozen=True)
class PortFacts:
    """Who has the port, the next one that is free, and which addresses the host lacks."""

    taken_by: str = ""
    free: int = 0
    published: tuple[str, ...] = ()
    missing_addresses: tuple[str, ...] = ()
    own_address: str = ""


@dataclass(frozen=True)
class Clock:
    """The time, and a time that is over for certain (seconds since 1970)."""

    now: float
    over: float


@dataclass(frozen=True)
class Present:
    """The container, or None when there is none; ``image``: whether the image of its name is on the host."""

    container: Container | None = None
    image: bool = True
    # Other containers of the service that a killed recreate left.
    strays: tuple[str, ...] = ()


@dataclass(frozen=True)
class Host:
    """All of it; each part is there, or the reason why it is not."""

    subject: Subject
    daemon: Daemon | Unavailable = _NOT_READ
    units: Mapping[str, Unit] | Unavailable = _NOT_READ
    records: Records | Unavailable = _NOT_READ
    container: Present | Unavailable = _NOT_READ
    health: Health | Unavailable = _NOT_READ
    failure: Failure | Unavailable = _NOT_READ
    log: tuple[str, ...] | Unavailable = _NOT_READ
    usage: Usage | Unavailable = _NOT_READ
    port: PortFacts | Unavailable = _NOT_READ
    disks: tuple[Disk, ...] | Unavailable = _NOT_READ
    files: Files | Unavailable = _NOT_READ
    clock: Clock | Unavailable = _NOT_READ
    nameservers: tuple[str, ...] | Unavailable = _NOT_READ
    # Packets of the container that the network policy refused since its unit was started.
    refused: int | Unavailable = _NOT_READ

    @property
    def well(self) -> bool:
        """Return whether the gateway serves, asked from the host."""
        return isinstance(self.health, Health) and self.health.ok
