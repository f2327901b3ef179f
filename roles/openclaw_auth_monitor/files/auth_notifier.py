# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Notifies the operator when the status that the auth monitor wrote is not ok.

It has the network but neither OpenClaw's state nor a provider's credential. systemd hands it what it needs as
credentials: ``status``, ``settings``, and when they are configured ``ntfy_token`` and ``gateway_token``. A message that
a channel did not take is an error, and the next run tries that channel again.

The status is made from a state that the gateway writes, so it is hostile input. A token is shown to nobody on this host
who is inconclusive to be root's (Docker's): while the gateway is down, every account can listen on its port.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv6Address, ip_address
from typing import Any, NoReturn
from urllib.parse import urlsplit

ALERT_EVERY = 3600
TIMEOUT = 20  # seconds for one attempt as a whole
ACCEPT_SECONDS = 3.0
PAUSES = (5.0, 10.0)
STATES = ("ok", "expiring", "missing", "expired", "unreadable")
ROOT = 0
VERSION = 2
# In bytes, and in characters of a message.
MAX_STATUS = 256 << 10
MAX_MESSAGE = 2000
# Kept beside the states in the memory of a channel.
INCONCLUSIVE = "inconclusive"
ANY_IPV4 = "0.0.0.0"  # noqa: S104 - looked for, not bound
# States of sockets in proc_pid_net(5).
LISTENS = "0A"
FOLDER = "/proc/self/net"


class DeliveryError(Exception):
    """A channel did not take the message."""


class UnprovenError(DeliveryError):
    """Who is at the other end is inconclusive; no token was shown."""


@dataclass(frozen=True)
class Status:
    """What the monitor found."""

    state: str
    summary: str


@dataclass(frozen=True)
class Memory:
    """What one channel was reported: when each state was last sent, and the state that is not yet rolled back."""

    sent: Mapping[str, float] = field(default_factory=dict)
    alarmed: str = ""


@dataclass(frozen=True)
class Text:
    """A message."""

    title: str
    body: str
    urgent: bool


# --- checking (pure) -----------------------------------------------------------------------------------------------


def read_status(text: str, now: float, max_age: float) -> Status:
    """Read the monitor's status; none, a damaged one and an old one are news, too. It may say anything."""
    try:
        document = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
        version, state, summary, checked_at = (document[key] for key in ("version", "state", "summary", "checked_at"))
        if version != VERSION or isinstance(version, bool) or not isinstance(summary, str):
            raise ValueError("of another format")
        if isinstance(checked_at, bool) or not isinstance(checked_at, (int, float)):
            raise TypeError("no time")
        age = now - float(checked_at)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Status("unreadable", "the auth monitor left no status; see its journal")
    if not -60 <= age <= max_age:
        minutes = f"{int(age // 60)}" if math.isfinite(age) and abs(age) < 1e9 else "countless"
        return Status("unreadable", f"the auth monitor's last report is {minutes} minutes old")
    if not isinstance(state, str) or state not in STATES:
        return Status("unreadable", "the auth monitor reported a state that is unknown")
    return Status(state, plain(summary, MAX_MESSAGE))


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key that is there twice")
    return found


def plain(text: str, most: int) -> str:
    """Show text of another user on one line: ASCII only, nothing that a messenger makes a link or a mention of.

    A second call changes nothing; the monitor has the same function.
    """
    shown = "".join(
        character if " " <= character <= "~" and character not in "<>`" else _escaped(character)
        for character in text[:most]
    )
    shown = re.sub(r"(?<=[0-9A-Za-z_-])\.(?=[0-9A-Za-z_-])", "[.]", shown)
    shown = re.sub(r"(?<!\[)@", "[@]", shown).replace("://", "[:]//").replace("](", "] (")
    return shown if len(shown) <= most and len(text) <= most else f"{shown[: most - 3]}..."


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def due(status: Status, memory: Memory, now: float) -> str:
    """Decide for one channel: ``alert``, ``recovered`` or nothing."""
    if status.state == "ok":
        return "recovered" if memory.alarmed else ""
    return "" if _recent(memory, status.state, now) else "alert"


def _recent(memory: Memory, topic: str, now: float) -> bool:
    """Return whether it was reported within the hour; a clock that was set back does not silence a channel."""
    return 0 <= now - memory.sent.get(topic, -math.inf) < ALERT_EVERY


def remembered(status: Status, memory: Memory, now: float) -> Memory:
    """Return the memory after a delivery; what is older than an hour decides nothing any more."""
    recent = {topic: moment for topic, moment in memory.sent.items() if _recent(memory, topic, now)}
    return Memory(recent) if status.state == "ok" else Memory({**recent, status.state: now}, status.state)


