"""Write the tables of role variables and of rules into the Markdown files that ask for them; --check only looks.

A file asks with two lines, and the table goes between them:
<!-- variables: openclaw_user -->
<!-- end of variables -->
or, with rules by area or by source:
<!-- rules: container -->
<!-- end of rules -->
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
RULES_PLACE = re.compile(r"(?<=<!-- rules: )([\w -]+)( -->\n).*?(?=<!-- end of rules -->)", re.DOTALL)
# Which references a table by source collects, and in which order.
SOURCES = {
    "guide": re.compile(r"hardening guide, ((?:Verify|Security Checklist).*)"),
    "cis": re.compile(r"CIS Docker Benchmark v1\.6\.0, ([45]\..*)"),
    "owasp": re.compile(r"OWASP Docker Security Cheat Sheet, (rule .*)"),
}


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


def options_of(name: str) -> dict[str, dict[str, Any]]:
    """All variables of a role, or of a playbook that has some of its own."""
    specs = TOP / "roles" / name / "meta/argument_specs.yml"
    if specs.is_file():
        return dict(yaml.safe_load(specs.read_text())["argument_specs"]["main"]["options"])
    return dict(
        yaml.safe_load((TOP / f"playbooks/vars/{name.removeprefix('openclaw_')}_options.yml").read_text())[
            f"_{name}_options"
        ]
    )


def table(name: str) -> str:
    """All variables of a role or playbook, as its argument specs have them."""
    options = options_of(name)
    rows = "".join(row(name, option) for name, option in options.items())
    return f"\n| variable | type | default | what it is for |\n|---|---|---|---|\n{rows}\n"


def rules(which: str) -> str:
    """The rules of an area, or the references of a source with the rules that cover them."""
    sys.path.insert(0, str(TOP / ".collections"))
    from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import RULES

    if which not in SOURCES:
        rows = "".join(
            f"| `{rule.id}` | {rule.severity if not rule.manual else 'manual'} | {cell(rule.title)} | "
            f"{cell(rule.expected)} | {'yes' if rule.declared else ''} |\n"
            for rule in RULES
            if rule.area == which
        )
        return f"\n| rule | severity | what holds | expected | at the gate, too |\n|---|---|---|---|---|\n{rows}\n"
    found: dict[str, list[str]] = {}
    for rule in RULES:
        for match in filter(None, map(SOURCES[which].fullmatch, rule.refs)):
            found.setdefault(match[1], []).append(f"`{rule.id}`" + (" (manual)" if rule.manual else ""))
    ordered = sorted(
        found, key=lambda text: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]
    )
    return (
        "\n| source | rules |\n|---|---|\n"
        + "".join(f"| {text} | {', '.join(found[text])} |\n" for text in ordered)
        + "\n"
    )


def main() -> int:
    """Bring the tables up to date."""
    stale = []
    for path in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md")), *sorted((TOP / "roles").glob("*/README.md"))]:
        old = path.read_text() if path.is_file() else ""
        new = PLACE.sub(lambda found: f"{found[1]}{found[2]}{table(found[1])}", old)
        new = RULES_PLACE.sub(lambda found: f"{found[1]}{found[2]}{rules(found[1])}", new)
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
