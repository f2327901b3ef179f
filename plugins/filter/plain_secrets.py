# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a configuration holds a secret in plain text; never the secret itself."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.openclaw.hardening.plugins.module_utils._secrets import plain


def plain_secrets(value: object) -> list[dict[str, str]]:
    """Return the place and the reason of each; the documentation of the filter has the keys."""
    return [{"path": path, "reason": reason} for path, reason in plain.find(value)]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"plain_secrets": plain_secrets}
