# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A base image without any registry: made from the build host's own, signed apt sources."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import read_text
from ansible_collections.openclaw.hardening.plugins.module_utils._image import apt, cause
from ansible_collections.openclaw.hardening.plugins.module_utils._image.network import TRUSTED, Network
from ansible_collections.openclaw.hardening.plugins.module_utils._system import progress
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import find_program

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

REPOSITORY = "openclaw-hardening-base"
DIGEST_LABEL = "io.openclaw.hardening.base-digest"
# Of working folders with random names; apt's own user has to get in, so no private one.
WORKING = "openclaw-base-"
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,63}")


@dataclass(frozen=True)
class Distribution:
    """The build host's distribution, as far as a base depends on it."""

    name: str
    codename: str
    architecture: str

    @property
    def identity(self) -> str:
        """What a content hash takes in."""
        return f"{self.name}-{self.codename}-{self.architecture}"


def distribution(os_release: str = "/etc/os-release") -> Distribution:
    """Read which distribution this host runs."""
    try:
        with open(os_release, encoding="utf-8") as handle:
            pairs = [line.partition("=") for line in handle.read().splitlines() if "=" in line]
    except OSError:
        pairs = []
    found = {key: "".join(shlex.split(value)) for key, _equals, value in pairs}
    return Distribution(found.get("ID", ""), found.get("VERSION_CODENAME", ""), platform.machine())


def packages(names: list[str]) -> tuple[str, ...]:
    """Return package names, or refuse the first that is none."""
    for name in names:
        if not _PACKAGE.fullmatch(name):
            raise HardeningError("base.packages", repr(name[:60]), "names of Debian packages", "base.packages")
    return tuple(names)


def tag(host: Distribution, names: tuple[str, ...], sources: apt.Sources) -> str:
    """Name a base by what it is made of and from, not by when: other sources make another one."""
    return f"{family(host, names)}-{sources.identity[:8]}"


