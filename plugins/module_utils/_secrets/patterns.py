# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What looks like a secret, by its name or its shape; the answers are names, never values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET = frozenset(
    [
        "apikey",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "pat",
        "secret",
        "secretkey",
        "token",
        "accesstoken",
        "authtoken",
    ]
)
# A key is a secret after one of these; a public key, a cache key, a GPG key's fingerprint are none.
_KEYS = frozenset(
    [
        "access",
        "account",
        "admin",
        "api",
        "app",
        "auth",
        "client",
        "encrypt",
        "encryption",
        "license",
        "master",
        "private",
        "secret",
        "service",
        "sign",
        "signing",
        "storage",
        "webhook",
    ]
)
_HARMLESS = re.compile(r"|true|false|yes|no|on|off|none|null|undefined|[01]", re.IGNORECASE)
_REFERENCE = re.compile(r"\$|%\(|process\.env\b|os\.environ\b|secretref-|__env__:|\*+$|<[a-z_ -]+>$")
_PATH = re.compile(r"(?:~|\.{1,2})?/(?:[\w.-]+/)+[\w.-]+")
_ROOTS = re.compile(r"(?:~|\.{1,2}|/(?:app|data|etc|home|mnt|opt|root|run|secrets|srv|tmp|usr|var))/")
SHAPE = re.compile(
    r"(?<![A-Za-z0-9_-])(?:sk-[A-Za-z0-9_-]{20,}|gh[opsru]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|xox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|AKIA[0-9A-Z]{16}|AIza[\w-]{35}|[0-9]{8,10}:[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s:@'\"]*:[^/\s:@'\"$]+@"
)
_NAME = re.compile(r"[\w.-]{1,64}")
ASSIGNED = re.compile(r"(?:^|[\s;&'\"(])(--?[A-Za-z][\w-]*|[A-Z][A-Z0-9_]*)(=|\s+)[\"']?([^\s\"';&|)]+)")
BEARER = re.compile(r"\b(?:Bearer|Basic)\s+[\"']?([^\s\"'$;&|)]{8,})")
SHAPED = "a value that is shaped like a secret"


def is_secret_name(name: str) -> bool:
    """Return whether a variable, option or key of this name holds a secret: ``BOT_TOKEN``, ``--password``,
    ``apiKey``.
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    if words[-1] in ("key", "keys", "pwd"):
        return len(words) > 1 and (words[-1] == "pwd" or words[-2] in _KEYS)
    return words[-1] in _SECRET


def is_literal(value: str) -> bool:
    """Return whether a value is the secret itself: no switch, no number, no reference, no path of a file."""
    value = value.strip()
    if _HARMLESS.fullmatch(value) or _REFERENCE.match(value):
        return False
    return not (_ROOTS.match(value) and _PATH.fullmatch(value))


def is_shaped(value: str) -> bool:
    """Return whether a value gives itself away: a provider's key, a private key, a password in an address."""
    return bool(SHAPE.search(value))


def in_environment(variables: Mapping[str, str]) -> list[str]:
    """Name the variables that hold a secret (OWASP Docker cheat sheet, rule 12)."""
    return sorted(
        name for name, value in variables.items() if (is_secret_name(name) and is_literal(value)) or is_shaped(value)
    )


def secrets_of_arguments(argv: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of option and value of the secrets on a command line; what a shell would run is read, too."""
    found: list[tuple[str, str]] = []
    for index, word in enumerate(argv):
        following = argv[index + 1] if index + 1 < len(argv) else ""
        for name, value in _assignments(word, following):
            if is_secret_name(name) and is_literal(value):
                found.append((name if _NAME.fullmatch(name) else SHAPED, value))
        found.extend((SHAPED, value) for value in SHAPE.findall(word))
        found.extend(("a bearer token", value) for value in BEARER.findall(word) if is_literal(value))
    return found


def in_arguments(argv: Sequence[str]) -> list[str]:
    """Name the options of a command line that hold a secret."""
    return list(dict.fromkeys(name for name, _value in secrets_of_arguments(argv)))


def _assignments(word: str, following: str) -> Iterator[tuple[str, str]]:
    """Pairs of name and value: ``--token X``, ``--token=X``, ``BOT_TOKEN=X``, also within a script."""
    name, equals, value = word.partition("=")
    if word.startswith("-") and not equals and following and not following.startswith("-"):
        yield word, following
    elif equals and _NAME.fullmatch(name):
        yield name, value
    if any(character in word for character in " \t\n"):
        for name, joint, value in ASSIGNED.findall(word):
            # Without '=' only an option takes what follows it; `echo TOKEN is missing` gives nothing away.
            if joint == "=" or (name.startswith("-") and not value.startswith("-")):
                yield name, value
