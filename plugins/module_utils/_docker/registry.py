# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An OCI registry, by digest only: its address, a login that stays in one request, its private CA, push and pull."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import shlex
import ssl
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import redact
from ansible_collections.openclaw.hardening.plugins.module_utils._system import http as system_http

if TYPE_CHECKING:
    from docker import DockerClient

CERTIFICATES = "/etc/docker/certs.d"
_HOST = r"(?:localhost(?::[0-9]{1,5})?|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5}|\.[a-z0-9]+(?::[0-9]{1,5})?))"
_PATH = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
_REPOSITORY = re.compile(rf"(?=.{{3,200}}\Z)(?P<host>{_HOST})/{_PATH}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----")
_LARGEST_CA = 256 << 10
_LARGEST_PASSWORD = 64 << 10
_LOOKUP_TIMEOUT = 30.0


@dataclass(frozen=True)
class Repository:
    """Where images of one kind lie: ``registry.example:5000/openclaw``."""

    name: str
    host: str

    def at(self, digest: str) -> str:
        """Name one image by its digest."""
        return f"{self.name}@{digest}"


@dataclass(frozen=True)
class Login:
    """Who asks; the password is in no text that this object turns into."""

    username: str
    password: str

    def __repr__(self) -> str:
        """Show nothing."""
        return "Login(…)"

    def auth_config(self) -> dict[str, str]:
        """Say it to the daemon for one request; empty means nobody, and no login that root once made is used."""
        return {"username": self.username, "password": self.password} if self.username else {}

    def hidden(self, text: str) -> str:
        """Return a text without the password, in whichever form the daemon or the registry repeats it."""
        return redact(text, [self.password])


# --- options ------------------------------------------------------------------------------------------------------


def repository(option: str, value: str) -> Repository:
    """Return a repository, or refuse it; the registry has to be named."""
    match = _REPOSITORY.fullmatch(value)
    if not match:
        needed = "host[:port]/path of a registry, such as registry.example:5000/openclaw, without scheme, tag or digest"
        raise HardeningError(option, validate.shown(value, 120), needed, option)
    return Repository(value, match["host"])


def digest(option: str, value: str) -> str:
    """Return a digest, or refuse it; a tag is none."""
    if not _DIGEST.fullmatch(value):
        raise HardeningError(option, validate.shown(value, 90), "a digest, sha256:<64 hex digits>", option)
    return value


def login(username: str, password: str, password_file: str) -> Login:
    """Return the login that the options give, or refuse them."""
    if password and password_file:
        raise HardeningError("password", "one given, and a file with one", "one of the two", "password_file")
    if bool(username) != bool(password or password_file):
        raise HardeningError("username", "half of a login", "a name and a password, or neither", "username")
    validate.printable("username", username, forbid=":", max_length=255)
    if password_file:
        password = _password(validate.absolute_path("password_file", password_file))
    return Login(username, password)


def certificate(option: str, text: str) -> bytes:
    """Return the file for a private CA, or refuse what is not certificates and nothing else."""
    if not text:
        return b""
    found = _CERTIFICATE.findall(text) if len(text) <= _LARGEST_CA else []
    rest = _CERTIFICATE.sub("", text) if found else ""
    try:
        for one in found:
            ssl.PEM_cert_to_DER_cert(one)
    except ValueError:
        found = []
    if not found or rest.strip():
        raise HardeningError(option, "something else", "certificates in PEM and nothing else (no key)", option)
    return ("\n".join(found) + "\n").encode()


def _password(path: str) -> str:
    found = managed.look(path, max_size=_LARGEST_PASSWORD)
    if found is None or found.type != "file":
        raise HardeningError(path, found.type if found else "nothing", "a file with the password", "password_file")
    if found.uid != 0 or found.mode & 0o077:
        there = f"a file of uid {found.uid} with mode {found.mode:04o}"
        file = shlex.quote(path)
        needed = f"one that only root can read; run `chown root -- {file} && chmod 0400 -- {file}`"
        raise HardeningError(path, there, needed)
    # The bytes of a secret are no part of a message.
    try:
        password = found.content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""
    if not password or "\n" in password:
        raise HardeningError(path, "no password", "one line of text", "password_file")
    return password


# --- the way to it ------------------------------------------------------------------------------------------------


def certificate_file(where: Repository, content: bytes) -> managed.ManagedFile:
    """Say where Docker looks for the CA of a registry."""
    return managed.ManagedFile(f"{CERTIFICATES}/{where.host}/ca.crt", content, 0o644)


