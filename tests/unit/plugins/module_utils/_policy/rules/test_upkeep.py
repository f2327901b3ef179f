"""What wears off: ages, logs, versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.image import Record
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.log import Event, LogFacts
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import upkeep as policy

RULES = {rule.id: rule for rule in policy.RULES}
ALLOWED = Baseline(record="/var/lib/x/image.json")
NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc).timestamp()


def image(created, verified="", image_id="sha256:1"):
    record = Record(image_id, "r", "b", "c", verified) if verified else None
    return SimpleNamespace(id="sha256:1", created=created, record=record, now=NOW)


def test_the_ids():
    manual = [rule.id for rule in policy.RULES if rule.manual]
    assert manual == ["OCH-UPK-90", "OCH-UPK-91", "OCH-UPK-92"]
    assert [rule.id for rule in policy.RULES if not rule.manual] == [f"OCH-UPK-0{number}" for number in range(1, 5)]


@pytest.mark.parametrize(
    ("facts", "status", "text"),
    [
        (image("2026-11-20T12:00:00.347468074Z"), "pass", "2 days old"),
        (image("2026-11-20T14:00:00+02:00", "2026-11-21T12:00:00+00:00"), "pass", "2 days old"),
        (image("2026-10-01T12:00:00Z"), "fail", "52 days old, 30 are allowed"),
        (image("2026-11-20T12:00:00Z", "2026-10-01T12:00:00+00:00"), "fail", "52 days"),
        (image("2026-11-20T12:00:00Z", "2026-10-01T12:00:00+00:00", "sha256:2"), "pass", "2 days"),
        (image("2026-11-20T12:00:00Z", "garbage"), "error", "does not say"),
        (image("1970-01-01T00:00:00Z"), "error", "does not say"),
        (image("0001-01-01T00:00:00Z"), "error", "does not say"),
        (image("2026-99-99T00:00:00Z"), "error", "does not say"),
        (image(""), "error", "does not say"),
        (image("2027-11-20T12:00:00Z"), "error", "in the future"),
        (image("2026-11-22T12:05:00Z"), "pass", "0 days"),
    ],
)
def test_the_age_of_the_image(facts, status, text):
    found = RULES["OCH-UPK-01"].effective(facts, ALLOWED)
    assert (found.status, text in found.actual) == (status, True), found.actual


@pytest.mark.parametrize(
    ("driver", "options", "status"),
    [
        ("json-file", {"max-size": "10m", "max-file": "3"}, "pass"),
        ("json-file", {"max-size": "10m", "max-file": "10"}, "pass"),
        ("json-file", {"max-size": "10m"}, "fail"),
        ("json-file", {"max-size": "10m", "max-file": "1"}, "fail"),
        ("json-file", {"max-file": "3"}, "fail"),
        ("json-file", {"max-size": "-1", "max-file": "3"}, "fail"),
        ("json-file", {"max-size": "0", "max-file": "3"}, "fail"),
        ("json-file", {}, "fail"),
        ("local", {}, "pass"),
        ("local", {"max-size": "-1"}, "fail"),
        ("journald", {}, "pass"),
        ("syslog", {}, "pass"),
        ("none", {}, "skip"),
        ("", {}, "error"),
        ("mine/plugin:1", {}, "error"),
    ],
)
def test_rotation(driver, options, status):
    wanted = Settings("x", "docker-compose.yml", log_driver=driver, log_options=options)
    assert RULES["OCH-UPK-02"].declared(wanted, ALLOWED).status == status


LOG = LogFacts("json-file", lines=20, since="2026-11-22T19:10:10.2Z")


def events(*kinds):
    return replace(LOG, events=tuple(Event(kind, f"line {number}") for number, kind in enumerate(kinds)))


def checked(log):
    return RULES["OCH-UPK-03"].effective(log, ALLOWED)


def test_a_quiet_log():
    found = checked(LOG)
    assert (found.status, found.actual) == ("pass", "no event in 20 lines since 2026-11-22T19:10:10Z")


def test_a_log_that_was_not_read_to_its_beginning_reports_so():
    assert "only the last 20 lines" in checked(replace(LOG, cut=True)).actual


@pytest.mark.parametrize(
    "kinds",
    [
        ["lockout"],
        ["configuration tampered with"],
        ["security warning"],
        ["refused login"] * 10,
        ["foreign web page"] * 10,
    ],
)
def test_too_many_events(kinds):
    found = checked(events("pairing request", *kinds))
    assert found.status == "fail"
    assert found.actual.startswith(f"{len(kinds)} x {kinds[0]} in ")
    assert len(found.evidence) <= 4
    assert not [text for _source, text in found.evidence if "pairing" in text]


def test_few_refusals_and_pairing_requests_are_only_reported():
    found = checked(events(*["refused login"] * 9, *["pairing request"] * 50))
    assert (found.status, found.actual.startswith("9 x refused login, 50 x pairing request")) == ("pass", True)
    assert [text for _source, text in found.evidence[1:]] == ["refused login: line 0", "pairing request: line 9"]


def test_a_line_of_each_kind_is_shown_first():
    found = checked(events("lockout", "lockout", "lockout", "security warning"))
    assert [text for _source, text in found.evidence[1:]] == [
        "lockout: line 0",
        "security warning: line 3",
        "lockout: line 1",
    ]


@pytest.mark.parametrize(("driver", "status"), [("none", "fail"), ("syslog", "skip"), ("mine", "fail")])
def test_a_log_that_cannot_be_read(driver, status):
    assert checked(LogFacts(driver, unreadable="no reading")).status == status


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("26.1.5+dfsg1", "pass"),
        ("23.0.0", "pass"),
        ("v29.0", "pass"),
        ("20.10.24", "fail"),
        ("22.06.0-beta", "fail"),
        ("", "error"),
        ("library-import", "error"),
    ],
)
def test_the_engine(version, status):
    assert RULES["OCH-UPK-04"].effective(SimpleNamespace(version=version), ALLOWED).status == status
