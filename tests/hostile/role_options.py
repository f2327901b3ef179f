"""Every variable of every role, read from its argument specs, and hostile values for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from lab_host import CHECKOUT

ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir() if (path / "tasks/preflight.yml").is_file())
# What systemd, Compose, a shell, a YAML reader or a program could make more of than text.
POISONS = {
    "newline": "a\nUser=root",
    "last newline": "\n",
    "backslash": "a\\",
    "specifier": "%n",
    "variable": "${HOME}",
    "doubled dollar": "$$",
    "dash": "-x",
    "quotes": "a\"b'c",
    "backtick": "`id`",
    "comment": "a #b",
    "colon": "a: b",
    "NUL": "a\0b",
    "override": "a\u202eb",
}


@dataclass(frozen=True)
class Setting:
    """A hostile value in a variable of a role."""

    role: str
    variable: str
    place: str
    poison: str
    value: Any
    kind: str

    def __str__(self) -> str:
        return f"{self.variable}{self.place}, {self.poison}"


def settings() -> Iterator[Setting]:
    """Return each variable with each poison, as the whole text and behind what its default reports."""
    for role in ROLES:
        folder = CHECKOUT / "roles" / role
        options = yaml.safe_load((folder / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
        defaults = yaml.safe_load((folder / "defaults/main.yml").read_text())
        for variable, option in options.items():
            for poison, text in POISONS.items():
                for place, value in _values(option, defaults.get(variable), text):
                    yield Setting(role, variable, place, poison, value, option["type"])


def _values(option: dict[str, Any], default: Any, text: str) -> Iterator[tuple[str, Any]]:
    kind = option["type"]
    if kind in ("str", "path", "raw", "float", "int"):
        good = str(default) if default not in ("", None) and "{{" not in str(default) else ""
        # What begins with a dash does so at the beginning.
        yield "", text if text.startswith("-") else good + text
    elif kind == "list" and option.get("elements") == "dict":
        for name in option.get("options", {}):
            good = {inner: "x" for inner, spec in option["options"].items() if spec.get("required")}
            yield f"[0].{name}", [{**good, name: text}]
    elif kind == "list":
        yield "[0]", [text]
    elif kind == "dict":
        yield "[<key>]", {text: "x"}
        yield "[<value>]", {"x": text}
