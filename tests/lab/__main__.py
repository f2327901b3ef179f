"""Test hosts that boot systemd and run their own Docker, reached over SSH.

python tests/lab up --lab NAME [--bare] HOST …  make hosts; writes build/NAME/inventory.yml and build/NAME/ssh
python tests/lab has --kind KIND                return whether a snapshot is kept (exit code 0) or not (2)
python tests/lab keep --lab NAME HOST …        make a snapshot of a host, for `up --copies` and `up --images`
python tests/lab down --lab NAME               take the hosts, their network and volumes away
python tests/lab clean                         take every lab of this checkout away
"""

from __future__ import annotations

import argparse
import sys

import engine
import hosts
import snapshots
from shell import LabError, one_at_a_time, say


def main() -> int:
    """Parse the command line and do what it reports."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="make the hosts of a lab, or reuse those that run")
    up.add_argument("--lab", required=True)
    up.add_argument("--bare", action="store_true", help="without Docker, as Debian comes")
    up.add_argument("--aside", action="append", default=[], help="a host more, that runs no gateway")
    up.add_argument("--images", action="append", default=[], help="a host that has the kept image, if there is one")
    up.add_argument("--copies", action="store_true", help="new hosts are copies of the kept host")
    up.add_argument("hosts", nargs="+")
    keep = commands.add_parser("keep", help="make a snapshot of a host")
    keep.add_argument("--lab", required=True)
    keep.add_argument("host")
    has = commands.add_parser("has", help="return whether a snapshot is kept: exit code 0 or 2")
    for command in (keep, has):
        command.add_argument("--kind", choices=sorted(snapshots.KEPT), required=True)
    for command in (up, keep, has):
        command.add_argument("--deployed", default="", help="what was built or deployed there, beside the checkout")
    down = commands.add_parser("down", help="take a lab away")
    down.add_argument("--lab", required=True)
    commands.add_parser("clean", help="take every lab of this checkout away")
    arguments = parser.parse_args()
    try:
        with one_at_a_time("hosts"):
            return act(arguments)
    except LabError as error:
        say(f"error: {error}")
        return 1


def act(arguments: argparse.Namespace) -> int:
    """Do what the command line reports; return the exit code."""
    if arguments.command == "up":
        engine.ensure()
        copied = hosts.snapshot_key("host", arguments.deployed) if arguments.copies else ""
        beginning = hosts.Beginning(arguments.bare, tuple(arguments.images), arguments.deployed, copied)
        hosts.up(arguments.lab, arguments.hosts, aside=arguments.aside, beginning=beginning)
        engine.weigh()  # the group is there since the first container
    elif arguments.command in ("has", "keep"):
        engine.ensure()
        key = hosts.snapshot_key(arguments.kind, arguments.deployed)
        if arguments.command == "has":
            return 0 if snapshots.exists(arguments.kind, key) else 2
        hosts.keep(arguments.lab, arguments.host, arguments.kind, key)
    else:
        if arguments.command == "down":
            hosts.down(arguments.lab)
        else:
            hosts.clean()
        engine.stop_if_ours()
    return 0


if __name__ == "__main__":
    sys.exit(main())