def family(host: Distribution, names: tuple[str, ...]) -> str:
    """Return how the names of all bases with these packages begin."""
    content = "\n".join([host.identity, *sorted(names)])
    return f"{REPOSITORY}:{host.codename}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def fresh(image: client.Image | None, max_age_days: int, now: float) -> bool:
    """Return whether a base may be used as it is, or is due for security updates."""
    if image is None:
        return False
    # The daemon writes nanoseconds, which Python 3.9 cannot parse.
    created = datetime.strptime(image.created[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return now - created.timestamp() < max_age_days * 86400


@dataclass(frozen=True)
class Order:
    """One base: of which packages, from where, under which name, in which folder."""

    host: Distribution
    packages: tuple[str, ...]
    sources: apt.Sources
    network: Network
    # Where its working folder is made, and how that is called, so that it is found when this is killed.
    place: str
    prefix: str
    # Seconds for each of the programs that make it: the option of the same name.
    timeout: int

    @property
    def name(self) -> str:
        """Its name as an image."""
        return tag(self.host, self.packages, self.sources)


def make(module: AnsibleModule, api: DockerClient, docker_host: str, order: Order) -> str:
    """Make the base image and return its digest; one with the same content as before is not replaced."""
    limit: dict[str, Any] = {"timeout": order.timeout, "option": "timeout"}
    with tempfile.TemporaryDirectory(prefix=order.prefix, dir=order.place) as folder:
        os.chmod(folder, 0o755)  # noqa: S103
        way = _way(module, folder, order.network)
        try:
            archive = _archive(module, folder, way, order)
        except HardeningError as error:
            output = "\n".join(str(error.details.get(name, "")) for name in ("stdout", "stderr"))
            raise cause.named(error, output) from error
        digest = _digest(archive)
        existing = client.find_image(api, order.name)
        if existing is None or existing.labels.get(DIGEST_LABEL) != digest:
            change = f"LABEL {DIGEST_LABEL}={digest}"
            run(module, [*client.cli(docker_host), "import", "--change", change, "--", archive, order.name], **limit)
            if existing is not None:
                client.remove_unused(api, existing.id)
    _remove_of_other_sources(api, order)
    return digest


def _archive(module: AnsibleModule, folder: str, way: str, order: Order) -> str:
    """Make the root of the base as a tar file, and return its path."""
    limit: dict[str, Any] = {"timeout": order.timeout, "option": "timeout"}
    # What apt has of its own goes first.
    network = order.network.environment()
    if find_program("mmdebstrap") is None:
        progress.step("installing mmdebstrap")
        environment = {"DEBIAN_FRONTEND": "noninteractive", **network, **({"APT_CONFIG": way} if way else {})}
        command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
        # What was killed in the middle of an installation stands in the way of the next.
        run(module, ["dpkg", "--configure", "-a"], env=environment, **limit)
        run(module, [*command, "update"], env=environment, **limit)
        run(module, [*command, "install", "-y", "--no-install-recommends", "mmdebstrap"], env=environment, **limit)
    progress.step("making the base image from packages (mmdebstrap)")
    archive = os.path.join(folder, "base.tar")
    # mmdebstrap makes every mount it sees private, and systemd then hands over no credentials: show it a copy.
    argv = ["unshare", "--mount", "--", "mmdebstrap", "--quiet", "--variant=minbase", "--format=tar"]
    argv += [f"--include={','.join(order.packages)}"] if order.packages else []
    argv += _hooks(folder, way, order.sources)
    # A fixed clock makes equal packages an equal archive.
    environment = {"SOURCE_DATE_EPOCH": "1", "TMPDIR": folder, **network}
    lines = "".join(f"{line}\n" for line in order.sources.lines)
    run(module, [*argv, "--", order.host.codename, archive, "-"], data=lines, env=environment, **limit)
    return archive


def _way(module: AnsibleModule, folder: str, network: Network) -> str:
    """Write apt's way to its sources to a file of root alone, for it may hold logins; return its path, if any."""
    settings = apt.settings(module)
    if network.ca and not apt.has_own_ca(settings):
        bundle = os.path.join(folder, "ca.pem")
        trusted = read_text(TRUSTED) if os.path.exists(TRUSTED) else ""
        # For everybody: apt's programs have a user of their own.
        _write(bundle, f"{trusted}\n{network.ca}\n", 0o644)
        settings += f'Acquire::https::CaInfo "{bundle}";\n'
    if not settings:
        return ""
    path = os.path.join(folder, "apt.conf")
    _write(path, settings, 0o600)
    return path


def _hooks(folder: str, way: str, sources: apt.Sources) -> list[str]:
    """Return what mmdebstrap does beside its work: apt gets the host's way, and nothing of that stays in the base."""
    before, after = [], []
    logins = apt.logins()
    if logins:
        _write(os.path.join(folder, "auth.conf"), logins, 0o600)
    there = {"apt.conf": f"apt.conf.d/{WORKING}way" if way else "", "auth.conf": "auth.conf" if logins else ""}
    for name, target in filter(lambda item: item[1], there.items()):
        place = f'"$1"/etc/apt/{target}'
        before.append(f"install -D -m 0600 {shlex.quote(os.path.join(folder, name))} {place}")
        after.append(f"rm {place}")
    for number, (path, text) in enumerate(sources.shown().items()):
        copy = os.path.join(folder, f"sources-{number}")
        _write(copy, text, 0o644)
        after.append(f'install -D -m 0644 {shlex.quote(copy)} "$1"{shlex.quote(path)}')
    # mmdebstrap copies these from the host; with another name or resolver the same packages would be another base.
    after += [f': > "$1"/etc/{name}' for name in ("hostname", "resolv.conf")]
    return [*(f"--setup-hook={hook}" for hook in before), *(f"--customize-hook={hook}" for hook in after)]


def _write(path: str, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        os.fchmod(descriptor, mode)


def _remove_of_other_sources(api: DockerClient, order: Order) -> None:
    """Let go of bases with the same packages that were made from sources which the host no longer has."""
    prefix = family(order.host, order.packages)
    for image in client.images_by_label(api, DIGEST_LABEL):
        for name in image.tags:
            if name.startswith(prefix) and name != order.name:
                client.remove_unused(api, name)


def _digest(path: str) -> str:
    """Hash an archive, in pieces."""
    total = hashlib.sha256()
    with open(path, "rb") as handle:
        for piece in iter(lambda: handle.read(1 << 20), b""):
            total.update(piece)
    return total.hexdigest()


def is_due(image: client.Image | None, max_age_days: int, refresh: bool) -> bool:
    """Return whether a build has to make the base first."""
    return refresh or not fresh(image, max_age_days, time.time())
