"""Values against the entry of an option in an argument spec."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.argument_spec import HIDDEN, faults

MOUNT = {"path": {"type": "str", "required": True}, "size": {"type": "int", "choices": [1, 2]}}
MOUNTS = {"type": "list", "elements": "dict", "options": MOUNT}
GOOD: list[tuple[dict[str, Any], Any]] = [
    ({"type": "bool"}, True),
    ({"type": "bool"}, "no"),
    ({"type": "int"}, 5),
    ({"type": "int"}, "5"),
    ({"type": "float"}, "0.5"),
    ({"type": "str"}, "text"),
    ({"type": "str"}, 1000),
    ({"type": "str", "choices": ["a", "b"]}, "b"),
    ({"type": "int", "choices": [5, 10]}, "10"),
    ({"type": "list", "elements": "str"}, []),
    ({"type": "list", "elements": "str", "choices": ["html"]}, ["html"]),
    ({"type": "dict"}, {"any": 1}),
    ({"type": "raw"}, None),
    (MOUNTS, [{"path": "/x", "size": 1}]),
]
# Spec, value, what is named, what was found, what is needed.
BAD: list[tuple[dict[str, Any], Any, str, str, str]] = [
    ({"type": "bool"}, "perhaps", "x", "'perhaps'", "true or false"),
    ({"type": "int"}, "five", "x", "'five'", "an integer"),
    ({"type": "int"}, 1.5, "x", "1.5", "an integer"),
    ({"type": "int"}, True, "x", "True", "an integer"),
    ({"type": "float"}, "much", "x", "'much'", "a number"),
    ({"type": "str"}, None, "x", "None", "text"),
    ({"type": "str"}, True, "x", "True", "text"),
    ({"type": "str"}, ["a"], "x", "['a']", "text"),
    ({"type": "str", "choices": ["a", "b"]}, "c", "x", "'c'", "one of a, b"),
    ({"type": "list", "elements": "str"}, "CHOWN", "x", "the text 'CHOWN'", "a list"),
    ({"type": "list", "elements": "str"}, 5, "x", "5", "a list"),
    ({"type": "list", "elements": "str"}, ["a", []], "x[1]", "[]", "text"),
    ({"type": "list", "elements": "str", "choices": ["html"]}, ["pdf"], "x[0]", "'pdf'", "one of html"),
    ({"type": "dict"}, "{}", "x", "the text '{}'", "a dictionary"),
    ({"type": "str", "no_log": True}, ["canary"], "x", HIDDEN, "text"),
    (MOUNTS, [{"path": "/x", "sise": 1}], "x[0].sise", "an unknown key", "only path, size"),
    (MOUNTS, [{"size": 1}], "x[0].path", "nothing", "str"),
    (MOUNTS, [{"path": "/x", "size": 3}], "x[0].size", "3", "one of 1, 2"),
]


@pytest.mark.parametrize(("spec", "value"), GOOD)
def test_a_value_of_its_type_is_taken(spec: dict[str, Any], value: Any) -> None:
    assert list(faults("x", spec, value)) == []


@pytest.mark.parametrize(("spec", "value", "option", "found", "needed"), BAD)
def test_another_value_is_refused(spec: dict[str, Any], value: Any, option: str, found: str, needed: str) -> None:
    (fault,) = faults("x", spec, value)
    assert (fault.option, fault.found, fault.needed) == (option, found, needed)
    assert fault.fix.startswith("set ")


def test_every_item_has_its_fault() -> None:
    found = list(faults("x", MOUNTS, [{"path": []}, {}, {"path": "/x", "size": "many"}]))
    assert [fault.option for fault in found] == ["x[0].path", "x[1].path", "x[2].size"]
    assert {fault.fix for fault in found} == {"set 'x'"}
