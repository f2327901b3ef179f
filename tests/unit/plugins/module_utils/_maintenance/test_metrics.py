# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The text that node_exporter reads: its format, its labels, and that what is not known has no sample."""

from __future__ import annotations

import re

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import metrics
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.metrics import Facts, text

SAMPLE = re.compile(r'(openclaw_[a-z_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\} ([0-9.e+-]+)')
CHECKS = [
    {"id": "OCH-CTR-01", "target": "openclaw-gateway", "severity": "high", "status": "pass"},
    {"id": "OCH-SYS-02", "target": "host", "severity": "medium", "status": "fail"},
]
WHOLE = Facts(
    "openclaw",
    {"audit": {"ended": 1796000000.25, "ok": True, "seconds": 12.5}, "backup": {"ended": 5, "ok": False}},
    CHECKS,
    image_verified=1.0,
    deployed=2.0,
    rejected=1,
    backup_last=3.0,
    backup_bytes=4096,
    backups=2,
)


def samples(content: str) -> dict[str, list[tuple[str, float]]]:
    """Return the samples by metric; every line has to be one, or a comment of a known kind."""
    found: dict[str, list[tuple[str, float]]] = {}
    for line in content.splitlines():
        if not re.match(r"# (HELP|TYPE) openclaw_[a-z_]+ ", line):
            match = SAMPLE.fullmatch(line)
            assert match, line
            found.setdefault(match[1], []).append((match[2], float(match[3])))
    return found


def test_everything_that_is_known_has_a_sample() -> None:
    found = samples(text(WHOLE))
    assert list(found) == [metric.name for metric in metrics.ALL]
    assert found["openclaw_job_last_run_timestamp_seconds"] == [
        ('openclaw="openclaw",job_name="audit"', 1796000000.25),
        ('openclaw="openclaw",job_name="backup"', 5.0),
    ]
    assert [value for _labels, value in found["openclaw_job_success"]] == [1.0, 0.0]
    assert found["openclaw_audit_rule"][1] == (
        'openclaw="openclaw",rule="OCH-SYS-02",target="host",severity="medium",status="fail"',
        1.0,
    )
    assert found["openclaw_audit_checks"] == [
        ('openclaw="openclaw",status="fail"', 1.0),
        ('openclaw="openclaw",status="pass"', 1.0),
    ]
    assert found["openclaw_backup_last_bytes"] == [('openclaw="openclaw"', 4096.0)]


def test_help_and_type_stand_once_before_their_samples() -> None:
    lines = text(WHOLE).splitlines()
    for metric in metrics.ALL:
        at = lines.index(f"# HELP {metric.name} {metric.help}")
        assert lines[at + 1] == f"# TYPE {metric.name} gauge"
        assert lines[at + 2].startswith(f"{metric.name}{{")
        assert sum(line.startswith(f"# TYPE {metric.name} ") for line in lines) == 1


def test_what_is_not_known_has_no_sample() -> None:
    assert set(samples(text(Facts("openclaw", {"audit": {}})))) == {"openclaw_rejected_images", "openclaw_backups"}


def test_a_label_cannot_leave_its_quotes() -> None:
    hostile = [{"id": 'a"} 1\nopenclaw_x{y="', "target": "\\", "severity": "high", "status": "fail"}]
    found = samples(text(Facts("openclaw", {}, hostile)))
    assert set(found) == {
        "openclaw_audit_rule",
        "openclaw_audit_checks",
        "openclaw_rejected_images",
        "openclaw_backups",
    }


def test_names_keep_the_conventions_of_prometheus() -> None:
    for metric in metrics.ALL:
        assert re.fullmatch(r"openclaw_[a-z]+(_[a-z]+)*", metric.name)
        assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert metric.help.endswith(".")
    assert len({metric.name for metric in metrics.ALL}) == len(metrics.ALL)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("1970-01-01T00:01:00+00:00", 60), ("1970-01-01T00:01:00Z", 60), ("", 0), ("soon", 0), ("1970", 0)],
)
def test_times_of_records(given: str, expected: float) -> None:
    assert metrics.seconds(given) == expected
