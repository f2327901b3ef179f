"""Try docker-bench-security on every weakened definition, beside our gate; writes the end of docs/docker-bench.md.

compare_definitions.py --docker-bench PATH   PATH: a checkout of docker-bench-security, which is copied to the host

The definitions are those of tests/unit/compose_weakenings.py. Each becomes a container of its own on a host, which is
made by Compose and not started, but for its ports: what docker-bench reads is `docker inspect`, which reports the same
then. It is shown these containers by a `docker` whose `ps` lists all.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(CHECKOUT / "tests"), str(CHECKOUT / ".collections")]

from compare import CHECK, OF_CONTAINERS, half, install, replace_half, version_of  # noqa: E402
from harness import BUILD, Host, down, up  # noqa: E402
from unit import compose_weakenings as weak  # noqa: E402
from unit.plugins.module_utils._deploy.test_gate import checked  # noqa: E402

RESULTS = BUILD.parent / "docker-bench-definitions.json"
NAME = re.compile(r"\bw\d{4}\b")
BRIDGE = f"{weak.BRIDGE}name"
PORT = 20000
# The gateway's port, and those that stand for it here.
PORTS = re.compile(r"\b(?:18789|2\d{4})\b")
# Words for what became of a definition.
MADE, STARTED = "made", "started"

# What a weakness may name and a host does not have by itself.
PREPARE = """
mkdir -p /root/weak /root/shim /srv/x
printf '#!/bin/sh\\n[ "$1" = ps ] && set -- "$@" --all\\nexec /usr/bin/docker "$@"\\n' > /root/shim/docker
chmod 755 /root/shim/docker
systemctl stop openclaw-gateway.service  # its port is wanted
docker container inspect other || docker create --name other openclaw:hardened
for name in openclaw_weak elsewhere; do docker volume create $name; done
for name in proxy somebodys; do docker network inspect $name || docker network create $name; done
for path in {paths}; do [ -e $path ] || mkdir -p $path; done
"""
# Made four at a time; each tells in its own file what became of it.
MAKE = """
make() {{
  cd /root/weak
  n=$1
  timeout 60 docker compose --project-name $n --file $n.json create --no-build --pull never openclaw-gateway \
    >$n.log 2>&1 && docker container inspect $n >/dev/null 2>&1 && echo {made} >$n.state || return 0
  case " {started} " in *" $n "*) docker start $n >>$n.log 2>&1 && echo {word} >$n.state ;; esac
}}
export -f make
rm -f /root/weak/*.log /root/weak/*.state
printf '%s\\n' {names} | xargs -P 4 -I @ bash -c 'make @; true'
cd /root/weak
for n in {names}; do
  if [ -e $n.state ]; then echo "$n $(cat $n.state)"; else echo "$n $(tail -1 $n.log | cut -c1-300)"; fi
done
"""
BENCH = (
    "rm -f /root/bench.log; cd /root/docker-bench; export PATH=/root/shim:$PATH; "
    f"bash docker-bench-security.sh -b -l /root/bench.log {OF_CONTAINERS} -i '^w[0-9]' >/dev/null 2>&1; "
    "cat /root/bench.log"
)
REMOVE = r"""
docker ps --all --format '{{.Names}}' | grep -E '^w[0-9]{4}$' | xargs -r docker rm --force --volumes
docker network ls --format '{{.Name}}' | grep -E '^w[0-9]{4}' | xargs -r docker network rm
docker volume ls --format '{{.Name}}' | grep -E '^w[0-9]{4}' | xargs -r docker volume rm
rm -f /root/weak/*
"""

TEXT = """\

# Weakened definitions

{count} definitions for Compose, each this collection's own with one weakness more, made from the schema of the Compose
specification (`tests/unit/compose_weakenings.py`); ours is the gate of `hardened_compose`, docker-bench-security
{version} its sections about containers and images. Compose {compose} and Docker {docker} made a container of
{made} of them; the other {refused} they refuse themselves: keys of a newer Compose, plugins, runtimes, containers and
processors that the host does not have, keys that contradict each other. The containers are not started, unless a port
is the weakness: `docker inspect`, which docker-bench reads, reports the same then. *Noticed* means any `[WARN]` line
that it does not print about the container of the definition without a weakness.

| | definitions | refused by the gate | noticed by docker-bench-security |
|---|--:|--:|--:|
| all | {count} | {ours} | |
| of which a container can be made | {made} | {ours_made} | {theirs} |
| noticed by docker-bench-security alone | | | {theirs_alone} |

Hooks and what a build is given never show up in `docker inspect`: nothing that looks at containers can notice them.
Of a directory of the host that is mounted read-only, check 5.6 takes notice only where a writable mount is listed after
it; the order is the daemon's, so that a few are noticed in one run and not in the next.

Made by `python tests/seeded_faults/compare_definitions.py --docker-bench PATH`.

| key | definitions | refused by the gate | containers | noticed by docker-bench-security | by its checks |
|---|--:|--:|--:|--:|---|
"""


@dataclass(frozen=True)
class Definition:
    """One weakened definition, fit to be a container beside others."""

    name: str
    key: str
    weakness: str
    config: dict[str, Any]
    ours: bool


def main() -> int:
    """Run all, and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--docker-bench", type=Path, required=True, metavar="PATH")
    parser.add_argument("--together", type=int, default=64, metavar="N", help="how many containers at a time")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="KEY", help="keep the last run's results of the others"
    )
    arguments = parser.parse_args()
    try:
        host = Host(up(1)[0])
        install(host, arguments.docker_bench)
        rows = compare(host, arguments.together, arguments.only)
        results = {
            "version": version_of(arguments.docker_bench),
            "docker": host.check("docker version --format '{{.Server.Version}}'"),
            "compose": host.check("docker compose version --short"),
            "rows": rows,
        }
        host.close()
    finally:
        down()
    if arguments.only:
        kept = [row for row in json.loads(RESULTS.read_text())["rows"] if row["key"] not in arguments.only]
        results["rows"] = sorted([*kept, *rows], key=lambda row: row["name"])
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    write(results)
    return 0


def definitions() -> Iterator[Definition]:
    """Yield the definition without a weakness, as it is made and as it is started, then each with one."""
    for name, number in (("w0000", 0), ("w4000", 4000)):
        yield Definition(name, "", "", placed(weak.hardened(), name, number, ""), False)
    for number, (weakness, change) in enumerate(weak.made(), 1):
        config = weak.hardened()
        change(config)
        name, key = f"w{number:04}", changed_key(config)
        ours = any(found.bad for found in checked(config))
        yield Definition(name, key, weakness, placed(config, name, number, key), ours)


def changed_key(config: dict[str, Any]) -> str:
    """Return the key that the weakness is in: of the service, else of the project."""
    whole, good = config, weak.hardened()
    service, good_service = (each["services"][weak.GATEWAY] for each in (whole, good))
    changed = [key for key in service if service[key] != good_service.get(key)]
    # A weakness that needs others beside it is in the one that comes first here.
    for key in ("profiles", "network_mode", "secrets", "configs"):
        if key in changed:
            return key
    found = (changed or [key for key in whole if whole[key] != good.get(key)])[0]
    known = {*weak.properties("service"), *weak.SCHEMA["properties"]}
    return found if found in known else "(unknown)"


def placed(config: dict[str, Any], name: str, number: int, key: str) -> dict[str, Any]:
    """Give a definition names, a bridge, a few addresses and a port of its own, unless they are its weakness."""
    config = copy.deepcopy(config)
    config["name"] = name
    # Nothing is no value for Compose, but a key that is not there.
    service = {kind: value for kind, value in config["services"][weak.GATEWAY].items() if value is not None}
    config["services"][weak.GATEWAY] = service
    service["container_name"] = name
    if key != "ports":
        for port in service.get("ports") or ():
            port["published"] = str(PORT + number)
    for network_name, network in (config.get("networks") or {}).items():
        if not network.get("external"):
            network["name"] = f"{name}-{network_name}"
            # Docker's own choice is used up after some thirty networks.
            network.setdefault("ipam", {})["config"] = [{"subnet": f"10.66.{number // 16}.{number % 16 * 16}/28"}]
            if (network.get("driver_opts") or {}).get(BRIDGE) == "br-openclaw":
                network["driver_opts"][BRIDGE] = f"br-{name}"
    for volume in (config.get("volumes") or {}).values():
        if not volume.get("external"):
            volume["name"] = f"{name}-weak"
    return config


def compare(host: Host, together: int, only: list[str]) -> list[dict[str, Any]]:
    """Show every definition to docker-bench, some at a time, each time beside the good one."""
    host.run(PREPARE.format(paths=" ".join((*weak.PATHS, *weak.SOCKETS))))
    host.run(REMOVE)
    good, started, *others = definitions()
    others = [definition for definition in others if not only or definition.key in only]
    # What publishes the same port cannot run at the same time: each batch has one of those.
    alone = [definition for definition in others if definition.key == "ports"]
    others = [definition for definition in others if definition.key != "ports"]
    rows = []
    while others or alone:
        batch, others = [*alone[:1], *others[: together - 1]], others[together - 1 :]
        alone = alone[1:]
        rows += batch_of(host, {MADE: good, STARTED: started}, batch)
        print(f"{len(rows)}: {sum(bool(row['theirs']) for row in rows)} noticed", flush=True)
    return sorted(rows, key=lambda row: row["name"])


def batch_of(host: Host, good: dict[str, Definition], batch: list[Definition]) -> list[dict[str, Any]]:
    """Make the containers of a batch, show them to docker-bench, take them away."""
    everything = [*good.values(), *batch]
    for definition in everything:
        host.write(f"/root/weak/{definition.name}.json", json.dumps(definition.config))
    script = MAKE.format(
        names=" ".join(definition.name for definition in everything),
        started=" ".join([good[STARTED].name, *(part.name for part in batch if part.key == "ports")]),
        made=MADE,
        word=STARTED,
    )
    states = dict(line.split(" ", 1) for line in host.run(script, 1800).stdout.splitlines() if NAME.match(line))
    found = warnings(host.run(BENCH, 1800).stdout)
    host.run(REMOVE, 1800)
    for state, definition in good.items():
        if states.get(definition.name) != state:
            raise RuntimeError(f"the good definition is not {state}: {states.get(definition.name)}")
    rows = []
    for definition in batch:
        state = states.get(definition.name, "nothing")
        new = found.get(definition.name, set()) - found.get(good.get(state, good[MADE]).name, set())
        rows.append(
            {
                "name": definition.name,
                "key": definition.key,
                "weakness": definition.weakness,
                "ours": definition.ours,
                "state": state,
                "theirs": sorted({identity for identity, _line in new}, key=by_number),
            }
        )
    return rows


def by_number(identity: str) -> list[int]:
    """Sort the numbers of checks as numbers."""
    return [*map(int, identity.split("."))]


def warnings(log: str) -> dict[str, set[tuple[str, str]]]:
    """Return the warnings about each container, as the number of the check and the line without its name and port."""
    found: dict[str, set[tuple[str, str]]] = {}
    check = ""
    for line in log.splitlines():
        match = CHECK.match(line)
        check = match[1].rstrip(".") if match else check
        if line.startswith("[WARN]"):
            for name in NAME.findall(line):
                found.setdefault(name, set()).add((check, PORTS.sub("PORT", NAME.sub("NAME", line))))
    return found


def write(results: dict[str, Any]) -> None:
    """Write the second half of the document."""
    rows = results["rows"]
    made = [row for row in rows if row["state"] in (MADE, STARTED)]
    text = TEXT.format(
        count=len(rows),
        version=results["version"],
        compose=results["compose"],
        docker=results["docker"],
        made=len(made),
        refused=len(rows) - len(made),
        ours=sum(row["ours"] for row in rows),
        ours_made=sum(row["ours"] for row in made),
        theirs=sum(bool(row["theirs"]) for row in made),
        theirs_alone=sum(bool(row["theirs"]) and not row["ours"] for row in made),
    )
    for key in sorted({row["key"] for row in rows}):
        of_key = [row for row in rows if row["key"] == key]
        containers = [row for row in of_key if row in made]
        checks = Counter(identity for row in containers for identity in row["theirs"])
        numbers = ", ".join(sorted(checks, key=by_number)) or "—"
        text += (
            f"| `{key}` | {len(of_key)} | {sum(row['ours'] for row in of_key)} | {len(containers)} "
            f"| {sum(bool(row['theirs']) for row in containers)} | {numbers} |\n"
        )
    replace_half(half()[0], text)
    print(f"{len(rows)} definitions, {len(made)} containers")


if __name__ == "__main__":
    sys.exit(main())
