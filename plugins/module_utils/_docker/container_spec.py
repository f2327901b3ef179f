# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a definition asks for: one shape for a service of a resolved compose file and for ``docker inspect``."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._docker import container_spec_parse as parse


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


def published(service: Mapping[str, Any]) -> tuple[Publish, ...]:
    """Return the ports that a service of a resolved definition publishes; 0 is one that the daemon chooses."""
    return tuple(
        Publish(str(port.get("host_ip") or ""), number, parse.number(port.get("target")), port.get("protocol") or "tcp")
        for port in service.get("ports") or ()
        for number in parse.port_numbers(port.get("published"))
    )


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
    pid_mode: str = ""
    ipc_mode: str = ""
    uts_mode: str = ""
    userns_mode: str = ""
    cgroup_parent: str = ""
    devices: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Publish, ...] = ()
    publish_all: bool = False
    memory: int = 0
    # Memory and swap together; the same as ``memory``: no swap.
    memory_swap: int = 0
    cpus: float = 0.0
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
    labels: Mapping[str, str] = field(default_factory=dict)
    # A service that `up` does not start (compose profiles), such as a command line beside the gateway.
    helper: bool = False
    # Only known of an existing container: created, running, restarting, exited, …; healthy, unhealthy, starting.
    status: str = ""
    health: str = ""


# --- docker inspect -------------------------------------------------------------------------------------------------

# A port without a binding is one that the daemon chooses.
_CHOSEN: tuple[dict[str, Any], ...] = ({},)
_ONE_OFF = "com.docker.compose.oneoff"


def from_inspect(attrs: Mapping[str, Any]) -> Settings:
    """Read the answer of ``docker inspect`` (the image's defaults are merged into it by the daemon)."""
    config, host, state = (attrs.get(key) or {} for key in ("Config", "HostConfig", "State"))
    name = str(attrs.get("Name") or "").lstrip("/")
    memory = max(parse.size(host.get("Memory")), 0)
    policy, log = host.get("RestartPolicy") or {}, host.get("LogConfig") or {}
    labels = parse.pairs(config.get("Labels"))
    nano = parse.number(host.get("NanoCpus")) / 1_000_000_000
    masks = [host.get(key) for key in ("MaskedPaths", "ReadonlyPaths")]
    unmasked = bool(host.get("Privileged")) or any(paths is not None and not paths for paths in masks)
    return Settings(
        name=name,
        source=f"docker inspect {name}",
        image=str(config.get("Image") or ""),
        user=str(config.get("User") or ""),
        group_add=parse.words(host.get("GroupAdd")),
        privileged=bool(host.get("Privileged")),
        read_only=bool(host.get("ReadonlyRootfs")),
        cap_add=parse.capabilities(host.get("CapAdd")),
        cap_drop=parse.capabilities(host.get("CapDrop")),
        security_opt=parse.security_options(host.get("SecurityOpt")),
        masked=not unmasked,
        network_mode=str(host.get("NetworkMode") or ""),
        networks=tuple((attrs.get("NetworkSettings") or {}).get("Networks") or ()),
        pid_mode=str(host.get("PidMode") or ""),
        ipc_mode=str(host.get("IpcMode") or ""),
        uts_mode=str(host.get("UTSMode") or ""),
        userns_mode=str(host.get("UsernsMode") or ""),
        cgroup_parent=str(host.get("CgroupParent") or ""),
        devices=_inspected_devices(host),
        mounts=_inspected_mounts(attrs, host),
        ports=_inspected_ports(attrs, host),
        publish_all=bool(host.get("PublishAllPorts")),
        memory=memory,
        memory_swap=parse.swap(memory, parse.size(host.get("MemorySwap"))),
        cpus=parse.cores(nano, host.get("CpuQuota"), host.get("CpuPeriod")),
        pids_limit=max(parse.number(host.get("PidsLimit")), 0),
        oom_kill_disable=bool(host.get("OomKillDisable")),
        oom_score_adj=parse.number(host.get("OomScoreAdj")),
        ulimits=tuple(
            f"{limit.get('Name')}={limit.get('Soft')}:{limit.get('Hard')}" for limit in host.get("Ulimits") or ()
        ),
        sysctls=tuple(f"{key}={value}" for key, value in (host.get("Sysctls") or {}).items()),
        restart=str(policy.get("Name") or ""),
        restart_max=parse.number(policy.get("MaximumRetryCount")),
        init=bool(host.get("Init")),
        log_driver=str(log.get("Type") or ""),
        log_options=parse.pairs(log.get("Config")),
        environment=parse.pairs(config.get("Env")),
        entrypoint=parse.words(config.get("Entrypoint")),
        command=parse.words(config.get("Cmd")),
        healthcheck=parse.words((config.get("Healthcheck") or {}).get("Test")),
        labels=labels,
        helper=labels.get(_ONE_OFF) == "True",
        status=str(state.get("Status") or ""),
        health=str((state.get("Health") or {}).get("Status") or ""),
    )


