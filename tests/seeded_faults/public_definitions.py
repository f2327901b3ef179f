"""Check public Compose files by the gate; prints what each rule refuses, for a person to tell a weakness from none.

public_definitions.py FOLDER …   FOLDER: a git checkout, or any folder with Compose files

Each file is resolved by Compose on a host, as the gate does it; variables without a default get a value by their name.
Images are not there, so what a definition leaves to them is not checked.
"""

from __future__ import annotations

import argparse
import json
import posixpath
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(CHECKOUT / "tests"), str(CHECKOUT / ".collections")]

import jinja2  # noqa: E402
import yaml  # noqa: E402
from harness import Host, down, up  # noqa: E402
from unit.plugins.module_utils._deploy.test_gate import MISSING, checked  # noqa: E402

FILE = re.compile(r"(?:.*[-._])?compose(?:[-._][\w.-]*)?\.ya?ml(?:\.j2)?")
# What is not meant to run by itself, or is for the tests of its project.
ASIDE = re.compile(r"vendor/|override|devcontainer|ci-test|integration-test|manual-test|-dev\.yml|/node_modules/")
VARIABLE = re.compile(r"\$\{(\w+)(?=\}|:?\?)|(?<!\$)\$([A-Za-z_]\w*)")
# By the end of a variable's name, what it may hold.
VALUES = (
    (r"PORT|BIND", "8080"),
    (r"DIR|LOCATION|FOLDER|PATH|ROOT|UPLOADS_DIR", "/srv/data"),
    (r"IP", "127.0.0.1"),
    (r"NETWORK", "172.22.1"),
    (r"MEMORY|MEM|MEM_LIMIT|MEMORY_RESERVATION", "1g"),
    (r"CPUS|RETRIES", "1"),
    (r"INTERVAL|TIMEOUT|START_PERIOD", "10s"),
)
PROJECT = "/srv/compose/app"


def value_of(name: str) -> str:
    """Return a value for a variable."""
    return next((value for ends, value in VALUES if re.search(rf"(?:^|_)(?:{ends})$", name.upper())), "value")


class Named(jinja2.Undefined):
    """What a template of Ansible is not given."""

    def __str__(self) -> str:
        return value_of(self._undefined_name or "")


def files(folders: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each Compose file."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_file() and FILE.fullmatch(path.name) and not ASIDE.search(name):
                text = path.read_text()
                if path.suffix == ".j2":
                    environment = jinja2.Environment(undefined=Named)  # noqa: S701 (YAML, not HTML)
                    environment.filters["bool"] = bool
                    text = environment.from_string(text).render()
                yield f"{folder.name} {name}", text


def variables_files(text: str) -> set[str]:
    """Return the files of variables that services name, to be made empty."""
    found: set[str] = set()
    for service in ((yaml.safe_load(text) or {}).get("services") or {}).values():
        named = service.get("env_file") or ()
        for entry in [named] if isinstance(named, str) else named:
            found.add(entry if isinstance(entry, str) else entry["path"])
    return {path for path in found if not posixpath.isabs(path) and ".." not in path and "$" not in path}


def resolved(host: Host, text: str) -> dict[str, Any] | str:
    """Return what Compose makes of a file, or why it refuses it."""
    names = {braced or plain for braced, plain in VARIABLE.findall(text)}
    lines = "".join(f"{name}={value_of(name)}\n" for name in sorted(names))
    paths = "".join(
        f"mkdir -p {shlex.quote(posixpath.dirname(path) or '.')}; touch {shlex.quote(path)}\n"
        for path in variables_files(text)
    )
    done = host.run(
        f"rm -rf {PROJECT}; mkdir -p {PROJECT}; cd {PROJECT}\n{paths}\n"
        f"cat > .env <<'END OF FILE'\n{lines}END OF FILE\ncat > compose.yaml <<'END OF FILE'\n{text}\nEND OF FILE\n"
        "docker compose --profile '*' config --format json"
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()[-300:]


def main() -> int:
    """Check every file, and print what is refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    folders = [folder.resolve() for folder in parser.parse_args().folders]
    refused: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], str] = {}
    count = services = 0
    try:
        host = Host(up(1)[0])
        for name, text in files(folders):
            config = resolved(host, text)
            if isinstance(config, str):
                print(f"{name}: Compose refuses it: {config}")
                continue
            count, services = count + 1, services + len(config["services"])
            for found in checked(config, api=MISSING, predicting=True):
                if found.bad:
                    key = (found.rule.id, found.actual)
                    refused[key] += 1
                    where.setdefault(key, f"{name} {found.target}")
        host.close()
    finally:
        down()
    print(f"{count} files, {services} services, {sum(refused.values())} refusals")
    for (rule, actual), times in sorted(refused.items(), key=lambda item: (item[0][0], -item[1])):
        print(f"{rule} {times} times: {actual} ({where[rule, actual]})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
