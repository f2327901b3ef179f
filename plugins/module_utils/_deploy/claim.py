# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the record directory proves: that a deployment of this name is ours, and which files it wrote."""

from __future__ import annotations

import os
from contextlib import suppress

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import Places
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import Claim
from ansible_collections.openclaw.hardening.plugins.module_utils._system.json_record import read_json, write_json


def read(places: Places, project: str, container: str, definition: str) -> Claim:
    """Return what is ours by the records; a record that is damaged proves that we were here, and names no file."""
    claimed = read_json(_path(places)).get("project") == project
    attempted = os.path.lexists(f"{places.attempt}/journal.json")
    there = [f"{places.record_dir}/deployed.json", f"{places.previous}/deployment.json"]
    recorded = claimed or attempted or any(os.path.lexists(path) for path in there)
    files = _files(places, [path for path in there if os.path.lexists(path)], attempted)
    candidate = f"{places.attempt}/candidate/compose.json"
    definitions = frozenset({definition, *(path for path in files or () if path.endswith((".yml", ".yaml")))})
    return Claim(project, container, definitions, candidate, recorded, attempted, files, _images(places, project))


def write(places: Places, project: str) -> None:
    """Report that nothing foreign was in the way when we deployed here first, before anything is written."""
    write_json(_path(places), {"project": project})


def _path(places: Places) -> str:
    return f"{places.record_dir}/claim.json"


def _images(places: Places, project: str) -> frozenset[str]:
    """Return the images that the records name; those have no label of ours when they were made elsewhere."""
    known = {entry["image_id"] for entry in history.read_rejected(places.record_dir)}
    deployed = history.look_deployed(places.record_dir, project)[0]
    known.update([deployed.image_id] if deployed else [])
    with suppress(HardeningError):  # a damaged record names nothing
        previous = deploy_journal.load_previous(places)
        known.update([previous.image_id] if previous else [])
    return frozenset(known)


def _files(places: Places, there: list[str], attempted: bool) -> frozenset[str] | None:
    """Return the files that the records name; None when one of them cannot be read."""
    deployed = history.read_deployed(places.record_dir)
    if deployed is None and f"{places.record_dir}/deployed.json" in there:
        return None
    try:
        deployments = [deploy_journal.load_previous(places)]
        journal = deploy_journal.load(places) if attempted else None
    except HardeningError:
        return None
    deployments.append(journal.before if journal else None)
    named = {file.path for deployment in deployments if deployment for file in deployment.files}
    return frozenset({*named, *(deployed.files if deployed else ())})
