"""A host that audits itself and makes its backups without Ansible: what it finds, whom it notifies, and how often."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from harness import FaultHost
from lab_host import NEVER, playbook, recorded, wait_until
from life import LAB, OPTIONS, TOKEN_FILE, Life

ROLE = Path(__file__).with_name("maintenance.yml")
RECORDS = "/var/lib/openclaw-hardening/maintenance"
METRICS = "/var/lib/prometheus/node-exporter"
BACKUPS = "/var/backups/openclaw-maintenance"
AUDIT, BACKUP, EVENTS = "openclaw-audit.service", "openclaw-backup.service", "openclaw-events.service"
NOTIFIER = "openclaw-maintenance-notifier.service"
DROP_IN = "/etc/systemd/system/openclaw-auth-monitor.service.d"
PORT = 8098
RECEIVED = "/root/maintenance-test.jsonl"
# Takes the place of an ntfy server; root's, so that the notifier believes it.
RECEIVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        with open(sys.argv[2], "a") as record:
            record.write(json.dumps([dict(self.headers), body]) + "\\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_PUT = do_POST
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *arguments):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
# Starts the audit as its own timer would, at once.
TRIGGER = "maintenance-trigger.timer"
# Sleeps, twice in a row: that is the pause before the audit that confirms (clock_nanosleep of x86-64 and of ARM64).
PAUSING = f"""pid=$(systemctl show -P MainPID {AUDIT})
for _ in 1 2; do
  case "$(cut -d' ' -f1 /proc/$pid/syscall)" in 230|115) sleep 0.7 ;; *) exit 1 ;; esac
done"""

# OpenClaw's own words, as it wrote them; and what it writes into its database when a person approves something.
LINES = """for n in 1 2 3 4; do
  echo "2026-11-22T19:27:15.224+00:00 [ws] unauthorized conn=$n peer=192.0.2.9:36588->x remote=192.0.2.9 \
client=CANARY cli v1.0 role=operator scopes=0 auth=token device=no reason=token_mismatch guidance=unauthorized"
done
echo "2026-11-22T19:27:15.224+00:00 [reload] config change detected; evaluating reload (tools.exec)"
echo "2026-11-22T19:27:15.224+00:00 [tools] exec failed: EROFS: read-only file system, open '/usr/CANARY'"
"""
ROWS = """
import sqlite3, time
now = int(time.time() * 1000)
with sqlite3.connect("/var/lib/openclaw/.openclaw/state/openclaw.sqlite", timeout=30) as database:
    database.execute("PRAGMA ignore_check_constraints=ON")
    database.execute(
        "INSERT INTO operator_approvals (approval_id, resolution_ref, kind, status, presentation_json, decision,"
        " terminal_reason, reviewer_device_ids_json, audience_session_keys_json, runtime_epoch, created_at_ms,"
        " expires_at_ms, updated_at_ms, resolved_at_ms) VALUES"
        " ('CANARY', ?, 'exec', 'denied', '{}', 'deny', 'user', '[]', '[]', 'x', ?, ?, ?, ?)",
        ("a" * 43, now, now + 1000, now, now))
    database.execute(
        "INSERT INTO device_pairing_paired (device_id, public_key, display_name, role, approved_via, created_at_ms,"
        " approved_at_ms) VALUES ('canary', 'CANARY', 'CANARY', 'operator', 'silent', ?, ?)", (now, now))
"""
UNDO_ROWS = """
import sqlite3
with sqlite3.connect("/var/lib/openclaw/.openclaw/state/openclaw.sqlite", timeout=30) as database:
    database.execute("DELETE FROM operator_approvals WHERE approval_id = 'CANARY'")
    database.execute("DELETE FROM device_pairing_paired WHERE device_id = 'canary'")
"""
# The container's own packets, which the packet filter refuses. A change of the rules has them counted at once.
REFUSED = """python3 - <<'PYTHON'
import ctypes, os, socket, subprocess
look = "{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}"
found = subprocess.check_output(["docker", "inspect", "--format", look, "openclaw-gateway"], text=True)
pid, bridge = found.split()
with open(f"/proc/{pid}/ns/net") as network:
    if os.fork() == 0:
        ctypes.CDLL(None).setns(network.fileno(), 0)
        for _ in range(6):
            assert socket.socket().connect_ex((bridge, 9)) != 0
        os._exit(0)
