# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The notifier against a real HTTP receiver that can be away, refuse or redirect."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[4] / "roles/openclaw_auth_monitor/files/auth_notifier.py"
SPEC = importlib.util.spec_from_file_location("auth_notifier", PROGRAM)
notifier = importlib.util.module_from_spec(SPEC)
sys.modules["auth_notifier"] = notifier
SPEC.loader.exec_module(notifier)
Memory, Status = notifier.Memory, notifier.Status

NOW = 1_800_000_000.0
CANARY = "canary-secret-value"
SENT = {"ok": True, "result": {"content": [], "details": {"ok": True, "messageId": "7"}}}


# --- checking ------------------------------------------------------------------------------------------------------


def status_text(state="expired", age=0.0, now=NOW):
    return json.dumps({"version": 2, "state": state, "summary": "words", "checked_at": now - age})


def test_a_fresh_status_is_believed():
    assert notifier.read_status(status_text(), NOW, 5400) == Status("expired", "words")


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "",
        "[]",
        "{}",
        '{"state":"ok"}',
        '{"version":2,"state":"ok"}',
        '{"version":1,"state":"ok","summary":"","checked_at":1800000000}',
        '{"version":true,"state":"ok","summary":"","checked_at":1800000000}',
        '{"version":2,"state":"ok","summary":"","checked_at":NaN}',
        '{"version":2,"state":"ok","summary":"","checked_at":Infinity}',
        '{"version":2,"state":"ok","summary":"","checked_at":"1800000000"}',
        '{"version":2,"state":"ok","summary":"","checked_at":true}',
        '{"version":2,"state":"ok","summary":"","checked_at":1' + "0" * 400 + "}",
        '{"version":2,"state":"ok","summary":"","checked_at":1e300}',
        '{"version":2,"state":"ok","summary":1,"checked_at":1800000000}',
        '{"version":2,"state":["ok"],"summary":"","checked_at":1800000000}',
        '{"version":2,"state":"expired","state":"ok","summary":"","checked_at":1800000000}',
        "[" * 100_000,
        status_text("ok", age=5401),
        status_text("ok", age=-3600),
        status_text("fine"),
    ],
)
def test_no_status_an_old_one_and_nonsense_are_never_ok(text):
    found = notifier.read_status(text, NOW, 5400)
    assert (found.state, bool(found.summary)) == ("unreadable", True)


@pytest.mark.parametrize(
    ("state", "sent", "alarmed", "expected"),
    [
        ("ok", {}, "", ""),
        ("ok", {"expired": NOW - 60}, "expired", "recovered"),
        ("expired", {}, "", "alert"),
        ("expired", {"expired": NOW - 3599}, "expired", ""),
        ("expired", {"expired": NOW - 3600}, "expired", "alert"),
        ("expired", {"expiring": NOW - 60}, "expiring", "alert"),
        ("missing", {}, "", "alert"),
        ("unreadable", {}, "", "alert"),
    ],
)
def test_when_to_speak(state, sent, alarmed, expected):
    assert notifier.due(Status(state, ""), Memory(sent, alarmed), NOW) == expected


def test_at_most_one_alert_an_hour_for_each_state_even_when_it_comes_and_goes():
    memory, alerts = Memory(), {"expired": [], "expiring": []}
    for minute in range(0, 600, 10):
        now = NOW + minute * 60
        status = Status(("expired", "ok", "expiring", "expired")[minute // 10 % 4], "words")
        kind = notifier.due(status, memory, now)
        if kind:
            memory = notifier.remembered(status, memory, now)
        if kind == "alert":
            alerts[status.state].append(now)
    for moments in alerts.values():
        gaps = [later - earlier for earlier, later in zip(moments, moments[1:])]
        assert len(moments) >= 5
        assert min(gaps) >= 3600


def test_messages():
    alert = notifier.compose("alert", Status("expired", "p (anthropic): expired 3 min ago"), "openclaw-acme", "host")
    assert (alert.title, alert.urgent) == ("openclaw-acme on host: login expired", True)
    assert alert.body == "p (anthropic): expired 3 min ago."
    assert notifier.compose("recovered", Status("ok", ""), "n", "h").title == "n on h: logins are fine again"


def test_settings():
    text = "# why\nNOTIFY_NTFY=https://n.example/t=1\nNOTIFY_PHONE=\n"
    assert notifier.parse_settings(text) == {"NOTIFY_NTFY": "https://n.example/t=1", "NOTIFY_PHONE": ""}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (SENT, True),
        ({"ok": True, "result": {"details": {}}}, True),
        ({"ok": False, "error": {"message": "no"}}, False),
        ({"ok": True, "result": {"isError": True, "details": {}}}, False),
        ({"ok": True, "result": {"details": {"ok": False}}}, False),
        ({"ok": True}, False),
        ([], False),
    ],
)
def test_what_counts_as_sent_by_the_gateway(answer, expected):
    assert notifier.sent(json.dumps(answer).encode()) is expected


def test_an_answer_that_is_not_json_is_not_sent():
    assert not notifier.sent(b"<html>")


# --- the whole program --------------------------------------------------------------------------------------------


