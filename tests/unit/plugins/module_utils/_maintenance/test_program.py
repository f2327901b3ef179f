# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program of the units: however a job ends, its record, one alert and the metrics are there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import program
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.alerts import Alert
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.jobs import Outcome, Settings

BACKUPS = {"project": "openclaw", "directory": "/nowhere"}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A host with one job, ``audit``, which does ``here.job``; its clock is ``here.now``."""
    here = SimpleNamespace(now=1000.0, job=lambda _settings: Outcome("fine"))
    folder = tmp_path / "records"
    (tmp_path / "metrics").mkdir()
    settings = Settings("openclaw", str(folder), str(folder), str(tmp_path / "metrics"), {"backup": BACKUPS})
    (tmp_path / "settings.json").write_text(json.dumps(vars(settings)))

    # Each asks again what the test has set meanwhile.
    def job(given: Settings) -> Outcome:
        outcome: Outcome = here.job(given)
        return outcome

    def now() -> float:
        return float(here.now)

    monkeypatch.setattr(program, "JOBS", {"audit": job})
    monkeypatch.setattr(program, "time", SimpleNamespace(time=now))
    here.settings = settings
    here.run = lambda: program.main(["run", "audit", str(tmp_path / "settings.json")])
    here.record = lambda: json.loads((folder / "audit.json").read_text())
    here.metrics = (tmp_path / "metrics/openclaw.prom").read_text

    def ended(**environment: str) -> None:
        assert program.ended(settings, "audit", environment) == 0

    def titles() -> list[str]:
        path = folder / "alerts.json"
        return [entry["title"] for entry in json.loads(path.read_text())["alerts"]] if path.exists() else []

    here.ended, here.titles, here.folder = ended, titles, folder
    return here


def failing(error: BaseException) -> Callable[[Settings], Outcome]:
    def job(_settings: Settings) -> Outcome:
        raise error

    return job


REFUSED = HardeningError("disk", "full", "space")


@pytest.mark.parametrize(
    "arguments",
    [[], ["run"], ["run", "audit"], ["run", "none", "x"], ["walk", "audit", "x"], ["run", "audit", "x", "y"]],
)
def test_what_it_does_not_know_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(arguments) == 2
    assert "usage: run audit|backup|update|events SETTINGS" in capsys.readouterr().err


def test_a_run_that_succeeds(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    host.job = lambda _settings: Outcome("fine", [Alert("audit", "news", "b")], {"findings": 3})
    assert host.run() == 0
    assert host.record() == {"ok": True, "message": "fine", "began": 1000, "ended": 1000, "seconds": 0,
                             "last_ok": 1000, "alerted": 0, "findings": 3}  # fmt: skip
    assert host.titles() == ["news"]
    assert capsys.readouterr().out == "<5>audit: fine\n"
    assert 'openclaw_job_success{openclaw="openclaw",job_name="audit"} 1\n' in host.metrics()
    assert os.stat(host.folder).st_mode & 0o777 == 0o700
    assert os.stat(f"{host.settings.metrics_dir}/openclaw.prom").st_mode & 0o777 == 0o644


def test_what_was_found_is_remembered_after_its_alert_only(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed between them reports again, and never keeps silent."""
    host.job = lambda _settings: Outcome(
        "fine", [Alert("audit", "news", "b")], {}, {"findings": {"findings": {"A": "fail"}}}
    )
    with monkeypatch.context() as patched:
        patched.setattr(program.alerts, "add", lambda *_arguments: failing(KeyboardInterrupt())(host.settings))
        with pytest.raises(KeyboardInterrupt):
            host.run()
    assert not (host.folder / "findings.json").exists()
    assert host.run() == 0
    assert json.loads((host.folder / "findings.json").read_text()) == {"findings": {"A": "fail"}}
    assert host.titles() == ["news"]


