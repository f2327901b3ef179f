# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The jobs that run on the host without Ansible: the managers of the modules, with options that are on the host."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manager import BackupManager
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.options import BACKUP_ARGUMENTS
from ansible_collections.openclaw.hardening.plugins.module_utils._core.arguments import completed
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import harmless
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.info import DeploymentInfo
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import losses
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import changes, watcher
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import update as updating
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.alerts import Alert
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.host_module import HostModule
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.audit import Audit
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.options import AUDIT_ARGUMENTS, complete
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import lock

# How long the audit waits for a deployment or a backup that is at work, and before an audit that confirms another one.
LOCK_SECONDS = 900.0
CONFIRM_SECONDS = 30.0


@dataclass(frozen=True)
class Settings:
    """The settings file of the jobs, which the role writes.

    :param name: the instance's name, for messages.
    :param folder: root's directory for records and alerts.
    :param record_dir: records of deployments, with the lock that all of them hold.
    :param metrics_dir: directory of node_exporter's textfile collector; empty writes no metrics.
    :param options: of each job's module, by job; ``drift`` names what is deployed.
    """

    name: str
    folder: str
    record_dir: str
    metrics_dir: str = ""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a job that ran to its end has to report.

    :param records: files of the folder, by name; they are written after the alerts, so that a kill loses none.
    :param seen: what is written together with the alerts, so that a kill between the two repeats none.
    :param routine: nothing that the journal has to have.
    :param notifier: the unit to start for the alerts, of a job whose own unit does not start it each time.
    """

    message: str
    alerts: Sequence[Alert] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seen: Mapping[str, Any] | None = None
    routine: bool = False
    notifier: str = ""


def audit(settings: Settings) -> Outcome:
    """Audit the host, and report what changed since the last time.

    :raises HardeningError: the host could not be audited, or a deployment was at work all the time.
    """
    known = _known(settings)
    first = checks = _audited(settings)
    # A person or a playbook that started it waits for what is found now. systemd names the timer that did
    # (systemd.exec(5), $TRIGGER_UNIT).
    if set(changes.bad(checks)) - set(known) and "TRIGGER_UNIT" in os.environ:
        time.sleep(CONFIRM_SECONDS)
        checks = _audited(settings)
    found = changes.confirmed(first, checks, known)
    return Outcome(
        f"{len(checks)} checks, {len(found)} of them fail or could not be made",
        changes.alerts(checks, known, found),
        {"findings": len(found)},
        {"checks": {"checks": [_brief(check) for check in checks]}, "findings": {"findings": found}},
    )


def _known(settings: Settings) -> dict[str, str]:
    found = read_json(f"{settings.folder}/findings.json").get("findings")
    return {str(name): str(status) for name, status in found.items()} if isinstance(found, dict) else {}


def _audited(settings: Settings) -> list[dict[str, Any]]:
    """Return the checks of one audit, during which nothing is exchanged."""
    params = completed(AUDIT_ARGUMENTS, settings.options["audit"])
    complete(params)
    with lock(f"{settings.record_dir}/deploy.lock", LOCK_SECONDS, ""):
        return [*Audit(HostModule(params)).run()["checks"], *_drift(params["docker_host"], settings.options["drift"])]


def _drift(docker_host: str, names: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return whether something differs from what was deployed, in the form of a check."""
    check = {"id": "DRIFT", "title": "Nothing differs from what was deployed", "severity": "high",
             "target": names["container_name"], "waiver": None}  # fmt: skip
    try:
        with losses(docker_host):
            found = DeploymentInfo({**names, "docker_host": docker_host}).run()
    except HardeningError as error:
        return [{**check, "status": "error", "actual": harmless(str(error), 300)}]
    faults = [
        *found["drift"],
        *([f"a deployment was cut off while {found['interrupted']}"] if found["interrupted"] else []),
    ]
    return [{**check, "status": "fail" if faults else "pass", "actual": harmless("; ".join(faults) or "nothing", 300)}]


def _brief(check: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is the same in every audit; the record is small then."""
    return {name: check[name] for name in ("id", "title", "severity", "target", "status", "actual", "waiver")}


def backup(settings: Settings) -> Outcome:
    """Make one more backup.

    :raises HardeningError: it could not be made.
    """
    module = HostModule(completed(BACKUP_ARGUMENTS, settings.options["backup"]))
    made = BackupManager.of(module).run()
    problems = [str(problem) for problem in made["problems"]]
    alerts = [Alert("backup", "a backup is incomplete", f"{made['path']}: {'; '.join(problems)}")] if problems else []
    details = {name: made[name] for name in ("path", "bytes", "state_bytes", "files", "secrets", "pruned")}
    return Outcome(f"made {made['path']} ({made['bytes']} bytes)", alerts, details)


def update(settings: Settings) -> Outcome:
    """Build the image with the packages of now, and deploy it when it is another one.

    :raises HardeningError: nothing was changed, or what served before serves again.
    """
    record_dir = settings.record_dir
    deployed, rejected = updating.look(record_dir, settings.name)
    updating.refuse_failed(deployed, rejected)
    updating.wait_for_packages(HostModule({}))
    image_id = updating.build(record_dir)
    if deployed is not None and image_id == deployed.image_id:
        return Outcome(f"nothing newer than {image_id}", details={"image_id": image_id})
    try:
        updating.refuse_failed(deployed, rejected, image_id)
    except HardeningError:
        if deployed is not None:
            updating.put_name_back(record_dir, deployed)
        raise
    try:
        updating.deploy(record_dir, image_id)
    except HardeningError as error:
        raise HardeningError("the update", f"{error}. {_proof(settings)}", "a gateway that is ready") from error
    message = f"the gateway runs {image_id}. {_proof(settings)}"
    return Outcome(message, [Alert("update", "the gateway was updated", message, False)], {"image_id": image_id})


def _proof(settings: Settings) -> str:
    """Audit what serves now, and put the result in a sentence."""
    try:
        found = [check["id"] for check in changes.bad(_audited(settings)).values()]
    except HardeningError as error:
        return f"The audit of what serves now could not be made: {error}"
    return f"The audit of what serves now has findings: {', '.join(found)}" if found else "Its audit found nothing"


def events(settings: Settings) -> Outcome:
    """Count what happened for security's sake since the last run, by the rules of the log watcher.

    :raises HardeningError: it could not be read.
    """
    return Outcome(**watcher.watch(settings.folder, settings.record_dir, settings.options["events"], time.time()))


JOBS = {"audit": audit, "backup": backup, "update": update, "events": events}
# What alerts name each job.
TITLES = {"audit": "audit", "backup": "backup", "update": "update", "events": "log watcher"}


def failure(job: str, reason: str) -> Alert:
    """Return the alert of a job that did not do its work."""
    return Alert(job, f"the {TITLES[job]} failed", reason)


def recovery(job: str, message: str) -> Alert:
    """Return the alert of a job that did its work after it had failed."""
    return Alert(job, f"the {TITLES[job]} works again", message, False)


def explained(error: Exception) -> str:
    """Return why a job failed, in one line; an error that nobody expected has its type only: it may show anything."""
    return str(error) if isinstance(error, HardeningError) else f"an error in the program ({type(error).__name__})"
