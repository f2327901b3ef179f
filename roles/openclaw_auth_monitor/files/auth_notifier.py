# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells somebody when the status that the auth monitor wrote is not ok.

It has the network but neither OpenClaw's state nor a provider's credential. systemd hands it what it needs as
credentials: ``status``, ``settings``, and when they are configured ``ntfy_token`` and ``gateway_token``. A message that
a channel did not take is an error, and the next run tries that channel again.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from http.client import HTTPException
from typing import IO

ALERT_EVERY = 3600
TIMEOUT = 20
PAUSES = (5.0, 10.0)
STATES = ("ok", "expiring", "missing", "expired", "unreadable")


class DeliveryError(Exception):
    """A channel did not take the message."""


@dataclass(frozen=True)
class Status:
    """What the monitor found."""

    state: str
    summary: str


@dataclass(frozen=True)
class Memory:
    """What one channel was told: when each state was last sent, and the state that is not yet taken back."""

    sent: Mapping[str, float] = field(default_factory=dict)
    alarmed: str = ""


@dataclass(frozen=True)
class Text:
    """A message."""

    title: str
    body: str
    urgent: bool


# --- judging (pure) -----------------------------------------------------------------------------------------------


def read_status(text: str, now: float, max_age: float) -> Status:
    """Read the monitor's status; none, a damaged one and an old one are news, too."""
    try:
        document = json.loads(text)
        state, summary, checked_at = document["state"], str(document["summary"]), float(document["checked_at"])
    except (ValueError, KeyError, TypeError):
        return Status("unreadable", "the auth monitor left no status; see its journal")
    age = now - checked_at
    if not -60 <= age <= max_age:
        return Status("unreadable", f"the auth monitor's last report is {int(age // 60)} minutes old")
    return Status(state, summary) if state in STATES else Status("unreadable", f"the state {state!a} is unknown")


def due(status: Status, memory: Memory, now: float) -> str:
    """Decide for one channel: ``alert``, ``recovered`` or nothing."""
    if status.state == "ok":
        return "recovered" if memory.alarmed else ""
    return "alert" if now - memory.sent.get(status.state, -ALERT_EVERY) >= ALERT_EVERY else ""


def remembered(status: Status, memory: Memory, now: float) -> Memory:
    """Return the memory after a delivery; what is older than an hour decides nothing any more."""
    recent = {state: moment for state, moment in memory.sent.items() if 0 <= now - moment < ALERT_EVERY}
    return Memory(recent) if status.state == "ok" else Memory({**recent, status.state: now}, status.state)


def compose(kind: str, status: Status, name: str, host: str) -> Text:
    """Write the message."""
    if kind == "recovered":
        return Text(f"{name} on {host}: logins are fine again", status.summary or "ok", False)
    urgent = status.state in ("expired", "unreadable")
    return Text(f"{name} on {host}: login {status.state}", f"{status.summary}.", urgent)


def parse_settings(text: str) -> dict[str, str]:
    """Read ``NAME=value`` lines."""
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


