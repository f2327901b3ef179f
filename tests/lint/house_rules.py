"""Rules of this repository that no linter knows; each returns what breaks it, in a sentence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import tree
import yaml

# Comments that silence a linter without naming the rule, and those of linters whose list stays empty.
BLANKET = re.compile(
    r"#\s*(noqa(?!:)|type:\s*ignore(?!\[)|ruff:\s*noqa|mypy:\s*ignore-errors|flake8:|nosec|pylint:\s*(skip-file|disable=all))"
    r"|#\s*(hadolint\s+(global\s+)?ignore|shellcheck\s+disable=all|yamllint\s+disable(-file|\s*$))"
)
SKIP_LISTS = (
    "tests/sanity/ignore*",
    "*ansible-lint-ignore",
    ".hadolint.y*ml",
    "*.shellcheckrc",
    ".flake8",
    ".pylintrc",
)
STANDARD_FOLDERS = {"/", "/home", "/mnt", "/opt", "/root", "/srv", "/tmp", "/usr", "/var", "/var/tmp"}


def documents() -> Iterator[str]:
    """JSON files parse. YAML ones are yamllint's."""
    for path in tree.files("*.json"):
        if problem := json_error(tree.text(path)):
            yield f"{path}: not JSON: {problem}"


def json_error(text: str) -> str:
    """What is wrong with this JSON; empty when nothing is."""
    try:
        json.loads(text)
    except ValueError as error:
        return str(error)
    return ""


def lockfiles() -> Iterator[str]:
    """A lock has a hash for every package (a bundled one is part of another), and no address."""
    for path in tree.files("*package-lock.json"):
        for name, package in json.loads(tree.text(path)).get("packages", {}).items():
            ours = not name or package.get("link")
            if not ours and not package.get("inBundle") and not package.get("integrity"):
                yield f"{path}: {name} has no integrity"
            if not ours and "resolved" in package:
                yield f"{path}: {name} names the host it came from"
    for path in tree.files("requirements/*.txt"):
        pinned = re.findall(r"^\S+==\S+.*(?:\n .*)*", tree.text(path), re.MULTILINE)
        for requirement in pinned:
            if "--hash=sha256:" not in requirement:
                yield f"{path}: {requirement.split()[0]} has no hash"


def silencers() -> Iterator[str]:
    """No lists of skipped rules; a comment that silences a linter names the rule; nothing silences ansible-lint."""
    for pattern in SKIP_LISTS:
        for path in tree.files(pattern):
            yield f"{path}: a list of what a linter shall not see"
    config = yaml.safe_load((tree.TOP / ".ansible-lint").read_text())
    for name in ("skip_list", "warn_list", "mock_modules", "mock_roles"):
        if config.get(name):
            yield f".ansible-lint: {name} is not empty"
    for path in tree.files("*"):
        silencer = re.compile(r"#\s*noqa") if path.suffix in {".yml", ".yaml"} else BLANKET
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            if (found := silencer.search(line)) and path.name != Path(__file__).name:
                yield f"{path}:{number}: {found[0]!r} silences a linter; fix what it found, or name the one rule"


def registry_hosts() -> set[str]:
    """Hosts that this machine gets packages from, asked of its package managers."""
    from pip._internal.models.index import PyPI

    addresses = [PyPI.url, f"https://{PyPI.file_storage_domain}"]
    addresses += output([sys.executable, "-m", "pip", "config", "list"]).replace("'", " ").split()
    addresses += output(["npm", "config", "get", "registry"]).split()
    for source in [*Path("/etc/apt").glob("*.list"), *Path("/etc/apt").glob("sources.list.d/*")]:
        addresses += re.findall(r"^[^#\n].*", source.read_text(), re.MULTILINE)
    hosts = (urlsplit(word).hostname for address in addresses for word in address.split() if "://" in word)
    return {host for host in hosts if host and "." in host and not host.startswith("127.")}


def machine_folders() -> set[str]:
    """Folders of this machine that mean nothing on another one."""
    places = [tree.TOP, tree.TOP.parent, Path.home(), Path(sys.base_prefix)]
    return {str(place) for place in places if str(place) not in STANDARD_FOLDERS}


def output(command: list[str]) -> str:
    """What a program prints; nothing when it is not there."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def traces() -> Iterator[str]:
    """No host of a package registry, and no folder of this machine, is named in the tree."""
    words = [re.escape(word) for word in sorted(registry_hosts())]
    words += [rf"(?<![\w./-]){re.escape(folder)}(?![\w-])" for folder in sorted(machine_folders())]
    trace = re.compile("|".join(words))
    for path in tree.files("*"):
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            if found := trace.search(line):
                yield f"{path}:{number}: names {found[0]}, which is of this machine or of a package registry"


def conflicts() -> Iterator[str]:
    """No marks of a merge are left."""
    for path in tree.files("*"):
        if re.search(r"^(<{7} |>{7} )", tree.text(path), re.MULTILINE):
            yield f"{path}: has marks of a merge"


def main() -> int:
    """Check all rules, or those named as arguments."""
    named = {rule.__name__: rule for rule in (documents, lockfiles, silencers, traces, conflicts)}
    rules = [named[name] for name in sys.argv[1:] or named]
    found = [problem for rule in rules for problem in rule()]
    print("\n".join(found) or f"{len(rules)} rules hold in {len(tree.files('*'))} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
