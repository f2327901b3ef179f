# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of one role: its argument spec, its defaults, its rules, and every fault of the values on a host."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError, escaped
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, listed, shown
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings import argument_spec
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings import rules as settings_rules
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.fault import Fault
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.rules import CHECKS, KEYS

# Of the collection that this file belongs to.
ROLES = Path(__file__).absolute().parents[3] / "roles"
# In a default: the variables that it takes over.
_TAKEN_OVER = re.compile(r"\b(\w+) \| default\(")
_OPTION = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Role:
    """What the files of a role say of its settings."""

    name: str
    # The entry of each option in meta/argument_specs.yml.
    options: dict[str, dict[str, Any]]
    defaults: dict[str, Any]
    # Internal variables, which a rule may use.
    internal: dict[str, Any]
    rules: list[dict[str, Any]]
    # Variables with the role's prefix that are results, not options.
    results: list[str]


def load(name: str, read: Callable[[str], Any]) -> Role:
    """Read a role of this collection.

    :param read: reads a YAML file; its templates are trusted.
    :raises HardeningError: there is no such role.
    """
    folder = ROLES / name
    known = [path.parent.parent.name for path in ROLES.glob("*/meta/settings.yml")]
    if name not in known:
        raise HardeningError("roles", harmless(name), listed(sorted(known)), "roles")

    def part(path: str) -> Any:
        return read(str(folder / path)) or {} if (folder / path).is_file() else {}

    settings = part("meta/settings.yml")
    return Role(
        name,
        part("meta/argument_specs.yml")["argument_specs"]["main"]["options"],
        part("defaults/main.yml"),
        part("vars/main.yml"),
        settings.get("rules", []),
        settings.get("results", []),
    )


def playbook(given: Mapping[str, Any]) -> Role:
    """Return the settings of a playbook as those of a role; its options hold their defaults themselves.

    :param given: ``name``, ``options``, and, if there are any, ``rules`` and ``results``.
    :raises HardeningError: it is something else, an option is no variable with its argument spec, or a rule is none.
    """
    parts = {"name": "", "options": {}, "rules": [], "results": [], **given}
    kinds = {"name": str, "options": Mapping, "rules": list, "results": list}
    if set(parts) != set(kinds) or not all(isinstance(parts[key], kinds[key]) for key in kinds) or not parts["name"]:
        needed = "a text name, a dictionary options and, if there are any, the lists rules and results"
        raise HardeningError("playbook", shown(given), needed, "playbook")
    name, options, rules, results = (parts[key] for key in kinds)
    for option, spec in options.items():
        if not isinstance(option, str) or not _OPTION.fullmatch(option) or not isinstance(spec, Mapping):
            needed = "names of variables, each with a dictionary: its argument spec"
            raise HardeningError("playbook.options", f"the entry {shown(option)}", needed, "playbook")
    for rule in rules:
        if not isinstance(rule, Mapping):
            raise HardeningError("playbook.rules", shown(rule), "dictionaries", "playbook")
        checks = [key for key in rule if key in CHECKS]
        if set(rule) - KEYS or rule.get("option") not in options or len(checks) != 1:
            needed = f"one of these options and one check ({', '.join(CHECKS)})"
            raise HardeningError("playbook.rules", shown(rule), needed, "playbook")
    defaults = {option: spec["default"] for option, spec in options.items() if "default" in spec}
    return Role(name, options, defaults, {}, rules, results)


def faults(role: Role, given: Mapping[str, Any], variables: settings_rules.Variables) -> Iterator[Fault]:
    """Yield every fault of the settings of a role, in the order of its options.

    :param given: every variable of the host, as it is written.
    :param variables: evaluates them.
    """
    yield from _unknown(role, given)
    for option, spec in role.options.items():
        for fault in _faults_of(role, option, spec, variables):
            named = _OPTION.match(fault.option)[0]  # type: ignore[index]
            yield replace(fault, option=_origin(named, role, given) + fault.option[len(named) :])


def _faults_of(
    role: Role, option: str, spec: Mapping[str, Any], variables: settings_rules.Variables
) -> Iterator[Fault]:
    secret = bool(spec.get("no_log"))
    broken: list[Fault] = []
    value: Any = None
    with _noting(broken, option, secret=secret):
        value = variables.value(option)
    if broken:
        yield from broken
        return
    wrong: list[Fault] = []
    refused: list[Fault] = []
    rules = [rule for rule in role.rules if rule["option"] == option]
    with _noting(broken, option, secret=secret):
        wrong += argument_spec.faults(option, spec, value)
        if argument_spec.is_of_another_kind(spec, value):
            rules = []
    for rule in rules:
        with _noting(broken, option, secret=secret):
            refused += settings_rules.faults(rule, value, variables, secret=secret)
    # A rule knows more than the type (an integer from 1 to 65535), and may expect the type.
    yield from refused or wrong or broken


@contextmanager
def _noting(broken: list[Fault], option: str, *, secret: bool) -> Iterator[None]:
    """Note what cannot be evaluated, and go on."""
    try:
        yield
    except Exception as error:  # whatever a template raises
        broken.append(_broken(option, error, secret=secret))


def _origin(option: str, role: Role, given: Mapping[str, Any]) -> str:
    """Return the variable that a default takes its value from; the option itself when the host sets it."""
    passed = {option}
    while True:
        value = given.get(option, role.defaults.get(option))
        names = _TAKEN_OVER.findall(value) if isinstance(value, str) else []
        source = next((name for name in names if name in given), option)
        if source in passed:
            return option
        option = source
        passed.add(option)


def _unknown(role: Role, given: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what has the role's prefix and is no option of it: a spelling mistake would be ignored silently."""
    for name in sorted(given):
        if name.startswith(f"{role.name}_") and name not in role.options and name not in role.results:
            near = difflib.get_close_matches(name, role.options, 1)
            needed = f"{near[0]}, or another option of the role {role.name}" if near else f"an option of {role.name}"
            yield Fault(harmless(name), "a variable that the role does not have", needed, "rename it or take it out")


def _broken(option: str, error: BaseException, *, secret: bool) -> Fault:
    """Return the fault of a value or a rule that cannot be evaluated; our own refusals speak for themselves."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HardeningError):
            return Fault(cause.what, escaped(cause.found), cause.needed)
        cause = cause.__cause__ or cause.__context__
    reason = argument_spec.HIDDEN if secret else f"a template that cannot be evaluated ({harmless(str(error))})"
    return Fault(option, reason, "a value, or a template of known variables")
