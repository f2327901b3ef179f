# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a configuration connects to and the network policy does not let through. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft

# Where others reach the service; to every other URL it connects itself.
_OWN = re.compile(r"webhook|public|origin|redirect|callback", re.IGNORECASE)
_GATEWAY = "gateway"
_URL = re.compile(r"(?:https?|wss?)://", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_HOST = "host-gateway"


def blocked(
    config: object, reachable: Sequence[str] = (), extra_hosts: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """Return the key path and the place of each URL that leads to a special network, such as a ``baseUrl``.

    :param reachable: what is let through (``nft.place``).
    :param extra_hosts: names that the container knows, with their address or ``host-gateway``.
    """
    allowed = []
    for text in reachable:
        with suppress(ValueError):  # reported where the option itself is checked
            allowed.append(nft.place(str(text)))
    return [(path, place) for path, url in _urls(config, "") for place in _blocked(url, allowed, extra_hosts or {})]


def _urls(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and _URL.match(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            if not _OWN.search(str(key)) and (path or key != _GATEWAY):
                yield from _urls(entry, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for number, entry in enumerate(value):
            yield from _urls(entry, f"{path}[{number}]")


def _blocked(
    url: str, allowed: Sequence[tuple[IPv4Network | IPv6Network, str, int]], extra_hosts: Mapping[str, str]
) -> Iterator[str]:
    """Yield the place of a URL that leads to a special network; what a name means elsewhere is not known here."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return
    address = str(extra_hosts.get(host, host))
    if address == _HOST:
        if not any(found == port for _network, _protocol, found in allowed):
            yield f"{host}:{port}"
        return
    try:
        found = ip_address(address)
    except ValueError:
        return
    known = any(port == there and protocol == "tcp" and network.version == found.version and found in network
                for network, protocol, there in allowed)  # fmt: skip
    if nft.is_special(found) and not found.is_loopback and not known:
        yield nft.named(found, port)
