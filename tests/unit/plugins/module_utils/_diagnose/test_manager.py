"""What a person reads."""

from __future__ import annotations

from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.manager import message, messages

FINDING: dict[str, Any] = {
    "id": "port-taken", "title": "Another program has the port", "level": "fault", "certain": True, "found": "nc",
    "needed": "a free port", "remediation": "stop it", "option": "gateway_port", "value": 18790,
}  # fmt: skip
GAP = {"part": "log", "reason": "Docker is down", "cases": []}


def test_a_finding_names_what_fixes_it() -> None:
    assert message(FINDING) == (
        "fault: Another program has the port (port-taken): found nc, needed a free port; remediation: stop it; "
        "set 'gateway_port': 18790"
    )
    assert "set" not in message({**FINDING, "option": ""})
    assert message({**FINDING, "certain": False}).startswith("fault, likely: ")


def test_nothing_is_wrong_only_when_every_check_was_made() -> None:
    assert messages([], []) == ["No fault was found; every check was made."]
    assert messages([], [GAP]) == [
        "No fault was found; but not everything could be checked.",
        "not checked: log (Docker is down)",
    ]
    assert messages([FINDING], []) == [message(FINDING)]
