# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A diagnosis from options to result: look, decide, and pack what others need for help."""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.arguments import completed
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    harmless,
    integer,
    ip_address,
    printable,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.bundle import Bundle, Collector
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.engine import (
    FAULT,
    Finding,
    diagnose,
    not_checked,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.facts import Host, Records, Subject
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.gateway_cases import CASES
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.host_cases import DOCKER_UNIT
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.look import Look
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look as look_file
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._instance import names
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.audit import Audit
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.options import AUDIT_ARGUMENTS, complete
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import LONG_WORD, Redactor

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SUBJECTS = (
    "bind",
    "ca",
    "channel",
    "config",
    "hosts",
    "image",
    "memory",
    "origins",
    "owner",
    "port",
    "processes",
    "processors",
    "proxy",
    "reachable",
    "retry",
    "secret",
    "state",
    "tmpfs",
    "token",
)
# Names of variables, which are no secrets where the thing is one.
_NAME: dict[str, Any] = {"type": "str", "default": "", "no_log": False}
ARGUMENT_SPEC: dict[str, Any] = {
    "instance": {"type": "str", "default": "openclaw"},
    "port": {"type": "int", "default": 18789},
    "addresses": {"type": "list", "elements": "str", "default": ["127.0.0.1"]},
    "runs": {"type": "bool", "default": True},
    "monitor": {"type": "bool", "default": True},
    "capabilities": {"type": "list", "elements": "str", "default": []},
    "variables": {"type": "dict", "options": dict.fromkeys(SUBJECTS, _NAME)},
    "bundle_dir": {"type": "str", "default": ""},
    "patience": {"type": "int", "default": 60},
    **client.DOCKER_ARGUMENTS,
}
_LARGEST_SECRET = 64 << 10


class Diagnosis:
    """Looks at one host, and names what is wrong with its gateway."""

    def __init__(self, module: AnsibleModule) -> None:
        """Check the options."""
        params, self.module = module.params, module
        known: dict[str, Any] = names(params["instance"], "instance")
        self.names = known
        self.docker_host = client.docker_host(params["docker_host"])
        self.variables = {
            subject: printable(f"variables.{subject}", name, max_length=100)
            for subject, name in (params["variables"] or {}).items()
            if name
        }
        monitor = ("auth_monitor_timer", "auth_monitor_unit", "auth_notifier_unit") if params["monitor"] else ()
        self.subject = Subject(
            project=known["name"],
            service=known["service"],
            container=known["container"],
            definition=known["definition"],
            config=known["config"],
            secrets_dir=known["secrets_dir"],
            token_file=known["token_file"],
            state_dir=known["state_dir"],
            record_dir=known["record_dir"],
            account=known["name"],
            unit=known["unit"],
            units=(
                known["unit"],
                known["start_unit"],
                known["firewall_unit"],
                *(known[name] for name in monitor),
                DOCKER_UNIT,
            ),
            image_ref=known["image"],
            port=integer("port", params["port"], 1, 65535),
            addresses=tuple(ip_address("addresses", each) if each else "" for each in params["addresses"]),
            runs=params["runs"],
        )
        self.patience = integer("patience", params["patience"], 0, 600)
        self.probe = Probe(
            host="127.0.0.1",
            port=self.subject.port,
            timeout=0,
            started="/startupz",
            alive="/healthz",
            serving="/tools/invoke",
            token_file=self.subject.token_file,
            dependencies="/readyz",
            essential=("agent-database:*", "state-database", "internal"),
        )

    def run(self) -> dict[str, Any]:
        """Look and decide; pack the bundle when it is wanted."""
        secrets = self._secrets()
        redact = Redactor(secrets, LONG_WORD)
        host = Look(self.module, self.docker_host, self.subject, self.probe, self.patience).all(redact)
        findings = diagnose(host, CASES)
        gaps = [{**gap, "reason": harmless(redact(gap["reason"]), 500)} for gap in not_checked(host, CASES)]
        shown = [self._shown(finding, redact) for finding in findings]
        result = {
            "changed": False,
            "serves": host.well,
            "findings": shown,
            "not_checked": gaps,
            "messages": messages(shown, gaps),
            "archive": "",
            "left_out": [],
        }
        if self.module.params["bundle_dir"] and not self.module.check_mode:
            bundle = self._bundle(host, shown, gaps, secrets)
            result["archive"] = base64.b64encode(bundle.packed(f"{self.names['name']}-diagnosis")).decode()
            result["left_out"] = bundle.left_out
        return result

    def _shown(self, finding: Finding, redact: Redactor) -> dict[str, Any]:
        found = finding.found
        return {
            "id": finding.case.id,
            "title": finding.case.title,
            "level": found.level,
            "certain": found.certain,
            "found": harmless(redact(found.found), 1200),
            "needed": found.needed,
            "remediation": harmless(redact(found.remedy), 800),
            "option": self.variables.get(found.subject, ""),
            "value": found.value,
            "source": finding.case.source,
        }

    def _secrets(self) -> set[str]:
        """Return the values of the instance's own secret files, those of before included, to be masked everywhere."""
        found: set[str] = set()
        folder, places = self.subject.secrets_dir, deploy_journal.Places(self.subject.record_dir)
        with suppress(HardeningError, OSError):
            for name in os.listdir(folder) if look_directory(folder) else []:
                state = look_file(f"{folder}/{name}", _LARGEST_SECRET)
                found.add(state.content.decode("utf-8", "surrogateescape") if state and state.type == "file" else "")
        with suppress(HardeningError, OSError):
            previous = deploy_journal.load_previous(places)
            for saved, file in deploy_journal.saved_files(places.previous, previous) if previous else []:
                found.add(file.content.decode("utf-8", "surrogateescape") if saved.secret and file else "")
        return {secret for secret in found if secret.strip()}

    def _bundle(self, host: Host, shown: list[dict[str, Any]], gaps: list[dict[str, Any]], secrets: set[str]) -> Bundle:
        audit, checks = self._audit()
        bundle = Bundle(Redactor(secrets | audit, LONG_WORD))
        made: dict[str, Any] = {
            "diagnosis.json": {"serves": host.well, "findings": shown, "not_checked": gaps},
            "audit.json": checks,
        }
        if isinstance(host.records, Records):
            deployed = host.records.deployed
            made["records.json"] = {
                "deployed": {"image": deployed.image_id[:19], "at": deployed.at} if deployed else None,
                "failed_images": [{**entry, "image_id": entry["image_id"][:19]} for entry in host.records.rejected],
                "cut_off_while": host.records.interrupted,
                "damaged": list(host.records.damaged),
                "changed_files": list(host.records.changed),
            }
        Collector(self.module, self.docker_host, host).fill(bundle, made)
        return bundle

    def _audit(self) -> tuple[set[str], dict[str, Any]]:
        """Return the secrets that the audit met, and what it reports; a part that fails is a part of the report."""
        known, params = self.names, self.module.params
        limits: dict[str, float] = known["exposure_limits"]
        given = {
            "docker_host": self.docker_host,
            "instance": params["instance"],
            "addresses": [each or "any" for each in params["addresses"] if each != "127.0.0.1"],
            "capabilities": params["capabilities"],
            "units": {name: limits.get(name, 10.0) for name in self.subject.units if name != DOCKER_UNIT},
        }
        options = completed(AUDIT_ARGUMENTS, given)
        complete(options)
        audit = Audit(self.module, options)
        try:
            return audit.secrets, audit.run()
        except HardeningError as error:
            return audit.secrets, {"error": str(error)}


def messages(shown: list[dict[str, Any]], gaps: list[dict[str, Any]]) -> list[str]:
    """Return one line for each finding and each gap (pure)."""
    lines = [message(finding) for finding in shown]
    if not any(finding["level"] == FAULT for finding in shown):
        every = "every check was made" if not gaps else "but not everything could be checked"
        lines.insert(0, f"No fault was found; {every}.")
    return lines + [f"not checked: {gap['part']} ({gap['reason']})" for gap in gaps]


def message(finding: dict[str, Any]) -> str:
    """Return a finding in one line (pure)."""
    value = "" if finding["value"] is None else f": {finding['value']}"
    setting = f"; set '{finding['option']}'{value}" if finding["option"] else ""
    sure = "" if finding["certain"] else ", likely"
    head = f"{finding['level']}{sure}: {finding['title']} ({finding['id']})"
    return (
        f"{head}: found {finding['found']}, needed {finding['needed']}; remediation: {finding['remediation']}{setting}"
    )
