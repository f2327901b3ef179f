# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report as JUnit XML: a suite per host, a case per check, in the dialect that Jenkins and GitLab read."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

from ansible_collections.openclaw.hardening.plugins.plugin_utils._report.model import Check, Fleet, Host

# JUnit has no word for waived; the message has it.
_SKIPPED = ("waived", "skip")


def render(fleet: Fleet) -> str:
    """Make the document. The fleet's strings have no character that XML forbids."""
    names = {"name": fleet.title, **_counts(fleet.checks), "time": _seconds(fleet.hosts)}
    top = ElementTree.Element("testsuites", names)
    for host in fleet.hosts:
        _suite(top, host, fleet.generated)
    ElementTree.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(top, encoding="unicode")}\n'


def _suite(top: ElementTree.Element, host: Host, generated: str) -> None:
    suite = ElementTree.SubElement(
        top,
        "testsuite",
        {
            "name": host.name,
            "hostname": host.name,
            "timestamp": generated.rstrip("Z"),
            **_counts(host.checks),
            "time": _seconds((host,)),
        },
    )
    times = Counter(check.id for check in host.checks)
    for check in host.checks:
        # Readers tell cases apart by their names, and one rule may have checked several containers.
        target = f" ({check.target})" if times[check.id] > 1 else ""
        name = {"classname": check.area, "name": f"{check.id} {check.title}{target}", "time": "0"}
        _outcome(ElementTree.SubElement(suite, "testcase", name), check)


def _outcome(case: ElementTree.Element, check: Check) -> None:
    if check.status in ("fail", "error"):
        tag = "failure" if check.status == "fail" else "error"
        outcome = ElementTree.SubElement(case, tag, {"type": check.severity, "message": check.actual})
        outcome.text = details(check)
        return
    if check.status in _SKIPPED:
        waived = f"waived: {check.waiver.text}" if check.waiver and check.status == "waived" else check.actual
        ElementTree.SubElement(case, "skipped", {"message": waived})
    ElementTree.SubElement(case, "system-out").text = details(check)


def details(check: Check) -> str:
    """All that is known of a check, as text for a terminal."""
    lines = [
        f"target: {check.target}",
        f"severity: {check.severity}",
        f"expected: {check.expected}",
        f"found: {check.actual}",
        *(f"evidence: {source}: {text}" for source, text in check.evidence),
    ]
    if check.waiver:
        until = f" (until {check.waiver.expires})" if check.waiver.expires else ""
        lines.append(f"{'expired waiver' if check.waiver.expired else 'waiver'}: {check.waiver.text}{until}")
    if check.status != "pass" and check.remediation:
        lines.append(f"remediation: {check.remediation}")
    return "\n".join([*lines, *(f"see: {ref}" for ref in check.refs)])


def _counts(checks: list[Check] | tuple[Check, ...]) -> dict[str, str]:
    found = Counter(check.status for check in checks)
    return {
        "tests": str(len(checks)),
        "failures": str(found["fail"]),
        "errors": str(found["error"]),
        "skipped": str(sum(found[status] for status in _SKIPPED)),
    }


def _seconds(hosts: tuple[Host, ...]) -> str:
    return f"{sum(host.seconds for host in hosts):.3f}"
