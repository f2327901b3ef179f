"""Test hosts that boot systemd and run their own Docker, reached over SSH.

python molecule/shared/rig up --rig NAME [--bare] HOST …  make hosts; writes build/NAME/inventory.yml and build/NAME/ssh
python molecule/shared/rig down --rig NAME               take the hosts, their network and volumes away
python molecule/shared/rig clean                         take every rig of this checkout away
"""

from __future__ import annotations

import argparse
import sys

import engine
import hosts
from shell import RigError, one_at_a_time, say


def main() -> int:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="rig", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="make the hosts of a rig, or reuse those that run")
    up.add_argument("--rig", required=True)
    up.add_argument("--bare", action="store_true", help="without Docker, as Debian comes")
    up.add_argument("--aside", action="append", default=[], help="a host more, that runs no gateway")
    up.add_argument("hosts", nargs="+")
    down = commands.add_parser("down", help="take a rig away")
    down.add_argument("--rig", required=True)
    commands.add_parser("clean", help="take every rig of this checkout away")
    arguments = parser.parse_args()
    try:
        with one_at_a_time():
            act(arguments)
    except RigError as error:
        say(f"error: {error}")
        return 1
    return 0


def act(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    if arguments.command == "up":
        engine.ensure()
        hosts.up(arguments.rig, arguments.hosts, aside=arguments.aside, bare=arguments.bare)
        engine.weigh()  # the group is there since the first container
        return
    if arguments.command == "down":
        hosts.down(arguments.rig)
    else:
        hosts.clean()
    engine.stop_if_ours()


if __name__ == "__main__":
    sys.exit(main())
