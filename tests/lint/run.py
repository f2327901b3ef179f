"""Run every linter, or those named as arguments; one line each, and then all that the failed ones found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import tree

PYTHON = sys.executable


@dataclass(frozen=True)
class Command:
    """One call of a linter; stdin is for what is linted in another form than it has on disk."""

    argv: list[str]
    stdin: str | None = None
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Result:
    """What one linter reported."""

    name: str
    passed: bool
    output: str
    seconds: float


def ansible_lint() -> list[Command]:
    """Everything; its configuration is in .ansible-lint."""
    own = (
        ("ANSIBLE_COLLECTIONS_PATH", str(tree.TOP / ".collections")),
        # Molecule leaves a copy of the collection in the user's, and an old copy would be preferred to this checkout.
        ("ANSIBLE_HOME", str(tree.TOP / "build/ansible")),
        ("NO_COLOR", "1"),
    )
    return [Command(["ansible-lint", "--strict", "--profile", "production", "--offline", "-q"], environment=own)]


def mypy() -> list[Command]:
    """Whatever runs on managed hosts; strict by pyproject.toml."""
    programs = [str(path) for path in tree.files("roles/*/files/*.py")]
    return [Command(["mypy", "plugins", *programs])]


def shellcheck() -> list[Command]:
    """Scripts as files, and templates of scripts with a word in place of every Jinja expression."""
    scripts = [path for path in tree.files("*") if tree.is_shell(path)]
    plain = [str(path) for path in scripts if path.suffix != ".j2"]
    templates = [path for path in scripts if path.suffix == ".j2"]
    return [Command(["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *plain])] + [
        Command(["shellcheck", "-"], stdin=without_jinja(tree.text(path))) for path in templates
    ]


def without_jinja(template: str) -> str:
    """Keep the lines where they are, so that the linter's line numbers stay right."""
    without_blocks = re.sub(r"\{%.*?%\}|\{#.*?#\}", "", template, flags=re.DOTALL)
    return re.sub(r"\{\{.*?\}\}", "value", without_blocks, flags=re.DOTALL)


LINTERS: dict[str, Callable[[], list[Command]]] = {
    "ansible-lint": ansible_lint,
    "mypy": mypy,
    "dockerfile": lambda: [Command([PYTHON, "tests/lint/dockerfile.py"])],
    "ruff": lambda: [Command(["ruff", "check"])],
    "ruff-format": lambda: [Command(["ruff", "format", "--check"])],
    "yamllint": lambda: [Command(["yamllint", "--strict", "."])],
    "shellcheck": shellcheck,
    "argument-specs": lambda: [Command([PYTHON, "tests/lint/argument_specs.py"])],
    "house-rules": lambda: [Command([PYTHON, "tests/lint/house_rules.py"])],
    "vocabulary": lambda: [Command([PYTHON, "tests/lint/vocabulary.py"])],
    "docs": lambda: [Command([PYTHON, "tools/docs.py", "--check"])],
}


def run(name: str) -> Result:
    """Run one linter; it passes when all its calls do."""
    start = time.monotonic()
    path = os.pathsep.join([os.path.dirname(PYTHON), os.environ["PATH"]])
    passed, output = True, ""
    for command in LINTERS[name]():
        done = subprocess.run(
            command.argv,
            cwd=tree.TOP,
            env={**os.environ, "PATH": path, **dict(command.environment)},
            input=command.stdin or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        passed = passed and done.returncode == 0
        output += done.stdout
    return Result(name, passed, output, time.monotonic() - start)


def main() -> int:
    """Print the results as they come."""
    wanted = sys.argv[1:] or list(LINTERS)
    if unknown := sorted(set(wanted) - set(LINTERS)):
        print(f"lint: no linter named {', '.join(unknown)}; there are {', '.join(LINTERS)}")
        return 2
    failed: list[Result] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(run, wanted):
            print(f"lint: {'ok  ' if result.passed else 'FAIL'} {result.name} ({result.seconds:.1f} s)", flush=True)
            failed += [] if result.passed else [result]
    for result in failed:
        print(f"\n--- {result.name}\n{result.output.rstrip()}")
    print(f"lint: {len(wanted) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
