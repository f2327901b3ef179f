"""What every fault needs: a host under test, one fault at a time in a good deployment, and the audit's answer."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import advice
import pytest
import yaml
from lab_host import CHECKOUT, LabHost, deploy_stub_gateway, lab, wait_until, with_secrets

LAB = "seeded-faults"
BUILD = CHECKOUT / "build" / LAB
LONG = os.environ.get("SEEDED_FAULTS") == "long"
COMPOSE = "/etc/openclaw/docker-compose.hardened.yml"
RECORD = "/var/lib/openclaw-hardening/image.json"
# The image of a fault; its record is given to the audit, so that it differs in nothing but its fault.
IMAGE = "openclaw:seeded-fault"
FAULT_RECORD = "/root/seeded-fault.json"
# What heals a fault is a run of site.yml.
SITE = "site"
# The limits that the roles set.
UNITS = {
    "openclaw-gateway.service": 2.0,
    "openclaw-gateway-start.service": 2.0,
    "openclaw-gateway-firewall.service": 2.0,
    "openclaw-auth-monitor.service": 0.3,
    "openclaw-auth-notifier.service": 1.1,
    "openclaw-auth-monitor.timer": 10,
    "openclaw-maintenance-notifier.timer": 10,
    "openclaw-maintenance-notifier.service": 1.2,
    "openclaw-audit.timer": 10,
    "openclaw-audit.service": 4.5,
    "openclaw-events.timer": 10,
    "openclaw-events.service": 2.5,
}
# What the capitals of a remediation stand for on these hosts.
VALUES = {
    "CONTAINER": "openclaw-gateway",
    "FILE": COMPOSE,
    "GID": "1000",
    "HOME": "/var/lib/openclaw",
    "IMAGE": "openclaw:hardened",
    "NAME": "openclaw",
    "UID": "1000",
}
DAEMON_JSON = "/etc/docker/daemon.json"
CONFIG = "/etc/openclaw/openclaw.json"
GOOD_OPTIONS: dict[str, Any] = {"account": "openclaw", "record": RECORD, "units": UNITS}

# Words that the shell fragments of the faults share. The first child of PID 1 is the gateway itself.
WORDS = r"""
set -eu
C=openclaw-gateway
S=/etc/systemd/system
LIB=/usr/local/lib/openclaw-hardening
TOKEN=/etc/openclaw/secrets/gateway_token
container() { docker container inspect --format "$1" $C; }
pid() { container '{{.State.Pid}}'; }
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(pid)/status"; }
address() { ip -4 -o addr show dev eth0 | awk '{print $4}' | cut -d/ -f1; }
own() { [ "$(readlink "/proc/$(pid)/ns/$1")" != "$(readlink "/proc/1/ns/$1")" ]; }
stabilize() { for _ in $(seq 100); do docker exec $C true 2>/dev/null && ! unready && return; sleep 0.1; done; return
1; }
unready() { ! curl --silent --fail --output /dev/null --max-time 2 http://127.0.0.1:18789/startupz; }
healthy() {
  for _ in $(seq ${2:-100}); do [ "$(container '{{.State.Health.Status}}')" = "$1" ] && return; sleep 0.1; done
  return 1
}
# remount PLACE FLAGS, in the container's mounts: 1: read-only, 2: nosuid, 4: nodev, 8: noexec.
remount() {
  python3 - "$(pid)" "$@" <<'PYTHON'
import ctypes, os, sys
pid, place, flags = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
space = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
remount, bind, mounts = 32, 4096, 0x00020000
if libc.setns(space, mounts) or libc.mount(b"none", place.encode(), None, remount | bind | int(flags), None):
    sys.exit(os.strerror(ctypes.get_errno()))
PYTHON
}
# Docker is back, and its gateway with it.
docker_again() {
  systemctl reset-failed
  systemctl restart docker.service
  gateway_again
}
# A container that was made or started by hand is left to its unit.
gateway_again() {
  systemctl reset-failed
  for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
  systemctl start openclaw-gateway.service openclaw-gateway-firewall.service
  stabilize
}
"""


def up(count: int) -> list[str]:
    """Boot hosts with a good deployment, or bring those that run up to date; return their names."""
    names = [f"gateway{number}" for number in range(count)]
    try:
        deploy_stub_gateway(LAB, *names)
    except RuntimeError:
        down()
        raise
    return names


def down() -> None:
    """Take the hosts away; SEEDED_FAULTS_KEEP=1 keeps them for the next run."""
    if os.environ.get("SEEDED_FAULTS_KEEP") != "1":
        lab("down", "--lab", LAB)


@dataclass
class Definition:
    """A compose file, to be changed: as a whole, the gateway's part of it, and what is known of the host."""

    whole: dict[str, Any]
    facts: dict[str, str]

    @property
    def gateway(self) -> dict[str, Any]:
        return self.whole["services"]["openclaw-gateway"]

    def leave(self, *names: str) -> None:
        """Take settings away."""
        for name in names:
            self.gateway.pop(name, None)

    def mount(self, source: str, target: str, **settings: Any) -> None:
        """Mount one thing more."""
        self.gateway["volumes"].append({"type": "bind", "source": source, "target": target, **settings})

    def port(self, address: str, published: int = 18789, target: int = 18789) -> dict[str, Any]:
        """Return one published port."""
        return {"target": target, "published": str(published), "host_ip": address, "protocol": "tcp", "mode": "host"}


@dataclass(frozen=True)
class SeededFault:
    """One fault in a good deployment.

    :param expected: the check that has to find it.
    :param real: shell on the host that reports whether the fault is really there; it must deny it on the good
    deployment.
    :param compose: changes the definition.
    :param needs: shell that reports whether this host can have the fault at all.
    :param image: Dockerfile (without FROM, as root) of the image that it runs instead; the record knows that one.
    :param prepare: shell on the host that lays down what the Dockerfile copies, in folders of /root/context.
    :param before: shell on the host, before the container is made.
    :param do: shell on the host, afterwards.
    :param undo: shell on the host that takes ``before`` and ``do`` back.
    :param again: the container is spoilt; a new one has to be made afterwards.
    :param start: whether the container is started, not only made.
    :param state: what Docker reports about the container before it is checked (health, else status); empty: whatever.
    :param options: for the audit, over the usual ones.
    :param way: which way of the rule's remediation heals it; SITE: a run of site.yml; None: nothing that is shown.
    :param values: what the capitals of the remediation stand for here, over VALUES.
    """

    name: str
    expected: str
    real: str
    compose: Callable[[Definition], object] | None = None
    needs: str = ""
    image: str = ""
    prepare: str = ""
    before: str = ""
    do: str = ""
    undo: str = ""
    anew: bool = False
    start: bool = True
    state: str = "healthy"
    options: dict[str, Any] = field(default_factory=dict)
    way: int | str | None = 0
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """What hardening_info reports."""

    checks: list[dict[str, Any]]
    seconds: float

    @property
    def bad(self) -> dict[str, str]:
        """Return the checks that say something is wrong or cannot be proven, each with what was found."""
        return {
            check["id"]: f"{check['status']}: {check['actual']}"
            for check in self.checks
            if check["status"] in ("fail", "error")
        }

    def found(self, identity: str) -> bool:
        """Return whether a check proves that something is wrong."""
        return any(check["id"] == identity and check["status"] == "fail" for check in self.checks)

    def remediation(self, identity: str) -> str:
        return next((check["remediation"] for check in self.checks if check["id"] == identity), "")

    def status(self, identity: str) -> str:
        """Return what a check reports, and what it found."""
        return next((f"{check['status']}: {check['actual']}" for check in self.checks if check["id"] == identity), "?")

    def severity(self, identity: str) -> str:
        return next((check["severity"] for check in self.checks if check["id"] == identity), "?")


class Host(LabHost):
    """A host with the good deployment on it, and one fault at most."""

    def __init__(self, name: str) -> None:
        super().__init__(LAB, name)
        self.facts = {
            "address": self.address,
            "docker": self.check("getent group docker | cut -d: -f3"),
            "token": self.check("cat $TOKEN"),
        }
        self._good = yaml.safe_load(
            self.check(f"[ -e /root/good.yml ] || cp {COMPOSE} /root/good.yml; cat /root/good.yml")
        )
        # Docker reports sooner that a container is well; nothing else differs from what the role deployed.
        # Afterwards it
        # asks seldom: a check every second, which starts a node each time, takes a tenth of a processor.
        self._good["services"]["openclaw-gateway"]["healthcheck"].update(start_interval="300ms", start_period="30s")
        self._running = ""
        self._faulty = self.definition()
        self._healed = False

    def run(self, script: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run shell on the host, which may use WORDS."""
        return super().run(WORDS + script, timeout)

    def definition(self) -> Definition:
        """Return the good definition, to be changed."""
        return Definition(copy.deepcopy(self._good), self.facts)

    def deploy(
        self, definition: Definition, state: str = "healthy", before: str = "", image: str = "", start: bool = True
    ) -> None:
        """Run the gateway by this definition, and wait until Docker reports what is expected of it."""
        text = yaml.safe_dump(definition.whole, sort_keys=False)
        if before or image or text != self._running:
            self._running = ""
            self.write(COMPOSE, text)
            up = f"docker compose --file {COMPOSE} up --detach --remove-orphans openclaw-gateway 2>&1"
            then = "systemctl reset-failed; systemctl start openclaw-gateway.service"
            if not start:
                up, then = up.replace("--detach", "--no-start"), ""
            self.check(f"{before}\nexport OPENCLAW_IMAGE={IMAGE if image else ''}\n{up}\n{then}")
        if state == "healthy":
            self.check("healthy healthy")
        elif state:
            wait_until(lambda: state in self.check("container '{{json .State}}'"), f"{self.name}: {state}")
        self._running = text if start and not before and not image else ""

    def audit(self, **options: Any) -> Audit:
        """Run hardening_info."""
        start = time.monotonic()
        answer = self.module("hardening_info", {**GOOD_OPTIONS, **options}, diff=False)
        seconds = time.monotonic() - start
        if answer.get("failed"):
            raise AssertionError(answer["msg"])
        return Audit(answer["checks"], seconds)

    @contextmanager
    def having(self, fault: SeededFault) -> Iterator[dict[str, Any]]:
        """Make the deployment faulty, and good again; yields the options for its audit."""
        if fault.needs and self.run(fault.needs).returncode != 0:
            pytest.skip(f"this host cannot have it: {fault.needs}")
        definition, options = self.definition(), dict(fault.options)
        if fault.image:
            self._build(fault.image.splitlines(), fault.prepare)
            options.setdefault("record", FAULT_RECORD)
        if fault.compose:
            fault.compose(definition)
        try:
            self.deploy(definition, fault.state if fault.start else "", fault.before, fault.image, fault.start)
            if fault.do:
                self.check(fault.do)
            self.check(f"{fault.real}\n")
            self._faulty, self._healed = definition, False
            yield options
        finally:
            if fault.undo and self._healed:
                self.run(f"set +e\n{fault.undo}")  # what was healed need not be there to be undone
            elif fault.undo:
                self.check(fault.undo)
            self._healed = False
            if fault.anew:
                self.check("docker rm --force $C")
            if fault.anew or fault.before or fault.state != "healthy" or not fault.start:
                self._running = ""

    def heal(self, fault: SeededFault, audit: Audit) -> None:
        """Do what the audit reports about a fault, to the letter."""
        ways = advice.ways(audit.remediation(fault.expected))
        self._healed, self._running = True, ""
        if fault.way == SITE:
            assert advice.SITE in ways, ways
            self.site()
            return
        way = [way for way in ways if way != advice.SITE][int(fault.way or 0)]
        image = f"export OPENCLAW_IMAGE={IMAGE if fault.image else ''}\n"
        settings = {path: json.loads(self.check(f"cat {path}")) for path in (DAEMON_JSON, CONFIG) if self._has(path)}
        patient = advice.Patient(
            copy.deepcopy(self._faulty.gateway),
            {**VALUES, **fault.values},
            fault.image.splitlines(),
            copy.deepcopy(settings),
        )

        def put() -> None:
            if patient.gateway != self._faulty.gateway:
                self._faulty.whole["services"]["openclaw-gateway"] = copy.deepcopy(patient.gateway)
                self.write(COMPOSE, yaml.safe_dump(self._faulty.whole, sort_keys=False))
            for path, text in settings.items():
                if text != patient.settings[path]:
                    settings[path] = copy.deepcopy(patient.settings[path])
                    self.write(path, json.dumps(settings[path], indent=2))

        def run(command: str) -> None:
            put()
            self.check(f"{image}{{ {command}\n}} >/dev/null 2>/root/reported || {{ cat /root/reported >&2; exit 1; }}")

        def build(options: str) -> None:
            named = patient.values.get("STAGE", "").replace("AS ", "")
            prepare = "" if fault.prepare.startswith("export") else fault.prepare
            self._build(patient.dockerfile, f"{prepare}\necho data > /root/context/checked", named or "fault", options)

        patient.run, patient.build = run, build
        advice.follow(way, patient)
        put()
        self.check("gateway_again; healthy healthy 300")
        self.facts["token"] = self.check("cat $TOKEN")

    def site(self) -> None:
        """Do what a run of site.yml does about units, with the options that the roles gave."""
        newest = max((BUILD / "records").glob("*-run.json"))
        for task in json.loads(newest.read_text())["tasks"]:
            module = task["action"].rpartition(".")[2]
            if module == "systemd_unit" and task["host"] == self.name and task.get("options"):
                options = {name: value for name, value in task["options"].items() if value is not None}
                answer = self.module(module, with_secrets(self, options), diff=False)
                assert not answer.get("failed"), answer

    def _has(self, path: str) -> bool:
        return self.run(f"[ -f {path} ]").returncode == 0

    def _build(self, dockerfile: list[str], prepare: str, stage: str = "fault", options: str = "") -> None:
        """Build a fault's image from the good one, and a record that knows it."""
        last_stage = dockerfile[
            max([number for number, line in enumerate(dockerfile) if line.startswith("FROM ")] or [0]) :
        ]
        lines = f"FROM openclaw:hardened AS {stage or 'fault'}\nUSER 0:0\n" + "".join(
            f"{line}\n" for line in dockerfile
        )
        if not any(line.startswith("USER ") for line in last_stage):
            lines += "USER 1000:1000\n"
        self.check(
            f"rm -rf /root/context; mkdir /root/context\n{prepare}\ncat > /root/Dockerfile <<'EOF'\n{lines}EOF\n"
            f"docker buildx build --load --quiet {options} --tag {IMAGE} --file /root/Dockerfile /root/context"
            " >/dev/null\n"
            f"jq --arg id $(docker image inspect -f '{{{{.Id}}}}' {IMAGE}) '.image_id=$id | .ref=\"{IMAGE}\"' {RECORD} "
            f"> {FAULT_RECORD}; chmod 600 {FAULT_RECORD}"
        )

    def forget(self) -> None:
        """Make the container again, whatever runs."""
        self._running = ""

    def good(self) -> Audit:
        """Put the good definition in force and check it."""
        self.deploy(self.definition())
        return self.audit()
