# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the log watcher looks: the container's log, Docker's events, and what OpenClaw writes down itself.

What is returned is what came after the places that the last run kept, and the places to go on from.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import confined, state_files
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client, times
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import log as evidence_log
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import open_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.event_rules import Happened

if TYPE_CHECKING:
    from docker import DockerClient

# Lines of one run; what is older was written faster than it is kept.
MOST_LINES = 20_000
# What is no attack by itself, so that the audit leaves it out.
_MORE: Mapping[str, re.Pattern[str]] = {
    "configuration change": re.compile(r"config change detected; evaluating reload"),
    "denied write": re.compile(r".*\b(?:EROFS: read-only file system|EACCES: permission denied)\b"),
}
_PATTERNS = {**evidence_log.EVENTS, **_MORE}
_REMOTE = re.compile(r"\bremote=([0-9A-Fa-f.:]{3,45})(?= )")
_SUPPRESSED = re.compile(r" suppressed=([1-9][0-9]{0,5})\Z")
# Ended as it was asked to: by itself, or by SIGTERM.
_ORDERLY = ("0", "143")
# The tables of ledger_program.
_KINDS = {
    "audit_events": "blocked tool",
    "operator_approvals": "approval",
    "device_pairing_paired": "paired device",
    "exec_approvals_config": "approval rules",
}
_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,39}")


def logged(api: DockerClient, container_id: str, after: str) -> tuple[list[Happened], str]:
    """Return the events of a container's log after a time, and the time of its last line.

    :param after: Docker's time of the last line that was read; empty reads from the beginning.
    """
    try:
        raw = api.api.logs(container_id, timestamps=True, tail=MOST_LINES, since=times.seconds(after))
    except client.sdk().errors.NotFound:  # it was removed since it was listed
        return [], after
    except client.sdk().errors.APIError as error:
        found = f"the daemon's answer {error.explanation}"
        needed = "a log that can be read: the logging driver json-file, local or journald"
        raise HardeningError(f"log of {container_id[:12]}", found, needed) from error
    return read(evidence_log.without_colours(raw.decode(errors="replace")), after)


def read(text: str, after: str) -> tuple[list[Happened], str]:
    """Find the events in the lines after a time; pure."""
    found: Counter[tuple[str, str]] = Counter()
    newest, lines = after, 0
    for line in text.split("\n"):  # Docker puts a time in front of these; what else ends a line is the container's
        at = line.partition(" ")[0]
        if not evidence_log.STAMP.fullmatch(at) or at <= after:
            continue
        newest, lines = max(newest, at), lines + 1
        event = evidence_log.event_of(line, _PATTERNS)
        if event:
            remote, more = _REMOTE.search(event.line), _SUPPRESSED.search(line)
            found[event.kind, f"from {remote[1]}" if remote else ""] += 1 + (int(more[1]) if more else 0)
    if lines >= MOST_LINES:
        found["flood", ""] += 1
    return [Happened(kind, detail, count) for (kind, detail), count in found.items()], newest


def docker_events(events: Iterable[Any], after: int, known: Mapping[str, str]) -> list[Happened]:
    """Return what Docker did to the container after a time (nanoseconds); pure.

    :param known: the containers whose first start is over.
    """
    happened = []
    started = set(known)
    for event in sorted(events, key=lambda event: int(event.get("timeNano", 0))):
        if int(event.get("timeNano", 0)) <= after:
            continue
        actor = event.get("Actor") or {}
        identity, code = str(actor.get("ID", "")), str((actor.get("Attributes") or {}).get("exitCode", ""))
        action = event.get("Action")
        if action == "die" and code not in _ORDERLY:
            happened.append(Happened("crash", f"exit code {code}" if code.isdigit() and len(code) < 4 else ""))
        elif action == "oom":
            happened.append(Happened("out of memory"))
        elif action == "start" and identity in started:
            happened.append(Happened("restart"))
        elif action == "start":
            started.add(identity)
    return happened


def refused(found: tuple[int, int] | None, place: object) -> tuple[list[Happened], object]:
    """Return how many packets of the container were refused since a place, and the next place; pure.

    :param found: when the unit of the packet filter began, and how many since then; None: it does not run.
    :param place: what was found last; None: nothing was read yet.
    """
    if found is None:
        return [], place
    if not isinstance(place, (list, tuple)) or len(place) != 2 or not place[0]:
        return [], list(found)
    # A unit that began again counts from nothing.
    more = found[1] - place[1] if found[0] == place[0] and isinstance(place[1], int) else found[1]
    return ([Happened("refused connection", count=more)] if more > 0 else []), list(found)


def ledger(state_dir: str, places: Mapping[str, int], now_ms: int) -> tuple[list[Happened], dict[str, int]]:
    """Return what OpenClaw wrote into its database since the places that are known, and the places to go on from.

    :raises HardeningError: the database is there and cannot be read.
    """
    folder, name = os.path.split(f"{state_dir}/{state_files.SHARED}")
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(open_directory(folder))
            found = os.stat(name, dir_fd=handle, follow_symlinks=False)
        except (HardeningError, OSError):
            return [], dict(places)  # no gateway ever started
        if not stat.S_ISREG(found.st_mode) or not found.st_uid:
            raise HardeningError(f"{folder}/{name}", "no file of the service", "OpenClaw's own database")
        try:
            answer = confined.run("/", _program(), str(handle), name, str(found.st_uid), str(found.st_gid),
                                  json.dumps(dict(places)), given=(handle,))  # fmt: skip
        except confined.RefusedError as error:
            raise HardeningError(f"{folder}/{name}", str(error), "a database that can be read") from error
    return read_ledger(answer, places, now_ms)


def _program() -> list[Any]:
    from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import logins_merge
    from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import ledger_program

    return [logins_merge, ledger_program]


def read_ledger(
    answer: Mapping[str, Any], places: Mapping[str, int], now_ms: int
) -> tuple[list[Happened], dict[str, int]]:
    """Turn the answer of the program into events; pure. The service may have written any of it."""
    happened: list[Happened] = []
    following = dict(places)
    for table, kind in _KINDS.items():
        entry = answer.get(table)
        if not isinstance(entry, dict):
            continue
        newest = entry.get("newest")
        if not isinstance(newest, int) or isinstance(newest, bool) or newest < 0:
            continue
        # A time of the future would hide what comes until then; a state that was put back is older than its place.
        following[table] = newest if table == "audit_events" else min(newest, now_ms)
        happened += [Happened(kind, detail, count) for detail, count in _rows(entry.get("rows"))]
    return happened, following


def _rows(rows: object) -> Iterator[tuple[str, int]]:
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, list) and row and re.fullmatch("[1-9][0-9]{0,8}", str(row[-1])):
            words = [str(word) for word in row[:-1]]
            yield " ".join(word for word in words if _WORD.fullmatch(word) and word != "none"), int(row[-1])
