# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stops a base for good, and brings it back. Each step may be repeated by a run that follows one that was killed.

A container whose project is the name of the new deployment would be a part of that for Compose, and labels cannot be
changed: it is made again from an image of all it had, with the same mounts and under another project, before it goes.
Volumes and directories are never touched.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import ALIVE, grace
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import (
    Container,
    cli,
    find_container,
    find_image,
    sdk,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_PROJECT
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.containers import restart_of
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.host_install import has_manager, systemctl
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.record import Member, OwnUnit, Record
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

# The mark of a container that stands in for one of the base, and the project that it has.
LABEL_MIGRATED = "io.openclaw.hardening-migrated-from"
_PROJECT = "openclaw-migrated"
_SHARED = "container:"
_RUNS = 10.0
# Idle it ends within two seconds, but one whose channel cannot be reached takes minutes.
_GRACE = 30
_DRAIN = 330.0


@dataclass(frozen=True)
class Keeper:
    """Acts on the containers and units of a base."""

    module: AnsibleModule
    api: DockerClient
    docker_host: str

    # --- stop for good ------------------------------------------------------------------------------------------------

    def retire(self, record: Record) -> None:
        """Stop all of it, so that nothing starts it again; what it was stays, under other names where needed."""
        for unit in record.units:
            if has_manager(unit.account):
                self._systemctl(unit, "disable", "--now")
        for member in record.members:
            found = find_container(self.api, member.container_id)
            if found is None:  # its unit removed it, or an earlier run got so far
                continue
            self.unpause(found)
            self._docker("update", "--restart", "no", "--", found.id)
            if found.status in ALIVE:
                seconds = max(grace(found), _GRACE)
                self._docker("stop", "--time", str(int(seconds)), "--", found.id, extra=seconds)
        for member in record.members:
            self._make_stand_in(member, record)
        # Who shares the network of another goes before that one: at no time it would lack it.
        for member in reversed(record.members):
            found = find_container(self.api, member.container_id)
            if found is not None and member.again:
                self._docker("rm", "--", found.id)  # without its volumes
            elif found is not None and member.retired and found.name != member.retired:
                self._docker("rename", "--", found.id, member.retired)

    def _make_stand_in(self, member: Member, record: Record) -> None:
        """Make a container again from all it had, under another name and project."""
        if not member.again or find_container(self.api, member.container_id) is None:
            return
        if find_image(self.api, _image(member)) is None:
            repository, _colon, tag = _image(member).rpartition(":")
            self.api.api.commit(member.container_id, repository=repository, tag=tag)
        if self._stand_in(member) is None:
            self._make(again(member.attrs, _image(member), _names(record, retired=True), member), member.retired)

    # --- bring back ---------------------------------------------------------------------------------------------------

    def bring_back(self, record: Record) -> None:
        """Let the base be as it was: names, restart policies, units; and running, what ran."""
        supervised = any(unit.active for unit in record.units)
        for member in record.members:
            found = find_container(self.api, member.container_id) or self._original(member)
            if found is None and member.again and find_image(self.api, _image(member)):
                self._make(again(member.attrs, _image(member), _names(record, retired=False)), member.name)
                found = find_container(self.api, member.name)
            if found is None:
                if not supervised:
                    needed = "the container; make it again as it was made (docker compose up, docker run)"
                    raise HardeningError(member.name, "no such container", needed)
                continue
            stand_in = self._stand_in(member)
            if stand_in is not None and stand_in.id != found.id:
                self._docker("rm", "--", stand_in.id)
            if found.name != member.name:
                self._docker("rename", "--", found.id, member.name)
            self._docker("update", "--restart", _policy(member.attrs), "--", found.id)
            self.unpause(found)
            if member.alive and found.status not in ALIVE and not supervised:
                self._docker("start", "--", found.id)
        for unit in record.units:
            if unit.enabled:
                self._systemctl(unit, "enable")
            if unit.active:
                self._systemctl(unit, "start")
        self._runs(record)

    def _runs(self, record: Record) -> None:
        """Wait until what ran does."""
        for member in record.members:
            end = time.monotonic() + _RUNS
            while member.alive:
                found = find_container(self.api, member.name)
                if found is not None and found.status == "running":
                    break
                if time.monotonic() > end:
                    status = found.status if found else "nothing"
                    raise HardeningError(member.name, status, "a container that runs again (docker start)")
                time.sleep(0.3)

    def pause(self, container_id: str) -> None:
        """Let a container pause."""
        self._docker("pause", "--", container_id)

    def unpause(self, found: Container) -> None:
        """Let it go on, when it was made to pause."""
        if found.status == "paused":
            self._docker("unpause", "--", found.id)

    def _stand_in(self, member: Member) -> Container | None:
        found = find_container(self.api, member.retired) if member.again else None
        return found if found and found.labels.get(LABEL_MIGRATED) == member.container_id else None

    def _original(self, member: Member) -> Container | None:
        """Return the one that was made again under the first name by a run that was cut off."""
        found = find_container(self.api, member.name) if member.again else None
        return found if found and found.image_id == getattr(find_image(self.api, _image(member)), "id", "") else None

    def _make(self, config: dict[str, Any], name: str) -> None:
        try:
            self.api.api.create_container_from_config(config, name)  # type: ignore[no-untyped-call]
        except sdk().errors.APIError as error:
            raise HardeningError(
                f"container {name}", f"the daemon's answer {error.explanation}", "its creation"
            ) from error

    def _docker(self, *words: str, extra: float = 0) -> None:
        run(self.module, [*cli(self.docker_host), *words], extra=extra)

    def _systemctl(self, unit: OwnUnit, *words: str) -> None:
        # What it stops may finish what it is doing (TimeoutStopSec= of upstream's unit).
        run(self.module, [*systemctl(self.module, unit.account), *words, "--", unit.name], extra=_DRAIN)


def units_of(names: Iterable[str], units: Mapping[str, str]) -> list[str]:
    """Return the units that start a container or the folder of its project, by their text; and their timers; pure.

    :param names: names of containers, and folders.
    :param units: text by name.
    """
    words = [name for name in names if name]
    services = [
        unit
        for unit, text in units.items()
        if unit.endswith(".service") and "docker" in text and any(_has(text, word) for word in words)
    ]
    timers = [f"{unit.rpartition('.')[0]}.timer" for unit in services]
    return sorted(
        [*services, *(timer for timer in timers if timer in units)], key=lambda unit: (unit.endswith(".service"), unit)
    )


def _has(text: str, word: str) -> bool:
    ends = set(" \t\n\"'=:;/")
    start = text.find(word)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(word) : start + len(word) + 1]
        if (not before or before in ends) and (not after or after in ends):
            return True
        start = text.find(word, start + 1)
    return False


