"""What a base's configuration and environment become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.takeover import (
    RESERVED,
    STATE,
    TOKEN,
    take_over,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets import plain

STRONG = "0123456789abcdef" * 3 + "fedcba9876543210"
KEY = "sk-ant-api03-canary-key-of-the-base-000000"
TOP = Path(__file__).resolve().parents[5]


def taken(config: dict[str, Any], environment: dict[str, str] | None = None, inside: str = STATE) -> Any:
    return take_over(config, environment or {}, inside)


def test_a_strong_token_stays_and_a_weak_one_does_not() -> None:
    kept = taken({}, {"OPENCLAW_GATEWAY_TOKEN": STRONG})
    assert (kept.secrets[TOKEN], kept.keeps_token) == (STRONG, True)
    for environment in ({"OPENCLAW_GATEWAY_TOKEN": "change-me"}, {}):
        new = taken({}, environment)
        assert not new.keeps_token
        assert len(new.secrets[TOKEN]) == 64
    # OpenClaw takes that of the configuration first.
    both = {"gateway": {"auth": {"token": STRONG}}}
    assert taken(both, {"OPENCLAW_GATEWAY_TOKEN": "f" * 64}).secrets[TOKEN] == STRONG
    referred = {"gateway": {"auth": {"token": "${MY}"}}}
    assert taken(referred, {"MY": STRONG}).secrets[TOKEN] == STRONG
    secret_ref = {"gateway": {"auth": {"token": {"source": "env", "provider": "default", "id": "MY"}}}}
    assert taken(secret_ref, {"MY": STRONG}).secrets[TOKEN] == STRONG


def test_secrets_become_files_and_are_shown_nowhere() -> None:
    config = {
        "models": {"providers": {"anthropic": {"apiKey": KEY, "baseUrl": "https://api.example.org"}}},
        "channels": {"telegram": {"botToken": "${BOT}"}, "slack": {"appToken": {"source": "env", "id": "APP"}}},
    }
    result = taken(config, {"BOT": "123:bot-canary", "APP": "xapp-canary"})
    names = {name for name in result.secrets if name != TOKEN}
    assert {result.secrets[name] for name in names} == {KEY, "123:bot-canary", "xapp-canary"}
    reference = result.config["models"]["providers"]["anthropic"]["apiKey"]
    assert reference == {"source": "file", "provider": reference["provider"], "id": "value"}
    assert reference["provider"] in names
    shown = json.dumps([result.config, result.hardened, result.left, result.rewritten])
    assert "canary" not in shown
    assert plain.find(result.config) == []
    assert "canary" not in repr(result)


def test_what_belongs_to_the_deployment_is_left_out_and_named() -> None:
    config: dict[str, Any] = {
        "gateway": {"bind": "lan", "port": 1, "controlUi": {"allowedOrigins": ["http://x"]}},
        "meta": {"lastTouchedVersion": "1"},
        "update": {"channel": "beta"},
        "tools": {},
    }
    before = json.dumps(config)
    result = taken(config)
    assert result.config == {"tools": {}}
    assert "gateway.bind: left to the deployment" in result.hardened
    assert "gateway.controlUi.allowedOrigins: left to the deployment" in result.hardened
    assert json.dumps(config) == before


def test_paths_of_another_home() -> None:
    agents = {"defaults": {"workspace": "/Users/peter/.openclaw/workspace"}, "other": "/Users/peter/Documents"}
    result = taken({"agents": agents})
    assert result.config["agents"]["defaults"]["workspace"] == f"{STATE}/workspace"
    assert result.rewritten == ["agents.defaults.workspace"]
    assert result.left == ["agents.other: a path outside of the state, which the container does not have"]
    root = taken({"agents": {"workspace": "/srv/oc/workspace"}}, inside="/srv/oc")
    assert root.config["agents"]["workspace"] == f"{STATE}/workspace"
    assert taken({"agents": {"workspace": f"{STATE}/workspace"}}).rewritten == []


def test_the_environment() -> None:
    config = {"channels": {"telegram": {"enabled": True}}}
    result = taken(config, {"TELEGRAM_BOT_TOKEN": "1:canary-bot-token", "ANTHROPIC_API_KEY": KEY, "TZ": "UTC"})
    assert result.config["channels"]["telegram"]["botToken"]["source"] == "file"
    assert result.left == ["variable ANTHROPIC_API_KEY: a secret that the configuration does not refer to"]
    with pytest.raises(HardeningError, match="no MISSING"):
        taken({"channels": {"telegram": {"botToken": "${MISSING}"}}})


def test_the_same_keys_are_reserved_as_in_the_role() -> None:
    role = yaml.safe_load((TOP / "roles/openclaw_gateway/vars/main.yml").read_text())
    assert {entry["key"] for entry in role["_openclaw_gateway_reserved"]} == set(RESERVED)
