# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of ``security_opt``, as Docker reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Settings

# Those that a rule checks; ``disable`` is what older versions print for ``label=disable``.
KNOWN = frozenset({"no-new-privileges", "seccomp", "apparmor", "label", "systempaths", "writable-cgroups", "disable"})


def options_of(settings: Settings, key: str) -> list[str]:
    """Return the values of one security option; Docker takes ``=`` and, from older days, ``:``."""
    return [value for name, value in _pairs(settings) if name == key]


def unknown_options(settings: Settings) -> list[str]:
    """Return the names of the options that no rule knows."""
    return [name for name, _value in _pairs(settings) if name not in KNOWN]


def _pairs(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield name and value of each option; one without a value is switched on."""
    for option in settings.security_opt:
        name, *value = re.split(r"[=:]", option, maxsplit=1)
        yield name.strip(), value[0].strip() if value else "true"
