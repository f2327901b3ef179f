"""The fleet: what is made of results, whatever those are."""

from __future__ import annotations

import unicodedata

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report.model import UNCHECKED, clean, count, fleet
from hypothesis import given
from hypothesis import strategies as st
from unit.report_samples import HOSTILE, WAIVER, check, full, hostile, result, waived
from unit.report_samples import fleet as samples

NOW = "2026-11-22T19:40:00Z"


def one(raw: object, name: str = "web1"):
    (host,) = fleet("x", [{"name": name, "result": raw}], NOW).hosts
    return host


def test_hosts_are_sorted_by_name_and_their_checks_worst_first():
    made = fleet("x", samples(), NOW)
    assert [host.name for host in made.hosts] == ["db1", "old", "web1", "web2"]
    web1 = made.hosts[2]
    assert [(check.status, check.severity, check.id) for check in web1.checks[:6]] == [
        ("fail", "critical", "OCH-NET-01"),
        ("fail", "high", "OCH-NET-02"),
        ("error", "medium", "OCH-SEC-03"),
        ("fail", "low", "OCH-CTR-04"),
        ("waived", "high", "OCH-IMG-02"),
        ("skip", "medium", "OCH-UPK-03"),
    ]


def test_the_order_of_the_input_does_not_matter():
    assert fleet("x", samples(), NOW) == fleet("x", samples()[::-1], NOW)


def test_counts_are_our_own_and_disjoint():
    host = one(
        full(network_1="fail", container_2="error", image_2="waived", host_4="manual") | {"summary": {"fail": 0}}
    )
    assert host.counts.as_dict() == {
        "fail": 1, "error": 1, "waived": 1, "skip": 1, "pass": 84,
        "findings": {"critical": 1, "high": 1, "medium": 0, "low": 0}, "worst": "fail",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (None, "found nothing instead of the result"),
        ("text", "found text instead of the result"),
        ({}, "checks: found nothing"),
        (result(), "no checks"),
        (result(checks={"a": 1}), "checks: found a dictionary, needed a list"),
        ({"unreachable": True, "msg": "No route to host"}, "unreachable: No route to host"),
        ({"failed": True, "msg": "docker: not there"}, "the module failed: docker: not there"),
        ({"failed": True}, "the module failed"),
        ({"skipped": True, "skip_reason": "x"}, "not run"),
    ],
)
def test_a_host_without_a_result_is_an_error_and_reports_why(raw, why):
    host = one(raw)
    assert host.error.startswith("could not be checked: ")
    assert why in host.error
    assert [(check.id, check.status, check.severity) for check in host.checks] == [(UNCHECKED, "error", "critical")]
    assert host.counts.worst == "error"


def test_checks_of_a_failed_result_are_reported_beside_the_error():
    host = one(result(check(status="fail"), check(number=2), failed=True, msg="broke"))
    assert [check.status for check in host.checks] == ["fail", "error", "pass"]


@pytest.mark.parametrize(
    "key",
    ["id", "title", "area", "severity", "target", "status", "expected", "actual", "evidence", "remediation", "refs"],
)
@pytest.mark.parametrize("value", [None, 7, {"a": 1}, [[1]], "missing"])
def test_a_malformed_check_makes_its_host_an_error(key, value):
    bad = check(status="pass")
    if value == "missing":
        del bad[key]
    else:
        bad[key] = value
    host = one(result(check(number=2), bad))
    assert f"malformed result: checks[1].{key}" in host.error
    assert [check.status for check in host.checks] == ["error", "pass"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "passed"},
        {"severity": "CRITICAL"},
        {"area": "<b>"},
        {"id": " "},
        {"manual": "yes"},
        {"waiver": "yes"},
        {"waiver": {**WAIVER, "expired": "no"}},
        {"waiver": {**WAIVER, "reason": None}},
        {"waiver": {**WAIVER, "value": 7}},
        {"status": "waived"},
        {"status": "waived", "waiver": {**WAIVER, "expired": True}},
        {"evidence": [{"source": "x"}]},
    ],
)
def test_unknown_words_and_wrong_waivers_are_malformed(changes):
    assert "malformed result" in one(result(check(**changes))).error


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JUNK, st.sampled_from(sorted(check())), JUNK)
def test_no_result_raises_and_none_becomes_a_pass(raw, key, value):
    assert one(raw).counts.worst == "error"
    assert one({"checks": raw}).counts.worst == "error"
    host = one(result({**check(), key: value}))
    assert bool(host.error) is (UNCHECKED in {made.id for made in host.checks})
    assert host.error or len(host.checks) == 1


@given(st.text())
def test_clean_text_has_visible_characters_only(text):
    cleaned = clean(text, lines=False)
    assert all(character.isprintable() or unicodedata.category(character) == "Zs" for character in cleaned)
    cleaned.encode()


def test_what_cannot_be_seen_is_written():
    assert clean(HOSTILE["terminal"]) == "\\x1b[31mred\\x1b[0m\\x07\\x00\\x9b"
    assert clean(HOSTILE["bidi"]) == "\\u202eevil\\u202c \\u2066x\\u2069 \\u200b"
    assert clean(HOSTILE["surrogate"]) == "\\ud800 \\udfff"
    assert clean(HOSTILE["nonsense"]) == "\\ufffe \\uffff \\U0010ffff"
    assert clean(HOSTILE["lines"]) == "one\ntwo\\x0dthree\\u2028four"
    assert clean("a\tb\nc", lines=False) == "a    b c"
    assert clean(HOSTILE["rtl"]) == HOSTILE["rtl"]


def test_long_text_is_cut_and_reports_so():
    assert clean("a" * 50, 10) == "aaaaaaaaaa… (50 characters)"
    assert max(len(check.evidence[0][1]) for host in fleet("x", hostile(), NOW).hosts for check in host.checks) < 17_000


def test_waived_and_expired():
    expired = check(number=2, status="fail", waiver={**WAIVER, "expired": True})
    host = one(result(waived(), expired))
    assert [check.status for check in host.checks] == ["fail", "waived"]


def test_strings_are_plain_ones():
    class Tagged(str):
        __slots__ = ()

    host = one(result(check(title=Tagged("title"), status=Tagged("pass"))), Tagged("web1"))
    assert {type(text) for text in (host.name, host.checks[0].title, host.checks[0].status)} == {str}


@pytest.mark.parametrize(
    "hosts",
    [[], [{"result": {}}], [{"name": ""}], [{"name": 7}], [{"name": "a"}, {"name": "a"}]],
)
def test_a_report_about_nobody_is_refused(hosts):
    with pytest.raises(HardeningError):
        fleet("x", hosts, NOW)


def test_the_worst_of_many():
    assert count([]).worst == "error", "nothing counted is not a pass"
    assert one(full(host_4="manual")).counts.worst == "pass"
    assert one(full(host_4="manual", image_2="waived")).counts.worst == "waived"
    assert one(result(check(status="skip"))).counts.worst == "skip"
