# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ``docker compose`` command line: argv lists, and only answers that are stable between versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import spoken
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import Output, run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import find_program

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

LABEL_HASH = "com.docker.compose.config-hash"
LABEL_ONEOFF = "com.docker.compose.oneoff"
LABEL_PROJECT = "com.docker.compose.project"
LABEL_SERVICE = "com.docker.compose.service"


@dataclass(frozen=True)
class Compose:
    """One project; the environment of the caller has no say in it."""

    module: AnsibleModule
    docker_host: str
    project: str
    directory: str
    definition: str
    _resolved: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False, repr=False)

    def config_hash(self, text: str, service: str) -> str:
        """Return the hash that a container of ``service`` carries when it was made from ``text``.

        The text goes in by standard input, so that a definition is checked before it is on the host.
        """
        answer = self._config(text, "--hash", service)
        for line in answer.stdout.splitlines():
            name, _space, found = line.partition(" ")
            if name == service and found:
                return found
        raise HardeningError("definition", f"no service {service!r}", "a definition of that service", "definition")

    def available(self) -> bool:
        """Return whether Compose is there at all; it reads a definition without a daemon, too."""
        # run_command ends the module when there is no such program.
        if find_program("docker") is None:
            return False
        return run(self.module, [*self._cli(), "compose", "version"], check=False).rc == 0

    def resolve(self, text: str) -> dict[str, Any]:
        """Return what Compose makes of ``text``: every service of every profile, with variables and files filled in."""
        if text in self._resolved:
            return self._resolved[text]
        answer = self._config(text, "--format", "json", before=["--profile", "*"])
        try:
            config = json.loads(answer.stdout)
        except ValueError:
            config = None
        if not isinstance(config, dict):
            raise HardeningError("docker compose config", "an answer that is no JSON object", "a resolved definition")
        self._resolved[text] = config
        return config

    def up(self, service: str, *, recreate: bool = False) -> None:
        """Make the container of ``service`` run."""
        argv = ["--file", self.definition, "up", "--detach", "--no-build"]
        argv += [*(["--force-recreate"] if recreate else []), "--", service]
        self._run(argv, extra=self._grace())

    def _cli(self) -> list[str]:
        # What needs only the names of the labels does without the client.
        from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import cli

        return cli(self.docker_host)

    def _grace(self) -> float:
        """Return the seconds that the project's containers may take to stop, one after another."""
        argv = [*self._cli(), "container"]
        listed = [*argv, "ls", "--quiet", "--no-trunc", "--filter", f"label={LABEL_PROJECT}={self.project}"]
        ids = run(self.module, listed).stdout.split()
        if not ids:
            return 0
        form = "{{if .Config.StopTimeout}}{{.Config.StopTimeout}}{{else}}10{{end}}"
        # One that is gone by now takes no time.
        answer = run(self.module, [*argv, "inspect", "--format", form, "--", *ids], check=False)
        return sum(float(line) for line in answer.stdout.split() if line.isdecimal())

    def _config(self, text: str, *options: str, before: Sequence[str] = ()) -> Output:
        """Let Compose read a definition; one that it cannot read is refused."""
        answer = self._run([*before, "--file", "-", "config", *options], data=text, check=False)
        if answer.rc != 0:
            found = spoken(answer.stderr or answer.stdout) or f"exit code {answer.rc}"
            if not self.available():
                needed = (
                    "the plugin: docker-compose (Debian), docker-compose-v2 (Ubuntu), docker-compose-plugin (Docker)"
                )
                raise HardeningError("docker compose", found, f"{needed}; the role openclaw_engine installs it")
            raise HardeningError("definition", found, "what docker compose config accepts", "definition", rc=answer.rc)
        return answer

    def _run(self, argv: list[str], *, data: str | None = None, check: bool = True, extra: float = 0) -> Output:
        start = [*self._cli(), "compose", "--ansi", "never", "--project-name", self.project]
        start += ["--project-directory", self.directory]
        # Empty values outrank what the caller's environment or a planted .env file reports.
        env = {"OPENCLAW_IMAGE": "", "COMPOSE_FILE": "", "COMPOSE_PROFILES": "", "COMPOSE_ENV_FILES": ""}
        return run(self.module, start + argv, check=check, data=data, env=env, extra=extra)
