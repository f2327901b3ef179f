# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take the steps of a deployment's plan; when the new one is not well, bring the old one back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import Found, Plan, Wanted, redact
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnosis import EX_CONFIG, diagnose
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import (
    Container,
    cli,
    find_container,
    find_image,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files import (
    FileState,
    ManagedFile,
    remove,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._health import Health, Probe, wait
from ansible_collections.openclaw.hardening.plugins.module_utils._look_failure import look
from ansible_collections.openclaw.hardening.plugins.module_utils._run import run
from ansible_collections.openclaw.hardening.plugins.module_utils._text import harmless

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.openclaw.hardening.plugins.module_utils._compose import Compose
    from docker import DockerClient

# How many are shown, and how many are searched for what went wrong: one failed start writes up to 20.
_LOG_LINES = 25
_LOG_SEARCHED = 200
# The judge of a configuration gets nothing: no network, no capability, no disk, no secret.
_CAGE = [
    *("run", "--rm", "--interactive", "--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges:true", "--pids-limit", "256", "--memory", "1g", "--no-healthcheck"),
    *("--log-driver", "none", "--tmpfs", "/tmp:noexec,nosuid,nodev,size=100m,mode=1777"),  # noqa: S108
]


@dataclass(frozen=True)
class Rollout:
    """The acting half of a deployment."""

    module: AnsibleModule
    api: DockerClient
    compose: Compose
    wanted: Wanted
    found: Found
    # Subject of a diagnosis to how its cure is done where the caller comes from.
    hints: Mapping[str, str]

    def validate(self) -> list[str]:
        """Let the application judge its configuration before anything is touched; return its warnings."""
        judge = self.wanted.validation
        if judge is None:
            return []
        text = next(file.content for file in self.wanted.files if file.path == judge.path).decode()
        argv = [*cli(self.compose.docker_host), *_CAGE, "--user", judge.user]
        for setting in judge.env:
            argv += ["--env", setting]
        answer = run(self.module, [*argv, "--", self.found.image_id, *judge.argv], data=text, check=False)
        issues, warnings = read_verdict(answer.stdout)
        if answer.rc != 0 or issues:
            said = "; ".join(issues) or redact((answer.stderr or answer.stdout).strip()[-800:], self._secrets())
            raise HardeningError(
                judge.option or judge.path, said, f"what OpenClaw accepts in {judge.path}", judge.option, rc=answer.rc
            )
        return warnings

    def apply(self, plan: Plan) -> Health:
        """Take the steps of ``plan``; on failure the deployment that was there before comes back."""
        if plan.container in ("stop", "remove"):
            self._take_down(plan)
            return Health({})
        self._need_image()
        disturbing = plan.container in ("create", "recreate", "restart", "start")
        supervision = self._unit_state() if disturbing else ""
        try:
            if supervision == "active":  # so that nobody else starts or stops the container meanwhile
                self._systemctl("stop")
            for file in plan.write:
                write(file)
            self._remove_strays(plan.strays)
            if plan.container == "restart":
                self.compose.stop(self.wanted.service)
            if disturbing:
                self.compose.up(self.wanted.service, recreate=plan.container == "recreate")
            health = wait(self.wanted.probe, self._hopeless)
            self._need_wanted_image()
        except HardeningError as error:
            raise self._undone(error, plan) from error
        finally:
            if supervision == "failed":
                self._systemctl("reset-failed")
            if supervision == "active" and self._container_runs():
                self._systemctl("start")
        self._remove_files(plan.remove)  # not earlier: going back needs them
        return health

    # --- going forward --------------------------------------------------------------------------------------------

    def _take_down(self, plan: Plan) -> None:
        if self._unit_state() == "active":
            self._systemctl("stop")
        if plan.container == "remove":
            self.compose.down()
        else:
            self.compose.stop(self.wanted.service)
        self._remove_strays(plan.strays)
        self._remove_files(plan.remove)

    def _remove_files(self, paths: Sequence[str]) -> None:
        for path in paths:
            remove(path)

    def _remove_strays(self, strays: Sequence[Container]) -> None:
        for stray in strays:
            run(self.module, [*cli(self.compose.docker_host), "rm", "--force", "--", stray.id])

    def _need_image(self) -> None:
        image = find_image(self.api, self.wanted.image_ref)
        if image is None:
            raise HardeningError(
                self.wanted.image_ref, "no such image on this host", "the hardened image; build it first", "image_ref"
            )

    def _need_wanted_image(self) -> None:
        container = find_container(self.api, self.wanted.container)
        expected = self.wanted.image_id or self.found.image_id
        if container is None or (expected and container.image_id != expected):
            there = container.image_id if container else "no container"
            raise HardeningError(self.wanted.container, there, f"a container of {expected}")

    def _hopeless(self) -> str:
        """Say why waiting is of no use: the container is gone, has ended, or refuses its configuration."""
        return hopeless(find_container(self.api, self.wanted.container))

    def _container_runs(self) -> bool:
        container = find_container(self.api, self.wanted.container)
        return container is not None and container.running

    # --- going back -----------------------------------------------------------------------------------------------

    def _undone(self, error: HardeningError, plan: Plan) -> HardeningError:
        """Bring the previous deployment back, and say in one error what failed, why, and what serves now."""
        diagnosis, logs = self._diagnosis(error)  # now, while what failed is still there
        try:
            outcome = self._go_back(plan)
        except HardeningError as second:
            outcome = f"the previous deployment did not come back either: {second}"
        found = " — ".join(filter(None, [str(error), diagnosis, outcome]))
        lines = "\n".join(harmless(line, 500) for line in logs.splitlines()[-_LOG_LINES:])
        tail = f"\nLast log lines of {self.wanted.container}:\n{lines}" if lines else ""
        return HardeningError("deployment", self._masked(found), f"a gateway that is healthy from the host{tail}")

    def _diagnosis(self, error: HardeningError) -> tuple[str, str]:
        """Say why it failed, with its log; whatever goes wrong while looking, the way back has to be gone."""
        logs = ""
        try:
            container = find_container(self.api, self.wanted.container)
            logs = self._logs(container)
            found = diagnose(look(self.api, container, str(error), logs, self.wanted.probe))
        except Exception as problem:
            return f"diagnosis: none ({type(problem).__name__} while looking)", logs
        return found.text(self.hints) if found else "", logs

    def _go_back(self, plan: Plan) -> str:
        for file in plan.write:
            _put_back(file, self.found.files[file.path])
        old = self.found.container
        if old is None or old.status not in ("running", "restarting", "paused"):
            self._park()
            return "there is no running deployment to go back to; the container was stopped, the files are as before"
        self.compose.up(self.wanted.service, image=old.image_id, recreate=True)
        probe = self.wanted.probe
        wait(Probe(probe.host, published_port(old, probe.port), probe.paths, probe.timeout), self._hopeless)
        return "the previous deployment is back and healthy"

    def _park(self) -> None:
        """Stop what does not work: it keeps its log, and does not run in a loop."""
        container = find_container(self.api, self.wanted.container)
        if container is not None:
            run(self.module, [*cli(self.compose.docker_host), "stop", "--time", "10", "--", container.id])

    def _logs(self, container: Container | None) -> str:
        if container is None:
            return ""
        options = ["--timestamps", "--tail", str(_LOG_SEARCHED)]
        argv = [*cli(self.compose.docker_host), "logs", *options, "--", container.id]
        answer = run(self.module, argv, check=False)
        return self._masked(in_order(answer.stdout, answer.stderr)) if answer.rc == 0 else ""

    def _masked(self, text: str) -> str:
        return redact(text, self._secrets())

    def _secrets(self) -> list[str]:
        return [file.content.decode("utf-8", "replace").strip() for file in self.wanted.files if file.secret]

    # --- systemd --------------------------------------------------------------------------------------------------

    def _unit_state(self) -> str:
        """Return active (also on its way there), failed, inactive, or nothing without a unit."""
        if not self.wanted.unit:
            return ""
        argv = ["systemctl", "show", "--property=ActiveState", "--value", "--", self.wanted.unit]
        state = run(self.module, argv).stdout.strip()
        return "active" if state in ("activating", "reloading") else state

    def _systemctl(self, verb: str) -> None:
        run(self.module, ["systemctl", verb, "--", self.wanted.unit])


def hopeless(container: Container | None) -> str:
    """Say why a container is not going to become healthy, or nothing."""
    if container is None:
        return "the container is gone"
    restarts = container.attrs.get("RestartCount") or 0
    if container.status in ("exited", "dead") or (restarts and container.exit_code == EX_CONFIG):
        why = ", it ran out of memory" if container.oom_killed else ""
        why = ", it refuses its configuration" if container.exit_code == EX_CONFIG else why
        return f"the container ended with exit code {container.exit_code}{why}"
    return ""


def in_order(*streams: str) -> str:
    """Bring what ``docker logs --timestamps`` wrote to two streams into one text, without the times of Docker."""
    lines = [line.partition(" ") for stream in streams for line in stream.split("\n") if line]
    return "\n".join(text for _time, _space, text in sorted(lines, key=lambda parts: parts[0])).strip()


def published_port(container: Container, default: int) -> int:
    """Return the host's port of a container, which may be another one than that of its successor."""
    bindings: dict[str, Any] = (container.attrs.get("HostConfig") or {}).get("PortBindings") or {}
    for binding in next(iter(bindings.values()), None) or []:
        if str(binding.get("HostPort", "")).isdigit():
            return int(binding["HostPort"])
    return default


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


def _put_back(file: ManagedFile, old: FileState | None) -> None:
    if old is None:
        remove(file.path)
    else:
        write(ManagedFile(file.path, old.content, old.mode, old.uid, old.gid, file.secret))
