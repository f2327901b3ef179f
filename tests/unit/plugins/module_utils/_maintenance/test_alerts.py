# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of the alerts: its numbers, what is kept, and that jobs which end at once lose none."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import alerts
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.alerts import Alert, added

ONE = Alert("audit", "one rule begins to fail", "OCH-CTR-01")
TWO = Alert("backup", "the backup failed", "no space", False)


def numbers(record: dict) -> list[int]:
    return [entry["number"] for entry in record["alerts"]]


def test_the_first_alerts_begin_a_sequence() -> None:
    record = added({}, [ONE, TWO], 1000.9, "abc")
    assert record["alerts"] == [
        {"job": "audit", "title": ONE.title, "body": ONE.body, "urgent": True, "number": 1, "at": 1000},
        {"job": "backup", "title": TWO.title, "body": TWO.body, "urgent": False, "number": 2, "at": 1000},
    ]
    assert (record["version"], record["origin"], record["next"]) == (alerts.VERSION, "abc", 3)


def test_numbers_only_grow_and_the_origin_stays() -> None:
    record = added(added({}, [ONE], 1, "abc"), [TWO], 2, "another")
    assert (numbers(record), record["origin"], record["next"]) == ([1, 2], "abc", 3)


def test_the_newest_are_kept_with_their_numbers() -> None:
    record = added({}, [ONE] * (alerts.MOST + 3), 1, "abc")
    assert numbers(record) == list(range(4, alerts.MOST + 4))
    assert numbers(added(record, [TWO], 2, "x"))[-1] == alerts.MOST + 4


@pytest.mark.parametrize(
    "record", [{"version": 0, "alerts": [], "next": 7, "origin": "a"}, {"version": 1}, {"alerts": []}]
)
def test_a_file_of_another_format_begins_another_sequence(record: dict) -> None:
    found = added(record, [ONE], 1, "new")
    assert (found["origin"], numbers(found)) == ("new", [1])


def test_a_text_from_outside_is_one_harmless_line_of_a_limited_length() -> None:
    (entry,) = added({}, [Alert("audit", "t", "a\nb\x1b[2J" + "x" * 9000)], 1, "a")["alerts"]
    assert entry["body"].isprintable()
    assert len(entry["body"]) <= alerts.LONGEST + 100


def test_nothing_to_add_touches_nothing(tmp_path: Path) -> None:
    alerts.add(str(tmp_path / "none"), [], 1)
    assert list(tmp_path.iterdir()) == []


def test_jobs_that_end_at_once_lose_no_alert(tmp_path: Path) -> None:
    folder = str(tmp_path / "records")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: alerts.add(folder, [Alert("audit", f"{number}", "")], 1), range(16)))
    record = json.loads(Path(alerts.path(folder)).read_text())
    assert numbers(record) == list(range(1, 17))
    assert {entry["title"] for entry in record["alerts"]} == {str(number) for number in range(16)}
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert os.stat(alerts.path(folder)).st_mode & 0o777 == 0o600
