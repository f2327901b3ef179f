# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an argument spec cannot say of a setting: the rules of a role's ``meta/settings.yml``.

A rule names its option and one check:

- ``integer: [LOW, HIGH]``, ``number: [LOW, HIGH]``: a number in this range, both ends included;
- ``matches: PATTERN``: text that the whole regular expression matches;
- ``text: NAME``: what the check of that name in ``module_utils/_core/validate.py`` takes;
- ``strong: true``: a token that is strong enough;
- ``waiver: true``: a waiver, as the modules take it;
- ``that: CONDITION``: a condition of Ansible is true.

It may have ``when`` (a condition), ``each`` (an expression for several values; the condition calls one ``item``),
``optional`` (empty text is a value, too), and templates for the message: ``found``, ``needed``, ``remediation``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import waivers_from
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.strength import SHORTEST, weakness
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.argument_spec import HIDDEN
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.fault import Fault

CHECKS = ("integer", "number", "matches", "text", "strong", "waiver", "that")
KEYS = frozenset({"option", "when", "each", "optional", "found", "needed", "remediation", *CHECKS})


class Variables(Protocol):
    """What evaluates variables and the templates of a rule."""

    def value(self, option: str) -> Any:
        """Return the value of an option."""

    def expression(self, text: str, item: object) -> Any:
        """Return the value of an expression; ``item`` is the value that is checked."""

    def text(self, template: str, item: object) -> str:
        """Return a template as text."""


@dataclass(frozen=True)
class Refused(Exception):
    """What a check found, and what it needed; nothing where the rule has its own text."""

    found: str = ""
    needed: str = ""


def faults(rule: Mapping[str, Any], value: object, variables: Variables, *, secret: bool) -> Iterator[Fault]:
    """Yield what a rule finds wrong with the value of its option.

    :param secret: whether the value must not be shown.
    :raises Exception: an expression of the rule cannot be evaluated.
    """
    if "when" in rule and not variables.expression(rule["when"], value):
        return
    for item in variables.expression(rule["each"], value) if "each" in rule else [value]:
        if rule.get("optional") and item == "":
            continue
        try:
            _check(rule, item, variables)
        except Refused as refused:
            found = HIDDEN if secret else refused.found or shown(item)
            yield Fault(
                rule["option"],
                variables.text(rule["found"], item) if "found" in rule else found,
                variables.text(rule["needed"], item) if "needed" in rule else refused.needed,
                variables.text(rule.get("remediation", ""), item),
            )


def _check(rule: Mapping[str, Any], item: object, variables: Variables) -> None:
    (check,) = (name for name in CHECKS if name in rule)
    if check == "that":
        if not variables.expression(rule["that"], item):
            raise Refused
    else:
        _CHECKS[check](rule[check], item)


def _integer(limits: tuple[int, int], item: object) -> None:
    try:
        validate.integer("", item, *limits)
    except HardeningError:
        raise Refused(needed=f"an integer from {limits[0]} to {limits[1]}") from None


def _number(limits: tuple[float, float], item: object) -> None:
    needed = f"a number from {limits[0]} to {limits[1]}"
    try:
        if isinstance(item, str) and item != item.strip():
            raise Refused(needed=needed)
        if not limits[0] <= validate.number("", item) <= limits[1]:
            raise Refused(needed=needed)
    except HardeningError:
        raise Refused(needed=needed) from None


def _matches(pattern: str, item: object) -> None:
    is_text = isinstance(item, (str, int, float)) and not isinstance(item, bool)
    if not is_text or not re.fullmatch(pattern, str(item)):
        raise Refused


def _text(name: str, item: object) -> None:
    try:
        getattr(validate, name)("", item)
    except HardeningError as error:
        raise Refused(error.found, error.needed) from None


def _strong(_wanted: bool, item: object) -> None:
    found = weakness(item) if isinstance(item, str) else "something that is not text"
    if found:
        raise Refused(found, f"at least {SHORTEST} random hexadecimal digits (openssl rand -hex 32)")


def _waiver(_wanted: bool, item: object) -> None:
    if not isinstance(item, Mapping):
        raise Refused(needed="a dictionary with id, reason and, if it ends, expires")
    texts = {"id": "", "reason": "", **{str(key): str(value or "") for key, value in item.items()}}
    try:
        waivers_from("", [texts])
    except HardeningError as error:
        raise Refused(f"{error.what.rpartition('.')[2]} {error.found}", error.needed) from None


_CHECKS: dict[str, Callable[[Any, object], None]] = {
    "integer": _integer,
    "number": _number,
    "matches": _matches,
    "text": _text,
    "strong": _strong,
    "waiver": _waiver,
}
