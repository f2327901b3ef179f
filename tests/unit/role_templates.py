"""What a role's files give with the options of each case; all cases in one run of ansible-playbook."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]


def written(folder: Path, role: Path, template: str, cases: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the template gives for each case.

    :param folder: an empty one, for the playbook.
    """
    for part in ("defaults", "files", "templates", "vars"):
        (folder / part).symlink_to(role / part)
    look = f"lookup('ansible.builtin.template', '{template}', template_vars=given) or ''"
    # One task for all: each run of a module costs a process.
    content = (
        f"[{{% for given in cases %}}{{{{ ({look}) | to_json }}}}{{{{ '' if loop.last else ',' }}}}{{% endfor %}}]"
    )
    return played(folder, content, vars_files=["defaults/main.yml", "vars/main.yml"], vars={"cases": cases})


def played(folder: Path, content: str, *, tasks: Sequence[dict[str, Any]] = (), **play: Any) -> list[str]:
    """Run the tasks of a play on this machine; return what a template, which gives JSON, gives after them.

    :param folder: for the playbook and what it writes.
    """
    keep = {"ansible.builtin.copy": {"content": content, "dest": f"{folder}/reported.json", "mode": "0600"}}
    play["vars"] = {"ansible_python_interpreter": sys.executable, **play.get("vars", {})}
    play.update(hosts="localhost", connection="local", gather_facts=False, tasks=[*tasks, keep])
    (folder / "play.yml").write_text(json.dumps([play]))
    argv = [sys.executable, "-m", "ansible.cli.playbook", "-i", "localhost,", str(folder / "play.yml")]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return json.loads((folder / "reported.json").read_text())
