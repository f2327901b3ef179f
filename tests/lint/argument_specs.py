"""Every role's defaults and argument specs say the same; these and a playbook's options say what each switch is for."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import tree
import yaml

Spec = dict[str, Any]


def load(path: Path) -> dict[str, Any]:
    """Return a YAML document; a missing or empty one has no keys."""
    file = tree.TOP / path
    return (yaml.safe_load(file.read_text()) or {}) if file.is_file() else {}


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type, so that 1, true and "1" are three things."""
    return type(left) is type(right) and left == right


def undescribed(options: dict[str, Spec], parent: str = "") -> list[str]:
    """Names of the options, nested ones too, without a description or a type."""
    found = []
    for name, option in options.items():
        if not option.get("description") or not option.get("type"):
            found.append(parent + name)
        found += undescribed(option.get("options", {}), f"{parent}{name}.")
    return found


def uncommented(defaults: str) -> list[str]:
    """Names of the defaults that have no comment in the line above."""
    lines = defaults.splitlines()
    names = ((number, re.match(r"([a-z_]\w*):", line)) for number, line in enumerate(lines))
    return [name[1] for number, name in names if name and not (number and lines[number - 1].startswith("#"))]


def compare(role: str, defaults: dict[str, Any], specs: dict[str, Spec]) -> list[str]:
    """Differences between a role's defaults and its entry points, each in a sentence."""
    main = specs.get("main", {}).get("options", {})
    found = [f"{name} is in defaults/main.yml only" for name in sorted(defaults.keys() - main.keys())]
    for entry, spec in specs.items():
        if not spec.get("short_description"):
            found.append(f"the entry point {entry} has no short_description")
        options = spec.get("options", {})
        found += [f"{name} ({entry}) has no description or no type" for name in undescribed(options)]
        for name, option in options.items():
            where = f"{name} ({entry})"
            if not name.startswith(f"{role}_"):
                found.append(f"{where} does not start with the role's name")
            if option.get("required") and (name in defaults or "default" in option):
                found.append(f"{where} is required, and yet has a default")
            elif not option.get("required") and name not in defaults:
                found.append(f"{where} is optional, and not in defaults/main.yml")
            elif not option.get("required") and not same(option.get("default"), defaults[name]):
                found.append(f"{where} has the default {option.get('default')!r}, and {defaults[name]!r} in defaults")
    return found


def check_playbook(path: Path) -> list[str]:
    """Everything that is wrong with the options of a playbook, which have their default in their spec."""
    name = f"openclaw_{path.stem.removesuffix('_options')}"
    options = load(path).get(f"_{name}_options", {})
    found = [f"{option} has no description or no type" for option in undescribed(options)]
    found += [f"{option} does not start with {name}_" for option in options if not option.startswith(f"{name}_")]
    found += [f"{option} has no default" for option, spec in options.items() if "default" not in spec]
    return found or ([] if options else [f"there is no _{name}_options"])


def check(role: str) -> list[str]:
    """Everything that is wrong with one role."""
    folder = Path("roles") / role
    specs = load(folder / "meta/argument_specs.yml").get("argument_specs", {})
    if "main" not in specs:
        return ["meta/argument_specs.yml has no entry point main"]
    found = compare(role, load(folder / "defaults/main.yml"), specs)
    defaults = tree.TOP / folder / "defaults/main.yml"
    if defaults.is_file():
        found += [f"{name} has no comment in the line above it" for name in uncommented(defaults.read_text())]
    return found


def main() -> int:
    """Check all roles."""
    roles = sorted({path.parts[1] for path in tree.files("roles/*/*")})
    found = [f"roles/{role}: {problem}" for role in roles for problem in check(role)]
    playbooks = sorted(tree.files("playbooks/vars/*_options.yml"))
    found += [f"{path}: {problem}" for path in playbooks for problem in check_playbook(path)]
    print("\n".join(found) or f"{len(roles)} roles: defaults and argument specs are the same")
    return 1 if found or not roles else 0


if __name__ == "__main__":
    sys.exit(main())
