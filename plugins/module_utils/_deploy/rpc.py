# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call a method of the running gateway, by OpenClaw's own command line in its container.

The token is in a configuration that goes in by standard input: it is in no argument and no environment, and the
gateway's own configuration may already name another one. Nothing is written to the state for it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import cli
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import LONG_HEX, redact
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Where the gateway listens in its container.
PORT = 18789
_CONFIG = "/dev/stdin"
# Seconds for the gateway's answer; the command itself takes two to start.
_ANSWER = 30
_MESSAGE = 300


def call(module: AnsibleModule, docker_host: str, container_id: str, token: str, method: str) -> Any:
    """Return what the gateway answers to a method without parameters, such as ``secrets.reload``.

    :raises HardeningError: it does not know the method, refuses the token, or does not answer.
    """
    return command(module, docker_host, container_id, token, "gateway", "call", method)


def command(module: AnsibleModule, docker_host: str, container_id: str, token: str, *argv: str) -> Any:
    """Return what a command of OpenClaw that asks the gateway prints as JSON, such as ``devices list``.

    :param argv: the command, without ``--json``; never a secret.
    :raises HardeningError: it failed, or printed no JSON.
    """
    enter = [*cli(docker_host), "exec", "--interactive", "--env", f"OPENCLAW_CONFIG_PATH={_CONFIG}", "--", container_id]
    command = ["node", "openclaw.mjs", *argv, "--json", f"--timeout={_ANSWER * 1000}"]
    what = " ".join(word for word in argv if not word.startswith("-"))
    answer = run(module, [*enter, *command], data=json.dumps(_config(token)), check=False, waits_for=f"openclaw {what}")
    try:
        found = json.loads(answer.stdout)
    except (ValueError, RecursionError):
        found = None
    if answer.rc != 0 or found is None:
        raise HardeningError(f"openclaw {what}", _reason(found, answer.stderr, token), "an answer of the gateway")
    return found


def _config(token: str) -> dict[str, Any]:
    return {"gateway": {"mode": "local", "port": PORT, "auth": {"mode": "token", "token": token}}}


def _reason(found: Any, stderr: str, token: str) -> str:  # noqa: ANN401 (JSON)
    """Return why there is no answer, in OpenClaw's own words, without a secret."""
    error = found.get("error") if isinstance(found, dict) else None
    text = error.get("message") if isinstance(error, dict) else (stderr.strip().splitlines() or ["no output"])[-1]
    return harmless(redact(str(text), [token], LONG_HEX), _MESSAGE)
