"""The collection as users get it: built, installed elsewhere, and used by its name."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


def tool(name: str, *arguments: str, **environment: str) -> str:
    result = subprocess.run(
        [str(TOOLS / name), *arguments],
        capture_output=True,
        text=True,
        cwd=CHECKOUT if name == "ansible-galaxy" else "/",
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0", **environment},
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    tool("ansible-galaxy", "collection", "build", "--output-path", str(folder))
    return next(folder.glob("openclaw-hardening-*.tar.gz"))


@pytest.fixture(scope="module")
def installed(archive, tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("collections"))
    tool(
        "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "-p",
        folder,
        str(archive),
        ANSIBLE_COLLECTIONS_PATH=folder,
    )
    return folder


def test_the_archive_holds_the_collection_and_nothing_of_the_workshop(archive):
    with tarfile.open(archive) as content:
        names = content.getnames()
    for needed in (
        "README.md",
        "LICENSE",
        "meta/runtime.yml",
        "playbooks/site.yml",
        "plugins/modules/hardened_image.py",
    ):
        assert needed in names
    assert [name for name in names if name.startswith((".", "build", "tests/output"))] == []
    assert sum(name.endswith("playbooks/site.yml") for name in names) == 1


def test_the_installed_playbook_is_found_by_its_name_and_its_target_when_it_is_named(installed):
    asked = ("-i", "localhost,", "-c", "local")
    listed = tool(
        "ansible-playbook", *asked, "--list-hosts", "openclaw.hardening.site", ANSIBLE_COLLECTIONS_PATH=installed
    )
    assert "localhost" in listed
    tasks = tool("ansible-playbook", "--list-tasks", "openclaw.hardening.site", ANSIBLE_COLLECTIONS_PATH=installed)
    assert "openclaw_gateway" in tasks


def test_with_an_inventory_the_group_is_the_target(installed, tmp_path):
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("{openclaw: {hosts: {alpha: {}}}, others: {hosts: {beta: {}}}}")
    listed = tool(
        "ansible-playbook", "-i", str(inventory), "--list-hosts", "openclaw.hardening.site",
        ANSIBLE_COLLECTIONS_PATH=installed,
    )  # fmt: skip
    assert "alpha" in listed
    assert "beta" not in listed
    assert "localhost" not in listed


def test_every_module_is_documented_by_the_installed_collection(installed):
    names = [file.stem for file in (CHECKOUT / "plugins" / "modules").glob("*.py")]
    documented = tool("ansible-doc", "--list", "openclaw.hardening", ANSIBLE_COLLECTIONS_PATH=installed)
    for name in names:
        assert f"openclaw.hardening.{name}" in documented
