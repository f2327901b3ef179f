# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error that the modules raise on purpose."""

from __future__ import annotations


class HardeningError(Exception):
    """A refusal or failure that an operator can act on.

    :param what: the thing that was judged (an option's name, a path, a unit).
    :param found: what is there.
    :param needed: what is required instead.
    :param option: the module option that fixes it, or an empty string.
    :param details: extra keys for ``fail_json`` (``cmd``, ``rc``, ``stdout``, ``stderr``), already redacted.
    """

    def __init__(self, what: str, found: str, needed: str, option: str = "", **details: object) -> None:
        """Compose the message: what, found, needed, cure."""
        cure = f"; set {option!r}" if option else ""
        super().__init__(f"{what}: found {found}, needed {needed}{cure}")
        self.details = details
