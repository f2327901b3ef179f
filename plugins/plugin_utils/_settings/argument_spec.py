# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a value is what the argument spec of a role demands: type, choice, elements, suboptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.fault import Fault

HIDDEN = "a value that is not shown"


def faults(option: str, spec: Mapping[str, Any], value: object) -> Iterator[Fault]:
    """Yield what is wrong with the value of an option.

    :param spec: the entry of the option in ``meta/argument_specs.yml``.
    """
    for place, found, needed, remediation in _wrong(option, spec, value):
        yield Fault(place, HIDDEN if spec.get("no_log") else found, needed, remediation)


def is_of_another_kind(spec: Mapping[str, Any], value: object) -> bool:
    """Return whether it is no list, or no dictionary, where one is needed."""
    kinds = {"list": list, "dict": Mapping}
    return spec.get("type") in kinds and not isinstance(value, kinds[spec["type"]])


def _wrong(place: str, spec: Mapping[str, Any], value: object) -> Iterator[tuple[str, str, str, str]]:
    kind, choices = spec.get("type", "str"), spec.get("choices", [])
    needed = _needed(kind, value)
    if kind in ("list", "dict") and isinstance(value, str):
        # A template would take its letters for the items.
        yield place, f"the text {shown(value)}", needed, "set it as YAML in an inventory, or as JSON with -e"
    elif needed:
        yield place, shown(value), needed, ""
    elif kind == "list" and isinstance(value, list):
        inner = {**spec, "type": spec.get("elements", "raw")}
        for number, item in enumerate(value):
            yield from _wrong(f"{place}[{number}]", inner, item)
    elif kind == "dict" and isinstance(value, Mapping) and spec.get("options"):
        yield from _wrong_in(place, spec["options"], value)
    elif choices and str(value) not in map(str, choices):
        yield place, shown(value), f"one of {', '.join(map(str, choices))}", ""


def _wrong_in(
    place: str, options: Mapping[str, Mapping[str, Any]], value: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    for name in value.keys() - options.keys():
        yield f"{place}.{name}", "an unknown key", f"only {', '.join(options)}", ""
    for name, spec in options.items():
        if name in value:
            yield from _wrong(f"{place}.{name}", spec, value[name])
        elif spec.get("required"):
            yield f"{place}.{name}", "nothing", spec.get("type", "str"), ""


def _needed(kind: str, value: object) -> str:
    """Return what a value of this type is; nothing for a value that is one, or the text of one."""
    if kind == "raw":
        return ""
    if kind == "bool":
        return "" if _taken(validate.boolean, value) is not None else "true or false"
    if kind == "int":
        return "" if isinstance(_taken(validate.number, value), int) else "an integer"
    if kind == "float":
        return "" if _taken(validate.number, value) is not None else "a number"
    if kind == "list":
        return "" if isinstance(value, list) else "a list"
    if kind == "dict":
        return "" if isinstance(value, Mapping) else "a dictionary"
    return "" if isinstance(value, (str, int, float)) and not isinstance(value, bool) else "text"


def _taken(check: Callable[[str, object], bool | float], value: object) -> bool | float | None:
    """Return what a check makes of a value; None when it refuses it."""
    try:
        return check("", value)
    except HardeningError:
        return None
