"""Checking the account: each fault is found and named, and a good account has none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.account import AccountFacts, Holder
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.files import Folder, Place
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import SEVERITIES, Result
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import account as subject

ROOT = (Folder("/", 0, 0, 0o755), Folder("/var", 0, 0, 0o755), Folder("/var/lib", 0, 0, 0o755))
HOME = Place("/var/lib/openclaw", "", "directory", 1000, 1000, 0o750, folders=ROOT)
HOLDER = Holder("openclaw", 1000, HOME, "/usr/sbin/nologin", True, ("openclaw",))
GOOD = AccountFacts(1000, 1000, (HOLDER,), "openclaw")
NOBODY = AccountFacts(1000, 1000)
RULES = {rule.id: rule for rule in subject.RULES}


def check(number: str, facts: AccountFacts, **allowed: object) -> Result:
    return RULES[f"OCH-ACC-{number}"].effective(facts, Baseline(**allowed))


def holder(**change: object) -> AccountFacts:
    return replace(GOOD, holders=(replace(HOLDER, **change),))


def home(**change: object) -> AccountFacts:
    return holder(home=replace(HOME, **change))


def test_the_table():
    assert list(RULES) == [f"OCH-ACC-{number:02}" for number in range(1, 5)]
    for rule in subject.RULES:
        assert (rule.area, rule.needs, rule.severity in SEVERITIES) == ("account", ("account",), True)
        assert "\n" not in rule.expected
        assert rule.refs
        assert rule.remediation


@pytest.mark.parametrize("number", ["01", "02", "03", "04"])
def test_a_good_account_passes_with_evidence(number):
    found = check(number, GOOD, account="openclaw")
    assert found.status == "pass"
    assert found.evidence


@pytest.mark.parametrize(
    ("number", "facts", "words"),
    [
        ("01", NOBODY, "belongs to nobody: the next account"),
        ("01", holder(locked=False), "password of openclaw is not locked"),
        ("01", holder(shell="/bin/bash"), "login shell /bin/bash"),
        ("01", holder(shell=""), "/bin/sh (none is named)"),
        ("01", holder(shell="/bin/bash", locked=None), "login shell"),
        ("01", holder(name="alice"), "is that of alice, not of openclaw"),
        ("02", holder(groups=("docker", "openclaw", "sudo")), "openclaw is in docker, sudo"),
        ("02", holder(sudoers=("/etc/sudoers:7",)), "allowed something in /etc/sudoers:7"),
        ("02", replace(holder(groups=("lxd",)), unread=("/etc/sudoers",)), "is in lxd"),
        ("03", replace(GOOD, holders=(HOLDER, replace(HOLDER, name="twin"))), "shared by openclaw, twin"),
        ("03", replace(GOOD, primary=("alice",)), "gid 1000 is the primary group of alice"),
        ("03", replace(GOOD, members=("bob",)), "bob in group openclaw"),
        ("04", holder(login_files=("/h/.rhosts",)), "/h/.rhosts is there"),
        ("04", home(uid=1001), "owned by uid 1001"),
        ("04", home(mode=0o775), "written by others (mode 0775)"),
        ("04", home(kind="file"), "is no directory"),
        ("04", home(kind="link", link="/var/lib/openclaw"), "is a link"),
        ("04", home(folders=(Folder("/", 0, 0, 0o755), Folder("/srv", 33, 33, 0o755))), "/srv on the way"),
    ],
)
def test_faults(number, facts, words):
    found = check(number, facts, account="openclaw")
    assert found.status == "fail"
    assert words in found.actual
    assert found.evidence


@pytest.mark.parametrize(
    ("number", "facts", "status"),
    [
        ("01", holder(locked=None), "error"),
        ("02", replace(GOOD, unread=("/etc/sudoers.d/x",)), "error"),
        ("04", home(kind="", trouble="Input/output error"), "error"),
        ("02", NOBODY, "skip"),
        ("03", NOBODY, "skip"),
        ("04", NOBODY, "skip"),
        ("01", replace(NOBODY, subordinate_of="dockremap"), "pass"),
        ("04", home(kind="", uid=-1), "pass"),
        ("04", home(uid=0, gid=0, mode=0o755), "pass"),
    ],
)
def test_what_is_not_proven_and_what_does_not_apply(number, facts, status):
    assert check(number, facts).status == status


def test_a_subordinate_uid_is_not_the_account_that_was_named():
    assert check("01", replace(NOBODY, subordinate_of="dockremap"), account="openclaw").status == "fail"


def test_any_locked_account_will_do_when_none_is_named():
    assert check("01", holder(name="service")).status == "pass"
