"""Every remediation can be followed to the letter, and a definition that the gate refuses is healed by what it
reports.
"""

from __future__ import annotations

import copy
import json
import sys
from datetime import date
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.gate import refuse
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import from_compose
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import BY_SITE, RULES, check_definition
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import OR, SITE, Rule

sys.path.insert(0, str(Path(__file__).parents[1] / "seeded_faults"))

import advice  # noqa: E402
from harness import Definition, SeededFault  # noqa: E402
from seeded_faults import everything  # noqa: E402

RECORDED = Path(__file__).parent / "recorded"
SEEDED_FAULTS = [fault for area in everything().values() for fault in area]
BY_RULE = {rule.id: rule for rule in RULES}
TODAY = date(2026, 11, 28)
ASKED = [fault for fault in SEEDED_FAULTS if fault.compose and BY_RULE[fault.expected].declared]
# Their definition passes the gate: it is the world that differs (a link, an address that the audit alone resolves).
WORLD = {"link to Docker's socket", "link to /etc of the host, read-only"}


def fix(rule: Rule) -> str:
    return rule.fix(rule.id in BY_SITE)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.remediation], ids=lambda rule: rule.id)
def test_every_way_can_be_followed_and_a_seeded_fault_tries_it(rule: Rule) -> None:
    tried = {fault.way for fault in SEEDED_FAULTS if fault.expected == rule.id}
    for number, way in enumerate(advice.ways(rule.remediation)):
        advice.understood(way)
        assert number in tried, f"{rule.id}: no seeded fault is healed by its way {number}: {way}"


@pytest.mark.parametrize("identity", sorted(BY_SITE))
def test_a_run_of_the_playbook_is_shown_where_a_seeded_fault_tries_it(identity: str) -> None:
    assert any(fault.way == "site" for fault in SEEDED_FAULTS if fault.expected == identity)


def test_only_a_person_checks_so_only_a_person_knows_what_to_do() -> None:
    """What to look at (``expected``) is no remediation."""
    assert [rule.id for rule in RULES if rule.manual and rule.remediation] == []


def test_the_words_of_the_trial_are_those_of_the_rules() -> None:
    assert (advice.OR, advice.SITE) == (OR, SITE)


@pytest.mark.parametrize("fault", [fault for fault in ASKED if fault.name not in WORLD], ids=lambda fault: fault.name)
def test_a_definition_that_the_gate_refuses_is_healed_by_what_the_refusal_reports(fault: SeededFault) -> None:
    whole = json.loads((RECORDED / "compose-hardened.json").read_text())
    definition = Definition(
        copy.deepcopy(whole), {"address": "192.0.2.7", "docker": "991", "token": "0123456789abcdef" * 4}
    )
    fault.compose(definition)
    output = refusal(definition, fault.expected)
    if not output:
        pytest.skip("the gate does not see it, the audit does")
    definition.whole["networks"] = {"default": None, **definition.whole.get("networks", {})}
    patient = advice.Patient(definition.gateway, {"UID": "1000", "GID": "1000", **fault.values})
    way = advice.ways(output)[int(fault.way or 0)]
    advice.follow(way, patient)
    assert refusal(definition, fault.expected) == ""


def resolve(service: dict) -> None:
    """Write out what advice leaves short, as `docker compose config` does."""
    for number, port in enumerate(service.get("ports", [])):
        if isinstance(port, str):
            address, published, target = port.split(":")
            service["ports"][number] = {
                "host_ip": address,
                "published": published,
                "target": int(target),
                "protocol": "tcp",
            }
    if not service.get("network_mode"):
        service.setdefault("networks", {"default": None})


def refusal(definition: Definition, identity: str) -> str:
    """Return the remediation of a rule out of the gate's own message, or nothing."""
    resolve(definition.gateway)
    services = [found for found in from_compose(definition.whole) if found.name == "openclaw-gateway"]
    try:
        refuse(check_definition(services, Baseline(), (), TODAY))
    except HardeningError as error:
        for line in str(error).splitlines():
            if line.startswith(f"- {identity} "):
                return line.partition("; remediation: ")[2]
    return ""
