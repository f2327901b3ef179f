# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""OpenClaw's configuration, as its owner wrote it: parsing it, walking it, and finding the gateway's credential."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True
    # The C parser is ten times faster; both make nothing but plain values.
    _LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

MAX_DEPTH = 100
# YAML takes a second for a megabyte of brackets; a configuration that people write is far smaller.
MAX_FLOW = 1 << 17


def parse(text: str) -> Mapping[str, Any] | None:
    """Read a configuration in JSON, or in as much of JSON5 as YAML's flow style covers; None: not understood."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        tree = _flow(text)
    return tree if isinstance(tree, Mapping) else None


def _flow(text: str) -> object:
    """Read JSON5 without comments; a comment would become a part of a name, and is refused with all the rest."""
    if not HAS_YAML or len(text) > MAX_FLOW or not text.lstrip().startswith("{") or _depth(text) > MAX_DEPTH:
        return None
    try:
        tree = _LOADER(text).get_single_data()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None
    return None if any(_is_mangled(name, value) for _path, name, value in leaves(tree)) else tree


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[\[{}\]]", text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _is_mangled(name: object, value: object) -> bool:
    """Tell a name that YAML made of something else: of a comment, or of ``name:"value"`` without a space."""
    return not isinstance(name, str) or bool(re.search(r"//|/\*|\*/|[\"\n]", name)) or (value is None and ":" in name)


def leaves(tree: object) -> Iterator[tuple[str, Any, Any]]:
    """Walk a tree: path, name and value of every entry of its mappings; what an alias repeats comes once."""
    waiting: list[tuple[str, object]] = [("", tree)]
    known: set[int] = set()
    while waiting:
        path, node = waiting.pop()
        if id(node) in known:
            continue
        if isinstance(node, Mapping):
            known.add(id(node))
            for name, value in node.items():
                inner = f"{path}.{name}" if path else str(name)
                yield inner, name, value
                waiting.append((inner, value))
        elif isinstance(node, list):
            known.add(id(node))
            waiting.extend((f"{path}[{index}]", value) for index, value in enumerate(node))
