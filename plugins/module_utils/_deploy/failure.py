# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A failed deployment in one message: what failed, why and what to change, what serves now, the last log lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import diagnose
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_facts import look
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import Service
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import LONG_HEX, redact

_LOG_LINES = 25


@dataclass(frozen=True)
class Failure:
    """What is known of it."""

    what: str
    why: str = ""
    log: str = ""
    container: str = ""

    def error(self, serves: str, outcome: str) -> HardeningError:
        """Return the message.

        :param serves: what serves now.
        :param outcome: unchanged, rolled_back or rollback_failed.
        """
        found = " — ".join(filter(None, [self.what, self.why, serves]))
        lines = "\n".join(harmless(line, 500) for line in self.log.splitlines()[-_LOG_LINES:])
        tail = f"\nLast log lines of {self.container}:\n{lines}" if lines else ""
        return HardeningError("deployment", found, f"a gateway that is healthy from the host{tail}", outcome=outcome)


class Explained(Exception):
    """A failure that was looked into while what failed was still there."""

    def __init__(self, failure: Failure) -> None:
        """Carry it."""
        super().__init__(failure.what)
        self.failure = failure


@dataclass(frozen=True)
class Explainer:
    """Looks into failures.

    :param hints: subject of a diagnosis to how its remediation is done where the caller comes from.
    :param secrets: what must not show.
    """

    service: Service
    probe: Probe
    hints: Mapping[str, str]
    secrets: Collection[str]

    def plain(self, error: Exception) -> Failure:
        """Return a failure that no container had a part in."""
        return Failure(self._masked(str(error)))

    def of(
        self,
        container: Container | None,
        error: Exception,
        own: Probe | None = None,
        stand_ins: Mapping[str, str] | None = None,
    ) -> Failure:
        """Look into the failure of a container; whatever goes wrong while looking, the rollback has to be gone.

        :param own: how it is asked when its port is not published.
        :param stand_ins: what was mounted in place of the real things: path on the host to its stand-in.
        """
        log, name = "", container.name if container else ""
        try:
            log = self._masked(self.service.logs(container)) if container else ""
            facts = look(self.service.api, container, str(error), log, own or self.probe, own.port if own else 0)
            found = diagnose(facts)
            why = found.text(self.hints) if found else ""
        except Exception as problem:
            why = f"diagnosis: none ({type(problem).__name__} while looking)"
        for real, stand_in in sorted((stand_ins or {}).items(), key=lambda pair: len(pair[1]), reverse=True):
            why = why.replace(stand_in, real)
        return Failure(self._masked(str(error)), self._masked(why), log, name)

    def _masked(self, text: str) -> str:
        return redact(text, self.secrets, LONG_HEX)
