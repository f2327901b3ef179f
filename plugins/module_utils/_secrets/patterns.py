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
        "bearer",
        "cookie",
        "credential",
        "credentials",
        "creds",
        "jwt",
        "pass",
        "passphrase",
        "passwd",
        "password",
        "pat",
        "psk",
        "pw",
        "secret",
        "secretkey",
        "token",
        "accesstoken",
        "authtoken",
    ]
)
# Words that end so are one name: PGPASSWORD, SSHPASS.
_ENDINGS = ("password", "passwd", "passphrase", "sshpass", "secret", "token", "apikey", "credential", "credentials")
# A key is a secret but after one of these: a public key, a cache key, a GPG key's fingerprint.
_OTHER_KEYS = frozenset(
    [
        *("public", "pub", "gpg", "host", "known", "fingerprint", "trusted", "authorized"),
        *("cache", "session", "sort", "primary", "foreign", "partition", "index", "group", "object", "map", "lookup"),
        *("routing", "route", "dedupe", "idempotency", "conversation", "thread", "peer", "message", "event", "config"),
        *("main", "agent", "scope", "label", "tag", "field", "column", "query", "path", "provider", "model", "channel"),
        *("state", "queue", "topic", "job", "run", "task"),
        *("meta", "search", "hot", "arrow", "translation", "locale", "parent", "unique", "registry", "default"),
    ]
)
# What a name is about when it begins with a secret's: the rest describes it.
_ABOUT_WORDS = (
    "file files path dir folder name id type mode ttl expiry expires timeout length size count limit max "
    "min policy provider source store enabled header prefix field env ref endpoint url uri algorithm "
    "issuer audience hint format rotation interval days hours seconds ms budget backend manager engine "
    "required scope scopes check location command helper bucket usage cost estimate strategy"
)
_ABOUT = frozenset(_ABOUT_WORDS.split())
_HARMLESS = re.compile(r"|true|false|yes|no|on|off|none|null|undefined|[01]", re.IGNORECASE)
_REFERENCE = re.compile(r"\$|%\(|process\.env\b|os\.environ\b|secretref-|__env__:|\*+$|<[a-z_ -]+>$")
_PATH = re.compile(r"(?:~|\.{1,2})?/(?:[\w.-]+/)+[\w.-]+")
_ROOTS = re.compile(r"(?:~|\.{1,2}|/(?:app|data|etc|home|mnt|opt|root|run|secrets|srv|tmp|usr|var))/")
# Every repetition is bounded, or begins where no other can: the text is anybody's, and may be long.
SHAPE = re.compile(
    # Keys and tokens of providers.
    r"(?<![A-Za-z0-9_-])(?:sk-[A-Za-z0-9_-]{20,}|gh[opsru]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|xox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|xapp-[A-Za-z0-9-]{10,}|A[KS]IA[0-9A-Z]{16}|AIza[\w-]{35}|ya29\.[\w-]{20,}|[0-9]{8,10}:[A-Za-z0-9_-]{35}"
    r"|glpat-[\w-]{20,}|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}"
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|dop_v1_[0-9a-f]{40,}"
    r"|pypi-[\w-]{40,}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
    r"|[MNO][A-Za-z0-9]{23,25}\.[\w-]{6}\.[\w-]{27,}|AGE-SECRET-KEY-1[A-Z0-9]{50,})(?![A-Za-z0-9_-])"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    # Logins in addresses and in connection strings.
    r"|://[^/\s:@'\"]*:[^/\s:@'\"$]+@|://[A-Za-z0-9._~-]{16,}@"
    r"|(?<![-\w])(?i:password|pwd|accountkey|sharedaccesskey|sharedaccesssignature)=(?![$*<])[^\s;&\"']{4,}"
    # Addresses that are a secret themselves: who knows one may use it.
    r"|[?&](?i:access_token|auth_token|api_?key|token|key|sig|signature|secret|code)=(?![$*<])[^\s&#\"']{8,}"
    r"|hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]{10,}|discord(?:app)?\.com/api/webhooks/[0-9]+/[\w-]+"
    r"|api\.telegram\.org/(?:file/)?bot[0-9]+:[\w-]+|hooks\.zapier\.com/hooks/catch/[\w/-]+"
    r"|(?<![\w-])[\w-]{1,63}\.webhook\.office\.com/[^\s\"']+|outlook\.office(?:365)?\.com/webhook/[^\s\"']+"
    r"|maker\.ifttt\.com/(?:trigger|use)/[^\s\"']+|open\.(?:feishu|larksuite)\.(?:cn|com)/open-apis/bot/v2/hook/[\w-]+"
    r"|://[^\s\"'/]{1,255}(?:/[\w.~%-]{1,64}){0,6}/(?:hooks?|webhooks?)/(?=[\w-]*[0-9])[\w-]{20,}"
)
_NAME = re.compile(r"[\w.-]{1,64}")
_LONGEST_ADDRESS = 2048
# An address with a part that nobody could guess; text with letters and digits and no blank.
_WEBHOOK = re.compile(r"https?://[^/\s]+/(?:\S*[/=])?(?=[^/\s]*[0-9])[^/\s]{16,}(?:/\S*)?")
_PAIR = re.compile(r"(?m)^[ \t{,-]{0,64}[\"']?([A-Za-z][\w.-]{0,63})[\"']?\s*[:=]\s*[\"']?([^\s\"',]+)")
_RANDOM = re.compile(r"(?=\S*[0-9])(?=\S*[A-Za-z])\S{8,}")
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
        return len(words) > 1 and words[-2] not in _OTHER_KEYS
    return words[-1] in _SECRET or words[-1].endswith(_ENDINGS)


def begins_like_secret(name: str) -> bool:
    """Return whether a variable's name has a secret's word in it that nothing describes: ``TOKEN_TELEGRAM``."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(words) and words[-1] not in _ABOUT and any(word in _SECRET for word in words[:-1])


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
    return sorted(name for name, value in variables.items() if is_secret(name, value))


def in_text(text: str) -> bool:
    """Return whether a file's text has a secret in it: by its shape, or as ``name: value`` and ``name=value``."""
    return is_shaped(text) or any(is_secret(name, value) for name, value in _PAIR.findall(text))


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable holds a secret, by its name or its shape."""
    if is_shaped(value) or (is_secret_name(name) and is_literal(value)):
        return True
    if "webhook" in name.lower() and _WEBHOOK.fullmatch(value.strip()[:_LONGEST_ADDRESS]):
        return True
    # A name that only begins so needs a value that looks like one.
    return begins_like_secret(name) and is_literal(value) and bool(_RANDOM.fullmatch(value.strip()))


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
