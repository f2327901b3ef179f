"""What the rules of the roles name is there; what they refuse is in tests/unit/roles/test_refusals_healed.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings import rules
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.role import ROLES, faults, load, playbook

NAMES = sorted(path.name for path in ROLES.iterdir())


def read(path: str) -> Any:
    return yaml.safe_load(Path(path).read_text())


class Plain:
    """Variables without templates."""

    def __init__(self, **values: object) -> None:
        self.values = values

    def value(self, option: str) -> Any:
        return self.values[option]

    def expression(self, text: str, _item: object) -> Any:
        return self.values[text]

    def text(self, template: str, _item: object) -> str:
        return template


@pytest.mark.parametrize("name", NAMES)
def test_the_rules_of_a_role_name_what_there_is(name: str) -> None:
    role = load(name, read)
    for rule in role.rules:
        assert rule["option"] in role.options
        assert set(rule) <= rules.KEYS
        assert len(set(rule) & set(rules.CHECKS)) == 1
        assert hasattr(validate, rule.get("text", "plain"))
        # Only a check of this kind has no text of its own.
        assert "needed" in rule or not {"matches"} & set(rule)
    assert set(role.defaults) == set(role.options)


def test_no_option_with_a_number_is_without_a_range() -> None:
    for name in NAMES:
        role = load(name, read)
        numbers = {
            option
            for option, spec in role.options.items()
            if spec["type"] in ("int", "float") and "choices" not in spec
        }
        ranges = {rule["option"] for rule in role.rules if {"integer", "number"} & set(rule)}
        assert sorted(numbers - ranges) == []


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(HardeningError, match=re.escape("needed openclaw_auth_monitor, ")):
        load("openclaw_gatewy", read)


def test_a_playbook_has_options_of_its_own() -> None:
    options = {"own_seconds": {"type": "int", "default": 60}, "own_name": {"type": "str"}}
    rules = [{"option": "own_seconds", "integer": [0, 9]}]
    made = playbook({"name": "own", "options": options, "rules": rules, "results": ["own_result"]})
    assert made.defaults == {"own_seconds": 60}
    given = {"own_seconds": 10, "own_result": 1, "own_secnds": 2, "other": 3}
    found = list(faults(made, given, Plain(own_seconds=10, own_name="x")))
    assert [(fault.option, fault.needed) for fault in found] == [
        ("own_secnds", "own_seconds, or another option of the role own"),
        ("own_seconds", "an integer from 0 to 9"),
    ]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"a b": {}}, {}),
        ({"{{ x }}": {}}, {}),
        ({"own": "int"}, {}),
        ({"own": {}}, {"option": "other", "that": "true"}),
        ({"own": {}}, {"option": "own"}),
        ({"own": {}}, {"option": "own", "that": "true", "integer": [0, 1]}),
        ({"own": {}}, {"option": "own", "that": "true", "unknown": 1}),
    ],
)
def test_options_and_rules_that_are_none_are_refused(options: dict[str, Any], rule: dict[str, Any]) -> None:
    with pytest.raises(HardeningError, match="set 'playbook'"):
        playbook({"name": "own", "options": options, "rules": [rule] if rule else []})


@pytest.mark.parametrize("spec", [{"type": ["int"]}, {"choices": 5}])
def test_a_spec_that_is_none_is_named_and_does_not_raise(spec: dict[str, Any]) -> None:
    made = playbook({"name": "own", "options": {"own_list": spec}})
    assert [fault.option for fault in faults(made, {}, Plain(own_list=[1]))] in (["own_list"], ["own_list[0]"])


@pytest.mark.parametrize(
    "given",
    [{}, {"name": "own", "options": 1}, {"name": "", "options": {}}, {"name": "own", "options": {}, "more": 1},
     {"name": "own", "options": {}, "rules": ["x"]}],
)  # fmt: skip
def test_what_is_no_playbook_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(HardeningError, match="set 'playbook'"):
        playbook(given)
