"""playbooks/remove.yml on a host with two instances: what goes, what stays, and what another user made.

Each removal begins with what the one before has left, so the tests run in their order. They are on beta, which
no other file needs afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from harness import FaultHost
from lab_host import PORT
from life import BACKUPS, LONG, STATE, TOKEN_FILE, Life, token_answers

pytestmark = pytest.mark.skipif(
    not LONG,
    reason="two more deployments; the short form is in tests/faults: LIFECYCLE=long",
)
ACME, ACME_PORT = "/var/lib/openclaw-acme", 18790
KEPT_IMAGE = "mine:kept"
EVERYTHING = {"openclaw_remove_confirm": "openclaw", "openclaw_remove_data": True, "openclaw_remove_backup": False}
NOTES = "/etc/openclaw/notes.txt"
UNIT = "/etc/systemd/system/openclaw-mine.service"
# What acme uses, too: programs of the monitor, a directory of systemd, the base image, the cache of the builds.
SHARED = (
    *("/usr/local/lib/openclaw-hardening", "/run/openclaw-gateway-start"),
    *("openclaw-hardening-base:", "Description:"),
)
# Names of ours anywhere, and files of the account's number; but for what the lab has, and logs.
TRACES = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /root -o -path /tmp -o -path /var/log -o -path /var/lib/docker \
    -o -path /var/lib/containerd -o -path /usr/share -o -path /var/backups/openclaw \) -prune \
    -o \( -name '*openclaw*' -o -uid "$uid" \) -print
find /run \( -name '*openclaw*' -o -uid "$uid" \) -not -path '/run/openclaw-hardening*' -print 2>/dev/null || true
getent passwd openclaw || true; getent group openclaw || true
nft list tables | grep openclaw || true
ip -brief link | grep br-openclaw || true
docker ps --all --format '{{.Names}}' | grep openclaw || true
docker network ls --format '{{.Name}}' | grep openclaw || true
docker volume ls --quiet
docker image ls --all --format '{{.Repository}}:{{.Tag}}' | grep -v '^mine:' || true
docker buildx du --verbose | grep -E 'sh /context/[a-z-]+\.sh' || true
systemctl list-units --all --plain --no-legend 'openclaw*' || true
"""
# Kills the module when it begins a stage.
KILLER = """
import contextlib, glob, os, signal, subprocess, sys, time
stage, program = sys.argv[1], sys.argv[2:]
for path in glob.glob("/run/openclaw-hardening/removal-*.progress"):
    os.unlink(path)
with open("/root/arguments") as options:
    process = subprocess.Popen(program, stdin=options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while process.poll() is None:
    for path in glob.glob("/run/openclaw-hardening/removal-*.progress"):
        with contextlib.suppress(OSError), open(path) as log:
            if stage in log.read():
                time.sleep(float(os.environ.get("LATER", "0.02")))
                process.kill()
                process.wait()
                print("killed")
                sys.exit()
    time.sleep(0.001)
print("ended")
"""
STAGES = (
    "backing up the state",
    "stop the units",
    "remove the containers",
    "remove the networks",
    "remove the images",
    "remove programs and configuration",
    "remove the units",
    "remove the data",
    "remove the account",
    "remove the records",
)


def removal(host: FaultHost, *, check: bool = False, **options: Any) -> dict[str, Any]:
    """Remove by the module."""
    return host.module("gateway_removal", {"instance": "openclaw", **options}, check=check)


def traces(host: FaultHost, uid: int = 0) -> list[str]:
    """Return what of the first instance can be found on the host; acme's is left out."""
    number = uid or host.run("id -u openclaw").stdout.strip() or "4000000"
    lines = host.check(f"uid={number}\n{TRACES}").splitlines()
    return sorted(line for line in lines if "openclaw-acme" not in line and line.strip())


