# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Let the application check its configuration, in a container that can do nothing else."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.plan import Desired
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import cli
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import LONG_HEX, Redactor
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import (
    DeadlinePassedError,
    allowed,
    run,
)

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# No network, no capability, no disk, no secret.
_CAGE = [
    *("run", "--rm", "--interactive", "--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges:true", "--pids-limit", "256", "--memory", "1g", "--no-healthcheck"),
    *("--log-driver", "none", "--tmpfs", "/tmp:noexec,nosuid,nodev,size=100m,mode=1777"),  # noqa: S108
]

# On the check's container: the second after boot at which the process that started it has given it up.
_LABEL = "io.openclaw.hardening.check-ends"
_REMOVAL = 30.0
_LONG = 86400


def validate(module: AnsibleModule, docker_host: str, wanted: Desired, image_id: str) -> list[str]:
    """Check the file that ``wanted.validation`` names, before anything is touched; return the warnings."""
    check = wanted.validation
    if check is None:
        return []
    text = next(file.content for file in wanted.files if file.path == check.path).decode()
    _remove_forgotten(module, docker_host)
    hidden = Redactor(wanted.secrets, LONG_HEX)
    name = f"{wanted.container}-check-{secrets.token_hex(4)}"
    ends = _after_boot() + int(allowed(module)) + 60
    argv = [*cli(docker_host), *_CAGE, "--name", name, "--label", f"{_LABEL}={ends}", "--user", check.user]
    for setting in check.env:
        argv += ["--env", setting]
    try:
        answer = run(
            module,
            [*argv, "--", image_id, *check.argv],
            data=text,
            check=False,
            waits_for=f"OpenClaw's check of {check.path}",
        )
    except DeadlinePassedError as error:
        # Its client alone was ended; the container does not end with it.
        _remove(module, docker_host, [name])
        for stream in ("stdout", "stderr"):
            error.details[stream] = hidden(str(error.details.get(stream, "")))
        error.details["outcome"] = "unchanged"
        raise
    issues, warnings = ([hidden(text) for text in texts] for texts in read_verdict(answer.stdout))
    if answer.rc != 0 or issues:
        output = "; ".join(issues) or hidden(answer.stderr or answer.stdout).strip()[-800:]
        raise HardeningError(
            check.option or check.path,
            output,
            f"what OpenClaw accepts in {check.path}",
            check.option,
            rc=answer.rc,
            outcome="unchanged",
        )
    return warnings


def _remove_forgotten(module: AnsibleModule, docker_host: str) -> None:
    """Remove the containers of checks that ran out of time when nobody was left to do it, also of killed runs."""
    form = f'{{{{.ID}}}} {{{{.Label "{_LABEL}"}}}}'
    argv = [*cli(docker_host), "container", "ls", "--all", "--filter", f"label={_LABEL}", "--format", form]
    now = _after_boot()
    lines = [line.split() for line in run(module, argv, check=False).stdout.splitlines()]
    over = [
        line[0] for line in lines if len(line) == 2 and line[1].isdecimal() and not now <= int(line[1]) <= now + _LONG
    ]
    if over and not module.check_mode:
        _remove(module, docker_host, over)


def _remove(module: AnsibleModule, docker_host: str, names: list[str]) -> None:
    """Remove containers as far as Docker lets us; what stays is removed by the next check."""
    with suppress(HardeningError):
        run(module, [*cli(docker_host), "rm", "--force", "--", *names], check=False, timeout=_REMOVAL)


def _after_boot() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


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
