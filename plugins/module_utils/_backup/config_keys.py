# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How two configurations differ: by key, never by value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless

_MOST = 100


def changed_keys(before: object, after: object) -> list[str]:
    """Return the key path of each difference: ``only before``, ``only now`` or ``another value``."""
    found = list(_differences(before, after, ""))
    return found[:_MOST] + ([f"{len(found) - _MOST} more"] if len(found) > _MOST else [])


def _differences(before: object, after: object, path: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}, key=str):
            name = harmless(str(key), 80)
            place = f"{path}.{name}" if path else name
            if key not in after:
                yield f"{place}: only before"
            elif key not in before:
                yield f"{place}: only now"
            else:
                yield from _differences(before[key], after[key], place)
    elif before != after:
        yield f"{path or '(the whole)'}: another value"
