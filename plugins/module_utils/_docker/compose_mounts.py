# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service of a definition mounts, and the volumes and networks behind it; what the options of a volume mean."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._docker import container_spec_parse as parse
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import (
    Attached,
    Mount,
    Volume,
)

_PROPAGATIONS = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
_FOLDERS = (("secrets", "/run/secrets"), ("configs", "/"))


def mounts_of(name: str, config: Mapping[str, Any], observed: tuple[str, ...] = ()) -> tuple[Mount, ...]:
    """Return what a service mounts; ``observed``: services whose ``volumes_from`` led here."""
    service: Mapping[str, Any] = config["services"][name]
    found = [
        Mount("tmpfs", "", target, False, "", options) for target, options in parse.tmpfs_entries(service.get("tmpfs"))
    ]
    found += [_mount(mount, config.get("volumes") or {}) for mount in _mounts(service)]
    for kind, folder in _FOLDERS:
        for entry in map(parse.named_file, service.get(kind) or ()):
            file = ((config.get(kind) or {}).get(entry.get("source")) or {}).get("file")
            if file:
                target = posixpath.join(folder, str(entry.get("target") or entry.get("source")))
                found.append(Mount("bind", file, target, True))
    if parse.flag(service.get("use_api_socket")):
        found.append(Mount("bind", "/var/run/docker.sock", "/var/run/docker.sock"))
    for text in service.get("volumes_from") or ():
        found += _borrowed(str(text), config, (*observed, name))
    return tuple(found)


def as_mounted(mount: Mount, options: Mapping[str, str]) -> Mount:
    """Return the mount of a volume as what its options make of it: a directory of the host, or scratch space."""
    flags = [flag.strip() for flag in options.get("o", "").split(",") if flag.strip()]
    if {"bind", "rbind"}.intersection(flags):
        # A directory of the host by another name.
        return replace(
            mount,
            kind="bind",
            source=options.get("device", ""),
            read_only=mount.read_only or "ro" in flags,
            propagation=next((flag for flag in flags if flag in _PROPAGATIONS), mount.propagation),
        )
    if options.get("type") == "tmpfs":
        return replace(mount, kind="tmpfs", source="", options=tuple(flags))
    return mount


def volumes_of(name: str, config: Mapping[str, Any], observed: tuple[str, ...] = ()) -> tuple[Volume, ...]:
    """Return the volumes behind the mounts of a service, those of ``volumes_from`` too."""
    service: Mapping[str, Any] = config["services"][name]
    known = config.get("volumes") or {}
    found = []
    for mount in _mounts(service):
        source = str(mount.get("source") or "")
        if mount.get("type") == "volume" and source:
            volume = known.get(source) or {}
            found.append(
                Volume(
                    str(volume.get("name") or source),
                    str(mount.get("target") or ""),
                    str(volume.get("driver") or ""),
                    parse.pairs(volume.get("driver_opts")),
                    _external(volume),
                )
            )
    for text in service.get("volumes_from") or ():
        other = str(text).partition(":")[0]
        if other in config["services"] and other != "container" and other not in observed:
            found += volumes_of(other, config, (*observed, name))
    return tuple(found)


def networks_of(service: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[Attached, ...]:
    """Return the networks that a service is on, as the definition describes them."""
    known = config.get("networks") or {}
    own = service.get("networks") or {}
    endpoints: Mapping[str, Any] = own if isinstance(own, Mapping) else dict.fromkeys(map(str, own))
    found = []
    for key, endpoint in endpoints.items():
        network = known.get(key) or {}
        found.append(
            Attached(
                str(network.get("name") or key),
                str(network.get("driver") or ""),
                parse.pairs(network.get("driver_opts")),
                parse.pairs((endpoint or {}).get("driver_opts")),
                str((network.get("ipam") or {}).get("driver") or ""),
                _external(network),
            )
        )
    mode = str(service.get("network_mode") or "")
    if mode and mode not in ("host", "none", "bridge", "default") and ":" not in mode:
        # The name of a network that no definition makes.
        found.append(Attached(mode, external=True))
    return tuple(found)


def _external(part: Mapping[str, Any]) -> bool:
    external = part.get("external")
    return isinstance(external, Mapping) or parse.flag(external)


def _mounts(service: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for mount in service.get("volumes") or ():
        yield mount if isinstance(mount, Mapping) else parse.short_mount(str(mount))


def _mount(mount: Mapping[str, Any], volumes: Mapping[str, Any]) -> Mount:
    kind, source, target = (str(mount.get(key) or "") for key in ("type", "source", "target"))
    bind = mount.get("bind") or {}
    # Below a read-only bind others may be mounted, which stay writable so.
    read_only = parse.flag(mount.get("read_only")) and bind.get("recursive") != "writable"
    propagation, options = str(bind.get("propagation") or ""), tuple(parse.words(bind.get("selinux")))
    if kind == "tmpfs":
        options = parse.tmpfs_options(mount.get("tmpfs"), ("size", "mode", "options"))
    if kind != "volume" or not source:
        return Mount(kind, source, target, read_only, propagation, options)
    volume = volumes.get(source) or {}
    named = Mount(kind, str(volume.get("name") or source), target, read_only, propagation, options)
    return as_mounted(named, parse.pairs(volume.get("driver_opts")))


def _borrowed(text: str, config: Mapping[str, Any], observed: tuple[str, ...]) -> list[Mount]:
    """Return the mounts that ``volumes_from`` takes over; those of a container outside of the file nobody knows."""
    name, _colon, mode = text.partition(":")
    if name not in config["services"] or name == "container":
        return [Mount("volume", f"volumes_from {text}", "(unknown)", text.endswith(":ro"))]
    if name in observed:
        return []
    mounts = mounts_of(name, config, observed)
    return [replace(mount, read_only=mount.read_only or mode == "ro") for mount in mounts if mount.kind != "tmpfs"]
