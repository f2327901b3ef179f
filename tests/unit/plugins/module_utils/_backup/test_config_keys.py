"""Differences of two configurations are named by key, and no value is shown."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.module_utils._backup.config_keys import changed_keys


def test_each_difference_is_named_by_its_key() -> None:
    before = {"a": {"b": "canary", "gone": "canary"}, "same": [1]}
    after = {"a": {"b": "other", "new": "canary"}, "same": [1]}
    assert changed_keys(before, after) == ["a.b: another value", "a.gone: only before", "a.new: only now"]
    assert changed_keys(before, before) == []
    assert changed_keys([], None) == ["(the whole): another value"]


def test_many_differences_are_counted() -> None:
    assert changed_keys({str(number): 1 for number in range(150)}, {})[-1] == "50 more"
