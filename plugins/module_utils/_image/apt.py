# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the host's own apt knows: its sources, with the lists of mirrors that they name, and its way to them."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import read_text
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>\S.*)")
# A host may trust more than its distribution (Docker's own repository, for one); the base does not.
_ARCHIVE_KEYRING = re.compile(r"/usr/share/keyrings/(debian|ubuntu)-archive-[\w.-]+")
# A list of mirrors, or a repository, in the host's own file system.
_LIST = re.compile(r"mirror\+(?:file|copy):(?://)?(?P<path>/.*)")
_FOLDER = re.compile(r"(?:file|copy):(?://)?(?P<path>/.*)")
_LOGIN = re.compile(r"://[^/@\s]+@")
# How apt reaches its sources: proxies (also for one host, or found by a program), certificates, address family. What
# it trusts besides, or installs, is not taken over.
_WAY = re.compile(
    r"Acquire::(?:(?:https?|ftp|socks5h?|tor(?:\+https?)?)::\S+|Retries|ForceIPv[46]|Check-Valid-Until|Queue-Mode) .*;"
)
_OWN_CA = re.compile(r"(?im)^Acquire::https::CaInfo \"[^\"]")


@dataclass(frozen=True)
class Sources:
    """The sources of the host's distribution: one line each, and the lists of mirrors by path."""

    lines: tuple[str, ...]
    mirrors: tuple[tuple[str, str], ...] = ()

    @property
    def identity(self) -> str:
        """What a base that was made from other sources does not share."""
        text = "\n".join([*self.lines, *(f"{path}\n{content}" for path, content in self.mirrors)])
        return hashlib.sha256(text.encode()).hexdigest()

    def shown(self) -> dict[str, str]:
        """Return the files of a system that names these sources, without any login that a URI has."""
        files = {"/etc/apt/sources.list": "".join(f"{line}\n" for line in self.lines), **dict(self.mirrors)}
        return {path: _LOGIN.sub("://", text) for path, text in files.items()}


def sources(codename: str, folder: str = "/etc/apt") -> Sources:
    """Return the host's own sources of its distribution, without third-party ones.

    :raises HardeningError: there is none, or one names a file or folder that is not there.
    """
    texts: list[str] = []
    for path in [os.path.join(folder, "sources.list"), *sorted(glob.glob(os.path.join(folder, "sources.list.d", "*")))]:
        if not path.endswith((".list", ".sources")) or not os.path.isfile(path):
            continue
        text = read_text(path)
        texts += _deb822(text) if path.endswith(".sources") else text.splitlines()
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    lines: list[str] = []
    mirrors: dict[str, str] = {}
    for match in (_ONE_LINE.fullmatch(text.partition("#")[0].strip()) for text in texts):
        if match is None or match["suite"] not in suites or match["uri"].startswith("cdrom:"):
            continue
        keyring = re.search(r"signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
        if keyring and not _ARCHIVE_KEYRING.fullmatch(keyring[1]):
            continue
        options = f"[{keyring[0]}] " if keyring else ""
        line = f"deb {options}{_usable(match['uri'], mirrors)} {match['suite']} {match['components'].strip()}"
        if line not in lines:
            lines.append(line)
    if not any(f" {codename} " in line for line in lines):
        needed = f"apt sources of the suite {codename!r}, or the base 'registry' with a digest-pinned image"
        raise HardeningError(f"apt sources of this host ({folder})", f"none for {codename!r}", needed, "base.source")
    return Sources(tuple(lines), tuple(sorted(mirrors.items())))


def _usable(uri: str, mirrors: dict[str, str]) -> str:
    """Return the address by which a source can be used from outside a new system; note the list that it names."""
    listed, local = _LIST.fullmatch(uri), _FOLDER.fullmatch(uri)
    if listed:
        try:
            text = read_text(listed["path"])
        except OSError as error:
            raise _missing(uri, error.strerror or str(error)) from error
        if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
            raise _missing(uri, "it names no mirror")
        mirrors[listed["path"]] = text
    elif local:
        if not os.path.isdir(local["path"]):
            raise _missing(uri, "No such directory")
        # With file: apt leaves the package where it is, where dpkg of the new system does not find it.
        return f"copy:{local['path']}"
    return uri


def _missing(uri: str, reason: str) -> HardeningError:
    needed = "a source that this host has, or the base 'registry' with a digest-pinned image"
    return HardeningError("apt sources of this host", f"{validate.harmless(uri)}: {reason}", needed, "base.source")


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


def settings(module: AnsibleModule) -> str:
    """Return what the host's apt is configured with to reach its sources; it may hold logins.

    mmdebstrap reads nothing of it by itself.
    """
    dump = run(module, ["apt-config", "dump"]).stdout
    return "".join(f"{line}\n" for line in dump.splitlines() if _WAY.fullmatch(line))


def has_own_ca(text: str) -> bool:
    """Return whether these settings name the CA for https themselves."""
    return bool(_OWN_CA.search(text))


def logins(folder: str = "/etc/apt") -> str:
    """Return the logins that the host's apt has for its sources and proxies."""
    paths = [os.path.join(folder, "auth.conf"), *sorted(glob.glob(os.path.join(folder, "auth.conf.d", "*.conf")))]
    return "".join(f"{read_text(path).rstrip()}\n" for path in paths if os.path.isfile(path))
