# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sends the alerts of the maintenance jobs, by the channels and with the care of the auth monitor's notifier.

systemd hands it what it needs as credentials: ``alerts`` (root's file, which the jobs write), ``settings``, and when
they are configured ``ntfy_token`` and ``gateway_token``. Each channel remembers the number of the last alert that it
took.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import auth_notifier as notifier
from auth_notifier import MAX_MESSAGE, Text, plain

VERSION = 1
MAX_ALERTS = 1 << 20
# More than these in one run are one message with their number.
MOST = 5


@dataclass(frozen=True)
class Alert:
    """One alert, as its job wrote it."""

    number: int
    at: float
    title: str
    body: str
    urgent: bool


def read_alerts(text: str) -> tuple[str, list[Alert]]:
    """Return the origin of the numbers, and the alerts.

    :raises ValueError: it is not what the jobs write.
    """
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ValueError("of another format")
        found = [
            Alert(int(entry["number"]), float(entry["at"]), plain(str(entry["title"]), 200),
                  plain(str(entry["body"]), MAX_MESSAGE), entry["urgent"] is not False)
            for entry in document["alerts"]
        ]  # fmt: skip
        return str(document["origin"]), found
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no alerts ({type(error).__name__})") from None


def due(alerts: Sequence[Alert], origin: str, memory: Mapping[str, Any]) -> list[Alert]:
    """Return what a channel was not sent yet, the oldest first. Numbers that begin again are another sequence."""
    last = memory.get("number", 0) if memory.get("origin") == origin else 0
    return sorted((alert for alert in alerts if alert.number > last), key=lambda alert: alert.number)


def messages(waiting: Sequence[Alert], name: str, host: str) -> list[tuple[int, Text]]:
    """Return the messages to send, each with the number that is reached by it."""
    head, tail = (waiting, ()) if len(waiting) <= MOST else (waiting[: MOST - 1], waiting[MOST - 1 :])
    result = [(alert.number, Text(f"{name} on {host}: {alert.title}", alert.body, alert.urgent)) for alert in head]
    if tail:
        body = plain("; ".join(dict.fromkeys(alert.title for alert in tail)), MAX_MESSAGE)
        title = f"{name} on {host}: {len(tail)} more alerts"
        result.append((tail[-1].number, Text(title, body, any(alert.urgent for alert in tail))))
    return result


def notify(text: str, outlets: Mapping[str, Callable[[Text], None]], memory_path: str, name: str) -> int:
    """Serve each channel by itself; return how many did not take a message."""
    try:
        origin, alerts = read_alerts(text)
    except ValueError as error:
        notifier.say(3, f"the alerts cannot be read: {error}; see the journal of the jobs")
        return 1
    memory, failures = _load(memory_path), 0
    for channel, send in outlets.items():
        for number, message in messages(due(alerts, origin, memory.get(channel, {})), name, socket.gethostname()):
            if notifier.deliver(channel, send, message) is not None:
                failures += 1
                break
            memory[channel] = {"origin": origin, "number": number}
            notifier.replace_json(memory_path, memory)
    if not outlets and due(alerts, origin, memory.get("", {})):
        for alert in due(alerts, origin, memory.get("", {})):
            notifier.say(
                4, f"nobody is notified (neither NOTIFY_NTFY nor NOTIFY_PHONE is set): {alert.title}: {alert.body}"
            )
        memory[""] = {"origin": origin, "number": alerts[-1].number}
        notifier.replace_json(memory_path, memory)
    return failures


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError):
        return {}
    known = document.items() if isinstance(document, dict) else ()
    return {
        str(name): entry for name, entry in known if isinstance(entry, dict) and isinstance(entry.get("number"), int)
    }


def main() -> int:
    """Run once."""
    secret = notifier.credential
    if not secret("settings"):
        notifier.say(3, "systemd handed over no settings (LoadCredential=); no alert can be sent")
        return 1
    settings = notifier.parse_settings(secret("settings"))
    text = secret("alerts", MAX_ALERTS)
    if text == "none":
        return 0
    memory_path = os.path.join(os.environ["STATE_DIRECTORY"], "sent.json")
    return 1 if notify(text, notifier.channels(settings, secret), memory_path, settings["NAME"]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
