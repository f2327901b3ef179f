"""Write the tables of role variables into the Markdown files that ask for them; --check only looks.

A file asks with two lines, and the table goes between them:
<!-- variables: openclaw_user -->
<!-- end of variables -->
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).resolve().parents[1]
PLACE = re.compile(r"(?<=<!-- variables: )(\w+)( -->\n).*?(?=<!-- end of variables -->)", re.DOTALL)


def cell(text: Any) -> str:
    """One table cell, with Ansible's markup turned into Markdown."""
    words = " ".join(text) if isinstance(text, list) else str(text)
    words = re.sub(r"\b[OVCEIB]\(([^)]*)\)", r"`\1`", words)
    return " ".join(words.split()).replace("|", "\\|")


def row(name: str, option: dict[str, Any]) -> str:
    """One variable: name, type, default, purpose."""
    kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
    default = "*required*" if option.get("required") else f"`{cell(json.dumps(option.get('default')))}`"
    choices = f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}." if "choices" in option else ""
    return f"| `{name}` | {kind} | {default} | {cell(option['description'])}{choices} |\n"


def table(role: str) -> str:
    """All variables of a role, as its argument specs have them."""
    specs = yaml.safe_load((TOP / "roles" / role / "meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    rows = "".join(row(name, option) for name, option in options.items())
    return f"\n| variable | type | default | what it is for |\n|---|---|---|---|\n{rows}\n"


def main() -> int:
    """Bring the tables up to date."""
    stale = []
    for path in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md")), *sorted((TOP / "roles").glob("*/README.md"))]:
        old = path.read_text() if path.is_file() else ""
        new = PLACE.sub(lambda found: f"{found[1]}{found[2]}{table(found[1])}", old)
        if new != old:
            stale.append(str(path.relative_to(TOP)))
            if "--check" not in sys.argv:
                path.write_text(new)
    if "--check" in sys.argv and stale:
        print(f"not current: {', '.join(stale)}; run make docs")
        return 1
    print(f"docs: {', '.join(stale) + ' written' if stale else 'current'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
