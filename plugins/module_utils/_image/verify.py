# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove what an image contains from its own archive (``docker save``): no shell in it is needed, no layer skipped."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUILDER_REPORT = "usr/local/share/openclaw-hardening/builder.json"
_COMPILERS = {"as", "c++", "cc", "clang", "clang++", "cmake", "cpp", "g++", "gcc", "go", "ld", "make", "rustc"}
_INSTALLERS = {"apt", "apt-get", "corepack", "dpkg", "npm", "npx", "pip", "pip3", "pnpm", "yarn"}
_TOOLS = frozenset(_COMPILERS | _INSTALLERS)
_TOOL_FOLDER = re.compile(r"(.*/)?s?bin/(?P<name>[^/]+)")
_VERSIONED = re.compile(r"-?\d+(\.\d+)*$")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_CREDENTIAL = re.compile(r"(?im)^[^#;\n]*(?:_auth|_authtoken|_password|password|token|secret)[^=\n]*=[ \t]*(\S+)")
_URL_LOGIN = re.compile(r"://([^/\s:@]+:[^/\s@]+)@")
_SECRETIVE_ENV = re.compile(r"[^=]*(TOKEN|SECRET|PASSWORD|CREDENTIAL|API_?KEY|PRIVATE_KEY)[^=]*=.+", re.IGNORECASE)
_STATUS = "var/lib/dpkg/status"
_PUBLIC = "usr/share/ca-certificates/mozilla/"
_READ = (".crt", ".pem", ".cer", _STATUS, BUILDER_REPORT)
_PIECE = 1 << 22
_SHOWN = 5


@dataclass(frozen=True)
class Secrets:
    """What must be found nowhere: whole files, certificates and credentials."""

    files: dict[tuple[int, str], str] = field(default_factory=dict)
    certificates: frozenset[str] = frozenset()
    needles: tuple[bytes, ...] = ()


@dataclass
class Evidence:
    """What the layers of an image hold."""

    layers: int = 0
    bytes: int = 0
    packages: int = 0
    builder: dict[str, int] = field(default_factory=dict)
    app_files: int = 0
    setuid: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    apt_lists: list[str] = field(default_factory=list)
    app_writable: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    certificates: dict[str, str] = field(default_factory=dict)
    public_certificates: set[str] = field(default_factory=set)


class Chunks(io.RawIOBase):
    """A file-like view of pieces that arrive one after the other."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Take the pieces; nothing is read yet."""
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as the next piece reaches."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def secrets(contents: dict[str, bytes]) -> Secrets:
    """Return what of the builder's secrets would be a leak, wherever it turned up."""
    texts = [content.decode(errors="replace") for content in contents.values()]
    found = {value for text in texts for value in [*_CREDENTIAL.findall(text), *_URL_LOGIN.findall(text)]}
    return Secrets(
        files={(len(content), hashlib.sha256(content).hexdigest()): name for name, content in contents.items()},
        certificates=frozenset(value for content in contents.values() for value in _certificates(content)),
        needles=tuple(sorted(value.encode() for value in found if len(value) >= 8)),
    )


def masked(text: str, known: Secrets) -> str:
    """Return a text without any known credential, and without what looks like one."""
    return redact(text, [needle.decode() for needle in known.needles])


def inspect(archive: IO[bytes], app: str, known: Secrets) -> Evidence:
    """Read the archive of ``docker save`` once, from start to end."""
    evidence = Evidence()
    with tarfile.open(fileobj=archive, mode="r|") as outer:
        for member in outer:
            handle = outer.extractfile(member) if member.isreg() else None
            if handle is None:
                continue
            head = handle.read(512)
            if head[257:262] == b"ustar" or head[:2] == b"\x1f\x8b":
                evidence.layers += 1
                _layer(io.BufferedReader(Chunks(_rejoined(head, handle)), _PIECE), app.strip("/"), known, evidence)
            elif head and not head.strip(b"\0"):
                # An empty archive is nothing but zeros: WORKDIR makes such a layer when the folder is there.
                evidence.layers += 1
            elif head[:4] == b"\x28\xb5\x2f\xfd":
                raise HardeningError("the image's layers", "zstd compression", "plain or gzip layers")
    return evidence


