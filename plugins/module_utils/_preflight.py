# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is, and whether OpenClaw can be deployed on it."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, spoken
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import DEFAULT_HOST, cli
from ansible_collections.openclaw.hardening.plugins.module_utils._system import proc
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.packet_filter import kernel_takes_it
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import find_program

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Version = tuple[int, ...]

# The engine: BuildKit as the default builder came with 23.0. Compose: `config --hash`, `up --wait`, long-syntax ports.
ENGINE_MINIMUM: Version = (23, 0)
COMPOSE_MINIMUM: Version = (2, 20)
BUILDX_MINIMUM: Version = (0, 10)
# The unit directives that the exposure limits rest on (systemd.exec(5)); Debian 12 ships 252.
SYSTEMD_MINIMUM: Version = (252,)
# Seconds for one question to Docker or systemd.
_ASKING = 60.0
ARCHITECTURES = ("x86_64", "aarch64")
# Distribution and release to the packages that make a target of it; None: its own Docker is too old.
DISTRIBUTIONS: dict[tuple[str, str], list[str] | None] = {
    ("debian", "12"): None,
    ("debian", "13"): ["docker.io", "docker-cli", "docker-compose", "docker-buildx"],
    ("ubuntu", "24.04"): ["docker.io", "docker-compose-v2", "docker-buildx"],
}
REPOSITORY_PACKAGES = ["docker-ce", "docker-ce-cli", "docker-compose-plugin", "docker-buildx-plugin"]
# Of every distribution; Docker 28 and newer keeps neighbours away by itself.
FILTER_PACKAGE = "nftables"
FILTER_NEEDED_BELOW: Version = (28,)
# Import name to the distribution's package, and to the name that pip knows.
PYTHON_PACKAGES = {"docker": "python3-docker", "yaml": "python3-yaml"}
_PIP = {"docker": "docker", "yaml": "PyYAML"}
# Where those packages install to: only an interpreter that reads it has them then.
DIST_PACKAGES = "/usr/lib/python3/dist-packages"
DOCKER_UNIT = "docker.service"


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
    missing_python: tuple[str, ...] = ()
    # Import name to why a package that is there cannot be imported.
    broken_python: tuple[tuple[str, str], ...] = ()
    interpreter: str = "/usr/bin/python3"
    # Whether the distribution's Python packages count for it.
    reads_dist_packages: bool = True
    uid: int = 0
    # Why an installed engine does not answer; empty: it does, or its unit only has to be started.
    engine_fault: str = ""
    # The program nft, and nf_tables in the kernel.
    nft: bool = True
    nf_tables: bool = True


@dataclass(frozen=True)
class Desired:
    """What the operator allows and requires."""

    engine_source: str
    memory_mib: int
    disk_free_mib: int


def look(module: AnsibleModule, docker_host: str, disk_path: str) -> Host:
    """Read the host; starts nothing and writes nothing."""
    release = _os_release()
    installed = find_program("docker") is not None
    engine, silence = _engine(module, docker_host) if installed else (None, "")
    missing, broken = _python_packages()
    return Host(
        distribution=release.get("ID", "unknown"),
        release=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        architecture=os.uname().machine,
        systemd=_systemd(module),
        memory_mib=proc.memory("MemTotal") // (1024 * 1024),
        disk_free_mib=_disk_free_mib(disk_path),
        engine_installed=installed and find_program("dockerd") is not None,
        engine=engine,
        compose=_answered(module, ["docker", "compose", "version", "--short"]) if installed else None,
        buildx=_answered(module, ["docker", "buildx", "version"]) if installed else None,
        missing_python=missing,
        broken_python=broken,
        interpreter=access.interpreter(),
        reads_dist_packages=DIST_PACKAGES in map(os.path.realpath, sys.path),
        uid=os.geteuid(),
        engine_fault=_engine_fault(module, docker_host, silence) if installed and engine is None else "",
        nft=module.get_bin_path("nft") is not None,
        nf_tables=kernel_takes_it(),
    )


def problems(host: Host, wanted: Desired) -> list[str]:
    """Return why this host cannot be a target, worst first: found, needed, remediation. Empty: it can."""
    system = f"{host.distribution} {host.release}".strip()
    found: list[str] = []
    if host.uid != 0:
        found.append(f"account: found uid {host.uid}, needed root; set become: true")
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
    return found + _python_problems(host) + _engine_problems(host, wanted, system) + _filter_problems(host, wanted)


def missing_packages(host: Host, engine_source: str) -> list[str]:
    """Return the packages to install, none when the host has everything."""
    python = [PYTHON_PACKAGES[name] for name in host.missing_python]
    if not host.nft and engine_source != "present":
        python.append(FILTER_PACKAGE)
    complete = host.engine_installed and host.compose is not None and host.buildx is not None
    if complete or engine_source == "present":
        return python
    own = DISTRIBUTIONS.get((host.distribution, host.release)) if engine_source == "distribution" else None
    return (own or REPOSITORY_PACKAGES) + python


