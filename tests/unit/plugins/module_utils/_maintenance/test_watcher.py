# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of the log watcher: where each begins, and that one which was killed loses and repeats nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import (
    event_sources,
    jobs,
    program,
    watcher,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.event_rules import Happened
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.jobs import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import lock

NOW = 1_800_000_000
LINE = "[ws] unauthorized conn=1 remote=192.0.2.7 client=c reason=rate_limited guidance=x"


def at(seconds: int) -> str:
    return f"2027-01-15T08:00:{seconds:02}.000000000Z"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A host with one container, whose log, events and ledger the test writes."""
    here = SimpleNamespace(now=NOW, logs={"a": []}, events=[], rows=[], asked=[], started=[], since=0)

    def attrs(identity: str) -> dict[str, Any]:
        return {"Id": identity, "State": {"Status": "running", "StartedAt": "2027-01-15T07:00:00.5Z"}}

    def logs(identity: str, **options: Any) -> bytes:
        here.since = options["since"]
        return "".join(f"{at(second)} {line}\n" for second, line in here.logs[identity]).encode()

    def events(_since: int, until: int, **_options: Any) -> list[dict[str, Any]]:
        return [event for event in here.events if event["timeNano"] <= until * 10**9]

    api = SimpleNamespace(containers=lambda **_options: [{"Id": name} for name in here.logs],
                          inspect_container=attrs, logs=logs, events=events)  # fmt: skip
    monkeypatch.setattr(client, "client", lambda _host: SimpleNamespace(api=api))

    def ledger(_state: str, places: Mapping[str, int], _now: int) -> tuple[list[Happened], dict[str, int]]:
        here.asked.append(dict(places))
        return (here.rows if places else []), {"audit_events": len(here.asked)}

    monkeypatch.setattr(event_sources, "ledger", ledger)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(time=lambda: here.now))
    monkeypatch.setattr(program.command, "run", lambda _module, argv, **_options: here.started.append(argv))
    monkeypatch.setattr(program, "_say", lambda *_arguments: None)
    names = {"project": "openclaw", "service": "openclaw-gateway", "state_dir": "/nowhere", "docker_host": "unix:///x",
             "notifier": "n.service", "refused_file": str(tmp_path / "refused")}  # fmt: skip
    here.folder = tmp_path / "maintenance"
    here.folder.mkdir(mode=0o700)
    settings = Settings("openclaw", str(here.folder), str(tmp_path), options={"events": names})
    here.run = lambda: program.run(settings, "events")
    path = here.folder / "alerts.json"
    here.alerts = lambda: json.loads(path.read_text())["alerts"] if path.exists() else []
    here.record_dir = tmp_path
    return here


@pytest.mark.usefixtures("as_root")
class TestRuns:
    """Runs that follow each other."""

    def test_the_first_run_begins_with_the_present(self, host: SimpleNamespace) -> None:
        host.logs["a"] = [(0, LINE)]
        host.events = [{"Action": "oom", "timeNano": (NOW - 5) * 10**9}]
        host.rows = [Happened("approval")]
        assert host.run() == 0
        assert host.alerts() == []
        host.now += 2
        assert host.run() == 0
        assert [alert["title"] for alert in host.alerts()] == ["commands of the agent were approved or refused"]

    def test_refused_packets_are_counted_from_where_it_was(self, host: SimpleNamespace) -> None:
        refused = host.record_dir / "refused"
        for text, alerts in (("1 100\n", 0), ("1 103\n", 0), ("1 106\n", 1), ("2 3\n", 1)):
            refused.write_text(text)
            host.now += 10
            host.run()
            assert len(host.alerts()) == alerts, text
        assert "private network" in host.alerts()[0]["title"]
        assert host.alerts()[0]["body"].startswith("6 since")

    def test_each_event_is_counted_once(self, host: SimpleNamespace) -> None:
        host.run()
        host.logs["a"] = [(2, LINE)]
        host.events = [{"Action": "oom", "timeNano": (NOW + 2) * 10**9}]
        for seconds in (4, 8, 12):
            host.now = NOW + seconds
            host.run()
        assert {alert["title"] for alert in host.alerts()} == {
            "a client is locked out after refused logins", "the gateway ran out of memory",
        }  # fmt: skip
        assert len(host.alerts()) == 2
        assert len(host.started) == 1
        assert host.since == NOW + 2

    def test_a_run_that_was_killed_after_its_alerts_repeats_none(
        self, host: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host.run()
        host.logs["a"] = [(2, LINE)]
        host.now += 4
        with monkeypatch.context() as patch:
            patch.setattr(program, "write_json", lambda *_arguments: pytest.fail("killed"))
            patch.setattr(program, "_save", lambda *_arguments: None)
            with pytest.raises(pytest.fail.Exception):
                host.run()
        assert len(host.alerts()) == 1
        host.logs["a"].append((6, LINE))
        host.now += 4000
        host.run()
        assert [alert["body"].partition(" ")[0] for alert in host.alerts()] == ["1", "1"]

    def test_a_later_container_is_read_from_its_beginning(self, host: SimpleNamespace) -> None:
        host.run()
        host.now += 10
        host.logs = {"a": [], "b": [(3, LINE)]}
        host.run()
        assert len(host.alerts()) == 1
        host.logs = {"b": [(3, LINE)]}
        host.run()
        assert set(watcher.read_seen(str(host.folder))["containers"]) == {"b"}
        assert len(host.alerts()) == 1

    def test_a_daemon_that_is_just_restarted_is_waited_for(
        self, host: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused: list[int] = []
        connect, answers = client.client, [False, True]

        def restarting(name: str) -> Any:
            if not answers.pop(0):
                raise HardeningError("Docker", "nothing", "a daemon")
            return connect(name)

        monkeypatch.setattr(watcher.time, "sleep", paused.append)
        monkeypatch.setattr(client, "client", restarting)
        assert (host.run(), paused) == (0, [10])
        answers[:] = [False] * 4
        assert (host.run(), paused) == (1, [10, 10, 20, 30])
        assert [alert["title"] for alert in host.alerts()] == ["the log watcher failed"]

    def test_a_clock_that_was_set_back_hides_nothing(self, host: SimpleNamespace) -> None:
        host.now += 3600
        host.run()
        host.now = NOW
        host.run()
        host.logs["a"] = [(5, LINE)]
        host.now = NOW + 8
        host.run()
        assert len(host.alerts()) == 1

    def test_the_ledger_waits_for_a_deployment_and_for_a_gateway_that_starts(self, host: SimpleNamespace) -> None:
        with lock(f"{host.record_dir}/deploy.lock", 0):
            host.run()
        assert host.asked == []
        host.now = 1_799_996_430  # half a minute after it was started
        host.run()
        assert host.asked == []
        host.now = NOW
        host.run()
        assert host.asked == [{}]