def findings(
    config: dict[str, Any], history: list[dict[str, Any]], layers: int, observed: Evidence, known: Secrets
) -> list[str]:
    """Check: every reason why this image must not get its name; pure."""
    found = []
    user = str(config.get("User") or "").partition(":")[0]
    if user in ("", "0", "root"):
        found.append(f"it runs as {user or 'root (no USER)'}")
    test = (config.get("Healthcheck") or {}).get("Test") or []
    if not test or test[0] == "NONE":
        found.append("it has no HEALTHCHECK")
    # More layers than promised cannot hide anything; fewer means that one was not looked at.
    if observed.layers < layers:
        found.append(f"only {observed.layers} of its {layers} layers could be read")
    if not observed.app_files:
        found.append("it holds no application")
    found += _listed("setuid or setgid files", observed.setuid)
    found += _listed("build tools", observed.tools)
    found += _listed("apt package lists", observed.apt_lists)
    found += _listed("application files that are not root's or are writable", observed.app_writable)
    environment = [
        str(entry).partition("=")[0] for entry in config.get("Env") or [] if _SECRETIVE_ENV.fullmatch(str(entry))
    ]
    found += _listed("secrets in its environment", environment)
    private = known.certificates - observed.public_certificates
    found += _listed("the builder's CA", [path for value, path in observed.certificates.items() if value in private])
    found += _listed("the builder's settings", observed.leaks)
    metadata = json.dumps([config, history]).encode()
    if any(needle in metadata for needle in known.needles):
        found.append("a credential in its configuration or history")
    return found


def is_tool(path: str) -> bool:
    """Return whether a path (without the first slash) is a compiler or a package manager."""
    if path.endswith("node_modules/npm/package.json"):
        return True
    tool = _TOOL_FOLDER.fullmatch(path)
    # npm's packages keep programs in bin/ folders of their own; what counts is on the PATH.
    if not tool or "node_modules/" in path:
        return False
    name = tool["name"].split("-linux-gnu-")[-1]
    return name in _TOOLS or _VERSIONED.sub("", name) in _TOOLS


def _listed(what: str, paths: list[str]) -> list[str]:
    """Name what was found, in one line of bounded length."""
    if not paths:
        return []
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return [f"{what}: {', '.join(sorted(paths)[:_SHOWN])}{more}"]


def _rejoined(head: bytes, rest: IO[bytes]) -> Iterator[bytes]:
    """Give back what was read to recognise a member."""
    yield head
    while piece := rest.read(_PIECE):
        yield piece


def _layer(stream: IO[bytes], app: str, known: Secrets, evidence: Evidence) -> None:
    """Look at every entry of one layer."""
    with tarfile.open(fileobj=stream, mode="r|*") as layer:
        for entry in layer:
            path = entry.name[2:] if entry.name.startswith("./") else entry.name
            if (entry.isreg() or entry.isdir() or entry.islnk()) and entry.mode & 0o6000:
                evidence.setuid.append(f"/{path}")
            if path == app or path.startswith(f"{app}/"):
                evidence.app_files += entry.isreg()
                if entry.uid or entry.gid or (not entry.issym() and entry.mode & 0o022):
                    evidence.app_writable.append(f"/{path}")
            if not entry.isdir() and is_tool(path):
                evidence.tools.append(f"/{path}")
            if path.startswith("var/lib/apt/lists/") and entry.isreg() and entry.size:
                evidence.apt_lists.append(f"/{path}")
            if entry.isreg():
                evidence.bytes += entry.size
                handle = layer.extractfile(entry)
                if handle is not None:
                    _file(path, entry.size, handle, known, evidence)


def _file(path: str, size: int, handle: IO[bytes], known: Secrets, evidence: Evidence) -> None:
    """Look into one regular file."""
    suspects = {length for length, _digest in known.files}
    if not known.needles and size not in suspects and not path.endswith(_READ):
        return
    whole, leaks = _search(handle, known.needles)
    if leaks:
        evidence.leaks.append(f"/{path} (a credential)")
    name = known.files.get((size, hashlib.sha256(whole).hexdigest())) if size in suspects else None
    certificates = _certificates(whole) if name or path.endswith((".crt", ".pem", ".cer")) else set()
    if name and not certificates:
        evidence.leaks.append(f"/{path} (the file {name})")
    # A bundle is checked by its certificates: the builder's may be the public one, which the image holds, too.
    if path.startswith(_PUBLIC):
        evidence.public_certificates |= certificates
    elif certificates:
        evidence.certificates.update(dict.fromkeys(certificates, f"/{path}"))
    elif path == _STATUS:
        evidence.packages = len(re.findall(rb"(?m)^Status: \S+ \S+ installed$", whole))
    elif path == BUILDER_REPORT:
        evidence.builder = json.loads(whole)


def _search(handle: IO[bytes], needles: tuple[bytes, ...]) -> tuple[bytes, bool]:
    """Return the first piece of a file, and whether any piece holds a needle, on a seam or not."""
    overlap = max((len(needle) for needle in needles), default=1) - 1
    first = seam = b""
    while piece := handle.read(_PIECE):
        first = first or piece
        if any(needle in seam + piece for needle in needles):
            return first, True
        seam = piece[-overlap:] if overlap else b""
    return first, False


def _certificates(content: bytes) -> set[str]:
    """Return a fingerprint for each certificate in a file."""
    return {hashlib.sha256(b"".join(match.split())).hexdigest() for match in _CERTIFICATE.findall(content)}
