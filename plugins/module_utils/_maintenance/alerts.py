# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The alerts of the jobs, in one file of root: the notifier gets it from systemd, and remembers what it delivered."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ensure_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json, write_json
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import lock

VERSION = 1
# The notifier sends them within minutes; these are kept for a channel that is away.
MOST = 100
LONGEST = 1500
_LOCK_SECONDS = 30


@dataclass(frozen=True)
class Alert:
    """What an operator has to know.

    :param job: which job found it: audit, backup.
    :param urgent: whether it cannot wait.
    """

    job: str
    title: str
    body: str
    urgent: bool = True


def path(folder: str) -> str:
    """Return the file of the alerts."""
    return f"{folder}/alerts.json"


def added(
    record: dict[str, Any], alerts: Sequence[Alert], now: float, origin: str, seen: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the file's content with more alerts; pure. Numbers only grow, so that none is sent twice or left out.

    :param origin: names the sequence of numbers, when it begins here.
    :param seen: how far the log watcher had read when it found these.
    """
    known = record.get("version") == VERSION and isinstance(record.get("alerts"), list)
    first = int(record["next"]) if known else 1
    entries = [
        {**asdict(alert), "body": harmless(alert.body, LONGEST), "number": first + index, "at": int(now)}
        for index, alert in enumerate(alerts)
    ]
    return {
        "version": VERSION,
        "origin": record["origin"] if known else origin,
        "next": first + len(entries),
        "alerts": [*(record["alerts"] if known else []), *entries][-MOST:],
        "seen": dict(seen if seen is not None else record.get("seen", {})),
    }


def add(folder: str, alerts: Sequence[Alert], now: float, seen: Mapping[str, Any] | None = None) -> None:
    """Write more alerts down, with what they were found by; jobs that end at once wait for each other."""
    if not alerts:
        return
    ensure_directory(folder, 0o700, 0, 0)
    with lock(f"{folder}/alerts.lock", _LOCK_SECONDS, ""):
        write_json(path(folder), added(read_json(path(folder)), alerts, now, secrets.token_hex(8), seen))
