"""The module on a machine without a gateway, and the action that writes its bundle."""

from __future__ import annotations

import base64
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.openclaw.hardening.plugins.action.gateway_diagnosis import ActionModule
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.manager import SUBJECTS
from ansible_collections.openclaw.hardening.plugins.modules import gateway_diagnosis

ROLE = Path(__file__).parents[4] / "roles/openclaw_gateway/vars/main.yml"
NOWHERE = {"docker_host": "unix:///nowhere/docker.sock", "instance": "nowhere", "port": 18999}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("instance", "../x"),
        ("port", 70000),
        ("addresses", ["localhost; reboot"]),
        ("variables", {"port": "a\nb"}),
        ("docker_host", "ssh://x"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_bad_option_is_refused_by_its_name(run_module, option, value, check):
    result = run_module(gateway_diagnosis, check, **{**NOWHERE, option: value})
    assert result["failed"]
    assert option in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_a_machine_without_a_deployment_is_diagnosed(run_module, check):
    result = run_module(gateway_diagnosis, check, **NOWHERE)
    assert (result["changed"], result["serves"], result["archive"]) == (False, False, "")
    assert {"docker-down", "docker-not-installed"} & {finding["id"] for finding in result["findings"]}
    assert "no-deployment" in {finding["id"] for finding in result["findings"]}
    assert "container" in {gap["part"] for gap in result["not_checked"]}


def action(answer: dict[str, Any], **arguments: Any) -> ActionModule:
    """Return the action with a module that answers this."""
    made = ActionModule.__new__(ActionModule)
    made._task = SimpleNamespace(args=arguments, async_val=0, check_mode=False)
    made._execute_module = lambda **_options: dict(answer)
    return made


@pytest.fixture
def act(monkeypatch):
    """Run the action without the rest of Ansible."""
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_arguments: {})

    def run(answer: dict[str, Any], host: str = "alpha", **arguments: Any) -> dict[str, Any]:
        return action(answer, **arguments).run(None, {"inventory_hostname": host})

    return run


PACKED = {"changed": False, "archive": base64.b64encode(b"\x1f\x8b\xffpacked").decode(), "findings": []}


def test_the_bundle_is_written_for_its_owner_and_is_in_no_result(act, tmp_path: Path):
    result = act(PACKED, bundle_dir=str(tmp_path / "new"))
    path = tmp_path / "new/alpha.tar.gz"
    assert result == {"changed": True, "findings": [], "bundle": str(path)}
    assert path.read_bytes() == b"\x1f\x8b\xffpacked"
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)


@pytest.mark.parametrize(
    ("host", "name"), [("../../etc/x", "_.._etc_x.tar.gz"), ("a b", "a_b.tar.gz"), ("..", "host.tar.gz")]
)
def test_the_name_of_a_host_does_not_lead_out(act, tmp_path: Path, host: str, name: str):
    act(PACKED, host, bundle_dir=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_link_is_replaced_and_not_followed(act, tmp_path: Path):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "alpha.tar.gz").symlink_to(tmp_path / "target")
    act(PACKED, bundle_dir=str(tmp_path))
    assert (tmp_path / "target").read_text() == "kept"
    assert not (tmp_path / "alpha.tar.gz").is_symlink()


def test_check_mode_names_the_file_and_writes_none(act, tmp_path: Path):
    result = act({**PACKED, "archive": ""}, bundle_dir=str(tmp_path))
    assert (result["changed"], result["bundle"]) == (True, str(tmp_path / "alpha.tar.gz"))
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_there_is_no_bundle(act):
    assert act({**PACKED, "archive": ""}) == {"changed": False, "findings": [], "bundle": ""}


def test_a_module_that_failed_writes_nothing(act, tmp_path: Path):
    result = act({"failed": True, "msg": "x"}, bundle_dir=str(tmp_path))
    assert (result["failed"], list(tmp_path.iterdir())) == (True, [])


def test_a_place_that_is_no_folder_is_refused(act, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(AnsibleActionFail, match="set 'directory'"):
        act(PACKED, bundle_dir=str(tmp_path / "file"))


def test_the_role_names_a_variable_for_each_subject() -> None:
    role = yaml.safe_load(ROLE.read_text())
    assert set(role["_openclaw_gateway_diagnosis_variables"]) == set(SUBJECTS)
