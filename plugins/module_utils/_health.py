# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the service well, asked from the host itself.

Docker calls a gateway healthy that only its own container can reach, and a TCP connect proves the port proxy alone:
only an HTTP answer through the published port counts.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils import _http
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError

_POLL = 0.5
_ANSWER_TIMEOUT = 5
_WRONG_IN_A_ROW = 3


@dataclass(frozen=True)
class Probe:
    """What to ask: every path has to answer 200."""

    host: str
    port: int
    paths: tuple[str, ...]
    timeout: float
    # Seconds that it has to stay well after it was ready.
    settle: float = 0

    @property
    def base(self) -> str:
        """The address in front of the paths."""
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True)
class Health:
    """What was answered: for each path a status code, or the reason why there was none."""

    answers: dict[str, str]
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Say whether every path answered 200."""
        return all(answer == "200" for answer in self.answers.values())

    def __str__(self) -> str:
        """Show every path with its answer."""
        return ", ".join(f"{path}: {answer}" for path, answer in self.answers.items())


def ask(probe: Probe) -> Health:
    """Ask every path once; proxies of the environment are never used."""
    return Health({path: _answer(probe, path) for path in probe.paths})


def wait(probe: Probe, hopeless: Callable[[], str], poll: float = _POLL) -> Health:
    """Ask until every path answers 200.

    :param hopeless: asked before every round; a reason instead of an empty string ends the wait.
    """
    start = time.monotonic()
    while True:
        reason = hopeless()
        # The address of a container that has ended answers nothing for seconds.
        health = Health(dict.fromkeys(probe.paths, "not asked")) if reason else ask(probe)
        elapsed = time.monotonic() - start
        if health.ok:
            return Health(health.answers, round(elapsed, 1))
        if not reason and elapsed >= probe.timeout:
            reason = f"still not ready after {probe.timeout:g} seconds"
        if reason:
            raise HardeningError(probe.base, f"{reason} ({health})", "200 from the host on every path")
        time.sleep(poll)


def settle(probe: Probe, hopeless: Callable[[], str], poll: float = _POLL) -> None:
    """Go on asking for the settling time; one wrong answer may be a pause, several in a row are a fault."""
    end = time.monotonic() + probe.settle
    wrong = 0
    while time.monotonic() < end:
        time.sleep(min(poll, max(0.0, end - time.monotonic())))
        health = ask(probe)
        wrong = 0 if health.ok else wrong + 1
        reason = hopeless() or (
            f"it was ready, and then {wrong} times in a row not" if wrong >= _WRONG_IN_A_ROW else ""
        )
        if reason:
            raise HardeningError(
                probe.base, f"{reason} ({health})", f"200 from the host on every path for {probe.settle:g} seconds"
            )


def _answer(probe: Probe, path: str) -> str:
    try:
        return str(_http.request(probe.host, probe.port, path, timeout=_ANSWER_TIMEOUT).status)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
