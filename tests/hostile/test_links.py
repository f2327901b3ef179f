"""Links that the service account plants, and exchanges while root works there: nothing outside its home changes."""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from check import outcome, read
from hostile_host import LONG, PROGRAMS, HostileHost, requests
from options import put

HOME = "/var/lib/openclaw"
STATE = f"{HOME}/.openclaw"
WORKSPACE = f"{STATE}/workspace"
PLACES = {"home": HOME, "state": STATE, "workspace": WORKSPACE}
# Root's; it has what a walk through a link could find.
VICTIM = "/srv/victim"
MAKE_VICTIM = f"""
mkdir -p -m 0700 {VICTIM}/workspace/new {VICTIM}/new
echo secret >{VICTIM}/secret; chmod 0600 {VICTIM}/secret
"""


def as_account(host: HostileHost, script: str) -> None:
    """Run shell as the service account."""
    host.check(f"setpriv --reuid openclaw --regid openclaw --clear-groups sh -euc {shlex.quote(script)}")


@pytest.fixture(scope="module", autouse=True)
def victim(host):
    host.check(MAKE_VICTIM)
    yield
    host.check(f"rm -r {VICTIM}")


# --- who writes -----------------------------------------------------------------------------------------------------

# A module, and where in a good request the path of what it writes stands.
WRITERS: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "directories of service_user": ("service_user", ("directories", 0, "path")),
    "gateway_token": ("gateway_token", ("path",)),
    "files of hardened_compose": ("hardened_compose", ("files", 1, "path")),
    "secrets of hardened_compose": ("hardened_compose", ("secrets", 0, "path")),
    "records of hardened_compose": ("hardened_compose", ("record_dir",)),
    "definition of hardened_compose": ("hardened_compose", ("directory",)),
    "records of hardened_image": ("hardened_image", ("record_dir",)),
    "files of systemd_unit": ("systemd_unit", ("files", 0, "path")),
    "secrets of systemd_unit": ("systemd_unit", ("secrets", 0, "path")),
    "directories of systemd_unit": ("systemd_unit", ("directories", 0, "path")),
}
# Directories may be made among those of the account: it is for this that they are.
MAKES_DIRECTORIES = {"directories of service_user", "directories of systemd_unit"}
# By name, what is planted and whether there is a way in through it.
PLANTED = {
    "to-a-file": ("ln -s /etc/shadow {}", True),
    "to-a-directory": (f"ln -s {VICTIM} {{}}", True),
    "to-nothing": ("ln -s /etc/new {}", True),
    "to-itself": ("ln -s to-itself {}", True),
    "pipe": ("mkfifo {}", False),
    "free": ("true", False),
}
# What only root can plant where fs.protected_hardlinks is on, and everybody where it is off.
HARD_LINK = f"ln {VICTIM}/secret {{}}/hard-link"


@pytest.mark.parametrize("place", PLACES)
def test_root_writes_nothing_among_what_the_account_planted(place, host, serve):
    place = PLACES[place]
    as_account(host, "\n".join(script.format(f"{place}/{name}") for name, (script, _way_in) in PLANTED.items()))
    host.check(HARD_LINK.format(place))
    targets = [f"{place}/hard-link", *(f"{place}/{name}" for name in PLANTED)]
    targets += [f"{place}/{name}/new" for name, (_script, way_in) in PLANTED.items() if way_in]
    faults = []
    try:
        for writer, (module, path) in WRITERS.items():
            server = serve(module)
            server.changes()
            for target in targets:
                if module == "hardened_compose" and target.endswith("/free"):
                    continue  # see the test below
                request = put(requests(host, module)[-1], path, target)
                verdict = outcome(read(server.run(request, check=False)), [HOME])
                if verdict != "refused" and not (target.endswith("/free") and writer in MAKES_DIRECTORIES):
                    faults.append(f"{writer} at {target}: {verdict}")
            faults += [f"{writer}: {change}" for change in outside(server.changes())]
            host.check(f"rm -rf {place}/free")
    finally:
        host.check(f"cd {place}; rm -rf hard-link {' '.join(PLANTED)}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "writer", [writer for writer, (module, _path) in WRITERS.items() if module == "hardened_compose"]
)
def test_a_place_of_the_accounts_is_refused_before_the_gateway_is_touched(writer, host, serve, repaired):
    server = serve("hardened_compose")
    server.changes()
    request = put(requests(host, "hardened_compose")[-1], WRITERS[writer][1], f"{HOME}/free")
    assert outcome(read(server.run(request, check=False)), [HOME]) == "refused"
    assert server.changes() == []


def outside(changes: list[str]) -> list[str]:
    """Return the changes that are not the account's own."""
    return [change for change in changes if not change.startswith((f"{HOME}:", f"{HOME}/"))]


# --- the race -------------------------------------------------------------------------------------------------------

# How often a module has to have met the link, and the directory, and the seconds after which it is too late for that.
MEETINGS, PATIENCE = (50, 600) if LONG else (3, 120)
# What the account exchanges with a link, and where the link leads: to what looks the same inside.
RACES = {"workspace": (WORKSPACE, f"{VICTIM}/workspace"), "state": (STATE, VICTIM), "inner": (f"{STATE}/inner", VICTIM)}
# Root's, by a program that looks before it acts, and acts by name.
NAIVE = """
import os, sys, time
place, mode, end = sys.argv[1], 0o711, time.monotonic() + float(sys.argv[2])
while time.monotonic() < end and os.stat("{victim}").st_mode & 0o777 != mode:
    try:
        if not os.path.islink(place):
            os.chmod(place, mode)
    except OSError:
        pass
"""


