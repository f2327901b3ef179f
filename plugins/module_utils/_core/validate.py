# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of text from outside: each returns its value, or refuses it with a message that an operator can act on."""

from __future__ import annotations

import ipaddress
import math
import posixpath
import re
import ssl
import time
import unicodedata
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import urlsplit

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import INVISIBLE, HardeningError, escaped

# Characters that systemd, Compose or a shell interpret, and quoting that could hide them.
INTERPRETED = "%$\"'\\`"
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_OBJECT = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")
_INTERFACE = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,14}")
_DESTINATION = re.compile(
    r"(?:\[[0-9A-Fa-f.:]{2,45}(?:/[0-9]{1,3})?\]|[0-9.]{7,15}(?:/[0-9]{1,2})?):[0-9]{1,5}(?:/udp)?"
)
_DECIMAL = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_MODE = re.compile(r"0[0-7]{3}")
_EXCEPTION = re.compile(r"\*|(\*?\.)?[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,252}(:[0-9]{1,5})?|[0-9a-fA-F:.]{2,45}(/[0-9]{1,3})?")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII)
# systemd.time(7): when a timer starts. Each part is a list of *, numbers and ranges, each with a repetition.
_PART = r"(?:\*|[0-9]{1,4}(?:\.\.[0-9]{1,4})?)(?:/[0-9]{1,4})?"
_PARTS = rf"{_PART}(?:,{_PART}){{0,60}}"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_DAYS = rf"{_DAY}(?:(?:,|\.\.){_DAY}){{0,6}}"
_DATE = rf"(?:{_PARTS}-)?{_PARTS}[-~]{_PARTS}"
_TIME = rf"{_PARTS}:{_PARTS}(?::{_PARTS})?"
_ZONE = r"(?:UTC|[A-Z][A-Za-z_]{1,30}(?:/[A-Z][A-Za-z_+-]{1,30}){1,2})"
_CALENDAR = re.compile(
    rf"(?:minutely|hourly|daily|weekly|monthly|quarterly|semiannually|yearly"
    rf"|{_DAYS}|(?:{_DAYS} )?{_DATE}|(?:{_DAYS} )?(?:{_DATE} )?{_TIME})(?: {_ZONE})?"
)
# Linux takes longer paths, but a refusal has to name them; 255 bytes a name is what file systems take.
_LONGEST_PATH = 500
_LONGEST_NAME = 255
# What lies there is the kernel's, whatever a program would make of it.
_KERNELS = ("/dev/", "/proc/", "/sys/")


def shown(value: object, limit: int = 60) -> str:
    """How a refused value is named: its ``repr``, in ASCII, cut to ``limit`` characters."""
    try:
        text = ascii(value)
    except ValueError:  # Python does not write integers of thousands of digits
        return "a number of too many digits"
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def listed(values: Iterable[object], limit: int = 10) -> str:
    """How several values are named: not more than ``limit`` of them, each on the line and short."""
    names = [harmless(value, 100) if isinstance(value, str) else shown(value) for value in values]
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def harmless(value: str, limit: int = 300) -> str:
    """Text from a daemon, a container or a file that can be printed anywhere: one line, nothing invisible, cut."""
    text = escaped(value[: limit + 1])
    return text if len(value) <= limit else f"{text[:limit]}… ({len(value)} characters)"


def spoken(text: str, limit: int = 800) -> str:
    """What a program reported at last, on one line; it may repeat anything that it was given."""
    lines = " | ".join(filter(None, (line.strip() for line in text.splitlines())))
    return harmless(lines if len(lines) <= limit else f"… {lines[-limit:]}", limit + 2)


def _refuse(option: str, value: object, needed: str) -> NoReturn:
    raise HardeningError(option, shown(value), needed, option)


def printable(option: str, value: object, *, forbid: str = "", max_length: int = 4096) -> str:
    """Text on one line: no control or invisible character, none of ``forbid``, no ``-`` in front."""
    if not isinstance(value, str):
        _refuse(option, value, "text")
    if len(value) > max_length:
        _refuse(option, value, f"at most {max_length} characters")
    if any(unicodedata.category(character) in INVISIBLE for character in value):
        _refuse(option, value, "one line of printable text (no newline, tab or other control character)")
    if any(character in forbid for character in value):
        _refuse(option, value, f"text without any of {' '.join(forbid)}")
    if value.startswith("-"):
        _refuse(option, value, "text that does not start with '-'")
    return value


