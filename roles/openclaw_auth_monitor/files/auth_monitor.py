# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads when OpenClaw's logins at model providers expire, and writes a status without any secret.

It runs as the service account with no network. It never writes to the store, and takes only a shared read lock for some
milliseconds, which no writer waits for. What it cannot read or does not understand is ``unreadable``, never ``ok``.

Everything below the state directory may come from a compromised gateway. Each store is therefore read in a process of
its own, which is killed at its deadline; sizes are checked by descriptor before anything is read; names are escaped;
the status has an upper size, whatever the stores hold.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import select
import signal
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Optional
from urllib.parse import quote

# From harmless to alarming; the worst one is the state of the whole.
STATES = ("ok", "expiring", "missing", "expired", "unreadable")
Check = Callable[[str, str, int, int], "list[Profile]"]
# Sizes in bytes. A login takes some hundred bytes, a token some thousand.
MAX_JSON = 4 << 20
MAX_DATABASE = 4 << 30
MAX_LOG = 256 << 20
MAX_INDEX = 8 << 20
MAX_HEAP = 64 << 20  # of SQLite
MAX_ANSWER = 256 << 10  # of the process that reads one store
MAX_AGENTS = 1000
# Seconds for one store, and for all of them; the unit's TimeoutStartSec= is longer.
STORE_SECONDS = 20.0
ALL_SECONDS = 60.0
# What a status holds at most: the most urgent logins, the first problems, characters of a name and of the summary.
MAX_PROFILES = 50
MAX_PROBLEMS = 20
MAX_NAME = 80
MAX_SUMMARY = 1500
IN_SUMMARY = 10
MAX_DATE_MS = 8_640_000_000_000_000  # the greatest date of JavaScript, OpenClaw's own limit
# OpenClaw renews such a login when it next uses it, and an idle gateway uses it at least once an hour.
RENEWAL_GRACE_MS = 3_600_000
# What OpenClaw stores in place of the tokens while it renews them.
RENEWAL_MARK = "openclaw-oauth-refresh-fence:v1:"


class StoreError(Exception):
    """A store that is there but reports nothing reliable."""


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
    """A store that could not be checked."""

    source: str
    reason: str


@dataclass(frozen=True)
class Current:
    """What stores hold: how many logins in each state, the most urgent ones, and stores that could not be checked."""

    counts: dict[str, int] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Return whether nothing was found, not even a problem."""
        return not self.counts and not self.problems


@dataclass(frozen=True)
class Report:
    """What is known at ``checked_at`` (seconds since 1970). ``counts`` are of all logins, also of those left out."""

    state: str
    summary: str
    checked_at: int
    counts: dict[str, int] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Store:
    """A file that may hold logins: ``names`` below ``folder``, none of which may be a link."""

    folder: str
    names: tuple[str, ...]

    @property
    def path(self) -> str:
        """Return where it is."""
        return os.path.join(self.folder, *self.names)

    @property
    def label(self) -> str:
        """Return the same, fit to be shown."""
        return "/".join([self.folder, *map(plain, self.names[:-1]), self.names[-1]])


Reader = Callable[[Store, float], Optional[str]]


# --- names of others (pure) ---------------------------------------------------------------------------------------


def plain(text: str, most: int = MAX_NAME) -> str:
    """Show text of another user on one line: ASCII only, nothing that a messenger makes a link or a mention of.

    A second call changes nothing. The notifier has the same function, because it does not trust this program.
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


# --- checking (pure) -----------------------------------------------------------------------------------------------


def check_store(text: str, source: str, now_ms: int, warn_ms: int) -> list[Profile]:
    """Check each profile of a store; its format is the same in SQLite and in the older JSON file."""
    document = _parsed(text)
    version = document.get("version")
    if isinstance(version, bool) or version != 1 or not isinstance(document.get("profiles"), dict):
        raise StoreError("its format is unknown: neither version 1 nor a table of profiles")
    checked = (check_profile(key, entry, source, now_ms, warn_ms) for key, entry in document["profiles"].items())
    return [profile for profile in checked if profile is not None]


