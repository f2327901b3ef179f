"""All mutants, by the file that holds them."""

from __future__ import annotations

import importlib

from harness import Mutant

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


def everything() -> dict[str, tuple[Mutant, ...]]:
    """Return every area's mutants."""
    return {area: importlib.import_module(f"test_{area}").MUTANTS for area in AREAS}
