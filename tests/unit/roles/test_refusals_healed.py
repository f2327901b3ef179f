"""What the roles refuse is healed by the option that the message names; all of it in one run.

Each trial is a host whose settings the action validate_settings validates, once refused and once healed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

TOP = Path(__file__).resolve().parents[3]
ROLES = sorted(path.parent.parent.name for path in (TOP / "roles").glob("*/meta/settings.yml"))
WAIVER = {"id": "OCH-CTR-06", "reason": "a plugin writes there"}
REPOSITORY = {"engine_source": "repository", "engine_repository_uri": "https://packages.example.org/debian"}
REGISTRY = {"image_transport": "registry", "image_registry": "registry.example.org/openclaw"}
STRONG = hashlib.sha256(b"token").hexdigest()
PROXY = "http://proxy.example:3128"
CA = str(Path(__file__).parents[1] / "recorded/ca.pem")
PRIVATE_MODEL = {"models": {"providers": {"local": {"baseUrl": "http://192.168.1.5:11434/v1", "models": []}}}}
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
    ("image_lock_dir", "/no/such/folder", str(Path(__file__).parents[3] / "roles/openclaw_image/files"), {}),
    ("backup_instance", "A", "acme", {}),
    ("backup_dir", "backups", "/srv/backups", {}),
    ("backup_keep", 0, 1, {}),
    ("backup_recipient", "canary@example.org", f"age1{'q' * 58}", {}),
    ("backup_timeout", 1, 60, {}),
    ("backup_lock_timeout", -1, 0, {}),
    ("image_pnpm_version", "ten", "10.23.0", {}),
    ("image_base_ref", "debian:trixie", DIGEST, {"image_base": "registry"}),
    ("image_base_ref", DIGEST, "", {}),
    ("image_packages", ["-x"], ["git"], {}),
    ("image_builder_ca_file", "ca.pem", "/etc/ssl/ca.pem", {}),
    ("image_builder_npmrc", "npmrc", "/root/.npmrc", {}),
    ("image_builder_pip_conf", "pip.conf", "/etc/pip.conf", {}),
    ("image_base_max_age_days", 0, 30, {}),
    ("image_build_timeout", 1, 3600, {}),
    ("image_build_dir", "/proc/1", "/srv/build", {}),
    ("image_proxy", "http://me:word@proxy.example:3128", PROXY, {}),
    ("image_proxy", "proxy.example:3128", PROXY, {}),
    ("image_proxy", "http://127.0.0.1:3128", PROXY, {}),
    ("image_no_proxy", ["a,b"], [".example.org"], {}),
    ("image_ca_file", "/no/such/file", "", {}),
    ("image_ca_file", __file__, CA, {}),
    ("gateway_proxy", "http://me:word@proxy.example:3128", PROXY, {}),
    ("gateway_no_proxy", ["a b"], [".example.org", "192.0.2.0/24"], {}),
    ("gateway_ca_file", "/no/such/file", "", {}),
    ("gateway_ca_file", __file__, CA, {}),
    # --- one for all roles ---
    ("proxy", "socks5://proxy.example:1080", PROXY, {}),
    ("no_proxy", ["-x"], ["db.example.org"], {}),
    ("ca_file", __file__, CA, {}),
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
    ("maintenance_instance", "A", "acme", {}),
    ("maintenance_audit_schedule", "03h", "*-*-* 03:00", {}),
    ("maintenance_audit_schedule", "daily\nUser=root", "", {}),
    ("maintenance_events_schedule", "often", "*:00/5", {}),
    ("maintenance_backup_schedule", "%n", "Sun 03:00", {}),
    ("maintenance_update_schedule", "at night", "Sun 04:00", {}),
    ("maintenance_update_schedule", "daily", "", {"image_build_host": "localhost"}),
    ("maintenance_jitter_minutes", 1441, 0, {}),
    ("maintenance_metrics_dir", "metrics", "/var/lib/prometheus/node-exporter", {}),
    ("maintenance_notify_ntfy", "ntfy", "https://ntfy.example.org/topic", {}),
    ("maintenance_notify_ntfy", "https://me:secret@ntfy.example.org/topic", "", {}),
    ("maintenance_notify_ntfy_token_file", "token", "/root/token", {}),
    ("maintenance_notify_phone", "-1", "+491700000", {}),
    ("maintenance_notify_channel", "Tele gram", "telegram", {}),
    ("maintenance_state", "on", "present", {}),
    ("gateway_instance", "-x", "blue", {}),
    ("gateway_bind", "0.0.0.0", "lan", {}),
    ("gateway_port", "http", 18790, {}),
    ("gateway_pids_limit", 1, 256, {}),
    ("gateway_log_max_file", 1, 2, {}),
    ("gateway_health_timeout", 1, 10, {}),
    ("gateway_command_timeout", 1, 10, {}),
    ("gateway_stabilize_seconds", -1, 0, {}),
    ("gateway_migration_backup_days", -1, 0, {}),
    ("gateway_sources", ["192.168.1.5/24"], ["192.168.1.0/24"], {"gateway_bind": "lan"}),
    ("gateway_sources", ["192.168.1.0/24"], [], {}),
    ("gateway_reachable", ["192.168.1.5"], ["192.168.1.5:11434"], {}),
    ("gateway_reachable", [], ["192.168.1.5:11434"], {"gateway_config": PRIVATE_MODEL}),
    ("gateway_cpus", 0.1, 0.5, {}),
    ("gateway_memory", "1g", "1536m", {}),
    ("gateway_stop_grace_period", "5s", "330s", {}),
    ("gateway_log_max_size", "10", "10m", {}),
    ("gateway_cap_add", ["SYS_ADMIN"], ["CHOWN"], {}),
    ("gateway_extra_hosts", {"a b": "host-gateway"}, {"host.docker.internal": "host-gateway"}, {}),
    ("gateway_extra_hosts", {"models": "models.example.org"}, {"models": "192.0.2.7"}, {}),
    ("gateway_waivers", [{"id": "x"}], [WAIVER], {}),
    ("gateway_read_only", False, True, {}),
    ("gateway_waivers", [], [WAIVER], {"gateway_read_only": False}),
    ("gateway_read_only_tmpfs", [{"path": "x", "size": "1m"}], [{"path": "/x", "size": "1m"}], {}),
    ("gateway_read_only_tmpfs", [{"path": "/x", "size": "1"}], [{"path": "/x", "size": "1m"}], {}),
    ("gateway_revoke_devices", ["a\nb"], ["all"], {}),
    ("gateway_allowed_origins", ["$x"], ["https://openclaw.example.org"], {}),
    ("gateway_token", "secret", STRONG, {}),
    ("gateway_token", STRONG, "", {"gateway_token_rotate": True}),
    ("gateway_token_rotate", True, False, {"gateway_token": STRONG}),
    ("gateway_provider_keys", {"A B": "x"}, {"openai": "x"}, {}),
    ("gateway_provider_keys", {"openai": "a b"}, {"openai": "x"}, {}),
    ("gateway_secrets", {"A B": "x"}, {"a": "x"}, {}),
    ("gateway_secrets", {"openai": "x"}, {"other": "x"}, {"gateway_provider_keys": {"openai": "y"}}),
    ("gateway_config", {"gateway": 1}, {}, {}),
    (
        "gateway_config",
        {"channels": {"telegram": {"botToken": "1234567890:canary"}}},
        {"channels": {"telegram": {"botToken": {"source": "file", "provider": "provider_bot", "id": "value"}}}},
        {},
    ),
    ("gateway_config", {"update": {}}, {}, {}),
    (
        "gateway_config",
        {"models": {"providers": {"openai": {"apiKey": "x"}}}},
        {},
        {"gateway_provider_keys": {"openai": "x"}},
    ),
    ("engine_memory_minimum_mib", -1, 0, {}),
    ("engine_disk_minimum_mib", -1, 0, {}),
    ("engine_disk_path", "docker", "/srv/docker", {}),
    ("engine_processors", -1, "0.5", {}),
    ("engine_addresses", ["0.0.0.0"], ["192.0.2.7"], {}),
    ("engine_docker_host", "ssh://host", "unix:///run/docker.sock", {}),
    ("verify_instance", "A", "acme", {}),
    ("verify_bind", "everywhere", "loopback", {}),
    ("verify_image_max_age_days", 0, 30, {}),
    # --- of the argument specs ---
    ("engine_source", "floppy", "present", {}),
    ("gateway_state", "on", "present", {}),
    ("gateway_cap_add", "CHOWN", ["CHOWN"], {}),
    ("gateway_read_only", "perhaps", "true", {}),
    ("gateway_config", "{}", {}, {}),
    ("gateway_port", 1.5, 18790, {}),
    ("gateway_token", None, "", {}),
    ("image_packages", [["git"]], ["git"], {}),
    ("image_refresh", "maybe", "no", {}),
    ("auth_monitor_interval_minutes", "7", "10", {}),
    ("verify_report_formats", ["pdf"], ["html"], {}),
    ("verify_fail_on", "all", "never", {}),
]
CONFIGS = {
    "gateway.bind": {"gateway_bind": "lan"},
    "gateway.port": {"gateway_port": 18790},
    "gateway.auth.token": {"gateway_token": STRONG},
    "gateway.controlUi.allowedOrigins": {"gateway_allowed_origins": ["https://openclaw.example.org"]},
}


def nested(path: str) -> dict[str, Any]:
    value: Any = "x"
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


# Keys that belong to the deployment: leaving them out, with the option that takes its place.
GATEWAY = yaml.safe_load((TOP / "roles/openclaw_gateway/vars/main.yml").read_text())
RESERVED = [entry["key"] for entry in GATEWAY["_openclaw_gateway_reserved"]]
TRIALS += [("gateway_config", nested(key), {}, CONFIGS.get(key, {})) for key in RESERVED if key != "update"]


def messages(folder: Path, hosts: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return what the action reports for each host with these variables; nothing when it takes them."""
    inventory = {"all": {"hosts": hosts, "vars": {"roles_tried": ROLES}}}
    (folder / "hosts.json").write_text(json.dumps(inventory))
    validate = {
        "openclaw.hardening.validate_settings": {"roles": "{{ roles_tried }}"},
        "ignore_errors": True,
        "register": "done",
    }
    reported = "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'done'))) }}"
    keep = {
        "ansible.builtin.copy": {"content": f"{reported[:-3]} | to_json }}}}", "dest": f"{folder}/done.json"},
        "delegate_to": "localhost",
        "run_once": True,
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
    }
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [validate, keep]}]))
    argv = [sys.executable, "-m", "ansible.cli.playbook", "-i", f"{folder}/hosts.json", f"{folder}/play.yml"]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    results = json.loads((folder / "done.json").read_text())
    return {host: result["msg"] if result["failed"] else "" for host, result in results.items()}


