# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A number that may be the text of one."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.plugin_utils._filter import refuses


@refuses
def number(value: object, option: str) -> int | float:
    """Return the value in its own type.

    :raises AnsibleFilterError: it is none.
    """
    return validate.number(option, value)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"number": number}
