# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report as SARIF 2.1.0: one run, a rule per check id, a result per check.

Sections named here are those of the OASIS standard, https://docs.oasis-open.org/sarif/sarif/v2.1.0/.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from typing import Any
from urllib.parse import quote

from ansible_collections.openclaw.hardening.plugins.plugin_utils._report.model import Check, Fleet

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://github.com/openclaw/hardening"
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
# GitHub sorts by this number: above 9.0 is critical, from 7.0 high, from 4.0 medium.
SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0"}
# Section 3.27.9: open is "not enough information to decide", review is "a person has to look".
KINDS = {"fail": "fail", "waived": "fail", "error": "open", "skip": "notApplicable", "pass": "pass"}


def render(fleet: Fleet) -> str:
    """Make the document."""
    rules = _rules(fleet.checks)
    index = {check.id: number for number, check in enumerate(rules)}
    driver: dict[str, Any] = {
        "name": "openclaw.hardening",
        "informationUri": HOME,
        "rules": [_rule(check) for check in rules],
    }
    if version := next((host.version for host in fleet.hosts if host.version), ""):
        driver["version"] = version
    errors = [check for check in fleet.checks if check.status == "error"]
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "openclaw-hardening/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not any(host.error for host in fleet.hosts),
                "endTimeUtc": fleet.generated,
                # Section 3.20.21. Readers that hide what is "open" still show that something could not be found out.
                "toolExecutionNotifications": [
                    {
                        "level": "error",
                        "message": _message(f"{check.host}: {check.id}: {check.actual}"),
                        "associatedRule": {"id": check.id, "index": index[check.id]},
                        "locations": _locations(check),
                    }
                    for check in errors
                ],
            }
        ],
        "results": [_result(check, index[check.id]) for host in fleet.hosts for check in host.checks],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _rules(checks: list[Check]) -> list[Check]:
    """One check for each id, in the words of most hosts: one host alone does not change what a rule reports."""
    spoken = Counter(check.rule for check in checks)
    chosen: dict[str, Check] = {}
    for check in checks:
        if check.id not in chosen or spoken[check.rule] > spoken[chosen[check.id].rule]:
            chosen[check.id] = check
    return [chosen[identifier] for identifier in sorted(chosen)]


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": check.expected or check.title},
        "help": {"text": "\n\n".join([*filter(None, [check.remediation]), *check.refs]) or check.title},
        "defaultConfiguration": {"level": LEVELS[check.severity]},
        "properties": {
            "security-severity": SCORES[check.severity],
            "problem.severity": "recommendation" if check.severity == "low" else LEVELS[check.severity],
            "precision": "very-high",
            "tags": sorted({"security", check.area}),
        },
    }


def _result(check: Check, number: int) -> dict[str, Any]:
    kind = KINDS[check.status]
    if kind == "notApplicable" and check.manual:
        kind = "review"
    result: dict[str, Any] = {
        "ruleId": check.id,
        "ruleIndex": number,
        "kind": kind,
        # Section 3.27.10: a level other than none only goes with the kind fail.
        "level": LEVELS[check.severity] if kind == "fail" else "none",
        "message": _message(f"{check.title}: {check.actual or check.status} ({check.target} on {check.host})"),
        "locations": _locations(check),
        "partialFingerprints": {"openclawHardening/v1": _fingerprint(check)},
        "properties": {
            "host": check.host,
            "target": check.target,
            "severity": check.severity,
            "status": check.status,
            "expected": check.expected,
            "actual": check.actual,
            "evidence": [f"{source}: {text}" for source, text in check.evidence],
        },
    }
    if check.waiver and check.status == "waived":
        until = f" (until {check.waiver.expires})" if check.waiver.expires else ""
        waived = {"kind": "external", "status": "accepted", "justification": f"{check.waiver.text}{until}"}
        result["suppressions"] = [waived]
    return result


def _locations(check: Check) -> list[dict[str, Any]]:
    # GitHub and GitLab refuse a result without a file and a line; a host has neither, so it gets a stable name.
    return [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": f"hosts/{quote(check.host, safe='')}"},
                "region": {"startLine": 1},
            },
            "logicalLocations": [
                {"name": check.target, "fullyQualifiedName": f"{check.host}/{check.target}", "kind": "resource"}
            ],
        }
    ]


def _message(text: str) -> dict[str, str]:
    """Plain text: neither a placeholder (section 3.11.5) nor a link (section 3.11.6) comes out of the data."""
    text = text.replace("{", "{{").replace("}", "}}")
    if "](" in text:
        text = re.sub(r"([\\\[\]])", r"\\\1", text)
    return {"text": text}


def _fingerprint(check: Check) -> str:
    return hashlib.sha256("\0".join((check.host, check.target, check.id)).encode()).hexdigest()
