# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads when OpenClaw's logins at model providers expire, and writes a status without any secret.

It runs as the service account with no network. It never writes to the store, and takes only a shared read lock for some
milliseconds, which no writer waits for. What it cannot read or does not understand is ``unreadable``, never ``ok``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Optional
from urllib.parse import quote

# From harmless to alarming; the worst one is the state of the whole.
STATES = ("ok", "expiring", "missing", "expired", "unreadable")
Reader = Callable[[str], Optional[str]]
Judge = Callable[[str, str, int, int], "list[Profile]"]
MAX_JSON = 16 * 1024 * 1024
MAX_DATE_MS = 8_640_000_000_000_000  # the greatest date of JavaScript, OpenClaw's own limit
# OpenClaw renews such a login when it next uses it, and an idle gateway uses it at least once an hour.
RENEWAL_GRACE_MS = 3_600_000
# What OpenClaw stores in place of the tokens while it renews them.
RENEWAL_MARK = "openclaw-oauth-refresh-fence:v1:"


class StoreError(Exception):
    """A store that is there but tells nothing reliable."""


@dataclass(frozen=True)
class Profile:
    """One login at a provider."""

    id: str
    provider: str
    type: str
    state: str
    expires_at: int | None
    note: str
    source: str


@dataclass(frozen=True)
class Problem:
    """A store that could not be judged."""

    source: str
    reason: str


