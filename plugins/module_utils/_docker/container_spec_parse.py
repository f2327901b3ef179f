# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The many spellings of one setting, in Compose files and in the daemon's answers, brought to one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_ZERO = re.compile(r"[+-]?0+")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h|d|w)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# More ports than this in one range are no setting, but an attempt to keep the reader busy.
_MOST_PORTS = 1024


def number(value: object) -> int:
    """Return a whole number, whatever it was written as; 0 when it is none."""
    try:
        return int(value)  # type: ignore[call-overload,no-any-return]
    except (TypeError, ValueError, OverflowError):
        return 0


def decimal(value: object) -> float:
    """Return a number of cores; 0 when it is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0.0


def size(value: object) -> int:
    """Return bytes (``2147483648``, ``"2147483648"``, ``2g``, ``512mb``); -1 stays -1, 0 when it is no size."""
    text = str(value).strip()
    if text == "-1":
        return -1
    found = _SIZE.fullmatch(text)
    return int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0


def swap(memory: int, both: int) -> int:
    """Return the limit of memory and swap together; 0: none. Docker gives as much swap as memory when nobody
    reports.
    """
    if both < 0 or not memory:
        return 0
    return both or 2 * memory


def cores(cpus: object, quota: object, period: object) -> float:
    """Return the limit of processor cores, however it was given; 0: none."""
    if decimal(cpus) > 0:
        return decimal(cpus)
    return number(quota) / (number(period) or 100_000) if number(quota) > 0 else 0.0


def capabilities(names: Iterable[str] | None) -> tuple[str, ...]:
    """Return capabilities without ``CAP_`` and in capitals."""
    return tuple(re.sub(r"\ACAP_", "", str(name).strip().upper()) for name in names or ())


def security_options(options: Iterable[str] | None) -> tuple[str, ...]:
    """Return ``no-new-privileges:true`` (or ``:false``), and all others as ``key=value``."""
    found = []
    for option in options or ():
        key, _separator, value = re.sub(r"[=:]", "=", str(option).strip(), count=1).partition("=")
        if key == "no-new-privileges":
            found.append(f"{key}:{(value or 'true').strip().lower()}")
        else:
            found.append(f"{key}={value}" if value else key)
    return tuple(found)


def text(value: object) -> str:
    """Return a value as text; a null is an empty one, a zero is none."""
    return "" if value is None else str(value)


def is_root(user: str) -> bool:
    """Return whether Docker reads a user or a group as number 0: by its name, or by any spelling of the number."""
    return user == "root" or bool(_ZERO.fullmatch(user))


def restart_policy(text: str) -> tuple[str, int]:
    """Return name and number of retries of ``on-failure:5``."""
    name, _colon, retries = text.partition(":")
    return name, number(retries)


def pairs(value: Mapping[str, Any] | Iterable[str] | None) -> dict[str, str]:
    """Return a map of text from a map (a null is an empty text) or from a list of ``name=value``."""
    if isinstance(value, Mapping):
        return {str(name): "" if text is None else str(text) for name, text in value.items()}
    split = (str(entry).partition("=") for entry in value or ())
    return {name: text for name, _equals, text in split}


def words(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return a list of words; a single text is one."""
    if isinstance(value, str):
        return (value,)
    return tuple(str(word) for word in value or ())


def named_limits(limits: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return ``nofile=1024:2048`` of each ulimit of a Compose file."""
    found = []
    for name, limit in (limits or {}).items():
        both = f"{limit.get('soft')}:{limit.get('hard')}" if isinstance(limit, Mapping) else f"{limit}:{limit}"
        found.append(f"{name}={both}")
    return tuple(found)


def health_test(check: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return a health check as the daemon keeps it; ``("NONE",)``: switched off; empty: the image's."""
    if not check:
        return ()
    if flag(check.get("disable")):
        return ("NONE",)
    test = check.get("test")
    return ("CMD-SHELL", test) if isinstance(test, str) and test else words(test)


def port_numbers(text: object) -> tuple[int, ...]:
    """Return the ports of ``8000`` or ``8000-8010``; 0: one that the daemon chooses."""
    first, _dash, last = str(text or 0).partition("-")
    low, high = number(first), number(last or first)
    return tuple(range(low, min(high, low + _MOST_PORTS) + 1))


def tmpfs_entries(value: str | Iterable[str] | Mapping[str, str] | None) -> list[tuple[str, tuple[str, ...]]]:
    """Return target and options of ``/tmp:noexec,size=1m``, one text or a list of them, or of the daemon's map."""
    if isinstance(value, Mapping):
        split = list(value.items())
    else:
        split = [(text.partition(":")[0], text.partition(":")[2]) for text in words(value)]
    return [(target, tuple(option for option in options.split(",") if option)) for target, options in split]


def tmpfs_options(options: Mapping[str, Any] | None, keys: tuple[str, str, str]) -> tuple[str, ...]:
    """Return the options of a mount of type tmpfs; ``keys``: what size, mode and further options are called."""
    given = options or {}
    length, mode, more = (given.get(key) for key in keys)
    found = [f"size={size(length)}"] if size(length) > 0 else []
    if number(mode):
        found.append(f"mode={number(mode):04o}")
    found += ["=".join(words(option)) for option in more or ()]
    return tuple(found)


def plain(value: Any) -> Any:
    """Undo what ``docker compose config`` does so that its answer can be read again: ``$$`` is a ``$``."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    return value


def flag(value: object) -> bool:
    """Return whether a switch is on; Compose takes it as text, too."""
    return value is True or str(value).strip().lower() in ("true", "t", "yes", "y", "on", "1")


def seconds(value: object) -> float:
    """Return the seconds of a duration (``1m30s``, ``500ms``, or nanoseconds, as the daemon writes it)."""
    text = str(value or "").strip()
    if text.isdecimal():
        return int(text) / 1_000_000_000
    return sum(float(amount) * _SECONDS[unit] for amount, unit in _DURATION.findall(text))


def short_mount(text: str) -> dict[str, Any]:
    """Return the long form of ``SOURCE:TARGET:ro``; a source that is no path is the name of a volume."""
    source, colon, rest = text.partition(":")
    target, _colon, mode = rest.partition(":")
    if not colon:
        source, target = "", text
    kind = "bind" if source.startswith(("/", ".", "~")) else "volume"
    words = mode.split(",")
    propagation = next((word for word in words if word.endswith(("shared", "slave", "private"))), "")
    bind = {"propagation": propagation} if propagation else {}
    return {"type": kind, "source": source, "target": target, "read_only": "ro" in words, "bind": bind}


def named_file(entry: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Return a secret or config of a service in the long form."""
    return entry if isinstance(entry, Mapping) else {"source": entry}


def port(entry: Mapping[str, Any] | str | int) -> Mapping[str, Any]:
    """Return a published port in the long form: ``ADDRESS:PUBLISHED:TARGET/PROTOCOL``, or a part of it."""
    if isinstance(entry, Mapping):
        return entry
    text, _slash, protocol = str(entry).partition("/")
    head, _colon, target = text.rpartition(":")
    address, _colon, published = head.rpartition(":") if not head.endswith("]") else (head, "", "")
    return {
        "host_ip": address.strip("[]"),
        "published": published,
        "target": target.partition("-")[0],
        "protocol": protocol or "tcp",
    }
