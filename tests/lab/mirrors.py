"""The package mirrors, certificates and resolvers of this machine, to be used by the test hosts as well."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from shell import run

APT = Path("/etc/apt")
LOCAL_CERTIFICATES = Path("/usr/local/share/ca-certificates")


@dataclass
class Entry:
    """One archive in apt's sources."""

    uri: str
    suites: list[str] = field(default_factory=list)


def apt_sources(suite: str) -> list[str]:
    """Return sources.list lines for a Debian suite on this machine's own mirrors; empty: mmdebstrap's default."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    codename = release.get("VERSION_CODENAME", "").strip('"')
    if release.get("ID") != "debian" or not codename:
        return []
    entries = _deb822() + _one_line()
    main = next((e.uri for e in entries if codename in e.suites), None)
    security = next((e.uri for e in entries if f"{codename}-security" in e.suites), None)
    if main is None:
        return []
    lines = [f"deb {main} {suite} main", f"deb {main} {suite}-updates main"]
    return [*lines, f"deb {security} {suite}-security main"] if security else lines


def _deb822() -> list[Entry]:
    found = []
    for file in sorted((APT / "sources.list.d").glob("*.sources")):
        for stanza in file.read_text().split("\n\n"):
            pairs = (line.split(":", 1) for line in stanza.splitlines() if ":" in line and line[0] not in "# \t")
            fields = {key.strip().lower(): value.split() for key, value in pairs}
            if fields.get("enabled") != ["no"] and "deb" in fields.get("types", []):
                found += [Entry(uri.rstrip("/"), fields.get("suites", [])) for uri in fields.get("uris", [])]
    return found


def _one_line() -> list[Entry]:
    found = []
    for file in [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*.list"))]:
        for line in file.read_text().splitlines() if file.exists() else []:
            words = [word for word in line.split() if not word.startswith(("[", "signed-by", "arch"))]
            if words[:1] == ["deb"] and len(words) >= 3:
                found.append(Entry(words[1].rstrip("/"), [words[2]]))
    return found


def certificates() -> list[Path]:
    """Return the certificate authorities that another user added to this machine."""
    return sorted(LOCAL_CERTIFICATES.glob("**/*.crt"))


def nameservers() -> str:
    """Return a resolv.conf that a nested container can use: loopback resolvers are left out."""
    candidates = [Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")]
    for file in candidates:
        if file.exists():
            lines = [line for line in file.read_text().splitlines() if line.startswith("nameserver")]
            usable = [line for line in lines if not line.split()[1].startswith(("127.", "::1"))]
            if usable:
                return "\n".join(usable) + "\n"
    return ""


def pip_conf() -> str:
    """Return a pip.conf with this machine's index, or only what a certificate needs."""
    settings = {}
    for line in run("python3", "-m", "pip", "config", "list", check=False).splitlines():
        key, value = line.split("=", 1)
        if key.startswith("global.") and key.split(".")[1] in ("index-url", "trusted-host"):
            settings[key.split(".")[1]] = value.strip("'\"")
    for variable, key in (("PIP_INDEX_URL", "index-url"), ("PIP_TRUSTED_HOST", "trusted-host")):
        if os.environ.get(variable):
            settings[key] = os.environ[variable]
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(settings.items()))


def npmrc() -> str:
    """Return an npmrc with this machine's registry, or an empty one for npm's default."""
    if shutil.which("npm") is None:
        return ""
    registry = run("npm", "config", "get", "registry", check=False).splitlines()
    return f"registry={registry[-1]}\n" if registry and registry[-1].startswith("http") else ""
