"""The auth monitor on the deployed host: real logins made with OpenClaw's own CLI, a real receiver for the alerts."""

from __future__ import annotations

import json
import re
import shlex
import time

import pytest
from conftest import CONTAINER, wait_until

READER, NOTIFIER = "openclaw-auth-monitor.service", "openclaw-auth-notifier.service"
TIMER = "openclaw-auth-monitor.timer"
STATUS = "/run/openclaw-auth-monitor/status.json"
STATE = "/var/lib/openclaw/.openclaw"
RECORD = "/root/auth-monitor-test.jsonl"
PORT = 8099
LOGIN = "sk-ant-oat01-" + "canary" * 12
NTFY_TOKEN = "tk_canarycanary"

# Stands in for an ntfy server and for Telegram's Bot API; it listens where the container can reach it, too.
RECEIVER = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        method = self.path.rsplit("/", 1)[-1].split("?")[0]
        if method in ("alerts", "sendMessage"):
            with open(sys.argv[3], "a") as record:
                record.write(json.dumps([method, dict(self.headers), body]) + "\\n")
        if method == "getUpdates":
            time.sleep(10)
        chat = {"id": 4242, "type": "private", "first_name": "x"}
        result = {
            "getMe": {"id": 1, "is_bot": True, "first_name": "b", "username": "b_bot"},
            "getUpdates": [],
            "getChat": chat,
            "getWebhookInfo": {"url": "", "has_custom_certificate": False, "pending_update_count": 0},
            "sendMessage": {"message_id": 7, "date": 1, "chat": chat, "text": "x"},
        }.get(method, True)
        answer = json.dumps({"ok": True, "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    do_GET = do_POST
    def log_message(self, *arguments):
        pass
ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def receiver(host, bridge):
    """Return a function that starts (True) or stops (False) the receiver on the host."""
    unit = "auth-monitor-test-receiver"

    def switch(on: bool) -> None:
        host.run("systemctl stop %s", unit)
        if on:
            argv = ["python3", "-c", RECEIVER, bridge, str(PORT), RECORD]
            host.check_output(f"systemd-run --quiet --collect --unit={unit} {shlex.join(argv)}")
            wait_until(lambda: host.run("curl -s http://%s:%s/up", bridge, str(PORT)).rc == 0, "the receiver")

    switch(True)
    yield switch
    host.run("systemctl stop %s; rm -f %s /root/auth-monitor-test-token", unit, RECORD)


@pytest.fixture(scope="module", autouse=True)
def deployed(host, playbook, bridge, receiver, own_deployment):
    """Deploy with both channels."""
    host.check_output(f"umask 077; printf %s {NTFY_TOKEN} > /root/auth-monitor-test-token")
    bot_token = {"source": "file", "provider": "provider_telegram", "id": "value"}
    telegram = {"enabled": True, "botToken": bot_token, "apiRoot": f"http://{bridge}:{PORT}"}
    run = playbook(
        "site.yml",
        openclaw_auth_monitor_notify_ntfy=f"http://{bridge}:{PORT}/alerts",
        openclaw_auth_monitor_notify_ntfy_token_file="/root/auth-monitor-test-token",
        openclaw_auth_monitor_notify_phone="4242",
        openclaw_auth_monitor_notify_channel="telegram",
        openclaw_gateway_secrets={"telegram": "123456:ABCDEFabcdef"},
        openclaw_gateway_reachable=[f"{bridge}:{PORT}"],
        openclaw_gateway_config={
            "channels": {"telegram": {**telegram, "dmPolicy": "allowlist", "allowFrom": ["4242"]}}
        },
    )
    assert run.rc == 0, run.output
    assert host.run("systemctl is-active %s", TIMER).stdout.strip() == "active"
    # No test depends on the wall clock: a tick of its own would be one alert more. The last run starts it again.
    host.check_output("systemctl stop %s", TIMER)
    yield
    forget_logins(host)


def forget_logins(host) -> None:
    database = f"sqlite3.connect('{STATE}/state/openclaw.sqlite', timeout=60, isolation_level=None)"
    delete = "DELETE FROM config_machine_state WHERE state_key = 'authProfiles.store'"
    code = f"import sqlite3; {database}.execute({delete!r})"
    host.check_output(f"setpriv --reuid=openclaw --regid=openclaw --clear-groups python3 -c {shlex.quote(code)}")
    host.run("rm -rf /var/lib/private/openclaw-auth-notifier/reported.json %s", RECORD)


@pytest.fixture(autouse=True)
def afresh(host):
    """No login, and nobody was reported anything."""
    forget_logins(host)


def log_in(host, expires_in: str) -> None:
    """Make a login as an operator does. The CLI stores it, and fails later because the configuration is read-only."""
    paste = f"docker exec -i {CONTAINER} node openclaw.mjs models auth paste-token --provider anthropic"
    host.run(f"echo {LOGIN} | {paste} --expires-in {expires_in}")


def check(host) -> str:
    """Let the monitor run once, and the notifier after it; return the state."""
    host.run("systemctl start %s", READER)
    wait_until(lambda: host.run("systemctl show -P ActiveState %s", NOTIFIER).stdout.strip() not in (
        "active", "activating", "deactivating"), "the notifier", 180)  # fmt: skip
    return json.loads(host.check_output(f"cat {STATUS}"))["state"]


def received(host, kind: str) -> list[str]:
    lines = host.run("cat %s", RECORD).stdout.splitlines()
    return [json.dumps(line[1:]) for line in map(json.loads, lines) if line[0] == kind]


def journal(host, unit: str) -> str:
    identifier = host.check_output("systemctl show -P InvocationID %s", unit)
    return host.check_output("journalctl --no-pager --output=cat _SYSTEMD_INVOCATION_ID=%s", identifier)


@pytest.mark.parametrize(("unit", "limit"), [(READER, 0.3), (NOTIFIER, 1.1)])
def test_exposure(host, unit, limit):
    found = json.loads(
        host.check_output("systemd-analyze security --json=short %s %s", unit, "ssh.service").splitlines()[-1]
    )
    assert float(next(entry["exposure"] for entry in found if entry["unit"] == unit)) <= limit


def test_the_timer_is_persistent_and_ticks_by_the_clock_and_after_a_boot(host):
    shown = host.check_output("systemctl show %s", TIMER)
    assert "Persistent=yes" in shown
    assert "OnBootUSec=5min" in shown
    assert "OnCalendar=*-*-* *:00/30:00" in shown


def test_no_login_is_missing(host):
    assert check(host) == "missing"
    assert len(received(host, "alerts")) == 1


def test_a_login_with_time_left_is_ok_and_nobody_is_reported(host):
    log_in(host, "30d")
    assert check(host) == "ok"
    assert received(host, "alerts") + received(host, "sendMessage") == []


def test_an_expiring_login_is_reported_on_both_channels_once_an_hour(host):
    log_in(host, "1h")
    assert [check(host), check(host)] == ["expiring", "expiring"]
    [alert], [message] = received(host, "alerts"), received(host, "sendMessage")
    assert f"Bearer {NTFY_TOKEN}" in alert
    # 59 minutes, and less on a machine that takes more than a minute for the command.
    assert re.search(r"anthropic:manual \(anthropic\): expires in 5[0-9] min", alert)
    assert "login expiring" in message
    assert LOGIN not in host.check_output(f"cat {STATUS} {RECORD}") + journal(host, READER) + journal(host, NOTIFIER)


def test_an_expired_login_is_reported_and_so_is_its_renewal(host):
    log_in(host, "1s")
    time.sleep(2)
    assert check(host) == "expired"
    log_in(host, "30d")
    assert check(host) == "ok"
    first, second = received(host, "alerts")
    assert "login expired" in first
    assert "logins are fine again" in second


def test_an_unreadable_store_is_a_failed_unit_and_an_alert(host):
    folder = f"{STATE}/agents/spoilt/agent"
    host.check_output(f"install -d -o openclaw -g openclaw {STATE}/agents {STATE}/agents/spoilt {folder}")
    host.check_output(f"echo spoilt > {folder}/openclaw-agent.sqlite; chown openclaw: {folder}/openclaw-agent.sqlite")
    try:
        assert check(host) == "unreadable"
        assert host.run("systemctl is-failed %s", READER).stdout.strip() == "failed"
        assert "login unreadable" in received(host, "alerts")[0]
    finally:
        host.run(f"rm -rf {STATE}/agents/spoilt; systemctl reset-failed {READER}")


def test_an_alert_that_nobody_takes_is_an_error_and_is_sent_when_other_user_does(host, receiver):
    receiver(False)
    try:
        assert check(host) == "missing"
        assert host.run("systemctl is-failed %s", NOTIFIER).stdout.strip() == "failed"
        assert "ntfy: NOT DELIVERED, will be tried again" in journal(host, NOTIFIER)
        assert "phone: NOT DELIVERED, will be tried again" in journal(host, NOTIFIER)
    finally:
        receiver(True)
    assert check(host) == "missing"
    assert host.run("systemctl is-failed %s", NOTIFIER).stdout.strip() != "failed"
    assert len(received(host, "alerts")) == 1
    # OpenClaw, too, sends what Telegram did not take once more, by itself and when it likes.
    assert len(received(host, "sendMessage")) in (1, 2)


def test_the_notifier_shows_no_secret_and_cannot_read_the_state(host):
    token = host.check_output("cat /etc/openclaw/secrets/gateway_token")
    shown = host.check_output("systemctl show %s %s", READER, NOTIFIER) + host.check_output(
        "cat /etc/systemd/system/openclaw-*"
    )
    assert token not in shown
    assert NTFY_TOKEN not in shown
    hidden = host.check_output("systemctl show -P InaccessiblePaths %s", NOTIFIER)
    assert f"-{STATE}" in hidden.split()
    assert "-/etc/openclaw/secrets" in hidden.split()