def plain(option: str, value: object, *, max_length: int = 4096) -> str:
    """Printable text that no consumer interprets: also without ``% $ " ' \\`` and backtick."""
    return printable(option, value, forbid=INTERPRETED, max_length=max_length)


def encoded(option: str, value: str) -> bytes:
    """Text as it is written to a file; a lone surrogate is no character and cannot be."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise HardeningError(option, "a lone surrogate", "text that UTF-8 can express", option) from None


def absolute_path(option: str, value: object) -> str:
    """A plain absolute path in its shortest spelling, and not the root directory."""
    path = plain(option, value, max_length=_LONGEST_PATH)
    if not path.startswith("/"):
        _refuse(option, path, "an absolute path")
    if path.startswith("//") or path == "/" or posixpath.normpath(path) != path:
        _refuse(option, path, "a path below / without '.', '..', '//' or a slash at its end")
    if any(len(name.encode()) > _LONGEST_NAME for name in path.split("/")):
        _refuse(option, path, f"names of at most {_LONGEST_NAME} bytes")
    return path


def word(option: str, value: object) -> str:
    """Plain text without a space: systemd and a shell read it as one word."""
    text = plain(option, value)
    if any(character.isspace() for character in text):
        _refuse(option, text, "text without spaces")
    return text


def calendar(option: str, value: object) -> str:
    """When a timer starts, in the form of systemd.time(7): daily, Sun 03:00, *-*-* 00/6:00 UTC."""
    text = plain(option, value)
    if not _CALENDAR.fullmatch(text):
        _refuse(option, text, "when systemd starts it, such as daily or *-*-* 03:00 (systemd.time(7))")
    return text


def word_path(option: str, value: object) -> str:
    """An absolute path that is one word."""
    return word(option, absolute_path(option, value))


def own_path(option: str, value: object) -> str:
    """An absolute path at which something can be kept."""
    path = absolute_path(option, value)
    if path.startswith(_KERNELS):
        _refuse(option, path, "a path that is not below /dev, /proc or /sys")
    return path


def _shaped(option: str, value: object, shape: re.Pattern[str], needed: str) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        _refuse(option, value, needed)
    return value


def account_name(option: str, value: object) -> str:
    """A name that useradd accepts on every supported distribution."""
    return _shaped(option, value, _ACCOUNT, "1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter or '_'")


def object_name(option: str, value: object) -> str:
    """A name that Docker takes for a container, a network or a volume."""
    return _shaped(option, value, _OBJECT, "letters, digits, '_', '.' and '-', beginning with a letter or a digit")


def interface_name(option: str, value: object) -> str:
    """A name that the kernel takes for a network interface (dev_valid_name), and no program reads as an option."""
    needed = "1 to 15 letters, digits, '_', '.' and '-', not beginning with '.' or '-'"
    return _shaped(option, value, _INTERFACE, needed)


def ip_address(option: str, value: object, needed: str = "an IP address") -> str:
    """An address of IPv4 or IPv6, without brackets, in its shortest spelling."""
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        _refuse(option, value, needed)


def host_address(option: str, value: object) -> str:
    """An address that one host can have: neither every address (0.0.0.0, ::) nor a group of hosts."""
    needed = "one IPv4 or IPv6 address of a host"
    address = ipaddress.ip_address(ip_address(option, value, needed))
    if address.is_unspecified or address.is_multicast:
        _refuse(option, value, needed)
    return str(address)


def network(option: str, value: object) -> str:
    """A network of IPv4 or IPv6, or one address, such as ``192.168.1.0/24``."""
    needed = "a network such as 192.168.1.0/24 or fd00::/64, without bits beyond its length"
    try:
        return str(ipaddress.ip_network(value if isinstance(value, str) else ""))
    except ValueError:
        _refuse(option, value, needed)


def destination(option: str, value: object) -> str:
    """Where a connection may lead: an address or a network with a port, such as ``[fd00::/64]:443``."""
    needed = "ADDRESS:PORT, NETWORK/LENGTH:PORT or one of them with /udp; an IPv6 address in brackets"
    text = _shaped(option, value, _DESTINATION, needed)
    address, _colon, port = text.removesuffix("/udp").rpartition(":")
    try:
        ipaddress.ip_network(address.strip("[]"))
        integer(option, port, 1, 65535)
    except (ValueError, HardeningError):
        _refuse(option, value, needed)
    return text


def integer(option: str, value: object, low: int, high: int) -> int:
    """A whole number (or its decimal text) from ``low`` to ``high``, both included."""
    needed = f"an integer from {low} to {high}"
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        _refuse(option, value, needed)
    return value


def octal_mode(option: str, value: object, *, forbid_bits: int = 0o022) -> int:
    """A quoted mode such as ``'0400'``; by default none that group or others may write.

    The leading zero is demanded: an unquoted ``0400`` arrives from YAML as ``256``, which looks like a mode, too.
    """
    mode = int(_shaped(option, value, _MODE, "a quoted mode of four octal digits such as '0640'"), 8)
    if mode & forbid_bits:
        _refuse(option, value, f"a mode without the bits {forbid_bits & mode:04o}")
    return mode


def boolean(option: str, value: object) -> bool:
    """A switch, or one of the texts for it that Ansible's argument specs take; ``-e`` and INI inventories give text."""
    # Only the controller asks; what runs on a host without Ansible imports the rest of this file.
    from ansible.module_utils.parsing import convert_bool  # noqa: PLC0415

    try:
        return bool(convert_bool.boolean(value))
    except TypeError:
        _refuse(option, value, "true or false")


