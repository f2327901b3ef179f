# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the managers ask of Ansible's module object, where Ansible is not there."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class HostModule:
    """Options and warnings of one run on this host.

    :param params: every option of a module, as ``arguments.completed`` returns them.
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