def check_profile(key: str, entry: Any, source: str, now_ms: int, warn_ms: int) -> Profile | None:
    """Check one profile as ``openclaw models status`` does; ``None`` when it is saved but not in use."""
    name = plain(key)
    if not isinstance(entry, dict):
        return Profile(name, "unknown", "unknown", "unreadable", None, "the entry is not an object", source)
    setup = entry.get("setup")
    if isinstance(setup, dict) and setup.get("replacement"):
        return None
    kind, provider, expires = _word(entry.get("type")), plain(_word(entry.get("provider"))), entry.get("expires")
    date = _date(expires)

    def checked(state: str, note: str = "", expires_at: int | None = None) -> Profile:
        return Profile(name, provider, plain(kind), state, expires_at, note, source)

    if kind not in ("api_key", "token", "oauth"):
        return checked("unreadable", f"its type {plain(kind)!a} is unknown")
    wanted = {"api_key": ("key", "keyRef"), "token": ("token", "tokenRef"), "oauth": ("access", "refresh", "oauthRef")}
    if not any(entry.get(name) for name in wanted[kind]):
        return checked("missing", "no credential is stored in it")
    if kind == "api_key" or (kind == "token" and expires is None):
        return checked("ok", "does not expire")
    if date is None:
        return checked("unreadable", "its expiry is not a date")
    access = _word(entry.get("access"))
    if kind == "oauth" and access.startswith(RENEWAL_MARK):
        failed = ":failed:" in access
        return (
            checked("expired", "renewing it failed; log in again") if failed else checked("expiring", "being renewed")
        )
    if kind == "oauth" and entry.get("refresh"):
        return checked(*_renewed(date, now_ms), date)
    return checked(*by_expiry(date, now_ms, warn_ms), date)


def _word(value: Any) -> str:
    """Return a text; whatever else stands in its place may be nested without end."""
    return value if isinstance(value, str) else "unknown"


def _date(value: Any) -> int | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if is_number and 0 < value <= MAX_DATE_MS else None


def by_expiry(expires_ms: int, now_ms: int, warn_ms: int) -> tuple[str, str]:
    """Check a date; say it in words."""
    left = expires_ms - now_ms
    if left <= 0:
        return "expired", f"expired {duration(-left)} ago"
    return ("expiring" if left < warn_ms else "ok"), f"expires in {duration(left)}"


def _renewed(expires_ms: int, now_ms: int) -> tuple[str, str]:
    """OpenClaw renews this one by itself, so that being close to the date is no news."""
    _state, words = by_expiry(expires_ms, now_ms, 0)
    overdue = now_ms - expires_ms >= RENEWAL_GRACE_MS
    return ("expired", f"{words} and was not renewed") if overdue else ("ok", f"{words}, renewed on its next use")


def check_claude_file(text: str, source: str, now_ms: int, warn_ms: int) -> list[Profile]:
    """Check the oldest kind, the file of the Claude CLI."""
    login = _parsed(text).get("claudeAiOauth")
    expires = _date(login.get("expiresAt")) if isinstance(login, dict) else None
    if expires is None:
        raise StoreError("its format is unknown: no date at claudeAiOauth.expiresAt")
    state, note = by_expiry(expires, now_ms, warn_ms)
    return [Profile("claude-cli", "anthropic", "oauth", state, expires, note, source)]


def counted(profiles: Iterable[Profile]) -> Current:
    """Count logins by state, and keep the most urgent ones."""
    ordered = sorted(profiles, key=_urgency)
    counts: dict[str, int] = {}
    for profile in ordered:
        counts[profile.state] = counts.get(profile.state, 0) + 1
    return Current(counts, ordered[:MAX_PROFILES])


def joined(parts: Iterable[Current]) -> Current:
    """Put together what several stores hold."""
    counts: dict[str, int] = {}
    profiles: list[Profile] = []
    problems: list[Problem] = []
    for part in parts:
        for state, count in part.counts.items():
            counts[state] = counts.get(state, 0) + count
        profiles = sorted([*profiles, *part.profiles], key=_urgency)[:MAX_PROFILES]
        problems += part.problems
    return Current(counts, profiles, problems)


def _urgency(profile: Profile) -> tuple[int, int, str]:
    expires = profile.expires_at if profile.expires_at is not None else MAX_DATE_MS
    return -STATES.index(profile.state), expires, profile.id


