# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is, and whether OpenClaw can be deployed on it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable

from ansible_collections.openclaw.hardening.plugins.module_utils._docker import cli
from ansible_collections.openclaw.hardening.plugins.module_utils._run import run

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Version = tuple[int, ...]

# The engine: BuildKit as the default builder came with 23.0. Compose: `config --hash`, `up --wait`, long-syntax ports.
ENGINE_MINIMUM: Version = (23, 0)
COMPOSE_MINIMUM: Version = (2, 20)
BUILDX_MINIMUM: Version = (0, 10)
# The unit directives that the exposure limits rest on (systemd.exec(5)); Debian 12 ships 252.
SYSTEMD_MINIMUM: Version = (252,)
ARCHITECTURES = ("x86_64", "aarch64")
# Distribution and release to the packages that make a target of it; None: its own Docker is too old.
DISTRIBUTIONS: dict[tuple[str, str], list[str] | None] = {
    ("debian", "12"): None,
    ("debian", "13"): ["docker.io", "docker-cli", "docker-compose", "docker-buildx"],
    ("ubuntu", "24.04"): ["docker.io", "docker-compose-v2", "docker-buildx"],
}
REPOSITORY_PACKAGES = ["docker-ce", "docker-ce-cli", "docker-compose-plugin", "docker-buildx-plugin"]
PYTHON_PACKAGES = {"docker": "python3-docker", "yaml": "python3-yaml"}


@dataclass(frozen=True)
class Host:
    """One look at a host. Sizes in MiB; a version of None: not installed or not answering."""

    distribution: str
    release: str
    codename: str
    architecture: str
    systemd: Version | None
    memory_mib: int
    disk_free_mib: int
    engine_installed: bool
    engine: Version | None
    compose: Version | None
    buildx: Version | None
    missing_python: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Wanted:
    """What the operator allows and requires."""

    engine_source: str
    memory_mib: int
    disk_free_mib: int


def look(module: AnsibleModule, docker_host: str, disk_path: str) -> Host:
    """Read the host; starts nothing and writes nothing."""
    release = _os_release()
    installed = shutil.which("docker") is not None
    return Host(
        distribution=release.get("ID", "unknown"),
        release=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        architecture=os.uname().machine,
        systemd=_systemd(module),
        memory_mib=_memory_mib(),
        disk_free_mib=_disk_free_mib(disk_path),
        engine_installed=installed and shutil.which("dockerd") is not None,
        engine=_engine(module, docker_host) if installed else None,
        compose=_answered(module, ["docker", "compose", "version", "--short"]) if installed else None,
        buildx=_answered(module, ["docker", "buildx", "version"]) if installed else None,
        missing_python=tuple(name for name in PYTHON_PACKAGES if importlib.util.find_spec(name) is None),
    )


def problems(host: Host, wanted: Wanted) -> list[str]:
    """Return why this host cannot be a target, worst first: found, needed, cure. Empty: it can."""
    system = f"{host.distribution} {host.release}".strip()
    found: list[str] = []
    if host.systemd is None:
        found.append(
            "systemd: found another PID 1, needed a host that systemd booted; "
            "deploy on such a host, or run 'make sandbox' for a try on this machine"
        )
    elif host.systemd < SYSTEMD_MINIMUM:
        found.append(f"systemd: found {show(host.systemd)}, needed {show(SYSTEMD_MINIMUM)} or newer; upgrade the host")
    if (host.distribution, host.release) not in DISTRIBUTIONS:
        names = ", ".join(f"{name} {release}" for name, release in DISTRIBUTIONS)
        found.append(f"distribution: found {system}, needed one of {names}")
    if host.architecture not in ARCHITECTURES:
        found.append(f"architecture: found {host.architecture}, needed one of {', '.join(ARCHITECTURES)}")
    for what, size, minimum, option in (
        ("memory", host.memory_mib, wanted.memory_mib, "memory_minimum_mib"),
        ("free disk", host.disk_free_mib, wanted.disk_free_mib, "disk_minimum_mib"),
    ):
        if size < minimum:
            found.append(f"{what}: found {size} MiB, needed {minimum} MiB; enlarge the host, or lower {option}")
    return found + _engine_problems(host, wanted, system)


