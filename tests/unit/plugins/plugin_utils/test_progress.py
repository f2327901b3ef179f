"""What is printed of a long module while it runs: by real runs of ansible-playbook on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.plugin_utils import _progress as subject

CHECKOUT = Path(__file__).resolve().parents[4]
ROOT = "ansible_collections.openclaw.hardening.plugins"
# The module of a test collection: as long as ours, with our log.
MODULE = f"""#!/usr/bin/python
DOCUMENTATION = "module: slow"
import time
from ansible.module_utils.basic import AnsibleModule
from {ROOT}.module_utils._system import progress

def main():
    module = AnsibleModule({{"name": {{"type": "str"}}}}, supports_check_mode=True)
    with progress.log("slow", module.params["name"]):
        progress.step("first")
        progress.step("second")
        time.sleep(0 if module.check_mode else 3)
    module.exit_json(changed=True)

if __name__ == "__main__":
    main()
"""
ACTION = f"""
from {ROOT}.plugin_utils import _progress
_progress.EVERY, _progress.AGAIN = 0.5, 1.0

class ActionModule(_progress.ProgressAction):
    kind, subject = "slow", "name"
"""


@pytest.fixture
def play(tmp_path, as_root):
    own = tmp_path / "ansible_collections/test/slow/plugins"
    for kind, text in (("modules", MODULE), ("action", ACTION)):
        (own / kind).mkdir(parents=True)
        (own / kind / "slow.py").write_text(text)

    def run(*arguments: str, **keywords: object) -> tuple[str, float]:
        task = {"test.slow.slow": {"name": f"{tmp_path}"}, **keywords}
        playbook = tmp_path / "play.yml"
        playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        inventory = tmp_path / "hosts.yml"
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory.write_text(json.dumps({"all": {"hosts": {"here": host}}}))
        paths = os.pathsep.join([str(tmp_path), str(CHECKOUT / ".collections")])
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(playbook), *arguments]
        began = time.monotonic()
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": paths, "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, time.monotonic() - began

    return run


def test_the_steps_are_printed_while_the_module_runs(play):
    printed, _seconds = play()
    assert "here: first (" in printed
    assert printed.count("here: second (") >= 2, "a step that goes on is printed again"
    assert printed.index("here: first") < printed.index("changed: [here]")


@pytest.mark.parametrize(
    ("arguments", "keywords"), [(("--check",), {}), ((), {"no_log": True})], ids=["check", "no_log"]
)
def test_a_prediction_and_a_hidden_task_print_nothing(play, arguments, keywords):
    printed, _seconds = play(*arguments, **keywords)
    assert "first" not in printed
    assert "second" not in printed


def test_new_steps_are_printed_once_and_the_last_one_again():
    printed = subject.Printed()
    assert printed.news([], 0) == []
    assert printed.news([(1, "a")], 3) == ["a (2 s)"]
    assert printed.news([(1, "a")], 4) == []
    assert printed.news([(1, "a"), (5, "b"), (6, "c")], 7) == ["b (2 s)", "c (1 s)"]
    assert printed.news([(1, "a"), (5, "b"), (6, "c")], 7 + subject.AGAIN) == ["c (16 s)"]
    # A clock that was read a moment before the step.
    assert printed.news([(1, "a"), (5, "b"), (6, "c"), (90, "d")], 89.6) == ["d (0 s)"]


def test_the_log_and_the_uptime_are_split():
    assert subject.parse("3 a\r\n4 b\r\n12.34 5.00\r\n") == ([(3, "a"), (4, "b")], 12.34)
    assert subject.parse("12.34 5.00\n") == ([], 12.34)
    with pytest.raises(ValueError, match="float"):
        subject.parse("cat: no such file")


def test_a_look_that_fails_stops_nothing(monkeypatch):
    monkeypatch.setattr(subject, "EVERY", 0.01)
    looked = []

    def look():
        looked.append(1)
        raise OSError("away")

    with subject.printing("here", look):
        time.sleep(0.2)
    assert looked == [1]
