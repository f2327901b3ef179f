"""What a configuration connects to and the network policy blocks, for templates."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.filter.blocked_places import FilterModule


def test_each_has_its_path_and_its_place() -> None:
    blocked = FilterModule().filters()["blocked_places"]
    config = {"models": {"providers": {"local": {"baseUrl": "http://host.docker.internal:11434/v1"}}}}
    hosts = {"host.docker.internal": "172.17.0.1"}
    found = [{"path": "models.providers.local.baseUrl", "place": "172.17.0.1:11434"}]
    assert blocked(config, [], hosts) == found
    assert blocked(config, ["172.17.0.1:11434"], hosts) == []
