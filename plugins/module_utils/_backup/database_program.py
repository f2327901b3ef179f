# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done with one database of the service: a program of its own, run by ``databases``.

The service may be hostile. So the program that opens the live database has locked itself into that database's folder
and has the rights of its owner; the one that opens the copy has no rights at all. Both are limited in time, memory and
file size, and run nothing that came with a database.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from urllib.parse import quote

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.logins_merge import LOGINS, confine, opened

_SECONDS = 3600
# Beside the logins: what else is a credential. From OpenClaw 2026.9.6 (schema 18; the same in 2026.8.2).
_SECRETS = (
    *((table, where) for table, where, _document in LOGINS),
    ("secret_store_entries", "1"),
    ("worker_environment_credentials", "1"),
    ("device_bootstrap_tokens", "1"),
    ("device_pairing_join_codes", "1"),
    ("device_identities", "1"),
)


def copy(folder: int, target: int, name: str, uid: int, gid: int, largest: int) -> dict[str, object]:
    """Copy the live database ``name`` by SQLite's own backup, of one moment, while others write it.

    The copy is opened by root, in its own folder, before anything of the service is; without a journal it is one file.
    """
    # isolation_level: no statement of ours begins a transaction.
    with closing(sqlite3.connect(f"/proc/self/fd/{target}/copy", isolation_level=None)) as there:
        there.execute("PRAGMA journal_mode=OFF")
        there.execute("PRAGMA synchronous=OFF")
        os.close(target)
        os.fchdir(folder)
        os.close(folder)
        confine(uid, gid, _SECONDS, largest)
        with closing(sqlite3.connect(f"file:/{quote(os.fsencode(name))}?mode=rw", uri=True, timeout=60)) as live:
            live.backup(there)
    return {"copied": True}


def check(uid: int, gid: int, largest: int, strip: bool) -> dict[str, object]:
    """Say whether the copy is sound; take the logins out of it, also of the pages that are free, when asked."""
    confine(uid, gid, _SECONDS, largest)
    taken = 0
    with closing(opened("/copy") if strip else sqlite3.connect("file:/copy?mode=ro&immutable=1", uri=True)) as there:
        there.execute("PRAGMA trusted_schema=OFF")
        answer = str(there.execute("PRAGMA integrity_check(1)").fetchone()[0])
        if strip and answer == "ok":
            taken = _strip(there)
    return {"integrity": answer[:200], "taken": taken}


def _strip(there: sqlite3.Connection) -> int:
    names = {str(row[0]) for row in there.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    triggered = {str(row[0]) for row in there.execute("SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'")}
    taken = 0
    for table, where in _SECRETS:
        if table in names and table not in triggered:
            taken += there.execute(f"DELETE FROM {table} WHERE {where}").rowcount  # noqa: S608 (names from above)
        elif table in names:
            raise sqlite3.DatabaseError(f"{table} has a trigger")
    there.set_authorizer(None)
    there.execute("VACUUM")
    there.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return taken


def main() -> None:
    """Do one of the two; answer in one line."""
    kind, *rest = sys.argv[1:]
    try:
        if kind == "copy":
            folder, target, name, *numbers = rest
            answer = copy(int(folder), int(target), os.fsdecode(bytes.fromhex(name)), *map(int, numbers))
        else:
            uid, gid, largest, strip = map(int, rest)
            answer = check(uid, gid, largest, bool(strip))
    except (sqlite3.Error, OSError, MemoryError, OverflowError) as error:
        answer = {"refused": str(error)[:300] or type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
