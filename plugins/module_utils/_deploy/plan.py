# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a deployment is, what there is of it, and which steps lead from the one to the other.

Everything here but ``find`` is pure; ``apply`` takes the steps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import migration_backups
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Health, Probe, ask
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import look as look_service
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container, find_image
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_HASH
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import published
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import read_published
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    FileState,
    ManagedFile,
    diff_entry,
    differences,
    look,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import Claim
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import Compose
    from docker import DockerClient


@dataclass(frozen=True)
class Validation:
    """How the application itself checks one of the files: ``argv`` in a throw-away container, the file as stdin."""

    path: str
    argv: tuple[str, ...]
    user: str
    env: tuple[str, ...]
    option: str


@dataclass(frozen=True)
class Desired:
    """One deployment: a definition, the files and secrets that it mounts, an image, and how to see that it is well."""

    state: str
    project: str
    service: str
    container: str
    definition: ManagedFile
    files: tuple[ManagedFile, ...]
    prune: str
    image_ref: str
    image_id: str
    probe: Probe
    validation: Validation | None
    unit: str
    remove_files: bool = False
    # What the service writes; an image change migrates it. Empty is none.
    state_dir: str = ""
    # Names in it that are neither copied nor brought back.
    state_excludes: tuple[str, ...] = ()
    # Whether it is copied before another image starts; without, there is no rollback for it.
    copy_state: bool = True
    # Whether a candidate has to prove itself first: auto, always, never.
    candidate: str = "auto"
    # What keeps one from acting elsewhere: variables of its environment alone.
    candidate_environment: Mapping[str, str] = field(default_factory=dict)
    # A state that takes the place of the present one: on the rollback on purpose, or from a backup.
    state_source: str = ""
    rolling_back: bool = False
    # Whether an upgrade may lose a cron job, a login and the like.
    accept_losses: bool = False
    # Whether it is only tried as a candidate, and nothing stays of it.
    testing: bool = False
    # Ids of the containers of others whose place it is going to take: they hold names and ports until then.
    replaces: frozenset[str] = frozenset()
    # Whether the present logins stay when an older state comes back.
    keep_logins: bool = False
    # Days that the service's own copies of its databases stay; 0 keeps them.
    migration_backup_days: int = 0

    @property
    def exchanges_state(self) -> bool:
        """Return whether image and state come together, so that the image is taken whatever its name means now."""
        return self.rolling_back or bool(self.state_source)

    @property
    def everything(self) -> tuple[ManagedFile, ...]:
        """The files in the order in which they are written: what is mounted, then who mounts it."""
        return (*self.files, self.definition)

    @property
    def secrets(self) -> list[str]:
        """What must never be shown."""
        return [file.content.decode("utf-8", "replace").strip() for file in self.files if file.secret]


