# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every key of the Compose specification, and what it is to the policy: checked, harmless or refused.

A table maps a key to ``CHECKED`` (``container_spec`` reads it, a rule checks it), to ``HARMLESS`` (with everything
below), to a table of its own, or to the reason why it is refused. A key that is in no table is refused, too: what a
newer Compose does with it nobody has looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CHECKED = True
HARMLESS = False
# Any name: of a network, of a service, of a variable.
ANY = "*"

_TREE = Mapping[str, Any]


def _harmless(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split(), HARMLESS)


def _checked(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split(), CHECKED)


_SWARM = "only a swarm has it, and this is no definition of a swarm"
_WINDOWS = "only Windows has it"
_UNRESOLVED = "what it takes over is not in the resolved definition"
_HOOK: _TREE = {**_checked("command user privileged environment"), **_harmless("working_dir")}
_LIMIT: _TREE = {**_checked("cpus memory pids"), **_harmless("generic_resources")}
_DEVICE: _TREE = _checked("capabilities count device_ids driver options")
_FILE: _TREE = {**_checked("source target"), **_harmless("uid gid mode")}

SERVICE: _TREE = {
    # Who the processes are, and what they may do.
    **_checked("user group_add privileged read_only cap_add cap_drop security_opt init"),
    "post_start": _HOOK,
    "pre_stop": _HOOK,
    # Namespaces and control groups.
    **_checked("network_mode pid ipc uts userns_mode cgroup cgroup_parent runtime sysctls"),
    # Files.
    **_checked("tmpfs shm_size volumes_from use_api_socket devices device_cgroup_rules gpus"),
    # What it may use up, and how it lives.
    **_checked("mem_limit memswap_limit cpus cpu_quota cpu_period cpu_rt_period cpu_rt_runtime pids_limit"),
    **_checked("oom_kill_disable oom_score_adj ulimits restart"),
    # What it starts, and with which words.
    **_checked("image entrypoint command environment labels annotations container_name profiles"),
    **_harmless("attach blkio_config cpu_count cpu_percent cpu_shares cpuset mem_reservation mem_swappiness"),
    **_harmless("depends_on dns dns_opt dns_search domainname expose extra_hosts hostname links mac_address"),
    # What these files hold is in the environment and the labels of a resolved definition.
    **_harmless("env_file label_file"),
    **_harmless("platform pull_policy pull_refresh_after scale stdin_open stop_grace_period stop_signal tty"),
    **_harmless("working_dir"),
    "build": {
        **_harmless("context dockerfile dockerfile_inline target tags platforms pull no_cache no_cache_filter"),
        **_harmless("cache_from cache_to additional_contexts labels shm_size ulimits extra_hosts isolation secrets"),
        **_harmless("provenance sbom"),
        **_checked("args network"),
        "privileged": "a build with it is root on the host",
        "entitlements": "a build with them gets the host's network or every capability",
        "ssh": "a build with it acts with the keys of the SSH agent",
    },
    "configs": _FILE,
    "secrets": _FILE,
    "credential_spec": _WINDOWS,
    "isolation": _WINDOWS,
    "deploy": {
        **_harmless("mode endpoint_mode replicas labels rollback_config update_config placement"),
        "resources": {
            "limits": _LIMIT,
            "reservations": {**_harmless("cpus memory pids generic_resources"), "devices": _DEVICE},
        },
        "restart_policy": {**_checked("condition max_attempts"), **_harmless("delay window")},
    },
    "develop": {
        "watch": {**_harmless("action path target ignore include initial_sync"), "exec": _HOOK},
    },
    "extends": _UNRESOLVED,
    "external_links": "it leads to a container that is not in this definition",
    "healthcheck": {
        **_checked("test disable interval timeout retries start_period"),
        **_harmless("start_interval"),
    },
    "logging": {"driver": HARMLESS, "options": CHECKED},
    "models": "Compose starts a program of the host for it",
    "networks": {
        ANY: {
            **_harmless("aliases interface_name ipv4_address ipv6_address link_local_ips mac_address priority"),
            **_harmless("gw_priority"),
            **_checked("driver_opts"),
        },
    },
    "ports": {**_checked("host_ip published target protocol"), **_harmless("name mode app_protocol")},
    "provider": "Compose starts this program on the host",
    "storage_opt": _harmless("size"),
    "volumes": {
        **_checked("type source target read_only"),
        **_harmless("consistency"),
        "bind": {**_checked("propagation recursive selinux"), **_harmless("create_host_path")},
        "volume": _harmless("nocopy subpath labels"),
        "tmpfs": _checked("size mode options"),
        "image": CHECKED,
        "cluster": CHECKED,
    },
}
NETWORK: _TREE = {
    **_checked("driver driver_opts external"),
    **_harmless("name internal enable_ipv4 enable_ipv6 attachable labels"),
    "ipam": {"driver": CHECKED, "config": HARMLESS, "options": "what a driver of addresses makes of it is not known"},
}
VOLUME: _TREE = {**_checked("driver driver_opts external"), **_harmless("name labels")}
SECRET: _TREE = {
    **_checked("file"),
    **_harmless("name environment labels"),
    **dict.fromkeys(("external", "driver", "driver_opts", "template_driver"), _SWARM),
}
CONFIG: _TREE = {
    **_checked("file content"),
    **_harmless("name environment labels"),
    **dict.fromkeys(("external", "template_driver"), _SWARM),
}
PROJECT: _TREE = {
    **_harmless("version name"),
    "services": {ANY: SERVICE},
    "networks": {ANY: NETWORK},
    "volumes": {ANY: VOLUME},
    "secrets": {ANY: SECRET},
    "configs": {ANY: CONFIG},
    "include": _UNRESOLVED,
    "models": "Compose starts a program of the host for it",
}
# What `docker compose up` makes of a project for one service: the rest belongs to other services.
_USED = ("networks", "volumes", "secrets", "configs")
_UNKNOWN = "a key that the policy does not know"


def refused(config: Mapping[str, Any], service: str) -> tuple[str, ...]:
    """Return the keys that a service, or what it uses of the project, is refused for, each with the reason."""
    definition = (config.get("services") or {}).get(service) or {}
    found = list(_walk(definition, SERVICE, ""))
    found += _walk({key: value for key, value in config.items() if key not in ("services", *_USED)}, PROJECT, "")
    for kind in _USED:
        used = set(_names(definition.get(kind)))
        parts = {name: part for name, part in (config.get(kind) or {}).items() if name in used}
        found += _walk(parts, PROJECT[kind], kind)
    return tuple(dict.fromkeys(f"{path}: {reason}" for path, reason in found))


def _names(value: Any) -> Iterator[str]:
    """Yield what a service names of the project: in a map, in a list of names or in a list of ``source``."""
    for entry in value or ():
        if isinstance(entry, Mapping):
            yield str(entry.get("source") or "")
        else:
            yield str(entry).partition(":")[0]


def _walk(value: Any, table: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield path and reason of what is refused; a list is as good as each of its items."""
    if isinstance(table, str):
        yield path, table
    elif isinstance(table, Mapping):
        if isinstance(value, list):
            for item in value:
                yield from _walk(item, table, path)
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                if _nothing(inner) or str(key).startswith("x-"):
                    continue
                below = table.get(key, table.get(ANY, _UNKNOWN))
                yield from _walk(inner, below, f"{path}.{key}" if path else str(key))


def _nothing(value: Any) -> bool:
    """Return whether a key with this value sets nothing; a number does."""
    return value is None or value is False or value in ("", "false") or (isinstance(value, (list, dict)) and not value)
