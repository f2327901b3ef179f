# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is reported of two audits: what is new and lasts, once, and what is over."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import changes


def check(
    rule: str, status: str = "fail", severity: str = "medium", target: str = "gateway", actual: str = "x"
) -> dict:
    return {"id": rule, "target": target, "status": status, "severity": severity, "title": f"title of {rule}",
            "actual": actual}  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "known", "expected"),
    [
        # One that lasts counts, one of a moment does not.
        ([check("A")], [check("A")], {}, {"A gateway": "fail"}),
        ([check("A")], [check("A", "pass")], {}, {}),
        # One that the second audit has alone waits for the next run, unless it was known.
        ([check("A", "pass")], [check("A")], {}, {}),
        ([check("A", "pass")], [check("A")], {"A gateway": "fail"}, {"A gateway": "fail"}),
        # Fails and unknown is both bad; the last word counts.
        ([check("A")], [check("A", "error")], {}, {"A gateway": "error"}),
        ([check("A", "waived")], [check("A", "waived")], {}, {}),
        ([check("A", target="one")], [check("A", target="two")], {}, {}),
    ],
)
def test_what_counts(first: list, second: list, known: dict, expected: dict) -> None:
    assert changes.confirmed(first, second, known) == expected


def told(checks: list, known: dict, found: dict) -> list[tuple[str, bool]]:
    return [(alert.title, alert.urgent) for alert in changes.alerts(checks, known, found)]


def test_nothing_new_is_no_alert() -> None:
    checks = [check("A"), check("B", "pass")]
    assert changes.alerts(checks, {"A gateway": "fail"}, {"A gateway": "fail"}) == []
    assert changes.alerts([], {}, {}) == []


@pytest.mark.parametrize(
    ("severity", "urgent"), [("critical", True), ("high", True), ("medium", False), ("low", False)]
)
def test_what_is_severe_is_urgent(severity: str, urgent: bool) -> None:
    begun = told([check("A", severity=severity)], {}, {"A gateway": "fail"})
    assert begun == [("one rule of the audit begins to fail", urgent)]


def test_the_alert_has_rule_target_title_and_what_was_found() -> None:
    (alert,) = changes.alerts([check("A", actual="port 1 is open")], {}, {"A gateway": "fail"})
    assert alert.body == "A (gateway) title of A: fail, port 1 is open"
    assert alert.job == "audit"


def test_another_status_of_the_same_finding_is_new() -> None:
    known, found = {"A gateway": "fail"}, {"A gateway": "error"}
    assert told([check("A", "error")], known, found) == [("one rule of the audit begins to fail", False)]


def test_what_is_over_is_one_alert_that_can_wait() -> None:
    known = {"A gateway": "fail", "B gateway": "error"}
    (alert,) = changes.alerts([check("A", "pass")], known, {})
    assert (alert.title, alert.urgent) == ("2 rules of the audit do not fail any more", False)
    assert alert.body == "A gateway; B gateway"


def test_begun_and_ended_are_two_alerts() -> None:
    found = told([check("A", "pass"), check("B")], {"A gateway": "fail"}, {"B gateway": "fail"})
    assert [title for title, _urgent in found] == [
        "one rule of the audit begins to fail",
        "one rule of the audit does not fail any more",
    ]


def test_many_findings_are_cut_off_with_their_number() -> None:
    checks = [check(f"R{number:02}", actual="y" * 1000) for number in range(14)]
    (alert,) = changes.alerts(checks, {}, {changes.key(found): "fail" for found in checks})
    assert alert.title.startswith("14 rules")
    assert alert.body.endswith("and 4 more")
    assert len(alert.body) < 11 * 310