def install_certificate(wanted: managed.ManagedFile) -> None:
    """Put the CA in place; the daemon reads it with the next request."""
    folders = wanted.path.split("/")[:-1]
    for count in range(3, len(folders) + 1):
        path = "/".join(folders[:count])
        if managed.look_directory(path) is None:
            managed.ensure_directory(path, 0o755, 0, 0)
    managed.write(wanted)


def need_tls(api: DockerClient, where: Repository) -> None:
    """Refuse a registry with which the daemon would talk without checked TLS, unless it is this very host."""
    host = where.host.partition(":")[0]
    settings = client.settings(api).get("RegistryConfig") or {}
    if is_open(where.host, _addresses(host), settings):
        needed = "TLS: take it out of insecure-registries in /etc/docker/daemon.json, and name its CA if it is private"
        raise HardeningError(f"registry {where.host}", "one that Docker does not ask for TLS", needed)


def is_open(host: str, addresses: Collection[str], settings: dict[str, Any]) -> bool:
    """Return whether the daemon's settings make a registry one without TLS; pure.

    :param addresses: what the name of the host means.
    """
    name = host.partition(":")[0]
    if name == "localhost" or (addresses and all(ipaddress.ip_address(one).is_loopback for one in addresses)):
        return False
    index = (settings.get("IndexConfigs") or {}).get(host) or {}
    ranges = [ipaddress.ip_network(one, strict=False) for one in settings.get("InsecureRegistryCIDRs") or []]
    within = any(ipaddress.ip_address(one) in network for one in addresses for network in ranges)
    return index.get("Secure") is False or within


def _addresses(host: str) -> list[str]:
    try:
        return sorted({str(address[0]) for _family, address in system_http.addresses(host, None, _LOOKUP_TIMEOUT)})
    except OSError:
        return []  # the daemon will say so


# --- push and pull ------------------------------------------------------------------------------------------------


def push(api: DockerClient, image: client.Image, where: Repository, who: Login) -> tuple[str, int]:
    """Push an image; return its digest and how many layers the registry lacked."""
    # A push needs a tag. This one names what it is and can only mean one image; nobody pulls by it.
    tag = image.id.partition(":")[2]
    name = f"{where.name}:{tag}"
    found: list[str] = []
    moved: set[str] = set()

    def send() -> None:
        stream = api.api.push(where.name, tag=tag, stream=True, decode=True, auth_config=who.auth_config())
        for line in _checked(stream, f"docker push {name}", who):
            if line.get("status") == "Pushed":
                moved.add(str(line.get("id")))
            found.append(str((line.get("aux") or {}).get("Digest") or ""))

    client.tag_image(api, image.id, name)
    try:
        client.streamed(api, f"docker push {name}", send)
    finally:
        with contextlib.suppress(HardeningError):
            client.remove_unused(api, name)
    digests = [one for one in found if _DIGEST.fullmatch(one)]
    if not digests:
        raise HardeningError(f"docker push {name}", "no digest in its answer", "one")
    return digests[-1], len(moved)


def pull(api: DockerClient, where: Repository, wanted: str, image_id: str, who: Login) -> int:
    """Pull an image by its digest, without a name; refuse it unless it has the promised id. Return bytes moved."""
    name = where.at(wanted)
    moved: dict[str, int] = {}

    def receive() -> None:
        stream = api.api.pull(where.name, tag=wanted, stream=True, decode=True, auth_config=who.auth_config())
        for line in _checked(stream, f"docker pull {name}", who):
            if line.get("status") == "Downloading":
                moved[str(line.get("id"))] = int((line.get("progressDetail") or {}).get("total") or 0)

    client.streamed(api, f"docker pull {name}", receive)
    image = client.find_image(api, name)
    if image is None or image.id != image_id:
        found = f"the image {image.id}" if image else "no image"
        client.remove_unused(api, name)
        raise HardeningError(name, found, f"the promised image {image_id}; nothing of it was kept", "digest")
    return sum(moved.values())


def _checked(stream: Iterable[dict[str, Any]], what: str, who: Login) -> Iterable[dict[str, Any]]:
    for line in stream:
        problem = line.get("error") or line.get("message")
        if problem:
            raise _failed(what, str(problem), who)
        yield line


def _failed(what: str, words: str, who: Login) -> HardeningError:
    return HardeningError(what, validate.spoken(who.hidden(words)), "an answer without an error from the registry")
