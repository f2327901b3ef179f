# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Times as the daemon writes them: with nanoseconds, which Python 3.9 cannot parse, and in UTC."""

from __future__ import annotations

import calendar
import re
import time

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def seconds(at: str) -> int:
    """Return a time as whole seconds since 1970; 0 of none."""
    found = _TIME.match(at)
    return calendar.timegm(time.strptime(found[0], "%Y-%m-%dT%H:%M:%S")) if found else 0
