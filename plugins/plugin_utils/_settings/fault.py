# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One reason why a setting is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """An option, the value found, the value needed, and what to do."""

    option: str
    found: str
    needed: str
    remediation: str = ""

    def __str__(self) -> str:
        """Return the sentence that the operator reads."""
        return f"{self.option}: found {self.found}, needed {self.needed}; {self.fix}"

    @property
    def fix(self) -> str:
        """Return what to do; by default, setting the option, of which this may be a part."""
        return self.remediation or f"set '{re.split(r'[.[]', self.option)[0]}'"