def missing_packages(host: Host, engine_source: str) -> list[str]:
    """Return the packages to install, none when the host has everything."""
    python = [PYTHON_PACKAGES[name] for name in host.missing_python]
    complete = host.engine_installed and host.compose is not None and host.buildx is not None
    if complete or engine_source == "present":
        return python
    own = DISTRIBUTIONS.get((host.distribution, host.release)) if engine_source == "distribution" else None
    return (own or REPOSITORY_PACKAGES) + python


def show(version: Version | None) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version)) if version else ""


def _engine_problems(host: Host, wanted: Wanted, system: str) -> list[str]:
    """Judge Docker: what is installed must be new enough, what is missing must be ours to install."""
    option = "engine_source"
    found = [
        f"{what}: found {show(version)}, needed {show(minimum)} or newer; upgrade it, "
        f"or remove it and set {option} to 'repository'"
        for what, version, minimum in (
            ("Docker Engine", host.engine, ENGINE_MINIMUM),
            ("Docker Compose", host.compose, COMPOSE_MINIMUM),
            ("Docker Buildx", host.buildx, BUILDX_MINIMUM),
        )
        if version is not None and version < minimum
    ]
    if not host.engine_installed and wanted.engine_source == "present":
        found.append(f"Docker Engine: found none, needed one that runs; install it, or set {option} to 'distribution'")
    known = (host.distribution, host.release) in DISTRIBUTIONS
    if (
        not found
        and known
        and wanted.engine_source == "distribution"
        and DISTRIBUTIONS[(host.distribution, host.release)] is None
        and (not host.engine_installed or host.compose is None or host.buildx is None)
    ):
        found.append(
            f"Docker Engine: found none that is complete, and the one that {system} ships is too old; "
            f"set {option} to 'repository'"
        )
    return found


def _os_release() -> dict[str, str]:
    """Read os-release(5)."""
    with open("/etc/os-release", encoding="utf-8") as file:
        pairs = (line.rstrip("\n").split("=", 1) for line in file if "=" in line and not line.startswith("#"))
        return {key: value.strip("\"'") for key, value in pairs}


def _systemd(module: AnsibleModule) -> Version | None:
    """Return systemd's version where it is PID 1 (sd_booted(3)), else None."""
    return _answered(module, ["systemctl", "--version"]) if os.path.isdir("/run/systemd/system") else None


def _engine(module: AnsibleModule, docker_host: str) -> Version | None:
    """Return the version of the daemon that answers on the socket, else None."""
    output = run(module, [*cli(docker_host), "version", "--format", "{{json .Server}}"], check=False)
    if output.rc != 0:
        return None
    server = json.loads(output.stdout) or {}
    return parse_version(str(server.get("Version", "")))


def _answered(module: AnsibleModule, argv: list[str]) -> Version | None:
    """Return the version that a program prints about itself, else None."""
    output = run(module, argv, check=False)
    return parse_version(output.stdout) if output.rc == 0 else None


def parse_version(text: str) -> Version | None:
    """Return the first version number in a text: ``systemd 257 (257.13)`` is ``(257,)``."""
    match = re.search(r"(?<![0-9A-Za-z.])v?(\d+(?:\.\d+)*)", text)
    return tuple(map(int, match[1].split("."))) if match else None


def _memory_mib() -> int:
    """Return the memory that the kernel manages."""
    with open("/proc/meminfo", encoding="ascii") as file:
        total = next(line for line in file if line.startswith("MemTotal:"))
    return int(total.split()[1]) // 1024


def _disk_free_mib(path: str, exists: Callable[[str], bool] = os.path.exists) -> int:
    """Return the free space of the file system that holds a path, which need not exist yet."""
    while not exists(path):
        path = os.path.dirname(path) or "/"
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize // (1024 * 1024)
