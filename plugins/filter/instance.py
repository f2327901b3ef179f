# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every name and path of one OpenClaw on a host, from its instance name."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.openclaw.hardening.plugins.module_utils._instance import names
from ansible_collections.openclaw.hardening.plugins.plugin_utils._filter import refuses


@refuses
def instance(value: object, option: str = "openclaw_instance") -> dict[str, object]:
    """Return the names and paths of an instance; the documentation of the filter has the keys.

    :param option: the variable that the name comes from, for the message.
    :raises AnsibleFilterError: no account, path or unit can be made of the name.
    """
    return names(value, option)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"instance": instance}
