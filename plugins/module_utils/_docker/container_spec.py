# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a definition asks for: one shape for a service of a resolved compose file and for ``docker inspect``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._docker import container_spec_parse as parse
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose_keys import refused
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose_mounts import (
    as_mounted,
    mounts_of,
    networks_of,
    volumes_of,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import (
    HealthTimes,
    Hook,
    Mount,
    Publish,
    Settings,
    Volume,
)

__all__ = [
    "HealthTimes",
    "Hook",
    "Mount",
    "Publish",
    "Settings",
    "from_compose",
    "from_inspect",
    "published",
    "with_image",
]


def published(service: Mapping[str, Any]) -> tuple[Publish, ...]:
    """Return the ports that a service of a resolved definition publishes; 0 is one that the daemon chooses."""
    return tuple(
        Publish(str(port.get("host_ip") or ""), number, parse.number(port.get("target")), port.get("protocol") or "tcp")
        for port in map(parse.port, service.get("ports") or ())
        for number in parse.port_numbers(port.get("published"))
    )


# --- docker inspect -------------------------------------------------------------------------------------------------

# A port without a binding is one that the daemon chooses.
_CHOSEN: tuple[dict[str, Any], ...] = ({},)
_ONE_OFF = "com.docker.compose.oneoff"


def from_inspect(attrs: Mapping[str, Any], volumes: Mapping[str, Mapping[str, str]] | None = None) -> Settings:
    """Read the answer of ``docker inspect`` (the image's defaults are merged into it by the daemon).

    :param volumes: the options of each volume of the daemon, by its name; None: it was not asked for them.
    """
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
        cgroup_mode=str(host.get("CgroupnsMode") or ""),
        runtime=str(host.get("Runtime") or ""),
        devices=_inspected_devices(host),
        mounts=_inspected_mounts(attrs, host, volumes or {}),
        volumes=_inspected_volumes(attrs, host, volumes),
        shm_size=max(parse.size(host.get("ShmSize")), 0),
        ports=_inspected_ports(attrs, host),
        publish_all=bool(host.get("PublishAllPorts")),
        memory=memory,
        memory_swap=parse.swap(memory, parse.size(host.get("MemorySwap"))),
        cpus=parse.cores(nano, host.get("CpuQuota"), host.get("CpuPeriod")),
        realtime=parse.number(host.get("CpuRealtimeRuntime")),
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
        health_times=_inspected_times(config.get("Healthcheck") or {}),
        labels=labels,
        annotations=parse.pairs(host.get("Annotations")),
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


def _inspected_times(check: Mapping[str, Any]) -> HealthTimes:
    return HealthTimes(
        parse.seconds(check.get("Interval")),
        parse.seconds(check.get("Timeout")),
        parse.number(check.get("Retries")),
        parse.seconds(check.get("StartPeriod")),
    )


def _inspected_volumes(
    attrs: Mapping[str, Any], host: Mapping[str, Any], known: Mapping[str, Mapping[str, str]] | None
) -> tuple[Volume, ...]:
    """Return the volumes; those of the container's own request are there where the daemon was not asked."""
    asked = {mount.get("Target"): mount.get("VolumeOptions") or {} for mount in host.get("Mounts") or ()}
    found = []
    for mount in attrs.get("Mounts") or ():
        if mount.get("Type") == "volume":
            name, target = str(mount.get("Name") or ""), str(mount.get("Destination") or "")
            requested = parse.pairs(((asked.get(target) or {}).get("DriverConfig") or {}).get("Options"))
            options = {**requested, **(known or {}).get(name, {})}
            unknown = known is not None and name not in known
            found.append(Volume(name, target, str(mount.get("Driver") or ""), options, unknown))
    return tuple(found)


def _inspected_mounts(
    attrs: Mapping[str, Any], host: Mapping[str, Any], volumes: Mapping[str, Mapping[str, str]]
) -> tuple[Mount, ...]:
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
        one = Mount(kind, source, target, not mount.get("RW"), str(mount.get("Propagation") or ""), options)
        found.append(as_mounted(one, volumes.get(source, {})) if kind == "volume" else one)
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

_READ = ("services", "volumes", "networks", "secrets", "configs")
_RESTART = {"none": "no", "any": "always"}


def from_compose(config: Mapping[str, Any]) -> tuple[Settings, ...]:
    """Read the answer of ``docker compose config --format json``: one value a service."""
    readable = {**config, **{key: parse.plain(config.get(key) or {}) for key in _READ}}
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
    hooks = tuple(_hooks(service))
    privileged = parse.flag(service.get("privileged"))
    logging = service.get("logging") or {}
    files, known = map(parse.named_file, service.get("configs") or ()), config.get("configs") or {}
    build: Mapping[str, Any] = service["build"] if isinstance(service.get("build"), Mapping) else {}
    return Settings(
        name=str(service.get("container_name") or name),
        source=f"Compose service {name}",
        image=str(service.get("image") or ""),
        user=_user(service, hooks),
        group_add=parse.words(service.get("group_add")),
        # A hook is a process in the container, too.
        privileged=privileged or any(hook.privileged for hook in hooks),
        read_only=parse.flag(service.get("read_only")),
        cap_add=parse.capabilities(service.get("cap_add")),
        cap_drop=parse.capabilities(service.get("cap_drop")),
        security_opt=options,
        masked=not privileged and "systempaths=unconfined" not in options,
        network_mode=str(service.get("network_mode") or ""),
        networks=tuple(
            str(((config.get("networks") or {}).get(key) or {}).get("name") or key)
            for key in service.get("networks") or ()
        ),
        attached=networks_of(service, config),
        pid_mode=str(service.get("pid") or ""),
        ipc_mode=str(service.get("ipc") or ""),
        uts_mode=str(service.get("uts") or ""),
        userns_mode=str(service.get("userns_mode") or ""),
        cgroup_parent=str(service.get("cgroup_parent") or ""),
        cgroup_mode=str(service.get("cgroup") or ""),
        runtime=str(service.get("runtime") or ""),
        devices=_service_devices(service, deploy),
        mounts=mounts_of(name, config),
        volumes=volumes_of(name, config),
        shm_size=max(parse.size(service.get("shm_size")), 0),
        ports=published(service),
        memory=memory,
        memory_swap=parse.swap(memory, parse.size(service.get("memswap_limit"))),
        cpus=parse.cores(
            limits.get("cpus") or service.get("cpus"), service.get("cpu_quota"), service.get("cpu_period")
        ),
        realtime=parse.number(service.get("cpu_rt_runtime")),
        pids_limit=max(parse.number(limits.get("pids") or service.get("pids_limit")), 0),
        oom_kill_disable=parse.flag(service.get("oom_kill_disable")),
        oom_score_adj=parse.number(service.get("oom_score_adj")),
        ulimits=parse.named_limits(service.get("ulimits")),
        sysctls=tuple(f"{key}={value}" for key, value in parse.pairs(service.get("sysctls")).items()),
        restart=restart,
        restart_max=retries,
        init=parse.flag(service.get("init")),
        log_driver=str(logging.get("driver") or ""),
        log_options=parse.pairs(logging.get("options")),
        environment=parse.pairs(service.get("environment")),
        entrypoint=parse.words(service.get("entrypoint")),
        command=parse.words(service.get("command")),
        healthcheck=parse.health_test(service.get("healthcheck")),
        health_times=_health_times(service.get("healthcheck") or {}),
        hooks=hooks,
        contents={
            source: str(part.get("content") or "")
            for source, part in ((str(entry.get("source")), known.get(entry.get("source")) or {}) for entry in files)
        },
        labels=parse.pairs(service.get("labels")),
        annotations=parse.pairs(service.get("annotations")),
        build_arguments=parse.pairs(build.get("args")),
        build_network=str(build.get("network") or ""),
        refused=refused(config, name),
        helper=_helper(service, config["services"]),
    )


def _user(service: Mapping[str, Any], hooks: tuple[Hook, ...]) -> str:
    """Return the user of the service, or root when one of its hooks runs as root."""
    roots = [hook.user for hook in hooks if parse.is_root(hook.user.partition(":")[0])]
    return roots[0] if roots else parse.text(service.get("user"))


def _hooks(service: Mapping[str, Any]) -> Iterator[Hook]:
    """Yield what Compose starts in the container beside its command (Compose 2.30)."""
    places = [(key, hook) for key in ("post_start", "pre_stop") for hook in service.get(key) or ()]
    watched = (service.get("develop") or {}).get("watch") or ()
    places += [("develop.watch", entry["exec"]) for entry in watched if entry.get("exec")]
    for place, hook in places:
        yield Hook(
            place,
            parse.text(hook.get("user")),
            parse.flag(hook.get("privileged")),
            parse.words(hook.get("command")),
            parse.pairs(hook.get("environment")),
        )


def _health_times(check: Mapping[str, Any]) -> HealthTimes:
    return HealthTimes(
        parse.seconds(check.get("interval")),
        parse.seconds(check.get("timeout")),
        parse.number(check.get("retries")),
        parse.seconds(check.get("start_period")),
    )


def _helper(service: Mapping[str, Any], services: Mapping[str, Any]) -> bool:
    """Return whether `up` leaves a service out (profiles), and it serves nobody."""
    joins = str(service.get("network_mode") or "").partition(":")
    foreign = joins[0] == "container" or (joins[0] == "service" and joins[2] not in services)
    return bool(service.get("profiles")) and not service.get("ports") and not foreign


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


def with_image(settings: Settings, image: Mapping[str, Any]) -> Settings:
    """Return the settings of a service with what its image's configuration adds, as the daemon does it."""
    targets = {mount.target for mount in settings.mounts}
    volumes = tuple(Mount("volume", "", target) for target in image.get("Volumes") or () if target not in targets)
    check = image.get("Healthcheck") or {}
    times, own = settings.health_times, _inspected_times(check)
    command, entrypoint = settings.command, settings.entrypoint
    if not entrypoint:
        entrypoint = parse.words(image.get("Entrypoint"))
        command = command or parse.words(image.get("Cmd"))
    return replace(
        settings,
        user=settings.user or str(image.get("User") or ""),
        entrypoint=entrypoint,
        command=command,
        healthcheck=settings.healthcheck or parse.words(check.get("Test")),
        health_times=HealthTimes(
            times.interval or own.interval,
            times.timeout or own.timeout,
            times.retries or own.retries,
            times.start_period or own.start_period,
        ),
        environment={**parse.pairs(image.get("Env")), **settings.environment},
        labels={**parse.pairs(image.get("Labels")), **settings.labels},
        mounts=(*settings.mounts, *volumes),
    )
