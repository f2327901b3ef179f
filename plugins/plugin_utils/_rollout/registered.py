# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading what a play registered of a host: what has another shape than it should have is nothing at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def part(observed: object, *names: str) -> Mapping[str, Any]:
    """Return the dictionary at the end of these keys; an empty one where there is none."""
    for name in names:
        observed = observed.get(name) if isinstance(observed, Mapping) else None
    return observed if isinstance(observed, Mapping) else {}


def text(value: object) -> str:
    """Return a text; an empty one for anything else."""
    return str(value) if isinstance(value, str) else ""


def number(value: object) -> float:
    """Return a number that can be counted with; 0 for anything else."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15
    return float(value) if known and isinstance(value, (int, float)) and math.isfinite(value) else 0.0
