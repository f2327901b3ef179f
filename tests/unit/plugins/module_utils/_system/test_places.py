"""What a configuration connects to and the network policy does not let through."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._system.places import blocked


def config(url: object) -> dict:
    return {"models": {"providers": {"local": {"baseUrl": url, "api": "openai-completions"}}}}


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://192.168.1.5:11434/v1", "192.168.1.5:11434"),
        ("https://10.0.0.1/v1", "10.0.0.1:443"),
        ("http://[fd00::5]:80", "[fd00::5]:80"),
        ("http://model.lan:1234", "192.168.1.7:1234"),
        ("http://host.docker.internal:11434/v1", "host.docker.internal:11434"),
    ],
)
def test_a_private_model_server_is_named(url: str, place: str) -> None:
    hosts = {"model.lan": "192.168.1.7", "host.docker.internal": "host-gateway"}
    assert blocked(config(url), [], hosts) == [("models.providers.local.baseUrl", place)]


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com/v1", "http://127.0.0.1:9/v1", "http://[::1]:9", "https://1.1.1.1", "http://model.lan",
     "", "http://10.0.0.1:99999", "http://[", 7, None],
)  # fmt: skip
def test_what_is_elsewhere_or_unknown_is_not(url: object) -> None:
    assert blocked(config(url)) == []


def test_what_is_declared_reachable_is_not() -> None:
    reachable = ["192.168.1.0/24:11434", "[fd00::/64]:80", "172.18.0.1:11434"]
    hosts = {"here": "host-gateway"}
    for url in ("http://192.168.1.5:11434/v1", "http://[fd00::5]/", "http://here:11434"):
        assert blocked(config(url), reachable, hosts) == []
    for url in ("http://192.168.1.5:11435", "http://192.168.2.5:11434", "http://here:1"):
        assert blocked(config(url), reachable, hosts)
    assert blocked(config("http://192.168.1.5:53"), ["192.168.1.5:53/udp", "not a place"])


def test_every_url_counts_wherever_it_is() -> None:
    found = blocked(
        {
            "plugins": [{"entries": {"BASEURL": "HTTP://10.1.1.1"}}],
            "channels": {"telegram": {"apiRoot": "http://10.1.1.2:8081"}, "matrix": {"homeserver": "https://10.1.1.3"}},
            "mcp": {"servers": {"home": {"url": "ws://10.1.1.4:8123"}}},
        }
    )
    assert found == [
        ("plugins[0].entries.BASEURL", "10.1.1.1:80"),
        ("channels.telegram.apiRoot", "10.1.1.2:8081"),
        ("channels.matrix.homeserver", "10.1.1.3:443"),
        ("mcp.servers.home.url", "10.1.1.4:8123"),
    ]


def test_what_others_connect_to_does_not() -> None:
    config = {
        "gateway": {"remote": {"url": "ws://10.1.1.1:18789"}, "controlUi": {"allowedOrigins": ["http://10.1.1.1"]}},
        "channels": {
            "x": {"webhookUrl": "https://10.1.1.2/x", "publicUrl": "https://10.1.1.2", "text": "see 10.1.1.2"}
        },
    }
    assert blocked(config) == []
