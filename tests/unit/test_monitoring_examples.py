"""The alert rules and the dashboard: every metric and label that they name is one that a host writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import metrics
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.metrics import Facts
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import RULES

TOP = Path(__file__).resolve().parents[2]
FOLDER = TOP / "docs/examples/monitoring"
ALERTS = yaml.safe_load((FOLDER / "prometheus-alerts.yml").read_text())["groups"]
TESTS = yaml.safe_load((FOLDER / "prometheus-alerts-test.yml").read_text())["tests"]
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
NAMES = {metric.name for metric in metrics.ALL}
# Prometheus and Grafana give these.
OTHERS = {"instance", "openclaw", "__name__", "job"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (variable["definition"] for variable in DASHBOARD["templating"]["list"] if "definition" in variable)
    yield from (
        series["series"] for test in TESTS for series in test["input_series"] if series["series"] != 'up{instance="a"}'
    )


def labels() -> dict[str, set[str]]:
    """Return the labels of each metric that a host writes."""
    check = {"id": "A", "target": "t", "severity": "high", "status": "fail"}
    facts = Facts("openclaw", {"audit": {"ended": 1}}, [check], 1, 1, 1, 1, 1, 1)
    found = {}
    for line in metrics.text(facts).splitlines():
        if not line.startswith("#"):
            found[line.partition("{")[0]] = set(re.findall(r'([a-z_]+)="', line))
    return found


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_metric_and_label_is_one_that_a_host_writes(expression: str) -> None:
    named = re.findall(r"\b(openclaw_[a-z_]+)(?:\{([^}]*)\})?", expression)
    assert named
    for name, inner in named:
        assert name in NAMES
        assert set(re.findall(r"([a-z_]+)\s*=~?\"", inner)) <= labels()[name] | OTHERS


def test_every_metric_is_on_the_dashboard_or_raises_an_alert() -> None:
    named = {name for expression in expressions() for name in re.findall(r"openclaw_[a-z_]+", expression)}
    assert named >= NAMES


def test_every_alert_has_a_severity_a_summary_and_a_test() -> None:
    severities = {rule.severity for rule in RULES}
    tried = {trial["alertname"] for test in TESTS for trial in test["alert_rule_test"] if trial["exp_alerts"]}
    assert {rule["alert"] for rule in rules()} == tried
    for rule in rules():
        assert rule["labels"]["severity"] in {*severities, "{{ $labels.severity }}"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_alert_but_those_of_a_state_has_a_case_without_it() -> None:
    calm = {trial["alertname"] for test in TESTS for trial in test["alert_rule_test"] if not trial["exp_alerts"]}
    stated = {"OpenClawAuditRuleFails", "OpenClawBackupNoneGood", "OpenClawMetricsAbsent"}  # beside series without one
    assert calm == {rule["alert"] for rule in rules()} - stated


def test_panels_are_told_apart_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