def compose(kind: str, status: Status, name: str, host: str, warnings: Sequence[str] = ()) -> Text:
    """Write the message; ``kind`` is ``alert``, ``recovered`` or ``inconclusive``."""
    warned = "".join(f" {warning}." for warning in warnings)
    if kind == INCONCLUSIVE:
        return Text(f"{name} on {host}: the gateway is inconclusive", warned.strip(), True)
    if kind == "recovered":
        return Text(f"{name} on {host}: logins are fine again", f"{status.summary or 'ok'}{warned}", bool(warned))
    urgent = status.state in ("expired", "unreadable") or bool(warned)
    return Text(f"{name} on {host}: login {status.state}", f"{status.summary}.{warned}", urgent)


def parse_settings(text: str) -> dict[str, str]:
    """Read ``NAME=value`` lines."""
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


# --- who is at the other end --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """A TCP socket of this host, as proc_pid_net(5) shows it."""

    local: tuple[str, int]
    remote: tuple[str, int]
    state: str
    uid: int
    inode: int


def sockets(port: int) -> list[Peer]:
    """Return the sockets of this network namespace whose own port it is."""
    found = []
    for name in ("tcp", "tcp6"):
        with suppress(FileNotFoundError), open(f"{FOLDER}/{name}", encoding="ascii") as file:
            for fields in map(str.split, file):
                if len(fields) > 9 and fields[1].endswith(f":{port:04X}"):
                    local, remote = _endpoint(fields[1]), _endpoint(fields[2])
                    found.append(Peer(local, remote, fields[3], int(fields[7]), int(fields[9])))
    return found


def _endpoint(text: str) -> tuple[str, int]:
    """Translate an address and a port: 32-bit words in the order of the processor."""
    digits, _colon, port = text.partition(":")
    words = (int(digits[start : start + 8], 16) for start in range(0, len(digits), 8))
    address = ip_address(b"".join(struct.pack("=I", word) for word in words))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address), int(port, 16)


def roots_listeners(address: str, port: int) -> set[int]:
    """Return the listeners of root that a connection to this address can reach.

    :raises UnprovenError: one of another account can be reached, too, or nothing but.
    :raises DeliveryError: nothing listens.
    """
    every = ANY_IPV4 if "." in address else "::"
    listening = [peer for peer in sockets(port) if peer.state == LISTENS]
    reached = [peer for peer in listening if peer.local[0] in (address, ANY_IPV4, "::")]
    if any(peer.uid != ROOT for peer in reached):
        raise UnprovenError(f"an account other than root listens at {address} port {port}")
    if not reached:
        raise DeliveryError(f"nothing listens at {address} port {port}")
    # One on [::] need not be for IPv4, so another account may have the IPv4 port for a moment.
    return {peer.inode for peer in reached if peer.local[0] in (address, every)}


def prove(connection: socket.socket, before: set[int]) -> None:
    """Prove that this connection goes to root's own listener, which is Docker's.

    It listened before the connection was made and listens still, so nobody else can have had the port between
    (SO_REUSEPORT is for sockets of one account). The socket at the other end must be root's too: accepted by root, not
    only queued, for a queued one has no owner yet. When there is none on this host, root's packet filter has redirected
    the connection, which is what Docker does without its userland proxy.

    :raises UnprovenError: it may be another user; nothing may be sent.
    """
    (address, port), own = connection.getpeername()[:2], connection.getsockname()[:2]
    end = time.monotonic() + ACCEPT_SECONDS
    while True:
        ends = [peer for peer in sockets(port) if peer.local == (address, port) and peer.remote == tuple(own)]
        if all(peer.uid == ROOT and peer.inode for peer in ends):
            break
        if any(peer.uid != ROOT for peer in ends):
            raise UnprovenError(f"an account other than root answers at {address} port {port}")
        if time.monotonic() > end:
            raise UnprovenError(f"nobody accepts the connection to {address} port {port}")
        time.sleep(0.05)
    if not before & roots_listeners(address, port):
        raise UnprovenError(f"who listens at {address} port {port} changed meanwhile")


# --- sending ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a message goes. ``proven``: only to what root listens with on this host."""

    host: str
    port: int
    path: str
    tls: bool = False
    proven: bool = False


