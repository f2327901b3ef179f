# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take the steps of a deployment's plan: candidate, swap, proof; what fails leaves the host as it was.

Where it is stands in the journal before each step, for the run that follows when this one is killed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import candidate as deploy_candidate
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history, migration_backups
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.contents import Comparison
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure import Explained, Explainer
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import (
    Health,
    Probe,
    ask,
    stabilize,
    wait,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import (
    Deployment,
    Journal,
    Places,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.liveness import Watch
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.logins import Logins
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.plan import (
    Current,
    Desired,
    Plan,
    published_at,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import (
    Port,
    published_port,
    start_when_free,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.recovery import (
    CLEANUP_PENDING,
    ROLLBACK_FAILED,
    UNCHANGED,
    Restorer,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.room import Size, measure, need_both
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import ALIVE, Service
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_copy import Mirror
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container, find_image
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    FileState,
    ensure_directory,
    look,
    look_directory,
    remove,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system import proc, progress

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import Compose
    from docker import DockerClient

# What a second gateway takes for its start; with less at hand it could cost the first one its life.
_CANDIDATE_MEMORY = 1200 << 20
# The kernel takes a lease from a process that does not give it back (/proc/sys/fs/lease-break-time, 45 seconds).
_LEASE_PATIENCE = 50.0


@dataclass(frozen=True)
class Deployer:
    """The acting half of a deployment."""

    service: Service
    places: Places
    wanted: Desired
    found: Current
    explainer: Explainer
    warnings: list[str] = field(default_factory=list)

    @property
    def _compose(self) -> Compose:
        return self.service.compose

    @property
    def _port(self) -> Port:
        published = partial(published_at, self.wanted, self._compose)
        return Port(self.wanted.probe.host, self.wanted.probe.port, self.service.find, published)

    @property
    def _api(self) -> DockerClient:
        return self.service.api

    @property
    def _restorer(self) -> Restorer:
        return Restorer(self.service, self.places, self.warnings)

    def _warn(self, mirror: Mirror) -> None:
        if mirror.left_count:
            self.warnings.append(mirror.warning())

    def apply(self, plan: Plan) -> Health:
        """Take the steps of ``plan``.

        :raises HardeningError: it failed; ``details["outcome"]`` is unchanged, rolled_back or rollback_failed.
        """
        if plan.container in ("stop", "remove"):
            self.warnings.extend(self.service.take_down(remove=plan.container == "remove"))
            for path in plan.remove:
                remove(path)
            return Health()
        if plan.container == "wait" and not plan.changed:
            return self._wait()
        self.need_image()
        mirror = self._snapshot() if self._moves_state() else None
        journal = self.prepare(plan, mirror)
        return self._swap(plan, journal, mirror)

    # --- before anything is touched -------------------------------------------------------------------------------

    def prepare(self, plan: Plan, mirror: Mirror | None) -> Journal:
        """Write down what is going to be replaced, copy its state, and let a candidate prove the new deployment."""
        before = self._before(plan)
        with_candidate = self.wants_candidate(plan)
        if self.wanted.state_dir and (mirror or with_candidate):
            tried = self.wanted.state_source if self.wanted.testing else ""
            size = measure(tried or self.wanted.state_dir, self.wanted.state_excludes)
            ensure_directory(self.places.record_dir, 0o700, 0, 0)
            copies = size.times((mirror is not None) + with_candidate)
            kept = migration_backups.to_come(tried or self.wanted.state_dir) if mirror else Size()
            here, there = (self.places.record_dir, copies + kept.times(with_candidate)), (self.wanted.state_dir, kept)
            need_both(here, there, f"copies of {self.wanted.state_dir}", self._without_a_copy(mirror))
        journal = Journal(deploy_journal.PREPARING, before, self.wanted.image_id, plan.remove, plan.replaces)
        deploy_journal.begin(self.places, journal, [self._state_of(file.path) for file in before.files])
        try:
            if with_candidate:
                self._try_candidate()
            if mirror:
                progress.step("copying the state")
                ensure_directory(mirror.target, 0o700, 0, 0)
                mirror.run()  # most of it; the rest follows when nobody writes any more
        except Exception as error:
            raise self._undone(journal, error) from error
        return journal

    def _before(self, plan: Plan) -> Deployment:
        container = self.found.container
        paths = [*(file.path for file in self.wanted.everything), *plan.remove]
        secret = {file.path for file in self.wanted.files if file.secret} | set(plan.remove)
        return Deployment(
            image_ref=self.wanted.image_ref,
            image_id=container.image_id if container else "",
            container_id=container.id if container else "",
            served=container is not None and container.status in ALIVE,
            supervised=self.service.unit_state() == "active",
            probe=self._probe_before(container),
            files=tuple(deploy_journal.saved(path, self._state_of(path), path in secret) for path in paths),
            state_dir=self.wanted.state_dir,
            state_excludes=self.wanted.state_excludes,
            state_saved=self._moves_state(),
            replaced_at=history.now(),
            rolled_back=self.wanted.rolling_back,
        )

    def _probe_before(self, container: Container | None) -> Probe:
        """Return how the replaced deployment is asked: at its own port, and nothing that its gateway does not know."""
        port = published_port(container, self.wanted.probe.port)
        probe = replace(self.wanted.probe, port=port, stabilize=0, essential=(), require_dependencies=False)
        return probe.without(self.found.health.unknown)

    def _state_of(self, path: str) -> FileState | None:
        return self.found.files[path] if path in self.found.files else look(path)

    def _moves_state(self) -> bool:
        """Return whether the state of before is needed to go back: another image migrates it, a rollback exchanges it.

        Where no container is left to tell, the image may be another one, too.
        """
        container = self.found.container
        other = container is None or container.image_id != self.wanted.image_id
        return self._copies_state and (other or bool(self.wanted.state_source))

    @property
    def _copies_state(self) -> bool:
        """Return whether the state may be copied; what exchanges it always does."""
        return bool(self.wanted.state_dir) and (self.wanted.copy_state or self.wanted.exchanges_state)

    def _snapshot(self) -> Mirror:
        target, earlier = self.places.state(self.places.attempt), self.places.state(self.places.previous)
        reuse = earlier if os.path.isdir(earlier) else ""
        return Mirror(self.wanted.state_dir, target, self.wanted.state_excludes, reuse, marks=True)

    # --- the candidate --------------------------------------------------------------------------------------------

    def wants_candidate(self, plan: Plan) -> bool:
        """Return whether there is something to protect, and room for a second one."""
        protects = plan.container == "recreate" and self.found.health.up
        if not (protects or self.wanted.testing) or self.wanted.candidate == "never":
            return False
        if self.wanted.state_dir and not self._copies_state:
            self.warnings.append(
                f"{self.wanted.state_dir} was not copied: no candidate was tried, and when another image migrates the "
                "state there is no rollback; set 'copy_state' to true as soon as there is room again"
            )
            return False
        free = proc.memory("MemAvailable")
        if self.wanted.candidate == "auto" and free < _CANDIDATE_MEMORY:
            self.warnings.append(
                f"no candidate was tried: found {free >> 20} MiB of memory available, needed {_CANDIDATE_MEMORY >> 20} "
                "beside the running service; set 'candidate' to always to try it nevertheless"
            )
            return False
        return True

    def _try_candidate(self) -> None:
        candidate = self._restorer.candidate()
        folder = candidate.folder
        resolved = self._compose.resolve(self.wanted.definition.content.decode())
        port = deploy_candidate.container_port(resolved, self.wanted.service, self.wanted.probe.port)
        files = {f"{folder}/file-{number}": file for number, file in enumerate(self.wanted.files)}
        stand_ins = {file.path: path for path, file in files.items()}
        if self.wanted.state_dir:
            stand_ins[self.wanted.state_dir] = self._scratch()
        image_id = self.wanted.image_id
        environment = self.wanted.candidate_environment
        project = candidate.project
        whole = deploy_candidate.definition(resolved, self.wanted.service, project, image_id, stand_ins, environment)
        token_file = stand_ins.get(self.wanted.probe.token_file, self.wanted.probe.token_file)
        probe = replace(self.wanted.probe, token_file=token_file)
        comparison = self._comparison
        before = comparison.before(self.places.scratch) if comparison else None
        progress.step("trying the candidate beside the gateway")
        try:
            candidate.start(whole, files)
            candidate.prove(port, probe)
        except Exception as error:
            own = candidate.probe(port, probe)
            failure = self.explainer.of(candidate.container(), error, own, stand_ins)
            raise Explained(failure) from error
        candidate.remove()
        if comparison:
            try:
                comparison.after(before, self.places.scratch, running=False)
            except HardeningError as error:
                raise Explained(self.explainer.plain(error)) from error
        deploy_journal.drop(self.places, "candidate", "scratch")

    @property
    def _comparison(self) -> Comparison | None:
        """Return how to find out what an upgrade loses; nothing where another state comes on purpose."""
        if not self._moves_state() or (self.wanted.state_source and not self.wanted.testing):
            return None
        return Comparison(f"{self.places.record_dir}/comparison", self.wanted.accept_losses, self.warnings)

    def _scratch(self) -> str:
        """Copy the state for the candidate; what is excluded is there, empty."""
        progress.step("copying the state for the candidate")
        source, target = self.wanted.state_source or self.wanted.state_dir, self.places.scratch
        ensure_directory(target, 0o700, 0, 0)
        mirror = Mirror(source, target, self.wanted.state_excludes)
        container = self.found.container
        if self.wanted.state_source or container is None:
            mirror.run()
        elif not mirror.run_live():  # it never rests: it has to pause for the last changes
            self.service.pause(container)
            try:
                mirror.run()
            finally:
                self.service.unpause()
        for name in self.wanted.state_excludes:
            found = look_directory(f"{self.wanted.state_dir}/{name}")
            if found:
                ensure_directory(f"{target}/{name}", found.mode, found.uid, found.gid)
        return target

    # --- the swap -------------------------------------------------------------------------------------------------

    def _swap(self, plan: Plan, journal: Journal, mirror: Mirror | None) -> Health:
        disturbing = plan.container in ("create", "recreate", "restart", "start")
        try:
            if disturbing:
                journal = deploy_journal.advance(self.places, replace(journal, phase=deploy_journal.STOPPING))
                progress.step("stopping the gateway")
                self.service.stop_unit()
                if plan.container in ("recreate", "restart"):
                    self.service.stop()
                if mirror:
                    progress.step("copying the last changes of the state")
                    mirror.run_rested(_LEASE_PATIENCE)
                    self._warn(mirror)
            journal = deploy_journal.advance(
                self.places,
                replace(
                    journal, phase=deploy_journal.STARTING, restore_state=disturbing and journal.before.state_saved
                ),
            )
            for file in plan.write:
                write(file)
            if disturbing:
                self._start(plan)
            health = self._prove() if plan.container else self.found.health
            if mirror and (comparison := self._comparison):
                comparison.after(comparison.before(mirror.target), self.wanted.state_dir, running=True)
            journal = deploy_journal.advance(self.places, replace(journal, phase=deploy_journal.COMMITTING))
        except Exception as error:
            raise self._undone(journal, error) from error
        try:
            self._restorer.finish(journal)
        except Exception as error:
            found = f"the new deployment serves and is proven, but what it replaced could not be put away: {error}"
            raise HardeningError(
                "deployment", found, "to be run again; it finishes first", outcome=CLEANUP_PENDING
            ) from error
        return health

    def _start(self, plan: Plan) -> None:
        self.service.remove_strays()
        if self.wanted.state_source:
            source, target = self.wanted.state_source, self.wanted.state_dir
            logins = Logins(self.places.state(self.places.attempt), source, self.places.logins)
            kept = logins.files() if self.wanted.keep_logins else []
            mirror = Mirror(source, target, self.wanted.state_excludes, restoring=True, kept=kept)
            mirror.run()
            self._warn(mirror)
            if self.wanted.keep_logins:
                logins.bring(target)
                self.warnings.append(logins.report())
        if self.wanted.exchanges_state:
            self._restorer.name_image(self.wanted.image_id, self.wanted.image_ref)
        progress.step("starting the gateway")
        up = partial(self._compose.up, self.wanted.service, recreate=plan.container == "recreate")
        start_when_free(self._port, up, self.wanted.probe.timeout, self.explainer.hints.get("port", ""))

    def _wait(self) -> Health:
        try:
            return self._prove()
        except Exception as error:
            raise self.explainer.of(self.service.find(), error).error("nothing was changed", UNCHANGED) from error

    def _prove(self) -> Health:
        """Wait until it is ready for the host, and stays so."""
        probe, find = self.wanted.probe, self.service.find
        progress.step("waiting until the gateway is ready")
        seconds = wait(probe, Watch(find), self._port).seconds
        progress.step("watching that it stays ready")
        stabilize(probe, Watch(find, steady=True), self._port)
        container = find()
        expected = self.wanted.image_id
        if container is None or (expected and container.image_id != expected):
            there = container.image_id if container else "no container"
            raise HardeningError(self.wanted.container, there, f"a container of {expected}")
        return replace(ask(probe, self._port), seconds=seconds)

    def _without_a_copy(self, mirror: Mirror | None) -> str:
        """Return the option that does without the copies; what exchanges the state always makes one."""
        if not mirror:
            return "candidate"
        return "" if self.wanted.exchanges_state else "copy_state"

    def need_image(self) -> None:
        back = self.wanted.rolling_back
        name = self.wanted.image_id if self.wanted.exchanges_state and self.wanted.image_id else self.wanted.image_ref
        if find_image(self._api, name) is None:
            needed, option = "the hardened image; build it first", "image_ref"
            if back:
                needed, option = "the image of the previous deployment; deploy that version by site.yml", ""
            raise HardeningError(name, "no such image on this host", needed, option, outcome=UNCHANGED)

    # --- when it fails --------------------------------------------------------------------------------------------

    def _undone(self, journal: Journal, error: Exception) -> HardeningError:
        """Bring the previous deployment back, and say in one error what failed, why, and what serves now."""
        if isinstance(error, Explained):
            failure = error.failure
        elif journal.phase == deploy_journal.STARTING:
            failure = self.explainer.of(self._find(), error)  # now, while what failed is still there
        else:
            failure = self.explainer.plain(error)
        restorer = self._restorer
        image_at_fault = isinstance(error, Explained) or journal.phase == deploy_journal.STARTING
        try:
            serves, outcome = restorer.undo(journal, well=self.found.health.ok)
            if image_at_fault and journal.before.image_id not in ("", journal.image_id):
                history.reject(self.places.record_dir, journal.image_id, failure.what)
        except Exception as second:
            serves = f"the rollback failed, too: {second}. {restorer.by_hand(journal.before)}"
            outcome = ROLLBACK_FAILED
        return failure.error(serves, outcome)

    def _find(self) -> Container | None:
        try:
            return self.service.find()
        except Exception:  # the daemon itself may be what failed
            return None
