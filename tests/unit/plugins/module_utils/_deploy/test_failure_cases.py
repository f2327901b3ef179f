"""Each case of the guide's troubleshooting is reported from what the real OpenClaw, Node.js, Docker and shells wrote.

``recorded/failure-*.txt`` are logs of throw-away containers of the hardened image under other options, with the exit
code as their last line. Two were not made by a gateway: ``erofs`` is Node.js of that image on /app, and in ``old-node``
the image's own ``nodeRuntimeFailure`` was asked about another version.
"""

from __future__ import annotations

import os
import socket
import types
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure import Explainer
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import (
    SUBJECTS,
    Diagnosis,
    Facts,
    Mount,
    Owner,
    diagnose,
    hints_from,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_facts import look
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import merge_streams
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener

RECORDED = Path(__file__).parents[3] / "recorded"
STATE, STATE_DIR = "/home/node/.openclaw", "/var/lib/openclaw/.openclaw"
TOKEN, TOKEN_FILE = "/run/secrets/gateway_token", "/etc/openclaw/secrets/gateway_token"
CONFIG, CONFIG_FILE = "/etc/openclaw/openclaw.json", "/etc/openclaw/openclaw.json"
SCRATCH = {"/tmp": "size=100m", "/home/node/.npm": "", "/home/node/.cache": ""}
MINE = (1000, 1000)


def mounts(**owners: Owner) -> tuple[Mount, ...]:
    return (
        Mount(STATE_DIR, STATE, True, owners.get("state", Owner(*MINE, 0o700))),
        Mount(CONFIG_FILE, CONFIG, False, owners.get("config", Owner(*MINE, 0o400)), folder=False),
        Mount(TOKEN_FILE, TOKEN, False, owners.get("token", Owner(*MINE, 0o400)), folder=False),
    )


def recorded(name: str, **changes: object) -> Facts:
    """Return what was known of the container that left this log, unless something is reported to be otherwise."""
    *lines, last = (RECORDED / f"failure-{name}.txt").read_text().splitlines()
    facts = Facts(
        failure="http://127.0.0.1:18789: found the container ended",
        exit_code=int(last.partition(" ")[2]),
        log=tuple(lines),
        user=MINE,
        read_only=True,
        memory=2 * 2**30,
        tmpfs=SCRATCH,
        mounts=mounts(),
        port=18789,
        inside_port=18789,
    )
    return replace(facts, **changes)


def without(*places: str) -> dict[str, str]:
    return {place: options for place, options in SCRATCH.items() if place not in places}


ROOTS = Owner(0, 0, 0o755)
LAN = (Listener("0.0.0.0", 18789),)
LOOPBACK = (Listener("127.0.0.1", 18789), Listener("127.0.0.11", 40001))
CASES = {
    "a missing .cache": (
        recorded("no-cache-tmpfs", tmpfs=without("/home/node/.cache")),
        ("tmpfs", "/home/node/.cache/openclaw-1000", '"- /home/node/.cache:noexec,nosuid,nodev,size=100m,mode=0700,'),
    ),
    "a missing /tmp": (recorded("no-tmp-tmpfs", tmpfs=without("/tmp")), ("tmpfs", "/tmp/openclaw", '"- /tmp:noexec,')),
    "no tmpfs at all": (recorded("no-tmpfs", tmpfs={}), ("tmpfs", "/tmp/openclaw", '"- /tmp:noexec,')),
    "a write beside the program": (recorded("erofs"), ("tmpfs", "/app/cache.json", "on /app would hide")),
    "a write below the program": (
        recorded("erofs", log=("Error: EROFS: read-only file system, open '/app/cache/models/a b.json'",)),
        ("tmpfs", "/app/cache/models/a b.json", '"- /app/cache/models:noexec,'),
    ),
    "a shell's words": (
        recorded("erofs", log=("touch: cannot touch '/srv/x/y': Read-only file system",)),
        ("tmpfs", "/srv/x/y", '"- /srv/x:noexec,'),
    ),
    "a write to a read-only mount": (
        recorded("erofs", log=("EROFS: read-only file system, open '/etc/openclaw/openclaw.json'",)),
        ("", f"{CONFIG} is mounted read-only", "leave out `read_only:`"),
    ),
    "a state that is not mounted": (
        recorded("no-state-mount", mounts=()),
        ("tmpfs", "/var/lib/openclaw/state", '"- /var/lib/openclaw:noexec,'),
    ),
    "root's state": (
        recorded("state-foreign", mounts=mounts(state=Owner(0, 0, 0o700))),
        ("owner", f"{STATE_DIR} on the host belongs to 0:0 with mode 0700, the container's user is 1000:1000",
         f"`chown -hR 1000:1000 -- {STATE_DIR}`, or another `user:`"),
    ),
    "root's state that can be read": (
        recorded("state-foreign-readable", mounts=mounts(state=ROOTS)),
        ("owner", "belongs to 0:0 with mode 0755", f"`chown -hR 1000:1000 -- {STATE_DIR}`"),
    ),
    "root's file in the state": (
        recorded("state-foreign", denied=(f"{STATE}/state", f"{STATE_DIR}/state", ROOTS)),
        ("owner", f"{STATE_DIR}/state on the host belongs to 0:0", f"`chown -hR 1000:1000 -- {STATE_DIR}`"),
    ),
    "its own state without rights": (
        recorded("state-foreign", mounts=mounts(state=Owner(*MINE, 0o000))),
        ("owner", "belongs to 1000:1000 with mode 0000", f"`chmod -R u+rwX -- {STATE_DIR}`"),
    ),
    "root's configuration": (
        recorded("config-foreign", mounts=mounts(config=Owner(0, 0, 0o400))),
        ("owner", f"{CONFIG} is denied", f"`chown -h 1000:1000 -- {CONFIG_FILE}`"),
    ),
    "root's tmpfs": (recorded("tmpfs-foreign"), ("tmpfs", "may not use /tmp/", '"uid=1000,gid=1000" to the line')),
    "a path of the image": (
        recorded("erofs", log=("Error: EACCES: permission denied, open '/app/secret.mjs'",)),
        ("image", "/app/secret.mjs", "`volumes:` or `tmpfs:`"),
    ),
    "root's secret": (
        recorded("secret-foreign", mounts=mounts(token=Owner(0, 0, 0o400))),
        ("secret", f"{TOKEN_FILE} ({TOKEN}) belongs to 0:0 with mode 0400",
         f"`chown -h 1000:1000 -- {TOKEN_FILE} && chmod 0400 -- "),
    ),
    "a secret that others may read": (
        recorded("secret-open", mounts=mounts(token=Owner(*MINE, 0o444))),
        ("secret", "with mode 0444, OpenClaw takes one of 1000:1000 with mode 0400 or 0600", "chmod 0400 -- "),
    ),
    "a secret provider that is not defined": (
        recorded("secret-no-provider", mounts=mounts(token=Owner(0, 0, 0o400))),
        ("config", "the secret provider openai, which it does not define", "secrets.providers"),
    ),
    "no secret": (recorded("secret-missing", mounts=mounts()[:2]), ("secret", "mounted secrets: none", "`secrets:`")),
    "little memory": (
        recorded("memory", memory=600 * 2**20, oom_killed=True),
        ("memory", "600 MiB: the kernel killed it (exit code 137)", "`mem_limit:`"),
    ),
    "killed, and Docker does not say by whom": (recorded("memory"), ("memory", "it was killed, which", "`mem_limit:`")),
    "Node.js's own limit": (
        recorded("memory", exit_code=134, log=("FATAL ERROR: Reached heap limit - JavaScript heap out of memory",)),
        ("memory", "Node.js gave up (exit code 134)", "`mem_limit:`"),
    ),
    "a busy host": (recorded("starved"), ("processors", "OpenClaw gives its start 5 s", "`cpus:`")),
    "one state for two": (recorded("state-in-use"), ("", f"uses the state directory {STATE_DIR}", "stop the other")),
    "an unknown key": (
        recorded("config-unknown-key"),
        ("config", f'Invalid config at {CONFIG}: <root>: Unrecognized key: "colour"', "openclaw.json"),
    ),
    "a wrong type": (
        recorded("config-wrong-type"),
        ("config", "gateway.port: Invalid input: expected number, received string", "openclaw.json"),
    ),
    "no mode": (recorded("config-no-mode"), ("config", "existing config is missing gateway.mode", "openclaw.json")),
    "no authentication": (
        recorded("config-no-auth"),
        ("config", "Refusing to bind gateway to lan without auth.", "openclaw.json"),
    ),
    "another program's 78": (recorded("erofs", exit_code=78, log=("no",)), ("config", "configuration: no", "openclaw")),
    "an old Node.js": (
        recorded("old-node"),
        ("image", "Node.js 22.12.0, OpenClaw needs >=24.16.0 <25, or >=26.1.0", "`image:`"),
    ),
    "an old Node.js without SQLite": (
        recorded("old-node", log=("openclaw: Node 20.1.2: node:sqlite is unavailable; use 24.16+/26.1+ or a build …",)),
        ("image", "Node.js 20.1.2, OpenClaw needs 24.16+/26.1+", "`image:`"),
    ),
    "the guide's loopback": (
        recorded("loopback", inside=LOOPBACK, healthy_inside=True),
        ("bind", "listens on 127.0.0.1 only", '"gateway.bind" to "lan"'),
    ),
    "another port inside": (
        recorded("loopback", inside=(Listener("0.0.0.0", 3000),)),
        ("port", "listens on port 3000 in its container, 18789 is published", "'target' in `ports:`"),
    ),
    "an internal network": (
        recorded("loopback", inside=LAN, healthy_inside=True),
        ("bind", "not through its published port", "internal: true"),
    ),
    "a taken port": (
        Facts("(… failed: port is already allocated)", port=18789, taken_by=("the container web",)),
        ("port", "port 18789 of the host is taken by the container web", "`ports:`"),
    ),
    "a taken port, in the words of the port proxy": (
        Facts("listen tcp4 …: bind: address already in use", port=18789, taken_by=("python3 (process 7)",)),
        ("port", "is taken by python3 (process 7)", "'published'"),
    ),
    "a taken port that is free again": (Facts("address already in use", port=1), ("port", "gone by now", "ports")),
    "another token": (
        recorded("loopback", answered=True, log=("[ws] unauthorized conn=1 reason=token_mismatch guidance=",)),
        ("secret", "another token", "`secrets:`"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "expected"), CASES.values(), ids=CASES)
def test_the_case_is_recognised_and_the_fix_names_what_to_change(facts, expected):
    found = diagnose(facts)
    assert found is not None
    subject, cause, fix = expected
    assert found.subject == subject
    assert cause in found.cause
    assert fix in found.fix


@pytest.mark.parametrize(
    "facts",
    [
        Facts("x"),
        recorded("loopback", inside=LAN),
        recorded("loopback", inside=LOOPBACK, answered=True),
        recorded("loopback", exit_code=1),
        # ENOENT where it can write, and where everything can be written.
        recorded("no-cache-tmpfs", exit_code=1),
        recorded("no-cache-tmpfs", exit_code=1, tmpfs={}, read_only=False),
        recorded("erofs", log=("touch: '': Read-only file system", "EACCES: permission denied, open 'relative'")),
    ],
)
def test_what_is_not_recognised_gets_no_diagnosis(facts):
    assert diagnose(facts) is None


def test_a_hostile_log_names_nothing_of_the_host():
    """A container writes what it wants: the command to be typed names the mount of the definition, never its text."""
    lines = (f"EACCES: permission denied, open '{STATE}/../../../etc/$(reboot)\x1b[2J'",)
    found = diagnose(recorded("erofs", log=lines))
    assert "chown" not in found.fix
    lines = (f"EACCES: permission denied, open '{STATE}/; rm -rf\u202e \x1b[2J'",)
    text = diagnose(recorded("erofs", log=lines, mounts=mounts(state=ROOTS))).text({})
    assert f"`chown -hR 1000:1000 -- {STATE_DIR}`" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_callers_hint_is_added():
    found = Diagnosis("memory", "a cause", "a remediation")
    assert found.text({}) == "diagnosis: a cause; remediation: a remediation"
    assert (
        found.text({"memory": "the_limit", "port": "x"}) == "diagnosis: a cause; remediation: a remediation (the_limit)"
    )


def test_hints_are_one_line():
    assert hints_from(None) == {}
    assert hints_from(dict.fromkeys(SUBJECTS, "x")) == dict.fromkeys(SUBJECTS, "x")
    with pytest.raises(HardeningError, match=r"hints\.port"):
        hints_from({"port": "a\nb"})


def test_both_streams_of_a_log_come_in_order():
    out = "2026-11-22T21:00:01.000000001Z one\n2026-11-22T21:00:03.000000000Z three 3\n"
    assert (
        merge_streams(out, "2026-11-22T21:00:02.000000000Z two\n2026-11-22T21:00:04.000000000Z \n")
        == "one\ntwo\nthree 3"
    )
    assert merge_streams("", "") == ""


# --- look ---------------------------------------------------------------------------------------------------------


class Api:
    """A daemon that knows some running containers."""

    def __init__(self, *running: dict) -> None:
        self.api = types.SimpleNamespace(containers=lambda: list(running))


def failed(**changes: object) -> Container:
    attrs = {
        "Config": {"User": "1000:1001"},
        "HostConfig": {
            "ReadonlyRootfs": True,
            "Memory": 2**30,
            "Tmpfs": {"/tmp": "size=1m"},
            "PortBindings": {"18789/tcp": [{"HostIp": "127.0.0.1", "HostPort": "1"}]},
        },
        "State": {"Pid": 0},
        **changes,
    }
    return Container("c1", "gateway", "i", "exited", "unhealthy", 78, False, attrs=attrs)


def test_a_failed_container_is_looked_at(tmp_path):
    (tmp_path / "state").mkdir(mode=0o750)
    bound = [
        {"Source": str(tmp_path / "state"), "Destination": STATE, "RW": True},
        {"Source": "/nowhere", "Destination": TOKEN},
    ]
    log = f"one\nEACCES: permission denied, mkdir '{STATE}/a/b'"
    facts = look(Api(), failed(Mounts=bound), "it failed", log, Probe("127.0.0.1", 1, 1, alive="/healthz"))
    own = Owner(os.getuid(), os.getgid(), 0o750)
    assert facts == Facts(
        failure="it failed",
        exit_code=78,
        log=tuple(log.splitlines()),
        user=(1000, 1001),
        read_only=True,
        memory=2**30,
        tmpfs={"/tmp": "size=1m"},
        mounts=(Mount(str(tmp_path / "state"), STATE, True, own), Mount("/nowhere", TOKEN, False, None, False)),
        denied=(f"{STATE}/a/b", str(tmp_path / "state"), own),
        port=1,
        inside_port=18789,
    )


def test_who_has_the_port_is_found():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        probe = Probe("127.0.0.1", port, 1)
        (found,) = look(Api(), None, "x", "", probe).taken_by
        assert f"(process {os.getpid()}, user " in found
        others = {"Id": "c2", "Names": ["/web"], "Ports": [{"PublicPort": port}, {"PrivatePort": 1}]}
        assert look(Api(others), failed(), "x", "", probe).taken_by == ("the container web",)
    assert look(Api({**others, "Id": "c1"}), failed(), "x", "", probe).taken_by == ()


def test_what_listens_inside_is_found():
    container = replace(failed(State={"Pid": os.getpid()}), status="running", health="healthy")
    with socket.socket() as inside:
        inside.bind(("127.0.0.1", 0))
        inside.listen()
        facts = look(Api(), container, "x", "", Probe("127.0.0.1", 1, 1, alive="/healthz"))
        assert inside.getsockname()[1] in {found.port for found in facts.inside}
    assert facts.healthy_inside
    assert not facts.answered


# --- the one message ----------------------------------------------------------------------------------------------


@pytest.fixture
def undone():
    outcome = "the previous deployment is back and healthy"

    def explain(log: str, api: object) -> str:
        container = replace(failed(Mounts=[]), exit_code=137, oom_killed=True)
        service = types.SimpleNamespace(api=api, logs=lambda _container: log)
        explainer = Explainer(service, Probe("127.0.0.1", 1, 1), {"memory": "the_limit"}, ["canary-0001"])
        failure = explainer.of(container, HardeningError("it", "canary-0001 ill", "health"))
        return str(failure.error(outcome, "rolled_back"))

    return explain


def test_the_message_reports_what_failed_why_what_serves_now_and_the_end_of_the_log(undone):
    output = undone("".join(f"line {number}\n" for number in range(40)) + "\x1b[2Jlast", Api())
    parts = [
        "deployment: found it: found ******** ill, needed health",
        " — diagnosis: it needed more memory than its limit of 1024 MiB",
        "(the_limit) — the previous deployment is back and healthy",
        "\nLast log lines of gateway:\nline 16\n",
        "\\x1b[2Jlast",
    ]
    places = [output.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert "line 15\n" not in output
    assert "canary" not in output
    assert "\x1b" not in output


def test_a_look_that_fails_does_not_hide_the_failure(undone):
    output = undone("its log", None)
    assert "******** ill" in output
    assert "diagnosis: none (AttributeError while looking) — the previous deployment is back" in output
    assert output.endswith("\nits log")
