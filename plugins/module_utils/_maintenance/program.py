# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program of the maintenance units: runs a job, writes down how it ended, and leaves alerts and metrics."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._backup import retention, shelf
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    ManagedFile,
    ensure_directory,
    read_bytes,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._image.record import read_record
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance import alerts, jobs, metrics
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.host_module import HostModule
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.jobs import JOBS, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._system import command
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json, write_json

# Priorities of sd-daemon(3), by which the journal sorts.
_ERROR, _NOTICE, _INFO = 3, 5, 6
# A failure that is the same as in the run before is reported again after this time.
_REMIND_SECONDS = 20 * 3600
_USAGE = f"usage: run {'|'.join(JOBS)} SETTINGS, or: ended {'|'.join(JOBS)} SETTINGS"


def main(arguments: list[str]) -> int:
    """Run one job, or note how systemd saw it end; return the exit status."""
    if len(arguments) != 3 or arguments[0] not in ("run", "ended") or arguments[1] not in JOBS:
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    settings = read_settings(arguments[2])
    ensure_directory(settings.folder, 0o700, 0, 0)
    return run(settings, arguments[1]) if arguments[0] == "run" else ended(settings, arguments[1], os.environ)


def read_settings(path: str) -> Settings:
    """Read the settings file, which is root's."""
    return Settings(**json.loads(read_bytes(path)))


def run(settings: Settings, job: str) -> int:
    """Run a job; whatever happens, how it ended is in its record."""
    began, before = time.time(), record(settings, job)
    _save(settings, job, {**before, "began": began, "running": True})
    try:
        outcome = JOBS[job](settings)
    except Exception as error:  # noqa: BLE001 (reported, whatever it is)
        if not isinstance(error, HardeningError):
            traceback.print_exc()
        _finish(settings, job, before, began, False, jobs.explained(error))
        return 1
    _say(_INFO if outcome.routine else _NOTICE, f"{job}: {outcome.message}")
    known = [] if before.get("ok", True) else [jobs.recovery(job, outcome.message)]
    alerts.add(settings.folder, [*known, *outcome.alerts], time.time(), outcome.seen)
    if outcome.alerts and outcome.notifier:
        # It begins when this job has ended.
        command.run(HostModule({}), ["systemctl", "start", "--no-block", "--", outcome.notifier], check=False)
    for name, content in outcome.records.items():
        write_json(f"{settings.folder}/{name}.json", content)
    _finish(settings, job, before, began, True, outcome.message, outcome.details)
    return 0


def ended(settings: Settings, job: str, environment: Mapping[str, str]) -> int:
    """Note a job that was killed, or did not end in time: systemd calls this after every run (ExecStopPost=)."""
    result, before = environment.get("SERVICE_RESULT", ""), record(settings, job)
    if result not in ("success", "") and (before.get("running") or "began" not in before):
        status = f"{environment.get('EXIT_CODE', '')} {environment.get('EXIT_STATUS', '')}".strip()
        began = float(before.get("began", time.time()))
        _finish(settings, job, before, began, False, f"it was ended: {result}{f' ({status})' if status else ''}")
    return 0


def record(settings: Settings, job: str) -> dict[str, Any]:
    """Return how the last run of a job ended."""
    return read_json(f"{settings.folder}/{job}.json")


def _save(settings: Settings, job: str, content: Mapping[str, Any]) -> None:
    write_json(f"{settings.folder}/{job}.json", content)


def _finish(
    settings: Settings,
    job: str,
    before: Mapping[str, Any],
    began: float,
    ok: bool,
    message: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write the record of a run, alert on a failure, and bring the metrics up to date."""
    now = time.time()
    alerted = float(before.get("alerted", 0))
    if not ok:
        _say(_ERROR, f"{job}: FAILED: {message}")
        same = not before.get("ok", True) and before.get("message") == message
        if not same or not 0 <= now - alerted < _REMIND_SECONDS:
            alerts.add(settings.folder, [jobs.failure(job, message)], now)
            alerted = now
    last_ok = now if ok else before.get("last_ok", 0)
    _save(settings, job, {"ok": ok, "message": message, "began": began, "ended": now, "seconds": round(now - began, 2),
                          "last_ok": last_ok, "alerted": alerted, **(details or {})})  # fmt: skip
    write_metrics(settings)


def write_metrics(settings: Settings) -> None:
    """Write the metrics for node_exporter; a place that cannot be written is an error in the journal only."""
    if not settings.metrics_dir:
        return
    file = ManagedFile(f"{settings.metrics_dir}/{settings.name}.prom", metrics.text(gather(settings)).encode(), 0o644)
    try:
        # Debian gives the directory above node_exporter's to prometheus. No link is followed, and all may read it.
        folders = (settings.metrics_dir, os.path.dirname(settings.metrics_dir))
        write(file, {os.lstat(folder).st_uid for folder in folders})
    except (HardeningError, OSError) as error:
        _say(_ERROR, f"metrics: not written: {error}")


def gather(settings: Settings) -> metrics.Facts:
    """Read the records that the metrics are made of."""
    options = settings.options.get("backup", {})
    there = shelf.found(options["directory"], options["project"]) if options.get("directory") else []
    name = retention.newest_good(there)
    newest = f"{options['directory']}/{name}" if name else ""
    size = 0
    with suppress(OSError):
        size = os.stat(newest).st_size if newest else 0
    deployed = history.read_deployed(settings.record_dir)
    at = deployed.at if deployed else ""
    checks = read_json(f"{settings.folder}/checks.json").get("checks")
    return metrics.Facts(
        instance=settings.name,
        jobs={job: record(settings, job) for job in JOBS},
        checks=checks if isinstance(checks, list) else (),
        image_verified=metrics.seconds(str(read_record(settings.record_dir).get("verified", ""))),
        deployed=metrics.seconds(at),
        rejected=sum(entry["at"] > at for entry in history.read_rejected(settings.record_dir)),
        backup_last=metrics.seconds(str(shelf.record(newest).get("made_at", "")) if newest else ""),
        backup_bytes=size,
        backups=len(there),
    )


def _say(priority: int, text: str) -> None:
    line = "".join(character if " " <= character <= "~" else " " for character in text)
    sys.stdout.write(f"<{priority}>{line}\n")
    sys.stdout.flush()
