# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take the logins of one OpenClaw database over into another one, or name what a database holds: a program of its own.

Both databases were written by the service, which may be hostile: this program locks itself into the directory that it
is started in (chroot), gives up root, and is limited in memory, time and file size before it opens either. It runs no
statement that came with a database (no trigger, no view, nothing attached), and what it carries over are values.
It needs the standard library only, and nothing of this collection.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing, suppress

# Which rows are logins: table, the condition that chooses them, and the column with a document that has a version.
# From OpenClaw 2026.9.6 (schema 18; the same in 2026.8.2, schema 15).
LOGINS = (
    ("config_machine_state", "state_key = 'authProfiles.store'", "value_json"),
    ("auth_profile_store", "store_key = 'primary'", "store_json"),
    ("mcp_oauth_stores", "1", ""),
    ("device_pairing_paired", "1", ""),
    ("device_auth_tokens", "1", ""),
    ("gateway_origin_device_tokens", "1", ""),
)
# What a person set up: kind, table, conditions by column (where the version has it), key, and what else matters of it.
CONTENTS: tuple[tuple[str, str, dict[str, str], tuple[str, ...], tuple[str, ...]], ...] = (
    ("cron job", "cron_jobs", {"declaration_key": "declaration_key IS NULL OR declaration_key = ''"},
     ("job_id",), ("name", "enabled")),
    ("paired device", "device_pairing_paired", {}, ("device_id",), ()),
    ("allowed sender", "channel_pairing_allow_entries", {}, ("channel_key", "account_id", "entry"), ()),
    ("MCP login", "mcp_oauth_stores", {}, ("store_key",), ()),
    ("stored secret", "secret_store_entries", {"deleted_at_ms": "deleted_at_ms IS NULL"}, ("scope_kind", "name"), ()),
    ("user", "user_profiles", {}, ("id",), ("role",)),
    ("preference", "user_preferences", {}, ("profile_id", "pref_key"), ()),
    ("approval of commands", "exec_approvals_config", {}, ("config_key",), ()),
    ("agent", "agent_databases", {}, ("agent_id",), ()),
)  # fmt: skip
ONCE = "one-time cron job"
_LONGEST = 200
_VERSION = 1
_MOST_ROWS = 10_000
_MOST_BYTES = 16 << 20
_MEMORY = 1 << 30
_SECONDS = 60
_FILE = 2 << 30
_DENIED = {
    getattr(sqlite3, f"SQLITE_{name}")
    for name in ("ATTACH", "DETACH", "CREATE_TABLE", "CREATE_TRIGGER", "CREATE_VIEW", "CREATE_VTABLE", "DROP_TABLE",
                 "DROP_TRIGGER", "DROP_VIEW", "ALTER_TABLE")
}  # fmt: skip


class RefusedError(Exception):
    """The two databases do not keep their logins in the same way."""


