# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever else on this host hands the gateway on: every listening socket is asked, and it is seen who answers.

A listener that gives the gateway's answer may be another gateway. So it is asked again with a long request, and the
bytes that come in at the network of *this* gateway are counted meanwhile (proc_pid_net(5), netstat). No token is sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import (
    EVERY_ADDRESS,
    Network,
    read_links,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import control_group, read_listeners

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

# Seconds: for all listeners together, for one answer, for a server that speaks first (SSH, SMTP), between two counts.
PATIENCE, _ANSWER, _GREETING, _SETTLE = 2.0, 0.8, 0.08, 0.01
_THREADS, _MOST, _SUSPECTS = 64, 1024, 16
_PADDING, _ROUNDS, _TRIES = 3000, 3, 12
_BODY = 400


@dataclass(frozen=True)
class Place:
    """An address and port where a listener is asked; ``listens``: where it listens, if that is on more than this."""

    address: str
    port: int
    by: str = ""
    listens: str = ""


@dataclass(frozen=True)
class Forwarders:
    """What was asked and found. ``unclear``: gives the same answer, whether from this gateway is not known."""

    asked: int = 0
    handing_on: tuple[Place, ...] = ()
    unclear: tuple[Place, ...] = ()
    # Not asked, because there are too many or time was over.
    left: int = 0
    # The gateway itself did not answer: whose answers others give cannot be known.
    silent: bool = False


def look(module: AnsibleModule, api: DockerClient, network: Network) -> Forwarders:
    """Ask every listener that others may reach, all at once, for at most about two seconds."""
    if network.mode == "container" or network.asked_at is None:
        return Forwarders()
    addresses, _interfaces = read_links(run(module, ["ip", "-j", "addr"]).stdout)
    end = time.monotonic() + PATIENCE
    host = [(found.address, found.port) for found in read_listeners("/proc/self/net")]
    ports = published(api.api.containers())
    places = candidates(network, addresses, [*host, *ports], foreign_listeners(network.pid))
    reference = request(*network.asked_at)
    if reference is None:
        return Forwarders(left=len(places), silent=True)
    answers = _all(places[:_MOST], lambda place: request(place.address, place.port), end)
    suspects = [place for place in places if alike(answers.get(place), reference)]
    handing_on, unclear = [], []
    for number, place in enumerate(suspects):
        found = from_this_gateway(place, network.pid, end) if network.mode == "bridge" and number < _SUSPECTS else None
        if found is None:
            unclear.append(place)
        elif found:
            handing_on.append(place)
    return Forwarders(len(answers), tuple(handing_on), tuple(unclear), len(places) - len(answers))


# --- who listens --------------------------------------------------------------------------------------------------


def candidates(
    network: Network, addresses: Iterable[str], listening: Iterable[tuple[str, int]], foreign: Iterable[Place]
) -> list[Place]:
    """Return where others could reach a listener; the gateway's own published places are checked elsewhere (pure)."""
    outside = [found for found in addresses if not _loopback(found)]
    own = {(found.address, found.port) for found in network.published}
    wildcard = {port for address, port in own if address in EVERY_ADDRESS}
    found: dict[Place, None] = {}
    for address, port in listening:
        if _loopback(address) or (address, port) in own or port in wildcard:
            continue
        for each in _reachable(address, outside):
            found[Place(each, port, listens="" if each == address else address)] = None
    for place in foreign:
        if not _loopback(place.address):
            found[place] = None
    return list(found)


def _reachable(address: str, outside: list[str]) -> list[str]:
    """Return where a listener is asked: one address of each kind is enough for one that listens on all."""
    if address not in EVERY_ADDRESS:
        return [address]
    first4 = next((found for found in outside if ":" not in found), "127.0.0.1")
    first6 = next((found for found in outside if ":" in found and "%" not in found), "::1")
    return [first4] if address in ("", "0.0.0.0") else [first4, first6]  # noqa: S104


def _loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def published(containers: Iterable[dict[str, Any]]) -> list[tuple[str, int]]:
    """Return the ports that Docker publishes for any container: without its proxy nothing listens there (pure)."""
    return [
        (str(port.get("IP") or ""), int(port["PublicPort"]))
        for container in containers
        for port in container.get("Ports") or ()
        if port.get("PublicPort") and port.get("Type", "tcp") == "tcp"
    ]


def foreign_listeners(pid: int) -> list[Place]:
    """Return the listeners of network namespaces that are neither the host's, the gateway's nor another container's."""
    spaces: dict[str, str] = {}
    known = {_space("self"), _space(str(pid))}
    for name in os.listdir("/proc"):
        space = _space(name) if name.isdigit() else ""
        if not space or space in known or space in spaces:
            continue
        with contextlib.suppress(OSError, ValueError):
            if re.search(r"[0-9a-f]{64}", control_group(int(name))):
                known.add(space)
            else:
                spaces[space] = name
    found = []
    for name in list(spaces.values())[:_MOST]:
        with contextlib.suppress(OSError, ValueError):
            locals_ = local_addresses(name)
            for listener in read_listeners(f"/proc/{name}/net"):
                every = listener.address in EVERY_ADDRESS
                places = locals_ if every else [listener.address]
                found += [Place(each, listener.port, "another network namespace") for each in places]
    return found


def _space(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def local_addresses(pid: str) -> list[str]:
    """Return the IPv4 addresses of a network namespace (its fib_trie), but those of loopback."""
    with open(f"/proc/{pid}/net/fib_trie", encoding="ascii", errors="replace") as file:
        text = file.read(1 << 20)
    found = re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", text)
    return [address for address in dict.fromkeys(found) if not _loopback(address)]


# --- what it answers ----------------------------------------------------------------------------------------------


def request(address: str, port: int, padding: int = 0) -> tuple[int, bytes] | None:
    """Ask for /healthz, by TLS where that is wanted; return status and the begin of the body, or None."""
    for secure in (False, True):
        answer = _request(address, port, padding, secure=secure)
        if answer is not None and not (answer[0] == 400 and not secure):
            return answer
    return None


def _request(address: str, port: int, padding: int, *, secure: bool) -> tuple[int, bytes] | None:
    path = f"/healthz?{'x' * padding}" if padding else "/healthz"
    host = f"[{address}]" if ":" in address else address
    text = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\nAccept: application/json\r\n\r\n"
    end = time.monotonic() + _ANSWER
    try:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection((address, port), _ANSWER))
            peer: socket.socket = plain
            if secure:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE  # whichever process it is, nothing secret is sent
                peer = stack.enter_context(context.wrap_socket(plain))
            elif not padding and select.select([plain], [], [], _GREETING)[0]:
                return 0, b""  # speaks first, or ended: the gateway does neither
            peer.sendall(text.encode())
            return _response(peer, end)
    except (OSError, ValueError):
        return None


def _response(peer: socket.socket, end: float) -> tuple[int, bytes] | None:
    received = b""
    while len(received) < 16384:
        left = end - time.monotonic()
        if left <= 0:
            break
        peer.settimeout(left)
        try:
            more = peer.recv(4096)
        except socket.timeout:  # its own class before Python 3.10
            break
        if not more:
            break
        received += more
        head, blank, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length:\s*([0-9]{1,9})", head) if blank else None
        if length and len(body) >= int(length[1]):
            break
    head, _blank, body = received.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3})", head)
    return (int(status[1]), body[:_BODY]) if status else None


