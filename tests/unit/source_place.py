"""How tests name a file of the collection."""

from __future__ import annotations

from pathlib import Path


def place(path: Path) -> str:
    """Return the file and its folder, which name it among all."""
    return "/".join(path.parts[-2:])