def _inspected_devices(host: Mapping[str, Any]) -> tuple[str, ...]:
    found = [
        f"{device.get('PathOnHost')}:{device.get('PathInContainer')}:{device.get('CgroupPermissions')}"
        for device in host.get("Devices") or ()
    ]
    found += [f"rule {rule}" for rule in host.get("DeviceCgroupRules") or ()]
    for request in host.get("DeviceRequests") or ():
        wanted = [word for words in request.get("Capabilities") or () for word in words]
        found.append(f"request {request.get('Driver') or '+'.join(wanted) or 'any'}")
    return tuple(found)


def _inspected_mounts(attrs: Mapping[str, Any], host: Mapping[str, Any]) -> tuple[Mount, ...]:
    asked = {mount.get("Target"): mount for mount in host.get("Mounts") or ()}
    found = [
        Mount("tmpfs", "", target, False, "", options) for target, options in parse.tmpfs_entries(host.get("Tmpfs"))
    ]
    scratch = {mount.target for mount in found}
    for mount in attrs.get("Mounts") or ():
        kind, target = str(mount.get("Type") or ""), str(mount.get("Destination") or "")
        if kind == "tmpfs" and target in scratch:
            continue
        options = tuple(word for word in str(mount.get("Mode") or "").split(",") if word in ("z", "Z"))
        if kind == "tmpfs":
            given = (asked.get(target) or {}).get("TmpfsOptions")
            options = parse.tmpfs_options(given, ("SizeBytes", "Mode", "Options"))
        source = str((mount.get("Name") if kind == "volume" else "") or mount.get("Source") or "")
        found.append(Mount(kind, source, target, not mount.get("RW"), str(mount.get("Propagation") or ""), options))
    return tuple(found)


def _inspected_ports(attrs: Mapping[str, Any], host: Mapping[str, Any]) -> tuple[Publish, ...]:
    bindings: dict[str, Any] = dict(host.get("PortBindings") or {})
    taken: Mapping[str, Any] = (attrs.get("NetworkSettings") or {}).get("Ports") or {}
    for key, there in taken.items():
        # A port that the daemon chose stands only in what it made of it.
        if there and not all(parse.number(asked.get("HostPort")) for asked in bindings.get(key) or _CHOSEN):
            bindings[key] = there
    found = []
    for key, asked in bindings.items():
        target, _slash, protocol = key.partition("/")
        found += [
            Publish(str(binding.get("HostIp") or ""), port, parse.number(target), protocol or "tcp")
            for binding in asked or _CHOSEN
            for port in parse.port_numbers(binding.get("HostPort"))
        ]
    return tuple(found)


# --- docker compose config --format json ----------------------------------------------------------------------------

_RESTART = {"none": "no", "any": "always"}


def from_compose(config: Mapping[str, Any]) -> tuple[Settings, ...]:
    """Read the answer of ``docker compose config --format json``: one value a service."""
    readable = {**config, **{key: parse.plain(config.get(key) or {}) for key in ("services", "volumes", "secrets")}}
    return tuple(_service(name, readable) for name in readable["services"])


