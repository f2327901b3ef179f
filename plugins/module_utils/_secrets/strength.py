# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How strong a token or password is, in words that say nothing of its value."""

from __future__ import annotations

import hashlib
import re

SHORTEST = 64
LONGEST = 512
FEWEST_DIGITS = 8
# Of another alphabet than hexadecimal digits: base64 of 32 bytes has 43 characters, a password manager's 20 are random.
SHORTEST_TEXT = {"token": 40, "password": 20}
FEWEST_CHARACTERS = {"token": 16, "password": 10}
# Of examples, tutorials and templates; compared without case and punctuation.
DEFAULTS = frozenset(
    [
        "admin",
        "change",
        "changeme",
        "changethis",
        "default",
        "demo",
        "dev",
        "example",
        "gateway",
        "gatewaytoken",
        "letmein",
        "openclaw",
        "openclawtoken",
        "password",
        "replaceme",
        "secret",
        "test",
        "token",
        "yourgatewaytoken",
        "yoursecrettoken",
        "yourtoken",
        "yourtokenhere",
    ]
)


def weakness(token: str) -> str:
    """Name the class of weakness of a token, never a part of it; empty when it is strong."""
    if not re.fullmatch(r"[0-9a-fA-F]*", token):
        return "a token with characters that are not hexadecimal digits"
    if len(token) < SHORTEST:
        return f"a token of fewer than {SHORTEST} digits"
    if len(token) > LONGEST:
        return f"a token of more than {LONGEST} digits"
    if len(set(token.lower())) < FEWEST_DIGITS:
        return f"a token of fewer than {FEWEST_DIGITS} different digits"
    if _repeats(token):
        return "a token that repeats one pattern"
    return ""


def fingerprint(token: str) -> str:
    """Name a token without giving it away."""
    return hashlib.sha256(f"openclaw-gateway-token:{token}".encode()).hexdigest()[:16]


def strength(kind: str, value: str) -> tuple[bool, str]:
    """Check another user's ``token`` or ``password``, which need not be hexadecimal: strong or not, and its class."""
    if re.sub(r"[\W_]", "", value.lower()) in DEFAULTS:
        return False, "weak: a known default"
    if re.fullmatch(r"[0-9a-fA-F]+", value) and (kind == "token" or len(value) >= SHORTEST):
        found = weakness(value)
        if found and len(value) < SHORTEST:
            return False, f"weak: {len(value)} hexadecimal digits"
        return not found, f"weak: {found}" if found else f"strong: {len(value) * 4} bits in hexadecimal digits"
    if len(value) < SHORTEST_TEXT[kind]:
        return False, f"weak: {len(value)} characters"
    if len(set(value)) < FEWEST_CHARACTERS[kind]:
        return False, f"weak: {len(set(value))} different characters"
    if len(value) <= LONGEST and _repeats(value):
        return False, "weak: repeats one pattern"
    return True, f"strong: {len(value)} characters of a mixed alphabet"


def _repeats(text: str) -> bool:
    return any(text == (text[:period] * len(text))[: len(text)] for period in range(1, len(text) // 2 + 1))
