# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The jobs: an audit that is confirmed before it alarms, a backup, and what a failure may show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import jobs
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.jobs import Settings

NOTHING = {"drift": [], "interrupted": ""}
NAMES = {"project": "openclaw", "service": "openclaw-gateway", "container_name": "openclaw-gateway",
         "record_dir": "/nowhere"}  # fmt: skip


def check(status: str, rule: str = "OCH-CTR-01", actual: str = "x") -> dict[str, Any]:
    return {"id": rule, "title": "t", "severity": "high", "target": "gw", "status": status, "actual": actual,
            "waiver": None, "remediation": "long", "expected": "long", "evidence": []}  # fmt: skip


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A host on which each audit finds the next of ``audits``, the last one again and again; pauses are counted."""
    here = SimpleNamespace(audits=[], drift=dict(NOTHING), paused=[], options=[], locked=0)

    class Audit:
        def __init__(self, module: Any) -> None:
            here.options.append(module.params)

        def run(self) -> dict[str, Any]:
            here.locked += Path(f"{tmp_path}/deploy.lock").exists()
            return {"checks": here.audits.pop(0) if len(here.audits) > 1 else here.audits[0]}

    class Info:
        def __init__(self, params: dict[str, Any]) -> None:
            here.names = params

        def run(self) -> dict[str, Any]:
            if isinstance(here.drift, Exception):
                raise here.drift
            return here.drift

    monkeypatch.setattr(jobs, "Audit", Audit)
    monkeypatch.setattr(jobs, "DeploymentInfo", Info)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(sleep=here.paused.append))
    monkeypatch.setenv("TRIGGER_UNIT", "openclaw-audit.timer")
    here.settings = Settings("openclaw", str(tmp_path), str(tmp_path), options={"audit": {}, "drift": NAMES})
    here.record = lambda name: json.loads((tmp_path / f"{name}.json").read_text())
    return here


def audited(host: Any) -> jobs.Outcome:
    """Audit, and write down what the program writes down after the alerts."""
    outcome = jobs.audit(host.settings)
    for name, content in outcome.records.items():
        Path(f"{host.settings.folder}/{name}.json").write_text(json.dumps(content))
        Path(f"{host.settings.folder}/{name}.json").chmod(0o600)
    return outcome


def titles(outcome: jobs.Outcome) -> list[str]:
    return [alert.title for alert in outcome.alerts]


def test_a_good_host_is_audited_once(host: Any) -> None:
    host.audits = [[check("pass")]]
    outcome = audited(host)
    assert (titles(outcome), outcome.details, host.paused) == ([], {"findings": 0}, [])
    assert [found["id"] for found in host.record("checks")["checks"]] == ["OCH-CTR-01", "DRIFT"]
    assert set(host.record("checks")["checks"][0]) == {
        "id",
        "title",
        "severity",
        "target",
        "status",
        "actual",
        "waiver",
    }
    # Under the lock of deployments, with what the module fills in.
    assert host.locked == 1
    assert host.options[0]["containers"] == ["openclaw-gateway"]


def test_a_finding_of_a_moment_is_no_alert(host: Any) -> None:
    host.audits = [[check("fail")], [check("pass")]]
    assert titles(audited(host)) == []
    assert host.paused == [jobs.CONFIRM_SECONDS]
    assert host.record("findings") == {"findings": {}}


def test_who_starts_it_waits_for_no_second_audit(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIGGER_UNIT")
    host.audits = [[check("fail")], [check("pass")]]
    assert titles(audited(host)) == ["one rule of the audit begins to fail"]
    assert host.paused == []


def test_a_finding_that_lasts_is_one_alert_until_it_is_over(host: Any) -> None:
    host.audits = [[check("fail")]]
    assert titles(audited(host)) == ["one rule of the audit begins to fail"]
    assert titles(audited(host)) == []
    assert len(host.paused) == 1, "what is known needs no confirmation"
    host.audits = [[check("pass")]]
    assert titles(audited(host)) == ["one rule of the audit does not fail any more"]
    assert titles(audited(host)) == []


def test_drift_is_a_finding(host: Any) -> None:
    host.audits = [[check("pass")]]
    host.drift = {"drift": ["image: another"], "interrupted": "swapping"}
    (alert,) = audited(host).alerts
    assert "DRIFT (openclaw-gateway)" in alert.body
    assert alert.body.endswith("image: another; a deployment was cut off while swapping")
    assert host.names["docker_host"].startswith("unix://")


@pytest.mark.parametrize("error", [HardeningError("docker", "nothing", "a daemon"), OSError("gone")])
def test_drift_that_cannot_be_read_is_an_error_and_not_fine(
    host: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.audits, host.drift = [[check("pass")]], error
    audited(host)
    assert host.record("checks")["checks"][-1]["status"] == "error"


def test_records_that_are_damaged_are_as_none(host: Any, tmp_path: Path) -> None:
    (tmp_path / "findings.json").write_text("{")
    host.audits = [[check("fail")]]
    assert len(audited(host).alerts) == 1
    assert len(audited(host).alerts) == 0


def test_a_host_that_could_not_be_audited_forgets_nothing(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host.audits = [[check("fail")]]
    audited(host)

    def away(_module: Any) -> None:
        raise HardeningError("docker", "nothing", "a daemon")

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "Audit", away)
        with pytest.raises(HardeningError):
            audited(host)
    assert host.record("findings") == {"findings": {"OCH-CTR-01 gw": "fail"}}


MADE = {"path": "/b/a.tar", "bytes": 5, "state_bytes": 9, "files": 2, "secrets": "left out", "pruned": [],
        "left_out": [], "problems": []}  # fmt: skip


@pytest.fixture
def backed_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., jobs.Outcome]]:
    """Return what a backup with this answer reports."""

    def run(**changes: Any) -> jobs.Outcome:
        manager = SimpleNamespace(run=lambda: {**MADE, **changes})
        monkeypatch.setattr(jobs.BackupManager, "of", lambda _module: manager)
        options = {"project": "openclaw", "directory": "/b", "state_dir": "/s", "config_dir": "/c", "record_dir": "/r"}
        return jobs.backup(Settings("openclaw", "/f", "/r", options={"backup": options}))

    yield run


def test_a_backup_is_written_down(backed_up: Callable[..., jobs.Outcome]) -> None:
    outcome = backed_up()
    assert (outcome.message, outcome.alerts) == ("made /b/a.tar (5 bytes)", [])
    assert (outcome.details["path"], outcome.details["bytes"]) == ("/b/a.tar", 5)


def test_a_backup_with_problems_is_an_alert(backed_up: Callable[..., jobs.Outcome]) -> None:
    (alert,) = backed_up(problems=["a is damaged", "b"]).alerts
    assert (alert.title, alert.body, alert.urgent) == ("a backup is incomplete", "/b/a.tar: a is damaged; b", True)


def test_an_error_that_nobody_expected_shows_its_type_only() -> None:
    assert jobs.explained(ValueError("canary-secret")) == "an error in the program (ValueError)"
    assert "canary" in jobs.explained(HardeningError("canary", "a", "b"))
    assert jobs.failure("backup", "no space").title == "the backup failed"
