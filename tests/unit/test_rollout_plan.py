"""Who is rolled out to, in which order, and how it is told: from what the play registered."""

from __future__ import annotations

import json

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.plugin_utils._rollout_plan import batches, candidate, plan
from ansible_collections.openclaw.hardening.plugins.plugin_utils._rollout_summary import document, lines, row

IMAGE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def seen(uid: int = 1000, **more: object) -> dict:
    return {"look": {"image_id": IMAGE, "changed": False}, "account": {"account": {"uid": uid}}, **more}


def decide(hosts: dict[str, dict], canaries: tuple[str, ...] = (), skip: bool = False, same_uid: bool = True):
    known = [candidate(name, what, canaries) for name, what in hosts.items()]
    return plan(known, skip_unreachable=skip, same_uid=same_uid)


def test_canaries_come_first_the_others_in_the_order_of_the_inventory():
    hosts = {name: seen() for name in ("c", "a", "d", "b")}
    assert decide(hosts, canaries=("d", "elsewhere")).order == ("d", "c", "a", "b")


def test_a_host_of_which_nothing_is_known_stops_everything():
    with pytest.raises(
        HardeningError, match=r"1 reasons against it.*nothing was changed\n- not reachable: b; .*--limit"
    ):
        decide({"a": seen(), "b": {}})


def test_or_is_left_out_when_that_is_wanted():
    decided = decide({"a": seen(), "b": {}}, skip=True)
    assert (decided.order, decided.skipped) == (("a",), ("b",))


def test_every_reason_is_told_at_once():
    with pytest.raises(HardeningError) as refused:
        decide(
            {"a": seen(fault="no systemd"), "b": {}, "c": seen(fault="disk: found 1 MiB\x1b[2J"), "d": seen(uid=980)}
        )
    said = str(refused.value)
    assert "- a: no systemd" in said
    assert "- c: disk: found 1 MiB\\x1b[2J" in said
    assert "not reachable: b" in said
    assert "- uid of the account: 980 on d, 1000 on a, c; set 'openclaw_user_uid'" in said


def test_uids_may_differ_when_that_is_wanted():
    assert decide({"a": seen(), "b": seen(uid=980)}, same_uid=False).order == ("a", "b")


@pytest.mark.parametrize("values", [[1], ["25%"], [1, "25%", "100%"], ["3"], [2, 999999]])
def test_sizes_that_ansible_understands(values):
    batches(values)


@pytest.mark.parametrize("values", [[], [0], ["0%"], ["101%"], [-1], [1.5], ["all"], [None], [True], ["1\n"]])
def test_sizes_that_it_would_read_as_something_else(values):
    with pytest.raises(HardeningError, match="openclaw_rollout_batches"):
        batches(values)


# --- how it went --------------------------------------------------------------------------------------------------


def outcome(result: str, **more: object) -> dict:
    return {**seen(), "outcome": {"result": result, "image_id": OTHER, "seconds": 12.34, **more}}


def test_a_row_tells_from_to_and_what_was_seen_from_the_host():
    told = row("a", outcome("updated", probes={"asked": 100, "failed": 3, "seconds_failed": 0.3}), skipped=False)
    assert (told.image_before, told.image_after, told.seconds) == (IMAGE, OTHER, 12.3)
    assert (told.probes_asked, told.probes_failed, told.seconds_failed) == (100, 3, 0.3)
    assert not told.bad


@pytest.mark.parametrize(
    ("what", "result", "bad"),
    [
        (outcome("updated"), "updated", False),
        (outcome("unchanged"), "unchanged", False),
        (outcome("rolled back"), "rolled back", True),
        (outcome("stranded"), "stranded", True),
        (outcome("failed"), "failed", True),
        (outcome("unreachable"), "unreachable", True),
        (seen(), "not reached", False),
        (outcome("something else"), "not reached", False),
        ({}, "unreachable", True),
    ],
)
def test_what_is_not_known_to_be_good_is_not_called_so(what, result, bad):
    told = row("a", what, skipped=False)
    assert (told.result, told.bad) == (result, bad)


def test_a_host_that_was_left_out_is_no_failure_and_no_success():
    told = row("a", {}, skipped=True)
    assert (told.result, told.bad) == ("skipped", False)


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
