"""The Dockerfile, rendered by Ansible for every base and source, has no finding by hadolint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import tree

ROLE = tree.TOP / "roles/openclaw_image"
COMBINATIONS = [(base, source) for base in ("debian", "registry") for source in ("package", "checkout")]


def task(base: str, source: str) -> dict[str, object]:
    """Render one combination."""
    return {
        "ansible.builtin.template": {
            "src": "Dockerfile.hardened.j2",
            "dest": f"{{{{ playbook_dir }}}}/rendered/Dockerfile.{base}-{source}",
        },
        "vars": {
            "openclaw_image_base": base,
            "openclaw_image_base_ref": f"node@sha256:{'0' * 64}" if base == "registry" else "",
            "openclaw_image_source": source,
            "openclaw_image_checkout_path": "/srv/source" if source == "checkout" else "",
            "openclaw_image_packages": ["jq", "ripgrep"],
        },
    }


def render(folder: Path) -> None:
    """Play in a folder with the role's parts beside the playbook, so that they are found as in the role."""
    for part in ("defaults", "files", "templates", "vars"):
        (folder / part).symlink_to(ROLE / part)
    (folder / "rendered").mkdir()
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": ["defaults/main.yml", "vars/main.yml"],
        "vars": {"ansible_python_interpreter": sys.executable, "role_path": str(ROLE)},
        "tasks": [task(base, source) for base, source in COMBINATIONS],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        ["ansible-playbook", str(folder / "play.yml")],
        cwd=tree.TOP,
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout)


def main() -> int:
    """Render, then lint what was rendered."""
    with tempfile.TemporaryDirectory() as folder:
        render(Path(folder))
        rendered = sorted(path.name for path in Path(folder, "rendered").iterdir())
        command = ["hadolint", "--failure-threshold", "style", *rendered]
        done = subprocess.run(command, cwd=Path(folder, "rendered"), check=False)
    print(f"linted {', '.join(rendered)}")
    return done.returncode or len(rendered) != len(COMBINATIONS)


if __name__ == "__main__":
    sys.exit(main())
