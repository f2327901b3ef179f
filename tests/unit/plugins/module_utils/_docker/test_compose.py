"""The compose command line, against a stand-in for docker that records what it gets."""

from __future__ import annotations

import json
import sys

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import compose as docker_compose
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import Compose
from ansible_collections.openclaw.hardening.plugins.module_utils._system import program as system_program
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run as real

PROGRAM = """#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    env = {{name: value for name, value in os.environ.items() if name.startswith(("COMPOSE_", "OPENCLAW_"))}}
    data = sys.stdin.read() if "-" in sys.argv else ""
    log.write(json.dumps({{"argv": sys.argv[1:], "env": env, "cwd": os.getcwd(), "data": data}}) + "\\n")
if "--format" in sys.argv:
    print("nothing" if "broken" in data else json.dumps({{"services": {{}}}}))
elif "unreadable" in data:
    sys.exit("yaml: line 3: \\x1b[2Jmapping values are not allowed")
elif "config" in sys.argv:
    print("other 1111\\nopenclaw-gateway 2222")
sys.exit(1 if "bad-service" in sys.argv else 0)
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    log, program = tmp_path / "log", tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("OPENCLAW_IMAGE", "evil:latest")
    monkeypatch.setenv("COMPOSE_FILE", "/tmp/evil.yml")
    # Before what stops containers, Docker is asked how long they may take.
    return lambda: [call for call in map(json.loads, log.read_text().splitlines()) if "compose" in call["argv"]]


@pytest.fixture
def compose(tmp_path) -> Compose:
    with patch_module_args({}):
        module = AnsibleModule(argument_spec={})
    return Compose(module, "unix:///var/run/docker.sock", "openclaw", str(tmp_path), str(tmp_path / "c.yml"))


def test_the_hash_of_a_text_that_lies_nowhere(compose, calls):
    assert compose.config_hash("services: {}", "openclaw-gateway") == "2222"
    (call,) = calls()
    assert call["data"].strip() == "services: {}"
    assert call["argv"][:3] == ["--host", "unix:///var/run/docker.sock", "compose"]
    assert call["argv"][call["argv"].index("--file") :][:2] == ["--file", "-"]


def test_a_definition_without_the_service_is_refused(compose, calls):
    with pytest.raises(HardeningError, match="no service 'missing'"):
        compose.config_hash("services: {}", "missing")


def test_the_environment_of_the_caller_has_no_say(compose, calls):
    compose.up("openclaw-gateway")
    compose.up("openclaw-gateway", recreate=True)
    first, second = calls()
    for call in (first, second):
        assert call["env"]["OPENCLAW_IMAGE"] == call["env"]["COMPOSE_FILE"] == ""
    assert "--force-recreate" not in first["argv"]
    assert "--force-recreate" in second["argv"]
    assert first["argv"][-2:] == ["--", "openclaw-gateway"]


def test_a_definition_is_resolved_with_all_profiles(compose, calls):
    assert compose.resolve("services: {}") == {"services": {}}
    (call,) = calls()
    assert call["argv"][call["argv"].index("--profile") :][:4] == ["--profile", "*", "--file", "-"]
    assert call["env"]["COMPOSE_PROFILES"] == call["env"]["OPENCLAW_IMAGE"] == ""
    with pytest.raises(HardeningError, match="no JSON object"):
        compose.resolve("broken")


def test_compose_is_there_or_not(compose, calls, monkeypatch):
    assert compose.available()
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(system_program, "_ROOT", ())
    assert not compose.available()


def test_a_failure_carries_what_docker_output(compose, calls):
    with pytest.raises(HardeningError, match="exit code 1"):
        compose.up("bad-service")


def test_a_definition_that_compose_cannot_read_is_refused_by_its_option(compose, calls):
    with pytest.raises(HardeningError, match=r"\Adefinition: found yaml: line 3: .*; set 'definition'\Z") as refused:
        compose.config_hash("unreadable", "openclaw-gateway")
    assert "\x1b" not in str(refused.value)


def test_a_missing_plugin_is_named_and_not_the_definition(compose, calls, monkeypatch):
    with pytest.raises(HardeningError, match="definition: found yaml"):
        compose.config_hash("unreadable", "openclaw-gateway")
    monkeypatch.setattr(Compose, "available", lambda _self: False)
    with pytest.raises(HardeningError, match=r"docker compose: found .*needed the plugin: docker-compose"):
        compose.config_hash("unreadable", "openclaw-gateway")


def test_what_stops_containers_gets_their_grace_periods_in_addition(compose, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ncase $4 in ls) echo a b;; inspect) echo 330; echo 10;; esac\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    given: list[float] = []

    def run(*argv, **options):
        given.append(options.get("extra", 0))
        return real(*argv, **options)

    monkeypatch.setattr(docker_compose, "run", run)
    compose.up("openclaw-gateway")
    assert [extra for extra in given if extra] == [340]
