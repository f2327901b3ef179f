"""Each case is named from what was found, with what fixes it; nothing is found on a good host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import failure_cases
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import Facts, Mount, Owner
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Health, Reply
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.history import Deployed
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.engine import (
    FAULT,
    NOTE,
    WARNING,
    diagnose,
    not_checked,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.facts import (
    MIB,
    Clock,
    Daemon,
    Disk,
    Files,
    Host,
    Owned,
    PortFacts,
    Present,
    Records,
    Subject,
    Unit,
    Usage,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.gateway_cases import CASES
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener

STATE, UNIT = "/var/lib/x/.state", "x-gateway.service"
SUBJECT = Subject("x", "gateway", "x-gateway", "/etc/x/compose.yml", "/etc/x/x.json", "/etc/x/secrets",
                  "/etc/x/secrets/token", STATE, "/var/lib/x-records", "x", UNIT, (UNIT, "x-firewall.service"),
                  "x:hardened")  # fmt: skip
RUNS = Container("c" * 64, "x-gateway", "sha256:1", "running", "healthy", 0, False)
ENDED = replace(RUNS, status="exited", health="none", exit_code=1)
GOOD = Health({"alive": Reply(True, "200", answered=True), "serving": Reply(True, "200", answered=True)})
DOWN = Health({"alive": Reply(False, "no answer")})
DEPLOYED = Deployed("x:hardened", "sha256:1", "2026-11-01T00:00:00+00:00", {})
WELL = Host(
    SUBJECT,
    daemon=Daemon(True),
    units={name: Unit(name, "loaded", "active", "enabled") for name in (*SUBJECT.units, "docker.service")},
    records=Records(DEPLOYED),
    container=Present(RUNS),
    health=GOOD,
    failure=Facts(""),
    log=(),
    usage=Usage(2048 * MIB, 0, 512, 0),
    port=PortFacts("", 18790, ("127.0.0.1", "192.0.2.7"), (), "192.0.2.7"),
    disks=(Disk("the state", "/", 10_000 * MIB, 20_000 * MIB),),
    files=Files(1000),
    clock=Clock(2e9, 1e9),
    nameservers=("192.0.2.53",),
    refused=0,
)
SICK = replace(WELL, health=DOWN)
USER = {"user": (1000, 1000), "read_only": True}


def failed(*log: str, code: int = 1, **facts: Any) -> Host:
    """Return a host whose gateway ended with these last lines."""
    known = Facts("", exit_code=code, log=log, **{**USER, **facts})
    return replace(SICK, container=Present(replace(ENDED, exit_code=code)), failure=known, log=log)


def unit(name: str, **changes: Any) -> Host:
    return replace(WELL, units={**WELL.units, name: replace(WELL.units[name], **changes)})  # type: ignore[dict-item]


DENIED = Mount(STATE, "/home/node/.openclaw", True, Owner(0, 0, 0o700))
TOKEN = Mount("/etc/x/secrets/token", "/run/secrets/token", False, Owner(0, 0, 0o400), folder=False)
LOOPBACK = {"inside": (Listener("127.0.0.1", 18789, 0, 1),), "inside_port": 18789, "healthy_inside": True}
ORIGIN = "[ws] closed before connect conn=1 origin=http://pc.example:18789 cause=origin-mismatch"
SCRATCH = [{"path": "/srv/scratch", "size": "100m"}]
OLD = "2026-01-01T00:00:00+00:00"
REJECTED = {"image_id": "sha256:2", "at": "2026-11-02T00:00:00+00:00", "why": "it ended"}

# Case, host, level, subject, value (where it is one), and words of what was found.
FOUND: list[tuple[str, Host, str, str, Any, str]] = [
    ("docker-not-installed", replace(WELL, daemon=Daemon(False, "none")), FAULT, "", None, "none"),
    ("docker-down", replace(WELL, daemon=Daemon(True, "no socket")), FAULT, "", None, "no socket (docker.service"),
    ("disk-full", replace(WELL, disks=(Disk("the state", "/", 63 * MIB, 9999 * MIB),)), FAULT, "", None, "63 MiB"),
    ("disk-full", replace(WELL, disks=(Disk("Docker", "/", 9000 * MIB, 9999 * MIB, 0, 9),)), FAULT, "", None, "inode"),
    ("port-taken", replace(SICK, port=PortFacts("nc", 18790)), FAULT, "port", 18790, "nc has port 18789"),
    ("not-writable", failed("EROFS: read-only file system, mkdir '/srv/scratch/a'"), FAULT, "tmpfs", SCRATCH, "/srv"),
    ("not-allowed", failed("EACCES: permission denied, open '/home/node/.openclaw/a'", mounts=(DENIED,)), FAULT,
     "owner", True, "0:0"),
    ("unresolved-secret", failed("SECRETS_PROVIDER_DEGRADED] x:token", mounts=(TOKEN,)), FAULT, "secret", None, "0:0"),
    ("old-node", failed("Node 22.1: openclaw requires Node >=24."), FAULT, "image", None, "Node.js 22.1"),
    ("out-of-memory", failed(code=137, oom_killed=True, memory=512 * MIB), FAULT, "memory", "1536m", "512 MiB"),
    ("out-of-memory", failed(code=137, oom_killed=True, memory=2048 * MIB), FAULT, "memory", "4096m", "2048 MiB"),
    ("starved", failed("Gateway failed to start: state lease heartbeat did not become ready (timeoutMs=5000)"), FAULT,
     "processors", None, "5 s"),
    ("state-in-use", failed("Another Gateway owner lease is still active for this state directory."), FAULT, "", None,
     "another gateway"),
    ("refused-configuration", failed("Gateway failed to start: bad key", code=78), FAULT, "config", None, "bad key"),
    ("not-reachable", replace(SICK, failure=Facts("", **LOOPBACK)), FAULT, "bind", None, "127.0.0.1"),  # type: ignore[arg-type]
    ("owner", replace(SICK, files=Files(1000, (Owned(f"{STATE}/a", "0:0"),))), FAULT, "owner", True, "/a"),
    ("owner", replace(WELL, files=Files(1000, (Owned("/etc/x/secrets/t", "0:0"),))), WARNING, "", None, "t (0:0)"),
    ("missing-files", replace(SICK, files=Files(1000, (), ("/etc/x/secrets/token",))), FAULT, "", None, "token"),
    ("token", replace(SICK, health=Health({"serving": Reply(False, "401", refused=True)})), FAULT, "token", True,
     "refuses"),
    ("memory", replace(WELL, usage=Usage(2048 * MIB, 2, 512, 0)), WARNING, "memory", "4096m", "killed 2"),
    ("processes", replace(SICK, usage=Usage(0, 0, 512, 3)), FAULT, "processes", 1024, "3 times"),
    ("processes", replace(WELL, usage=Usage(0, 0, 20, 3)), WARNING, "processes", 256, "limit of 20"),
    ("memory-file-system", replace(WELL, usage=Usage(full=(("/tmp", 100 * MIB),))), WARNING, "", None, "/tmp"),
    ("memory-file-system", replace(WELL, usage=Usage(full=(("/srv/x", 8 * MIB),))), WARNING, "tmpfs",
     [{"path": "/srv/x", "size": "16m"}], "/srv/x"),
    ("address", replace(SICK, port=PortFacts(missing_addresses=("192.0.2.9",), own_address="192.0.2.7")), FAULT, "bind",
     "192.0.2.7", "192.0.2.9"),
    ("paused", replace(SICK, container=Present(replace(RUNS, status="paused"))), FAULT, "", None, "paused"),
    ("no-deployment", replace(WELL, records=Records(definition=False), container=Present()), FAULT, "", None, "no dep"),
    ("interrupted", replace(WELL, records=Records(DEPLOYED, interrupted="starting")), FAULT, "", None, "starting"),
    ("interrupted", replace(WELL, records=Records(DEPLOYED, interrupted="starting", busy="process 12")), WARNING, "",
     None, "process 12"),
    ("container-missing", replace(SICK, container=Present()), FAULT, "", None, "no container x-gateway"),
    ("image-missing", replace(SICK, container=Present(RUNS, image=False)), FAULT, "", None, "x:hardened"),
    ("stray-containers", replace(WELL, container=Present(RUNS, strays=("abc_x",))), WARNING, "", None, "abc_x"),
    ("unit", unit(UNIT, load="masked"), WARNING, "", None, "masked"),
    ("unit", unit("x-firewall.service", active="failed", result="exit-code"), WARNING, "", None, "exit-code"),
    ("unit", unit(UNIT, enabled="disabled"), WARNING, "", None, "not enabled"),
    ("unit", unit(UNIT, needs_reload=True), WARNING, "", None, "not loaded"),
    ("unit", unit(UNIT, load="not-found"), WARNING, "", None, "not-found"),
    ("stopped-by-setting", replace(WELL, subject=replace(SUBJECT, runs=False)), NOTE, "state", "present", "stop"),
    ("failed-version", replace(WELL, records=Records(DEPLOYED, (REJECTED,))), WARNING, "retry", True, "it ended"),
    ("changed-files", replace(WELL, records=Records(DEPLOYED, changed=("/etc/x.json",))), WARNING, "", None, "x.js"),
    ("changed-files", replace(WELL, records=Records(DEPLOYED, damaged=("r.json",))), WARNING, "", None, "r.json"),
    ("clock", replace(WELL, clock=Clock(1000, 2000)), FAULT, "", None, "1000 s"),
    ("no-nameserver", replace(WELL, nameservers=()), WARNING, "", None, "nameserver"),
    ("refused-connections", replace(WELL, refused=12), NOTE, "reachable", None, "12 packets"),
    ("channel", replace(WELL, health=replace(GOOD, not_ready=("telegram",))), WARNING, "channel", None, "telegram"),
    ("locked-out", replace(WELL, health=Health({"alive": Reply(True, ""), "serving": Reply(None, "429 (locked out)")})),
     WARNING, "", None, "locked out"),
    ("other-token", replace(WELL, failure=Facts("", log=("unauthorized reason=token_mismatch",))), WARNING, "", None,
     "token"),
    ("origin", replace(WELL, log=(ORIGIN,)), WARNING, "origins", ["http://pc.example:18789"], "pc.example"),
    ("names", replace(WELL, log=("getaddrinfo EAI_AGAIN api.example.org",)), WARNING, "hosts", None, "api.example.org"),
    ("certificate", replace(WELL, log=("cause: SELF_SIGNED_CERT_IN_CHAIN",)), WARNING, "ca", None, "not trusted"),
    ("no-way-out", replace(WELL, log=("connect ETIMEDOUT 192.0.2.1:443",)), WARNING, "proxy", None, "192.0.2.1:443"),
    ("loopback-only", replace(WELL, port=PortFacts("", 0, ("127.0.0.1",), (), "192.0.2.7")), NOTE, "bind", "192.0.2.7",
     "127.0.0.1"),
    ("stopped", replace(SICK, container=Present(ENDED)), FAULT, "", None, "exited (exit code 1; its unit is active)"),
    ("stopped", replace(SICK, container=Present(replace(RUNS, health="starting"))), WARNING, "", None, "starting"),
    ("unexplained", replace(SICK, log=("the last words",)), FAULT, "", None, "the last words"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "host", "level", "subject", "value", "words"), FOUND,
                         ids=[f"{entry[0]}-{number}" for number, entry in enumerate(FOUND)])  # fmt: skip
def test_a_case_is_named(case: str, host: Host, level: str, subject: str, value: Any, words: str) -> None:
    (finding,) = [finding for finding in diagnose(host, CASES) if finding.case.id == case]
    found = finding.found
    assert (found.level, found.subject, found.value) == (level, subject, value)
    assert words in found.found
    assert found.remedy
    assert found.needed


def test_every_case_is_tried_and_has_one_id() -> None:
    assert {entry[0] for entry in FOUND} == {case.id for case in CASES}
    assert len({case.id for case in CASES}) == len(CASES)
    assert set(failure_cases.CASES) <= {case.id for case in CASES}


def test_nothing_is_wrong_with_a_good_host() -> None:
    assert diagnose(WELL, CASES) == []
    assert not_checked(WELL, CASES) == []


def test_an_old_failure_and_an_old_log_are_no_fault_of_a_gateway_that_serves() -> None:
    host = replace(failed("EROFS: read-only file system, mkdir '/srv/scratch/a'"), health=GOOD, container=Present(RUNS))
    assert diagnose(host, CASES) == []
    before = replace(WELL, records=Records(DEPLOYED, ({**REJECTED, "at": OLD},)))
    assert diagnose(before, CASES) == []


def test_only_the_surest_case_of_a_failure_counts() -> None:
    found = diagnose(failed("EROFS: read-only file system, mkdir '/srv/scratch/a'", code=78), CASES)
    assert [finding.case.id for finding in found] == ["not-writable"]


def test_a_gateway_that_is_meant_to_rest_is_no_fault() -> None:
    host = replace(SICK, subject=replace(SUBJECT, runs=False), container=Present(replace(ENDED, exit_code=0)))
    assert [finding.found.level for finding in diagnose(host, CASES)] == [NOTE]


def test_what_cannot_be_read_is_listed_and_never_well() -> None:
    gone = Unavailable("Docker is down")
    host = replace(WELL, daemon=Daemon(True, "down"), container=gone, health=gone, failure=gone, log=gone, usage=gone)
    assert [finding.case.id for finding in diagnose(host, CASES)] == ["docker-down"]
    gaps = not_checked(host, CASES)
    assert [gap["part"] for gap in gaps] == ["container", "health", "failure", "log", "usage"]
    assert {gap["reason"] for gap in gaps} == {"Docker is down"}
    assert "names" in gaps[3]["cases"]


def test_nothing_at_all_can_be_read() -> None:
    assert diagnose(Host(SUBJECT), CASES) == []
    assert len(not_checked(Host(SUBJECT), CASES)) == 14


def test_the_likeliest_comes_first() -> None:
    host = replace(SICK, clock=Clock(1000, 2000), nameservers=(), log=("getaddrinfo EAI_AGAIN a.example",))
    levels = [finding.found.level for finding in diagnose(host, CASES)]
    assert levels == [FAULT, WARNING, WARNING]
    assert [finding.found.certain for finding in diagnose(host, CASES)] == [True, True, False]
