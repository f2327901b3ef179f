"""The module's front: what it refuses before it looks, and what it predicts where there is no Docker."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.modules import hardened_compose
from unit.plugins.module_utils._docker.test_container_spec import RECORDED

pytestmark = pytest.mark.usefixtures("without_docker")

NO_DOCKER = "unix:///nonexistent/docker.sock"


@pytest.fixture
def arguments(tmp_path) -> dict:
    return {
        "project": "openclaw",
        "directory": str(tmp_path),
        "definition": "services: {}\n",
        "service": "openclaw-gateway",
        "container_name": "openclaw-gateway",
        "image_ref": "openclaw:hardened",
        "health": {"port": 18789},
        "files": [{"path": f"{tmp_path}/openclaw.json", "content": "{}"}],
        "secrets": [{"path": f"{tmp_path}/key", "value": "sk-canary-0001", "uid": 1, "gid": 1}],
        "record_dir": str(tmp_path),
        "docker_host": NO_DOCKER,
    }


@pytest.mark.parametrize(
    ("bad", "option"),
    [
        ({"project": "Open Claw"}, "project"),
        ({"service": "-x"}, "service"),
        ({"container_name": "a\nb"}, "container_name"),
        ({"directory": "etc/openclaw"}, "directory"),
        ({"directory": "/etc/$HOME/x"}, "directory"),
        ({"definition": ""}, "definition"),
        ({"definition_name": "../c.yml"}, "definition_name"),
        ({"image_ref": "openclaw"}, "image_ref"),
        ({"image_ref": ""}, "image_ref"),
        ({"image_id": "sha256:12"}, "image_id"),
        ({"health": {"port": 0}}, "health.port"),
        ({"health": {"port": 70000}}, "health.port"),
        ({"health": {"port": 1, "started": "startupz"}}, "health.started"),
        ({"health": {"port": 1, "started": ""}}, "health.started"),
        ({"health": {"port": 1, "serving": "/a b"}}, "health.serving"),
        ({"health": {"port": 1, "dependencies": "/x\nHost: y"}}, "health.dependencies"),
        ({"health": {"port": 1, "token_file": "secrets/token"}}, "health.token_file"),
        ({"migration_backup_days": -1}, "migration_backup_days"),
        ({"candidate_environment": {"A=B": "1"}}, "candidate_environment"),
        ({"candidate_environment": {"A": "1\n2"}}, "candidate_environment.A"),
        ({"files": [{"path": "x", "content": ""}]}, "files.path"),
        ({"files": [{"path": "/x", "content": "", "mode": "0666"}]}, "files.mode"),
        ({"secrets": [{"path": "/x", "value": "sk-canary", "mode": "0444", "uid": 1, "gid": 1}]}, "secrets.mode"),
        ({"secrets": [{"path": "/x", "value": "sk-canary", "uid": -1, "gid": 1}]}, "secrets.uid"),
        ({"validate": {"path": "/other", "argv": ["x"], "user": "1:1"}}, "validate.path"),
        ({"unit": "x.timer"}, "unit"),
        ({"unit": "a b.service"}, "unit"),
        ({"docker_host": "ssh://elsewhere"}, "docker_host"),
        ({"policy": {"addresses": ["everywhere"]}}, "policy.addresses"),
        ({"policy": {"capabilities": ["ALL"]}}, "policy.capabilities"),
        ({"waivers": [{"id": "OCH-CTR-06", "reason": ""}]}, "waivers[0].reason"),
        ({"waivers": [{"id": "CIS-5.13", "reason": "a good one"}]}, "waivers[0].id"),
        ({"lock_timeout": -1}, "lock_timeout"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_bad_input_is_refused_before_anything_is_touched(run_module, arguments, tmp_path, bad, option, check):
    result = run_module(hardened_compose, check=check, **{**arguments, **bad})
    assert result["failed"]
    assert result["msg"].startswith(f"{option}: found ")
    assert "needed" in result["msg"]
    assert "canary" not in str(result)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [{"health": {"port": 1, "paths": ["x" * 4000] * 9}}, {"validate": {"path": "x" * 4000, "argv": [], "user": ""}}],
)
def test_a_refusal_stays_short(run_module, arguments, bad):
    assert len(run_module(hardened_compose, check=True, **{**arguments, **bad})["msg"]) < 300


def test_the_user_of_the_check_is_numeric(run_module, arguments, tmp_path):
    check = {"path": f"{tmp_path}/openclaw.json", "argv": ["x"], "user": "root"}
    result = run_module(hardened_compose, check=True, **{**arguments, "validate": check})
    assert result["msg"].startswith("validate.user: found 'root', needed uid:gid")


@pytest.fixture
def no_programs(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")


@pytest.fixture
def compose_answers(tmp_path_factory, monkeypatch):
    """Stand in for the Compose CLI, on a host whose daemon does not run: it resolves everything to one definition."""
    folder = tmp_path_factory.mktemp("bin")

    def answer(name: str) -> None:
        program = folder / "docker"
        # Not to read what is written to it would be an error of its own.
        reading = 'case "$*" in *config*) /bin/cat > /dev/null;; esac'
        program.write_text(f"#!/bin/sh\n{reading}\nexec /bin/cat {RECORDED}/compose-{name}.json\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return answer


def test_check_mode_checks_the_definition_where_compose_is(run_module, arguments, tmp_path, compose_answers):
    compose_answers("hostile")
    result = run_module(hardened_compose, check=True, **arguments)
    assert result["failed"]
    assert result["msg"].startswith("definition: found ")
    assert "- OCH-CTR-03 (" in result["msg"]
    assert "canary" not in str(result)
    assert list(tmp_path.iterdir()) == []


def test_check_mode_predicts_what_the_policy_lets_pass(run_module, arguments, compose_answers):
    compose_answers("hardened")
    result = run_module(hardened_compose, check=True, **arguments)
    assert result["changed"]
    assert result["waived"] == []


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_what_is_taken_down_is_not_checked(run_module, arguments, compose_answers, state):
    compose_answers("hostile")
    assert not run_module(hardened_compose, check=True, **{**arguments, "state": state})["changed"]


@pytest.mark.usefixtures("no_programs")
def test_check_mode_on_a_host_without_docker_predicts(run_module, arguments, tmp_path):
    result = run_module(hardened_compose, check=True, **arguments)
    assert result["changed"]
    assert result["actions"] == [
        f"write {tmp_path}/openclaw.json",
        f"write {tmp_path}/key",
        f"write {tmp_path}/docker-compose.hardened.yml",
        "create container openclaw-gateway (there is none)",
    ]
    assert len(result["diff"]) == 4
    assert "canary" not in str(result)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_docker_fails_before_a_file_is_written(run_module, arguments, tmp_path):
    result = run_module(hardened_compose, **arguments)
    assert result["failed"]
    assert "canary" not in str(result)
    assert [path.name for path in tmp_path.iterdir()] == ["deploy.lock"]


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_down_needs_no_definition_and_is_nothing_where_nothing_is(run_module, arguments, state):
    few = {name: arguments[name] for name in ("project", "directory", "service", "container_name", "docker_host")}
    result = run_module(hardened_compose, check=True, state=state, **few)
    assert not result["changed"]
    assert result["health"]["url"] == ""