def _service(name: str, config: Mapping[str, Any]) -> Settings:
    service: Mapping[str, Any] = config["services"][name]
    deploy = service.get("deploy") or {}
    # Compose lets this section win where both are there.
    limits = (deploy.get("resources") or {}).get("limits") or {}
    memory = max(parse.size(limits.get("memory") or service.get("mem_limit")), 0)
    restart, retries = parse.restart_policy(str(service.get("restart") or ""))
    if policy := deploy.get("restart_policy"):
        condition = str(policy.get("condition") or "any")
        restart, retries = _RESTART.get(condition, condition), parse.number(policy.get("max_attempts"))
    options = parse.security_options(service.get("security_opt"))
    hooks = [hook for key in ("post_start", "pre_stop") for hook in service.get(key) or ()]
    logging = service.get("logging") or {}
    return Settings(
        name=str(service.get("container_name") or name),
        source=f"Compose service {name}",
        image=str(service.get("image") or ""),
        user=_user(service, hooks),
        group_add=parse.words(service.get("group_add")),
        # A hook is a process in the container, too.
        privileged=bool(service.get("privileged")) or any(hook.get("privileged") for hook in hooks),
        read_only=bool(service.get("read_only")),
        cap_add=parse.capabilities(service.get("cap_add")),
        cap_drop=parse.capabilities(service.get("cap_drop")),
        security_opt=options,
        masked=not service.get("privileged") and "systempaths=unconfined" not in options,
        network_mode=str(service.get("network_mode") or ""),
        networks=tuple(
            str(((config.get("networks") or {}).get(key) or {}).get("name") or key)
            for key in service.get("networks") or ()
        ),
        pid_mode=str(service.get("pid") or ""),
        ipc_mode=str(service.get("ipc") or ""),
        uts_mode=str(service.get("uts") or ""),
        userns_mode=str(service.get("userns_mode") or ""),
        cgroup_parent=str(service.get("cgroup_parent") or ""),
        devices=_service_devices(service, deploy),
        mounts=_service_mounts(name, config, ()),
        ports=published(service),
        memory=memory,
        memory_swap=parse.swap(memory, parse.size(service.get("memswap_limit"))),
        cpus=parse.cores(
            limits.get("cpus") or service.get("cpus"), service.get("cpu_quota"), service.get("cpu_period")
        ),
        pids_limit=max(parse.number(limits.get("pids") or service.get("pids_limit")), 0),
        oom_kill_disable=bool(service.get("oom_kill_disable")),
        oom_score_adj=parse.number(service.get("oom_score_adj")),
        ulimits=parse.named_limits(service.get("ulimits")),
        sysctls=tuple(f"{key}={value}" for key, value in parse.pairs(service.get("sysctls")).items()),
        restart=restart,
        restart_max=retries,
        init=bool(service.get("init")),
        log_driver=str(logging.get("driver") or ""),
        log_options=parse.pairs(logging.get("options")),
        environment=parse.pairs(service.get("environment")),
        entrypoint=parse.words(service.get("entrypoint")),
        command=parse.words(service.get("command")),
        healthcheck=parse.health_test(service.get("healthcheck")),
        labels=parse.pairs(service.get("labels")),
        helper=bool(service.get("profiles")),
    )


def _user(service: Mapping[str, Any], hooks: list[Any]) -> str:
    """Return the user of the service, or root when one of its hooks runs as root."""
    users = [str(hook.get("user") or "") for hook in hooks]
    roots = [user for user in users if user.partition(":")[0] in ("0", "root")]
    return roots[0] if roots else str(service.get("user") or "")


