"""What the role openclaw_gateway refuses is healed by the option that the message names; all of it in one run.

The places are walked in refusals.j2: an option that is refused there needs a trial here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.role_templates import written

TOP = Path(__file__).resolve().parents[3]
ROLE = TOP / "roles/openclaw_gateway"
WAIVER = {"id": "OCH-CTR-06", "reason": "a plugin writes there"}
# The option without its role's name: what is refused, what heals it, and what else is set in both.
TRIALS: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("instance", "-x", "blue", {}),
    ("bind", "0.0.0.0", "lan", {}),
    ("port", "http", 18790, {}),
    ("pids_limit", 1, 256, {}),
    ("log_max_file", 1, 2, {}),
    ("health_timeout", 1, 10, {}),
    ("command_timeout", 1, 10, {}),
    ("stabilize_seconds", -1, 0, {}),
    ("cpus", 0.1, 0.5, {}),
    ("memory", "1g", "1536m", {}),
    ("stop_grace_period", "5s", "330s", {}),
    ("log_max_size", "10", "10m", {}),
    ("cap_add", ["SYS_ADMIN"], ["CHOWN"], {}),
    ("waivers", [{"id": "x"}], [WAIVER], {}),
    ("read_only", False, True, {}),
    ("waivers", [], [WAIVER], {"read_only": False}),
    ("read_only_tmpfs", [{"path": "x", "size": "1m"}], [{"path": "/x", "size": "1m"}], {}),
    ("read_only_tmpfs", [{"path": "/x", "size": "1"}], [{"path": "/x", "size": "1m"}], {}),
    ("allowed_origins", ["$x"], ["https://openclaw.example.org"], {}),
    ("token", "secret", "0123456789abcdef" * 4, {}),
    ("token", "0123456789abcdef" * 4, "", {"token_rotate": True}),
    ("token_rotate", True, False, {"token": "0123456789abcdef" * 4}),
    ("provider_keys", {"A B": "x"}, {"openai": "x"}, {}),
    ("provider_keys", {"openai": "a b"}, {"openai": "x"}, {}),
    ("secrets", {"A B": "x"}, {"a": "x"}, {}),
    ("secrets", {"openai": "x"}, {"other": "x"}, {"provider_keys": {"openai": "y"}}),
    ("config", {"gateway": 1}, {}, {}),
    ("config", {"update": {}}, {}, {}),
    ("config", {"models": {"providers": {"openai": {"apiKey": "x"}}}}, {}, {"provider_keys": {"openai": "x"}}),
]
CONFIGS = {
    "gateway.bind": {"bind": "lan"}, "gateway.port": {"port": 18790}, "gateway.auth.token": {"token": "abcdef01" * 8},
    "gateway.controlUi.allowedOrigins": {"allowed_origins": ["https://openclaw.example.org"]},
}  # fmt: skip


def nested(path: str) -> dict[str, Any]:
    value: Any = "x"
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


# Keys that belong to the deployment: leaving them out, with the option that takes its place.
RESERVED = [
    entry["key"] for entry in yaml.safe_load((ROLE / "vars/main.yml").read_text())["_openclaw_gateway_reserved"]
]
TRIALS += [("config", nested(key), {}, CONFIGS.get(key, {})) for key in RESERVED if key != "update"]


def named(option: str, value: Any, more: dict[str, Any]) -> dict[str, Any]:
    return {f"openclaw_gateway_{name}": one for name, one in {**more, option: value}.items()}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """What the role refuses in each trial, before and after."""
    cases = [named(option, value, more) for option, bad, good, more in TRIALS for value in (bad, good)]
    texts = [text.strip() for text in written(tmp_path_factory.mktemp("refused"), ROLE, "refusals.j2", cases)]
    return list(zip(texts[::2], texts[1::2]))


@pytest.mark.parametrize("number", range(len(TRIALS)), ids=lambda number: f"{TRIALS[number][0]}-{number}")
def test_the_option_that_is_named_heals(number: int, output: list[tuple[str, str]]) -> None:
    option, _bad, _good, _more = TRIALS[number]
    before, after = output[number]
    assert f"openclaw_gateway_{option}" in before
    assert after == ""


def test_every_option_that_is_refused_has_a_trial() -> None:
    text = (ROLE / "templates/refusals.j2").read_text()
    options = set(re.findall(r"(?:refuse|number|plain|shaped)\('openclaw_gateway_([a-z_]+)", text))
    options |= set(re.findall(r"^openclaw_gateway_([a-z_]+): found", text, re.MULTILINE))
    assert len(options) > 15
    assert options <= {option for option, *_rest in TRIALS}
