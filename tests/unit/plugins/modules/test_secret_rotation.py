"""The module's options: what is refused before anything is looked at, and that no secret shows in a refusal."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.modules import secret_rotation

GOOD = {
    "project": "openclaw",
    "service": "openclaw-gateway",
    "container_name": "openclaw-gateway",
    "definition": "/etc/openclaw/docker-compose.hardened.yml",
    "token_file": "/etc/openclaw/secrets/gateway_token",
    "port": 18789,
    "record_dir": "/var/lib/openclaw-none",
}
CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("token_file", "gateway_token"),
        ("token_file", "/etc/../etc/shadow"),
        ("definition", "/etc/open\nclaw"),
        ("port", 70000),
        ("host", "localhost; reboot"),
        ("record_dir", "relative"),
        ("secrets", {"relative": CANARY}),
        ("secrets", {"/etc/openclaw/secrets/provider_a": ""}),
        ("secrets", {"/etc/openclaw/secrets/provider_a": [CANARY]}),
        ("revoke_devices", ["a\nb"]),
        ("lock_timeout", -1),
        ("command_timeout", 0),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_bad_option_is_refused_by_its_name(run_module, option, value, check):
    result = run_module(secret_rotation, check, **{**GOOD, option: value})
    assert result["failed"]
    assert result["msg"].startswith(option)
    assert CANARY not in result["msg"]


def test_a_host_without_a_deployment_is_refused(run_module):
    result = run_module(secret_rotation, **GOOD)
    assert result["failed"]
    assert "run site.yml" in result["msg"]
