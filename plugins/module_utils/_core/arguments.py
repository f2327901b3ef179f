# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options where Ansible does not complete them: for a manager that another manager, or a job on the host, calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown


def completed(spec: Mapping[str, Any], given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return the options with their defaults, as Ansible hands them to a module; pure.

    :param spec: the module's argument spec. The values have their types already: they were JSON.
    :raises HardeningError: an option is missing, or the module does not have it.
    """
    unknown = sorted(set(given) - set(spec))
    if unknown:
        raise HardeningError(
            f"{where}{shown(unknown[0])}", "an option", "one that the module has; deploy again (site.yml)"
        )
    result: dict[str, Any] = {}
    for name, rule in spec.items():
        value = given.get(name, rule.get("default"))
        if value is None and rule.get("required"):
            raise HardeningError(f"{where}{name}", "nothing", "a value; deploy again (site.yml)")
        inner = rule.get("options")
        if inner and isinstance(value, Mapping):
            value = completed(inner, value, f"{where}{name}.")
        elif inner and isinstance(value, list):
            value = [completed(inner, item, f"{where}{name}.") for item in value]
        result[name] = value
    return result
