"""What backup and restore of the real OpenClaw take, for docs/lifecycle.md: bytes and seconds, by size of the state.

python tests/benchmarks/backup.py --lab NAME --host HOST --gib 0.1 1 5

The host runs OpenClaw (tests/lifecycle keeps one with LIFECYCLE_KEEP=1). Half of what is added to the state is files of
1 MiB that cannot be compressed, half is one database.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/faults"), str(TOP / "tests/lifecycle")]

from lab_host import LabHost, playbook  # noqa: E402
from life import OPTIONS, STATE  # noqa: E402

DOCUMENT = TOP / "docs/lifecycle.md"
PLACE = re.compile(r"(?<=<!-- backup: begin -->\n).*?(?=<!-- backup: end -->)", re.DOTALL)
FILL = """import os, sqlite3, sys
size, state = int(float(sys.argv[1]) * (1 << 30)), sys.argv[2]
os.system(f"rm -rf {state}/media/bench")
os.makedirs(f"{state}/media/bench")
for number in range(size // 2 >> 20):
    with open(f"{state}/media/bench/{number}", "wb") as file:
        file.write(os.urandom(1 << 20))
database = sqlite3.connect(f"{state}/media/bench/bench.sqlite", isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("CREATE TABLE blobs (content BLOB)")
for number in range(size // 2 >> 20):
    database.execute("INSERT INTO blobs VALUES (?)", (os.urandom(1 << 20),))
database.close()
os.system(f"chown -R openclaw: {state}/media/bench; sync")
"""


def measure(host: LabHost, lab: str, gib: float, public: str, key_file: Path) -> dict[str, Any]:
    """Fill the state, back it up, restore it."""
    host.write("/root/fill.py", FILL)
    host.check(f"rm -rf {OPTIONS['directory']}")
    if host.run(f"python3 /root/fill.py {gib} {STATE}", timeout=1800).returncode != 0:
        raise RuntimeError("the state could not be filled")
    made = host.module("gateway_backup", {**OPTIONS, "recipient": public})
    if made.get("failed") or made["problems"]:
        raise RuntimeError(json.dumps(made))
    began = time.monotonic()
    read = host.module(
        "gateway_backup", {**OPTIONS, "state": "verified", "archive": made["path"], "key": key_file.read_text()}
    )
    began_restore = time.monotonic()
    done = playbook(lab, TOP / "playbooks/restore.yml", "--limit", host.name, openclaw_restore_key_file=str(key_file))
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-3000:])
    return {"gib": gib, "state": made["state_bytes"], "bytes": made["bytes"], "backup": made["seconds"],
            "verify": read["seconds"], "restore": time.monotonic() - began_restore, "began": began}  # fmt: skip


def row(found: dict[str, Any]) -> str:
    """Return one line of the table."""
    mib = [f"{found[name] / (1 << 20):,.0f} MiB" for name in ("state", "bytes")]
    return (f"| {found['gib']:g} GiB ({mib[0]} in all) | {mib[1]} | {found['backup']:.1f} s | {found['verify']:.1f} s "
            f"| {found['restore']:.0f} s |\n")  # fmt: skip


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lab", default="lifecycle")
    parser.add_argument("--host", default="alpha")
    parser.add_argument("--gib", nargs="+", type=float, default=[0.1, 1, 5])
    arguments = parser.parse_args()
    host = LabHost(arguments.lab, arguments.host)
    secret = host.check("age-keygen 2>/dev/null")
    key_file = host.build / "bench.key"
    key_file.write_text(f"{secret}\n")
    public = next(line.split()[-1] for line in secret.splitlines() if line.startswith("# public key"))
    lines = "| added to the state | archive | backup | verify | restore.yml, all of it |\n|---|---|---|---|---|\n"
    for gib in arguments.gib:
        lines += row(measure(host, arguments.lab, gib, public, key_file))
        print(lines.splitlines()[-1], flush=True)
    DOCUMENT.write_text(PLACE.sub(lambda _match: lines, DOCUMENT.read_text()))
    host.close()


if __name__ == "__main__":
    main()
