# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is: one look, which starts nothing and writes nothing."""

from __future__ import annotations

import errno
import importlib
import os
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight import engine as docker_engine
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.versions import Version, parse_version
from ansible_collections.openclaw.hardening.plugins.module_utils._system import proc
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.packet_filter import kernel_takes_it

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Seconds for one question to systemd.
_ASKING = 60.0
# Import name to the distribution's package.
PYTHON_PACKAGES = {"docker": "python3-docker", "yaml": "python3-yaml"}
# Where those packages install to: only an interpreter that reads it has them then.
DIST_PACKAGES = "/usr/lib/python3/dist-packages"


@dataclass(frozen=True)
class Host:
    """One look at a host. Sizes in MiB; a version of None: not installed or not answering."""

    distribution: str
    release: str
    codename: str
    architecture: str
    systemd: Version | None
    memory_mib: int
    processors: int
    engine: docker_engine.Engine = field(default_factory=docker_engine.Engine)
    # Where Docker keeps its images, and the free space there.
    disk_path: str = docker_engine.DATA_ROOT
    disk_free_mib: int = 0
    missing_python: tuple[str, ...] = ()
    # Import name to why a package that is there cannot be imported.
    broken_python: tuple[tuple[str, str], ...] = ()
    interpreter: str = "/usr/bin/python3"
    # Whether the distribution's Python packages count for it.
    reads_dist_packages: bool = True
    uid: int = 0
    # The program nft, and nf_tables in the kernel.
    nft: bool = True
    nf_tables: bool = True
    # Addresses that were asked for and that no interface has.
    absent_addresses: tuple[str, ...] = ()


def look(module: AnsibleModule, docker_host: str, disk_path: str, addresses: Iterable[str]) -> Host:
    """Read the host.

    :param disk_path: where free space is measured; empty: where Docker keeps its images.
    :param addresses: IP addresses that the host must have.
    """
    release = _os_release()
    found = docker_engine.look(module, docker_host)
    missing, broken = _python_packages()
    return Host(
        distribution=release.get("ID", "unknown"),
        release=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        architecture=os.uname().machine,
        systemd=_systemd(module),
        memory_mib=proc.memory("MemTotal") // (1024 * 1024),
        processors=found.processors or os.cpu_count() or 1,
        engine=found,
        disk_path=disk_path or found.folder,
        disk_free_mib=_disk_free_mib(disk_path or found.folder),
        missing_python=missing,
        broken_python=broken,
        interpreter=access.interpreter(),
        reads_dist_packages=DIST_PACKAGES in map(os.path.realpath, sys.path),
        uid=os.geteuid(),
        nft=module.get_bin_path("nft") is not None,
        nf_tables=kernel_takes_it(),
        absent_addresses=tuple(address for address in addresses if not _has_address(address)),
    )


def _has_address(address: str) -> bool:
    """Return whether the host can listen there; what cannot be tried counts as there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.bind((address, 0))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def _os_release() -> dict[str, str]:
    """Read os-release(5)."""
    with open("/etc/os-release", encoding="utf-8") as file:
        pairs = (line.rstrip("\n").split("=", 1) for line in file if "=" in line and not line.startswith("#"))
        return {key: value.strip("\"'") for key, value in pairs}


def _systemd(module: AnsibleModule) -> Version | None:
    """Return systemd's version where it is PID 1 (sd_booted(3)), else None."""
    if not os.path.isdir("/run/systemd/system"):
        return None
    output = run(module, ["systemctl", "--version"], check=False, timeout=_ASKING)
    return parse_version(output.stdout) if output.rc == 0 else None


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


def _disk_free_mib(path: str, exists: Callable[[str], bool] = os.path.exists) -> int:
    """Return the free space of the file system that holds a path, which need not exist yet."""
    while not exists(path):
        path = os.path.dirname(path) or "/"
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize // (1024 * 1024)
