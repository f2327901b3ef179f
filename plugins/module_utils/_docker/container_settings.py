# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of a container's settings: one for a service of a definition and for ``docker inspect``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_OPENCLAW = re.compile(r"(?:^|[/.:_-])openclaw", re.IGNORECASE)


@dataclass(frozen=True)
class Mount:
    """Something mounted into the container. ``kind``: bind, volume, tmpfs; ``options``: of a tmpfs, or SELinux's z."""

    kind: str
    source: str
    target: str
    read_only: bool = False
    propagation: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Publish:
    """A port of the host that leads into the container. An empty ``address`` is every address."""

    address: str
    port: int
    target: int
    protocol: str = "tcp"


@dataclass(frozen=True)
class Volume:
    """A volume that is mounted at ``target``: who makes it, and of what. ``options`` may hold a login: do not show."""

    name: str
    target: str
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    # Neither driver nor options are known: another user made it, or the daemon does not list it.
    external: bool = False


@dataclass(frozen=True)
class Attached:
    """A network of a definition that a service is on; ``endpoint``: options of this one connection."""

    name: str
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    endpoint: Mapping[str, str] = field(default_factory=dict)
    address_driver: str = ""
    external: bool = False


@dataclass(frozen=True)
class Hook:
    """A command that Compose starts in the container (``post_start``, ``pre_stop``, ``develop.watch``).

    Its words and its environment may hold secrets: show neither.
    """

    place: str
    user: str = ""
    privileged: bool = False
    command: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class HealthTimes:
    """How long a health check may fail before Docker reports it, in seconds; 0: Docker's default."""

    interval: float = 0.0
    timeout: float = 0.0
    retries: int = 0
    start_period: float = 0.0


@dataclass(frozen=True)
class Settings:
    """Everything about one container that its definition decides.

    Names are the daemon's, values the meaning: capabilities without ``CAP_`` and in capitals, sizes in bytes, 0 for
    "no limit", an empty string for "the daemon's default". ``source`` reports where this was read, for the evidence.
    ``environment`` holds values: never show them.
    """

    name: str
    source: str
    image: str = ""
    user: str = ""
    group_add: tuple[str, ...] = ()
    privileged: bool = False
    read_only: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    # Whether Docker hides /proc/kcore, /sys/firmware and the like (systempaths).
    masked: bool = True
    network_mode: str = ""
    networks: tuple[str, ...] = ()
    # What a definition reports of them; an existing container's networks are evidence of their own.
    attached: tuple[Attached, ...] = ()
    pid_mode: str = ""
    ipc_mode: str = ""
    uts_mode: str = ""
    userns_mode: str = ""
    cgroup_parent: str = ""
    # Of the control group namespace: private or host.
    cgroup_mode: str = ""
    runtime: str = ""
    devices: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    volumes: tuple[Volume, ...] = ()
    # Of /dev/shm, in bytes.
    shm_size: int = 0
    ports: tuple[Publish, ...] = ()
    publish_all: bool = False
    memory: int = 0
    # Memory and swap together; the same as ``memory``: no swap.
    memory_swap: int = 0
    cpus: float = 0.0
    # Microseconds in which its processes may not be interrupted by others.
    realtime: int = 0
    pids_limit: int = 0
    oom_kill_disable: bool = False
    oom_score_adj: int = 0
    ulimits: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    restart: str = ""
    restart_max: int = 0
    init: bool = False
    log_driver: str = ""
    log_options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()
    health_times: HealthTimes = field(default_factory=HealthTimes)
    hooks: tuple[Hook, ...] = ()
    # Texts that a definition writes into files of the container, by the name of each: never show them.
    contents: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    build_arguments: Mapping[str, str] = field(default_factory=dict)
    build_network: str = ""
    # Keys of a definition that no rule knows, or that are never right, each with the reason.
    refused: tuple[str, ...] = ()
    # A service that `up` does not start (compose profiles), such as a command line beside the gateway.
    helper: bool = False
    # Nothing in it is OpenClaw's: a database, a proxy or the like beside the gateway.
    foreign: bool = False
    # Only known of an existing container: created, running, restarting, exited, …; healthy, unhealthy, starting.
    status: str = ""
    health: str = ""

    @property
    def names_openclaw(self) -> bool:
        """Return whether its image, its words, its variables, its labels or its mounts are OpenClaw's.

        Its name and the labels of Compose are not looked at: another user may have chosen them.
        """
        labels = [key for key in self.labels if not key.startswith("com.docker.compose.")]
        texts = (self.image, *self.entrypoint, *self.command, *labels, *(mount.target for mount in self.mounts))
        return any(map(_OPENCLAW.search, texts)) or any(name.startswith("OPENCLAW_") for name in self.environment)