@dataclass(frozen=True)
class Current:
    """What there is. Without Docker (check mode on a bare host) there is no container and no image."""

    files: dict[str, FileState | None]
    prunable: tuple[str, ...]
    image_id: str
    config_hash: str
    container: Container | None
    strays: tuple[Container, ...]
    mounted: tuple[str, ...]
    stale: tuple[str, ...]
    health: Health
    # Who has the published port instead of the service.
    taken: tuple[Listener, ...] = ()
    # Copies of databases, below the state, that have been kept long enough.
    expired: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps. ``container`` is one of the empty string, create, recreate, start, restart, wait, stop, remove."""

    write: tuple[ManagedFile, ...]
    remove: tuple[str, ...]
    strays: tuple[Container, ...]
    container: str
    reason: str
    validate: bool

    @property
    def changed(self) -> bool:
        """Return whether anything on the host is going to be another afterwards."""
        return bool(self.write or self.remove or self.strays or self.container not in ("", "wait"))

    @property
    def replaces(self) -> bool:
        """Return whether a deployment is replaced that one may want to go back to."""
        return self.container == "recreate"

    def actions(self, name: str) -> list[str]:
        """Name the steps for the operator."""
        steps = [f"write {wanted.path}" for wanted in self.write]
        steps += [f"remove {path}" for path in self.remove]
        steps += [f"remove container {stray.name}" for stray in self.strays]
        if self.container not in ("", "wait"):
            steps.append(f"{self.container} container {name} ({self.reason})")
        return steps


# --- look ---------------------------------------------------------------------------------------------------------


def find(wanted: Desired, api: DockerClient | None, compose: Compose, claim: Claim) -> Current:
    """Look at files, engine, image, our own containers and the published port."""
    files = {file.path: look(file.path) for file in wanted.everything}
    prunable = _below(wanted.prune, {file.path for file in wanted.everything})
    container: Container | None = None
    strays: tuple[Container, ...] = ()
    image_id = config_hash = ""
    if api is not None:
        name = wanted.image_id if wanted.exchanges_state and wanted.image_id else wanted.image_ref
        image = find_image(api, name) if name else None
        image_id = image.id if image else ""
        container, strays = look_service(api, wanted.project, wanted.service, wanted.container, claim.made_here)
        if wanted.state == "present":
            config_hash = compose.config_hash(wanted.definition.content.decode(), wanted.service)
    mounted = _mounted_files(container)
    taken: tuple[Listener, ...] = ()
    port = Port(
        wanted.probe.host,
        wanted.probe.port,
        partial(_publisher, wanted, api, claim),
        partial(published_at, wanted, compose),
    )
    if api is not None and wanted.state == "present":
        taken = port.taken()
    health = ask(wanted.probe, port) if container and container.running and not taken else Health()
    return Current(
        files=files,
        prunable=prunable,
        image_id=image_id,
        config_hash=config_hash,
        container=container,
        strays=strays,
        mounted=tuple(mounted),
        stale=stale_mounts(container),
        health=health,
        taken=taken,
        expired=migration_backups.expired(wanted.state_dir, wanted.migration_backup_days, time.time()),
    )


def _publisher(wanted: Desired, api: DockerClient | None, claim: Claim) -> Container | None:
    """Return the container of the service that has the published port: its own, or what a killed recreate left."""
    if api is None:
        return None
    chosen, strays = look_service(api, wanted.project, wanted.service, wanted.container, claim.made_here)
    ports = {id(found): {entry.port for entry in read_published(found.attrs)} for found in strays}
    return next((found for found in strays if wanted.probe.port in ports[id(found)]), chosen)


def published_at(wanted: Desired, compose: Compose) -> set[str]:
    """Return the addresses where the definition publishes the port that is asked; empty is every address."""
    service = compose.resolve(wanted.definition.content.decode())["services"][wanted.service]
    return {port.address for port in published(service) if port.port == wanted.probe.port}


def _below(prefix: str, kept: Collection[str]) -> tuple[str, ...]:
    folder, start = os.path.split(prefix)
    if not start or not os.path.isdir(folder):
        return ()
    paths = (f"{folder}/{name}" for name in sorted(os.listdir(folder)) if name.startswith(start))
    return tuple(path for path in paths if path not in kept)


def _mounted_files(container: Container | None) -> dict[str, str]:
    """Return source to destination of the single files that are mounted into ``container``."""
    mounts: list[dict[str, Any]] = (container.attrs.get("Mounts") or []) if container else []
    binds = {mount["Source"]: mount["Destination"] for mount in mounts if mount.get("Type") == "bind"}
    return {source: target for source, target in binds.items() if not os.path.isdir(source)}


def stale_mounts(container: Container | None) -> tuple[str, ...]:
    """Return the mounted files of which the container still sees an earlier one: the mount keeps the old inode."""
    return _stale(container, _mounted_files(container))


def _stale(container: Container | None, mounted: dict[str, str]) -> tuple[str, ...]:
    pid = (container.attrs.get("State") or {}).get("Pid") if container and container.running else 0
    if not pid:
        return ()
    return tuple(source for source, target in mounted.items() if not _same(source, f"/proc/{pid}/root{target}"))


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except OSError:
        return False


def foreign_files(wanted: Desired, found: Current, claim: Claim) -> list[str]:
    """Describe the files that would be overwritten or removed although another user wrote them; pure."""
    result = []
    for file in wanted.everything:
        there = found.files[file.path]
        if there is None or there.type != "file" or (there.content == file.content and wanted.state == "present"):
            continue
        if file.path == wanted.probe.token_file:  # what makes it (gateway_token) keeps no record of it
            continue
        if not claim.wrote(file.path, there.content):
            result.append(f"file {file.path} of uid {there.uid}, which this collection did not write")
    return result


# --- decide -------------------------------------------------------------------------------------------------------


def with_image(wanted: Desired, found: Current) -> Desired:
    """Return the deployment with the id of its image: the one that is asked for, or else what its name means now.

    In check mode before the first build there is none.
    """
    return replace(wanted, image_id=wanted.image_id or found.image_id)


def decide(wanted: Desired, found: Current) -> Plan:
    """Return the steps from ``found`` to ``wanted``, whose image is known (``with_image``)."""
    if wanted.state == "absent":
        gone = [file.path for file in wanted.everything if found.files[file.path]] if wanted.remove_files else []
        obsolete = found.prunable if wanted.remove_files else ()
        step = "remove" if found.container else ""
        return Plan((), (*gone, *obsolete), found.strays, step, "not wanted", False)
    if wanted.state == "stopped":
        step = "stop" if found.container and found.container.status in ("running", "restarting", "paused") else ""
        return Plan((), (), (), step, "not wanted now", False)
    _refuse_other_image(wanted, found)
    write = tuple(file for file in wanted.everything if differences(found.files[file.path], file))
    step, reason = _container_step(wanted, found, {file.path for file in write})
    checked = wanted.validation.path if wanted.validation else ""
    new_image = found.container is None or found.container.image_id != found.image_id
    validate = bool(checked) and (new_image or any(file.path == checked for file in write))
    return Plan(write, found.prunable, found.strays, step, reason, validate)


def _container_step(wanted: Desired, found: Current, written: set[str]) -> tuple[str, str]:
    container = found.container
    if container is None:
        return "create", "there is none"
    if container.image_id != wanted.image_id:
        return "recreate", "another image"
    if container.labels.get(LABEL_HASH) != found.config_hash:
        return "recreate", "another definition"
    if wanted.state_source:
        return "recreate", "another state"
    exchanged = [path for path in found.mounted if path in written or path in found.stale]
    if exchanged:
        return "recreate", f"exchanged {', '.join(exchanged)}"
    if not container.running:
        return "start", f"it is {container.status}"
    if found.health.ok:
        return "", ""
    return ("restart", "it is unhealthy") if container.health == "unhealthy" else ("wait", "it is starting")


def _refuse_other_image(wanted: Desired, found: Current) -> None:
    """Refuse a tag that has moved; in check mode before the first build there is no image to compare."""
    if wanted.image_id and found.image_id and wanted.image_id != found.image_id:
        raise HardeningError(
            wanted.image_ref,
            found.image_id,
            f"{wanted.image_id}, the image that was verified; run `docker tag {wanted.image_id} {wanted.image_ref}`",
            "image_id",
        )


def diff(wanted: Desired, found: Current, plan: Plan) -> list[dict[str, str]]:
    """Return one entry for each file that changes and one for the container."""
    entries = [diff_entry(found.files[file.path], file) for file in plan.write]
    entries += [
        {"before_header": path, "after_header": path, "before": "present\n", "after": ""} for path in plan.remove
    ]
    if plan.container in ("", "wait"):
        return entries
    container = found.container
    before = _sketch(container.image_id, container.labels.get(LABEL_HASH, ""), container.status) if container else ""
    after = ""
    if plan.container == "stop" and container:
        after = _sketch(container.image_id, container.labels.get(LABEL_HASH, ""), "exited")
    elif plan.container != "remove":
        after = _sketch(wanted.image_id or "(to be built)", found.config_hash, "running")
    name = f"container {wanted.container} ({plan.container}: {plan.reason})"
    return [*entries, {"before_header": name, "after_header": name, "before": before, "after": after}]


def _sketch(image: str, config_hash: str, status: str) -> str:
    return f"image: {image}\ndefinition: {config_hash}\nstatus: {status}\n"
