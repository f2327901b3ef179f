# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment from options to result: one run at a time, what was cut off first, then look, decide, act."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import integer, own_path
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import claim as deploy_claim
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import (
    gate,
    history,
    migration_backups,
    ownership,
    state_source,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.config_check import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import hints_from
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import DEPENDENCIES, Health
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import Places
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.options import back_to, wanted_from
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.plan import (
    decide,
    diff,
    find,
    foreign_files,
    with_image,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port, taken_by
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import ALIVE, Service
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import lists as docker_lists
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import Compose
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    ensure_directory,
    look,
    look_directory,
    vet_parents,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._image import tags
from ansible_collections.openclaw.hardening.plugins.module_utils._system import progress
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import OPTION
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import lock

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import Claim
    from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.plan import Current, Desired, Plan
    from docker import DockerClient


class DeployManager:
    """Hands a wanted deployment to ``_deploy`` and, when it is to be acted upon, to ``apply``."""

    def __init__(self, module: AnsibleModule) -> None:
        """Check every option before the world is looked at."""
        self.module = module
        self.wanted = wanted_from(module.params)
        self.gate = gate.gate_from(module.params)
        self.hints = hints_from(module.params["hints"])
        self.docker_host = client.docker_host(module.params["docker_host"])
        self.places = Places(own_path("record_dir", module.params["record_dir"]))
        self.command_timeout = integer(OPTION, module.params[OPTION], 1, 3600)
        self.lock_timeout = integer("lock_timeout", module.params["lock_timeout"], 0, 86400)

    def run(self) -> dict[str, Any]:
        """Look, decide, act; one run at a time."""
        # What could not be written, and so not be put back either, is refused before anything is touched.
        for path in (self.places.attempt, *(file.path for file in self.wanted.everything)):
            vet_parents(path)
        if self.module.check_mode:
            return self._predict()
        if look_directory(self.places.record_dir) is None:
            # Before a folder of ours is made.
            self._refuse_foreign(client.client(self.docker_host, timeout=self.command_timeout))
        ensure_directory(self.places.record_dir, 0o700, 0, 0)
        taken = lock(f"{self.places.record_dir}/deploy.lock", self.lock_timeout)
        with taken, progress.log("deploy", self.wanted.project):
            api = client.client(self.docker_host, timeout=self.command_timeout)
            self._refuse_foreign(api)
            recovered = self._recover(api)
            try:
                result = self._run(api)
            except HardeningError:
                self._name_what_runs(api)
                raise
        if recovered:
            result["changed"] = True
            result["actions"] = [recovered, *result["actions"]]
        return result

    def _name_what_runs(self, api: DockerClient) -> None:
        """Give the image's name back to the image that runs, when the one that got it is refused before it is tried."""
        with suppress(HardeningError, *client.daemon_errors()):
            container = self._service(api).find() if self.wanted.state == "present" else None
            if container is not None and container.status in ALIVE and deploy_journal.load(self.places) is None:
                from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.recovery import Restorer

                Restorer(self._service(api), self.places).name_image(container.image_id, self.wanted.image_ref)

    def _recover(self, api: DockerClient) -> str:
        """Undo or finish what an earlier run did not.

        What that one deployed loses its name with it; what this one is to deploy got it just before, and keeps it.
        """
        if deploy_journal.load(self.places) is None:
            deploy_journal.sweep(self.places)
            return ""
        from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.recovery import Restorer

        restorer, ref = Restorer(self._service(api), self.places), self.wanted.image_ref
        named = client.find_image(api, ref) if ref else None
        recovered = restorer.recover()
        for warning in restorer.warnings:
            self.module.warn(warning)
        if recovered and named is not None:
            restorer.name_image(named.id, ref)
        return recovered

    def _predict(self) -> dict[str, Any]:
        api = client.client_if_installed(self.docker_host, timeout=self.command_timeout)
        if api is not None:
            self._refuse_foreign(api)
        journal = deploy_journal.load(self.places)
        if journal is not None:
            # What there will be then cannot be seen now.
            verb = "finish" if journal.phase == deploy_journal.COMMITTING else "undo"
            actions = [f"{verb} the deployment that was cut off while {journal.phase}, and look again"]
            return {
                **self._result(True, actions, Health()),
                "waived": [],
                "container_id": "",
                "image_id": "",
                "probes": {},
            }
        return self._run(api)

    def _run(self, api: DockerClient | None) -> dict[str, Any]:
        checking = self.module.check_mode
        if self.wanted.state == "previous":
            back = self._previous()
            if back is None:
                return {
                    **self._result(False, [], Health()),
                    "waived": [],
                    "container_id": "",
                    "image_id": "",
                    "probes": {},
                }
            self.wanted = back
        compose = self._compose()
        claim = self._claim()
        if self.wanted.state_source and self.wanted.keep_logins and not (self.wanted.rolling_back or checking):
            state_source.check_logins(self.wanted.state_dir, self.wanted.state_source, self.places.logins)
        found = find(self.wanted, api, compose, claim)
        wanted = self.wanted = with_image(self.wanted, found)
        self._refuse_in_the_way(api, compose, found, claim)
        waived = self._check(compose, api)
        plan = decide(wanted, found)
        if wanted.testing:
            return {**self._test(api, plan, found), "waived": waived}
        # In check mode the one that is going to be replaced has the port.
        if found.taken and (plan.changed or plan.container) and not (checking and wanted.replaces):
            raise taken_by(
                Port(wanted.probe.host, wanted.probe.port),
                found.taken,
                remedy=self.hints.get("port", ""),
                outcome="unchanged",
            )
        self._damaged = [
            text for text in history.damaged(self.places.record_dir, wanted.project) if "/image.json" not in text
        ]
        health, container = found.health, found.container
        probes: dict[str, float] = {}
        if api is not None:
            self._validate(plan, found)
            if not checking and (plan.changed or plan.container):
                # Only now: compiling what acts takes a tenth of a second, and most runs find nothing to do.
                from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.apply import Deployer
                from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.downtime import Prober
                from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure import Explainer

                if wanted.state == "present":
                    deploy_claim.write(self.places, wanted.project)
                if wanted.state_source and not wanted.rolling_back:
                    state_source.adopt(wanted.state_source, wanted.state_dir)
                service = self._service(api)
                explainer = Explainer(service, wanted.probe, self.hints, wanted.secrets)
                deployer = Deployer(service, self.places, wanted, found, explainer)
                prober = Prober(wanted.probe)
                try:
                    with prober:
                        health = deployer.apply(plan)
                except HardeningError as error:
                    error.details["probes"] = prober.result if found.health.up else {}
                    raise
                finally:
                    for warning in deployer.warnings:
                        self.module.warn(warning)
                probes = prober.result if found.health.up else {}  # who had nothing lost nothing
                container = service.find()
        repairs = self._repairs(plan, found) if api is not None else []
        if repairs and not checking:
            self._repair(found)
        result = self._result(bool(plan.changed or repairs), [*plan.actions(wanted.container), *repairs], health)
        result["probes"] = probes
        result["waived"] = waived
        result["container_id"] = container.id if container else ""
        result["image_id"] = wanted.image_id if wanted.state == "present" else ""
        self._warn_of(health)
        if self.module._diff:
            result["diff"] = diff(wanted, found, plan)
        return result

    def _validate(self, plan: Plan, found: Current) -> None:
        wanted = self.wanted
        if plan.validate and found.image_id:
            progress.step("validating the configuration with the image's OpenClaw")
            for warning in validate(self.module, self.docker_host, wanted, found.image_id):
                self.module.warn(f"{wanted.validation.path if wanted.validation else ''}: {warning}")

    def _test(self, api: DockerClient | None, plan: Plan, found: Current) -> dict[str, Any]:
        """Try it as a candidate, of which nothing stays; in check mode there is nothing to try."""
        wanted = self.wanted
        if api is not None and not self.module.check_mode:
            self._validate(plan, found)
            from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.apply import Deployer
            from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure import Explainer
            from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.recovery import Restorer

            if wanted.state_source:
                state_source.adopt(wanted.state_source, wanted.state_dir)
            service = self._service(api)
            explainer = Explainer(service, wanted.probe, self.hints, wanted.secrets)
            deployer = Deployer(service, self.places, wanted, found, explainer)
            try:
                deployer.need_image()
                if not deployer.wants_candidate(plan):
                    raise HardeningError(
                        "the trial", "; ".join(deployer.warnings) or "none", "a candidate", "candidate"
                    )
                Restorer(service, self.places, deployer.warnings).undo(deployer.prepare(plan, None))
            finally:
                for warning in deployer.warnings:
                    self.module.warn(warning)
        result = self._result(False, [f"try {wanted.image_ref} as a candidate"], Health())
        return {**result, "container_id": "", "image_id": wanted.image_id, "probes": {}}

    def _warn_of(self, health: Health) -> None:
        """Warn of what fails no deployment: a dependency that is not ready, a question without an answer."""
        for question, reply in health.replies.items():
            if question == DEPENDENCIES and reply.ok is False:
                names = ", ".join(health.not_ready) or "it does not name them"
                self.module.warn(
                    f"{self.wanted.container} serves; not ready of what it depends on: {names} ({reply.text})"
                )
            elif reply.ok is None:
                self.module.warn(f"{self.wanted.container}: {question} could not be shown ({reply.text})")

    # --- records --------------------------------------------------------------------------------------------------

    def _repairs(self, plan: Plan, found: Current) -> list[str]:
        """Name the records that are damaged, or not true although nothing else changes, and the copies that expired."""
        wanted, folder = self.wanted, self.places.record_dir
        if wanted.state != "present":
            return []
        faults = [f"remove {wanted.state_dir}/{path} (a copy from before a migration)" for path in found.expired]
        faults += [f"rewrite {text} (kept aside as .damaged)" for text in self._damaged]
        if plan.changed or any(text.startswith(f"{history.deployed_path(folder)} ") for text in self._damaged):
            return faults
        why = history.differs(history.look_deployed(folder, wanted.project)[0], self._true())
        return [*faults, *([f"rewrite {history.deployed_path(folder)} ({why})"] if why else [])]

    def _repair(self, found: Current) -> None:
        """Write what is true; a deployment that was just proven has done so already. Remove what expired."""
        if found.expired:
            migration_backups.remove(self.wanted.state_dir, found.expired)
        folder = self.places.record_dir
        history.save_deployed(folder, self._true())
        history.fix_rejected(folder)
        deploy_claim.write(self.places, self.wanted.project)

    def _true(self) -> history.Deployed:
        wanted = self.wanted
        files = {file.path: history.fingerprint(look(file.path)) for file in wanted.everything}
        return history.record_of(wanted.project, wanted.image_ref, wanted.image_id, files)

    def _previous(self) -> Desired | None:
        """Return what has to be there after the rollback; nothing when it was gone already."""
        deployment = deploy_journal.load_previous(self.places)
        if deployment is None:
            needed = "the record of a deployment that was replaced; there is none before the second deployment"
            raise HardeningError("state", f"no previous deployment in {self.places.previous}", needed, "state")
        if deployment.rolled_back:
            self.module.warn(f"this host went back already, at {deployment.replaced_at}; to go forward deploy again")
            return None
        back = back_to(self.wanted, self.places, deployment)
        if back.state_source and back.keep_logins:
            state_source.check_logins(back.state_dir, back.state_source, self.places.logins)
        elif back.state_source:
            self.module.warn(
                f"the state of {deployment.replaced_at} comes back, with the logins of then: refresh tokens that were "
                "renewed since are spent, channels may have to be linked again, devices that were removed since are "
                "back; set 'keep_logins' to keep the present ones"
            )
        return back

    def _compose(self) -> Compose:
        path = self.wanted.definition.path
        return Compose(self.module, self.docker_host, self.wanted.project, path.rpartition("/")[0], path)

    def _service(self, api: DockerClient) -> Service:
        wanted = self.wanted
        claim = self._claim()
        return Service(self.module, api, self._compose(), wanted.service, wanted.container, wanted.unit, claim)

    # --- whose it is ----------------------------------------------------------------------------------------------

    def _claim(self) -> Claim:
        wanted = self.wanted
        claim = deploy_claim.read(self.places, wanted.project, wanted.container, wanted.definition.path)
        return replace(claim, replaces=wanted.replaces)

    def _refuse_foreign(self, api: DockerClient) -> None:
        """Refuse what has our names and is not ours, before anything is touched, a journal included."""
        claim, there = self._claim(), docker_lists.lists(api)
        foreign = [*ownership.foreign_containers(claim, there), *ownership.foreign_candidate(claim, there)]
        ownership.refuse(foreign, self.wanted.project)

    def _refuse_in_the_way(self, api: DockerClient | None, compose: Compose, found: Current, claim: Claim) -> None:
        """Refuse what would be overwritten, and what holds a name that the deployment needs."""
        wanted = self.wanted
        if wanted.state != "present" and not wanted.remove_files:
            return
        foreign = foreign_files(wanted, found, claim)
        if api is not None and wanted.state == "present":
            there = docker_lists.lists(api)
            needs = ownership.needs_of(compose.resolve(wanted.definition.content.decode()))
            foreign += ownership.foreign_needs(claim, needs, there)
            foreign += self._foreign_images(api, claim)
        ownership.refuse(foreign, wanted.project)

    def _foreign_images(self, api: DockerClient, claim: Claim) -> list[str]:
        ref = self.wanted.image_ref
        names = [tags.rollback(ref), tags.rejected(ref)]
        named = {name: client.find_image(api, name) for name in names}
        return ownership.foreign_images(named, claim.images)

    def _check(self, compose: Compose, api: DockerClient | None) -> list[str]:
        """Refuse a definition that breaks the policy; return the rules that are waived."""
        if self.wanted.state != "present" or (api is None and not compose.available()):
            return []
        today = datetime.now(timezone.utc).date()
        findings = gate.check(self.gate, compose, api, self.wanted, predicting=self.module.check_mode, today=today)
        gate.refuse(findings, self.wanted.secrets)
        return gate.waived(findings)

    def _result(self, changed: bool, actions: list[str], health: Health) -> dict[str, Any]:
        url = self.wanted.probe.base if self.wanted.state == "present" else ""
        return {
            "changed": changed,
            "actions": actions,
            "health": {
                "url": url,
                "probed": health.probed,
                "status": health.status,
                "not_ready": list(health.not_ready),
                "seconds_to_ready": health.seconds,
            },
        }
