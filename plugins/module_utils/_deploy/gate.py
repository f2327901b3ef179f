# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gate: a definition that breaks the policy is refused before it changes anything, unless that is waived."""

from __future__ import annotations

import ipaddress
import json
import posixpath
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless, shown
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.plan import Desired
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import find_image
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import (
    Settings,
    from_compose,
    with_image,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec_parse import capabilities
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import read_text
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import (
    WAIVER_ARGUMENTS,
    Finding,
    Waiver,
    check_definition,
    waivers_from,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import EVERYWHERE
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import LONG_HEX, redact

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import Compose
    from docker import DockerClient

POLICY_ARGUMENTS: dict[str, Any] = {
    "policy": {
        "type": "dict",
        "options": {
            "addresses": {"type": "list", "elements": "str", "default": []},
            "capabilities": {"type": "list", "elements": "str", "default": []},
        },
    },
    **WAIVER_ARGUMENTS,
}

_CAPABILITY = re.compile(r"[A-Z][A-Z_]{2,39}")
# What a definition may leave to its image, and the rule that then cannot be checked without that.
_FROM_IMAGE = {
    "OCH-CTR-02": "user",
    "OCH-IMG-01": "user",
    "OCH-CTR-25": "healthcheck",
    "OCH-IMG-04": "healthcheck",
}


@dataclass(frozen=True)
class Gate:
    """What the operator allows, and the rules that need not hold."""

    allowed: Baseline
    waivers: tuple[Waiver, ...]


def gate_from(params: dict[str, Any]) -> Gate:
    """Read the options ``policy`` and ``waivers``, or refuse them."""
    policy = params["policy"] or {"addresses": [], "capabilities": []}
    for address in policy["addresses"]:
        if address != EVERYWHERE and not _is_address(address):
            raise HardeningError(
                "policy.addresses", shown(address), f"addresses of the host, or {EVERYWHERE}", "policy"
            )
    permitted = capabilities(policy["capabilities"])
    for name in permitted:
        if not _CAPABILITY.fullmatch(name) or name == "ALL":
            raise HardeningError("policy.capabilities", shown(name), "capabilities such as NET_BIND_SERVICE", "policy")
    return Gate(Baseline(tuple(policy["addresses"]), permitted), waivers_from("waivers", params["waivers"]))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def check(
    gate: Gate, compose: Compose, api: DockerClient | None, wanted: Desired, *, predicting: bool, today: date
) -> list[Finding]:
    """Check each service of a definition, with what its image adds.

    A waiver for the container that is deployed is one for its helpers, too: they are made from the same definition, and
    nobody audits them.

    :param predicting: the image may still be missing: what the definition leaves to it is not checked then.
    """
    services: list[Settings] = []
    helpers: list[Settings] = []
    guesses: dict[str, Settings] = {}
    for declared in from_compose(compose.resolve(wanted.definition.content.decode())):
        settings = _with_profiles(declared, getattr(compose, "directory", ""))
        if settings.name == wanted.container:
            # A profile does not make a helper of what is deployed.
            settings = replace(settings, helper=False)
        image = find_image(api, settings.image) if api is not None and settings.image else None
        if image is None and predicting:
            guesses[settings.name] = settings
        settings = with_image(settings, image.config) if image else settings
        foreign = settings.name != wanted.container and not settings.names_openclaw
        (helpers if settings.helper else services).append(replace(settings, foreign=foreign))
    wider = tuple(
        replace(waiver, target="") if waiver.target == wanted.container else waiver for waiver in gate.waivers
    )
    findings = check_definition(services, gate.allowed, gate.waivers, today)
    findings += check_definition(helpers, gate.allowed, wider, today)
    return [found for found in findings if not _left_open(found, guesses)]


def _with_profiles(settings: Settings, directory: str) -> Settings:
    """Return the settings with the content of each seccomp profile that they name, as Compose hands it to the daemon.

    One that cannot be read, or that is no profile, stays a name, which no rule lets pass.
    """
    options = []
    for option in settings.security_opt:
        key, _equals, name = option.partition("=")
        if key == "seccomp" and name not in ("", "unconfined", "builtin"):
            option = f"{key}={_content(posixpath.join(directory, name)) or name}"
        options.append(option)
    return replace(settings, security_opt=tuple(options))


def _content(path: str) -> str:
    """Return a profile; nothing when it is none, because what is no profile may be a secret."""
    try:
        text = read_text(path)
        return text if isinstance(json.loads(text), dict) else ""
    except (OSError, ValueError, RecursionError):
        return ""


def _left_open(found: Finding, guesses: dict[str, Settings]) -> bool:
    """Return whether only the missing image could tell."""
    settings, field = guesses.get(found.target), _FROM_IMAGE.get(found.rule.id)
    return found.bad and settings is not None and field is not None and not getattr(settings, field)


def refuse(findings: Iterable[Finding], secrets: Collection[str] = ()) -> None:
    """Refuse a definition with every rule that it breaks, in one message."""
    broken: dict[tuple[str, str, str, str, str], list[str]] = {}
    for found in findings:
        if found.bad:
            late = f" (its waiver ended on {found.waiver.expires})" if found.expired and found.waiver else ""
            change = found.rule.change
            key = (found.rule.id, found.rule.title, found.actual, late, f"; remediation: {change}" if change else "")
            broken.setdefault(key, []).append(found.target)
    if not broken:
        return
    lines = [
        f"- {number} ({title}): {_clean(', '.join(targets), secrets)}: {_clean(actual, secrets)}{late}{fix}"
        for (number, title, actual, late, fix), targets in broken.items()
    ]
    count = len({number for number, *_rest in broken})
    raise HardeningError(
        "definition",
        f"{count} {'rule' if count == 1 else 'rules'} of the policy broken",
        "a definition that keeps to the policy, or for each of these an entry in 'waivers' with a reason:\n"
        + "\n".join(lines),
    )


def waived(findings: Iterable[Finding]) -> list[str]:
    """Name the rules that a waiver covers, with what was found."""
    return [
        f"{found.rule.id} ({found.rule.title}): {found.target}: {_clean(found.actual)}; waived: {found.waiver.reason}"
        for found in findings
        if found.waiver and found.status == "waived"
    ]


def _clean(text: str, secrets: Collection[str] = ()) -> str:
    """Return text from a definition on one line, short, and without what has to stay secret."""
    return harmless(redact(text, secrets, LONG_HEX))
