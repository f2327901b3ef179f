# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence that is not there; what needs it is inconclusive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError


@dataclass(frozen=True)
class Unavailable:
    """A part of the evidence that could not be read, and why."""

    why: str


def attempt(what: str, look: Callable[..., Any], *arguments: Any) -> Any:
    """Call a look, or say why there is nothing: an argument is missing, or it failed on what it met."""
    for argument in arguments:
        if isinstance(argument, Unavailable):
            return argument
    try:
        return look(*arguments)
    except HardeningError as error:
        return Unavailable(f"{what}: {error}")
    except Exception as error:  # whatever is met there must end as an error of these rules, not of the audit
        return Unavailable(f"{what} could not be read: {type(error).__name__}: {error}")
