"""Which hosts a playbook runs on: those that were named, or none and an error; never the controller by accident."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

CHECKOUT = Path(__file__).resolve().parents[4]
PULL = CHECKOUT / "docs/examples/ansible-pull"
PLAYBOOKS = sorted((CHECKOUT / "playbooks").glob("*.yml"))
FILES = {
    "empty.yml": "",
    "no_hosts.yml": "openclaw: {hosts: {}}",
    "other_group.yml": "web: {hosts: {alpha: {}}}",
    # What a default inventory of the administrator's machine often has.
    "localhost_elsewhere.yml": "ungrouped: {hosts: {localhost: {ansible_connection: local}}}",
    "two_groups.yml": "{openclaw: {hosts: {alpha: {}}}, web: {hosts: {localhost: {ansible_connection: local}}}}",
    "local.yml": "openclaw: {hosts: {localhost: {ansible_connection: local}}}",
}
# Arguments that name no host, and what the message reports of it.
NOBODY = {
    "no inventory": ([], "no host in the inventory"),
    "a mistyped path": (["-i", "inventry.yml"], "inventry.yml)"),
    "an empty file": (["-i", "empty.yml"], "no host in the inventory"),
    "a group without hosts": (["-i", "no_hosts.yml"], "no host in the inventory"),
    "an inventory without the group": (["-i", "other_group.yml"], "no host for 'openclaw' among the 1"),
    "localhost outside the group": (["-i", "localhost_elsewhere.yml"], "no host for 'openclaw'"),
    "local, but nobody is named": (["-i", "localhost_elsewhere.yml", "-c", "local"], "no host for 'openclaw'"),
    "a limit outside the group": (["-i", "two_groups.yml", "--limit", "localhost"], "within --limit localhost"),
}  # fmt: skip
# Arguments that name this machine.
THIS_MACHINE = {
    "on the command line": ["-i", "localhost,", "-c", "local"],
    "in the group": ["-i", "local.yml"],
    "by the pattern": ["-e", "openclaw_hosts=localhost"],
}

# The lookup is one: the first playbook meets everything, the others what is most likely.
RUNS = [
    (playbook, case)
    for playbook in PLAYBOOKS
    for case in NOBODY
    if playbook == PLAYBOOKS[0] or case == "an inventory without the group"
]


class Ran(NamedTuple):
    rc: int
    text: str
    #: what was run on this machine
    local: str
    #: what is in the folder from where it was started
    left: list[str]


@pytest.fixture
def run(tmp_path):
    """Run a playbook for real, with a shell for the local connection that only writes down its call."""
    shell, marker = tmp_path / "shell", tmp_path / "marker"
    shell.write_text(f'#!/bin/sh\necho called >> {marker}\necho "not here" >&2\nexit 9\n')
    shell.chmod(0o755)
    folder = tmp_path / "started"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)

    def run(playbook: Path, *arguments: str, cwd: Path = folder) -> Ran:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
            "ANSIBLE_EXECUTABLE": str(shell),
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            # Instead of /etc/ansible/hosts of this machine.
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_INVENTORY": str(tmp_path / "none"),
        }
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), *arguments, str(playbook)]
        ran = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=cwd, check=False)
        left = sorted(set(os.listdir(folder)) - set(FILES))
        return Ran(ran.returncode, ran.stdout + ran.stderr, marker.read_text() if marker.exists() else "", left)

    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    return run


@pytest.mark.parametrize(("playbook", "case"), RUNS, ids=lambda value: getattr(value, "stem", value))
def test_a_playbook_without_a_host_fails_and_leaves_this_machine_alone(run, playbook, case):
    arguments, words = NOBODY[case]
    ran = run(playbook, *arguments)
    assert ran.rc != 0
    assert words in ran.text
    for advice in ("the group 'openclaw'", "-e openclaw_hosts=PATTERN", "-i localhost, -c local"):
        assert advice in ran.text
    assert "TASK [" not in ran.text
    assert (ran.local, ran.left) == ("", [])


@pytest.mark.parametrize("option", ["--list-hosts", "--check"])
def test_a_listing_and_a_prediction_fail_too(run, option):
    ran = run(PLAYBOOKS[-1], option)
    assert ran.rc != 0
    assert "no host in the inventory" in ran.text
    assert ran.local == ""


def test_a_limit_that_matches_nobody_is_an_error_of_ansible(run):
    ran = run(PLAYBOOKS[0], "-i", "two_groups.yml", "--limit", "nobody")
    assert ran.rc != 0
    assert "no hosts to target" in ran.text
    assert ran.local == ""


@pytest.mark.parametrize(
    ("playbook", "case"),
    [(playbook, "on the command line") for playbook in PLAYBOOKS]
    + [(PLAYBOOKS[-1], case) for case in ("in the group", "by the pattern")],
    ids=lambda value: getattr(value, "stem", value),
)
def test_this_machine_is_the_target_when_it_is_named(run, playbook, case):
    ran = run(playbook, *THIS_MACHINE[case])
    assert "localhost" in ran.text
    # The marker can be seen: what the tests above rest on.
    assert "called" in ran.local


def test_the_example_of_ansible_pull_names_the_machine_and_is_refused_without_its_inventory(run):
    # What ansible-pull calls: its limit, and no -i where the inventory is not in the repository.
    limit = ["--limit", "localhost,gateway-01,127.0.0.1"]
    ran = run(PULL / "site.yml", "-i", "inventory.yml", *limit, "--list-hosts", cwd=PULL)
    assert ran.rc == 0, ran.text
    assert "localhost" in ran.text
    ran = run(PULL / "site.yml", *limit)
    assert ran.rc != 0
    assert "no host in the inventory" in ran.text
    assert ran.local == ""


def test_a_pattern_names_other_hosts_also_from_an_importing_playbook(run, tmp_path):
    ran = run(PLAYBOOKS[-1], "-i", "two_groups.yml", "-e", "openclaw_hosts=alp*", "--list-hosts")
    assert (ran.rc, "alpha" in ran.text, "localhost" in ran.text) == (0, True, False), ran.text
    importing = tmp_path / "importing.yml"
    importing.write_text(
        "- ansible.builtin.import_playbook: openclaw.hardening.verify\n  vars: {openclaw_hosts: alpha}\n"
    )
    ran = run(importing, "-i", "two_groups.yml", "--list-hosts")
    assert (ran.rc, "alpha" in ran.text, "localhost" in ran.text) == (0, True, False), ran.text
    ran = run(importing, "-i", "local.yml", "--list-hosts")
    assert ran.rc != 0
    assert "no host for 'alpha'" in ran.text


@pytest.mark.parametrize("option", ["--syntax-check", "--list-tasks"])
def test_what_has_no_target_needs_no_inventory(run, option):
    assert run(PLAYBOOKS[-1], option).rc == 0