def again(
    attrs: Mapping[str, Any], image: str, names: Mapping[str, str], stands_in_for: Member | None = None
) -> dict[str, Any]:
    """Return what makes the same container again; pure.

    :param names: by its id, the name of each container of the base.
    :param stands_in_for: it takes the place of this one, in another project and without a restart.
    """
    config = copy.deepcopy(dict(attrs["Config"]))
    host = copy.deepcopy(dict(attrs["HostConfig"]))
    config["Image"] = image
    config["Labels"] = dict(config.get("Labels") or {})
    if stands_in_for:
        config["Labels"].update({LABEL_PROJECT: _PROJECT, LABEL_MIGRATED: stands_in_for.container_id})
        host["RestartPolicy"] = {"Name": "no", "MaximumRetryCount": 0}
    host["Binds"] = [*(host.get("Binds") or []), *_nameless_volumes(attrs, host)]
    for key in ("NetworkMode", "PidMode", "IpcMode"):
        shared = str(host.get(key) or "")
        if shared.startswith(_SHARED):
            host[key] = _SHARED + names.get(shared[len(_SHARED) :], shared[len(_SHARED) :])
            for own in ("Hostname", "ExposedPorts"):
                config.pop(own, None)
            host.pop("PortBindings", None)
    networks = (attrs.get("NetworkSettings") or {}).get("Networks") or {}
    endpoints = {
        name: {key: found.get(key) for key in ("IPAMConfig", "Links", "Aliases", "DriverOpts") if found.get(key)}
        for name, found in networks.items()
    }
    # Older daemons take one network at creation: the one that the container is named after.
    first = {name: found for name, found in endpoints.items() if name == host.get("NetworkMode")} or endpoints
    return {**config, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": first}}


def _nameless_volumes(attrs: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    """Return the volumes that an image asked for: nothing but the mounts of the container names them."""
    named = {str(bind).split(":")[1] for bind in host.get("Binds") or []}
    named.update(str(mount.get("Target")) for mount in host.get("Mounts") or [])
    return [
        f"{mount['Name']}:{mount['Destination']}"
        for mount in attrs.get("Mounts") or []
        if mount.get("Type") == "volume" and mount.get("Destination") not in named
    ]


def _policy(attrs: Mapping[str, Any]) -> str:
    policy = restart_of(attrs)
    limit = policy["MaximumRetryCount"]
    return f"{policy['Name']}:{limit}" if limit else str(policy["Name"])


def _names(record: Record, *, retired: bool) -> dict[str, str]:
    return {member.container_id: member.retired if retired else member.name for member in record.members}


def _image(member: Member) -> str:
    return f"openclaw-migrated:{member.container_id[:12]}"
