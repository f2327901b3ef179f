# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the programs of root are, also when the caller's PATH has no ``sbin`` (su without -l, cron, doas)."""

from __future__ import annotations

import os
import shutil

# Debian's PATH for root (login.defs(5), ENV_SUPATH).
_ROOT = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def search_path() -> str:
    """Return the caller's PATH, followed by what is missing of root's; relative folders are left out."""
    given = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder.startswith("/")]
    return os.pathsep.join(dict.fromkeys([*given, *_ROOT]))


def find_program(name: str) -> str | None:
    """Return the path of a program, or None."""
    return shutil.which(name, path=search_path())


def environment() -> dict[str, str]:
    """Return what every program needs: root's PATH, and a home (docker and its plugins keep their settings there)."""
    return {"PATH": search_path(), "HOME": os.environ.get("HOME") or os.path.expanduser("~")}
