"""What the role openclaw_image refuses on the controller: no host is reached, so none has to be there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[4]
CANARY = "canary-password"
CA = str(CHECKOUT / "README.md")  # any file
REGISTRY = {"openclaw_image_transport": "registry", "openclaw_image_registry": "registry.example:5000/openclaw"}
LOGIN = {"openclaw_image_registry_user": "mover", "openclaw_image_registry_password": CANARY}
PATH = {"openclaw_image_registry_user": "mover", "openclaw_image_registry_password_file": "/etc/password"}
# By name of the host: its variables, and which of them is refused (nothing: none).
ONE_HOST: dict[str, tuple[dict, str]] = {
    "defaults": ({}, ""),
    "builder": ({"openclaw_image_build_host": "defaults"}, ""),
    "controller": ({"openclaw_image_build_host": "localhost"}, ""),
    "unknown": ({"openclaw_image_build_host": "nobody.example"}, "openclaw_image_build_host"),
    "transport": ({"openclaw_image_transport": "pigeon"}, "openclaw_image_transport"),
    "cache-relative": ({"openclaw_image_cache_dir": "cache"}, "openclaw_image_cache_dir"),
    "cache-home": ({"openclaw_image_cache_dir": "~/cache"}, ""),
    "cache-empty": ({"openclaw_image_cache_dir": ""}, "openclaw_image_cache_dir"),
    "registry": ({**REGISTRY, **LOGIN, "openclaw_image_registry_ca_file": CA}, ""),
    "registry-file": ({**REGISTRY, **PATH}, ""),
    "registry-open": (REGISTRY, ""),
    "registry-none": ({"openclaw_image_transport": "registry"}, "openclaw_image_registry"),
    "registry-unused": ({"openclaw_image_registry": "registry.example/a"}, "openclaw_image_registry"),
    "registry-http": ({**REGISTRY, "openclaw_image_registry": "http://registry.example/a"}, "openclaw_image_registry"),
    "registry-tag": ({**REGISTRY, "openclaw_image_registry": "registry.example/a:b"}, "openclaw_image_registry"),
    "registry-hub": ({**REGISTRY, "openclaw_image_registry": "team/openclaw"}, "openclaw_image_registry"),
    "login-half": ({**REGISTRY, "openclaw_image_registry_user": "mover"}, "openclaw_image_registry_user"),
    "login-nobody": ({**REGISTRY, "openclaw_image_registry_password": CANARY}, "openclaw_image_registry_user"),
    "login-two": ({**REGISTRY, **LOGIN, **PATH}, "openclaw_image_registry_password_file"),
    "login-relative": (
        {**REGISTRY, **PATH, "openclaw_image_registry_password_file": "x"},
        "openclaw_image_registry_password_file",
    ),
    "ca-missing": ({**REGISTRY, "openclaw_image_registry_ca_file": "/none"}, "openclaw_image_registry_ca_file"),
}
# Two hosts that one image is built for.
PAIRS: dict[str, tuple[dict, dict, str]] = {
    "same": ({"openclaw_image_packages": ["git"]}, {"openclaw_image_packages": ["git"]}, ""),
    "packages": ({"openclaw_image_packages": ["git"]}, {}, "openclaw_image_packages"),
    "second-packages": ({}, {"openclaw_image_packages": ["git"]}, "openclaw_image_packages"),
    "default-reported": ({"openclaw_image_source": "package"}, {}, ""),
    "npmrc": ({"openclaw_image_builder_npmrc": "/a"}, {"openclaw_image_builder_npmrc": "/b"}, "builder_npmrc"),
    "one-builds-its-own": ({}, {"openclaw_image_build_host": ""}, "openclaw_image_build_host"),
    "each-builds-its-own": (
        {"openclaw_image_build_host": "", "openclaw_image_packages": ["git"]},
        {"openclaw_image_build_host": ""},
        "",
    ),
}


def preflight(tmp_path: Path, hosts: dict[str, dict], plays: list[str]) -> dict[str, str]:
    """Run the role's preflight for each play; return the refusals by host."""
    inventory, playbook = tmp_path / "hosts.json", tmp_path / "preflight.yml"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    role = {"name": "openclaw.hardening.openclaw_image", "tasks_from": "preflight"}
    # A refusal must not end the plays that follow.
    task = {
        "block": [{"ansible.builtin.include_role": role}],
        "rescue": [{"ansible.builtin.debug": {"msg": "refused"}}],
    }
    checked = [{"name": "Check", "hosts": pattern, "gather_facts": False, "tasks": [task]} for pattern in plays]
    playbook.write_text(json.dumps(checked))
    records = tmp_path / "records"
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
        "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "tests/lab/callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "recorder",
        "RECORDER_DIR": str(records),
    }
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(playbook)]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)
    assert CANARY not in done.stdout
    (record,) = records.iterdir()
    tasks = json.loads(record.read_text())["tasks"]
    assert {task["host"] for task in tasks} == set(hosts), done.stdout
    return {task["host"]: task["failed"] for task in tasks if "failed" in task}


@pytest.fixture(scope="module")
def refused(tmp_path_factory) -> dict[str, str]:
    hosts = {name: variables for name, (variables, _option) in ONE_HOST.items()}
    return preflight(tmp_path_factory.mktemp("one"), hosts, list(hosts))


@pytest.fixture(scope="module")
def refused_pairs(tmp_path_factory) -> dict[str, str]:
    hosts = {}
    for name, (first, second, _option) in PAIRS.items():
        for number, variables in enumerate((first, second)):
            hosts[f"{name}-{number}"] = {"openclaw_image_build_host": "localhost", **variables}
    return preflight(tmp_path_factory.mktemp("pairs"), hosts, [f"{name}-*" for name in PAIRS])


@pytest.mark.parametrize("host", ONE_HOST)
def test_a_setting_is_refused_by_name_or_taken(refused, host):
    option = ONE_HOST[host][1]
    message = refused.get(host, "")
    if not option:
        assert message == ""
    else:
        assert f"set '{option}'" in message
        assert message.startswith("Refused 1 setting, nothing was changed:")


@pytest.mark.parametrize("pair", PAIRS)
def test_hosts_of_one_image_agree_on_what_is_in_it(refused_pairs, pair):
    option = PAIRS[pair][2]
    output = " ".join(refused_pairs.get(f"{pair}-{number}", "") for number in (0, 1))
    assert (option in output and "one image for all" in output) if option else output.strip() == ""