def world(host: FaultHost) -> str:
    """Return what a removal could change: files by content and times, containers, images, units, accounts."""
    return host.check(
        "find /etc/openclaw* /etc/systemd/system /usr/local/bin /usr/local/lib /var/lib/openclaw-hardening /etc/passwd "
        "-not -name '*.lock' -printf '%p %i %m %U %T@\\n' 2>/dev/null | sort\n"
        "docker ps --all --no-trunc --format '{{.ID}} {{.State}}' | sort; docker network ls\n"
        "docker image ls --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort\n"
        "nft list ruleset | grep -v counter; systemctl list-unit-files 'openclaw*' --no-legend"
    )


def acme(host: FaultHost) -> str:
    """Return what makes up the other instance: its files, its container since its start, and the programs of both."""
    return host.check(
        "find /etc/openclaw-acme /etc/systemd/system/openclaw-acme-* /usr/local/bin/openclaw-acme "
        "/usr/local/lib/openclaw-acme-hardening /usr/local/lib/openclaw-hardening/auth-* -type f "
        "-exec sha256sum {} + | sort\n"
        "docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.State.Running}}' openclaw-acme-gateway\n"
        "systemctl is-active openclaw-acme-gateway.service openclaw-acme-gateway-firewall.service "
        "openclaw-acme-auth-monitor.timer; getent passwd openclaw-acme"
    )


@contextmanager
def attached(host: FaultHost) -> Iterator[None]:
    """Let a container of the user be on our network while the block runs."""
    image = host.check("docker image inspect --format '{{.Id}}' openclaw:hardened")
    # Stopped, it is on the network all the same, and would not start without it.
    host.check(f"docker create --name mine --network openclaw-gateway --entrypoint sleep {image} 1000 >/dev/null")
    try:
        yield
    finally:
        host.check("docker rm --force mine >/dev/null")


@pytest.fixture(scope="module")
def host(life: Life) -> FaultHost:
    """Return the host with both instances, and with files of the user at places of ours."""
    host = life.beta
    for more in ({}, {"openclaw_instance": "acme", "openclaw_gateway_port": ACME_PORT}):
        run = life.play("site.yml", host, **more, openclaw_gateway_packet_filter="always")
        assert run.returncode == 0, run.stdout[-6000:]
    host.check(
        f"echo work > {STATE}/workspace/notes.md; chown openclaw: {STATE}/workspace/notes.md; echo mine > {NOTES}\n"
        f"printf '[Service]\\nExecStart=/bin/true\\n' > {UNIT}\n"
        f"docker tag openclaw:hardened {KEPT_IMAGE}; nft add table inet mine; systemctl daemon-reload"
    )
    return host


def test_a_plan_and_check_mode_touch_nothing(life: Life, host: FaultHost) -> None:
    before = world(host)
    planned = removal(host, state="planned", backup={})
    assert not planned["changed"], planned
    predicted = removal(host, check=True, backup={})
    assert predicted["changed"], predicted
    run = life.play("remove.yml", host, "--check")
    assert run.returncode == 0, run.stdout[-4000:]
    assert predicted["removed"] == planned["removed"]
    assert world(host) == before


def test_what_is_refused_changes_nothing(life: Life, host: FaultHost) -> None:
    before = world(host)
    for variables, message in (
        ({}, "set 'openclaw_remove_confirm'"),
        ({"openclaw_remove_confirm": "openclaw-acme"}, "set 'openclaw_remove_confirm'"),
        ({"openclaw_remove_confirm": "openclaw", "openclaw_remove_data": True}, "openclaw_backup_recipient"),
    ):
        run = life.play("remove.yml", host, **variables)
        assert run.returncode != 0
        assert message in run.stdout, run.stdout[-3000:]
    with attached(host):
        refused = removal(host)
    assert "docker network disconnect openclaw-gateway mine" in refused["msg"]
    host.check(f"mkdir -p {STATE}/mounted && mount -t tmpfs none {STATE}/mounted")
    refused = removal(host, data=True)
    host.check(f"umount {STATE}/mounted; rmdir {STATE}/mounted")
    assert f"umount {STATE}/mounted" in refused["msg"]
    host.check(f"mkdir -p {BACKUPS}; mount -t tmpfs -o size=4k,nr_inodes=3 none {BACKUPS}")
    refused = removal(host, backup={})
    host.check(f"umount {BACKUPS}")
    assert "the last backup" in refused["msg"]
    assert "set 'backup'" in refused["msg"]
    assert world(host) == before


