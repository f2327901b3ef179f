# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rule of the policy is, and what a result reports.

A rule has up to two checks, both pure. ``declared`` checks what a definition asks for: the gate runs it over the
resolved
compose file before a deployment, the audit over ``docker inspect`` after it. ``effective`` checks what is there:
kernel,
network, files, units. A rule without any is a manual one: it lists what a person has to look at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline

AREAS = ("account", "image", "container", "network", "secrets", "systemd", "host", "upkeep")
# Checked once a host; the others once a container.
HOST_AREAS = ("systemd", "host")
SEVERITIES = ("critical", "high", "medium", "low")
# Worst first: what is inconclusive is never better than what was proven to be wrong; what is waived would be one of
# these two, if the operator did not answer for it. Only the engine reports waived, a check of a rule never does.
STATUSES = ("fail", "error", "waived", "skip", "pass")

EVERYWHERE = "any"
# Between two ways to put something right; an operator takes the one that fits.
OR = "; or "
# A part of many remediations: the container is made again from its definition, whatever was done to it.
RECREATE = "run `docker compose -f FILE up -d --force-recreate`"
# Where this collection deployed the gateway, one run of it puts these right (``BY_SITE``).
SITE = "run the playbook openclaw.hardening.site, where this collection deployed it"


@dataclass(frozen=True)
class Result:
    """What a check reports: a status, what was found in a few words, and where that was seen (source and text).

    ``faults``: what was found, one by one, so that a waiver can be about one of them.
    """

    status: str
    actual: str
    evidence: tuple[tuple[str, str], ...] = ()
    faults: tuple[str, ...] = ()


def passed(actual: str, *evidence: tuple[str, str]) -> Result:
    """Proven to be as expected."""
    return Result("pass", actual, evidence)


def failed(actual: str, *evidence: tuple[str, str]) -> Result:
    """Proven to be otherwise."""
    return Result("fail", actual, evidence, (actual,))


def skipped(why: str, *evidence: tuple[str, str]) -> Result:
    """Does not apply here, or is left to a person."""
    return Result("skip", why, evidence)


def inconclusive(why: str, *evidence: tuple[str, str]) -> Result:
    """Could not be found out; never as good as a pass."""
    return Result("error", why, evidence)


def verdict(faults: list[str], good: str, *evidence: tuple[str, str]) -> Result:
    """Failed with all the faults, or passed with what was found instead."""
    return Result("fail", "; ".join(faults), evidence, tuple(faults)) if faults else passed(good, *evidence)


@dataclass(frozen=True)
class Rule:
    """One row of the policy.

    :param needs: names of the parts of the evidence that ``effective`` gets, in this order, before what is allowed.
    :param remediation: what an operator types or sets, in words that the tests carry out (``tests/advice.py``); for a
        rule with ``declared`` the change of the definition. Empty: none was ever tried, so none is shown.
    :param refs: guide section, CIS Docker Benchmark id with its version, OWASP rule, man page.
    :param effective: checks the evidence. ``Callable[[*parts, Baseline], Result]``.
    :param declared: checks the settings of one container, wanted or existing.
    """

    id: str
    title: str
    area: str
    severity: str
    expected: str
    remediation: str
    refs: tuple[str, ...]
    needs: tuple[str, ...] = ()
    effective: Callable[..., Result] | None = None
    declared: Callable[[Settings, Baseline], Result] | None = None

    def fix(self, by_site: bool) -> str:
        """Return the remediation of what is there; the gate shows ``change``.

        :param by_site: whether a run of the playbook site puts it right, where this collection deployed the gateway.
        """
        ways = [way for way in self.remediation.split(OR) if way]
        if self.declared is not None:
            ways = [way if way.startswith("run ") or RECREATE in way else f"{way}; {RECREATE}" for way in ways]
        return OR.join([SITE, *ways] if by_site else ways)

    @property
    def change(self) -> str:
        """The remediation of a definition that is not deployed yet, so that no command has a say in it."""
        ways = [[part for part in way.split("; ") if not part.startswith("run ")] for way in self.remediation.split(OR)]
        return OR.join("; ".join(way) for way in ways if way)

    @property
    def manual(self) -> bool:
        """Return whether only a person can check this; ``expected`` then is what to look at."""
        return self.effective is None and self.declared is None


def cis(*ids: str) -> tuple[str, ...]:
    """References to the CIS Docker Benchmark."""
    return tuple(f"CIS Docker Benchmark v1.6.0, {number}" for number in ids)


def owasp(*numbers: int) -> tuple[str, ...]:
    """References to the OWASP Docker Security Cheat Sheet."""
    return tuple(f"OWASP Docker Security Cheat Sheet, rule {number}" for number in numbers)


def guide(*sections: str) -> tuple[str, ...]:
    """References to the hardening guide."""
    return tuple(f"hardening guide, {section}" for section in sections)