def owners(option: str) -> list[str]:
    """Return the roles to try an option with: its own; all of them where several take it over."""
    return [role for role in ROLES if f"openclaw_{option}".startswith(f"{role}_")] or ROLES


def named(options: dict[str, Any]) -> dict[str, Any]:
    return {f"openclaw_{name}": value for name, value in options.items()}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is refused in each trial, before and after; and of one host with everything wrong."""
    hosts = {"everything": named({option: bad for option, bad, _good, _more in reversed(TRIALS)})}
    for number, (option, bad, good, more) in enumerate(TRIALS):
        tried = {"roles_tried": owners(option)}
        hosts[f"{number}-bad"] = {**tried, **named({**more, option: bad})}
        hosts[f"{number}-good"] = {**tried, **named({**more, option: good})}
    return messages(tmp_path_factory.mktemp("refused"), hosts)


@pytest.mark.parametrize("number", range(len(TRIALS)), ids=lambda number: f"{TRIALS[number][0]}-{number}")
def test_the_option_that_is_named_heals(number: int, output: dict[str, str]) -> None:
    option, bad, _good, _more = TRIALS[number]
    message = output[f"{number}-bad"]
    assert message.startswith("Refused ")
    assert f"openclaw_{option}" in message
    assert "found" in message
    assert "needed" in message
    assert "cannot be evaluated" not in message
    assert output[f"{number}-good"] == ""
    assert "canary" not in message
    if option in ("gateway_token", "gateway_secrets", "gateway_provider_keys") and isinstance(bad, str):
        assert repr(bad) not in message


def test_every_option_that_is_refused_has_a_trial() -> None:
    options = set()
    for role in ROLES:
        settings = yaml.safe_load((TOP / f"roles/{role}/meta/settings.yml").read_text())
        options |= {rule["option"] for rule in settings["rules"]}
    assert len(options) > 40
    assert options <= {f"openclaw_{option}" for option, *_rest in TRIALS}


def test_one_message_names_every_option_that_is_wrong(output: dict[str, str]) -> None:
    message = output["everything"]
    lines = message.splitlines()[1:]
    assert message.startswith(f"Refused {len(lines)} settings, nothing was changed:")
    # What is wrong only beside another value.
    alone = {
        "engine_repository_key",
        "engine_repository_uri",
        "gateway_read_only",
        "gateway_token_rotate",
        "image_registry_password_file",
        "image_registry_user",
        # Taken over by roles that have no value of their own.
        "ca_file",
        "no_proxy",
        "proxy",
    }
    missing = [option for option, *_rest in TRIALS if f"openclaw_{option}" not in message]
    assert sorted(set(missing) - alone) == []


def test_a_value_that_is_taken_over_is_named_where_it_was_set(tmp_path: Path) -> None:
    hosts = {
        "instance": {"openclaw_instance": "A b"},
        "port": {"openclaw_gateway_port": 0},
        "waivers": {"openclaw_waivers": [{"id": "x", "reason": "long enough"}]},
        "mistyped": {"openclaw_gateway_prot": 1},
        "undefined": {"openclaw_gateway_memory": "{{ nowhere }}"},
        "hidden": {"openclaw_gateway_token": "canary-0123456789", "openclaw_image_registry_password": ["canary-list"]},
    }
    found = messages(tmp_path, hosts)
    assert found["instance"].count("openclaw_instance: found 'A b'") == 1
    assert found["instance"].startswith("Refused 1 setting, ")
    assert found["port"].startswith("Refused 1 setting, ")
    assert found["waivers"].startswith("Refused 1 setting, ")
    assert "openclaw_waivers: found id 'x'" in found["waivers"]
    assert "openclaw_gateway_prot: found" in found["mistyped"]
    assert "needed openclaw_gateway_port" in found["mistyped"]
    assert "'nowhere' is undefined" in found["undefined"]
    assert "openclaw_image_registry_password: found a value that is not shown" in found["hidden"]
    assert "canary" not in found["hidden"]