def alike(answer: tuple[int, bytes] | None, reference: tuple[int, bytes]) -> bool:
    """Return whether an answer could be the gateway's: the same status, and the same text or the same keys (pure)."""
    if answer is None or answer[0] != reference[0]:
        return False
    keys = _keys(reference[1])
    return answer[1] == reference[1] or (keys is not None and _keys(answer[1]) == keys)


def _keys(body: bytes) -> frozenset[str] | None:
    begin, end = body.find(b"{"), body.rfind(b"}")  # a proxy may send it in chunks
    try:
        found = json.loads(body[begin : end + 1])
    except ValueError:
        return None
    return frozenset(found) if isinstance(found, dict) else None


# --- whose answer it is -------------------------------------------------------------------------------------------


def from_this_gateway(place: Place, pid: int, end: float, count: Callable[[int], int] | None = None) -> bool | None:
    """Return whether what is sent there comes in at this gateway; None: its other traffic hides it, or time is over."""
    counted = count or octets
    hits = 0
    for _number in range(_TRIES):
        if time.monotonic() > end + PATIENCE / 2:
            return None
        first = counted(pid)
        time.sleep(_SETTLE)
        second = counted(pid)
        request(place.address, place.port, _PADDING)
        time.sleep(_SETTLE)
        third = counted(pid)
        if third - second < _PADDING:
            return False
        hits += second - first < _PADDING // 4
        if hits == _ROUNDS:
            return True
    return None


def octets(pid: int) -> int:
    """Return how many bytes came in at a network namespace, by IPv4 and by IPv6."""
    with open(f"/proc/{pid}/net/netstat", encoding="ascii") as file:
        lines = file.readlines()
    rows = [line.split() for line in lines if line.startswith("IpExt:")]
    total = int(dict(zip(*rows))["InOctets"])
    with contextlib.suppress(OSError), open(f"/proc/{pid}/net/snmp6", encoding="ascii") as file:
        total += sum(int(line.split()[1]) for line in file if line.startswith("Ip6InOctets"))
    return total


def _all(
    places: Iterable[Place], ask: Callable[[Place], tuple[int, bytes] | None], end: float
) -> dict[Place, tuple[int, bytes] | None]:
    """Ask all of them at once; return the answers of those that were done in time."""
    waiting = list(places)
    results: dict[Place, tuple[int, bytes] | None] = {}

    def work() -> None:
        while time.monotonic() < end:
            try:
                place = waiting.pop()
            except IndexError:
                return
            results[place] = ask(place)

    threads = [threading.Thread(target=work, daemon=True) for _number in range(min(_THREADS, len(waiting)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(results)
