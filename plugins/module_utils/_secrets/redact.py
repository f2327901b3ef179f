# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one redaction of text that is shown, logged or returned: known secrets in every form, and what looks like one.

Text is redacted before it is cut: half of a secret is not recognised any more.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.patterns import (
    ASSIGNED,
    BEARER,
    SHAPE,
    is_literal,
    is_secret_name,
)

MASK = "********"
# What a program wrote may hold secrets that nobody handed to it; an id is not worth the risk there.
LONG_HEX = re.compile(r"\b[0-9a-fA-F]{32,}\b")
# The same of a log line that is shown without anybody having asked for it: also any long word with a digit.
LONG_WORD = re.compile(r"(?<![\w-])(?=[A-Za-z_-]*\d)[\w-]{32,}(?![\w-])|\b[0-9a-fA-F]{32,}\b")
# Shorter ones are masked as they are: their encodings are a few letters that stand anywhere.
_SHORTEST_ENCODED = 6
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)", re.DOTALL)
_URL_LOGIN = re.compile(r"(://)(?:[^/\s:@'\"]*:[^/\s@'\"]+|[^/\s:@'\"]{16,})(@)")
_KEY_AND_VALUE = re.compile(r"""(["'])([\w.-]{1,64})\1(\s*:\s*)(["'])((?:\\.|(?!\4).)+)\4""")


class Redactor:
    """Masks secrets in texts; the secrets are in no text that this object turns into."""

    def __init__(self, secrets: Iterable[str] = (), also: re.Pattern[str] | None = None) -> None:
        """Prepare for many texts.

        :param secrets: values that must not show, in whichever form.
        :param also: what is masked besides, such as ``LONG_HEX``.
        """
        forms = {form for secret in secrets for form in forms_of(secret)}
        # One may be a part of another.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._also = also

    def __repr__(self) -> str:
        """Show nothing."""
        return "Redactor(…)"

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known:
            text = self._known.sub(MASK, text)
        text = _PRIVATE_KEY.sub(MASK, text)
        text = _URL_LOGIN.sub(rf"\1{MASK}\2", text)
        text = SHAPE.sub(MASK, text)
        text = BEARER.sub(_value_masked, text)
        text = ASSIGNED.sub(_assignment_masked, text)
        text = _KEY_AND_VALUE.sub(_pair_masked, text)
        return self._also.sub(MASK, text) if self._also else text


def redact(text: str, secrets: Iterable[str] = (), also: re.Pattern[str] | None = None) -> str:
    """Mask secrets in one text; see ``Redactor``."""
    return Redactor(secrets, also)(text)


def forms_of(secret: str) -> set[str]:
    """Return a secret in the forms in which programs write it: plain, escaped, URL-quoted, base64, hexadecimal."""
    secret = secret.strip()
    if not secret:
        return set()
    if len(secret) < _SHORTEST_ENCODED:
        return {secret}
    raw = secret.encode(errors="surrogateescape")
    quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    return {
        secret,
        *(line.strip() for line in secret.splitlines() if len(line.strip()) >= _SHORTEST_ENCODED),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        *quoted,
        *(re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in quoted),
        raw.hex(),
        *_base64_forms(raw),
    }


def _base64_forms(raw: bytes) -> set[str]:
    """Return what every base64 text has that holds these bytes, wherever they begin in it (``user:password``)."""
    found: set[str] = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).rstrip(b"=").decode()
        # The letters at both ends belong to the neighbours, too.
        core = text[(0, 2, 3)[before] : len(text) - (1 if (before + len(raw)) % 3 else 0)]
        found.update({core, core.replace("+", "-").replace("/", "_")})
    return found


def _value_masked(match: re.Match[str]) -> str:
    """Mask the one group of a match, when it is a value of its own."""
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    return f"{match[0][:start]}{MASK}{match[0][end:]}" if is_literal(match[1]) else match[0]


def _assignment_masked(match: re.Match[str]) -> str:
    """Mask the value of ``TOKEN=value``, ``--token value``, ``--token=value``."""
    name, joint, value = match.groups()
    reported = joint == "=" or (name.startswith("-") and not value.startswith("-"))
    if not (reported and is_secret_name(name) and is_literal(value)):
        return match[0]
    end = match.end(3) - match.start()
    return f"{match[0][: end - len(value)]}{MASK}{match[0][end:]}"


def _pair_masked(match: re.Match[str]) -> str:
    """Mask the value of ``"token": "value"``."""
    quote_mark, name, joint, mark, value = match.groups()
    if not (is_secret_name(name) and is_literal(value)):
        return match[0]
    return f"{quote_mark}{name}{quote_mark}{joint}{mark}{MASK}{mark}"
