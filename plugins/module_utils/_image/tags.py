# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names that an image has beside its own (``openclaw:hardened``): the one place that knows their spelling.

Hosts carry these names, so a spelling never changes. *Previous* is what the name meant before the last build or
transfer, deployed or not; *rollback* is what the last deployment replaced, and ``state: previous`` goes back to.
"""

from __future__ import annotations

# A build has this name until it is verified; nothing under it is ever trusted.
CANDIDATE = "openclaw-hardening-candidate"


def previous(name: str) -> str:
    """Return the name of the image that had the name before the last build or transfer."""
    return f"{name}-previous"


def rollback(name: str) -> str:
    """Return the name of the image that the last deployment replaced."""
    return f"{name}-rollback"


def rejected(name: str) -> str:
    """Return the name of an image that a deployment rolled back."""
    return f"{name}-rejected"