assert os.wait()[1] == 0
PYTHON
nft add table inet poke; nft delete table inet poke; sleep 3"""


class Maintained:
    """The host with the units, and what its receiver was sent."""

    def __init__(self, host: FaultHost) -> None:
        self.host = host
        self.seen = 0

    def play(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Install the units with these options."""
        done = playbook(LAB, ROLE, "--limit", self.host.name, *options, **variables)
        assert done.returncode == 0, done.stdout[-6000:]
        return done

    def receiver(self, on: bool) -> None:
        """Start or stop the receiver."""
        self.host.run("systemctl stop maintenance-receiver")
        if on:
            argv = shlex.join(["python3", "-c", RECEIVER, str(PORT), RECEIVED])
            self.host.check(f"systemd-run --quiet --collect --unit=maintenance-receiver {argv}")
            wait_until(lambda: self.host.run(f"curl -s http://127.0.0.1:{PORT}/up").returncode == 0, "the receiver")

    def start(self, unit: str) -> bool:
        """Run a job to its end, and the notifier after it; return whether the job succeeded."""
        well = self.host.run(f"systemctl start {unit}").returncode == 0
        self.delivered()
        return well

    def delivered(self) -> None:
        """Let the notifier send what is due."""
        self.host.run(f"systemctl start {NOTIFIER}")

    def as_account(self, program: str) -> None:
        """Run a program of Python as the gateway's account."""
        self.host.check(
            f"setpriv --reuid openclaw --regid openclaw --clear-groups python3 - <<'PYTHON'\n{program}\nPYTHON"
        )

    def news(self) -> list[tuple[str, str]]:
        """Return the messages since the last call: title without the names, body."""
        lines = self.host.run(f"cat {RECEIVED}").stdout.splitlines()
        found = [json.loads(line) for line in lines[self.seen :]]
        self.seen = len(lines)
        return [(headers["Title"].partition(": ")[2], body) for headers, body in found]

    def record(self, name: str) -> dict[str, Any]:
        """Return a record of the jobs."""
        return json.loads(self.host.check(f"cat {RECORDS}/{name}.json"))

    def audited(self) -> dict[str, str]:
        """Return what the audit by Ansible finds, rule by rule, with the options that the roles give it."""
        answer = self.host.module("hardening_info", recorded(LAB, "hardening_info") | {"units": self.units()})
        return {f"{check['id']} {check['target']}": check["status"] for check in answer["checks"]}

    def units(self) -> dict[str, float]:
        """Return the units that are expected; this play has more of them than site.yml was given."""
        settings = json.loads(self.host.check("cat /etc/openclaw/maintenance.json"))
        return settings["options"]["audit"]["units"]


@pytest.fixture(scope="module")
def host(life: Life) -> Iterator[Maintained]:
    """Return the host with a receiver, metrics and both schedules, which never come; the first audit is made."""
    here = Maintained(life.alpha)
    # What earlier tests were reported is forgotten.
    life.alpha.check(f"rm -rf {RECORDS} /var/lib/private/openclaw-maintenance-notifier")
    # As Debian's packages leave it: the directory above is of another account.
    life.alpha.check(f"rm -f {RECEIVED}; mkdir -p {METRICS}; chown nobody {METRICS}/..")
    here.receiver(True)
    options: dict[str, Any] = {
        "openclaw_maintenance_backup_schedule": NEVER,
        "openclaw_maintenance_metrics_dir": METRICS,
        "openclaw_maintenance_notify_ntfy": f"http://127.0.0.1:{PORT}/alerts",
        "openclaw_backup_dir": BACKUPS,
        "openclaw_backup_recipient": life.public,
    }
    here.play(**options)
    here.delivered()
    here.news()
    yield here
    here.receiver(False)
    here.play()
    life.alpha.check(
        f"umount {BACKUPS} 2>/dev/null || true; rm -rf {BACKUPS} {RECEIVED} {DROP_IN}; systemctl daemon-reload"
    )


def test_the_host_finds_what_ansible_finds(host: Maintained) -> None:
    # One that the tests before have just started again has no health yet, and is skipped.
    healthy = "docker inspect --format '{{.State.Health.Status}}' openclaw-gateway | grep -qx healthy"
    wait_until(lambda: host.host.run(healthy).returncode == 0, "Docker's health", 120)
    assert host.start(AUDIT)
    own = {f"{check['id']} {check['target']}": check["status"] for check in host.record("checks")["checks"]}
    names = {"project": "openclaw", "service": "openclaw-gateway", "container_name": "openclaw-gateway"}
    differs = bool(host.host.module("deployment_info", names)["drift"])  # the tests before leave what they want
    assert own.pop("DRIFT openclaw-gateway") == ("fail" if differs else "pass")
    assert own == host.audited()
    assert len(own) > 90
    assert host.news() == []
    # Nothing of Ansible is needed for it.
    assert host.host.check("cat /usr/local/lib/openclaw-hardening/maintenance.pyz | head -c 2") == "PK"


