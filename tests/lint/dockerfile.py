"""The Dockerfile, rendered by Ansible for every base and source, has no finding by hadolint."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import tree


def render(folder: str) -> None:
    """Write one Dockerfile for each combination."""
    environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0"}
    command = ["ansible-playbook", "-e", f"lint_folder={folder}", "tests/lint/dockerfile.yml"]
    done = subprocess.run(
        command, cwd=tree.TOP, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout)


def main() -> int:
    """Render, then lint what was rendered."""
    with tempfile.TemporaryDirectory() as folder:
        render(folder)
        rendered = sorted(path.name for path in Path(folder).iterdir())
        done = subprocess.run(["hadolint", "--failure-threshold", "style", *rendered], cwd=folder, check=False)
    print(f"rendered {', '.join(rendered)}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
