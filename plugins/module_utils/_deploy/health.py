# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the service is, asked from the host itself: four questions, each with one meaning.

*Started*: start-up is over; gates a candidate and a swap. *Alive*: the process answers. *Serving*: a request with the
token is answered, and one without it is refused. *Dependencies*: what the service needs elsewhere (channels) is ready;
never a fault of the service, unless the operator asks for it.

Docker calls a gateway healthy that only its own container can reach, and a TCP connect proves the port proxy alone:
only an HTTP answer through the published port counts, and only from Docker's listener (``_port``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import gateway_probe
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.gateway_probe import WITH, Answer
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port

STARTED, ALIVE, SERVING, DEPENDENCIES = "started", "alive", "serving", "dependencies"
QUESTIONS = (ALIVE, STARTED, SERVING, DEPENDENCIES)

_POLL = 0.5
_WRONG_IN_A_ROW = 3
# Each may be one of a gateway that just starts; OpenClaw locks everybody out after ten wrong tokens.
_REFUSED_TOKENS = 3
_UNKNOWN_IN_A_ROW = 6


@dataclass(frozen=True)
class Probe:
    """What to ask, and where; a question without a path is not asked."""

    host: str
    port: int
    timeout: float
    # Seconds that it has to stay well after it was ready.
    stabilize: float = 0
    started: str = ""
    alive: str = ""
    # A POST there is only for who has the token of ``token_file``.
    serving: str = ""
    token_file: str = ""
    dependencies: str = ""
    # Patterns of names that an answer to ``dependencies`` gives for parts of the service itself.
    essential: tuple[str, ...] = ()
    require_dependencies: bool = False

    @property
    def decisive(self) -> tuple[str, ...]:
        """The questions with a path that decide whether the service is healthy; without one, nothing shows it."""
        counted = QUESTIONS if self.require_dependencies else (STARTED, ALIVE, SERVING)
        return tuple(question for question in counted if self.path(question))

    @property
    def base(self) -> str:
        """The address in front of the paths."""
        return f"http://{self.host}:{self.port}"

    def without(self, questions: Collection[str]) -> Probe:
        """Return this probe without some questions."""
        kept = {question: "" if question in questions else self.path(question) for question in QUESTIONS}
        return replace(self, started=kept[STARTED], alive=kept[ALIVE], serving=kept[SERVING],
                       dependencies=kept[DEPENDENCIES])  # fmt: skip

    def path(self, question: str) -> str:
        """Return the path of a question, or nothing."""
        return str({STARTED: self.started, ALIVE: self.alive, SERVING: self.serving,
                    DEPENDENCIES: self.dependencies}[question])  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What one question brought: yes, no, or (None) that it cannot be known now; and what was answered."""

    ok: bool | None
    text: str
    # The gateway does not know the path, or refuses the token.
    unknown: bool = False
    refused: bool = False
    # Whether HTTP was answered at all.
    answered: bool = False


@dataclass(frozen=True)
class Health:
    """The replies by question. None of them is no health: what was not asked is not well."""

    replies: Mapping[str, Reply] = field(default_factory=dict)
    # Names of what is not ready.
    not_ready: tuple[str, ...] = ()
    # Who listens instead of the service; then it was not asked.
    impostor: str = ""
    seconds: float = 0.0
    # Whether the dependencies count like the other questions.
    strict: bool = False

    @property
    def probed(self) -> bool:
        """Return whether anything was asked at all."""
        return bool(self.replies)

    @property
    def ok(self) -> bool:
        """Return whether the service itself is healthy: something was asked, one answer was yes, and none was no."""
        asked = [reply.ok for question, reply in self.replies.items() if question != DEPENDENCIES or self.strict]
        return not self.impostor and any(asked) and False not in asked

    @property
    def up(self) -> bool:
        """Return whether it is started and alive, whomever it serves: a token that was just rotated is not known
        there.
        """
        asked = [reply.ok for question, reply in self.replies.items() if question in (STARTED, ALIVE)]
        return not self.impostor and any(asked) and False not in asked

    @property
    def unknown(self) -> tuple[str, ...]:
        """The questions that the gateway does not know."""
        return tuple(question for question, reply in self.replies.items() if reply.unknown)

    @property
    def status(self) -> dict[str, str]:
        """What was answered to each question."""
        return {question: reply.text for question, reply in self.replies.items()}

    def __str__(self) -> str:
        """Show every question with its answer."""
        if self.impostor:
            return f"{self.impostor} listens there instead of the service"
        return ", ".join(f"{question}: {text}" for question, text in self.status.items()) or "not asked"


# --- asking -------------------------------------------------------------------------------------------------------


def ask(probe: Probe, port: Port | None = None, questions: tuple[str, ...] = QUESTIONS) -> Health:
    """Ask every question once; proxies of the environment are never used.

    :param port: the published port, where another process may listen; None where only the container can.
    """
    there = port.listeners() if port else ()
    impostors = port.foreign(there) if port else ()
    if port and impostors:
        return Health(impostor=port.named(impostors))
    vet = port.vet(there) if port else None
    replies: dict[str, Reply] = {}
    names: tuple[str, ...] = ()
    token = ""
    for question in questions:
        path = probe.path(question)
        if not path:
            continue
        if question in (SERVING, DEPENDENCIES) and any(reply.ok is False for reply in replies.values()):
            break  # there is nobody yet who could
        if question == SERVING:
            replies[question], token = _serving(probe, vet)
        elif question == DEPENDENCIES:
            answer = gateway_probe.ask(probe.host, probe.port, path, token, vet)
            names = gateway_probe.not_ready(answer) if answer.status != 200 else ()
            replies[question] = _dependencies(probe, answer, names)
            broken = [name for name in names if any(fnmatchcase(name, known) for known in probe.essential)]
            if broken:  # the service itself is not well, whatever it answers elsewhere
                replies[SERVING] = Reply(False, f"{path} names {', '.join(broken)}")
        else:
            replies[question] = _reply(path, gateway_probe.ask(probe.host, probe.port, path, vet=vet))
    return Health(replies, names, strict=probe.require_dependencies)


def _reply(path: str, answer: Answer) -> Reply:
    good = answer.status == 200 and not answer.page
    return Reply(good, f"{path}: {answer}", answer.unknown, answered=answer.status > 0)


def _dependencies(probe: Probe, answer: Answer, names: tuple[str, ...]) -> Reply:
    text = f"{probe.dependencies}: {answer}{' (' + ', '.join(names) + ')' if names else ''}"
    if answer.unknown and not probe.require_dependencies:
        return Reply(None, text)
    return Reply(answer.status == 200 and not answer.page, text, answer.unknown)


def _serving(probe: Probe, vet: gateway_probe.Vet | None) -> tuple[Reply, str]:
    """Return the reply, and the token when it may be shown again."""
    state = look(probe.token_file)
    token = state.content.decode("utf-8", "replace").strip() if state and state.type == "file" else ""
    if not token:
        return Reply(False, f"no token in {probe.token_file}"), ""
    found = gateway_probe.probe_auth(probe.host, probe.port, token, vet, path=probe.serving, wrong=False)
    ok, text = gateway_probe.serves(found)
    unknown = any(answer.unknown or answer.status == 405 for answer in found.values()) and not ok
    known = found.get(WITH, Answer())
    return Reply(ok, f"POST {probe.serving}: {text}", unknown, known.status in (401, 403)), token if ok else ""


# --- waiting ------------------------------------------------------------------------------------------------------


def wait(probe: Probe, hopeless: Callable[[], str], port: Port | None = None, poll: float = _POLL) -> Health:
    """Ask until the service is well.

    :param hopeless: asked before every round; a reason instead of an empty string ends the wait.
    """
    if not probe.decisive:
        needed = "a path for one of started, alive and serving: a service that is not probed is not known to be healthy"
        raise HardeningError(probe.base, "nothing to probe", needed)
    start = time.monotonic()
    unknown = refused = 0
    while True:
        reason = hopeless()
        # The address of a container that has ended answers nothing for seconds.
        health = Health() if reason else ask(probe, port)
        elapsed = time.monotonic() - start
        if health.ok:
            return Health(health.replies, health.not_ready, "", round(elapsed, 1), health.strict)
        unknown = unknown + 1 if _alive(health) and health.unknown else 0
        refused = refused + 1 if any(reply.refused for reply in health.replies.values()) else 0
        if unknown >= _UNKNOWN_IN_A_ROW:
            reason = _not_known(probe, health)
        elif refused >= _REFUSED_TOKENS:
            reason = f"it refuses the token of {probe.token_file}"
        elif not reason and elapsed >= probe.timeout:
            reason = f"still not ready after {probe.timeout:g} seconds"
        if reason:
            raise HardeningError(probe.base, f"{reason} ({health})", "a service that is started, alive and serving")
        time.sleep(poll)


def stabilize(probe: Probe, hopeless: Callable[[], str], port: Port | None = None, poll: float = _POLL) -> None:
    """Go on asking for the settling time; one wrong answer may be a pause, several in a row are a fault."""
    end = time.monotonic() + probe.stabilize
    wrong = 0
    while time.monotonic() < end:
        time.sleep(min(poll, max(0.0, end - time.monotonic())))
        health = ask(probe, port)
        wrong = 0 if health.ok else wrong + 1
        reason = hopeless() or (
            f"it was ready, and then {wrong} times in a row not" if wrong >= _WRONG_IN_A_ROW else ""
        )
        if reason:
            needed = f"a service that stays started, alive and serving for {probe.stabilize:g} seconds"
            raise HardeningError(probe.base, f"{reason} ({health})", needed)


def _alive(health: Health) -> bool:
    reply = health.replies.get(ALIVE)
    return reply is None or reply.ok is True


def _not_known(probe: Probe, health: Health) -> str:
    """Return which questions this gateway cannot answer: an older one sends a web page with 200, or 404."""
    paths = ", ".join(probe.path(question) for question in health.unknown)
    options = ", ".join(f"health.{question}" for question in health.unknown)
    return f"its gateway does not know {paths}; deploy a version that does, or set {options} to a path that it knows"
