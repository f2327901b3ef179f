# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the managers ask of Ansible's module object, where Ansible is not there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class HostModule:
    """Options and warnings of one run on this host.

    :param params: every option of a module, as :func:`completed` returns them.
    """

    params: dict[str, Any]
    check_mode: bool = False
    _diff: bool = False
    run_command_environ_update: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """Keep a warning for the record of the run."""
        self.warnings.append(text)

    def get_bin_path(self, name: str, required: bool = False, opt_dirs: list[str] | None = None) -> str | None:
        """Return where a program is."""
        found = shutil.which(name, path=":".join([*(opt_dirs or []), _PATH]))
        if found is None and required:
            raise HardeningError(f"program {name}", "none", "one in PATH: install its package")
        return found


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
