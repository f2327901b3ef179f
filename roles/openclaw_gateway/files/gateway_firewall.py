# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps one nftables table as it is declared: loads it before Docker, and again when anything changed or flushed it.

The kernel reports each change; what comes in a flood is compared once a second at most. Nothing else is touched. How
many packets of the container were refused is in the unit's RuntimeDirectory, for the log watcher.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import nft_table  # type: ignore[import-not-found]  # noqa: E402 (_nft.py, which the role installs beside this)

NETLINK_NETFILTER, GROUP_NFTABLES = 12, 7
# Seconds: least between two comparisons, longest between two, for one call of nft, between two lines in the log,
# between two looks at the name servers.
PAUSE, POLL, PATIENCE, QUIET, GLANCE = 1, 30, 30, 60, 5
MOST, MESSAGES = 1 << 20, 10_000


def nft(*arguments: str, data: str = "") -> subprocess.CompletedProcess[str]:
    argv = ["nft", "-j", *arguments]
    return subprocess.run(argv, input=data, capture_output=True, text=True, timeout=PATIENCE, check=False)


def listing(table: str) -> str | None:
    answer = nft("list", "table", nft_table.FAMILY, table)
    if answer.returncode != 0 and "No such file or directory" in answer.stderr:
        return None
    if answer.returncode != 0 or len(answer.stdout) > MOST:
        raise OSError(f"nft: {answer.stderr.strip()[-300:] or 'an answer that is too long'}")
    return answer.stdout


def apply(script: str) -> None:
    answer = nft("-f", "-", data=script)
    if answer.returncode != 0:
        raise OSError(f"nft: {answer.stderr.strip()[-300:]}")


class Refused:
    """Counts refused packets since this program began, also when the table is loaded again."""

    def __init__(self, folder: str, seen: int) -> None:
        self.path = f"{folder}/refused" if folder else ""
        self.began, self.seen, self.total = time.time_ns(), seen, 0
        self.write()

    def note(self, count: int) -> None:
        more = count - self.seen if count >= self.seen else count
        self.seen = count
        if more:
            self.total += more
            self.write()

    def write(self) -> None:
        if not self.path:
            return
        with suppress(OSError):  # a full /run must not keep the table from being restored
            with open(f"{self.path}.new", "w", encoding="ascii") as file:
                file.write(f"{self.began} {self.total}\n")
            os.chmod(f"{self.path}.new", 0o644)
            os.replace(f"{self.path}.new", self.path)


def compare(wanted: nft_table.Settings, refused: Refused | None = None) -> list[str]:
    """Return how the table differs, and make it as declared."""
    found = listing(wanted.table)
    if refused:
        with suppress(ValueError):  # reported below
            refused.note(nft_table.refused(found))
    if not wanted.loaded:
        if found is not None:
            apply(nft_table.removal(wanted.table))
        return []
    try:
        different: list[str] = nft_table.differences(wanted, found)
    except ValueError as error:  # something in it that nft cannot show
        different = [str(error)]
    if different:
        apply(nft_table.load(wanted))
    return different


def notify(text: str) -> None:
    """sd_notify(3)."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), "\0" + place[1:] if place.startswith("@") else place)


def drain(events: socket.socket) -> None:
    """Forget what was reported: a comparison follows that sees all of it."""
    for _message in range(MESSAGES):  # who changes tables without end does not keep the comparison away
        if not select.select([events], [], [], 0)[0]:
            return
        with suppress(OSError):  # ENOBUFS: more than fits
            events.recv(65536)


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        wanted = nft_table.settings(file.read())
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    events.bind((0, 1 << (GROUP_NFTABLES - 1)))
    events.setblocking(False)
    known = nft_table.of_this_host(wanted)
    compare(known)
    refused = Refused(os.environ.get("RUNTIME_DIRECTORY", ""), nft_table.refused(listing(wanted.table)))
    state = f"table {nft_table.FAMILY} {wanted.table} is loaded" if wanted.loaded else wanted.protected
    print(state, flush=True)
    notify(f"READY=1\nSTATUS={state}")
    reported, restored = time.monotonic() - QUIET, 0
    compared = time.monotonic()
    while True:
        changed = select.select([events], [], [], GLANCE)[0]
        notify("WATCHDOG=1")
        now = nft_table.of_this_host(wanted)
        if not changed and now == known and time.monotonic() - compared < POLL:
            continue
        drain(events)
        compared, known = time.monotonic(), now
        try:
            different = compare(now, refused)
            restored += bool(different)
        except (OSError, subprocess.TimeoutExpired) as error:
            different = [str(error)]
        if different and time.monotonic() - reported >= QUIET:
            print(f"restored {restored} times so far; {'; '.join(different)[:500]}", flush=True)
            reported = time.monotonic()
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
