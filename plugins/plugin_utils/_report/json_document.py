# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report as canonical JSON: keys sorted, hosts by name, their checks worst first. docs/reports.md describes it."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.openclaw.hardening.plugins.plugin_utils._report.model import Check, Fleet

SCHEMA_VERSION = 1


def render(fleet: Fleet) -> str:
    """Make the document; the same fleet always gives the same text."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "title": fleet.title,
        "generated": fleet.generated,
        "summary": fleet.counts.as_dict(),
        "hosts": [
            {
                "name": host.name,
                "error": host.error,
                "version": host.version,
                "seconds": host.seconds,
                "summary": host.counts.as_dict(),
                "checks": [_check(check) for check in host.checks],
            }
            for host in fleet.hosts
        ],
    }
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _check(check: Check) -> dict[str, Any]:
    waiver = check.waiver
    return {
        "id": check.id,
        "title": check.title,
        "area": check.area,
        "severity": check.severity,
        "target": check.target,
        "status": check.status,
        "manual": check.manual,
        "waiver": waiver
        and {"reason": waiver.reason, "expires": waiver.expires, "expired": waiver.expired, "value": waiver.value},
        "expected": check.expected,
        "actual": check.actual,
        "evidence": [{"source": source, "text": text} for source, text in check.evidence],
        "remediation": check.remediation,
        "refs": list(check.refs),
    }
