"""The audit of the real deployment: nothing to find, what is planted is found, and no secret is reported."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from conftest import CONTAINER, wait_until

REPORTS = ("openclaw-hardening.html", "openclaw-hardening.json", "openclaw-hardening.sarif", "openclaw-hardening.xml")


@pytest.fixture
def verify(playbook, tmp_path):
    """Return a function that runs verify.yml, strictest, and returns its run and the JSON report."""

    def run(*options: str, **variables):
        wanted = {"openclaw_verify_fail_on": "low", "openclaw_verify_report_dir": str(tmp_path / "report")}
        result = playbook("verify.yml", *options, **{**wanted, **variables})
        report = tmp_path / "report/openclaw-hardening.json"
        return result, json.loads(report.read_text()) if report.exists() else None

    return run


def findings(report: dict) -> list[str]:
    """Return the ids of what is wrong or is inconclusive, of all hosts."""
    return sorted(
        check["id"] for host in report["hosts"] for check in host["checks"] if check["status"] in ("fail", "error")
    )


def test_there_is_nothing_to_find_and_the_reports_are_there(verify, tmp_path):
    run, report = verify()
    assert run.rc == 0, run.output
    assert findings(report) == []
    passed = [check for host in report["hosts"] for check in host["checks"] if check["status"] == "pass"]
    assert len(passed) > 50
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(REPORTS)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "report").iterdir()} == {0o600}


def test_check_mode_finds_the_same_and_writes_nothing(verify, tmp_path):
    run, report = verify("--check")
    assert run.rc == 0, run.output
    assert report is None
    assert not (tmp_path / "report").exists()


def test_no_secret_is_reported(host, verify, token, tmp_path):
    run, _report = verify("-vvv", "--diff")
    assert run.rc == 0
    reported = run.output + "".join(path.read_text() for path in (tmp_path / "report").iterdir())
    assert "OCH-SEC-01" in reported
    assert token not in reported


def test_a_root_process_beside_the_gateway_is_found_waived_and_gone(host, verify):
    host.check_output("docker exec -d -u 0 %s sleep 600", CONTAINER)
    try:
        run, report = verify()
        assert run.rc != 0
        assert "OCH-CTR-02" in findings(report)
        assert "OCH-CTR-02" in run.output
        # The waiver of a critical rule needs a last day.
        ends = (datetime.now(timezone.utc) + timedelta(days=1)).date().isoformat()
        waivers = [{"id": found, "reason": "planted by a test", "expires": ends} for found in findings(report)]
        run, report = verify(openclaw_verify_waivers=waivers)
        assert run.rc == 0, run.output
        waived = [check for check in report["hosts"][0]["checks"] if check["waiver"]]
        assert {check["status"] for check in waived} == {"waived"}
        assert any("root" in check["actual"] or " 0" in check["actual"] for check in waived)
        expired = [{**waiver, "expires": "2026-01-01"} for waiver in waivers]
        assert verify(openclaw_verify_waivers=expired)[0].rc != 0
    finally:
        host.run("pkill -x -f 'sleep 600'")
    wait_until(lambda: host.run("pgrep -x -f 'sleep 600'").rc != 0, "the planted process to end")
    assert verify()[0].rc == 0


def test_a_host_that_cannot_be_reached_is_in_the_report_and_fails(playbook, inventory, tmp_path):
    more = tmp_path / "more.yml"
    address = "{ansible_host: 127.0.0.1, ansible_port: 1, ansible_user: root}"
    more.write_text(f"openclaw:\n  hosts:\n    gone: {address}\n")
    run = playbook("verify.yml", "--inventory", str(more), openclaw_verify_report_dir=str(tmp_path / "report"))
    assert run.rc != 0
    hosts = {
        host["name"]: host for host in json.loads((tmp_path / "report/openclaw-hardening.json").read_text())["hosts"]
    }
    assert hosts["gone"]["checks"][0]["status"] == "error"
    assert "gone" in (tmp_path / "report/openclaw-hardening.html").read_text()
    assert not findings({"hosts": [host for name, host in hosts.items() if name != "gone"]})


def test_a_gateway_that_is_not_there_is_an_error_and_not_a_pass(verify):
    run, report = verify(openclaw_verify_containers=["nobody"])
    assert run.rc != 0
    container = [check for check in report["hosts"][0]["checks"] if check["target"] == "nobody"]
    assert {check["status"] for check in container if not check["manual"]} == {"error"}


def test_nothing_on_the_host_was_changed_by_looking(host, verify):
    folders = "/etc/openclaw /var/lib/openclaw-hardening /etc/systemd/system /etc/docker"

    def look() -> tuple[str, str]:
        # The log watcher's timer ticks.
        files = host.check_output(f"find {folders} -name maintenance -prune -o -printf '%%p %%m %%u %%T@\\n'")
        return files, host.check_output("docker inspect -f '{{.Id}} {{.State.StartedAt}}' %s", CONTAINER)

    before = look()
    run, _report = verify()
    assert [task["task"] for task in run.tasks if task["changed"] and "reports" not in task["task"]] == []
    assert look() == before