def number(option: str, value: object) -> int | float:
    """A number or its decimal text, in the type that the text has in YAML."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        text = value.strip()
        value = float(text) if "." in text else int(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        _refuse(option, value, "a number")
    return value


def proxy_url(option: str, value: object) -> str:
    """The URL of an HTTP proxy that containers reach, too, and that holds no secret."""
    needed = "http://HOST:PORT or https://HOST:PORT"
    if isinstance(value, str) and "@" in value:
        # It would be in the environment of a container and in its image's build: for every user of Docker to see.
        found = "a URL with a user name or password (not shown)"
        raise HardeningError(
            option, found, f"{needed} without one, of a proxy that knows its clients by address", option
        )
    text = word(option, value)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        _refuse(option, value, needed)
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
    ):
        _refuse(option, value, needed)
    if port is None or not port > 0:
        _refuse(option, value, f"{needed}, with the port")
    if _is_loopback(host):
        _refuse(option, value, "an address that containers reach, too: this one is each container's own")
    return text.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def proxy_exception(option: str, value: object) -> str:
    """One host, domain, address or network that is reached without a proxy."""
    return _shaped(option, value, _EXCEPTION, "names such as db.example.org, .example.org, 192.0.2.7 or 192.0.2.0/24")


def ca_certificates(option: str, value: object) -> str:
    """The certificates of one or more CAs as PEM text, and nothing secret beside them."""
    needed = "certificates of a CA in PEM (-----BEGIN CERTIFICATE-----)"
    if not isinstance(value, str) or "PRIVATE KEY" in value:
        raise HardeningError(
            option, "a private key (not shown)" if isinstance(value, str) else "no text", needed, option
        )
    encoded(option, value)
    certificates = _CERTIFICATE.findall(value)
    if not certificates or len(value) > 500 * 1024:
        found = f"{len(value)} characters" if certificates else "no certificate"
        raise HardeningError(option, found, f"{needed}, of at most 500 KiB", option)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        for certificate in certificates:
            context.load_verify_locations(cadata=certificate)
    except ssl.SSLError as error:
        raise HardeningError(option, f"a certificate that is broken ({error.reason})", needed, option) from error
    ends = [ssl.cert_time_to_seconds(str(known["notAfter"])) for known in context.get_ca_certs()]
    if not ends:
        raise HardeningError(option, "certificates of servers only", needed, option)
    if max(ends) < time.time():
        raise HardeningError(option, "certificates that have all expired", needed, option)
    return value
