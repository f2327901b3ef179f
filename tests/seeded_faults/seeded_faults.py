"""All faults, by the file that holds them."""

from __future__ import annotations

import importlib

from harness import SeededFault

AREAS = (
    "isolation",
    "filesystem",
    "resources",
    "network",
    "image",
    "secrets",
    "account",
    "systemd",
    "daemon",
    "upkeep",
)


def everything() -> dict[str, tuple[SeededFault, ...]]:
    """Return every area's faults."""
    return {area: importlib.import_module(f"test_{area}").SEEDED_FAULTS for area in AREAS}