def report(found: Current, now: int, profile_required: bool) -> Report:
    """Put it together: the worst state, and one line for a person."""
    states = [*found.counts, *(["unreadable"] if found.problems else [])]
    if not states:
        states = ["missing" if profile_required else "ok"]
    state = max(states, key=STATES.index)
    if found.empty:
        summary = "no login at a model provider is stored" + ("" if profile_required else ", and none is required")
    else:
        lines = [f"{problem.source}: {problem.reason}" for problem in found.problems[:IN_SUMMARY]]
        lines += [_sentence(profile) for profile in found.profiles if profile.state == state][:IN_SUMMARY]
        more = found.counts.get(state, 0) + len(found.problems) - len(lines)
        # What matters more than the names is not cut off.
        summary = f"{'; '.join(lines)[:MAX_SUMMARY]}{f'; and {more} more' if more > 0 else ''}"
    return Report(state, summary, now, found.counts, found.profiles, found.problems[:MAX_PROBLEMS])


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


def collect(state_dir: str, claude_file: str, now_ms: int, warn_ms: int) -> Current:
    """Read the newest kind of store that holds anything; OpenClaw itself ignores the older ones beside it."""
    end = time.monotonic() + ALL_SECONDS
    try:
        agents = [("agents", name, "agent") for name in _agents(state_dir)]
    except (StoreError, OSError) as error:
        return Current(problems=[Problem(f"{state_dir}/agents", _reason(error))])
    shared: tuple[tuple[str, ...], Reader] = (("state", "openclaw.sqlite"), read_shared)
    databases = [shared, *(((*agent, "openclaw-agent.sqlite"), read_agent) for agent in agents)]
    older = [*agents, ("agent",), ()]
    kinds: list[tuple[list[tuple[Store, Reader]], Check]] = [
        ([(Store(state_dir, names), read) for names, read in databases], check_store),
        ([(Store(state_dir, (*names, "auth-profiles.json")), read_text) for names in older], check_store),
        ([(Store(*_split(claude_file)), read_text)], check_claude_file),
    ]
    for stores, check in kinds:
        parts = []
        for store, read in stores:
            if time.monotonic() >= end:
                parts.append(
                    Current(problems=[Problem(store.label, f"not read: {ALL_SECONDS:g} seconds were used up")])
                )
                break
            seconds = min(STORE_SECONDS, end - time.monotonic())
            parts.append(_apart(store, read, check, now_ms, warn_ms, seconds))
        found = joined(parts)
        if not found.empty:
            return found
    return Current()


def _split(path: str) -> tuple[str, tuple[str, ...]]:
    folder, name = os.path.split(path)
    return folder, (name,)


def _apart(store: Store, read: Reader, check: Check, now_ms: int, warn_ms: int, seconds: float) -> Current:
    """Read and check one store in a process of its own, which may hang, crash or run out of memory."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            os.close(ours)
            answer = json.dumps(asdict(checked(store, read, check, now_ms, warn_ms, seconds))).encode()
            with os.fdopen(theirs, "wb") as pipe:
                pipe.write(answer)
            code = 0
        os._exit(code)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as pipe:
        # It stops by itself at its deadline, unless it is held up in the kernel.
        data, late = _received(pipe.fileno(), time.monotonic() + seconds + 1)
    if late:
        os.kill(child, signal.SIGKILL)
    code = os.waitpid(child, 0)[1]
    if late:
        return Current(problems=[Problem(store.label, f"cannot be read: not within {seconds:.0f} seconds")])
    try:
        return _understood(data)
    except (ValueError, TypeError, KeyError):
        why = f"signal {os.WTERMSIG(code)}" if os.WIFSIGNALED(code) else f"exit code {os.WEXITSTATUS(code)}"
        return Current(problems=[Problem(store.label, f"cannot be read: reading it ended with {why}")])


def _received(pipe: int, end: float) -> tuple[bytes, bool]:
    """Return what arrives until the other end is closed, and whether that was too late or too much."""
    data = b""
    while True:
        ready, _write, _except = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
        if not ready or len(data) > MAX_ANSWER:
            return data, True
        part = os.read(pipe, 65536)
        if not part:
            return data, False
        data += part


def _understood(data: bytes) -> Current:
    document = json.loads(data)
    profiles = [Profile(**entry) for entry in document["profiles"]]
    return Current(document["counts"], profiles, [Problem(**entry) for entry in document["problems"]])


def checked(
    store: Store, read: Reader, check: Check, now_ms: int, warn_ms: int, seconds: float = STORE_SECONDS
) -> Current:
    """Read one store and check it."""
    try:
        text = read(store, time.monotonic() + seconds)
        return counted(check(text, store.label, now_ms, warn_ms)) if text is not None else Current()
    except (StoreError, OSError, sqlite3.Error, MemoryError, RecursionError, ValueError) as error:
        return Current(problems=[Problem(store.label, f"cannot be read: {_reason(error)}")])


def _agents(state_dir: str) -> list[str]:
    """Return the agents' folders; a link among them is refused when its store is read."""
    found: list[str] = []
    folder = _folder(Store(state_dir, ("agents", "")))
    if folder is None:
        return found
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    continue
                found.append(entry.name)
                if len(found) > MAX_AGENTS:
                    raise StoreError(f"there are more than {MAX_AGENTS} agents")
    finally:
        os.close(folder)
    return sorted(found)


