# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the configuration of a base, and what a hardened deployment takes over of it."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import openclaw_config
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import read_bytes
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.containers import Base
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.takeover import Takeover, take_over


def take_over_from(base: Base) -> Takeover:
    """Return what is taken over; a base without a configuration has its environment.

    :raises HardeningError: the configuration cannot be read, or is more than one file.
    """
    if not base.config:
        return take_over({}, base.environment, base.inside)
    try:
        text = read_bytes(base.config, 1 << 20).decode("utf-8", "replace")
    except HardeningError as error:
        if error.found != "nothing":
            raise
        return take_over({}, base.environment, base.inside)
    parsed = openclaw_config.parse(text)
    if parsed is None:
        needed = "JSON, or JSON5 without comments; OpenClaw's own config command writes it so"
        raise HardeningError(base.config, "a configuration that cannot be read", needed, outcome="unchanged")
    if any(name == "$include" for _path, name, _value in openclaw_config.leaves(parsed)):
        needed = "one file: put what it includes into it"
        raise HardeningError(base.config, "$include", needed, outcome="unchanged")
    return take_over(parsed, base.environment, base.inside)