def show(version: Version | None) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version)) if version else ""


def _python_problems(host: Host) -> list[str]:
    """Validate the interpreter: what it lacks must be what apt installs for it."""
    option = "ansible_python_interpreter"
    found = [
        f"Python package {name!r}: found one that {host.interpreter} cannot import ({why}), needed one that works; "
        f"repair or remove it, or set {option} to another interpreter"
        for name, why in host.broken_python
    ]
    if host.missing_python and not host.reads_dist_packages:
        packages = ", ".join(PYTHON_PACKAGES[name] for name in host.missing_python)
        found.append(
            f"Python: found {host.interpreter} without {', '.join(host.missing_python)}, and {packages} would be "
            f"installed for /usr/bin/python3, which that is not; set {option} to /usr/bin/python3, or install "
            f"{' '.join(_PIP[name] for name in host.missing_python)} for it (python -m pip install)"
        )
    return found


def _engine_problems(host: Host, wanted: Desired, system: str) -> list[str]:
    """Check Docker: what is installed must be new enough, what is missing must be ours to install."""
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
    if host.engine_installed and wanted.engine_source == "present":
        found += [
            f"{what}: found none that answers to 'docker {name} version', needed {show(minimum)} or newer; "
            f"install its package, or set {option} to 'distribution' or 'repository'"
            for what, name, version, minimum in (
                ("Docker Compose", "compose", host.compose, COMPOSE_MINIMUM),
                ("Docker Buildx", "buildx", host.buildx, BUILDX_MINIMUM),
            )
            if version is None
        ]
    if host.engine_installed and host.engine is None and host.engine_fault:
        found.append(f"Docker Engine: {host.engine_fault}")
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


def _filter_problems(host: Host, wanted: Desired) -> list[str]:
    """Check what keeps neighbours off the gateway, where Docker does not."""
    if host.engine is not None and host.engine >= FILTER_NEEDED_BELOW:
        return []
    found = []
    if not host.nf_tables:
        found.append(
            "nf_tables: found a kernel without it, needed it to keep neighbours off the gateway; "
            "boot a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET, or use Docker 28 or newer"
        )
    if not host.nft and wanted.engine_source == "present":
        found.append(
            "nftables: found no program nft, needed it to keep neighbours off the gateway; "
            f"install the package {FILTER_PACKAGE}, or set engine_source to 'distribution'"
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


def _engine(module: AnsibleModule, docker_host: str) -> tuple[Version | None, str]:
    """Return the version of the daemon that answers on the socket; else None, and what the program reports."""
    output = run(module, [*cli(docker_host), "version", "--format", "{{json .Server}}"], check=False, timeout=_ASKING)
    if output.rc != 0:
        return None, spoken(output.stderr or output.stdout)
    try:
        server = json.loads(output.stdout)
    except ValueError:
        return None, "an answer that is not JSON"
    return parse_version(str((server or {}).get("Version", ""))), ""


def _engine_fault(module: AnsibleModule, docker_host: str, silence: str) -> str:
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


def _python_packages() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Import what the modules need: names of what is not there, and of what is there and broken, with the reason."""
    missing, broken = [], []
    for name in PYTHON_PACKAGES:
        try:
            # A folder of that name is a package without a file, and no Python package of that kind.
            there = importlib.import_module(name).__file__ is not None
        except ModuleNotFoundError as error:
            there = error.name != name
            reason = str(error)
        except Exception as error:  # whatever an old or half-removed package raises
            there, reason = True, f"{type(error).__name__}: {error}"
        else:
            reason = ""
        if not there:
            missing.append(name)
        elif reason:
            broken.append((name, harmless(reason)[:200]))
    return tuple(missing), tuple(broken)


def _answered(module: AnsibleModule, argv: list[str]) -> Version | None:
    """Return the version that a program prints about itself, else None."""
    output = run(module, argv, check=False, timeout=_ASKING)
    return parse_version(output.stdout) if output.rc == 0 else None


def parse_version(text: str) -> Version | None:
    """Return the first version number in a text: ``systemd 257 (257.13)`` is ``(257,)``."""
    match = re.search(r"(?<![0-9A-Za-z.])v?(\d+(?:\.\d+)*)", text)
    return tuple(map(int, match[1].split("."))) if match else None


def _disk_free_mib(path: str, exists: Callable[[str], bool] = os.path.exists) -> int:
    """Return the free space of the file system that holds a path, which need not exist yet."""
    while not exists(path):
        path = os.path.dirname(path) or "/"
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize // (1024 * 1024)
