# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Thresholds, windows and the quiet after an alert: nothing is lost, and a flood is one alert."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import log
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import event_sources
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.event_rules import (
    QUIET,
    RULES,
    WINDOW,
    Happened,
    decide,
)

NOW = 1_800_000_000.0


def runs(*steps: tuple[float, list[Happened]]) -> list[list[tuple[str, str]]]:
    """Return the alerts of runs that follow each other."""
    counted: dict[str, Any] = {}
    found = []
    for after, happened in steps:
        counted, alerts = decide(counted, happened, NOW + after)
        found.append([(alert.title, alert.body) for alert in alerts])
    return found


def test_a_quiet_day_is_no_alert_and_leaves_nothing() -> None:
    assert decide({}, [], NOW) == ({}, [])


@pytest.mark.parametrize("kind", RULES)
def test_each_kind_is_one_alert_from_its_threshold_on(kind: str) -> None:
    rule = RULES[kind]
    below, at = runs((0, [Happened(kind, count=rule.threshold - 1)]), (60, [Happened(kind)]))
    assert below == []
    assert [title for title, _body in at] == [rule.title]


def test_the_rules_are_those_of_all_that_is_found() -> None:
    sources = {*log.EVENTS, *event_sources._MORE, *event_sources._KINDS.values()}
    assert sources | {"crash", "out of memory", "restart", "flood", "refused connection"} == set(RULES)


def test_what_comes_slowly_does_not_reach_the_threshold() -> None:
    steps = [(n * (WINDOW + 1.0), [Happened("refused login", count=4)]) for n in range(5)]
    assert runs(*steps) == [[]] * 5


def test_what_comes_during_the_quiet_is_counted_and_reported_after_it() -> None:
    login = [Happened("refused login", "from 192.0.2.1", 5)]
    first, second, during, after = runs((0, login), (60, login), (QUIET - 1.0, login), (QUIET + 1.0, []))
    assert first == [("logins are refused", first[0][1])]
    assert "5 since 2027-01-15T08:00:00Z: from 192.0.2.1 (5)." in first[0][1]
    assert second == during == []
    assert "10 since 2027-01-15T08:01:00Z" in after[0][1]


def test_a_clock_that_is_set_back_ends_the_quiet() -> None:
    lockout = [Happened("lockout")]
    assert [len(found) for found in runs((0, lockout), (-2 * QUIET, lockout))] == [1, 1]


def test_a_flood_of_details_is_bounded() -> None:
    happened = [Happened("lockout", f"from 192.0.2.{n}") for n in range(250)]
    (((_title, body),),) = runs((0, happened))
    assert body.startswith("250 since")
    assert "and 45 more" in body
    counted, _alerts = decide({"lockout": {"quiet_until": NOW + 60}}, happened, NOW)
    assert len(counted["lockout"]["details"]) == 50
