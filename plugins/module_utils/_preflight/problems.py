# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether OpenClaw can be deployed on a host: pure, from one look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import hint
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, listed
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.engine import SNAP, Engine
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.host import PYTHON_PACKAGES, Host
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.versions import Version, show

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
# The packages that may be completed, each by its own kind only: another engine would replace the one that is there.
OWN, REPOSITORY = "docker.io", "docker-ce"
# Of every distribution; Docker 28 and newer keeps neighbours away by itself.
FILTER_PACKAGE = "nftables"
FILTER_NEEDED_BELOW: Version = (28,)
_PIP = {"docker": "docker", "yaml": "PyYAML"}


@dataclass(frozen=True)
class Desired:
    """What the operator allows and requires."""

    engine_source: str
    memory_mib: int
    disk_free_mib: int
    # The gateway's limit; 0: none.
    processors: float = 0
    # How a remediation is done where the caller comes from: the variable to set, by subject.
    hints: Mapping[str, str] = field(default_factory=dict)


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
        (f"free disk at {harmless(host.disk_path)}", host.disk_free_mib, wanted.disk_free_mib, "disk_minimum_mib"),
    ):
        if size < minimum:
            found.append(f"{what}: found {size} MiB, needed {minimum} MiB; enlarge the host, or lower {option}")
    if host.processors < wanted.processors:
        limit = f"{wanted.processors:g}"
        found.append(
            f"processors: found {host.processors}, needed {limit} for the gateway's limit, which Docker refuses above "
            f"that; enlarge the host, or lower processors{hint(wanted.hints, 'processors')}"
        )
    if host.absent_addresses:
        found.append(
            f"addresses: found none of this host that is {listed(host.absent_addresses)}, needed the address of an "
            f"interface that is up; bring it up, or change addresses{hint(wanted.hints, 'addresses')}"
        )
    found += _python_problems(host) + _engine_problems(host, wanted, system)
    return found + _daemon_problems(host.engine) + _filter_problems(host, wanted)


def missing_packages(host: Host, engine_source: str) -> list[str]:
    """Return the packages to install, none when the host has everything."""
    python = [PYTHON_PACKAGES[name] for name in host.missing_python]
    if not host.nft and engine_source != "present":
        python.append(FILTER_PACKAGE)
    if host.engine.complete or engine_source == "present":
        return python
    return _engine_packages(host, engine_source) + python


def _engine_packages(host: Host, engine_source: str) -> list[str]:
    """Return what completes Docker; an engine that is there stays, and only packages of its own kind fit it."""
    engine = host.engine
    ships = DISTRIBUTIONS.get((host.distribution, host.release)) or REPOSITORY_PACKAGES
    kinds = {OWN: ships, REPOSITORY: REPOSITORY_PACKAGES}
    if not engine.installed:
        return kinds[OWN if engine_source == "distribution" else REPOSITORY]
    there = {OWN, REPOSITORY}
    for part, is_there in (("cli", engine.client), ("compose", engine.compose), ("buildx", engine.buildx)):
        there |= {name for name in ships + REPOSITORY_PACKAGES if is_there and part in name}
    return [name for name in kinds.get(engine.package, []) if name not in there]


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
    engine, option = host.engine, "engine_source"
    if engine.package == SNAP:
        return [
            "Docker Engine: found the one of snap, whose confinement hides /etc and /var/lib from it, needed another; "
            f"remove it (snap remove docker) and set {option} to 'distribution' or 'repository'"
        ]
    found = [
        f"{what}: found {show(version)}, needed {show(minimum)} or newer; upgrade it, "
        f"or remove it and set {option} to 'repository'"
        for what, version, minimum in (
            ("Docker Engine", engine.version, ENGINE_MINIMUM),
            ("Docker Compose", engine.compose, COMPOSE_MINIMUM),
            ("Docker Buildx", engine.buildx, BUILDX_MINIMUM),
        )
        if version is not None and version < minimum
    ]
    if not engine.installed and wanted.engine_source == "present":
        found.append(f"Docker Engine: found none, needed one that runs; install it, or set {option} to 'distribution'")
    if engine.installed and wanted.engine_source == "present":
        found += [
            f"{what}: found none that answers to 'docker {name} version', needed {show(minimum)} or newer; "
            f"install its package, or set {option} to 'distribution' or 'repository'"
            for what, name, version, minimum in (
                ("Docker Compose", "compose", engine.compose, COMPOSE_MINIMUM),
                ("Docker Buildx", "buildx", engine.buildx, BUILDX_MINIMUM),
            )
            if version is None
        ]
    if engine.installed and engine.version is None and engine.fault:
        found.append(f"Docker Engine: {engine.fault}")
    if (
        engine.installed
        and not engine.complete
        and engine.package not in (OWN, REPOSITORY)
        and wanted.engine_source != "present"
    ):
        owner = f"of the package {engine.package}" if engine.package else "which no package owns"
        missing = "Compose" if engine.compose is None else "Buildx"
        found.append(
            f"Docker Engine: found {engine.program}, {owner}, without {missing}, needed it complete, because a package "
            f"would bring another engine; install Docker's client plugin {missing} for it, or remove this engine"
        )
    known = (host.distribution, host.release) in DISTRIBUTIONS
    if (
        not found
        and known
        and wanted.engine_source == "distribution"
        and DISTRIBUTIONS[(host.distribution, host.release)] is None
        and not engine.complete
    ):
        found.append(
            f"Docker Engine: found none that is complete, and the one that {system} ships is too old; "
            f"set {option} to 'repository'"
        )
    return found


def _daemon_problems(engine: Engine) -> list[str]:
    """Check how the daemon runs: what cannot work with the hardened gateway is refused before anything changes."""
    if engine.rootless:
        return [
            "Docker Engine: found a rootless daemon, needed the system's own: accounts, units and packet filter are "
            "the host's; set docker_host to the system's socket, or install one with engine_source 'distribution'"
        ]
    found = []
    if engine.maps_users:
        found.append(
            f"userns-remap: found it on ({engine.sources.get('userns-remap', 'the daemon')}), needed it off: the "
            "container would own none of the service account's files, and the gateway runs as that account, not as "
            "root; take userns-remap out and restart Docker"
        )
    if engine.options.get("iptables") is False:
        found.append(
            f"iptables: found false ({engine.sources.get('iptables', 'the daemon')}), needed Docker's own rules: the "
            "gateway would have no way out to its providers; take iptables out and restart Docker"
        )
    return found


def _filter_problems(host: Host, wanted: Desired) -> list[str]:
    """Check what keeps neighbours off the gateway, where Docker does not."""
    if host.engine.version is not None and host.engine.version >= FILTER_NEEDED_BELOW:
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