def test_a_fault_that_lasts_is_one_alert_and_one_of_a_moment_is_none(host: Maintained) -> None:
    mode = host.host.check(f"stat -c %a {TOKEN_FILE}")
    before = host.audited()
    host.host.check(
        f"chmod 644 {TOKEN_FILE}\n"
        f"mkdir -p {DROP_IN}; printf '[Service]\\nNoNewPrivileges=no\\n' > {DROP_IN}/test.conf; systemctl daemon-reload"
    )
    both = {name for name, status in host.audited().items() if status in ("fail", "error") and before[name] != status}
    try:
        # As its timer starts it; whoever starts it by hand waits for no second audit.
        host.host.check(
            f"printf '[Timer]\\nOnActiveSec=0\\nAccuracySec=1\\nUnit={AUDIT}\\n' > /run/systemd/system/{TRIGGER}\n"
            f"systemctl daemon-reload; systemctl start {TRIGGER}"
        )
        wait_until(lambda: host.host.run(PAUSING).returncode == 0, "the pause of the audit", 180)
    except AssertionError:
        host.host.check(f"chmod {mode} {TOKEN_FILE}")
        raise
    finally:
        host.host.check(
            f"systemctl stop {TRIGGER}; rm -rf {DROP_IN} /run/systemd/system/{TRIGGER}; systemctl daemon-reload"
        )
    now = host.audited()
    lasts = {name for name in both if now[name] in ("fail", "error")}
    assert lasts
    assert both - lasts
    assert host.start(AUDIT)  # waits for the one that runs
    ((title, body),) = host.news()
    assert title.endswith("to fail")
    assert all(name.split()[0] in body for name in lasts)
    assert not [name for name in both - lasts if name.split()[0] in body]
    assert lasts <= set(host.record("findings")["findings"])
    host.start(AUDIT)
    assert host.news() == []
    host.host.check(f"chmod {mode} {TOKEN_FILE}")
    host.start(AUDIT)
    ((title, body),) = host.news()
    assert title.endswith("not fail any more")
    assert all(name in body for name in lasts)


def test_security_events_are_exactly_their_alerts(host: Maintained) -> None:
    """One login and some connections are refused in earnest; the log, the database, the container have the others."""
    gateway = "docker exec openclaw-gateway node openclaw.mjs gateway call health"
    wait_until(lambda: host.host.run(f"{gateway} --json >/dev/null").returncode == 0, "the gateway", 120)
    # In the first minute of a gateway its database is left alone.
    started = "$(date -d \"$(docker inspect --format '{{.State.StartedAt}}' openclaw-gateway)\" +%s)"
    wait_until(lambda: host.host.run(f'[ "$(date +%s)" -gt $(({started} + 61)) ]').returncode == 0, "its minute", 90)
    host.as_account(UNDO_ROWS)  # of a run that was cut off
    assert host.start(EVENTS)
    assert host.news() == []
    assert host.host.run(f"{gateway} --url ws://127.0.0.1:18789 --token wrong").returncode != 0
    host.host.check(
        f"docker exec --interactive openclaw-gateway sh >/dev/null <<'SHELL'\nexec >/proc/1/fd/1\n{LINES}\nSHELL"
    )
    host.as_account(ROWS)
    host.host.check(f"systemctl start {EVENTS}")
    found: dict[str, str] = {}
    # The program starts the notifier by itself.
    with suppress(AssertionError):  # what is missing is shown below
        wait_until(lambda: found.update(host.news()) or len(found) >= 5, "five alerts", 30)
    assert set(found) == {
        "logins are refused",
        "the configuration was changed while the gateway runs",
        "a write was denied",
        "commands of the agent were approved or refused",
        "a device was paired",
    }
    assert "from 192.0.2.9 (4), from 127.0.0.1 (1)" in found["logins are refused"].replace("[.]", ".")
    assert "exec denied deny (1)" in found["commands of the agent were approved or refused"]
    assert "CANARY" not in str(found) + host.host.check(f"cat {RECORDS}/*.json")
    host.as_account(UNDO_ROWS)
    host.host.check(f"{REFUSED}; docker kill openclaw-gateway >/dev/null")
    assert host.start(EVENTS)
    found = dict(host.news())
    assert set(found) == {
        "the gateway ended with an error",
        "the gateway or its agent tries to reach this host or a private network",
    }
    assert "exit code 137 (1)" in found["the gateway ended with an error"]
    wait_until(host.host.answers, "the gateway after it was killed", 120)
    assert host.start(EVENTS)
    assert host.news() == []


def test_the_log_watcher_has_no_network(host: Maintained) -> None:
    shown = host.host.check(f"systemctl show -p PrivateNetwork,ProtectSystem,CapabilityBoundingSet {EVENTS}")
    assert sorted(shown.splitlines()) == [
        "CapabilityBoundingSet=cap_dac_read_search cap_kill cap_setgid cap_setuid cap_sys_chroot",
        "PrivateNetwork=yes",
        "ProtectSystem=strict",
    ]


