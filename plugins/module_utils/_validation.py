# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Let the application judge its configuration, in a container that can do nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import Wanted, redact
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import cli
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._run import run

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# No network, no capability, no disk, no secret.
_CAGE = [
    *("run", "--rm", "--interactive", "--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges:true", "--pids-limit", "256", "--memory", "1g", "--no-healthcheck"),
    *("--log-driver", "none", "--tmpfs", "/tmp:noexec,nosuid,nodev,size=100m,mode=1777"),  # noqa: S108
]


def validate(module: AnsibleModule, docker_host: str, wanted: Wanted, image_id: str) -> list[str]:
    """Judge the file that ``wanted.validation`` names, before anything is touched; return the warnings."""
    judge = wanted.validation
    if judge is None:
        return []
    text = next(file.content for file in wanted.files if file.path == judge.path).decode()
    argv = [*cli(docker_host), *_CAGE, "--user", judge.user]
    for setting in judge.env:
        argv += ["--env", setting]
    answer = run(module, [*argv, "--", image_id, *judge.argv], data=text, check=False)
    issues, warnings = read_verdict(answer.stdout)
    if answer.rc != 0 or issues:
        said = "; ".join(issues) or redact((answer.stderr or answer.stdout).strip()[-800:], wanted.secrets)
        raise HardeningError(
            judge.option or judge.path,
            said,
            f"what OpenClaw accepts in {judge.path}",
            judge.option,
            rc=answer.rc,
            outcome="untouched",
        )
    return warnings


def read_verdict(text: str) -> tuple[list[str], list[str]]:
    """Read issues and warnings from the answer of ``config validate --json``."""
    try:
        verdict = json.loads(text)
    except ValueError:
        return [], []
    if not isinstance(verdict, dict):
        return [], []
    return _messages(verdict.get("issues")), _messages(verdict.get("warnings"))


def _messages(entries: object) -> list[str]:
    if not isinstance(entries, list):
        return []
    return [f"{entry.get('path')}: {entry.get('message')}" for entry in entries if isinstance(entry, dict)]
