"""Imports point downwards, packages keep their private names, and what lists the modules names all of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import metrics

TOP = Path(__file__).resolve().parents[2]
PLUGINS = TOP / "plugins"
PREFIX = "ansible_collections.openclaw.hardening.plugins."
ROLES = sorted(path for path in (TOP / "roles").iterdir() if path.is_dir())
MODULES = sorted((PLUGINS / "modules").glob("*.py"))

# From top to bottom: what is on a line imports from the lines below it only (and inside of its own package).
LAYERS = """
action filter lookup doc_fragments
modules
plugin_utils._rollout
plugin_utils._settings
plugin_utils._report plugin_utils
module_utils._maintenance
module_utils._removal
module_utils._diagnose
module_utils._backup module_utils._migrate
module_utils._deploy
module_utils._policy
module_utils._preflight module_utils._instance
module_utils._evidence
module_utils._image
module_utils._systemd
module_utils._docker
module_utils._system
module_utils._files module_utils._secrets
module_utils._core
"""
LEVELS = {package: level for level, line in enumerate(reversed(LAYERS.split("\n"))) for package in line.split()}
# The four that any project could take.
GENERAL = ("module_utils._core", "module_utils._secrets", "module_utils._files", "module_utils._system")
LONGEST = 400


def files(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in PLUGINS.rglob(pattern) if path.name != "__init__.py")


SOURCES = files("*.py")


def name(path: Path) -> str:
    """``module_utils._core.errors`` for a file, ``module_utils._core`` for a folder."""
    return ".".join(path.relative_to(PLUGINS).with_suffix("").parts)


def package(module: str) -> str:
    """The package of a module; the rules belong to the policy, and a flat helper of modules is a package of its own."""
    above = module.rpartition(".")[0]
    return module if above == "module_utils" else above.removesuffix(".rules")


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the modules of ours that a file imports, wherever in it, with the name that it takes of them (or none)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name[len(PREFIX) :], "") for alias in node.names if alias.name.startswith(PREFIX))
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name(path)}: a relative import"
            source = f"{node.module}."
            if source.startswith(PREFIX):
                where = source[len(PREFIX) : -1]
                for alias in node.names:
                    inner = PLUGINS / f"{where.replace('.', '/')}/{alias.name}.py"
                    yield (f"{where}.{alias.name}", "") if inner.is_file() else (where, alias.name)


def upward(path: Path) -> list[str]:
    """Return the imports of a file that do not point to a lower layer."""
    own = package(name(path))
    return [
        module
        for module, _taken in imported(path)
        if package(module) != own and not LEVELS[package(module)] < LEVELS[own]
    ]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_an_import_points_downwards(path: Path) -> None:
    assert package(name(path)) in LEVELS, "add the package to LAYERS"
    assert upward(path) == []


def test_every_layer_is_there() -> None:
    assert set(LEVELS) == {package(name(path)) for path in SOURCES}


def test_an_upward_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PLUGINS", tmp_path)
    lower = tmp_path / "module_utils/_files/planted.py"
    upper = tmp_path / "module_utils/_deploy/plan.py"
    for path in (lower, upper):
        path.parent.mkdir(parents=True)
    upper.touch()
    for line in (f"from {PREFIX}module_utils._deploy import plan", f"import {PREFIX}module_utils._deploy.plan"):
        lower.write_text(f"def late():\n    {line}\n")
        assert upward(lower) == ["module_utils._deploy.plan"]
    lower.write_text(f"from {PREFIX}module_utils._core.errors import HardeningError\n")
    assert upward(lower) == []


def test_modules_import_in_no_circle() -> None:
    arrows = {name(path): {module for module, _taken in imported(path)} for path in SOURCES}
    while arrows:
        lowest = {module for module, needed in arrows.items() if not needed & arrows.keys()}
        assert lowest, f"these import each other: {sorted(arrows)}"
        arrows = {module: needed for module, needed in arrows.items() if module not in lowest}


def private_names(path: Path) -> list[str]:
    """Return the private names of another module that a file uses."""
    modules = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(PREFIX):
            for alias in node.names:
                if (PLUGINS / f"{node.module[len(PREFIX) :].replace('.', '/')}/{alias.name}.py").is_file():
                    modules[alias.asname or alias.name] = alias.name
    found = [f"{module}.{taken}" for module, taken in imported(path) if taken.startswith("_")]
    return found + [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
        and node.attr.startswith("_")
    ]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_uses_the_private_name_of_another_module(path: Path) -> None:
    assert private_names(path) == []


# Longer than they should be: most of each is its documentation.
LONG = {"modules.hardened_compose", "modules.systemd_unit"}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_is_not_too_long(path: Path) -> None:
    too_long = len(path.read_text().splitlines()) > LONGEST
    assert too_long == (name(path) in LONG)


# They name this project itself, or a word that is easy to guess.
NAMED_FOR_US = {"module_utils._files.header", "module_utils._system.lock", "module_utils._secrets.strength"}


@pytest.mark.parametrize("path", [path for path in SOURCES if package(name(path)) in GENERAL], ids=name)
def test_a_general_helper_does_not_know_openclaw(path: Path) -> None:
    code = re.sub(r"\A(#.*\n)*", "", path.read_text()).replace("ansible_collections.openclaw.hardening", "")
    assert bool(re.search("openclaw", code, re.IGNORECASE)) == (name(path) in NAMED_FOR_US)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_below_a_role_knows_a_variable_of_one(path: Path) -> None:
    text = path.read_text()
    examples = re.search(r'^EXAMPLES = r"""\n.*?^"""', text, re.DOTALL | re.MULTILINE)
    code = text.replace(examples[0], "") if examples else text
    for metric in metrics.ALL:
        code = code.replace(f'"{metric.name}"', "")
    named = [*(role.name for role in ROLES), "openclaw_rollout"]
    assert not [name for name in named if re.search(rf"\b_*{name}_\w+", code)]


def test_helpers_are_private_and_their_packages_empty() -> None:
    for kind in ("module_utils", "plugin_utils"):
        assert [path.name for path in (PLUGINS / kind).iterdir() if not path.name.startswith("_")] == []
    assert [name(path) for path in PLUGINS.rglob("__init__.py") if path.read_text()] == []


@pytest.mark.parametrize("path", files("action/*.py"), ids=name)
def test_an_action_has_its_documentation(path: Path) -> None:
    assert (PLUGINS / "modules" / path.name).is_file()


def test_the_action_group_is_all_modules() -> None:
    groups = yaml.safe_load((TOP / "meta/runtime.yml").read_text())["action_groups"]
    assert len(groups) == 1
    (listed,) = groups.values()
    assert listed == [module.stem for module in MODULES]


# --- tests --------------------------------------------------------------------------------------------------------

UNIT_TESTS = sorted((TOP / "tests/unit/plugins").rglob("test_*.py"))
# Of an action plugin, whose documentation is the module.
ACTIONS_ONLY = {
    "rollout_plan": "_rollout/test_plan.py",
    "rollout_report": "_rollout/test_summary.py",
    "validate_settings": "_settings/test_role.py",
}
# Of a whole package.
WHOLE = {
    "_deploy/test_failure_cases_healed.py",
    "_policy/test_weakened_definitions.py",
    "_report/test_formats.py",
}


@pytest.mark.parametrize("test", UNIT_TESTS, ids=lambda path: path.name)
def test_a_unit_test_is_where_its_module_is(test: Path) -> None:
    if "/".join(test.parts[-2:]) in WHOLE:
        return
    inside = test.relative_to(TOP / "tests/unit/plugins")
    plain, private = test.name.removeprefix("test_"), test.name.removeprefix("test")
    assert (PLUGINS / inside.with_name(plain)).is_file() or (PLUGINS / inside.with_name(private)).is_file()


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_every_module_has_unit_tests(module: Path) -> None:
    tests = TOP / f"tests/unit/plugins/modules/test_{module.name}"
    if module.stem in ACTIONS_ONLY:
        tests = TOP / "tests/unit/plugins/plugin_utils" / ACTIONS_ONLY[module.stem]
    assert tests.is_file()
    assert re.search(r"^(    |async )*def test_", tests.read_text(), re.MULTILINE)


# --- roles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_a_role_is_named_for_the_collection_and_has_its_parts(role: Path) -> None:
    assert re.fullmatch(r"openclaw_[a-z]+(_[a-z]+)*", role.name)
    for part in ("defaults/main.yml", "meta/argument_specs.yml", "tasks/main.yml"):
        assert (role / part).is_file(), f"{part} is missing"


OWNERS = [*ROLES, TOP / "playbooks"]


@pytest.mark.parametrize("owner", OWNERS, ids=lambda path: path.name)
def test_a_register_is_read_by_its_own_role_only(owner: Path) -> None:
    text = "".join(path.read_text() for path in sorted(owner.rglob("*.yml")) + sorted(owner.rglob("*.j2")))
    playbooks = [f"openclaw_{path.name}" for path in (owner / "tasks").iterdir() if path.is_dir()]
    own = tuple(f"__{name}_" for name in (playbooks if owner.name == "playbooks" else [owner.name]))
    assert {found for found in re.findall(r"\b__openclaw_\w+", text) if not found.startswith(own)} == set()
    # A bag of everything under one name hides what is handed on.
    assert not re.search(r"\bopenclaw_\w*seen\b", text)


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_a_role_leaves_the_facts_to_the_preflight(role: Path) -> None:
    tasks = "\n".join(path.read_text() for path in (role / "tasks").glob("*.yml"))
    assert "gather_facts" not in tasks
    assert "ansible.builtin.setup" not in tasks