def confine(uid: int, gid: int, seconds: int = _SECONDS, largest: int = _FILE) -> None:
    """Give up everything but the present directory."""
    os.chroot(".")
    os.chdir("/")
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, largest),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def opened(path: str) -> sqlite3.Connection:
    """Open a database of a foreign container."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "temp_store=MEMORY", "foreign_keys=OFF"):
        database.execute(f"PRAGMA {pragma}")
    if hasattr(database, "setlimit"):
        database.setlimit(0, _MOST_BYTES)  # SQLITE_LIMIT_LENGTH
    database.set_authorizer(lambda action, *_rest: sqlite3.SQLITE_DENY if action in _DENIED else sqlite3.SQLITE_OK)
    return database


def columns(database: sqlite3.Connection, table: str) -> tuple[tuple[object, ...], ...]:
    """Return name, type, whether it may be null and the place in the key of each column; nothing without the table."""
    kind = database.execute("SELECT type, sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if kind is None:
        return ()
    if kind[0] != "table" or str(kind[1]).upper().startswith("CREATE VIRTUAL"):
        raise RefusedError(f"{table} is not a plain table")
    if database.execute("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)).fetchone():
        raise RefusedError(f"{table} has a trigger")
    found = database.execute(f"PRAGMA table_xinfo({table})").fetchall()
    if any(column[6] for column in found):
        raise RefusedError(f"{table} has a generated column")
    return tuple((column[1], column[2], column[3], column[5]) for column in found)


def rows(database: sqlite3.Connection, table: str, where: str) -> list[tuple[object, ...]]:
    """Return the chosen rows."""
    found = database.execute(f"SELECT * FROM {table} WHERE {where} LIMIT {_MOST_ROWS + 1}").fetchall()  # noqa: S608
    size = sum(len(value) for row in found for value in row if isinstance(value, (str, bytes)))
    if len(found) > _MOST_ROWS or size > _MOST_BYTES:
        raise RefusedError(f"{table} has more than {_MOST_ROWS} rows or {_MOST_BYTES} bytes")
    return found


def documents_fit(names: Sequence[object], column: str, *both: list[tuple[object, ...]]) -> bool:
    """Return whether every document is of the version that is known."""
    for row in (row for found in both for row in found):
        try:
            document = json.loads(str(row[list(names).index(column)]))
        except (ValueError, RecursionError):
            return False
        if not isinstance(document, dict) or document.get("version") != _VERSION:
            return False
    return True


def take_over(present: sqlite3.Connection, older: sqlite3.Connection) -> dict[str, int]:
    """Exchange the logins of ``older`` for those of ``present``; return how many rows of which table."""
    kept: dict[str, int] = {}
    older.execute("BEGIN IMMEDIATE")
    for table, where, document in LOGINS:
        shapes = [columns(database, table) for database in (present, older)]
        found = [rows(database, table, where) if shape else []
                 for database, shape in zip((present, older), shapes)]  # fmt: skip
        if not any(found):
            continue
        if shapes[0] != shapes[1]:
            raise RefusedError(f"{table} has other columns in the two versions")
        names = [str(column[0]) for column in shapes[0]]
        if document and not documents_fit(names, document, *found):
            raise RefusedError(f"{table}.{document} is not of version {_VERSION}")
        if document and found[1] and not found[0]:
            raise RefusedError(f"{table} has no logins any more: the newer version keeps them elsewhere")
        older.execute(f"DELETE FROM {table} WHERE {where}")  # noqa: S608 (names from above)
        quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
        marks = ", ".join("?" * len(names))
        older.executemany(f"INSERT INTO {table} ({quoted}) VALUES ({marks})", found[0])  # noqa: S608
        kept[table] = len(found[0])
    older.execute("COMMIT")
    return kept


def contents(database: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """Return by kind what must outlive an upgrade: a key for each thing, and how it is set."""
    found: dict[str, dict[str, str]] = {}
    for kind, table, where, keys, shown in CONTENTS:
        names = {str(column[0]) for column in columns(database, table)}
        if not names.issuperset(keys):
            continue
        condition = " AND ".join(f"({test})" for column, test in where.items() if column in names) or "1"
        wanted = ", ".join([*keys, *(column for column in shown if column in names)])
        chosen = database.execute(f"SELECT {wanted} FROM {table} WHERE {condition} LIMIT {_MOST_ROWS}")  # noqa: S608
        for row in chosen:
            key = "/".join(str(value)[:_LONGEST] for value in row[: len(keys)])
            found.setdefault(kind, {})[key] = " ".join(str(value)[:_LONGEST] for value in row[len(keys) :])
    for key in once(database):
        if key in found.get("cron job", {}):
            found.setdefault(ONCE, {})[key] = found["cron job"].pop(key)
    for document in profiles(database):
        found.setdefault("login", {}).update({str(name)[:_LONGEST]: "" for name in document})
    return found


def once(database: sqlite3.Connection) -> list[str]:
    """Return the cron jobs that run at one time only, and are gone by themselves after it."""
    if not {"job_id", "job_json"} <= {str(column[0]) for column in columns(database, "cron_jobs")}:
        return []
    found = []
    for key, text in database.execute("SELECT job_id, job_json FROM cron_jobs LIMIT ?", (_MOST_ROWS,)):
        with suppress(ValueError, RecursionError, AttributeError, KeyError, TypeError):
            found += [str(key)[:_LONGEST]] if json.loads(text)["schedule"]["kind"] == "at" else []
    return found


def profiles(database: sqlite3.Connection) -> list[dict[str, object]]:
    """Return the login profiles by name, of each place in which a version keeps them."""
    found = []
    for table, where, column in LOGINS[:2]:
        for row in rows(database, table, where) if columns(database, table) else []:
            names = [str(name[0]) for name in columns(database, table)]
            with suppress(ValueError, RecursionError, AttributeError):
                document = json.loads(str(row[names.index(column)])).get("profiles")
                found += [document] if isinstance(document, dict) else []
    return found


def main() -> None:
    """Work on present.sqlite (and older.sqlite) in the present directory; answer in one line."""
    confine(int(sys.argv[1]), int(sys.argv[2]))
    try:
        if sys.argv[3:] == ["contents"]:
            with closing(opened("/present.sqlite")) as present:
                sys.stdout.write(json.dumps({"contents": contents(present)}) + "\n")
            return
        with closing(opened("/present.sqlite")) as present, closing(opened("/older.sqlite")) as older:
            answer: dict[str, object] = {"kept": take_over(present, older)}
            older.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (RefusedError, sqlite3.Error, MemoryError, OverflowError) as error:
        answer = {"refused": str(error)[:300] or type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
