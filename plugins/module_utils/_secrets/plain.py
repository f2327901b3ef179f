# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets in plain text in a configuration; the answers are key paths and reasons, never values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.patterns import (
    BEARER,
    SHAPED,
    in_arguments,
    is_literal,
    is_secret,
    is_secret_name,
    is_shaped,
)

NAMED = "a secret in plain text, by its name"
HEADER = "a header that logs in, in plain text"
VARIABLE = "a variable that holds a secret in plain text"
ARGUMENT = "a command line with a secret in plain text"

_SOURCES = ("env", "file", "exec")
# What is replaced by the value of a variable, wherever it is in a text.
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$[A-Z_][A-Z0-9_]*(?![A-Za-z0-9_])")
_HEADERS = frozenset(
    {"authorization", "proxyauthorization", "cookie", "xapikey", "apikey", "xauthtoken", "xaccesstoken"}
)
_SCHEME = re.compile(r"\s*(?:bearer|basic|token|apikey|bot|digest)\b[\s:=]*", re.IGNORECASE)
_ENVIRONMENTS = frozenset({"env", "environment", "vars"})
_COMMANDS = frozenset({"args", "argv", "command", "cmd"})
_LISTS = re.compile(
    r"(?:.*(?:api|auth|access|bot|bearer|refresh|device|client|private|secret)_?)?(?:keys|tokens|secrets|passwords)"
)
_KNOWN = 64


def find(config: object) -> list[tuple[str, str]]:
    """Return the key path and the reason of each entry that holds a secret itself.

    A reference (``{source: file, provider: x, id: value}``, ``${NAME}``) is none, nor is the path of a file.
    """
    return list(dict.fromkeys((path or "(the whole)", reason) for path, reason in _search(config, "", "", set())))


def _search(node: object, path: str, within: str, above: set[int]) -> Iterator[tuple[str, str]]:
    """Yield what a mapping or a list holds; ``within``: the key that it stands under."""
    if id(node) in above or len(above) > _KNOWN:
        return
    inner = above | {id(node)}
    if isinstance(node, Mapping):
        reference = _is_reference(node)
        for key, value in node.items():
            name = str(key)
            place = _joined(path, name)
            if isinstance(value, (Mapping, list, tuple)):
                yield from _search(value, place, name, inner)
            elif not (reference and name in ("source", "provider")):
                reason = _reason(name, value, within, reference)
                if reason:
                    yield place, reason
    elif isinstance(node, (list, tuple)):
        words = [str(entry) for entry in node if isinstance(entry, (str, int, float))]
        if within.lower() in _COMMANDS and in_arguments([_filled(word) for word in words]):
            yield path, ARGUMENT
        secrets = bool(_LISTS.fullmatch(_plain_name(within)))
        for number, value in enumerate(node):
            place = f"{path}[{number}]"
            if isinstance(value, (Mapping, list, tuple)):
                yield from _search(value, place, within, inner)
            elif isinstance(value, str) and ((secrets and _is_plain(value)) or is_shaped(_filled(value))):
                yield place, NAMED if secrets else SHAPED
    elif isinstance(node, str) and is_shaped(_filled(node)):
        yield path, SHAPED


def _reason(name: str, value: object, within: str, reference: bool) -> str:
    """Return why an entry is a secret; empty when it is none."""
    if isinstance(value, bool) or value is None:
        return ""
    if not isinstance(value, str):
        # A password of digits only.
        return NAMED if is_secret_name(name) and str(value) not in ("0", "1") and not reference else ""
    text = _filled(value)
    if is_shaped(text) or any(is_literal(found) for found in BEARER.findall(text)):
        return SHAPED
    if reference:
        return ""
    if _plain_name(name) in _HEADERS or (within.lower() == "headers" and is_secret_name(name)):
        return HEADER if _is_plain(_SCHEME.sub("", value, count=1)) else ""
    if within.lower() in _ENVIRONMENTS and is_secret(name, text) and _is_plain(value):
        return VARIABLE
    if is_secret_name(name) and _is_plain(value):
        return NAMED
    return SHAPED if "webhook" in name.lower() and is_secret("webhook", text) else ""


def _is_reference(node: Mapping[object, object]) -> bool:
    """Return whether a mapping is a reference to a secret (SecretRef)."""
    return node.get("source") in _SOURCES and isinstance(node.get("id"), str)


def _is_plain(value: str) -> bool:
    """Return whether a text is more than a reference, a switch or the path of a file."""
    text = _REFERENCE.sub("", value).strip()
    if text != value.strip() and not re.search(r"[A-Za-z0-9]{4,}", text):
        return False
    return bool(text) and is_literal(text if text == value.strip() else f"x{text}")


def _filled(value: str) -> str:
    """Return a text with something harmless in the place of its references."""
    return _REFERENCE.sub("$", value)


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z]", "", re.sub(r"[-_ ]", "", name).lower())


def _joined(path: str, name: str) -> str:
    """Return the path of a key; a key that is a secret itself is not shown."""
    shown = "…" if is_shaped(name) else name[:80]
    return f"{path}.{shown}" if path else shown
