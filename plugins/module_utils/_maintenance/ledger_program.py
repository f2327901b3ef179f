# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what OpenClaw itself wrote down for security's sake since the last time: a program of its own.

The service may be hostile: this program has locked itself into the folder of the database and has the rights of its
owner before it opens it, is limited in time and memory, and runs nothing that came with it (``logins_merge``).
From OpenClaw 2026.9.6 (schema 18).
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.logins_merge import (
    RefusedError,
    columns,
    confine,
    opened,
)

_SECONDS = 30
_MOST = 1000
# What is counted: the place after which a row is new, and the columns that are returned of it.
TABLES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "audit_events": ("sequence", "status = 'blocked'", ("action",)),
    "operator_approvals": ("resolved_at_ms", "resolved_at_ms IS NOT NULL", ("kind", "status", "decision")),
    "device_pairing_paired": ("approved_at_ms", "1", ("role", "approved_via")),
    "exec_approvals_config": ("updated_at_ms", "1", ()),
}


def read(database: sqlite3.Connection, places: Mapping[str, int]) -> dict[str, object]:
    """Return the newest place of each table, and what is new since the places that are known.

    :param places: of each table that was read before; one without is not listed, but its newest place is.
    """
    found: dict[str, object] = {}
    for table, (place, where, shown) in TABLES.items():
        names = {str(column[0]) for column in columns(database, table)}
        if not names >= {place, *shown}:
            continue
        newest = database.execute(f"SELECT max({place}) FROM {table}").fetchone()[0]  # noqa: S608 (names from above)
        rows: list[tuple[object, ...]] = []
        if table in places:
            which = ", ".join((*shown, "count(*)"))
            query = f"SELECT {which} FROM {table} WHERE ({where}) AND {place} > ? AND {place} <= ?"  # noqa: S608
            group = f" GROUP BY {', '.join(shown)}" if shown else ""
            rows = database.execute(f"{query}{group} LIMIT {_MOST}", (places[table], newest or 0)).fetchall()
        found[table] = {"newest": newest or 0, "rows": [[str(value)[:40] for value in row] for row in rows]}
    return found


def main() -> None:
    """Read one database; answer in one line."""
    folder, name, uid, gid, places = sys.argv[1:]
    try:
        os.fchdir(int(folder))
        os.close(int(folder))
        confine(int(uid), int(gid), _SECONDS)
        with closing(opened(f"/{name}")) as database:
            database.execute("PRAGMA busy_timeout=5000")
            database.execute("PRAGMA query_only=ON")
            database.execute("BEGIN")
            answer: dict[str, object] = read(database, json.loads(places))
    except (sqlite3.Error, OSError, MemoryError, OverflowError, RefusedError) as error:
        answer = {"refused": str(error)[:300] or type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
