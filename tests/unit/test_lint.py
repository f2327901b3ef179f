"""Each gate of our own finds what it is there for; the tree under test is made by the test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SPECS = """---
argument_specs:
  main:
    short_description: Role
    options:
      openclaw_x_port: {type: int, default: 1, description: Port.}
"""
DEFAULTS = "---\n# Port.\nopenclaw_x_port: 1\n"
HASH = "#"  # written apart, so that the lines below silence nothing here
LOCK = '{"packages": {"": {}, "node_modules/a": {"version": "1", "integrity": "sha512-x"}}}'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A tree in which all rules hold, with copies of the gates."""
    for name in ("tests/lint/tree.py", "tests/lint/argument_specs.py", "tests/lint/house_rules.py", "tools/docs.py"):
        write(tmp_path, name, (TOP / name).read_text())
    write(tmp_path, ".ansible-lint", "---\nskip_list: []\n")
    write(tmp_path, "roles/openclaw_x/meta/argument_specs.yml", SPECS)
    write(tmp_path, "roles/openclaw_x/defaults/main.yml", DEFAULTS)
    write(tmp_path, "roles/openclaw_x/files/package-lock.json", LOCK)
    write(tmp_path, "README.md", "<!-- variables: openclaw_x -->\nold\n<!-- end of variables -->\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def write(top: Path, name: str, text: str) -> None:
    (top / name).parent.mkdir(parents=True, exist_ok=True)
    (top / name).write_text(text)


def gate(top: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=top, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def test_a_clean_tree_passes(checkout: Path) -> None:
    for name in ("argument_specs", "house_rules"):
        done = gate(checkout, f"tests/lint/{name}.py")
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("specs", "defaults", "finding"),
    [
        (SPECS, DEFAULTS.replace(": 1", ": 2"), "has the default 1, and 2"),
        (SPECS, DEFAULTS.replace(": 1", ": true"), "has the default 1, and True"),
        (SPECS, DEFAULTS.replace(": 1", ': "1"'), "has the default 1, and '1'"),
        (SPECS, DEFAULTS + "# More.\nopenclaw_x_more: 1\n", "openclaw_x_more is in defaults/main.yml only"),
        (SPECS, "---\n", "openclaw_x_port (main) is optional, and not in defaults/main.yml"),
        (SPECS, DEFAULTS.replace("# Port.\n", ""), "openclaw_x_port has no comment"),
        (SPECS.replace(", description: Port.", ""), DEFAULTS, "openclaw_x_port (main) has no description"),
        (SPECS.replace("default: 1", "required: true"), DEFAULTS, "is required, and yet has a default"),
        (SPECS.replace("    short_description: Role\n", ""), DEFAULTS, "main has no short_description"),
        (SPECS.replace("_x_port", "_y_port"), DEFAULTS, "does not start with the role's name"),
        ("---\n", DEFAULTS, "no entry point main"),
    ],
)
def test_argument_specs_and_defaults_that_differ(checkout: Path, specs: str, defaults: str, finding: str) -> None:
    write(checkout, "roles/openclaw_x/meta/argument_specs.yml", specs)
    write(checkout, "roles/openclaw_x/defaults/main.yml", defaults)
    done = gate(checkout, "tests/lint/argument_specs.py")
    assert done.returncode == 1
    assert finding in done.stdout


OPTIONS = """---
_openclaw_play_options:
  openclaw_play_port: {type: int, default: 1, description: Port.}
"""


@pytest.mark.parametrize(
    ("options", "finding"),
    [
        (OPTIONS.replace(", description: Port.", ""), "openclaw_play_port has no description"),
        (OPTIONS.replace("type: int, ", ""), "openclaw_play_port has no description or no type"),
        (OPTIONS.replace("default: 1, ", ""), "openclaw_play_port has no default"),
        (OPTIONS.replace("  openclaw_play_port", "  openclaw_other_port"), "does not start with openclaw_play_"),
        ("---\n", "there is no _openclaw_play_options"),
    ],
)
def test_options_of_a_playbook_that_are_not_described(checkout: Path, options: str, finding: str) -> None:
    write(checkout, "playbooks/vars/play_options.yml", OPTIONS)
    assert gate(checkout, "tests/lint/argument_specs.py").returncode == 0
    write(checkout, "playbooks/vars/play_options.yml", options)
    done = gate(checkout, "tests/lint/argument_specs.py")
    assert done.returncode == 1
    assert f"playbooks/vars/play_options.yml: {finding}" in done.stdout.replace("openclaw_other_port ", "")


def test_a_table_of_a_playbook_s_options_is_written(checkout: Path) -> None:
    write(checkout, "playbooks/vars/play_options.yml", OPTIONS)
    write(checkout, "README.md", "<!-- variables: openclaw_play -->\nold\n<!-- end of variables -->\n")
    assert gate(checkout, "tools/docs.py").returncode == 0
    assert "| `openclaw_play_port` | int | `1` | Port. |" in (checkout / "README.md").read_text()


@pytest.mark.parametrize(
    ("rule", "name", "text", "finding"),
    [
        ("documents", "x.json", "{", "not JSON"),
        ("lockfiles", "package-lock.json", LOCK.replace("integrity", "other"), "node_modules/a has no integrity"),
        ("lockfiles", "package-lock.json", LOCK.replace('"version"', '"resolved"'), "node_modules/a names the host"),
        ("lockfiles", "requirements/x.txt", "a==1 \\\n    --hash=sha256:0\nb==2\n", "b==2 has no hash"),
        ("silencers", ".ansible-lint", "---\nskip_list: [name]\n", "skip_list is not empty"),
        ("silencers", "tests/sanity/ignore-2.19.txt", "x\n", "shall not see"),
        ("silencers", "x.py", f"import os  {HASH} noqa\n", "silences a linter"),
        ("silencers", "x.py", f"x = 1  {HASH} type: ignore\n", "silences a linter"),
        ("silencers", "x.yml", f"---\nx: 1  {HASH} noqa: yaml\n", "silences a linter"),
        ("silencers", "Dockerfile", f"{HASH} hadolint ignore=DL3008\n", "silences a linter"),
        ("conflicts", "x.md", f"{'<' * 7} HEAD\n", "marks of a merge"),
    ],
)
def test_broken_house_rules(checkout: Path, rule: str, name: str, text: str, finding: str) -> None:
    write(checkout, name, text)
    done = gate(checkout, "tests/lint/house_rules.py", rule)
    assert done.returncode == 1
    assert finding in done.stdout


def test_a_named_rule_may_be_silenced_and_a_bundled_package_needs_no_hash(checkout: Path) -> None:
    write(checkout, "x.py", f"import os  {HASH} noqa: F401\nx = 1  {HASH} type: ignore[misc]\n")
    write(checkout, "package-lock.json", LOCK.replace('"integrity": "sha512-x"', '"inBundle": true'))
    done = gate(checkout, "tests/lint/house_rules.py", "silencers", "lockfiles")
    assert done.returncode == 0, done.stdout


def test_traces_of_this_machine(checkout: Path) -> None:
    index = gate(checkout, "-c", "from pip._internal.models.index import PyPI; print(PyPI.netloc)").stdout.strip()
    write(checkout, "x.md", f"see {checkout}/x\n\nfrom {index}\n")
    done = gate(checkout, "tests/lint/house_rules.py")
    assert done.returncode == 1
    assert f"x.md:1: names {checkout.parent}" in done.stdout
    assert f"x.md:3: names {index}" in done.stdout


def test_tables_of_variables_are_written_and_kept_current(checkout: Path) -> None:
    assert gate(checkout, "tools/docs.py", "--check").returncode == 1
    assert gate(checkout, "tools/docs.py").returncode == 0
    assert "| `openclaw_x_port` | int | `1` | Port. |" in (checkout / "README.md").read_text()
    assert gate(checkout, "tools/docs.py", "--check").returncode == 0
    write(checkout, "roles/openclaw_x/meta/argument_specs.yml", SPECS.replace("default: 1", "default: 2"))
    assert gate(checkout, "tools/docs.py", "--check").returncode == 1