@dataclass(frozen=True)
class Report:
    """All that is known at ``checked_at`` (seconds since 1970)."""

    state: str
    summary: str
    checked_at: int
    profiles: list[Profile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


# --- judging (pure) -----------------------------------------------------------------------------------------------


def judge_store(text: str, source: str, now_ms: int, warn_ms: int) -> list[Profile]:
    """Judge each profile of a store; its format is the same in SQLite and in the older JSON file."""
    document = _parsed(text)
    if document.get("version") != 1 or not isinstance(document.get("profiles"), dict):
        raise StoreError("its format is unknown: neither version 1 nor a table of profiles")
    judged = (judge_profile(str(key), entry, source, now_ms, warn_ms) for key, entry in document["profiles"].items())
    return [profile for profile in judged if profile is not None]


def judge_profile(key: str, entry: Any, source: str, now_ms: int, warn_ms: int) -> Profile | None:
    """Judge one profile as ``openclaw models status`` does; ``None`` when it is saved but not in use."""
    if not isinstance(entry, dict):
        return Profile(key, "unknown", "unknown", "unreadable", None, "the entry is not an object", source)
    setup = entry.get("setup")
    if isinstance(setup, dict) and setup.get("replacement"):
        return None
    kind, provider, expires = str(entry.get("type")), str(entry.get("provider", "unknown")), entry.get("expires")

    def judged(state: str, note: str = "", expires_at: int | None = None) -> Profile:
        return Profile(key, provider, kind, state, expires_at, note, source)

    if kind not in ("api_key", "token", "oauth"):
        return judged("unreadable", f"its type {kind!a} is unknown")
    wanted = {"api_key": ("key", "keyRef"), "token": ("token", "tokenRef"), "oauth": ("access", "refresh", "oauthRef")}
    if not any(entry.get(name) for name in wanted[kind]):
        return judged("missing", "no credential is stored in it")
    if kind == "api_key" or (kind == "token" and expires is None):
        return judged("ok", "does not expire")
    if not isinstance(expires, (int, float)) or isinstance(expires, bool) or not 0 < expires <= MAX_DATE_MS:
        return judged("unreadable", "its expiry is not a date")
    if kind == "oauth" and str(entry.get("access")).startswith(RENEWAL_MARK):
        failed = ":failed:" in str(entry["access"])
        return judged("expired", "renewing it failed; log in again") if failed else judged("expiring", "being renewed")
    if kind == "oauth" and entry.get("refresh"):
        return judged(*_renewed(int(expires), now_ms), int(expires))
    return judged(*by_expiry(int(expires), now_ms, warn_ms), int(expires))


def by_expiry(expires_ms: int, now_ms: int, warn_ms: int) -> tuple[str, str]:
    """Judge a date; say it in words."""
    left = expires_ms - now_ms
    if left <= 0:
        return "expired", f"expired {duration(-left)} ago"
    return ("expiring" if left < warn_ms else "ok"), f"expires in {duration(left)}"


def _renewed(expires_ms: int, now_ms: int) -> tuple[str, str]:
    """OpenClaw renews this one by itself, so that being close to the date is no news."""
    _state, words = by_expiry(expires_ms, now_ms, 0)
    overdue = now_ms - expires_ms >= RENEWAL_GRACE_MS
    return ("expired", f"{words} and was not renewed") if overdue else ("ok", f"{words}, renewed on its next use")


def judge_claude_file(text: str, source: str, now_ms: int, warn_ms: int) -> list[Profile]:
    """Judge the oldest kind, the file of the Claude CLI."""
    login = _parsed(text).get("claudeAiOauth")
    expires = login.get("expiresAt") if isinstance(login, dict) else None
    if not isinstance(expires, (int, float)) or isinstance(expires, bool) or not 0 < expires <= MAX_DATE_MS:
        raise StoreError("its format is unknown: no date at claudeAiOauth.expiresAt")
    state, note = by_expiry(int(expires), now_ms, warn_ms)
    return [Profile("claude-cli", "anthropic", "oauth", state, int(expires), note, source)]


def report(profiles: list[Profile], problems: list[Problem], now: int, profile_required: bool) -> Report:
    """Put it together: the worst state, and one line for a person."""
    states = [profile.state for profile in profiles] + ["unreadable"] * len(problems)
    if not states:
        states = ["missing" if profile_required else "ok"]
    state = max(states, key=STATES.index)
    if not profiles and not problems:
        summary = "no login at a model provider is stored" + ("" if profile_required else ", and none is required")
    else:
        worst = [_sentence(profile) for profile in profiles if profile.state == state]
        worst += [f"{problem.source}: {problem.reason}" for problem in problems]
        summary = "; ".join(worst)
    return Report(state, summary, now, profiles, problems)


def duration(milliseconds: int) -> str:
    """A length of time in the two largest units that say something."""
    minutes = milliseconds // 60_000
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min" if rest else "less than a minute"


def _sentence(profile: Profile) -> str:
    return f"{profile.id} ({profile.provider}): {profile.note}"


def _parsed(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise StoreError("it is not JSON") from None
    if not isinstance(document, dict):
        raise StoreError("it is not an object")
    return document


# --- reading ------------------------------------------------------------------------------------------------------


def collect(state_dir: str, claude_file: str, now_ms: int, warn_ms: int) -> tuple[list[Profile], list[Problem]]:
    """Read the newest kind of store that holds anything; OpenClaw itself ignores the older ones beside it."""
    try:
        agents = [
            os.path.join(state_dir, "agents", name, "agent") for name in _listed(os.path.join(state_dir, "agents"))
        ]
    except OSError as error:
        return [], [Problem(os.path.join(state_dir, "agents"), _reason(error))]
    databases: list[tuple[str, Reader]] = [(os.path.join(state_dir, "state", "openclaw.sqlite"), read_shared)]
    databases += [(os.path.join(agent, "openclaw-agent.sqlite"), read_agent) for agent in agents]
    older = [*agents, os.path.join(state_dir, "agent"), state_dir]
    kinds: list[tuple[list[tuple[str, Reader]], Judge]] = [
        (databases, judge_store),
        ([(os.path.join(folder, "auth-profiles.json"), read_text) for folder in older], judge_store),
        ([(claude_file, read_text)], judge_claude_file),
    ]
    for stores, judge in kinds:
        profiles: list[Profile] = []
        problems: list[Problem] = []
        for path, read in stores:
            found = judged(path, read, judge, now_ms, warn_ms)
            if isinstance(found, Problem):
                problems.append(found)
            else:
                profiles += found
        if profiles or problems:
            return profiles, problems
    return [], []


def judged(path: str, read: Reader, judge: Judge, now_ms: int, warn_ms: int) -> list[Profile] | Problem:
    """Read one store and judge it."""
    try:
        text = read(path)
        return judge(text, path, now_ms, warn_ms) if text is not None else []
    except (StoreError, OSError, sqlite3.Error) as error:
        return Problem(path, _reason(error))


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_text(path: str) -> str | None:
    """Return a file's text, or ``None`` when there is none; no link, no device, nothing huge."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise StoreError("it is not a regular file")
        data = file.read(MAX_JSON + 1)
    if len(data) > MAX_JSON:
        raise StoreError(f"it is larger than {MAX_JSON} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise StoreError("it is not text") from None


def read_shared(path: str) -> str | None:
    """Return the store that all agents share, or ``None`` when there is none."""
    statement = "SELECT value_json FROM config_machine_state WHERE state_key = 'authProfiles.store'"
    return read_database(path, "config_machine_state", statement, table_required=True)


def read_agent(path: str) -> str | None:
    """Return the store of one agent, or ``None`` when there is none."""
    statement = "SELECT store_json FROM auth_profile_store WHERE store_key = 'primary'"
    return read_database(path, "auth_profile_store", statement, table_required=False)


def read_database(path: str, table: str, statement: str, *, table_required: bool) -> str | None:
    """Read one cell; a gateway that starts, stops or tidies up at this moment is given time."""
    for _attempt in range(2):
        with suppress(sqlite3.OperationalError, FileNotFoundError):
            return _read_database(path, table, statement, table_required)
        time.sleep(1)
    return _read_database(path, table, statement, table_required)


def _read_database(path: str, table: str, statement: str, table_required: bool) -> str | None:
    """Read through a read-only connection that suits what lies beside the file.

    With a log index (``-shm``) SQLite reads the newest content through a read-only view of it. A log without its index
    belongs to nobody who is alive, and is copied. Without a log the file is all there is.
    """
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        raise StoreError("it is not a regular file")
    if os.path.exists(f"{path}-shm"):
        return _cell(f"file:{quote(path)}?mode=ro&readonly_shm=1", table, statement, table_required)
    if not os.path.exists(f"{path}-wal"):
        return _cell(f"file:{quote(path)}?mode=ro&immutable=1", table, statement, table_required)
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "copy.sqlite")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}", follow_symlinks=False)
        return _cell(f"file:{quote(copy)}", table, statement, table_required)


def _cell(uri: str, table: str, statement: str, table_required: bool) -> str | None:
    with closing(sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None)) as database:
        known = database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
        if known is None and table_required:
            raise StoreError(f"its layout is unknown: no table {table}")
        row = database.execute(statement).fetchone() if known else None
    if row is not None and not isinstance(row[0], str):
        raise StoreError("its layout is unknown: the store is not text")
    return row[0] if row is not None else None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}"
    return str(error)


# --- writing ------------------------------------------------------------------------------------------------------


def write_status(path: str, found: Report) -> None:
    """Replace the status in one step."""
    document = {"version": 1, **asdict(found)}
    handle, temporary = tempfile.mkstemp(prefix=".status-", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, sort_keys=True)
            file.write("\n")
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def journal_line(found: Report) -> str:
    """One line; the number is the priority that journald reads."""
    priority = {"ok": 6, "expiring": 4, "missing": 4, "expired": 3, "unreadable": 3}[found.state]
    cure = {
        "expiring": " Renew it: openclaw models auth.",
        "missing": " Log in: openclaw models auth.",
        "expired": " Log in again: openclaw models auth.",
        "unreadable": " Look at the store: openclaw doctor.",
    }.get(found.state, "")
    summary = found.summary if found.state != "ok" or not found.profiles else _all_ok(found.profiles)
    return f"<{priority}>{found.state}: {_one_line(summary)}.{cure}"


def _all_ok(profiles: list[Profile]) -> str:
    return "; ".join(_sentence(profile) for profile in profiles)


def _one_line(text: str) -> str:
    """Names in the store are somebody else's text: nothing in them starts a new line or hides."""
    return "".join(character if character.isprintable() else "?" for character in text)[:2000]


def main(arguments: list[str]) -> int:
    """Check once; the exit code says whether the stores could be judged."""
    parser = argparse.ArgumentParser(description="Check when the logins at model providers expire.")
    parser.add_argument("--state-dir", required=True, help="OpenClaw's state directory")
    parser.add_argument("--claude-file", required=True, help="the credentials file of the Claude CLI")
    parser.add_argument("--status", required=True, help="the file to write")
    options = parser.parse_args(arguments)
    # Should this run die half-way, the notifier must not believe the last one.
    with suppress(FileNotFoundError):
        os.unlink(options.status)
    now = time.time()
    warn_ms = int(float(os.environ["WARN_HOURS"]) * 3_600_000)
    profiles, problems = collect(options.state_dir, options.claude_file, int(now * 1000), warn_ms)
    found = report(profiles, problems, int(now), os.environ.get("REQUIRE_PROFILE", "yes") == "yes")
    write_status(options.status, found)
    print(journal_line(found), flush=True)
    return 1 if found.state == "unreadable" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
