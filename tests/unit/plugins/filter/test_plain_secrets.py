"""The filter names places and reasons, and nothing else."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.filter.plain_secrets import FilterModule

plain_secrets = FilterModule().filters()["plain_secrets"]


def test_a_secret_is_named_by_its_place_only() -> None:
    found = plain_secrets({"channels": {"telegram": {"botToken": "1234567890:canary-canary-canary", "name": "x"}}})
    assert [entry["path"] for entry in found] == ["channels.telegram.botToken"]
    assert "canary" not in str(found)


def test_a_reference_is_none() -> None:
    reference = {"source": "file", "provider": "provider_bot", "id": "value"}
    assert plain_secrets({"channels": {"telegram": {"botToken": reference}}, "maxTokens": 4096}) == []