class Receiver:
    """An HTTP server that keeps what it gets."""

    def __init__(self):
        self.got, self.code, self.headers = [], 200, {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.got.append((self.path, dict(self.headers), body))
                self.send_response(receiver.code)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(json.dumps(SENT).encode())

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def run(tmp_path):
    """Run the program as systemd does, without its pauses between attempts."""
    (tmp_path / "memory").mkdir()
    fast = tmp_path / "fast.py"
    source = PROGRAM.read_text().replace("PAUSES = (5.0, 10.0)", "PAUSES = (0.0, 0.0)")
    # The receivers of these tests belong to the process that runs them.
    fast.write_text(source.replace("\nROOT = 0\n", f"\nROOT = {os.getuid()}\n"))

    def run(state="expired", credentials=True, status=None, **settings):
        folder = tmp_path / "credentials"
        folder.mkdir(exist_ok=True)
        lines = {"NAME": "openclaw", "MAX_AGE_MINUTES": "90", "GATEWAY_PORT": "1", **settings}
        (folder / "settings").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        text = status if status is not None else status_text(state, now=time.time())
        (folder / "status").write_bytes(text if isinstance(text, bytes) else text.encode())
        (folder / "ntfy_token").write_text(f"{CANARY}\n")
        (folder / "gateway_token").write_text(CANARY)
        environment = {"STATE_DIRECTORY": str(tmp_path / "memory"), "http_proxy": "http://127.0.0.1:1"}
        if credentials:
            environment["CREDENTIALS_DIRECTORY"] = str(folder)
        argv = [sys.executable, "-I", "-B", str(fast)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert CANARY not in done.stdout + done.stderr
        assert done.stderr == ""
        return done

    return run


def test_one_alert_then_silence_then_the_end_of_the_alarm(run, receiver):
    topic = {"NOTIFY_NTFY": f"http://127.0.0.1:{receiver.port}/topic"}
    assert [run(state, **topic).returncode for state in ("expired", "expired", "ok", "ok")] == [0, 0, 0, 0]
    assert [headers["Title"].split(": ")[1] for _path, headers, _body in receiver.got] == [
        "login expired",
        "logins are fine again",
    ]
    path, headers, body = receiver.got[0]
    assert (path, body) == ("/topic", "words.")
    assert (headers["Authorization"], headers["Priority"]) == (f"Bearer {CANARY}", "high")


def test_ok_reports_nothing(run, receiver):
    assert run("ok", NOTIFY_NTFY=f"http://127.0.0.1:{receiver.port}/topic").returncode == 0
    assert receiver.got == []


def test_the_phone_goes_through_the_gateway(run, receiver):
    done = run(NOTIFY_PHONE="+15550100", NOTIFY_CHANNEL="signal", GATEWAY_PORT=str(receiver.port))
    assert done.returncode == 0
    path, headers, body = receiver.got[0]
    assert (path, headers["Authorization"]) == ("/tools/invoke", f"Bearer {CANARY}")
    arguments = json.loads(body)["args"]
    assert (json.loads(body)["tool"], arguments["action"]) == ("message", "send")
    assert (arguments["target"], arguments["channel"]) == ("+15550100", "signal")
    assert arguments["message"].endswith("login expired\nwords.")


@pytest.mark.parametrize("code", [301, 302, 401, 404, 500])
def test_a_refusal_is_an_error_and_no_redirect_carries_the_token_away(run, receiver, code):
    other = Receiver()
    receiver.code, receiver.headers = code, {"Location": f"http://127.0.0.1:{other.port}/"}
    done = run(NOTIFY_NTFY=f"http://127.0.0.1:{receiver.port}/topic")
    assert done.returncode == 1
    assert done.stdout.startswith(f"<3>ntfy: NOT DELIVERED, will be tried again: HTTP {code}")
    assert len(receiver.got) == 3
    assert other.got == []
    other.close()


def test_what_failed_is_sent_again_and_what_arrived_is_not(run, receiver):
    away = Receiver()
    away.close()
    phone = {"NOTIFY_PHONE": "42", "GATEWAY_PORT": str(receiver.port)}
    done = run(NOTIFY_NTFY=f"http://127.0.0.1:{away.port}/topic", **phone)
    assert done.returncode == 1
    assert "<3>ntfy: NOT DELIVERED" in done.stdout
    assert "<5>phone: delivered" in done.stdout
    assert run(NOTIFY_NTFY=f"http://127.0.0.1:{receiver.port}/topic", **phone).returncode == 0
    assert [path for path, _headers, _body in receiver.got] == ["/tools/invoke", "/topic"]


def test_an_address_that_is_no_web_address_is_an_error(run):
    done = run(NOTIFY_NTFY="file:///etc/passwd")
    assert done.returncode == 1
    assert "neither with http:// nor with https://" in done.stdout


def test_a_damaged_memory_costs_one_message_and_is_fixed(run, receiver, tmp_path):
    (tmp_path / "memory/reported.json").write_text("{")
    topic = {"NOTIFY_NTFY": f"http://127.0.0.1:{receiver.port}/topic"}
    assert [run(**topic).returncode, run(**topic).returncode] == [0, 0]
    assert len(receiver.got) == 1
    assert os.listdir(tmp_path / "memory") == ["reported.json"]


def test_nobody_to_tell_and_nothing_handed_over_are_both_output(run):
    assert "nobody is reported about state expired" in run().stdout
    done = run(credentials=False)
    assert done.returncode == 1
    assert "handed over no settings" in done.stdout
