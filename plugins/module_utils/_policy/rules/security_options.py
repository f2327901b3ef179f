# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of ``security_opt``, as Docker reads them."""

from __future__ import annotations

import re

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Settings

# Those that a rule checks; ``disable`` is what older versions print for ``label=disable``.
KNOWN = frozenset({"no-new-privileges", "seccomp", "apparmor", "label", "systempaths", "writable-cgroups", "disable"})


def options_of(settings: Settings, key: str) -> list[str]:
    """Return the values of one security option; Docker takes ``=`` and, from older days, ``:``."""
    pairs = [re.split(r"[=:]", option, maxsplit=1) for option in settings.security_opt]
    return ["true" if len(pair) == 1 else pair[1].strip() for pair in pairs if pair[0].strip() == key]


def unknown_options(settings: Settings) -> list[str]:
    """Return the names of the options that no rule knows."""
    names = [re.split(r"[=:]", option, maxsplit=1)[0].strip() for option in settings.security_opt]
    return [name for name in names if name not in KNOWN]
