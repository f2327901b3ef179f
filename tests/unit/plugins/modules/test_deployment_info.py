"""What deployment_info reports on a host without Docker: everything that is on the disk, and no more."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.info import DeploymentInfo
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access, client

OPTIONS = {
    "project": "openclaw",
    "service": "openclaw-gateway",
    "container_name": "openclaw-gateway",
    "image_ref": "",
    "definition": "",
    "refuse_foreign": None,
    "docker_host": "unix:///nowhere/docker.sock",
}
IMAGE = "sha256:" + "a" * 64


pytestmark = pytest.mark.usefixtures("without_docker")


def info(tmp_path, **changes: str) -> dict:
    return DeploymentInfo({**OPTIONS, "record_dir": str(tmp_path), **changes}).run()


def test_a_host_on_which_nothing_ever_was(tmp_path):
    reported = info(tmp_path)
    assert (reported["changed"], reported["engine"]) == (False, False)
    assert (reported["image_id"], reported["status"], reported["deployed"], reported["interrupted"]) == ("", "", {}, "")
    assert reported["drift"] == ["nothing was deployed here by this collection"]


def test_records_are_reported_and_what_has_changed_since(tmp_path):
    config = tmp_path / "openclaw.json"
    config.write_text("{}")
    record = {"image_ref": "openclaw:hardened", "image_id": IMAGE, "at": "now", "files": {str(config): "another"}}
    (tmp_path / "deployed.json").write_text(json.dumps(record))
    (tmp_path / "rejected.json").write_text(json.dumps({"images": [{"image_id": "sha256:b", "at": "t", "why": "w"}]}))
    reported = info(tmp_path)
    assert reported["deployed"] == {"image_ref": "openclaw:hardened", "image_id": IMAGE, "at": "now"}
    assert reported["drift"] == [f"runs nothing, deployed was {IMAGE}", f"{config} was changed"]
    assert reported["rejected"] == [{"image_id": "sha256:b", "at": "t", "why": "w"}]


def test_a_deployment_that_was_cut_off_is_reported(tmp_path):
    attempt = tmp_path / "attempt"
    attempt.mkdir()
    before = {
        "image_ref": "openclaw:hardened", "image_id": IMAGE, "container_id": "c", "served": True, "supervised": True,
        "probe": {"host": "127.0.0.1", "port": 1, "timeout": 1, "essential": []}, "files": [],
        "state_dir": "", "state_excludes": [], "state_saved": False, "replaced_at": "", "rolled_back": False,
    }  # fmt: skip
    journal = {"format": 1, "phase": "starting", "before": before, "image_id": IMAGE, "remove": [], "keeps": True,
               "restore_state": False}  # fmt: skip
    (attempt / "journal.json").write_text(json.dumps(journal))
    assert info(tmp_path)["interrupted"] == "starting"


def test_looking_touches_nothing(tmp_path):
    before = os.stat(tmp_path).st_mtime_ns
    info(tmp_path)
    assert os.listdir(tmp_path) == []
    assert os.stat(tmp_path).st_mtime_ns == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("project", "a\nb"),
        ("service", "-x"),
        ("record_dir", "relative"),
        ("record_dir", "/proc/x"),
        ("image_ref", "$x"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(tmp_path, option, value):
    with pytest.raises(HardeningError, match=option):
        info(tmp_path, **{option: value})


def test_a_docker_that_cannot_be_asked_is_an_error_and_nothing_absent(tmp_path, monkeypatch):
    monkeypatch.setattr(access, "not_installed", lambda _host: False)
    with pytest.raises(HardeningError, match=r"no socket /nowhere/docker\.sock"):
        info(tmp_path)
    monkeypatch.setattr(client, "has_sdk", lambda: False)
    with pytest.raises(HardeningError, match="ansible_python_interpreter"):
        info(tmp_path)
