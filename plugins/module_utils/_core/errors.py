# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error that the modules raise on purpose."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

# Control, format (invisible, bidirectional), lone surrogate, line separator, paragraph separator.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def escaped(text: str, kept: str = "") -> str:
    """Text with every invisible character written as its escape, but for those of ``kept``."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in INVISIBLE and character not in kept
        else character
        for character in text
    )


def hint(hints: Mapping[str, str], subject: str) -> str:
    """Return in parentheses how a remediation is done where the caller comes from; nothing when that is not known."""
    return f" ({hints[subject]})" if hints.get(subject) else ""


class HardeningError(Exception):
    """A refusal or failure that an operator can act on.

    :param what: the thing that was checked (an option's name, a path, a unit).
    :param found: what is there.
    :param needed: what is required instead.
    :param option: the module option that fixes it, or an empty string.
    :param details: extra keys for ``fail_json`` (``cmd``, ``rc``, ``stdout``, ``stderr``), already redacted.
    """

    def __init__(self, what: str, found: str, needed: str, option: str = "", **details: object) -> None:
        """Compose the message: what, found, needed, remediation; whatever a program reported, nothing in it moves a
        cursor.
        """
        fix = f"; set {option!r}" if option else ""
        super().__init__(escaped(f"{what}: found {found}, needed {needed}{fix}", kept="\n"))
        self.what, self.found, self.needed, self.option = what, found, needed, option
        self.details = details
