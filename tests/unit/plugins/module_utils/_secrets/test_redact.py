"""One redaction: a canary in every form in which a program may write it, and what looks like a secret by itself."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from urllib.parse import quote, quote_plus, urlencode

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import gate
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure import Explainer
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.registry import Login
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import log
from ansible_collections.openclaw.hardening.plugins.module_utils._image import verify
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.audit import Audit
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets import redact as secrets_redact
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.patterns import (
    in_arguments,
    in_environment,
    in_text,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import (
    LONG_HEX,
    LONG_WORD,
    MASK,
    Redactor,
    redact,
)

# No letters of base64 alone, quotes, a backslash, a character beyond ASCII: each form differs from the plain one.
CANARY = "can\"ary/ö+\\7&x=? y'1"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIcanaryAAAA\ncanaryBBBB/+==\n-----END PRIVATE KEY-----"
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON with its own letters": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON's array": lambda text: json.dumps({"argv": ["--x", text]}),
    "repr": repr,
    "repr of a list": lambda text: repr(["a", text]),
    "URL": lambda text: quote(text, safe=""),
    "path of a URL": quote,
    "form": quote_plus,
    "query": lambda text: urlencode({"x": text}),
    "URL in small letters": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "basic login": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "basic login of one letter": lambda text: base64.b64encode(f"u:{text}".encode()).decode(),
    "base64 in the middle": lambda text: base64.b64encode(f"abc{text}def".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
}


def remainder(form: str, shown: str) -> int:
    """Return how many characters of a form are still shown side by side."""
    return max((size for size in range(len(form) + 1) for at in range(len(form) - size + 1)
                if form[at : at + size] in shown), default=0)  # fmt: skip


@pytest.mark.parametrize("secret", [CANARY, "s3cr3t-canary-value", f"{CANARY}\nsecond line of it"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_known_secret_is_masked_in_every_form(form, secret):
    written = form(secret)
    shown = redact(f"before {written} after", [secret])
    assert MASK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    core = written.strip("\"'")
    if "{" not in core and "[" not in core:
        assert remainder(core, shown) < 12
    for part in ("ary", "s3cr3t", "second"):
        assert part not in shown


def test_a_key_of_several_lines_is_masked_line_by_line():
    for text in (KEY, KEY.replace("\n", "\r\n"), "log: MIIcanaryAAAA", json.dumps(KEY)):
        assert "canary" not in redact(text, [KEY])
    assert "canary" not in redact(f"x {KEY} y")
    assert redact(f"x {KEY} y") == f"x {MASK} y"
    assert "canary" not in redact(KEY.partition("-----END")[0])  # its end was cut off


def test_one_secret_may_be_a_part_of_another_and_short_ones_count():
    assert redact("a sk-canary, b sk-canary-2", ["sk-canary", "sk-canary-2", ""]) == f"a {MASK}, b {MASK}"
    assert redact("pin 1234.", ["1234"]) == f"pin {MASK}."
    assert redact("nothing here", ["", " \n"]) == "nothing here"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://user:canary@registry.example/x", f"https://{MASK}@registry.example/x"),
        ("https://:canary@registry.example/x", f"https://{MASK}@registry.example/x"),
        ("https://canary0123456789canary@registry.example", f"https://{MASK}@registry.example"),
        ("key sk-canary0123456789abcdefghij, more", f"key {MASK}, more"),
        ("12345678:canary-0123456789_abcdefghijABCDEFG", MASK),
        ("Authorization: Bearer canary0123", f"Authorization: Bearer {MASK}"),
        ("Authorization: Basic Y2FuYXJ5Y2FuYXJ5", f"Authorization: Basic {MASK}"),
        ("run --token canary --name x", f"run --token {MASK} --name x"),
        ("run --token=canary --name x", f"run --token={MASK} --name x"),
        ("BOT_TOKEN=canary ./x", f"BOT_TOKEN={MASK} ./x"),
        ('{"token": "can\\"ary", "name": "x"}', f'{{"token": "{MASK}", "name": "x"}}'),
        ("{'apiKey': 'canary'}", f"{{'apiKey': '{MASK}'}}"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, masked):
    assert redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "TOKEN=$OTHER --token-file /etc/openclaw/secrets/token --password /run/secrets/x",
        "sha256:" + "0123abcd" * 8,
        "https://registry.example:5000/a@sha256:" + "0" * 64,
        "container openclaw-gateway (0123abcd): the root file system is writable",
        '{"name": "value", "tokens": "12"}',
        "`echo TOKEN is missing`",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_more_is_masked_where_a_program_wrote_it():
    token, word = "0123abcd" * 8, "abcdefghijklmnopqrstuvwxyz0123456789"
    assert redact(f"token {token}, id 0123abcd", also=LONG_HEX) == f"token {MASK}, id 0123abcd"
    assert redact(word, also=LONG_HEX) == word
    assert redact(f"{word} {'ab' * 20}", also=LONG_WORD) == f"{MASK} {MASK}"


def test_the_redactor_shows_nothing_itself():
    assert CANARY not in repr(Redactor([CANARY]))
    assert "canary" not in repr(Redactor(["canary0123"]))


# --- every place that shows text ----------------------------------------------------------------------------------

NEEDLE = "canary-Value_0123/x"


def audited(text: str) -> str:
    audit = SimpleNamespace(redactor=Redactor({NEEDLE}))
    return Audit._safe(audit, text)


def refused(text: str) -> str:
    finding = SimpleNamespace(
        rule=SimpleNamespace(id="OCH-CTR-06", title="t", change="", severity="high", expected="e"),
        target="gateway", actual=text, status="fail", bad=True, expired=False, waiver=None, evidence=(),
    )  # fmt: skip
    with pytest.raises(Exception, match="OCH-CTR-06") as refusal:
        gate.refuse([finding], [NEEDLE])
    return str(refusal.value)


PLACES: dict[str, Callable[[str], str]] = {
    "audit": audited,
    "failed deployment": lambda text: Explainer(None, None, {}, [NEEDLE])._masked(text),
    "gate": refused,
    "build log": lambda text: verify.masked(text, verify.secrets({"npmrc": f"//r/:_authToken={NEEDLE}\n".encode()})),
    "registry": Login("user", NEEDLE).hidden,
}


@pytest.mark.parametrize("form", ["plain", "JSON", "URL", "base64", "basic login", "hexadecimal"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_every_place_masks_every_form(place, form):
    written = FORMS[form](NEEDLE)
    shown = place(f"seen: {written} there; https://me:hunter22@host/ and sk-0123456789abcdefghijklm")
    assert "seen: " in shown
    assert written.strip('"') not in shown
    assert "anary" not in shown
    assert "hunter22" not in shown
    assert "sk-0123456789" not in shown


def test_a_log_event_shows_no_token():
    line = f"security warning: token {'x1' * 20} https://me:hunter22@host {date(2026, 1, 2)}"
    (event,) = log.read("json-file", line.encode()).events
    assert "x1x1" not in event.line
    assert "hunter22" not in event.line
    assert "2026-01-02" in event.line


def test_masks_are_one_word():
    assert secrets_redact.MASK == MASK == "********"


@pytest.mark.parametrize(
    "piece",
    ["A", "a1", "://", "://a", "://a:", "\n", "eyJ", "/hooks/", "://a/hooks/", "a.webhook.", '"a":"', "Bearer ", "=a",
     "-----BEGIN ", "https://a/=", "?key=", "password=", "--token ", "{,", "A ", "'"],
)  # fmt: skip
def test_long_hostile_text_is_read_in_time(piece: str) -> None:
    """A log line or a label is anybody's: with a pattern that goes back over it, it would take minutes or hours."""
    text = piece * ((1 << 19) // len(piece))
    Redactor(["c0ffee" * 12], LONG_WORD)(text)
    in_text(text)
    in_environment({"WEBHOOK": text, "TOKEN_A": text})
    in_arguments([text, f"x {text}"])
