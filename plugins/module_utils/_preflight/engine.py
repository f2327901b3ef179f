# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Docker a host has: where it comes from, what its daemon answers, and what that was started with."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, spoken
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import DEFAULT_HOST, cli
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import daemon
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.versions import Version, parse_version
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import find_program

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DOCKER_UNIT = "docker.service"
# Where images are by default; the second with the image store of containerd (the default of Docker 29).
DATA_ROOT = "/var/lib/docker"
CONTAINERD_ROOT = "/var/lib/containerd"
SNAP = "snap"
# Seconds for one question to Docker.
_ASKING = 60.0


@dataclass(frozen=True)
class Engine:
    """One look at Docker. A version of None: not installed or not answering."""

    installed: bool = False
    # The program docker.
    client: bool = False
    # The package that owns dockerd, or `snap`; empty: none, or not asked because nothing is missing.
    package: str = ""
    # The path of dockerd.
    program: str = ""
    version: Version | None = None
    compose: Version | None = None
    buildx: Version | None = None
    # Why an installed engine does not answer; empty: it does, or its unit only has to be started.
    fault: str = ""
    # 0: not known.
    processors: int = 0
    # Where images are kept.
    folder: str = DATA_ROOT
    rootless: bool = False
    maps_users: bool = False
    # What it was started with, by the names of daemon.json, and where each comes from.
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Return whether engine, Compose and Buildx are there."""
        return self.installed and self.compose is not None and self.buildx is not None


def look(module: AnsibleModule, docker_host: str) -> Engine:
    """Ask the daemon and its client once, and read what the daemon was started with."""
    program, served = find_program("docker"), find_program("dockerd") or ""
    if program is None:
        return Engine(installed=bool(served), program=served, package=_package(module, served))
    info, silence = _info(module, docker_host)
    client = plugins(info.get("ClientInfo") or {})
    version = parse_version(str(info.get("ServerVersion") or ""))
    start = daemon.started_with(docker_host)
    security = [str(option) for option in info.get("SecurityOptions") or ()]
    snap = served.startswith("/snap/") or os.path.basename(os.path.realpath(program)) == SNAP
    found = Engine(
        installed=bool(served) or snap,
        client=True,
        program=served,
        version=version,
        compose=client.get("compose"),
        buildx=client.get("buildx"),
        fault=_fault(module, docker_host, silence) if version is None else "",
        processors=int(info.get("NCPU") or 0),
        folder=folder(info, start.options, _containerd_root()),
        rootless="name=rootless" in security,
        maps_users="name=userns" in security or bool(start.options.get("userns-remap")),
        options=start.options,
        sources=start.sources,
    )
    package = SNAP if snap else "" if found.complete else _package(module, served)
    return replace(found, package=package)


def plugins(client: Mapping[str, Any]) -> dict[str, Version | None]:
    """Return the versions of the client's plugins that work, by name (pure)."""
    return {
        str(plugin.get("Name")): parse_version(str(plugin.get("Version") or ""))
        for plugin in client.get("Plugins") or ()
        if not plugin.get("Err")
    }


def folder(info: Mapping[str, Any], options: Mapping[str, Any], containerd_root: str) -> str:
    """Return where images are kept (pure): as the daemon answers, else as its file has it."""
    driver = [" ".join(map(str, pair)) for pair in info.get("DriverStatus") or () if isinstance(pair, list)]
    if any("io.containerd.snapshotter" in pair for pair in driver):
        return containerd_root
    return str(info.get("DockerRootDir") or options.get("data-root") or DATA_ROOT)


def _containerd_root() -> str:
    try:
        with open("/etc/containerd/config.toml", encoding="utf-8") as file:
            root = re.search(r"""^root\s*=\s*["'](/[^"']*)["']""", file.read(), re.MULTILINE)
    except (OSError, ValueError):
        root = None
    return root[1] if root else CONTAINERD_ROOT


def _info(module: AnsibleModule, docker_host: str) -> tuple[dict[str, Any], str]:
    """Return what client and daemon report; without the daemon the client's part, and what was printed instead."""
    output = run(module, [*cli(docker_host), "info", "--format", "{{json .}}"], check=False, timeout=_ASKING)
    try:
        found = json.loads(output.stdout)
    except ValueError:
        found = None
    info = found if isinstance(found, dict) else {}
    errors = info.get("ServerErrors") or ()
    return info, spoken(" ".join(map(str, errors if isinstance(errors, list) else ())) or output.stderr)


def _package(module: AnsibleModule, program: str) -> str:
    """Return the Debian package that owns a program; empty when none does."""
    if not program or find_program("dpkg-query") is None:
        return ""
    output = run(module, ["dpkg-query", "--search", "--", os.path.realpath(program)], check=False, timeout=_ASKING)
    return output.stdout.partition(":")[0] if output.rc == 0 else ""


def _fault(module: AnsibleModule, docker_host: str, silence: str) -> str:
    """Return why an installed engine does not answer; nothing when starting its unit is all that is missing."""
    state = _unit(module)
    startable = state.get("LoadState") == "loaded" and state.get("ActiveState") in ("inactive", "failed")
    others = access.elsewhere(docker_host)
    if docker_host == DEFAULT_HOST and startable and not others:
        return ""
    unit = f"{DOCKER_UNIT} is {state.get('LoadState') or 'unknown'}, {state.get('ActiveState') or 'unknown'}"
    reported = "; ".join([unit, *others, *([harmless(silence)] if silence else [])])
    return (
        f"found no answer at {docker_host} ({reported}), needed the system's own daemon; "
        "start or repair it (systemctl status docker), or set docker_host to its address"
    )


def _unit(module: AnsibleModule) -> dict[str, str]:
    """Return what systemd reports of Docker's unit; nothing without systemd."""
    if not os.path.isdir("/run/systemd/system"):
        return {}
    argv = ["systemctl", "show", "--property=LoadState,ActiveState", "--", DOCKER_UNIT]
    lines = run(module, argv, check=False).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
