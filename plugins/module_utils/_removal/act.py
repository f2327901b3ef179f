# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take away what a plan names, stage by stage. Whatever is killed, the next run finds the rest by the same evidence."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import grace
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import remove_path
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import failures, parent
from ansible_collections.openclaw.hardening.plugins.module_utils._removal import cache
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.plan import (
    ACCOUNT,
    CACHE,
    CONTAINERS,
    DATA,
    DIRECTORY,
    FILES,
    FILTER,
    HOME,
    IMAGES,
    NETWORKS,
    RECORDS,
    STAGES,
    STATE,
    UNIT_FILES,
    UNITS,
    Plan,
    Thing,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft, packet_filter, progress
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import host_wide, lock
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import manager as systemd

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

_TREES = ("tree", STATE, HOME, "record", "lock")


@dataclass
class Remover:
    """Carries one plan out."""

    module: AnsibleModule
    api: DockerClient | None
    docker_host: str
    record_dir: str
    filter: nft.Settings
    lock_timeout: int

    def run(self, plan: Plan) -> None:
        """Carry it out; a stage without anything to do is passed over."""
        acts: dict[str, Callable[[list[Thing]], None]] = {
            UNITS: self._stop,
            CONTAINERS: self._containers,
            NETWORKS: self._networks,
            FILTER: self._filter,
            IMAGES: self._images,
            FILES: self._files,
            UNIT_FILES: self._unit_files,
            DATA: self._files,
            ACCOUNT: self._account,
            RECORDS: self._files,
        }
        for stage in STAGES:
            things = plan.of(stage)
            if things:
                progress.step(stage)
                acts[stage](things)

    # --- units --------------------------------------------------------------------------------------------------------

    def _stop(self, things: list[Thing]) -> None:
        """Stop and disable the units, all at once: so no timer starts one again."""
        names = [thing.key for thing in things]
        with lock(host_wide("units"), self.lock_timeout):
            run(self.module, ["systemctl", "--no-ask-password", "stop", "--", *names], extra=self._grace())
            installed = [name for name in names if os.path.exists(f"{systemd.UNIT_PATH}/{name}")]
            if installed:
                systemd.systemctl(self.module, "disable", installed)

    def _grace(self) -> float:
        """Return the seconds that the containers may take to stop."""
        found: list[Any] = client.containers_by_label(self.api) if self.api else []
        return max((grace(container) for container in found), default=0.0)

    def _unit_files(self, things: list[Thing]) -> None:
        """Remove the files, and let systemd forget them."""
        with lock(host_wide("units"), self.lock_timeout):
            self._files([thing for thing in things if thing.path.startswith("/")])
            systemd.systemctl(self.module, "daemon-reload")
            names = [thing.key for thing in things if thing.key]
            if names:
                systemd.systemctl(self.module, "reset-failed", names, check=False)

    # --- Docker and the packet filter ---------------------------------------------------------------------------------

    def _containers(self, things: list[Thing]) -> None:
        for thing in things:
            found = client.find_container(self.api, thing.key) if self.api else None
            if found is not None:
                if found.status == "paused":
                    self._docker("unpause", "--", found.id)
                self._docker("stop", "--", found.id, extra=grace(found))
                self._docker("rm", "--force", "--volumes", "--", found.id)

    def _networks(self, things: list[Thing]) -> None:
        for thing in things:
            self._docker("network", "rm", "--", thing.key)

    def _docker(self, *argv: str, extra: float = 0) -> None:
        run(self.module, [*client.cli(self.docker_host), *argv], extra=extra)

    def _filter(self, things: list[Thing]) -> None:
        kinds = {thing.kind for thing in things}
        packet_filter.act(
            self.module, self.filter, packet_filter.Plan(remove="table" in kinds, outdated="rule" in kinds)
        )

    def _images(self, things: list[Thing]) -> None:
        with ExitStack() as stack:
            # Where there is no such file, no image was ever made.
            if os.path.exists(f"{self.record_dir}/image.lock"):
                stack.enter_context(lock(f"{self.record_dir}/image.lock", self.lock_timeout))
            self._files([thing for thing in things if thing.kind == "tree"])
            for thing in things:
                if thing.kind == CACHE:
                    cache.remove(self.module, self.docker_host, thing.key.split())
                if thing.kind == "image" and self.api is not None:
                    removed = client.remove_unused(self.api, thing.key)
                    if not removed and client.find_image(self.api, thing.key) is not None:
                        found = "a container that was made from it meanwhile"
                        raise HardeningError(thing.text, found, "no use of it; remove that container")

    # --- files and the account ----------------------------------------------------------------------------------------

    def _files(self, things: list[Thing]) -> None:
        for thing in things:
            with failures(thing.path):
                if thing.kind == DIRECTORY:
                    managed.remove_directory(thing.path)
                elif thing.kind in _TREES:
                    remove_path(thing.path)
                else:
                    self._unlink(thing.path)

    def _unlink(self, path: str) -> None:
        with parent(path) as (folder, name), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    def _account(self, things: list[Thing]) -> None:
        with lock(host_wide("accounts"), self.lock_timeout):
            # By force: a container of another owner may have programs with this number. The group would go by it, too.
            force = ["--force"] if any(thing.kind == "group" for thing in things) else []
            for thing in sorted(things, key=lambda thing: thing.kind):
                if thing.kind == "account":
                    run(self.module, ["userdel", *force, "--", thing.path])
                # With USERGROUPS_ENAB (login.defs(5)), the group is gone by now.
                elif run(self.module, ["getent", "group", "--", thing.path], check=False).rc == 0:
                    run(self.module, ["groupdel", "--", thing.path])
