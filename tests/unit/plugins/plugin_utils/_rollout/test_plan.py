"""Who is rolled out to, and in which order: from what the play registered."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.plugin_utils._rollout.plan import batches, candidate, plan

IMAGE = "sha256:" + "a" * 64
HINTS = {"batches": "openclaw_rollout_batches", "same_uid": "openclaw_user_uid"}


def observed(uid: int = 1000, **more: object) -> dict:
    return {"deployment": {"image_id": IMAGE, "changed": False}, "account": {"uid": uid}, **more}


def decide(hosts: dict[str, dict], canaries: tuple[str, ...] = (), skip: bool = False, same_uid: bool = True):
    known = [candidate(name, what, canaries) for name, what in hosts.items()]
    return plan(known, skip_unreachable=skip, same_uid=same_uid, hints=HINTS)


def test_canaries_come_first_the_others_in_the_order_of_the_inventory():
    hosts = {name: observed() for name in ("c", "a", "d", "b")}
    assert decide(hosts, canaries=("d", "elsewhere")).order == ("d", "c", "a", "b")


def test_a_host_of_which_nothing_is_known_stops_everything():
    with pytest.raises(
        HardeningError, match=r"1 reasons against it.*nothing was changed\n- not reachable: b; .*--limit"
    ):
        decide({"a": observed(), "b": {}})


def test_or_is_left_out_when_that_is_wanted():
    decided = decide({"a": observed(), "b": {}}, skip=True)
    assert (decided.order, decided.skipped) == (("a",), ("b",))


def test_every_reason_is_reported_at_once():
    with pytest.raises(HardeningError) as refused:
        decide(
            {
                "a": observed(fault="no systemd"),
                "b": {},
                "c": observed(fault="disk: found 1 MiB\x1b[2J"),
                "d": observed(uid=980),
            }
        )
    output = str(refused.value)
    assert "- a: no systemd" in output
    assert "- c: disk: found 1 MiB\\x1b[2J" in output
    assert "not reachable: b" in output
    assert "- uid of the account: 980 on d, 1000 on a, c; give the account one number" in output
    assert "(openclaw_user_uid)" in output


def test_uids_may_differ_when_that_is_wanted():
    assert decide({"a": observed(), "b": observed(uid=980)}, same_uid=False).order == ("a", "b")


@pytest.mark.parametrize("values", [[1], ["25%"], [1, "25%", "100%"], ["3"], [2, 999999]])
def test_sizes_that_ansible_understands(values):
    batches(values, HINTS)


@pytest.mark.parametrize("values", [[], [0], ["0%"], ["101%"], [-1], [1.5], ["all"], [None], [True], ["1\n"]])
def test_sizes_that_it_would_read_as_something_else(values):
    with pytest.raises(HardeningError, match="openclaw_rollout_batches"):
        batches(values, HINTS)


@pytest.mark.parametrize("odd", [1, "text", [1], None])
def test_what_has_another_shape_is_a_host_that_is_not_known(odd):
    assert not candidate("a", {**observed(), "deployment": odd}, ()).reachable
    assert not candidate("a", odd, ()).reachable
    assert candidate("a", {**observed(), "account": {"uid": odd} if odd != 1 else odd}, ()).uid is None
