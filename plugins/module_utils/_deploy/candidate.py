# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A candidate: the new deployment beside the one that serves, before that is touched.

It has the same image, configuration and hardening, a copy of the state, a network without a way out, and an
environment that turns off what would act elsewhere (channels, schedules): it can neither disturb the state that is in
use, nor answer in the name of the service, nor use its accounts elsewhere.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Health, Probe, wait
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.liveness import Watch
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import SUFFIX, made_from
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import remove_networks
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import container_spec
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import (
    Container,
    cli,
    containers_by_label,
    daemon_errors,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_PROJECT
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    ManagedFile,
    ensure_directory,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import Compose
    from docker import DockerClient

_ADDRESS_PATIENCE = 5.0
# What belongs to the one that serves: its name, its port, its place in the network, its company, its return.
_LEFT_OUT = (
    "container_name",
    "ports",
    "expose",
    "networks",
    "network_mode",
    "depends_on",
    "profiles",
    "links",
    "build",
)


def definition(
    resolved: Mapping[str, Any],
    service: str,
    project: str,
    image_id: str,
    places: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Derive the candidate's definition from the resolved one of the service; pure.

    :param places: what is mounted from elsewhere for the candidate: path on the host to its stand-in, which alone may
        be written.
    :param environment: what keeps it from acting elsewhere, in addition to the service's own environment.
    """
    mine = copy.deepcopy(dict(resolved["services"][service]))
    for key in _LEFT_OUT:
        mine.pop(key, None)
    mine.update(image=image_id, pull_policy="never", restart="no", networks={"default": None})
    mine["environment"] = {**(mine.get("environment") or {}), **(environment or {})}
    mine["volumes"] = [_mounted(volume, places) for volume in mine.get("volumes") or []]
    given = {kind: _given(resolved, mine, kind, places) for kind in ("secrets", "configs")}
    named = {
        volume["source"]: None for volume in mine["volumes"] if volume.get("type") == "volume" and volume["source"]
    }
    whole = {"name": project, "services": {service: mine}, "networks": {"default": {"internal": True}}}
    return {**whole, **{kind: what for kind, what in {**given, "volumes": named}.items() if what}}


def _given(
    resolved: Mapping[str, Any], mine: Mapping[str, Any], kind: str, places: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return the secrets or configs that are used, from their stand-ins; Compose derives their names again."""
    used = {entry.get("source") for entry in mine.get(kind) or []}
    found: dict[str, dict[str, Any]] = {}
    for name, entry in (resolved.get(kind) or {}).items():
        if name in used:
            found[name] = {key: places.get(value, value) if key == "file" else value for key, value in entry.items()}
            found[name].pop("name", None)
    return found


def _mounted(volume: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """Mount a stand-in, or the host's own without the right to write."""
    if volume.get("type") != "bind":
        return dict(volume)
    source = volume.get("source", "")
    return {**volume, "source": places[source]} if source in places else {**volume, "read_only": True}


def container_port(resolved: Mapping[str, Any], service: str, published: int) -> int:
    """Return the port inside the container that is published as ``published``."""
    ports = container_spec.published(resolved["services"][service])
    return next((port.target for port in ports if port.port == published), published)


@dataclass(frozen=True)
class Candidate:
    """The acting half: start, prove, take away."""

    api: DockerClient
    compose: Compose
    service: str
    folder: str

    @property
    def project(self) -> str:
        """Its Compose project."""
        return self.compose.project

    def start(self, whole: Mapping[str, Any], files: Mapping[str, ManagedFile]) -> None:
        """Start it from ``whole``.

        :param files: its own copies of the files that are mounted, by their path.
        """
        ensure_directory(self.folder, 0o700, 0, 0)
        for path, file in files.items():
            write(ManagedFile(path, file.content, file.mode, file.uid, file.gid, file.secret))
        text = json.dumps(whole, indent=1).encode() + b"\n"
        write(ManagedFile(self.compose.definition, text, 0o600))
        self.compose.up(self.service)

    def probe(self, port: int, probe: Probe) -> Probe:
        """Return how the host asks the candidate itself, at its own address, if it has one."""
        return replace(probe, host=_address(self.container()), port=port)

    def prove(self, port: int, probe: Probe) -> Health:
        """Wait until the host gets its answers from the candidate's own address."""
        watch = Watch(self.container, port)
        end = time.monotonic() + _ADDRESS_PATIENCE
        # One that is just ending has lost its address, and does not have its exit code yet.
        while not (own := self.probe(port, probe)).host:
            reason = watch()
            if reason or time.monotonic() >= end:
                raise HardeningError(
                    f"the candidate of {self.service}", reason or "no address", "a container that is ready"
                )
            time.sleep(0.1)
        return wait(own, watch)

    def container(self) -> Container | None:
        """Return its container, running or not."""
        return next(iter(self._containers()), None)

    def remove(self) -> None:
        """Take containers, networks and volumes away, whatever is there of them; what others made or use stays."""
        for found in self._containers():
            run(self.compose.module, [*cli(self.compose.docker_host), "rm", "--force", "--volumes", "--", found.id])
        client: Any = self.api.api
        label = {"label": f"{LABEL_PROJECT}={self.project}"}
        remove_networks(self.api, self.project, [found["Id"] for found in client.networks(filters=label)])
        for volume in client.volumes(filters=label)["Volumes"] or []:
            with suppress(*daemon_errors()):  # another user uses it
                client.remove_volume(volume["Name"])

    def _containers(self) -> list[Container]:
        found = containers_by_label(self.api, f"{LABEL_PROJECT}={self.project}")
        return [one for one in found if self.compose.definition in made_from(one.labels)]


def of_service(api: DockerClient, compose: Compose, service: str, attempt: str) -> Candidate:
    """Return the candidate of a service, whose things are kept in the folder of the attempt."""
    folder = f"{attempt}/candidate"
    project = f"{compose.project}{SUFFIX}"
    own = replace(compose, project=project, directory=folder, definition=f"{folder}/compose.json")
    return Candidate(api, own, service, folder)


def _address(container: Container | None) -> str:
    networks: dict[str, Any] = ((container.attrs.get("NetworkSettings") or {}) if container else {}).get(
        "Networks"
    ) or {}
    return next((str(found["IPAddress"]) for found in networks.values() if found.get("IPAddress")), "")
