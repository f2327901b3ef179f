# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit: look at every target once, check it by the table, hand out what is fit to be printed anywhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    absolute_path,
    harmless,
    integer,
    plain,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import (
    Container,
    client,
    containers_by_label,
    docker_host,
    find_container,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_ONEOFF, LABEL_PROJECT
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec_parse import capabilities
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.collect import (
    look_at_container,
    look_at_host,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import (
    BY_SITE,
    RULES,
    Finding,
    check_evidence,
    waivers_from,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import HOST_AREAS, STATUSES, Rule
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import Redactor

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

T = TypeVar("T")

VERSION = "0.1.0"
_HOST_RULES = tuple(rule for rule in RULES if rule.area in HOST_AREAS)
_CONTAINER_RULES = tuple(rule for rule in RULES if rule.area not in HOST_AREAS)
_PARTS = frozenset(name for rule in RULES for name in ("settings", *rule.needs))


def allowed_from(params: dict[str, Any]) -> Baseline:
    """Turn options into what the operator allows, or refuse them."""
    units = ((plain("units", name, max_length=255), limit) for name, limit in params["units"].items())
    return Baseline(
        addresses=tuple(plain("addresses", address) for address in params["addresses"]),
        capabilities=capabilities(plain("capabilities", name) for name in params["capabilities"]),
        account=plain("account", params["account"], max_length=32),
        units=tuple((name, _exposure(name, limit)) for name, limit in units),
        record=absolute_path("record", params["record"]) if params["record"] else "",
        image_max_age_days=integer("image_max_age_days", params["image_max_age_days"], 1, 3650),
        docker_users=tuple(plain("docker_users", name) for name in params["docker_users"]),
    )


def _exposure(name: str, limit: object) -> float:
    try:
        exposure = float(str(limit))
    except ValueError:
        exposure = -1.0
    if not 0 <= exposure <= 10:
        raise HardeningError(f"units.{name}", repr(limit)[:60], "an exposure from 0 to 10", "units")
    return exposure


class Audit:
    """One audit of one host."""

    def __init__(self, module: AnsibleModule, params: dict[str, Any] | None = None) -> None:
        """Check every option before the world is looked at.

        :param params: the options of the audit, where they are not those of the module.
        """
        self.module = module
        params = module.params if params is None else params
        self.docker_host = docker_host(params["docker_host"])
        self.names = [plain("containers", name, max_length=200) for name in params["containers"]]
        self.project = plain("project", params["project"], max_length=200)
        self.allowed = allowed_from(params)
        self.waivers = waivers_from("waivers", params["waivers"])
        self.today = datetime.now(timezone.utc).date()
        self.secrets: set[str] = set()
        self.redactor = Redactor()

    def run(self) -> dict[str, Any]:
        """Look, check, show."""
        began = time.monotonic()
        api = _try(lambda: client(self.docker_host))
        host = look_at_host(self.module, api, self.allowed)
        findings = self._check(_HOST_RULES, "host", host)
        for name, container in self._targets(api).items():
            findings += self._check(_CONTAINER_RULES, name, self._parts(api, container, host))
        self.redactor = Redactor(self.secrets)
        counts = Counter(finding.status for finding in findings)
        used = {waiver for finding in findings for waiver in finding.waivers}
        return {
            "changed": False,
            "checks": [self._shown(finding) for finding in findings],
            "summary": {status: counts[status] for status in STATUSES},
            "unused_waivers": [waiver.id for waiver in self.waivers if waiver not in used],
            "seconds": round(time.monotonic() - began, 2),
            "version": VERSION,
        }

    def _targets(self, api: DockerClient | Unavailable) -> dict[str, Container | Unavailable]:
        """Return the containers by name; one that is not there, or cannot be asked for, with the reason."""
        if isinstance(api, Unavailable):
            return dict.fromkeys([*self.names, *filter(None, [self.project])], api)
        found: dict[str, Container | Unavailable] = {}
        for name in self.names:
            container = _try(partial(find_container, api, name))
            found[name] = container or Unavailable(f"there is no container {name}")
        if self.project:
            mates = _try(partial(containers_by_label, api, f"{LABEL_PROJECT}={self.project}"))
            if isinstance(mates, Unavailable):
                found[self.project] = mates
            elif not mates:
                found[self.project] = Unavailable(f"there is no container of the Compose project {self.project}")
            else:
                found.update({mate.name: mate for mate in mates if mate.labels.get(LABEL_ONEOFF) != "True"})
        return found

    def _parts(
        self, api: DockerClient | Unavailable, container: Container | Unavailable, host: dict[str, Any]
    ) -> dict[str, Any]:
        """Look at one container, and remember its secrets, so that they are masked wherever they turn up."""
        if isinstance(api, Unavailable):
            return dict.fromkeys(_PARTS, api)
        if isinstance(container, Unavailable):
            return dict.fromkeys(_PARTS, container)
        parts = look_at_container(self.module, api, container, host, self.allowed)
        self.secrets.update(getattr(parts["secrets"], "values", ()))
        return parts

    def _check(self, rules: Iterable[Rule], target: str, parts: dict[str, Any]) -> list[Finding]:
        return check_evidence(rules, target, parts, self.allowed, self.waivers, self.today)

    def _shown(self, finding: Finding) -> dict[str, Any]:
        rule = finding.rule
        return {
            "id": rule.id,
            "title": rule.title,
            "area": rule.area,
            "severity": rule.severity,
            "target": self._safe(finding.target),
            "status": finding.status,
            "manual": rule.manual,
            "expected": rule.expected,
            "actual": self._safe(finding.actual),
            "evidence": [{"source": self._safe(source), "text": self._safe(text)} for source, text in finding.evidence],
            "remediation": rule.fix(rule.id in BY_SITE),
            "refs": list(rule.refs),
            "waiver": _shown_waiver(finding),
        }

    def _safe(self, text: str) -> str:
        """Return text from the world without a secret, a control character or an end far away."""
        return harmless(self.redactor(text))


def _shown_waiver(finding: Finding) -> dict[str, Any] | None:
    """Show what sets a finding aside as one; several waivers may each be about another value."""
    if finding.waiver is None:
        return None
    parts = [finding.waiver] if finding.expired else finding.waivers
    days = [waiver.expires for waiver in parts if waiver.expires]
    return {
        "reason": "; ".join(dict.fromkeys(waiver.reason for waiver in parts)),
        "expires": min(days).isoformat() if days else "",
        "expired": finding.expired,
        "value": ", ".join(waiver.value for waiver in parts) if all(waiver.value for waiver in parts) else "",
    }


def _try(ask: Callable[[], T]) -> T | Unavailable:
    try:
        return ask()
    except HardeningError as error:
        return Unavailable(str(error))
