# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ends the leases in the copy of a database: a program without rights, run by ``leases``, as its content is foreign."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.logins_merge import (
    RefusedError,
    columns,
    confine,
    opened,
)

_TABLES = ("state_leases", "agent_database_leases")


def main() -> None:
    """Do it, and answer in one line."""
    try:
        confine(int(sys.argv[1]), int(sys.argv[2]))
        with closing(opened("/present.sqlite")) as there:
            ended = sum(
                there.execute(f"DELETE FROM {table}").rowcount  # noqa: S608 (names from above)
                for table in _TABLES
                if columns(there, table)
            )
            there.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        answer: dict[str, object] = {"ended": ended}
    except (sqlite3.Error, OSError, MemoryError, OverflowError, RefusedError) as error:
        answer = {"refused": str(error)[:300] or type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
