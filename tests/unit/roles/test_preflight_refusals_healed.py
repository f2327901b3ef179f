"""What the preflights of the other roles refuse is healed by the option that the message names; all in one run.

The checks are those of the roles' own files: each assertion with its variables, without the modules that look at a
host.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.role_templates import played

TOP = Path(__file__).resolve().parents[3]
WAIVER = {"id": "OCH-CTR-06", "reason": "a plugin writes there"}
REPOSITORY = {"engine_source": "repository", "engine_repository_uri": "https://packages.example.org/debian"}
REGISTRY = {"image_transport": "registry", "image_registry": "registry.example.org/openclaw"}
DIGEST = f"debian@sha256:{'4' * 64}"
# The option (without openclaw_): what is refused, what heals it, and what else is set in both.
TRIALS: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("engine_repository_uri", "", "https://packages.example.org", {**REPOSITORY, "engine_repository_key": "/root/key"}),
    ("engine_repository_key", "", "/root/key.asc", REPOSITORY),
    ("engine_repository_uri", "https://a b", "https://packages.example.org", {}),
    ("engine_repository_key", "key", "/root/key.asc", {}),
    ("image_instance", "-x", "blue", {}),
    ("image_checkout_path", "src", "/srv/openclaw", {"image_source": "checkout"}),
    ("image_checkout_path", "/srv/openclaw", "", {}),
    ("image_pnpm_version", "ten", "10.23.0", {}),
    ("image_base_ref", "debian:trixie", DIGEST, {"image_base": "registry"}),
    ("image_base_ref", DIGEST, "", {}),
    ("image_packages", ["-x"], ["git"], {}),
    ("image_builder_ca_file", "ca.pem", "/etc/ssl/ca.pem", {}),
    ("image_builder_npmrc", "npmrc", "/root/.npmrc", {}),
    ("image_builder_pip_conf", "pip.conf", "/etc/pip.conf", {}),
    ("image_base_max_age_days", 0, 30, {}),
    ("image_build_timeout", 1, 3600, {}),
    ("image_build_host", "nowhere", "localhost", {}),
    ("image_transport", "floppy", "archive", {}),
    ("image_cache_dir", "cache", "/var/cache/openclaw", {}),
    ("image_registry", "https://registry.example.org", "registry.example.org/openclaw", REGISTRY),
    ("image_registry", "registry.example.org/openclaw", "", {}),
    ("image_registry_user", "me", "", {}),
    ("image_registry_password_file", "password", "/root/password", {**REGISTRY, "image_registry_user": "me"}),
    ("image_registry_ca_file", "/no/such/file", "", {}),
    ("image_docker_host", "ssh://host", "unix:///run/docker.sock", {}),
    ("user_instance", "A", "acme", {}),
    ("user_instance", "acme-hardening", "acme", {}),
    ("user_instance", "acme-hardening-build", "acme", {}),
    ("image_instance", "acme-hardening", "acme", {}),
    ("auth_monitor_instance", "acme-hardening", "acme", {}),
    ("user_uid", 0, "auto", {}),
    ("verify_waivers", [{"id": "CIS-5.1", "reason": "long enough"}], [WAIVER], {}),
    ("verify_waivers", [{**WAIVER, "reason": "?"}], [WAIVER], {}),
    ("verify_waivers", [{**WAIVER, "expires": "soon"}], [WAIVER], {}),
    ("auth_monitor_instance", "A", "acme", {}),
    ("auth_monitor_user", "a b", "openclaw", {}),
    ("auth_monitor_home", "home", "/var/lib/openclaw", {}),
    ("auth_monitor_state_dir", "/a/../b", "/var/lib/openclaw/.openclaw", {}),
    ("auth_monitor_warn_hours", 0, 2, {}),
    ("auth_monitor_notify_ntfy", "ntfy", "https://ntfy.example.org/topic", {}),
    ("auth_monitor_notify_ntfy_token_file", "token", "/root/token", {}),
    ("auth_monitor_notify_phone", "-1", "+491700000", {}),
    ("auth_monitor_notify_channel", "Tele gram", "telegram", {}),
    ("auth_monitor_gateway_port", 0, 18789, {}),
    ("auth_monitor_gateway_token_file", "token", "/etc/openclaw/secrets/gateway_token", {}),
]
ROLES = ("engine", "image", "user", "verify", "auth_monitor")


def assertions(role: str) -> list[dict[str, Any]]:
    """Return the role's checks on the controller."""
    tasks = yaml.safe_load((TOP / f"roles/openclaw_{role}/tasks/preflight.yml").read_text())
    return [task for task in tasks if "ansible.builtin.assert" in task]


def named(options: dict[str, Any]) -> dict[str, Any]:
    return {f"openclaw_{name}": value for name, value in options.items()}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """What is refused in each trial, before and after."""
    folder = tmp_path_factory.mktemp("preflight")
    tasks: list[dict[str, Any]] = []
    cases = [(option, value, more) for option, bad, good, more in TRIALS for value in (bad, good)]
    for role in ROLES:
        (folder / f"{role}.yml").write_text(json.dumps(assertions(role)))
    for number, (option, value, more) in enumerate(cases):
        role = next(name for name in ROLES if option.startswith(name))
        keep = {"ansible.builtin.set_fact": {f"output_{number}": "{{ failed_as }}"}}
        results = "ansible_failed_result.results | default([ansible_failed_result])"
        words = f"{{{{ {results} | map(attribute='msg', default='') | join(' ') }}}}"
        tasks.append({
            "block": [{"ansible.builtin.include_tasks": f"{folder}/{role}.yml"}, {**keep, "vars": {"failed_as": ""}}],
            "rescue": [{**keep, "vars": {"failed_as": words}}],
            "vars": {"role_path": str(TOP / f"roles/openclaw_{role}"), **named({**more, option: value})},
        })  # fmt: skip
    everything = ", ".join(f"output_{number}" for number in range(len(cases)))
    files = [TOP / f"roles/openclaw_{role}/{part}/main.yml" for role in ROLES for part in ("defaults", "vars")]
    there = [str(file) for file in files if file.is_file()]
    texts = played(folder, f"{{{{ [{everything}] | to_json }}}}", tasks=tasks, vars_files=there)
    return list(zip(texts[::2], texts[1::2]))


@pytest.mark.parametrize("number", range(len(TRIALS)), ids=lambda number: f"{TRIALS[number][0]}-{number}")
def test_the_option_that_is_named_heals(number: int, output: list[tuple[str, str]]) -> None:
    option, _bad, _good, _more = TRIALS[number]
    before, after = output[number]
    assert f"openclaw_{option}" in before
    assert after == ""


@pytest.mark.parametrize("role", ROLES)
def test_every_option_that_is_refused_has_a_trial(role: str) -> None:
    folder = TOP / f"roles/openclaw_{role}"
    known = yaml.safe_load((folder / "vars/main.yml").read_text()) if (folder / "vars/main.yml").is_file() else {}
    options = {rule["option"] for rule in known.get(f"_openclaw_{role}_rules", [])}
    conditions = " ".join(json.dumps(task["ansible.builtin.assert"]["that"]) for task in assertions(role))
    defaults = yaml.safe_load((folder / "defaults/main.yml").read_text())
    options |= {f"openclaw_{role}_instance"} if f"_openclaw_{role}_names is mapping" in conditions else set()
    options |= {name for name in defaults if name in conditions.replace(f"_{name}", "")} - {"openclaw_engine_source"}
    assert options or role == "verify"  # its waivers are the items of a loop
    assert options <= {f"openclaw_{option}" for option, *_rest in TRIALS}
