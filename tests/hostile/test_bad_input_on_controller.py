"""Hostile values in every option of the actions that work on the controller: refused cleanly, or no harm done.

All values go through two runs of a playbook: in check mode, and, those that were refused there, for real.
"""

from __future__ import annotations

import json
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from check import outcome, read
from hostile_host import LONG, requests
from lab_host import TOOLS, ansible_environment
from options import COLLECTION, ON_CONTROLLER, documented, get, places, put
from samples import controller_requests
from values import drawn

EXAMPLES = 40 if LONG else 6


@pytest.fixture(scope="module")
def good(host, serve, tmp_path_factory) -> dict[str, dict[str, Any]]:
    """Return a request for each action, with a folder for its files."""
    folder = tmp_path_factory.mktemp("reports")
    audit = read(serve("hardening_info").run(requests(host, "hardening_info")[0], check=True))
    return controller_requests(audit, str(folder))


@pytest.fixture
def play(tmp_path):
    """Return a function that runs the action with each of these options, and returns the answers and what was shown."""

    def run(module: str, attempts: list[dict[str, Any]], *flags: str) -> tuple[list[dict[str, Any]], str]:
        (tmp_path / "attempts.json").write_text(json.dumps(attempts))
        options = {name: f"{{{{ item.{name} | default(omit) }}}}" for name in documented()[module]}
        tasks = [
            {f"{COLLECTION}.{module}": options, "loop": "{{ attempts }}", "loop_control": {"label": ""},
             "register": "done", "ignore_errors": True},
            {"ansible.builtin.copy": {"content": "{{ done.results | to_json }}", "dest": str(tmp_path / "done.json")},
             "check_mode": False, "no_log": True},
        ]  # fmt: skip
        attempts_file = f"{{{{ lookup('ansible.builtin.file', '{tmp_path}/attempts.json') | from_json }}}}"
        the_play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks,
                    "vars": {"attempts": attempts_file}}  # fmt: skip
        (tmp_path / "play.yml").write_text(json.dumps([the_play]))
        process = subprocess.run(
            [str(TOOLS / "ansible-playbook"), "play.yml", *flags],
            cwd=tmp_path,
            env=ansible_environment(HOME=str(tmp_path)),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )  # fmt: skip
        output = process.stdout + process.stderr
        assert process.returncode == 0, output[-3000:]
        return json.loads((tmp_path / "done.json").read_text()), output

    return run


def looked_at(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    """Return what lies below a folder, and below what belongs to root on this machine."""
    found = {}
    for top in (folder, Path("/etc")):
        for path in [top, *top.rglob("*")] if top.exists() else ():
            state = path.lstat()
            found[str(path)] = (state.st_mode, state.st_uid, state.st_size, state.st_mtime_ns)
    return found


def attempts(module: str, good: dict[str, Any]) -> list[tuple[str, list[str], dict[str, Any]]]:
    """Return a name, the options to blame, and the request of each attempt."""
    found = []
    for place in places(module):
        for labelled in drawn(get(good, place.path), zlib.crc32(f"{module} {place}".encode()), EXAMPLES):
            # A lone surrogate does not survive Ansible's own JSON: it cannot come from a playbook.
            if "\\ud" not in ascii(labelled):
                name = f"{place} = {ascii(labelled)[:300]}"
                blamed = [*place.names, *(f"set '{option}'" for option in documented()[module])]
                found.append((name, blamed, put(good, place.path, labelled[1])))
    return found


@pytest.mark.parametrize("module", ON_CONTROLLER)
def test_hostile_values(module, good, play, tmp_path):
    good = good[module]
    tried = attempts(module, good)
    folder = Path(good.get("directory", tmp_path / "none"))
    before = looked_at(folder)
    answers = play(module, [good, *(request for _name, _blamed, request in tried)], "--check")[0]
    assert verdict("the good request", [], answers.pop(0)) == "legal"
    assert len(answers) == len(tried) >= len(places(module)) * 4
    verdicts = [verdict(name, blamed, answer) for (name, blamed, _request), answer in zip(tried, answers)]
    legal, refused = ([attempt for attempt, found in zip(tried, verdicts) if (found == "legal") is is_legal]
                      for is_legal in (True, False))  # fmt: skip
    for (name, blamed, _request), answer in zip(refused, play(module, [request for *_rest, request in refused])[0]):
        assert verdict(name, blamed, answer) != "legal", f"{name}: check mode refuses what the run accepts"
    assert looked_at(folder) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"attempts.json", "done.json", "play.yml", ".ansible"}
    # What Ansible itself refuses it quotes as it is; a table of ours shows nothing that moves a cursor.
    assert not set(play(module, [request for *_rest, request in legal], "--check")[1]) & set("\x1b\x07\x9b\u202e\u2066")
    print(f"\nhostile values of {module}: {len(tried)}, refused: {len(refused)}")
    assert 0 < len(refused) < len(tried)


def verdict(name: str, blamed: list[str], answer: dict[str, Any]) -> str:
    """Check an answer; what is wrong is reported with the value's name."""
    try:
        return outcome(answer, blamed)
    except AssertionError as error:
        raise AssertionError(f"{name}: {error}") from None