def place(url: str) -> Place:
    """Read the address of a topic."""
    if not url.startswith(("http://", "https://")):
        raise DeliveryError("the address begins neither with http:// nor with https://")
    try:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return Place(parts.hostname or "", parts.port or (443 if tls else 80), parts.path or "/", tls)
    except ValueError as error:
        raise DeliveryError(f"the address is none: {error}") from None


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Limit an attempt as a whole, also when the other side sends a byte now and then."""

    def late(_number: int, _frame: object) -> NoReturn:
        raise DeliveryError(f"no answer within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def post(where: Place, body: bytes, headers: Mapping[str, str], token: str) -> bytes:
    """Send one request; an answer other than 2xx is an error. No proxy is used, and no redirect followed."""
    sent = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        with deadline(TIMEOUT), closing(connected(where, bool(token))) as connection:
            connection.request("POST", where.path, body, sent)
            answer = connection.getresponse()
            text = answer.read(1 << 20)
    except (OSError, HTTPException, ValueError) as error:
        raise DeliveryError(_without(token, str(error)) or type(error).__name__) from None
    if not 200 <= answer.status < 300:
        raise DeliveryError(f"HTTP {answer.status} {_without(token, f'{answer.reason}: {_shown(text)}')}")
    return text


def connected(where: Place, token: bool) -> HTTPConnection:
    """Connect; with a token to show, and no certificate that shows who it is, prove the process that is on this
    host.
    """
    error: Exception | None = None
    for family, _kind, _protocol, _name, address in socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM):
        before: set[int] = set()
        doubt: DeliveryError | None = None
        try:
            before = roots_listeners(str(address[0]), where.port) if token and not where.tls else set()
        except DeliveryError as found:
            doubt = found
        if where.proven and doubt:
            raise doubt
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(TIMEOUT)
            connection.connect(address)
            there = connection.getpeername()[0]
            here = ip_address(there.partition("%")[0]).is_loopback or there == connection.getsockname()[0]
            if token and not where.tls and (here or where.proven):
                if doubt:
                    raise doubt
                prove(connection, before)
            made = HTTPSConnection(where.host, where.port) if where.tls else HTTPConnection(where.host, where.port)
            made.auto_open = 0  # this connection or none
            context = ssl.create_default_context() if where.tls else None
            made.sock = context.wrap_socket(connection, server_hostname=where.host) if context else connection
            return made
        except (DeliveryError, OSError) as found:
            connection.close()
            if isinstance(found, DeliveryError):
                raise
            error = found
    raise error or OSError("no address")


def send_ntfy(url: str, token: str, text: Text) -> None:
    """Publish to a topic of an ntfy server."""
    title = text.title.encode("ascii", "replace").decode()
    headers = {"Title": title, "Priority": "high" if text.urgent else "default", "Content-Type": "text/plain"}
    post(place(url), text.body.encode(), headers, token)


def send_phone(port: str, token: str, phone: str, channel: str, text: Text) -> None:
    """Let the running gateway send, as ``openclaw message send`` does."""
    arguments = {"action": "send", "target": phone, "message": f"{text.title}\n{text.body}"}
    if channel:
        arguments["channel"] = channel
    body = json.dumps({"tool": "message", "action": "send", "args": arguments}).encode()
    where = Place("127.0.0.1", int(port), "/tools/invoke", proven=True)
    answer = post(where, body, {"Content-Type": "application/json"}, token)
    if not sent(answer):
        raise DeliveryError(f"the gateway did not send it: {_without(token, _shown(answer))}; see its log")


def sent(answer: bytes) -> bool:
    """Return whether the gateway's answer reports that the message is on its way."""
    try:
        document = json.loads(answer)
        result = document["result"]
        return document["ok"] is True and not result.get("isError") and result["details"].get("ok", True) is True
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def retried(send: Callable[[], None], pause: Callable[[float], None] = time.sleep) -> None:
    """Try a few times in a row; then it is the next run's turn."""
    for wait in PAUSES:
        if _taken(send):
            return
        pause(wait)
    send()


def _taken(send: Callable[[], None]) -> bool:
    """Try once; to ask an impostor again is of no use."""
    try:
        send()
    except UnprovenError:
        raise
    except DeliveryError:
        return False
    return True


def _shown(answer: bytes) -> str:
    return plain(answer[:300].decode("utf-8", "replace"), 300)


def _without(token: str, text: str) -> str:
    """An answer may hold what it was sent."""
    return text.replace(token, "***") if token else text


# --- remembering --------------------------------------------------------------------------------------------------


