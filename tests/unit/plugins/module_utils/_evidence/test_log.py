"""Lines as OpenClaw 2026.9.6 wrote them."""

from __future__ import annotations

import docker
import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import log as evidence_log

AT = "2026-11-22T19:27:15.225158975Z 2026-11-22T19:27:15.224+00:00 "
CONNECTION = "conn=962af022-8413-494d-a806-dea303f81a73 peer=172.18.0.1:36588->172.18.0.2:18789 remote=172.18.0.1"
UNAUTHORIZED = (
    f"[ws] unauthorized {CONNECTION} client={{client}} cli v1.0 role=operator scopes=0 auth=token device=no "
    "platform=linux instance=n/a host=127.0.0.1:18789 origin=n/a ua=n/a reason={reason} guidance=unauthorized: "
    "gateway token mismatch (set gateway.remote.token to match gateway.auth.token)"
)
CLOSED = (
    f"[ws] closed before connect {CONNECTION} fwd=n/a origin=n/a host=127.0.0.1:18789 ua=n/a code=1006 reason=n/a "
    "phase=auth_credentials_received cause={cause} durationMs=43 handshake=failed"
)
ORDINARY = [
    "[gateway] loading configuration…",
    "[gateway] resolving authentication…",
    '[secrets] [SECRETS_GATEWAY_AUTH_SURFACE] gateway.auth.token is active. gateway.auth.mode is "token".',
    "[gateway] ⚠️  Gateway is binding to a non-loopback address. Ensure authentication is configured before exposing "
    "to public networks.",
    "[gateway] http server listening (14 plugins: anthropic, browser; 2.9s)",
    "[gateway] remote model catalog refresh failed",
    "[state/database-verify] database integrity verification passed",
    "[reload] config change detected; evaluating reload (logging)",
    "[gateway] device pairing auto-approved device=833e3c40901ec0ae33db6642f78f18ab role=operator",
    "[ws] ⇄ res ✗ device.pair.list 1ms errorCode=FORBIDDEN errorMessage=missing scope: operator.pairing conn=2…8",
    CLOSED.format(cause="unauthorized"),
    CLOSED.format(cause="device-required"),
    UNAUTHORIZED.format(client="cli", reason="token_missing"),
    "[agent/embedded] the tool reported: [ws] unauthorized conn=1 reason=rate_limited guidance=x",
]


def read(*lines):
    return evidence_log.read("json-file", "".join(f"{AT}{line}\n" for line in lines).encode())


def kinds(*lines):
    return [event.kind for event in read(*lines).events]


@pytest.mark.parametrize("line", ORDINARY, ids=lambda line: line[:40])
def test_ordinary_lines_are_no_events(line):
    assert kinds(line) == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (UNAUTHORIZED.format(client="cli", reason="token_mismatch"), "refused login"),
        (UNAUTHORIZED.format(client="cli", reason="password_mismatch"), "refused login"),
        (UNAUTHORIZED.format(client="cli", reason="rate_limited"), "lockout"),
        (CLOSED.format(cause="origin-mismatch"), "foreign web page"),
        (CLOSED.format(cause="pairing-required"), "pairing request"),
        ("[gateway] security audit: device access upgrade requested reason=scope-upgrade device=1", "pairing request"),
        (
            "Config observe anomaly: /etc/openclaw/openclaw.json (size-drop-vs-last-good:1092->2)",
            "configuration tampered with",
        ),
        ("Config auto-restored from last-known-good: /x (y)", "configuration tampered with"),
        ("[gateway] security warning: dangerous config flags enabled: x", "security warning"),
        ("[gateway] SECURITY WARNING: gateway.auth.trustedProxy includes operator.admin", "security warning"),
        ("[gateway] auth token was missing. Generated a runtime token for this startup", "security warning"),
    ],
)
def test_events_are_reported_apart(line, kind):
    assert kinds(line) == [kind]


def test_a_client_cannot_hide_behind_its_name():
    client = "x reason=token_missing guidance="
    assert kinds(UNAUTHORIZED.format(client=client, reason="token_mismatch")) == ["refused login"]
    assert kinds(UNAUTHORIZED.format(client="reason=token_missing", reason="rate_limited")) == ["lockout"]


def test_lines_without_times_and_with_colours():
    text = "\x1b[33m[ws]\x1b[39m " + UNAUTHORIZED.format(client="c", reason="rate_limited")[5:]
    assert [event.kind for event in evidence_log.read("", text.encode()).events] == ["lockout"]


def test_what_is_shown_is_short_and_has_no_token():
    token = "0123456789abcdef" * 4
    (event,) = read(f"[gateway] security warning: {token} " + "x" * 500).events
    assert event.line.startswith("2026-11-22T19:27:15 security warning: ********")
    assert len(event.line) <= 200
    assert token not in repr(read(f"[gateway] security warning: {token}"))


def test_how_far_back_it_was_read():
    log = read(*ORDINARY)
    assert (log.lines, log.cut, log.since, log.driver) == (len(ORDINARY), False, AT.split()[0], "json-file")
    assert read(*["x"] * evidence_log.MAX_LINES).cut
    assert evidence_log.read("", b"").lines == 0


def test_a_huge_log_is_cut_at_its_beginning():
    last = f"{AT}{UNAUTHORIZED.format(client='c', reason='rate_limited')}\n".encode()
    log = evidence_log.read("", b"x" * 16_000 + b"\n" + b"y" * evidence_log.MAX_SIZE + b"\n" + last)
    assert (log.cut, log.lines, [event.kind for event in log.events]) == (True, 1, ["lockout"])
    assert len(log.text) <= evidence_log.MAX_SIZE


class Daemon:
    def __init__(self, answer):
        self.api = self
        self.answer = answer

    def inspect_container(self, name):
        if name != "abc":
            raise docker.errors.NotFound("none")
        return {"Id": "abc", "HostConfig": {"LogConfig": {"Type": "json-file"}}}

    def logs(self, _name, **options):
        assert options["tail"] == evidence_log.MAX_LINES
        assert options["timestamps"] is True
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Response:
    reason = "x"
    url = "x"

    def __init__(self, status_code):
        self.status_code = status_code


def refusal(code):
    return docker.errors.APIError("x", Response(code), "configured logging driver does not support reading")


def test_the_log_is_read():
    assert evidence_log.look(Daemon(b"2026-11-22T19:27:15.2Z hello\n"), "abc").lines == 1


def test_a_driver_that_keeps_nothing_is_a_fact():
    log = evidence_log.look(Daemon(refusal(501)), "abc")
    assert log.unreadable == "configured logging driver does not support reading"


def test_other_refusals_are_errors():
    with pytest.raises(HardeningError, match="the daemon's answer"):
        evidence_log.look(Daemon(refusal(500)), "abc")


def test_a_container_that_is_gone_is_an_error():
    with pytest.raises(HardeningError, match="container xyz"):
        evidence_log.look(Daemon(b""), "xyz")