class Race:
    """The account exchanges a directory of its own and a link, until that is enough."""

    def __init__(self, host: HostileHost, name: str) -> None:
        self.place, target = RACES[name]
        self.host, self.link = host, f"{HOME}/link"
        self.deadline = time.monotonic() + PATIENCE
        as_account(host, f"ln -s {target} {self.link}")
        drop = "setpriv --reuid openclaw --regid openclaw --clear-groups"
        command = f'{drop} python3 -c "$(cat {PROGRAMS}/racer.py)" {self.place} {self.link}'
        self._racer = subprocess.Popen([*host.ssh, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def on(self) -> bool:
        return self._racer.poll() is None and time.monotonic() < self.deadline

    def end(self) -> int:
        """End it, put things in order, and return how often they were exchanged."""
        output = self._racer.communicate("enough\n", timeout=120)[0]
        self.host.check(f"rm {self.link}; [ -d {self.place} ]; [ ! -L {self.place} ]")
        return int(output)


def under_race(host: HostileHost) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield requests that change something in the workspace each time, and such that would write a file there."""
    account = requests(host, "service_user")[0]
    unit = requests(host, "systemd_unit")[-1]
    for mode in itertools.cycle(["0700", "0750"]):
        kept = [item for item in account["directories"] if item["path"] != WORKSPACE]
        wanted = [
            {"path": path, "mode": mode, "owner": "user", "group": "user"} for path in (WORKSPACE, f"{WORKSPACE}/new")
        ]
        yield "service_user", {**account, "directories": [*kept, *wanted]}
        made = {"path": f"{WORKSPACE}/new", "mode": mode, "uid": 0, "gid": 0}
        yield "systemd_unit", {**unit, "directories": [*unit["directories"], made]}
        yield "systemd_unit", put(unit, ("files", 0, "path"), f"{WORKSPACE}/new/file")
        yield "gateway_token", put(requests(host, "gateway_token")[0], ("path",), f"{WORKSPACE}/token")


@pytest.mark.parametrize("name", ["workspace", "state"])
def test_a_race_leads_root_nowhere(name, host, serve):
    servers = {module: serve(module) for module in ("service_user", "systemd_unit", "gateway_token")}
    next(iter(servers.values())).changes()
    verdicts: Counter[tuple[str, str]] = Counter()
    race = Race(host, name)
    met = [("service_user", "refused"), ("service_user", "legal")]
    try:
        for module, request in under_race(host):
            verdicts[module, outcome(read(servers[module].run(request, check=False)), [HOME, VICTIM])] += 1
            if not race.on or all(verdicts[meeting] >= MEETINGS for meeting in met):
                break
    finally:
        swaps = race.end()
        host.check(f"rm -rf {WORKSPACE}/new; chmod 0700 {WORKSPACE} {STATE}; chown openclaw:openclaw {STATE}")
    print(f"\nrace for the {name}: {swaps} exchanges, {dict(verdicts)}")
    assert outside(next(iter(servers.values())).changes()) == []
    assert swaps >= 1000
    assert all(verdicts[meeting] >= MEETINGS for meeting in met)
    assert verdicts["gateway_token", "legal"] == 0


@pytest.mark.parametrize("name", ["workspace", "state"])
def test_the_race_is_lost_by_who_acts_by_name(name, host):
    """Otherwise the race above would prove nothing."""
    place, victim = RACES[name]
    race = Race(host, name)
    try:
        host.check(f"python3 - {place} {PATIENCE} <<'PYTHON'\n{NAIVE.format(victim=victim)}\nPYTHON")
        assert host.check(f"stat -c %a {victim}") == "711"
    finally:
        race.end()
        host.check(f"chmod 0700 {victim} {place}")


# --- copies of the state --------------------------------------------------------------------------------------------

IN_THE_STATE = f"""
mkdir -p -m 0755 {STATE}/inner/deep/new
ln -s /etc/shadow {STATE}/inner/shadow
ln -s {VICTIM} {STATE}/inner/victim
ln -s ../../../../../../../srv/victim {STATE}/inner/deep/victim
mkfifo {STATE}/inner/pipe
"""


def test_a_deployment_and_the_way_back_copy_the_state_and_touch_nothing_else(host, serve, repaired):
    """What is copied to a candidate, kept, and put back belongs to the account; it exchanges it meanwhile."""
    server, good = serve("hardened_compose"), requests(host, "hardened_compose")[0]
    look = f"stat -c '%n %U %G %a %s %Y' /etc/shadow /srv {VICTIM} {VICTIM}/*; sha256sum /etc/shadow {VICTIM}/secret"
    as_account(host, IN_THE_STATE)
    host.check(f"ln {VICTIM}/secret {STATE}/inner/hard")
    before = host.check(look)
    config = {**json.loads(good["files"][0]["content"]), "lure": True}
    race = Race(host, "inner")
    try:
        forth = read(server.run(put(good, ("files", 0, "content"), json.dumps(config)), check=False))
        back = read(server.run({**good, "state": "previous"}, check=False))
        print(f"\n{outcome(forth, [HOME, 'deployment'])} and {outcome(back, [HOME, 'deployment', 'state'])}: "
              f"{forth.get('msg', '')} {back.get('msg', '')}")  # fmt: skip
    finally:
        race.end()
        host.check(f"rm -r {STATE}/inner")
    assert host.check(look) == before