def _service_devices(service: Mapping[str, Any], deploy: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    for device in service.get("devices") or ():
        if isinstance(device, Mapping):
            device = f"{device.get('source')}:{device.get('target')}:{device.get('permissions')}"
        found.append(str(device))
    found += [f"rule {rule}" for rule in service.get("device_cgroup_rules") or ()]
    gpus = service.get("gpus")
    requests = list(gpus) if isinstance(gpus, list) else [{"driver": "gpu"}] if gpus else []
    requests += ((deploy.get("resources") or {}).get("reservations") or {}).get("devices") or ()
    for request in requests:
        found.append(f"request {request.get('driver') or '+'.join(parse.words(request.get('capabilities'))) or 'gpu'}")
    return tuple(found)


def _service_mounts(name: str, config: Mapping[str, Any], observed: tuple[str, ...]) -> tuple[Mount, ...]:
    service: Mapping[str, Any] = config["services"][name]
    found = [
        Mount("tmpfs", "", target, False, "", options) for target, options in parse.tmpfs_entries(service.get("tmpfs"))
    ]
    found += [_volume(mount, config.get("volumes") or {}) for mount in service.get("volumes") or ()]
    for kind, folder in (("secrets", "/run/secrets"), ("configs", "/")):
        for entry in service.get(kind) or ():
            file = ((config.get(kind) or {}).get(entry.get("source")) or {}).get("file")
            if file:
                target = posixpath.join(folder, entry.get("target") or entry.get("source"))
                found.append(Mount("bind", file, target, True))
    if service.get("use_api_socket"):
        found.append(Mount("bind", "/var/run/docker.sock", "/var/run/docker.sock"))
    for text in service.get("volumes_from") or ():
        found += _borrowed(str(text), config, (*observed, name))
    return tuple(found)


def _volume(mount: Mapping[str, Any], volumes: Mapping[str, Any]) -> Mount:
    kind, source, target = (str(mount.get(key) or "") for key in ("type", "source", "target"))
    bind = mount.get("bind") or {}
    options = tuple(parse.words(bind.get("selinux")))
    if kind == "tmpfs":
        options = parse.tmpfs_options(mount.get("tmpfs"), ("size", "mode", "options"))
    if kind == "volume" and source:
        volume = volumes.get(source) or {}
        driver = volume.get("driver_opts") or {}
        source = str(volume.get("name") or source)
        # A directory of the host by another name.
        if {"bind", "rbind"} & set(str(driver.get("o") or "").split(",")):
            kind, source = "bind", str(driver.get("device") or "")
    return Mount(kind, source, target, bool(mount.get("read_only")), str(bind.get("propagation") or ""), options)


def _borrowed(text: str, config: Mapping[str, Any], observed: tuple[str, ...]) -> list[Mount]:
    """Return the mounts that ``volumes_from`` takes over; those of a container outside of the file nobody knows."""
    name, _colon, mode = text.partition(":")
    if name not in config["services"] or name == "container":
        return [Mount("volume", f"volumes_from {text}", "(unknown)", text.endswith(":ro"))]
    if name in observed:
        return []
    mounts = _service_mounts(name, config, observed)
    return [replace(mount, read_only=mount.read_only or mode == "ro") for mount in mounts if mount.kind != "tmpfs"]


def with_image(settings: Settings, image: Mapping[str, Any]) -> Settings:
    """Return the settings of a service with what its image's configuration adds, as the daemon does it."""
    targets = {mount.target for mount in settings.mounts}
    volumes = tuple(Mount("volume", "", target) for target in image.get("Volumes") or () if target not in targets)
    command, entrypoint = settings.command, settings.entrypoint
    if not entrypoint:
        entrypoint = parse.words(image.get("Entrypoint"))
        command = command or parse.words(image.get("Cmd"))
    return replace(
        settings,
        user=settings.user or str(image.get("User") or ""),
        entrypoint=entrypoint,
        command=command,
        healthcheck=settings.healthcheck or parse.words((image.get("Healthcheck") or {}).get("Test")),
        environment={**parse.pairs(image.get("Env")), **settings.environment},
        labels={**parse.pairs(image.get("Labels")), **settings.labels},
        mounts=(*settings.mounts, *volumes),
    )