def test_everything_but_the_data_goes_and_comes_back(life: Life, host: FaultHost) -> None:
    other, token = acme(host), host.check(f"cat {TOKEN_FILE}")
    mine = host.check(f"sha256sum {NOTES} {UNIT}")
    predicted = removal(host, check=True, backup={})
    run = life.play("remove.yml", host, openclaw_remove_confirm="openclaw")
    assert run.returncode == 0, run.stdout[-6000:]
    again = removal(host, backup={})
    assert not again["changed"], again["actions"]
    stays = {(thing["kind"], thing["path"]): thing["reason"] for thing in again["stays"]}
    gone = {(thing["kind"], thing["path"]) for thing in predicted["removed"]}
    assert not gone & stays.keys()
    # What is left is exactly what is listed; what only acme has by now was listed before.
    listed = {path for _kind, path in stays} | {thing["path"] for thing in predicted["stays"]}
    left = [line for line in traces(host) if line.startswith("/")]
    data = (f"{STATE}/", "/etc/openclaw/secrets/gateway_token")
    assert [path for path in left if path not in listed and not path.startswith(data)] == []
    assert "not ours" in stays["file", NOTES]
    assert "not ours" in stays["unit file", UNIT]
    assert stays["directory", "/usr/local/lib/openclaw-hardening"]
    assert host.check(f"sha256sum {NOTES} {UNIT}") == mine
    assert host.check(f"docker image inspect --format x {KEPT_IMAGE} && nft list table inet mine").startswith("x")
    assert acme(host) == other
    assert host.check(f"ls {BACKUPS}/*.tar.*") != ""

    run = life.play("site.yml", host)
    assert run.returncode == 0, run.stdout[-6000:]
    assert host.check(f"cat {STATE}/workspace/notes.md") == "work"
    assert host.check(f"cat {TOKEN_FILE}") == token
    assert token_answers(host, token, PORT) == "200"
    assert token_answers(host, "0" * 64, PORT) == "401"
    assert acme(host) == other


def test_a_removal_that_is_killed_again_and_again_ends_with_one_run(life: Life, host: FaultHost) -> None:
    other, uid = acme(host), int(host.check("id -u openclaw"))
    options = {"instance": "openclaw", "data": True, "backup": {"secrets": False}}
    host.write("/root/killer.py", KILLER)
    host.write("/root/arguments", host.arguments("gateway_removal", options))
    backups = f"{host.check(f'ls {BACKUPS}')}\n".count(".json\n")
    for stage in STAGES:
        ended = host.check(f"python3 /root/killer.py '{stage}' {' '.join(host.program('gateway_removal'))}")
        assert ended == "killed", stage
    done = host.module("gateway_removal", options)
    assert not done.get("failed"), done
    # One backup of the whole state, or two when a kill came between its end and the record of it; no part of one.
    found = f"{host.check(f'ls -lA --time-style=full-iso {BACKUPS}')}\n"
    assert backups + 1 <= found.count(".json\n") <= backups + 2, found
    assert "hardening-tmp" not in found
    host.check(f"rm {NOTES} {UNIT}; rmdir /etc/openclaw; docker rmi {KEPT_IMAGE}")
    assert [line for line in traces(host, uid) if not line.startswith(SHARED)] == []
    assert acme(host) == other


def test_the_last_instance_takes_what_was_shared(life: Life, host: FaultHost) -> None:
    variables = {**EVERYTHING, "openclaw_instance": "acme", "openclaw_remove_confirm": "openclaw-acme"}
    for changed in (True, False):
        run = life.play("remove.yml", host, **variables)
        assert run.returncode == 0, run.stdout[-6000:]
        assert ("changed=0" not in run.stdout) is changed, run.stdout[-3000:]
    assert host.check(f"uid=4000000\n{TRACES}") == ""
    assert host.check("nft list table inet mine | head -1; nft delete table inet mine").startswith("table inet mine")
