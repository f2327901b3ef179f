"""The filter boolean: the conversion itself is tested with _core/validate.py."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.openclaw.hardening.plugins.filter.boolean import FilterModule

boolean = FilterModule().filters()["boolean"]


def test_a_text_comes_in_its_own_type() -> None:
    assert boolean("no", "openclaw_x") is False


def test_a_refusal_names_the_option_what_was_found_and_what_is_needed() -> None:
    with pytest.raises(AnsibleFilterError, match="openclaw_x: found 'maybe', needed true or false; set 'openclaw_x'"):
        boolean("maybe", "openclaw_x")
