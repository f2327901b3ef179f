# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A removal from options to result: look and decide, make the last backup, act; one run at a time with deployments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manager import BackupManager
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import listed
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import claim as deploy_claim
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import Places
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._removal import cache, engine, files
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.act import Remover
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.options import wanted_from
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.plan import (
    CACHE,
    FILTER,
    IMAGES,
    UNIT_FILES,
    UNITS,
    Current,
    Plan,
    Thing,
    decide,
    refuse,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft, packet_filter, proc, progress
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import OPTION, run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json, write_json
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import host_wide, lock
from ansible_collections.openclaw.hardening.plugins.module_utils._system.mountinfo import mount_table
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import manager as systemd

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient


class RemovalManager:
    """Removes one instance from one host."""

    def __init__(self, module: AnsibleModule) -> None:
        """Check every option before the world is looked at."""
        self.module = module
        self.wanted = wanted_from(module.params)
        self.names = self.wanted.names
        self.places = Places(self.names["record_dir"])
        self.api: DockerClient | None = None

    def run(self) -> dict[str, Any]:
        """Look, decide, act."""
        self.api = client.client_if_installed(self.wanted.docker_host, timeout=self.module.params[OPTION])
        plan = self._plan()
        if self.wanted.planned or not plan.removed:
            return self._result(plan)
        if self.module.check_mode:
            if plan.backup and self.wanted.backup is not None:
                BackupManager(self.module, self.wanted.backup).predict()
            return self._result(plan)
        with lock(self._lock_file(), self.wanted.lock_timeout), progress.log("removal", self.names["name"]):
            # Another run may have been at work meanwhile.
            plan = self._plan()
            made = self._back_up() if plan.backup else ""
            # The record of the backup goes with the others.
            Remover(
                self.module, self.api, self.wanted.docker_host, self.names["record_dir"], self._filter(),
                self.wanted.lock_timeout,
            ).run(self._plan() if made else plan)  # fmt: skip
        return {**self._result(plan), "backup": made}

    def _plan(self) -> Plan:
        found = self._look()
        wanted = self.wanted
        plan = decide(found, data=wanted.data, backup=wanted.backup is not None)
        refuse(found, plan, data=wanted.data, backup=wanted.backup)
        return plan

    def _lock_file(self) -> str:
        """Return the lock of the deployment; where there are no records, no deployment takes it."""
        folder = self.names["record_dir"]
        return f"{folder}/deploy.lock" if os.path.isdir(folder) else host_wide(f"removal-{self.names['name']}")

    def _result(self, plan: Plan) -> dict[str, Any]:
        gone = [thing for thing in plan.removed if thing.stage != UNITS]
        result: dict[str, Any] = {
            "changed": bool(plan.removed) and not self.wanted.planned,
            "actions": plan.actions,
            "removed": [{"kind": thing.kind, "path": thing.path} for thing in gone],
            "stays": [{"kind": thing.kind, "path": thing.path, "reason": thing.reason} for thing in plan.stays],
            "needs_backup": plan.backup,
            "backup": "",
        }
        if self.module._diff:  # noqa: SLF001 - Ansible's own
            before = "".join(f"{thing.text}\n" for thing in gone)
            result["diff"] = {"before": before, "after": "", "before_header": self.names["name"], "after_header": ""}
        return result

    # --- look ---------------------------------------------------------------------------------------------------------

    def _look(self) -> Current:
        names = self.names
        host = files.gather(names)
        claim = deploy_claim.read(self.places, names["name"], names["container"], names["definition"])
        docker = engine.gather(self.api, names, claim, host.used) if self.api else engine.Engine()
        things = [*self._units(host), *docker.things, *self._cache(host.used), *self._packet_filter()]
        things += [*files.files(host), *files.standing(host, self.wanted.backup_dir)]
        journal = deploy_journal.load(self.places)
        with open("/proc/self/mountinfo", "rb") as table:
            mounts = tuple(mount.path for mount in mount_table(table.read()))
        return Current(
            things=tuple(dict.fromkeys(things)),
            attached=docker.attached,
            interrupted=journal.phase if journal else "",
            mounts=mounts,
            processes=tuple(self._processes(host)),
            running=docker.running,
            backed_up=self._backed_up(),
        )

    def _units(self, host: files.Host) -> Iterator[Thing]:
        """Return what systemd has to stop, and what it still knows although the file is gone."""
        pattern = f"{self.names['name']}-*"
        argv = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", "--", pattern]
        loaded = {line.split()[0] for line in run(self.module, argv).stdout.splitlines() if line.split()}
        names = {name for name in loaded if host.owned(name)} | set(host.own_units)
        status = systemd.show(self.module, names) if names else {}
        for name in sorted(names):
            unit, there = status[name], os.path.lexists(f"{systemd.UNIT_PATH}/{name}")
            gone = not there and unit.fragment.startswith(f"{systemd.UNIT_PATH}/")
            if (name in host.own_units or gone) and (unit.active or unit.enabled):
                yield Thing(UNITS, "unit", name, key=name)
            if gone or (not there and not unit.fragment and unit.active_state == "failed"):
                yield Thing(UNIT_FILES, "loaded unit", name, key=name)

    def _cache(self, used: str) -> list[Thing]:
        """Return the cache of our builds, which is one for all instances."""
        ids = cache.gather(self.module, self.wanted.docker_host) if self.api else []
        return [Thing(IMAGES, CACHE, f"of {len(ids)} build steps", used, key=" ".join(ids))] if ids else []

    def _filter(self) -> nft.Settings:
        return nft.Settings(self.names["container"], self.names["bridge"], 1)

    def _packet_filter(self) -> Iterator[Thing]:
        found = packet_filter.look(self.module, self._filter())
        if found.table is not None:
            reason = "" if self.names["bridge"] in found.table else "not ours: it does not name our bridge"
            yield Thing(FILTER, "table", f"{nft.FAMILY} {self.names['container']}", reason)
        if found.outdated:
            yield Thing(FILTER, "rule", f"DOCKER-USER for {self.names['bridge']}")

    def _processes(self, host: files.Host) -> Iterator[str]:
        """Name the programs of the account that end with no unit of ours; in a container, its number is any number."""
        uid, here = files.uid_of(host), os.readlink("/proc/self/ns/pid")
        for pid in proc.pids() if uid else []:
            with suppress(OSError):  # it ended
                if proc.owner(pid) != uid or os.readlink(f"/proc/{pid}/ns/pid") != here:
                    continue
                if not any(f"/{name}" in proc.control_group(pid) for name in host.own_units):
                    yield f"process {pid} ({proc.program(pid)})"

    # --- the last backup ----------------------------------------------------------------------------------------------

    def _record(self) -> str:
        return f"{self.names['record_dir']}/removal.json"

    def _deployed_at(self) -> str:
        deployed = history.look_deployed(self.names["record_dir"], self.names["name"])[0]
        return deployed.at if deployed else ""

    def _backed_up(self) -> str:
        """Return the backup of a removal that was cut off; another deployment since needs another backup."""
        record = read_json(self._record())
        same = self._deployed_at() in ("", record.get("deployed_at"))
        return str(record.get("backup") or "") if same else ""

    def _back_up(self) -> str:
        """Make the last backup; nothing was changed before."""
        if self.wanted.backup is None:
            return ""
        needed = "a good one before anything is removed; or none (in the playbook: openclaw_remove_backup=false)"
        try:
            made = BackupManager(self.module, self.wanted.backup).make()
        except HardeningError as error:
            raise HardeningError("the last backup", str(error), needed, "backup", outcome="unchanged") from error
        if made["problems"] and self.wanted.data:
            found = f"{made['path']} without {listed(made['problems'])}"
            raise HardeningError("the last backup", found, f"{needed}; or keep the data", "backup", outcome="unchanged")
        write_json(self._record(), {"backup": made["path"], "deployed_at": self._deployed_at()})
        return str(made["path"])
