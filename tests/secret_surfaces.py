"""What a secret looks like wherever it could show, and the search for it on a host (secret_search.py)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

_SEARCH = Path(__file__).with_name("secret_search.py")


def needles(secret: str) -> list[bytes]:
    """Return what the secret looks like: as it is, in hex, and in base64 wherever it starts in the encoded text."""
    raw = secret.encode()
    looks = [raw, raw.hex().encode()]
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + raw)
        middle = whole[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        looks += [middle, middle.translate(bytes.maketrans(b"+/", b"-_"))]
    return looks


def shows(secret: str, text: str) -> bool:
    """Return whether a text gives it away."""
    return any(look in text.encode() for look in needles(secret))


def search(secrets: Iterable[str]) -> str:
    """Return the script that prints, on a host, the surfaces on which one of these shows, as JSON."""
    return f"NEEDLES = {[look for secret in secrets for look in needles(secret)]!r}\n{_SEARCH.read_text()}"
