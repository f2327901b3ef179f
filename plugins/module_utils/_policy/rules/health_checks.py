# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of health checks: one that cannot fail, or not soon, is none."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import Result, failed, skipped, verdict

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import (
        HealthTimes,
        Settings,
    )

# Docker's defaults, in seconds; and how long the gateway may be down before Docker knows.
_INTERVAL, _TIMEOUT, _RETRIES = 30.0, 30.0, 3
_LONGEST = 1800.0
_WHATEVER = "the health check passes whatever the answer is"
# A program that ends well also when the question failed.
_CAUGHT = re.compile(r"\b(?:catch|except)\b(?:(?!exit).){0,80}exit\(\s*0?\s*\)", re.DOTALL)
_ASKS = re.compile(
    r"https?://|\b(?:localhost|127\.0\.0\.1|0\.0\.0\.0|::1)\b|/dev/tcp/|\bnc\b.*\b\d{2,5}\b"
    r"|\bopenclaw(?:\.mjs)?\s+health\b"
)
_HOST = re.compile(r"https?://(\[[^\]]*\]|[^/\s:'\"?#]+)")
_OWN_HOST = re.compile(r"127\.[0-9.]+|0\.0\.0\.0|\[::1?\]|[^.]+")
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "busybox"})
# Commands that end well whatever their words are.
_IDLE = frozenset({"true", ":", "echo", "printf", "sleep", "date", "logger", "cat", "tee", "wait", "return"})
_SPLIT = re.compile(r"(\|\||&&|;;?|\n|\|&?|(?<![<>&])&(?!>))")
_EXIT = re.compile(r"\s*(?:exit|return)(?:\s+(\S+))?\s*\Z")
_FAILS = re.compile(r"exit\s+[1-9]|\bfalse\b|\bkill\b|exit\s+\$\?")
# What is quoted, substituted or in brackets is one word here.
_HIDDEN = r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.|\$?\([^()]*\)|\{\s[^{}]*\}"
_TRAPPED = re.compile(r"\btrap\s+\S*\s*[\"']?\s*(?:exit\s+0|true|:)")
_CURL_FAILS = re.compile(r"\s(?:--fail(?:-with-body)?\b|-[A-Za-z]*f)")
_WRITES_OUT = re.compile(r"%\{(?:http_code|response_code)\}")
_DECIDES = re.compile(
    r"\s*(?:grep|egrep|fgrep|zgrep)\s|\s*jq\s.*(?:-[a-z]*e|--exit-status)|\s*(?:test|\[)\s|\s*awk\s.*exit"
)
# Programs that take any answer for a good one, and how they look at it.
_ANY_ANSWER = re.compile(
    r"\bfetch\(.*\.then\(|\brequests\.(?:get|head|post)\(|\bhttps?\.(?:get|request)\(|\bHTTPS?Connection\(", re.DOTALL
)
# What a pipe does with an answer so that a page of an error is a failure, too.
_FINDS = re.compile(r"\s*(?:grep|egrep|fgrep)\s.*\w{2}|\s*jq\s.*(?:-[a-z]*e|--exit-status)")
_INVERTS = re.compile(r"\s-[A-Za-z]*[vL]|--(?:invert-match|files-without-match)")
_LOOKS = re.compile(r"\bok\b|status")


def health_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.27 and the guide's "health check included": a check that cannot fail is none."""
    if settings.helper:
        return skipped("a helper that serves nobody")
    kind, words = (settings.healthcheck[0], settings.healthcheck[1:]) if settings.healthcheck else ("", ())
    line = " ".join(words)
    if kind in ("", "NONE") or not line.strip():
        why = "switched off" if kind == "NONE" else "none"
        return failed(f"health check: {why}", (settings.source, f"health check: {why}"))
    faults = _faults_of_command(kind, words, settings.foreign)
    foreign = [host for host in _HOST.findall(line) if not _OWN_HOST.fullmatch(host)]
    # How a database is asked, nobody but its own client knows.
    if foreign or not (_ASKS.search(line) or settings.foreign):
        faults.append("the health check asks no address of the gateway")
    faults += _faults_of_times(settings.health_times)
    # Its words may hold a token.
    reported = (settings.source, f"health check: {kind} {posixpath.basename(line.split()[0])} …")
    return verdict(faults, "the health check asks the gateway", reported)


def _faults_of_times(times: HealthTimes) -> list[str]:
    """Check how long the gateway may be down before Docker calls it unhealthy."""
    one = (times.interval or _INTERVAL) + (times.timeout or _TIMEOUT)
    known = one * (times.retries or _RETRIES)
    faults = [f"a failed health check is known after {known:g} seconds only"] if known > _LONGEST else []
    if times.start_period > _LONGEST:
        faults.append(f"failed health checks do not count for {times.start_period:g} seconds")
    return faults


def _faults_of_command(kind: str, words: tuple[str, ...], any_client: bool) -> list[str]:
    line = " ".join(words)
    script = _script(kind, words)
    if _CAUGHT.search(line):
        return [_WHATEVER]
    if script is None:
        return _faults_of_program(line)
    return _faults_of_script(script, any_client)


