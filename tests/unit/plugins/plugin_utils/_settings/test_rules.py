"""The checks of a rule, without Ansible: expressions are Python's here."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.argument_spec import HIDDEN
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings.rules import CHECKS, faults


class Python:
    """Evaluates an expression with ``item`` in it, and text with ``{item}`` in it."""

    def value(self, option: str) -> Any:
        raise NotImplementedError(option)

    def expression(self, text: str, item: object) -> Any:
        return eval(text, {"item": item})  # noqa: S307 - of this file

    def text(self, template: str, item: object) -> str:
        return template.format(item=item)


STRONG = "at least 64 random hexadecimal digits (openssl rand -hex 32)"
# Rule, value, and what it finds and needs; nothing for a value that is taken.
CASES: list[tuple[dict[str, Any], Any, tuple[str, str] | None]] = [
    ({"integer": [1, 9]}, 1, None),
    ({"integer": [1, 9]}, "9", None),
    ({"integer": [1, 9]}, 10, ("10", "an integer from 1 to 9")),
    ({"integer": [1, 9]}, True, ("True", "an integer from 1 to 9")),
    ({"number": [0.5, 9]}, "0.5", None),
    ({"number": [0.5, 9]}, 0.4, ("0.4", "a number from 0.5 to 9")),
    ({"number": [0.5, 9]}, "2\n", ("'2\\n'", "a number from 0.5 to 9")),
    ({"number": [0.5, 9]}, "x", ("'x'", "a number from 0.5 to 9")),
    ({"matches": "[a-z]+", "needed": "letters"}, "abc", None),
    ({"matches": "[a-z]+", "needed": "letters"}, "abc\n", ("'abc\\n'", "letters")),
    ({"matches": "[0-9]+", "needed": "digits"}, 12, None),
    ({"matches": "True", "needed": "digits"}, True, ("True", "digits")),
    ({"text": "absolute_path"}, "/srv", None),
    ({"text": "absolute_path"}, "srv", ("'srv'", "an absolute path")),
    ({"text": "word"}, "a b", ("'a b'", "text without spaces")),
    ({"text": "host_address"}, "192.0.2.7", None),
    ({"text": "host_address"}, "::", ("'::'", "one IPv4 or IPv6 address of a host")),
    ({"strong": True}, "0123", ("a token of fewer than 64 digits", STRONG)),
    ({"waiver": True}, {"id": "OCH-CTR-06", "reason": "a plugin writes there"}, None),
    ({"waiver": True}, "OCH-CTR-06", ("'OCH-CTR-06'", "a dictionary with id, reason and, if it ends, expires")),
    ({"waiver": True}, {"id": "x"}, ("id 'x'", "the id of a rule, such as OCH-CTR-06")),
    ({"that": "item != 3", "needed": "not 3"}, 4, None),
    ({"that": "item != 3", "needed": "not 3"}, 3, ("3", "not 3")),
    ({"that": "False", "when": "item > 3"}, 3, None),
    ({"matches": "[a-z]+", "optional": True, "needed": "letters"}, "", None),
    ({"that": "False", "found": "<{item}>", "needed": "not {item}"}, 3, ("<3>", "not 3")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "value", "expected"), CASES)
def test_a_check(rule: dict[str, Any], value: Any, expected: tuple[str, str] | None) -> None:
    found = list(faults({"option": "x", **rule}, value, Python(), secret=False))
    assert [(fault.found, fault.needed) for fault in found] == ([expected] if expected else [])


def test_every_check_has_a_case() -> None:
    assert {name for rule, _value, _expected in CASES for name in CHECKS if name in rule} == set(CHECKS)


def test_each_of_several_values_is_checked() -> None:
    rule = {"option": "x", "each": "item.split()", "matches": "[a-z]+", "needed": "letters"}
    assert [fault.found for fault in faults(rule, "a 1 b 2", Python(), secret=False)] == ["'1'", "'2'"]


def test_a_secret_is_not_shown() -> None:
    rule = {"option": "x", "matches": "[a-z]+", "needed": "letters"}
    (fault,) = faults(rule, "canary-1", Python(), secret=True)
    assert fault.found == HIDDEN
