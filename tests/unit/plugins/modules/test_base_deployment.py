"""What has to be done about a base, and that looking at a host without Docker refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate import decide, manager
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate import record as records
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.decide import Current, choose, next_step
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.record import Folder, Member, OwnUnit, Record
from ansible_collections.openclaw.hardening.plugins.modules import base_deployment
from unit.refusal_trials_migrate import GIVEN, base


def record(phase: str) -> Record:
    return Record(phase, (Member("id", "oc", True, {"Config": {}}),), (OwnUnit("oc.service", True, True),), "now")


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (Current(None, (base(),)), decide.MIGRATE),
        (Current(record(records.STOPPING), ()), decide.UNDO),
        (Current(record(records.STOPPING), (), deployed=True, ours=True), decide.FINISH),
        (Current(record(records.RETIRED), (), deployed=True, ours=True), decide.NOTHING),
        # Another one was started since: that is no migration that is over.
        (Current(record(records.RETIRED), (base(),), deployed=True, ours=True), decide.MIGRATE),
    ],
)
def test_the_next_step(found: Current, step: str) -> None:
    assert next_step(found) == step


def test_a_hardened_deployment_is_not_overwritten() -> None:
    with pytest.raises(HardeningError, match="openclaw_instance"):
        choose(Current(None, (base(),), ours=True), "", "openclaw")


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "migrate"))
    assert folder.load() is None
    folder.save(record(records.STOPPING))
    assert folder.load() == record(records.STOPPING)
    assert (tmp_path / "migrate/base.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "migrate/base.json").write_text("{}")
    with pytest.raises(HardeningError, match="damaged"):
        folder.load()


def test_a_host_without_docker(run_module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(client, "client_if_installed", lambda *_args, **_more: None)
    monkeypatch.setattr(manager, "vet_parents", lambda _path: None)
    monkeypatch.setattr(manager.host_install, "look", lambda: ([], ()))
    given = {name: value for name, value in GIVEN.items() if name != "docker_host"}
    result = run_module(base_deployment, **{**given, "record_dir": str(tmp_path)})
    assert "found no running OpenClaw" in result["msg"]
    result = run_module(base_deployment, **{**given, "record_dir": str(tmp_path), "state": "copied"})
    assert "Docker: found none" in result["msg"]