def _script(kind: str, words: tuple[str, ...]) -> str | None:
    """Return what a shell runs; None when it is no shell."""
    if kind == "CMD-SHELL":
        return " ".join(words)
    if posixpath.basename(words[0]) in _SHELLS:
        for place, word in enumerate(words[1:], 1):
            if re.fullmatch(r"-[a-z]*c", word):
                return words[place + 1] if place + 1 < len(words) else ""
    return None


def _faults_of_script(script: str, any_client: bool) -> list[str]:
    """Follow a shell line: its last question has to decide how it ends.

    :param any_client: each command that can fail is a question, not only one that names an address.
    """
    text = re.sub(r"(?m)(?:^|\s)#.*$", "", script).strip()
    inner = text
    while inner[:1] in "({" and inner[-1:] in ")}" and inner:
        inner = inner[1:-1].strip().rstrip(";").strip()
    if inner.startswith(("if ", "while ", "until ", "for ", "case ")):
        return [] if _FAILS.search(inner) else [_WHATEVER]
    parts = _unquoted_parts(inner)
    commands, joints = parts[::2], parts[1::2]
    while commands and not commands[-1].strip() and joints and joints[-1] != "&":
        commands.pop()
        joints.pop()
    asking = [place for place, command in enumerate(commands) if _asks(command, any_client)]
    if not asking:
        return [_WHATEVER] if all(_idle(command) for command in commands) else []
    last = asking[-1]
    inside = _inner_script(commands[last].strip(" (){}!"))
    looked_at = joints[last : last + 1] == ["|"] and _finds(commands[last + 1])
    question = commands[last]
    faults = _faults_of_program(question, looked_at) if inside is None else _faults_of_script(inside, any_client)
    # What ends the line before the question, or in its place.
    before = list(zip(commands[:last], joints[:last]))
    ends = any(_EXIT.match(command) and joint in (";", "\n") for command, joint in before)
    if ends or any(_idle(command) and joint == "||" for command, joint in before) or _TRAPPED.search(text):
        faults.append(_WHATEVER)
    if commands[last].lstrip().startswith("!"):
        faults.append(_WHATEVER)
    for joint, command in zip(joints[last:], commands[last + 1 :]):
        if not _keeps(joint, command, text):
            faults.append(_WHATEVER)
    return list(dict.fromkeys(faults))


def _keeps(joint: str, command: str, script: str) -> bool:
    """Return whether what follows the question still ends with a failure of it."""
    if joint == "&&":
        return True
    if joint == "||":
        found = _EXIT.match(command)
        return bool(found and found[1] not in ("0", "00")) or bool(_FAILS.search(command))
    if joint.startswith("|"):
        return "pipefail" in script or bool(_DECIDES.match(command))
    if joint in (";", "\n"):
        return bool(_FAILS.search(command)) or (bool(_DECIDES.match(command)) and "$" in command)
    return False


def _asks(command: str, any_client: bool) -> bool:
    return (any_client or bool(_ASKS.search(command))) and not _idle(command)


def _finds(command: str) -> bool:
    """Return whether a command fails unless the answer has what it looks for."""
    return bool(_FINDS.match(command)) and not _INVERTS.search(command)


def _idle(command: str) -> bool:
    words = command.strip(" ()!{}").split()
    return not words or posixpath.basename(words[0]) in _IDLE or (words[0] == "exit" and words[1:2] in ([], ["0"]))


def _unquoted_parts(text: str) -> list[str]:
    """Split a shell line at its operators, and leave what is quoted alone."""
    hidden: list[str] = []

    def hide(match: re.Match[str]) -> str:
        hidden.append(match[0])
        return f"\0{len(hidden) - 1}\0"

    masked = re.sub(_HIDDEN, hide, text)
    show = re.compile("\0([0-9]+)\0")
    return [show.sub(lambda match: hidden[int(match[1])], part) for part in _SPLIT.split(masked)]


def _faults_of_program(command: str, looked_at: bool = False) -> list[str]:
    """Check one program: it has to fail when the gateway answers with an error.

    :param looked_at: what follows looks for something in the answer.
    """
    words = command.strip(" ()!{}").split()
    if not words:
        return []
    program = posixpath.basename(words[0])
    if _idle(command):
        return [_WHATEVER]
    if (program == "curl" or re.search(r"(?:^|\s)(?:\S*/)?curl\s", command)) and not (
        looked_at or _CURL_FAILS.search(command) or _WRITES_OUT.search(command)
    ):
        return [f"{_WHATEVER}: curl without --fail"]
    if _ANY_ANSWER.search(command) and not _LOOKS.search(command):
        return [f"{_WHATEVER}: nothing looks at its status"]
    return []


def _inner_script(command: str) -> str | None:
    """Return what a shell within a shell line runs; None when it is none."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    return _script("CMD", tuple(words)) if words else None