def test_a_run_that_fails_is_an_alert_and_a_failed_unit(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    host.job = failing(REFUSED)
    assert host.run() == 1
    assert host.titles() == ["the audit failed"]
    assert (host.record()["ok"], host.record()["last_ok"]) == (False, 0)
    assert capsys.readouterr().out.startswith("<3>audit: FAILED: disk: found full")
    assert 'openclaw_job_success{openclaw="openclaw",job_name="audit"} 0\n' in host.metrics()


def test_the_same_failure_is_reported_again_after_hours_only(host: Any) -> None:
    host.job = failing(REFUSED)
    for now, expected in ((0, 1), (3600, 1), (20 * 3600 - 1, 1), (20 * 3600, 2), (39 * 3600, 2), (41 * 3600, 3)):
        host.now = 1000.0 + now
        host.run()
        assert len(host.titles()) == expected, now
    host.job = failing(HardeningError("docker", "nothing", "a daemon"))
    host.run()
    assert len(host.titles()) == 4, "another reason is news"
    # A clock that was set back silences nothing.
    host.now = 5.0
    host.run()
    assert len(host.titles()) == 5


def test_a_job_that_works_again_is_reported_once(host: Any) -> None:
    host.job = failing(REFUSED)
    host.run()
    host.job = lambda _settings: Outcome("fine")
    assert [host.run(), host.run()] == [0, 0]
    assert host.titles() == ["the audit failed", "the audit works again"]


def test_an_error_of_the_program_shows_nothing_but_its_type(host: Any) -> None:
    host.job = failing(ValueError("canary-secret"))
    assert host.run() == 1
    assert host.record()["message"] == "an error in the program (ValueError)"
    assert "canary" not in (host.folder / "alerts.json").read_text()


def killed(host: Any) -> None:
    """Leave what a run leaves that was killed: its record was begun."""
    host.job = failing(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        host.run()


def test_a_killed_run_is_an_alert_once(host: Any) -> None:
    killed(host)
    assert host.record()["running"] is True
    host.ended(SERVICE_RESULT="signal", EXIT_CODE="killed", EXIT_STATUS="KILL")
    assert host.record()["message"] == "it was ended: signal (killed KILL)"
    assert "running" not in host.record()
    host.ended(SERVICE_RESULT="signal", EXIT_CODE="killed", EXIT_STATUS="KILL")
    assert host.titles() == ["the audit failed"]


@pytest.mark.parametrize("result", ["timeout", "oom-kill", "signal", "exit-code", "watchdog"])
def test_every_end_but_a_good_one_is_noted(host: Any, result: str) -> None:
    killed(host)
    host.ended(SERVICE_RESULT=result)
    assert host.titles() == ["the audit failed"]


def test_a_run_that_never_began_is_noted(host: Any) -> None:
    host.folder.mkdir(mode=0o700)
    host.ended(SERVICE_RESULT="exit-code", EXIT_CODE="exited", EXIT_STATUS="226")
    assert host.titles() == ["the audit failed"]


def test_an_end_that_the_run_wrote_down_itself_is_left_alone(host: Any) -> None:
    host.job = failing(REFUSED)
    host.run()
    before = host.record()
    host.ended(SERVICE_RESULT="exit-code", EXIT_CODE="exited", EXIT_STATUS="1")
    host.ended(SERVICE_RESULT="success")
    host.ended()
    assert host.record() == before


def test_metrics_that_cannot_be_written_are_no_failure(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path(host.settings.metrics_dir).rmdir()
    assert host.run() == 0
    assert "<3>metrics: not written" in capsys.readouterr().out


def test_a_directory_in_one_of_another_account_is_taken_without_following_a_link(host: Any, tmp_path: Path) -> None:
    """Debian's is: /var/lib/prometheus is of prometheus."""
    folder, other = Path(host.settings.metrics_dir), tmp_path / "other"
    other.mkdir()
    os.chown(folder, 1234, 1234)
    assert host.run() == 0
    assert "openclaw_job_success" in host.metrics()
    folder.rename(tmp_path / "away")
    folder.symlink_to(other)
    assert host.run() == 0
    assert list(other.iterdir()) == []


def test_no_directory_no_metrics(host: Any, tmp_path: Path) -> None:
    program.write_metrics(Settings("openclaw", str(tmp_path), str(tmp_path)))
    assert not list((tmp_path / "metrics").iterdir())


def test_what_the_metrics_are_made_of(host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records, backups = tmp_path / "records", tmp_path / "backups"
    for folder in (records, backups):
        folder.mkdir(mode=0o700)
    host.run()
    (records / "checks.json").write_text(json.dumps({"checks": [{"id": "A", "status": "pass"}]}))
    files = {
        "openclaw-20260101T000000Z.tar.zst": {"made_at": "2026-01-01T00:00:00+00:00", "problems": []},
        "openclaw-20260102T000000Z.tar.zst": {"made_at": "2026-01-02T00:00:00+00:00", "problems": ["broken"]},
    }
    for name, known in files.items():
        (backups / name).write_text("x" * 700)
        (backups / f"{name}.json").write_text(json.dumps(known))
    monkeypatch.setattr(
        program.history, "read_deployed", lambda _folder: SimpleNamespace(at="2026-01-03T00:00:00+00:00")
    )
    rejected = [{"at": "2026-01-02T00:00:00+00:00"}, {"at": "2026-01-04T00:00:00+00:00"}]
    monkeypatch.setattr(program.history, "read_rejected", lambda _folder: rejected)
    monkeypatch.setattr(program, "read_record", lambda _folder: {"verified": "2026-01-03T00:00:00+00:00"})
    options = {"backup": {"project": "openclaw", "directory": str(backups)}}
    facts = program.gather(Settings("openclaw", str(records), str(records), options=options))
    assert (facts.backups, facts.backup_bytes, facts.backup_last) == (2, 700, 1767225600)
    assert (facts.deployed, facts.image_verified, facts.rejected) == (1767398400, 1767398400, 1)
    assert facts.checks == [{"id": "A", "status": "pass"}]
    assert facts.jobs["audit"]["ok"] is True


def test_a_line_of_the_journal_is_one_line(host: Any, capsys: pytest.CaptureFixture[str]) -> None:
    host.job = lambda _settings: Outcome("a\n<0>forged\x1b[2J")
    host.run()
    assert capsys.readouterr().out.count("\n") == 1