def load_memory(path: str) -> dict[str, Memory]:
    """Return what each channel was reported; a damaged memory is an empty one, and costs at most one message more."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        return {
            channel: Memory({state: float(at) for state, at in entry["sent"].items()}, str(entry["alarmed"]))
            for channel, entry in document.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}


def save_memory(path: str, memory: Mapping[str, Memory]) -> None:
    """Write the memory."""
    replace_json(path, {name: {"sent": dict(kept.sent), "alarmed": kept.alarmed} for name, kept in memory.items()})


def replace_json(path: str, document: Mapping[str, Any]) -> None:
    """Replace a file in one step."""
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


# --- running ------------------------------------------------------------------------------------------------------


def channels(settings: Mapping[str, str], secret: Callable[[str], str]) -> dict[str, Callable[[Text], None]]:
    """Return the configured channels by name."""
    found: dict[str, Callable[[Text], None]] = {}
    url, phone = settings.get("NOTIFY_NTFY", ""), settings.get("NOTIFY_PHONE", "")
    # First the one whose failure the other one can tell of.
    if phone:
        port, channel = settings["GATEWAY_PORT"], settings.get("NOTIFY_CHANNEL", "")
        found["phone"] = lambda text: send_phone(port, secret("gateway_token"), phone, channel, text)
    if url:
        found["ntfy"] = lambda text: send_ntfy(url, secret("ntfy_token"), text)
    return found


def notify(
    status: Status, outlets: Mapping[str, Callable[[Text], None]], memory_path: str, name: str, now: float
) -> int:
    """Serve each channel by itself; return how many did not take their message."""
    memory = load_memory(memory_path)
    failures = 0
    warnings: list[str] = []
    for channel, send in outlets.items():
        reported = memory.get(channel, Memory())
        kind = due(status, reported, now)
        if not kind and warnings and not _recent(reported, INCONCLUSIVE, now):
            kind = INCONCLUSIVE
        if not kind:
            say(6, f"{channel}: nothing to say (state {status.state})")
            continue
        failure = deliver(channel, send, compose(kind, status, name, socket.gethostname(), warnings))
        if failure is None:
            kept = reported if kind == INCONCLUSIVE else remembered(status, reported, now)
            memory[channel] = replace(kept, sent={**kept.sent, INCONCLUSIVE: now}) if warnings else kept
            failures += 0 if _saved(memory_path, memory) else 1
            continue
        failures += 1
        if isinstance(failure, UnprovenError):
            warnings.append(f"Not sent by {channel}, and no token shown: {failure}")
    if not outlets and status.state != "ok":
        say(4, f"nobody is reported about state {status.state}: neither NOTIFY_NTFY nor NOTIFY_PHONE is set")
    return failures


def _saved(path: str, memory: Mapping[str, Memory]) -> bool:
    try:
        save_memory(path, memory)
    except OSError as error:
        say(3, f"what was reported could not be written down, and may be reported again: {error.strerror}")
        return False
    return True


def deliver(channel: str, send: Callable[[Text], None], text: Text) -> Exception | None:
    """Send one message; return why the channel did not take it, whatever that is: the next channel has its turn."""
    try:
        retried(partial(send, text))
    except Exception as error:  # noqa: BLE001
        reason = str(error) if isinstance(error, DeliveryError) else type(error).__name__
        say(3, f"{channel}: NOT DELIVERED, will be tried again: {reason}. The message was: {text.title}: {text.body}")
        return error
    say(5, f"{channel}: delivered: {text.title}")
    return None


def say(priority: int, text: str) -> None:
    """Print one line for the journal, with its priority (sd-daemon(3))."""
    line = "".join(character if " " <= character <= "~" else " " for character in text)
    print(f"<{priority}>{line}", flush=True)


def credential(name: str, most: int = -1) -> str:
    """Return what systemd handed over under a name (systemd.exec(5), LoadCredential=); empty without it."""
    path = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", ""), name)
    if not os.path.exists(path):
        return ""
    with open(path, "rb") as file:
        return file.read(most).decode("utf-8", "replace").strip()


def main() -> int:
    """Run once."""
    secret = credential
    if not secret("settings"):
        say(3, "systemd handed over no settings (LoadCredential=); nobody can be reported anything")
        return 1
    settings = parse_settings(secret("settings"))
    now = time.time()
    # What is longer is not what the monitor writes, and is no JSON when it is cut off.
    status = read_status(secret("status", MAX_STATUS), now, float(settings["MAX_AGE_MINUTES"]) * 60)
    memory_path = os.path.join(os.environ["STATE_DIRECTORY"], "reported.json")
    failures = notify(status, channels(settings, secret), memory_path, settings["NAME"], now)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
