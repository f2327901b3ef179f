# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a configuration connects to and the network policy does not let through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ansible_collections.openclaw.hardening.plugins.module_utils._system import places


def blocked_places(
    config: object, reachable: Sequence[str] = (), extra_hosts: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Return the key path and the place of each; the documentation of the filter has the keys."""
    return [{"path": path, "place": place} for path, place in places.blocked(config, reachable, extra_hosts)]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"blocked_places": blocked_places}
