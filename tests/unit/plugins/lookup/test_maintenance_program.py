"""The program of the maintenance units: the same bytes everywhere, what it imports and no more, and without Ansible."""

from __future__ import annotations

import ast
import base64
import gzip
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.lookup import maintenance_program
from ansible_collections.openclaw.hardening.plugins.module_utils._files import options

TOP = Path(__file__).resolve().parents[4]
INSIDE = "ansible_collections/openclaw/hardening/"
# Nothing of the environment, and no package beside Python's own.
PYTHON = [sys.executable, "-I", "-B", "-S"]
# Runs the program, and writes what it has loaded from elsewhere than itself and Python.
LOADED = """import runpy, sys
sys.argv = [{path!r}]
try:
    runpy.run_path({path!r}, run_name="__main__")
except SystemExit as end:
    code = end.code
print(code, sorted(name for name in sys.modules if name.partition(".")[0] in ("ansible", "docker", "yaml", "requests")))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program alone in an empty directory, unpacked as the module systemd_unit unpacks it."""
    (content,) = maintenance_program.LookupModule().run([])
    path = tmp_path_factory.mktemp("program") / "maintenance.pyz"
    path.write_bytes(options._content({"content": content, "encoding": "gzip"}))
    return path


def started(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [*PYTHON, str(program), *arguments]
    return subprocess.run(argv, cwd=program.parent, env={}, capture_output=True, text=True, check=False, timeout=60)


def test_it_is_the_same_everywhere() -> None:
    assert maintenance_program.archive() == maintenance_program.archive()
    packed = base64.b64decode(maintenance_program.packed())
    assert packed[4:8] == b"\0\0\0\0", "no time in the header of gzip"
    with zipfile.ZipFile(io.BytesIO(gzip.decompress(packed))) as file:
        entries = file.infolist()
    assert [entry.filename for entry in entries] == sorted({entry.filename for entry in entries})
    assert {(entry.date_time, entry.create_system, entry.external_attr >> 16, entry.compress_type)
            for entry in entries} == {((1980, 1, 1, 0, 0, 0), 3, 0o644, zipfile.ZIP_STORED)}  # fmt: skip


def test_it_does_not_depend_on_where_the_controller_works(tmp_path: Path) -> None:
    code = ("import hashlib; from ansible_collections.openclaw.hardening.plugins.lookup import maintenance_program; "
            "print(hashlib.sha256(maintenance_program.archive()).hexdigest())")  # fmt: skip
    paths = os.pathsep.join(path for path in sys.path if path)
    found = set()
    for number, seed in enumerate(("1", "2")):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": paths,
            "HOME": str(folder),
            "LC_ALL": "C",
            "TZ": f"UTC{number}",
        }
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_it_has_the_files_of_the_collection_byte_for_byte(program: Path) -> None:
    with zipfile.ZipFile(program) as file:
        names = file.namelist()
        for name in names:
            if name.startswith(INSIDE) and file.read(name):
                assert file.read(name) == (TOP / name.removeprefix(INSIDE)).read_bytes(), name
            elif name.startswith("ansible_collections/"):
                assert name.endswith("/__init__.py"), name
    beside = [name for name in names if not name.startswith("ansible_collections/")]
    assert beside == ["__main__.py", "auth_notifier.py", "maintenance_notifier.py"]
    # No module, no role, nothing for the controller.
    assert {name.split("/")[4] for name in names if name.count("/") > 4} == {"module_utils"}


def test_it_has_what_is_imported_and_no_more(program: Path) -> None:
    """What the jobs import, found by another way than the lookup's: a process that has imported all of it."""
    with zipfile.ZipFile(program) as file:
        there = {name.removesuffix(".py").replace("/", ".") for name in file.namelist() if name.startswith(INSIDE)}
        sources = {name: file.read(name).decode() for name in file.namelist()}
    there = {name for name in there if not name.endswith("__init__")}
    wanted = set()
    for source in sources.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ansible_collections."):
                wanted |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    first = "ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.program"
    assert there - wanted - {first} == set(), "nobody imports it"
    names = {name for name in wanted if (TOP / f"{name.replace('.', '/').removeprefix(INSIDE)}.py").is_file()}
    assert names - there == set(), "it is missing"


def test_without_ansible_it_explains_how_to_use_it(program: Path) -> None:
    done = started(program)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "usage: run audit|backup|update|events SETTINGS, or: ended audit|backup|update|events SETTINGS\n"
    )
    assert list(program.parent.iterdir()) == [program], "it leaves nothing beside itself"


def test_the_notifier_starts_without_ansible(program: Path) -> None:
    done = started(program, "notify")
    assert done.returncode == 1
    assert done.stdout.startswith("<3>systemd handed over no settings")
    assert done.stderr == ""


def test_nothing_of_ansible_is_imported_where_it_is_there(program: Path) -> None:
    code = LOADED.format(path=str(program))
    argv = [sys.executable, "-I", "-B", "-c", code]
    done = subprocess.run(argv, cwd=program.parent, capture_output=True, text=True, check=False, timeout=60)
    code_and_names = done.stdout.strip().partition(" ")
    assert code_and_names[0] == "2", done
    assert "ansible" not in code_and_names[2]


def test_ansible_is_imported_by_nothing_at_import_time(program: Path) -> None:
    """Only below ``if TYPE_CHECKING``, or in a function that the controller alone calls."""
    found = []
    with zipfile.ZipFile(program) as file:
        for name in file.namelist():
            for node in at_import(ast.parse(file.read(name)).body):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [module]
                found += [name for each in names if each.partition(".")[0] == "ansible"]
    assert found == []


def at_import(body: list[ast.stmt]) -> list[ast.Import | ast.ImportFrom]:
    """Return the imports that happen when a module is imported."""
    found: list[ast.Import | ast.ImportFrom] = []
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(node)
        elif isinstance(node, ast.Try):
            found += at_import([*node.body, *node.orelse, *node.finalbody, *(s for h in node.handlers for s in h.body)])
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            found += at_import([*node.body, *node.orelse])
        elif isinstance(node, (ast.With, ast.ClassDef)):
            found += at_import(node.body)
    return found
