"""How a rollout went, reported from what the play handed on."""

from __future__ import annotations

import json

import pytest
from ansible_collections.openclaw.hardening.plugins.plugin_utils._rollout.summary import document, lines, row

IMAGE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def observed() -> dict:
    return {"deployment": {"image_id": IMAGE, "changed": False}}


def outcome(result: str, **more: object) -> dict:
    return {**observed(), "outcome": {"result": result, "image_id": OTHER, "seconds": 12.34, **more}}


def test_a_row_reports_from_to_and_what_was_seen_from_the_host():
    reported = row("a", outcome("updated", probes={"asked": 100, "failed": 3, "seconds_failed": 0.3}), skipped=False)
    assert (reported.image_before, reported.image_after, reported.seconds) == (IMAGE, OTHER, 12.3)
    assert (reported.probes_declared, reported.probes_failed, reported.seconds_failed) == (100, 3, 0.3)
    assert not reported.bad


@pytest.mark.parametrize(
    ("what", "result", "bad"),
    [
        (outcome("updated"), "updated", False),
        (outcome("unchanged"), "unchanged", False),
        (outcome("rolled back"), "rolled back", True),
        (outcome("rollback failed"), "rollback failed", True),
        (outcome("failed"), "failed", True),
        (outcome("unreachable"), "unreachable", True),
        (observed(), "not reached", False),
        (outcome("something else"), "not reached", False),
        ({}, "unreachable", True),
    ],
)
def test_what_is_not_known_to_be_good_is_not_called_so(what, result, bad):
    reported = row("a", what, skipped=False)
    assert (reported.result, reported.bad) == (result, bad)


def test_a_host_that_was_left_out_is_no_failure_and_no_success():
    reported = row("a", {}, skipped=True)
    assert (reported.result, reported.bad) == ("skipped", False)


def test_the_report_for_programs_counts():
    rows = [row("a", outcome("updated"), skipped=False), row("b", outcome("rolled back"), skipped=False)]
    made = json.loads(json.dumps(document(rows, "now")))
    assert made["failed"] is True
    assert made["counts"] == {"updated": 1, "rolled back": 1}
    assert [host["host"] for host in made["hosts"]] == ["a", "b"]


def test_the_table_shows_no_control_characters_and_stays_on_its_lines():
    rows = [row("a", outcome("failed", message="line\n\x1b[2Jtwo" * 100), skipped=False)]
    shown = [text for text, _colour in lines(rows, 120)]
    assert len(shown) == 4
    assert all("\x1b" not in text and len(text) <= 130 for text in shown)


@pytest.mark.parametrize("odd", [1, "text", [1], None, {"result": ["updated"]}, {"result": "updated", "seconds": "x"}])
@pytest.mark.parametrize("place", ["deployment", "outcome"])
def test_what_has_another_shape_is_not_taken_for_good(odd, place):
    reported = row("a", {**observed(), place: odd}, skipped=False)
    assert reported.result in ("unreachable", "not reached", "updated")
    assert (reported.result == "updated") == (place == "outcome" and odd == {"result": "updated", "seconds": "x"})
    assert json.loads(json.dumps(document([reported], "now")))["hosts"][0]["seconds"] == 0


@pytest.mark.parametrize(
    "odd", ["x", float("nan"), float("inf"), 10**400, -(10**400), True, [1]], ids=lambda odd: str(odd)[:9]
)
def test_what_is_no_number_is_counted_as_none(odd):
    probes = {"asked": odd, "failed": odd, "seconds_failed": odd}
    reported = row("a", outcome("updated", seconds=odd, probes=probes), skipped=False)
    assert (reported.seconds, reported.probes_declared, reported.probes_failed, reported.seconds_failed) == (0, 0, 0, 0)


def test_a_channel_that_is_down_is_a_warning_with_its_name():
    reported = row("a", outcome("updated", not_ready=["telegram", "a\x1bb", 7]), skipped=False)
    assert (reported.bad, reported.not_ready) == (False, ("telegram", "a\\x1bb", "7"))
    assert "warning, not ready: telegram" in " ".join(text for text, _colour in lines([reported], 160))
    assert row("a", outcome("updated", not_ready="telegram"), skipped=False).not_ready == ()