def _folder(store: Store) -> int | None:
    """Open the folder of a store, step by step and through no link; ``None`` when there is none."""
    try:
        here = os.open(store.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    for name in store.names[:-1]:
        try:
            step = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise StoreError(f"{plain(name)} is not a directory") from None
        finally:
            os.close(here)
        here = step
    return here


@contextmanager
def opened(store: Store, *suffixes_and_sizes: tuple[str, int]) -> Iterator[list[int | None]]:
    """Open a file, and what is beside it, to read; no link, no device, nothing larger than its size in bytes.

    While they are open, nobody can take a lease on them that would hold up another reader.
    """
    handles: list[int | None] = []
    folder = _folder(store)
    try:
        for suffix, most in suffixes_and_sizes:
            handles.append(None if folder is None else _opened(folder, store.names[-1], suffix, most))
        yield handles
    finally:
        for handle in (folder, *handles):
            if handle is not None:
                os.close(handle)


def _opened(folder: int, base: str, suffix: str, most: int) -> int | None:
    name, what = f"{base}{suffix}", f"its {suffix}" if suffix else "it"
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise StoreError(f"{what} is not a regular file")
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        raise StoreError(f"another process holds a lease on {what}") from None
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_size <= most:
        return handle
    os.close(handle)
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{what} is not a regular file")
    raise StoreError(f"{what} has {found.st_size} bytes, more than {most}")


def read_text(store: Store, _end: float) -> str | None:
    """Return a file's text, or ``None`` when there is none."""
    with opened(store, ("", MAX_JSON)) as (handle,):
        if handle is None:
            return None
        with open(handle, "rb", closefd=False) as file:
            data = file.read(MAX_JSON + 1)
    return _decoded(data)


def _decoded(data: bytes) -> str:
    if len(data) > MAX_JSON:
        raise StoreError(f"it is larger than {MAX_JSON} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise StoreError("it is not text") from None


def read_shared(store: Store, end: float) -> str | None:
    """Return the store that all agents share, or ``None`` when there is none."""
    statement = "SELECT value_json, typeof(value_json) FROM config_machine_state WHERE state_key = 'authProfiles.store'"
    return read_database(store, end, "config_machine_state", statement, table_required=True)


def read_agent(store: Store, end: float) -> str | None:
    """Return the store of one agent, or ``None`` when there is none."""
    statement = "SELECT store_json, typeof(store_json) FROM auth_profile_store WHERE store_key = 'primary'"
    return read_database(store, end, "auth_profile_store", statement, table_required=False)


def read_database(store: Store, end: float, table: str, statement: str, *, table_required: bool) -> str | None:
    """Read one cell; a gateway that starts, stops or tidies up at this moment is given time."""
    for _attempt in range(2):
        with suppress(sqlite3.OperationalError, FileNotFoundError):
            return _read_database(store, end, table, statement, table_required)
        time.sleep(1)
    return _read_database(store, end, table, statement, table_required)


def _read_database(store: Store, end: float, table: str, statement: str, table_required: bool) -> str | None:
    """Read through a read-only connection that suits what is beside the file.

    With a log index (``-shm``) SQLite reads the newest content through a read-only view of it. A log without its index
    belongs to nobody who is alive: SQLite makes an index in memory, and takes no lock. Without a log the file is all
    there is. Nothing is copied.
    """
    sizes = (("", MAX_DATABASE), ("-wal", MAX_LOG), ("-shm", MAX_INDEX))
    with opened(store, *sizes) as (database, log, index):
        if database is None:
            return None
        how = "readonly_shm=1" if index is not None else "immutable=1" if log is None else "vfs=unix-none"
        uri = f"file:{quote(os.fsencode(store.path))}?mode=ro&{how}"
        return _cell(uri, end, table, statement, table_required)


def _cell(uri: str, end: float, table: str, statement: str, table_required: bool) -> str | None:
    seconds = max(0.1, min(5.0, end - time.monotonic()))
    with closing(sqlite3.connect(uri, uri=True, timeout=seconds, isolation_level=None)) as database:
        # Text that is not UTF-8 would be shown in SQLite's error.
        database.text_factory = bytes
        if "vfs=unix-none" in uri:
            # Before anything is read: then the index of the log is made in memory.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
        _confine(database, end)
        query = "SELECT type, rootpage FROM sqlite_master WHERE name = ? COLLATE NOCASE"
        known = database.execute(query, (table,)).fetchall()
        if not known and not table_required:
            return None
        if not known:
            raise StoreError(f"its layout is unknown: no table {table}")
        # A view and a virtual table have no page of their own.
        if len(known) != 1 or known[0][0] != b"table" or not known[0][1]:
            raise StoreError(f"its layout is unknown: {table} is not a plain table")
        if any(column[6] > 1 for column in database.execute(f"PRAGMA table_xinfo({table})")):
            raise StoreError(f"its layout is unknown: {table} has a computed column")
        row = database.execute(statement).fetchone()
    if row is not None and row[1] != b"text":
        raise StoreError("its layout is unknown: the store is not text")
    return _decoded(row[0]) if row is not None else None


def _confine(database: sqlite3.Connection, end: float) -> None:
    """Let SQLite do no more than this reading needs (https://www.sqlite.org/security.html)."""
    database.set_progress_handler(lambda: time.monotonic() >= end, 1000)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "mmap_size = 0", "cell_size_check = ON",
                   "temp_store = MEMORY", "cache_size = -4000", f"hard_heap_limit = {MAX_HEAP}"):  # fmt: skip
        database.execute(f"PRAGMA {pragma}")
    if hasattr(database, "setlimit"):  # Python 3.11
        limits = {"LENGTH": MAX_JSON, "SQL_LENGTH": 100_000, "EXPR_DEPTH": 100, "ATTACHED": 0}
        for name, most in limits.items():
            database.setlimit(getattr(sqlite3, f"SQLITE_LIMIT_{name}"), most)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        words = "it is a link" if error.errno == errno.ELOOP else f"{error.strerror or error}"
    elif isinstance(error, MemoryError):
        words = "it takes more memory than is allowed"
    elif isinstance(error, RecursionError):
        words = "it is nested too deeply"
    elif isinstance(error, sqlite3.OperationalError) and str(error) == "interrupted":
        words = "it takes longer than is allowed"
    elif isinstance(error, StoreError):
        return str(error)
    else:
        words = str(error) if isinstance(error, sqlite3.Error) else type(error).__name__
    return plain(words, 200)


# --- writing ------------------------------------------------------------------------------------------------------


def write_status(path: str, found: Report) -> None:
    """Replace the status in one step; its size is bounded by what a :class:`Report` holds (some 50 KB)."""
    document = {"version": 2, **asdict(found)}
    handle, temporary = tempfile.mkstemp(prefix=".status-", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, sort_keys=True, allow_nan=False)
            file.write("\n")
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def journal_line(found: Report) -> str:
    """One line; the number is the priority that journald reads."""
    priority = {"ok": 6, "expiring": 4, "missing": 4, "expired": 3, "unreadable": 3}[found.state]
    fix = {
        "expiring": " Renew it: openclaw models auth.",
        "missing": " Log in: openclaw models auth.",
        "expired": " Log in again: openclaw models auth.",
        "unreadable": " Look at the store: openclaw doctor.",
    }.get(found.state, "")
    summary = found.summary if found.state != "ok" or not found.profiles else _all_ok(found.profiles)
    return f"<{priority}>{found.state}: {_one_line(summary)}.{fix}"


def _all_ok(profiles: list[Profile]) -> str:
    return "; ".join(_sentence(profile) for profile in profiles)


def _one_line(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)[:2000]


def main(arguments: list[str]) -> int:
    """Check once; the exit code reports whether the stores could be checked."""
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
    stores = collect(options.state_dir, options.claude_file, int(now * 1000), warn_ms)
    found = report(stores, int(now), os.environ.get("REQUIRE_PROFILE", "yes") == "yes")
    write_status(options.status, found)
    print(journal_line(found), flush=True)
    return 1 if found.state == "unreadable" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