# --- sending ------------------------------------------------------------------------------------------------------


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to somebody else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Follow none."""


def post(url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Send one request; an answer other than 2xx is an error."""
    if not url.startswith(("http://", "https://")):
        raise DeliveryError("the address begins neither with http:// nor with https://")
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310  # judged above
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return bytes(answer.read(1 << 20))
    except urllib.error.HTTPError as error:
        with error:
            raise DeliveryError(f"HTTP {error.code} {error.reason}: {_shown(error.read(300))}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise DeliveryError(str(getattr(error, "reason", error)) or type(error).__name__) from None


def send_ntfy(url: str, token: str, text: Text) -> None:
    """Publish to a topic of an ntfy server."""
    title = text.title.encode("ascii", "replace").decode()
    headers = {"Title": title, "Priority": "high" if text.urgent else "default", "Content-Type": "text/plain"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    post(url, text.body.encode(), headers)


def send_phone(port: str, token: str, phone: str, channel: str, text: Text) -> None:
    """Let the running gateway send, as ``openclaw message send`` does."""
    arguments = {"action": "send", "target": phone, "message": f"{text.title}\n{text.body}"}
    if channel:
        arguments["channel"] = channel
    body = json.dumps({"tool": "message", "action": "send", "args": arguments}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = post(f"http://127.0.0.1:{port}/tools/invoke", body, headers)
    if not sent(answer):
        raise DeliveryError(f"the gateway did not send it: {_shown(answer)}; see its log")


def sent(answer: bytes) -> bool:
    """Tell whether the gateway's answer says that the message is on its way."""
    try:
        document = json.loads(answer)
        result = document["result"]
        return document["ok"] is True and not result.get("isError") and result["details"].get("ok", True) is True
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def retried(send: Callable[[], None], pause: Callable[[float], None] = time.sleep) -> None:
    """Try a few times in a row; then it is the next run's turn."""
    for wait in PAUSES:
        with suppress(DeliveryError):
            send()
            return
        pause(wait)
    send()


def _shown(answer: bytes) -> str:
    text = answer[:300].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else " " for character in text)


# --- remembering --------------------------------------------------------------------------------------------------


def load_memory(path: str) -> dict[str, Memory]:
    """Return what each channel was told; a damaged memory is an empty one, and costs at most one message more."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        return {
            channel: Memory({state: float(at) for state, at in entry["sent"].items()}, str(entry["alarmed"]))
            for channel, entry in document.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save_memory(path: str, memory: Mapping[str, Memory]) -> None:
    """Replace the memory in one step."""
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump({name: {"sent": dict(kept.sent), "alarmed": kept.alarmed} for name, kept in memory.items()}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


# --- running ------------------------------------------------------------------------------------------------------


def channels(settings: Mapping[str, str], secret: Callable[[str], str]) -> dict[str, Callable[[Text], None]]:
    """Return the configured channels by name."""
    found: dict[str, Callable[[Text], None]] = {}
    url, phone = settings.get("NOTIFY_NTFY", ""), settings.get("NOTIFY_PHONE", "")
    if url:
        found["ntfy"] = lambda text: send_ntfy(url, secret("ntfy_token"), text)
    if phone:
        port, channel = settings["GATEWAY_PORT"], settings.get("NOTIFY_CHANNEL", "")
        found["phone"] = lambda text: send_phone(port, secret("gateway_token"), phone, channel, text)
    return found


def notify(
    status: Status, outlets: Mapping[str, Callable[[Text], None]], memory_path: str, name: str, now: float
) -> int:
    """Serve each channel by itself; return how many did not take their message."""
    memory = load_memory(memory_path)
    failures = 0
    for channel, send in outlets.items():
        told = memory.get(channel, Memory())
        kind = due(status, told, now)
        if not kind:
            _say(6, f"{channel}: nothing to say (state {status.state})")
        elif deliver(channel, send, compose(kind, status, name, socket.gethostname())):
            memory[channel] = remembered(status, told, now)
            save_memory(memory_path, memory)
        else:
            failures += 1
    if not outlets and status.state != "ok":
        _say(4, f"nobody is told about state {status.state}: neither NOTIFY_NTFY nor NOTIFY_PHONE is set")
    return failures


def deliver(channel: str, send: Callable[[Text], None], text: Text) -> bool:
    """Send one message; tell whether the channel took it."""
    try:
        retried(partial(send, text))
    except DeliveryError as error:
        _say(3, f"{channel}: NOT DELIVERED, will be tried again: {error}. The message was: {text.title}: {text.body}")
        return False
    _say(5, f"{channel}: delivered: {text.title}")
    return True


def _say(priority: int, text: str) -> None:
    line = "".join(character if character.isprintable() else " " for character in text)
    print(f"<{priority}>{line}", flush=True)


def main() -> int:
    """Run once."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not os.path.exists(os.path.join(folder, "settings")):
        _say(3, "systemd handed over no settings (LoadCredential=); nobody can be told anything")
        return 1

    def secret(name: str) -> str:
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8") as file:
            return file.read().strip()

    settings = parse_settings(secret("settings"))
    now = time.time()
    status = read_status(secret("status"), now, float(settings["MAX_AGE_MINUTES"]) * 60)
    memory_path = os.path.join(os.environ["STATE_DIRECTORY"], "told.json")
    failures = notify(status, channels(settings, secret), memory_path, settings["NAME"], now)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
