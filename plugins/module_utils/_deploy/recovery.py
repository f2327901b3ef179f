# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rollback from a deployment that failed or was cut off, and the end of one that is proven.

Each step may be repeated: a run that is killed on the way is followed by one that begins here again.
"""

from __future__ import annotations

import os
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.candidate import Candidate, of_service
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import wait
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import Deployment, Journal, Places
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.liveness import Watch
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port, start_when_free
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import ALIVE, Service
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.state_copy import Mirror
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import (
    find_image,
    remove_nameless,
    remove_unused,
    tag_image,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    ManagedFile,
    differences,
    look,
    remove,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._image import tags
from ansible_collections.openclaw.hardening.plugins.module_utils._image.record import restore_record
from ansible_collections.openclaw.hardening.plugins.module_utils._system import progress

# What a failed deployment left behind (`outcome` of hardened_compose).
UNCHANGED, ROLLED_BACK = "unchanged", "rolled_back"
ROLLBACK_FAILED, CLEANUP_PENDING = "rollback_failed", "cleanup_pending"
# Seconds for one that was healthy to answer again, after a candidate took memory and processors.
_STILL_WELL = 30
# Seconds that one has to run which cannot be probed.
_RUNS = 10.0


@dataclass(frozen=True)
class Restorer:
    """Undoes or finishes what a journal reports."""

    service: Service
    places: Places
    # What the operator has to know besides.
    warnings: list[str] = field(default_factory=list)

    def recover(self) -> str:
        """Undo or finish what an earlier run did not; say what was done, or nothing."""
        journal = deploy_journal.load(self.places)
        if journal is None:
            deploy_journal.sweep(self.places)
            return ""
        if journal.phase == deploy_journal.COMMITTING:
            self.finish(journal)
            return "finish the deployment that was cut off when it was proven"
        try:
            self.undo(journal)
        except HardeningError as error:
            raise HardeningError(
                "the deployment that was cut off",
                f"no rollback: {error}. {self.by_hand(journal.before)}",
                "the previous deployment to be healthy again",
                outcome=ROLLBACK_FAILED,
            ) from error
        return f"undo the deployment that was cut off while {journal.phase}"

    # --- back -----------------------------------------------------------------------------------------------------

    def undo(self, journal: Journal, *, well: bool = False) -> tuple[str, str]:
        """Bring back what was there before; say what serves now, and the outcome as it is seen on the host.

        :param well: it was healthy before; where that is not known, it counts that it runs.
        :raises HardeningError: it did not become healthy; the journal stays for the next run.
        """
        before = journal.before
        if journal.phase == deploy_journal.PREPARING:
            self.remove_candidate()
            self.service.unpause()
            if self._as_before(before, well=well):
                self.name_image(before.image_id, before.image_ref)
                deploy_journal.clear(self.places)
                return "what runs was not touched", UNCHANGED
            # It ended meanwhile, such as for want of memory: it is started again.
        progress.step("rolling back to the previous deployment")
        if journal.phase != deploy_journal.RESTORING:
            # A full disk must not stand in the way: a run that finds the phase of before does the same.
            with suppress(HardeningError):
                journal = deploy_journal.advance(self.places, replace(journal, phase=deploy_journal.RESTORING))
        self.remove_candidate()
        self.service.stop_unit()
        if journal.restore_state:
            self.service.stop()
            state = self.places.state(self.places.attempt)
            mirror = Mirror(state, before.state_dir, before.state_excludes, restoring=True)
            mirror.run()
            self.warnings.extend(filter(None, [mirror.warning()]))
        for saved, managed in deploy_journal.saved_files(self.places.attempt, before):
            _put_back(saved.path, managed)
        self.name_image(before.image_id, before.image_ref)
        serves = self._serve(before)
        for saved, managed in deploy_journal.saved_files(self.places.attempt, before):
            now = look(saved.path)
            if differences(now, managed) if managed else now is not None:
                raise HardeningError(saved.path, "something else than before", "the file of before")
        deploy_journal.clear(self.places)
        return serves, ROLLED_BACK

    def _as_before(self, before: Deployment, *, well: bool) -> bool:
        """Return whether what served still does: the same container, and healthy when it was."""
        if not before.served:
            return True
        container = self.service.find()
        if container is None or container.id != before.container_id or container.status not in ALIVE:
            return False
        if well:
            port = Port(before.probe.host, before.probe.port, self.service.find)
            probe = replace(before.probe, timeout=min(before.probe.timeout, _STILL_WELL))
            try:
                wait(probe, Watch(self.service.find), port)
            except HardeningError:
                return False
        return True

    def _serve(self, before: Deployment) -> str:
        if not before.served:
            self.service.stop_failed()
            return (
                "nothing ran here before, and nothing runs now; the new container is stopped, the files are as before"
            )
        self.service.unpause()
        container = self.service.find()
        old = container is not None and container.id == before.container_id
        port = Port(before.probe.host, before.probe.port, self.service.find)
        start_when_free(
            port, partial(self.service.compose.up, self.service.name, recreate=not old), before.probe.timeout
        )
        self.service.remove_strays()
        if before.probe.decisive:
            wait(before.probe, Watch(self.service.find), port)
        else:
            self._stays_up()
        if before.supervised:
            self.service.start_unit()
        if not before.probe.decisive:
            return "the previous deployment runs again; nothing of it can be probed, so its health is unknown"
        return "the previous deployment is back and healthy"

    def _stays_up(self) -> None:
        """Watch the container of a gateway that knows none of the paths: all that is known of it is that it ran."""
        watch, end = Watch(self.service.find, steady=True), time.monotonic() + _RUNS
        while time.monotonic() < end:
            if reason := watch():
                raise HardeningError(self.service.container, reason, f"a container that runs for {_RUNS:g} seconds")
            time.sleep(0.5)

    def name_image(self, image_id: str, ref: str) -> None:
        """Let an image's name and the record of its build mean this image, such as the one of before, again."""
        if image_id and find_image(self.service.api, image_id):
            self.service.name_image(image_id, ref)
            restore_record(self.places.record_dir, image_id, ref)

    def remove_candidate(self) -> None:
        """Take away whatever is there of a candidate, and its copies."""
        self.candidate().remove()
        if os.path.isdir(self.places.attempt):
            deploy_journal.drop(self.places, "candidate", "scratch")

    def candidate(self) -> Candidate:
        """Return what there is, or is going to be, of a candidate."""
        return of_service(self.service.api, self.service.compose, self.service.name, self.places.attempt)

    def by_hand(self, before: Deployment) -> str:
        """Return how an operator brings the previous deployment back."""
        compose = self.service.compose
        steps = ["systemctl start docker.service"]
        if before.image_id:
            steps.append(f"docker tag {before.image_id} {before.image_ref}")
        file = shlex.quote(compose.definition)
        compose_up = f"docker compose --project-name {compose.project} --file {file} up --detach"
        steps.append(f"{compose_up} {self.service.name}")
        steps += [f"systemctl start {self.service.unit}"] if self.service.unit else []
        return (
            "THE SERVICE IS NOT WELL. Fix what is reported above and run the same playbook again: it goes on with the "
            f"rollback first (what was there before is in {self.places.attempt}). By hand: {'; '.join(steps)}"
        )

    # --- the end --------------------------------------------------------------------------------------------------

    def finish(self, journal: Journal) -> None:
        """Keep what was replaced by a proven deployment, and leave the new one to its unit."""
        before = journal.before
        self.remove_candidate()
        for path in journal.remove:
            remove(path)
        self.service.remove_strays()
        container = self.service.find()
        if before.supervised and container is not None and container.status in ALIVE:
            self.service.start_unit()
        else:
            self.service.reset_failed()
        proven = [file.path for file in before.files if file.path not in journal.remove]
        files = {path: history.fingerprint(look(path)) for path in proven}
        project = self.service.compose.project
        history.save_deployed(
            self.places.record_dir, history.record_of(project, before.image_ref, journal.image_id, files)
        )
        history.fix_rejected(self.places.record_dir)
        history.clear_rejection(self.places.record_dir, journal.image_id)
        if journal.keeps:
            self._name_replaced(before, journal.image_id)
            deploy_journal.keep(self.places, journal)
        else:
            deploy_journal.clear(self.places)

    def _name_replaced(self, before: Deployment, image_id: str) -> None:
        """Keep the replaced image by a name; the one that had the name goes when nothing else names or uses it."""
        api, ref = self.service.api, tags.rollback(before.image_ref)
        old = find_image(api, ref)
        if before.image_id == image_id:
            remove_unused(api, ref)
        elif find_image(api, before.image_id):
            tag_image(api, before.image_id, ref)
        if old:
            remove_nameless(api, old.id)


def _put_back(path: str, managed: ManagedFile | None) -> None:
    if managed is None:
        remove(path)
    elif differences(look(path), managed):
        write(managed)
