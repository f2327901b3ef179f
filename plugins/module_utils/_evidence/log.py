# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container logged in the last day, and which of it OpenClaw reports for security's sake.

The patterns are what OpenClaw 2026.9.6 was seen to write. Refused logins leave a line when they came by WebSocket, none
when they came by HTTP; health checks and answers of 401 or 429 leave none at all. A client chooses its name and may
write any of these words into it: that can add an event, and never hides one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import LONG_WORD, redact

if TYPE_CHECKING:
    from docker import DockerClient

DAY = 24 * 60 * 60
MAX_LINES = 2000
MAX_SIZE = 1 << 20
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Docker's time, OpenClaw's time, its part of the program.
_START = re.compile(r"(?:(\S+Z) )?(?:\d{4}-\d\d-\d\dT\S+ )?(?:\[[\w/.:-]+\] )?")
EVENTS: Mapping[str, re.Pattern[str]] = {
    "lockout": re.compile(r"unauthorized conn=.* reason=rate_limited guidance="),
    # Nobody guesses who shows no token at all: a page that is still open somewhere.
    "refused login": re.compile(r"unauthorized conn=.* reason=(?!(?:token|password)_missing )\S+ guidance="),
    "foreign web page": re.compile(r"closed before connect .*\bcause=origin-mismatch\b"),
    "pairing request": re.compile(r"closed before connect .*\bcause=pairing-required\b|security audit: "),
    "configuration tampered with": re.compile(r"Config (?:\w+ anomaly|auto-restored|auto-stripped)\b"),
    "security warning": re.compile(r"security warning: |auth token was missing\. Generated a runtime token", re.I),
}


@dataclass(frozen=True)
class Event:
    """One line that OpenClaw wrote for security's sake; ``line`` is fit to be shown, ``at`` is Docker's time of it."""

    kind: str
    line: str
    at: str = ""


@dataclass(frozen=True)
class LogFacts:
    """The log of the last day; ``unreadable`` reports why there is none to read."""

    driver: str
    text: str = field(default="", repr=False)
    lines: int = 0
    # There were older lines of this day that were not read.
    cut: bool = False
    # Docker's time of the first line that was read.
    since: str = ""
    events: tuple[Event, ...] = ()
    unreadable: str = ""


def look(api: DockerClient, container_id: str) -> LogFacts:
    """Read the end of the container's log."""
    container = client.find_container(api, container_id)
    if container is None:
        raise HardeningError(f"container {container_id}", "nothing", "a container")
    driver = str(((container.attrs.get("HostConfig") or {}).get("LogConfig") or {}).get("Type") or "")
    since = int(time.time()) - DAY
    try:
        raw = api.api.logs(container_id, timestamps=True, tail=MAX_LINES, since=since)
    except client.sdk().errors.APIError as error:
        # 501: a driver that hands everything on and keeps nothing.
        if error.status_code == 501:
            return LogFacts(driver, unreadable=str(error.explanation or error))
        raise HardeningError(f"log of {container_id}", f"the daemon's answer {error.explanation}", "a log") from error
    return read(driver, raw)


def read(driver: str, raw: bytes) -> LogFacts:
    """Find the events in a log (pure)."""
    kept = raw[-MAX_SIZE:]
    if len(kept) < len(raw):
        kept = kept.partition(b"\n")[2]
    text = without_colours(kept.decode(errors="replace"))
    lines = text.splitlines()
    first = _START.match(lines[0]) if lines else None
    return LogFacts(
        driver=driver,
        text=text,
        lines=len(lines),
        cut=len(kept) < len(raw) or len(lines) >= MAX_LINES,
        since=(first and first[1]) or "",
        events=tuple(event for event in (event_of(line, EVENTS) for line in lines) if event),
    )


def event_of(line: str, patterns: Mapping[str, re.Pattern[str]]) -> Event | None:
    """Return the event that a line is, by the first pattern that matches what OpenClaw wrote after the times."""
    start = _START.match(line)
    rest = line[start.end() if start else 0 :]
    kind = next((kind for kind, pattern in patterns.items() if pattern.match(rest)), "")
    if not kind:
        return None
    at = (start and start[1]) or ""
    return Event(kind, redact(f"{at[:19]} {rest}".strip(), also=LONG_WORD)[:200], at)


def without_colours(text: str) -> str:
    """Return the text of a log without the sequences that colour it."""
    return _CONTROL.sub("", text)
