"""The filter number: the conversion itself is tested with _core/validate.py."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.openclaw.hardening.plugins.filter.number import FilterModule

number = FilterModule().filters()["number"]


def test_a_text_comes_in_its_own_type() -> None:
    assert number("5", "openclaw_x") == 5
    assert isinstance(number("5", "openclaw_x"), int)


def test_a_refusal_names_the_option_what_was_found_and_what_is_needed() -> None:
    with pytest.raises(AnsibleFilterError, match="openclaw_x: found 'five', needed a number; set 'openclaw_x'"):
        number("five", "openclaw_x")
