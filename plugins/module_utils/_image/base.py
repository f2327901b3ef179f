# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A base image without any registry: made from the build host's own, signed apt sources."""

from __future__ import annotations

import glob
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
from ansible_collections.openclaw.hardening.plugins.module_utils._system import progress
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import find_program

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

REPOSITORY = "openclaw-hardening-base"
DIGEST_LABEL = "io.openclaw.hardening.base-digest"
# Of working folders with random names; apt's own user has to get in, so no private one. Hardened hosts mount the first
# noexec and nodev (CIS), and mmdebstrap runs the new system's programs there.
PLACES = ("/var/tmp", "/var/cache", "/var/lib")  # noqa: S108
WORKING = "openclaw-base-"
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,63}")
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>\S.*)")
# A host may trust more than its distribution (Docker's own repository, for one); the base does not.
_ARCHIVE_KEYRING = re.compile(r"/usr/share/keyrings/(debian|ubuntu)-archive-[\w.-]+")


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


def apt_sources(codename: str, folder: str = "/etc/apt") -> list[str]:
    """Return the host's own sources of its distribution, one line each, without third-party ones.

    :raises HardeningError: there is none.
    """
    texts: list[str] = []
    for path in [os.path.join(folder, "sources.list"), *sorted(glob.glob(os.path.join(folder, "sources.list.d", "*")))]:
        if not path.endswith((".list", ".sources")) or not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8") as handle:
            text = handle.read()
        texts += _deb822(text) if path.endswith(".sources") else text.splitlines()
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    lines: list[str] = []
    for match in (_ONE_LINE.fullmatch(text.partition("#")[0].strip()) for text in texts):
        if match is None or match["suite"] not in suites or match["uri"].startswith("cdrom:"):
            continue
        keyring = re.search(r"signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
        if keyring and not _ARCHIVE_KEYRING.fullmatch(keyring[1]):
            continue
        options = f"[{keyring[0]}] " if keyring else ""
        line = f"deb {options}{match['uri']} {match['suite']} {match['components'].strip()}"
        if line not in lines:
            lines.append(line)
    if not any(f" {codename} " in line for line in lines):
        needed = f"apt sources of the suite {codename!r}, or the base 'registry' with a digest-pinned image"
        raise HardeningError(f"apt sources of this host ({folder})", f"none for {codename!r}", needed, "base.source")
    return lines


def _deb822(text: str) -> list[str]:
    """Translate the stanzas of a ``.sources`` file into one-line sources."""
    lines = []
    for stanza in re.split(r"\n\s*\n", text):
        unfolded = re.sub(r"\n[ \t]+", " ", "\n".join(line for line in stanza.splitlines() if not line.startswith("#")))
        pairs = (line.partition(":") for line in unfolded.splitlines())
        fields = {key.strip().lower(): value.strip() for key, _colon, value in pairs}
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        signed = fields.get("signed-by", "")
        # An inline key is third-party by nature; no path matches it.
        options = f"[signed-by={signed.split()[0]}] " if signed else ""
        for uri in fields.get("uris", "").split():
            lines += [
                f"deb {options}{uri} {suite} {fields.get('components', 'main')}"
                for suite in fields.get("suites", "").split()
            ]
    return lines


def tag(host: Distribution, names: tuple[str, ...]) -> str:
    """Name a base by what it is made of, not by when."""
    content = "\n".join([host.identity, *sorted(names)])
    return f"{REPOSITORY}:{host.codename}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def fresh(image: client.Image | None, max_age_days: int, now: float) -> bool:
    """Return whether a base may be used as it is, or is due for security updates."""
    if image is None:
        return False
    # The daemon writes nanoseconds, which Python 3.9 cannot parse.
    created = datetime.strptime(image.created[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return now - created.timestamp() < max_age_days * 86400


def make(
    module: AnsibleModule,
    api: DockerClient,
    docker_host: str,
    names: tuple[str, ...],
    base: str,
    prefix: str,
    timeout: int,
) -> str:
    """Make the base image and return its digest; one with the same content as before is not replaced.

    :param prefix: how the working folder is called, so that it is found when this is killed.
    :param timeout: seconds for each of the programs that make it: the option of the same name.
    """
    limit: dict[str, Any] = {"timeout": timeout, "option": "timeout"}
    host = distribution()
    sources = apt_sources(host.codename)
    if find_program("mmdebstrap") is None:
        progress.step("installing mmdebstrap")
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
        # What was killed in the middle of an installation stands in the way of the next.
        run(module, ["dpkg", "--configure", "-a"], env=environment, **limit)
        run(module, [*apt, "update"], env=environment, **limit)
        run(module, [*apt, "install", "-y", "--no-install-recommends", "mmdebstrap"], env=environment, **limit)
    progress.step("making the base image from packages (mmdebstrap)")
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_place()) as folder:
        os.chmod(folder, 0o755)  # noqa: S103
        archive = os.path.join(folder, "base.tar")
        # mmdebstrap makes every mount it sees private, and systemd then hands over no credentials: show it a copy.
        argv = ["unshare", "--mount", "--", "mmdebstrap", "--quiet", "--variant=minbase", "--format=tar"]
        argv += [f"--include={','.join(names)}"] if names else []
        # A fixed clock makes equal packages an equal archive.
        clock = {"SOURCE_DATE_EPOCH": "1", "TMPDIR": folder}
        run(module, [*argv, "--", host.codename, archive, "-"], data="\n".join(sources) + "\n", env=clock, **limit)
        digest = _digest(archive)
        existing = client.find_image(api, base)
        if existing is None or existing.labels.get(DIGEST_LABEL) != digest:
            change = f"LABEL {DIGEST_LABEL}={digest}"
            run(module, [*client.cli(docker_host), "import", "--change", change, "--", archive, base], **limit)
            if existing is not None:
                client.remove_unused(api, existing.id)
    return digest


def _place() -> str:
    """Return the first place whose mount lets programs and devices be used."""
    for place in PLACES:
        if os.path.isdir(place) and not os.statvfs(place).f_flag & (os.ST_NOEXEC | os.ST_NODEV):
            return place
    needed = "one without noexec and nodev for the time of a build, or the base image 'registry'"
    raise HardeningError("mounts", f"{', '.join(PLACES)} mounted noexec or nodev", needed, "base.source")


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