def test_a_backup_is_made_and_accepted(host: Maintained, life: Life) -> None:
    assert host.start(BACKUP)
    record = host.record("backup")
    key = life.key_file.read_text()
    answer = host.host.module(
        "gateway_backup", {**OPTIONS, "directory": BACKUPS, "state": "verified", "key": key, "archive": record["path"]}
    )
    assert not answer.get("failed"), answer
    assert answer["path"] == record["path"]
    assert host.host.check(f"stat -c '%a %u' {record['path']}") == "600 0"
    assert host.news() == []


def test_metrics_are_what_the_records_have(host: Maintained) -> None:
    text = host.host.check(f"cat {METRICS}/openclaw.prom")
    assert 'openclaw_job_success{openclaw="openclaw",job_name="audit"} 1' in text
    assert 'openclaw_backups{openclaw="openclaw"} 1' in text
    assert text.count("\nopenclaw_audit_rule{") == len(host.record("checks")["checks"])
    assert host.host.check(f"stat -c '%a %u' {METRICS}/openclaw.prom") == "644 0"


def test_a_backup_that_cannot_run_is_an_alert_also_when_it_is_killed(host: Maintained) -> None:
    host.host.check(f"mount -t tmpfs -o size=64k,mode=0700 tmpfs {BACKUPS}")
    try:
        assert not host.start(BACKUP)
        ((title, body),) = host.news()
        assert title == "the backup failed"
        assert "MiB free" in body
        # The same again is not reported again within hours.
        assert not host.start(BACKUP)
        assert host.news() == []
    finally:
        host.host.check(f"umount {BACKUPS}")
    # One that waits for a deployment is killed; the channel is away.
    host.receiver(False)
    host.host.check(
        "systemd-run --quiet --unit=maintenance-holder flock /var/lib/openclaw-hardening/deploy.lock sleep 120"
    )
    try:
        host.host.check(f"systemctl start --no-block {BACKUP}")
        wait_until(lambda: host.record("backup").get("running"), "the backup")
        host.host.check(f"systemctl kill --signal=KILL {BACKUP}")
        wait_until(lambda: not host.record("backup").get("running"), "the end of the backup")
    finally:
        host.host.check("systemctl stop maintenance-holder")
    host.delivered()
    assert host.start(BACKUP)
    assert host.host.run(f"systemctl is-failed {NOTIFIER}").stdout.strip() == "failed"
    host.receiver(True)
    host.delivered()
    host.delivered()
    assert [title for title, _body in host.news()] == ["the backup failed", "the backup works again"]
    assert [name for name in host.host.check(f"ls -A {BACKUPS}").split() if not name.startswith("openclaw-")] == []


def test_no_secret_is_in_what_it_leaves(host: Maintained) -> None:
    token = host.host.check(f"cat {TOKEN_FILE}")
    assert len(token) > 30
    host.host.write("/run/canary", f"{token}\n")
    places = (
        f"{RECORDS} {METRICS} {RECEIVED} /var/lib/private/openclaw-maintenance-notifier /etc/openclaw/maintenance.json"
    )
    units = f"-u {AUDIT} -u {BACKUP} -u {NOTIFIER}"
    found = host.host.check(
        f"grep -rlF -f /run/canary {places} || true\n"
        f"journalctl --no-pager -o verbose {units} | grep -cF -f /run/canary || true; rm /run/canary"
    )
    assert found == "0"


def test_without_a_schedule_the_timer_is_off(host: Maintained) -> None:
    host.play(openclaw_maintenance_audit_schedule="", openclaw_maintenance_metrics_dir="")
    for timer in ("openclaw-audit.timer", "openclaw-backup.timer"):
        assert host.host.run(f"systemctl is-active {timer}").stdout.strip() == "inactive"
        assert host.host.run(f"systemctl is-enabled {timer}").stdout.strip() == "disabled"
    assert host.host.run("systemctl is-active openclaw-maintenance-notifier.timer").stdout.strip() == "active"
    again = host.play(openclaw_maintenance_audit_schedule="", openclaw_maintenance_metrics_dir="")
    assert "changed=0" in again.stdout


def test_absent_takes_units_settings_and_program_away(host: Maintained) -> None:
    host.play(openclaw_maintenance_state="absent")
    left = host.host.check(
        "ls /etc/systemd/system /etc/systemd/system/*.wants | grep -E 'openclaw-(audit|backup|maintenance)' || true\n"
        "ls -d /etc/openclaw/maintenance* /usr/local/lib/openclaw-hardening/maintenance.pyz 2>/dev/null || true"
    )
    assert left == ""
    # What it has written down stays.
    assert host.record("audit")["ok"] is True
