"""What every answer of a module has to be, whatever the module was asked for: one clean refusal, or a clean success."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection
from typing import Any

LONGEST_MESSAGE = 2000
# A value that is no number, no choice, no list at all is refused by Ansible itself, which quotes it as a whole, and
# does not always say of which option.
_ANSIBLES = re.compile(
    r"argument .* is of type|value of [\w.\[\]]+ must be|Elements value for option|.*dictionary requested"
    r"|unable to evaluate string as dictionary"
    r"|missing required arguments|Unsupported parameters|Value '.*' in the sub parameter field"
    r"|Failed to log to syslog",
    re.DOTALL,
)
# It ends with a traceback of its own, before the module's first line, over a number where a dictionary should be, over
# an infinite number, and over text that it cannot write to the system log.
_ANSIBLES_OWN_END = re.compile(r"ansible/module_utils/basic\.py\", line \d+, in __init__$", re.MULTILINE)
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class BadAnswerError(AssertionError):
    """An answer that no module may give."""


def read(output: dict[str, Any]) -> dict[str, Any]:
    """Return the one JSON document that a module printed."""
    if output["killed"]:
        raise BadAnswerError("it did not come to an end")
    try:
        answer = json.loads(output["stdout"])
    except ValueError:
        raise BadAnswerError(
            f"no answer, exit code {output['rc']}: {output['stdout'][:2000]}{output['stderr'][-3000:]}"
        ) from None
    if output["stderr"]:
        raise BadAnswerError(f"it wrote to the standard error: {output['stderr'][-3000:]}")
    if bool(answer.get("failed")) != bool(output["rc"]):
        raise BadAnswerError(f"exit code {output['rc']} of {answer}")
    return answer


def outcome(answer: dict[str, Any], names: Collection[str]) -> str:
    """Return how it ended: legal, refused (by the module), unreadable (refused by Ansible), or ended by Ansible.

    :param names: of the options any of which reports an operator where to look.
    """
    if isinstance(answer.get("exception"), dict):  # a text is where the module itself gave up
        traceback = str(answer["exception"].get("event", {}).get("formatted_traceback", answer["exception"]))
        if _ANSIBLES_OWN_END.search(traceback):
            return "ended by Ansible"
        raise BadAnswerError(f"a traceback: {traceback[-3000:]}")
    if not answer.get("failed"):
        return "legal"
    message = answer.get("msg")
    if not isinstance(message, str) or not message.strip() or "Traceback" in message:
        raise BadAnswerError(f"a failure without a message: {json.dumps(answer)[:2000]}")
    if _ANSIBLES.match(message):
        return "unreadable"
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message) for name in names):
        raise BadAnswerError(f"a message that does not name the option: {message[:2000]}")
    if len(message) > LONGEST_MESSAGE:
        raise BadAnswerError(f"a message of {len(message)} characters: {message[:300]}…")
    hidden = [letter for letter in message if letter != "\n" and unicodedata.category(letter) in _INVISIBLE]
    if hidden:
        raise BadAnswerError(f"a message with {hidden[:5]!a}: {message[:500]!a}")
    return "refused"
