# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service that a deployment is about: its container, found by label, and the unit that keeps it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import listed
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import (
    Claim,
    attached,
    is_on,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import (
    Container,
    cli,
    containers_by_label,
    find_image,
    remove_nameless,
    tag_image,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import (
    LABEL_ONEOFF,
    LABEL_PROJECT,
    LABEL_SERVICE,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._image import tags
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import Compose
    from docker import DockerClient

# How many log lines are searched for what went wrong: one failed start writes up to 20.
_LOG_SEARCHED = 200
ALIVE = ("running", "restarting", "paused")


@dataclass(frozen=True)
class Service:
    """One service of a Compose project on this host."""

    module: AnsibleModule
    api: DockerClient
    compose: Compose
    name: str
    container: str
    unit: str
    claim: Claim

    def look(self) -> tuple[Container | None, tuple[Container, ...]]:
        """Return its container, and what a killed recreate left of it."""
        return look(self.api, self.compose.project, self.name, self.container, self.claim.made_here)

    def find(self) -> Container | None:
        """Return its container."""
        return self.look()[0]

    def stop(self) -> None:
        """Stop whatever runs of it, each within its own grace period."""
        chosen, strays = self.look()
        for container in filter(None, (chosen, *strays)):
            if container.status == "paused":
                self._docker("unpause", "--", container.id)
            if container.status in ALIVE:
                self._docker("stop", "--", container.id, extra=grace(container))

    def stop_failed(self) -> None:
        """Stop what does not work: it keeps its log, and does not run in a loop."""
        container = self.find()
        if container is not None and container.status in ALIVE:
            self._docker("stop", "--time", "10", "--", container.id, extra=10)

    def pause(self, container: Container) -> None:
        """Let it pause."""
        self._docker("pause", "--", container.id)

    def unpause(self) -> None:
        """Let it go on, when it was made to pause."""
        container = self.find()
        if container is not None and container.status == "paused":
            self._docker("unpause", "--", container.id)

    def remove(self) -> list[str]:
        """Remove every container of ours and the networks that only they are on; name the networks that stay."""
        self.stop()
        label = f"{LABEL_PROJECT}={self.compose.project}"
        ours = [found for found in containers_by_label(self.api, label) if self.claim.made_here(found.labels)]
        networks = {network for found in ours for network in attached(found.attrs)}
        for found in ours:
            self._docker("rm", "--force", "--", found.id)
        return remove_networks(self.api, self.compose.project, networks)

    def take_down(self, *, remove: bool) -> list[str]:
        """Stop the unit and the containers, or remove them; return a warning for each network of ours that stays."""
        self.stop_unit()
        left = self.remove() if remove else []
        if not remove:
            self.stop()
        self.remove_strays()
        return [f"a network stays, because something else is on it: {network}" for network in left]

    def remove_strays(self) -> None:
        """Remove what a killed recreate left."""
        for stray in self.look()[1]:
            self._docker("rm", "--force", "--", stray.id)

    def logs(self, container: Container) -> str:
        """Return its last log lines, both streams in the order of their time."""
        argv = [*cli(self.compose.docker_host), "logs", "--timestamps", "--tail", str(_LOG_SEARCHED), "--"]
        answer = run(self.module, [*argv, container.id], check=False)
        return merge_streams(answer.stdout, answer.stderr) if answer.rc == 0 else ""

    def name_image(self, image_id: str, ref: str) -> None:
        """Let ``ref`` mean this image; the one that it meant stays under another name, until the next one does."""
        now, rejected = find_image(self.api, ref), tags.rejected(ref)
        if now and now.id == image_id:
            return
        former = find_image(self.api, rejected)
        if now:
            tag_image(self.api, now.id, rejected)
        tag_image(self.api, image_id, ref)
        if former:
            remove_nameless(self.api, former.id)

    def _docker(self, *argv: str, extra: float = 0) -> None:
        run(self.module, [*cli(self.compose.docker_host), *argv], extra=extra)

    # --- systemd --------------------------------------------------------------------------------------------------

    def unit_state(self) -> str:
        """Return active (also on its way there), failed, inactive, or nothing without a unit."""
        if not self.unit:
            return ""
        argv = ["systemctl", "show", "--property=ActiveState", "--value", "--", self.unit]
        state = run(self.module, argv).stdout.strip()
        return "active" if state in ("activating", "reloading") else state

    def stop_unit(self) -> None:
        """Let nobody else start or stop the container; the unit stops it."""
        if self.unit_state() == "active":
            container = self.find()
            self._systemctl("stop", extra=grace(container) if container else 0)

    def start_unit(self) -> None:
        """Let the unit keep the container again, however often it was started lately (StartLimitBurst=)."""
        if self.unit_state() != "active":
            run(self.module, ["systemctl", "reset-failed", "--", self.unit], check=False)
        self._systemctl("start")

    def reset_failed(self) -> None:
        """Let a unit that gave up be started again."""
        if self.unit_state() == "failed":
            self._systemctl("reset-failed")

    def _systemctl(self, verb: str, extra: float = 0) -> None:
        run(self.module, ["systemctl", verb, "--", self.unit], extra=extra)


def grace(container: Container) -> float:
    """Return the seconds that it may take to stop (docker container stop(1): 10 unless it reports otherwise)."""
    return float((container.attrs.get("Config") or {}).get("StopTimeout") or 10)


def look(
    api: DockerClient, project: str, service: str, name: str, made_here: Callable[[Mapping[str, str]], bool]
) -> tuple[Container | None, tuple[Container, ...]]:
    """Return the container of a service that bears ``name``, and the others of that service.

    :param made_here: reports by its labels whether a container is ours; any other one is left alone.
    """
    labels = (f"{LABEL_PROJECT}={project}", f"{LABEL_SERVICE}={service}")
    return partition_containers([found for found in containers_by_label(api, *labels) if made_here(found.labels)], name)


def remove_networks(api: DockerClient, project: str, networks: Collection[str]) -> list[str]:
    """Remove those of our networks that nobody is on; name the others, and who is on them.

    :param networks: ids or names.
    """
    left = []
    client: Any = api.api
    there = client.containers(all=True)
    for network in client.networks():
        if (
            not {network["Id"], network["Name"]}.isdisjoint(networks)
            and (network.get("Labels") or {}).get(LABEL_PROJECT) == project
        ):
            others = [str((found.get("Names") or [found["Id"]])[0]).lstrip("/") for found in there
                      if is_on(found, network)]  # fmt: skip
            if others:
                left.append(f"{network['Name']} (with {listed(others, 5)})")
            else:
                client.remove_network(network["Id"])
    return left


def partition_containers(containers: list[Container], name: str) -> tuple[Container | None, tuple[Container, ...]]:
    """Tell the service's container from what a killed recreate left; ``compose run`` containers are neither."""
    ours = [found for found in containers if found.labels.get(LABEL_ONEOFF) != "True"]
    chosen = next((found for found in ours if found.name == name), None)
    return chosen, tuple(found for found in ours if found is not chosen)


def merge_streams(*streams: str) -> str:
    """Bring what ``docker logs --timestamps`` wrote to two streams into one text, without the times of Docker."""
    lines = [line.partition(" ") for stream in streams for line in stream.split("\n") if line]
    return "\n".join(text for _time, _space, text in sorted(lines, key=lambda parts: parts[0])).strip()
