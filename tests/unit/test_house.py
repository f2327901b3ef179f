"""The layers point downwards only, and what is written down about the modules names all of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.openclaw.hardening"
HELPERS_PACKAGE = f"{COLLECTION}.plugins.module_utils"
MODULES = sorted((TOP / "plugins/modules").glob("*.py"))
HELPERS = sorted((TOP / "plugins/module_utils").glob("*.py"))
CONTROLLER_PACKAGE = f"{COLLECTION}.plugins.plugin_utils"
ACTIONS = sorted((TOP / "plugins/action").glob("*.py"))
CONTROLLER_HELPERS = sorted((TOP / "plugins/plugin_utils").glob("*.py"))
ROLES = sorted(path for path in (TOP / "roles").iterdir() if path.is_dir())


def name(path: Path) -> str:
    return path.stem


def imports(path: Path) -> set[str]:
    """Full names of all that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            packages = (HELPERS_PACKAGE, CONTROLLER_PACKAGE)
            found |= {f"{source}.{alias.name}" for alias in node.names} if source in packages else {source}
    return found


def ours(path: Path) -> set[str]:
    return {imported for imported in imports(path) if imported.startswith((COLLECTION, "."))}


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_imports_helpers_only(module: Path) -> None:
    assert {imported.rsplit(".", 1)[0] for imported in ours(module)} <= {HELPERS_PACKAGE}


@pytest.mark.parametrize("helper", HELPERS, ids=name)
def test_a_helper_is_private_and_imports_helpers_only(helper: Path) -> None:
    assert helper.name.startswith("_")
    assert {imported.rsplit(".", 1)[0] for imported in ours(helper)} <= {HELPERS_PACKAGE}


@pytest.mark.parametrize("action", ACTIONS, ids=name)
def test_an_action_imports_helpers_only_and_has_its_documentation(action: Path) -> None:
    assert {imported.rsplit(".", 1)[0] for imported in ours(action)} <= {HELPERS_PACKAGE, CONTROLLER_PACKAGE}
    assert (TOP / "plugins/modules" / action.name).is_file()


@pytest.mark.parametrize("helper", CONTROLLER_HELPERS, ids=name)
def test_a_helper_of_the_controller_is_private_and_imports_helpers_only(helper: Path) -> None:
    assert helper.name.startswith("_")
    assert {imported.rsplit(".", 1)[0] for imported in ours(helper)} <= {HELPERS_PACKAGE, CONTROLLER_PACKAGE}


def test_no_helper_has_the_name_of_another() -> None:
    assert not {helper.name for helper in HELPERS} & {helper.name for helper in CONTROLLER_HELPERS}


def test_helpers_import_in_no_circle() -> None:
    arrows = {
        helper.stem: {imported.rsplit(".", 1)[1] for imported in ours(helper) if "_utils." in imported}
        for helper in [*HELPERS, *CONTROLLER_HELPERS]
    }
    while arrows:
        lowest = {helper for helper, needed in arrows.items() if not needed & arrows.keys()}
        assert lowest, f"these import each other: {sorted(arrows)}"
        arrows = {helper: needed for helper, needed in arrows.items() if helper not in lowest}


@pytest.mark.parametrize("path", [*MODULES, *ACTIONS, *HELPERS, *CONTROLLER_HELPERS], ids=name)
def test_nothing_below_a_role_knows_a_variable_of_one(path: Path) -> None:
    text = path.read_text()
    examples = re.search(r'^EXAMPLES = r"""\n.*?^"""', text, re.DOTALL | re.MULTILINE)
    code = text.replace(examples[0], "") if examples else text
    assert not [role.name for role in ROLES if re.search(rf"\b_*{role.name}_\w+", code)]


def test_the_action_group_is_all_modules() -> None:
    groups = yaml.safe_load((TOP / "meta/runtime.yml").read_text())["action_groups"]
    assert len(groups) == 1
    (listed,) = groups.values()
    assert listed == [module.stem for module in MODULES]


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_every_module_has_unit_tests(module: Path) -> None:
    tests = TOP / f"tests/unit/test_{module.stem}.py"
    assert tests.is_file()
    assert re.search(r"^(    |async )*def test_", tests.read_text(), re.MULTILINE)


@pytest.mark.parametrize("role", ROLES, ids=name)
def test_a_role_is_named_for_the_collection_and_has_its_parts(role: Path) -> None:
    assert re.fullmatch(r"openclaw_[a-z]+(_[a-z]+)*", role.name)
    for part in ("defaults/main.yml", "meta/argument_specs.yml", "tasks/main.yml"):
        assert (role / part).is_file(), f"{part} is missing"


@pytest.mark.parametrize("role", ROLES, ids=name)
def test_a_role_leaves_the_facts_to_the_preflight(role: Path) -> None:
    tasks = "\n".join(path.read_text() for path in (role / "tasks").glob("*.yml"))
    assert "gather_facts" not in tasks
    assert "ansible.builtin.setup" not in tasks
