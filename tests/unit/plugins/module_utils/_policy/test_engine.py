"""The table of rules: complete, well-formed, and never kinder than its checks."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable
from ansible_collections.openclaw.hardening.plugins.module_utils._policy import engine
from ansible_collections.openclaw.hardening.plugins.module_utils._policy import rule as policy_rule
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import RULES, check_evidence
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    Result,
    Rule,
    failed,
    passed,
    skipped,
)

TODAY = date(2026, 11, 22)
PARTS = {
    "settings",
    "kernel",
    "network",
    "packets",
    "forwarders",
    "image",
    "log",
    "account",
    "files",
    "secrets",
    "daemon",
    "units",
}
CODES = dict(zip(policy_rule.AREAS, ("ACC", "IMG", "CTR", "NET", "SEC", "SYS", "HST", "UPK"), strict=True))
ALL_REFS = {ref for rule in RULES for ref in rule.refs}


def rule(**changes: object) -> Rule:
    defaults: dict = {
        "id": "OCH-CTR-99", "title": "t", "area": "container", "severity": "high",
        "expected": "e", "remediation": "r", "refs": (),
    }  # fmt: skip
    return Rule(**{**defaults, **changes})


def check(wanted: Rule, waivers: tuple = (), **evidence: object) -> engine.Finding:
    (finding,) = check_evidence([wanted], "gateway", evidence, Baseline(), waivers, TODAY)
    return finding


# --- the table ----------------------------------------------------------------------------------------------------


def test_ids_are_unique() -> None:
    assert not [identity for identity, count in Counter(rule.id for rule in RULES).items() if count > 1]


def test_titles_are_unique() -> None:
    """A report that shows titles alone still reports which rule is meant."""
    assert not [title for title, count in Counter(rule.title for rule in RULES).items() if count > 1]


@pytest.mark.parametrize("row", RULES, ids=lambda row: row.id)
def test_a_row_is_well_formed(row: Rule) -> None:
    assert re.fullmatch(rf"OCH-{CODES[row.area]}-[0-9]{{2}}", row.id)
    assert row.severity in policy_rule.SEVERITIES
    assert row.title[0].isupper() or row.title.startswith("systemd")
    assert not row.title.endswith(".")
    assert row.expected and row.refs
    assert set(row.needs) <= PARTS
    assert bool(row.needs) == (row.effective is not None)
    assert row.manual == (int(row.id[-2:]) >= 90)


@pytest.mark.parametrize("number", [f"4.{n}" for n in range(1, 13)] + [f"5.{n}" for n in range(1, 33)])
def test_cis_sections_4_and_5_are_covered(number: str) -> None:
    assert f"CIS Docker Benchmark v1.6.0, {number}" in ALL_REFS


@pytest.mark.parametrize("number", range(14))
def test_owasp_rules_are_covered(number: int) -> None:
    assert f"OWASP Docker Security Cheat Sheet, rule {number}" in ALL_REFS


@pytest.mark.parametrize("item", range(1, 11))
def test_the_guides_checklist_is_covered_by_a_machine(item: int) -> None:
    reference = f"hardening guide, Security Checklist, item {item}"
    assert any(reference in row.refs and not row.manual for row in RULES)


@pytest.mark.parametrize(
    "command",
    ["Non-Root User", "Read-Only Filesystem", "Network Binding", "Capabilities", "no-new-privileges"],
)
def test_the_guides_verify_commands_are_covered_by_a_machine(command: str) -> None:
    assert any(f"hardening guide, Verify {command}" in row.refs and not row.manual for row in RULES)


# --- how it is applied --------------------------------------------------------------------------------------------


def test_what_nobody_saw_is_an_error_and_names_why() -> None:
    found = check(
        rule(needs=("kernel",), effective=lambda kernel, allowed: passed("fine")), kernel=Unavailable("no such pid")
    )
    assert (found.status, found.actual) == ("error", "no such pid")
    assert check(rule(needs=("kernel",), effective=lambda kernel, allowed: passed("fine"))).status == "error"


def test_a_check_that_fails_on_hostile_evidence_is_an_error() -> None:
    found = check(rule(needs=("kernel",), effective=lambda kernel, allowed: passed(kernel["x"])), kernel={})
    assert found.status == "error"
    assert "KeyError" in found.actual


@pytest.mark.parametrize(
    ("asked", "effective", "status"),
    [
        (passed("a"), passed("b"), "pass"),
        (passed("a"), failed("b"), "fail"),
        (failed("a"), passed("b"), "fail"),
        (skipped("a"), passed("b"), "pass"),
        (skipped("a"), failed("b"), "fail"),
        (skipped("a"), skipped("b"), "skip"),
    ],
)
def test_of_two_results_the_worse_one_counts(asked: Result, effective: Result, status: str) -> None:
    both = rule(
        needs=("kernel",), declared=lambda settings, allowed: asked, effective=lambda kernel, allowed: effective
    )
    assert check(both, settings=object(), kernel=object()).status == status


def test_a_proven_fault_is_not_hidden_by_what_could_not_be_proven() -> None:
    both = rule(
        needs=("kernel",), declared=lambda settings, allowed: failed("bad"), effective=lambda *parts: passed("x")
    )
    assert check(both, settings=object(), kernel=Unavailable("gone")).status == "fail"


def test_a_manual_rule_is_never_a_pass() -> None:
    assert check(rule()).status == "skip"


def test_the_gate_asks_every_service_by_every_rule_that_can_be_declared() -> None:
    services = [Settings(name="one", source="compose"), Settings(name="two", source="compose")]
    found = engine.check_definition(services, Baseline(), (), TODAY)
    rows = [row for row in RULES if row.declared]
    assert [(finding.target, finding.rule.id) for finding in found] == [
        (service.name, row.id) for service in services for row in rows
    ]
    assert any(finding.bad for finding in found)


# --- waivers ------------------------------------------------------------------------------------------------------

KNOWN = RULES[0]


def waiver(**changes: str) -> tuple[engine.Waiver, ...]:
    return engine.waivers_from("waivers", [{"id": KNOWN.id, "reason": "because of that", **changes}])


def broken() -> Rule:
    return rule(id=KNOWN.id, needs=("kernel",), effective=lambda kernel, allowed: failed("bad"))


def test_a_waiver_covers_a_finding_and_reports_what_was_found() -> None:
    found = check(broken(), waiver(), kernel=object())
    assert (found.status, found.actual, found.waiver and found.waiver.reason) == ("waived", "bad", "because of that")
    assert not found.bad


def test_what_could_not_be_proven_is_waived_with_its_reason() -> None:
    found = check(broken(), waiver(), kernel=Unavailable("the daemon does not answer"))
    assert (found.status, found.actual) == ("waived", "the daemon does not answer")


@pytest.mark.parametrize(
    ("expires", "status"), [("2026-11-21", "fail"), ("2026-11-22", "waived"), ("2026-11-23", "waived")]
)
def test_a_waiver_ends_after_its_last_day(expires: str, status: str) -> None:
    found = check(broken(), waiver(expires=expires), kernel=object())
    assert found.status == status
    assert found.expired == (status == "fail")


def test_a_waiver_for_one_target_covers_no_other() -> None:
    assert check(broken(), waiver(target="other"), kernel=object()).status == "fail"
    assert check(broken(), waiver(target="gateway"), kernel=object()).status == "waived"


def test_a_waiver_does_not_touch_what_passes() -> None:
    good = rule(id=KNOWN.id, needs=("kernel",), effective=lambda kernel, allowed: passed("good"))
    assert check(good, waiver(), kernel=object()).waiver is None


def several(*faults: str) -> Rule:
    """A rule that finds each of these."""
    return rule(
        id=KNOWN.id, needs=("kernel",), effective=lambda kernel, allowed: policy_rule.verdict([*faults], "fine")
    )


def waivers(*changes: dict[str, str]) -> tuple[engine.Waiver, ...]:
    return tuple(found for change in changes for found in waiver(**change))


def test_an_expired_waiver_does_not_win_over_a_renewed_one() -> None:
    ended, renewed = {"expires": "2026-11-01"}, {"expires": "2027-01-31", "reason": "renewed"}
    for both in (waivers(ended, renewed), waivers(renewed, ended)):
        found = check(broken(), both, kernel=object())
        assert (found.status, found.expired, found.waiver and found.waiver.reason) == ("waived", False, "renewed")


def test_the_expired_waiver_is_named_when_no_other_one_covers() -> None:
    both = waivers({"expires": "2026-11-01"}, {"expires": "2027-01-31", "target": "other"})
    found = check(broken(), both, kernel=object())
    assert (found.status, found.expired, found.waiver) == ("fail", True, both[0])


@pytest.mark.parametrize(
    ("value", "fault", "status"),
    [
        ("/srv/data", "bind /srv/data at /data", "waived"),
        ("/data", "bind /srv/data at /data", "waived"),
        ("/srv", "bind /srv/data at /data", "fail"),
        ("/srv/dat", "bind /srv/data at /data", "fail"),
        ("/etc", "/etc/shadow of the host at /x", "fail"),
        ("/etc/shadow", "/etc/shadow.bak of the host at /x", "fail"),
        ("NET_ADMIN", "cap_add NET_ADMIN", "waived"),
        ("NET", "cap_add NET_ADMIN", "fail"),
        ("18789", "127.0.0.1:18789 is published beyond this host", "waived"),
        ("bind /srv/data at /data", "bind /srv/data at /data", "waived"),
        ("PGPASSWORD", "a secret in variable PGPASSWORD", "waived"),
    ],
)
def test_a_waiver_may_be_about_one_value(value: str, fault: str, status: str) -> None:
    assert check(several(fault), waiver(value=value), kernel=object()).status == status


def test_a_waiver_about_one_value_covers_no_other_fault_of_the_rule() -> None:
    rule_of_two = several("bind /srv/a at /a", "bind /etc at /b")
    assert check(rule_of_two, waiver(value="/srv/a"), kernel=object()).status == "fail"
    both = waivers({"value": "/srv/a"}, {"value": "/etc"})
    found = check(rule_of_two, both, kernel=object())
    assert (found.status, found.waivers) == ("waived", both)
    late = waivers({"value": "/srv/a"}, {"value": "/etc", "expires": "2026-11-01"})
    found = check(rule_of_two, late, kernel=object())
    assert (found.status, found.expired, found.waiver) == ("fail", True, late[1])


def test_a_waiver_about_a_value_does_not_cover_what_nobody_saw() -> None:
    assert check(broken(), waiver(value="/srv/a"), kernel=Unavailable("the daemon does not answer")).status == "error"


def test_a_waiver_of_a_critical_rule_has_a_last_day() -> None:
    critical = next(row.id for row in RULES if row.severity == "critical")
    with pytest.raises(HardeningError, match="the last day of the waiver"):
        waiver(id=critical)
    assert waiver(id=critical, expires="2027-01-31")


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({"value": "two\nlines"}, "one line of printable text"),
        ({"id": "OCH-CTR-00"}, "the id of a rule"),
        ({"reason": "   "}, "why this rule need not hold here"),
        ({"reason": "two\nlines here"}, "one line of printable text"),
        ({"expires": "next year"}, "a day such as 2027-01-31"),
    ],
)
def test_a_bad_waiver_is_refused(change: dict[str, str], needed: str) -> None:
    with pytest.raises(HardeningError, match=re.escape(needed)):
        waiver(**change)
