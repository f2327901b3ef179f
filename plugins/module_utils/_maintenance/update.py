# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The update without Ansible: the image again with what the mirrors have now, deployed by the same engine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history, repeat
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.history import Deployed
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.manager import DeployManager
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._image.manager import ImageManager
from ansible_collections.openclaw.hardening.plugins.module_utils._image.options import recipe, settings
from ansible_collections.openclaw.hardening.plugins.module_utils._image.record import read_record, restore_record
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.host_module import HostModule
from ansible_collections.openclaw.hardening.plugins.module_utils._system import saved_options
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run

# So many images that failed in a row stop further ones, as in playbooks/upgrade.yml.
BREAKER = 3
# Debian's own upgrades may restart Docker; they go first.
PACKAGE_UNITS = ("apt-daily-upgrade.service", "unattended-upgrades-run.service")
_PATIENCE = 3600.0
_POLL = 10.0


def refuse_failed(deployed: Deployed | None, rejected: Sequence[Mapping[str, str]], image_id: str = "") -> None:
    """Refuse an image that failed before, and any image after three in a row; pure.

    :param image_id: the image that is to be deployed, when that is known.
    :raises HardeningError: with the reason of the last failure.
    """
    if deployed is None:
        raise HardeningError("the deployment", "none", "one by site.yml")
    failed = [entry for entry in rejected if entry["at"] > deployed.at]
    if len(failed) >= BREAKER:
        found = f"{len(failed)} images that failed since the deployment of {deployed.at} (last: {failed[-1]['why']})"
        raise HardeningError("the update", found, f"fewer than {BREAKER}; repeat it by upgrade.yml")
    same = [entry for entry in rejected if entry["image_id"] == image_id]
    if same:
        found = f"{image_id}, which failed at {same[-1]['at']} ({same[-1]['why']})"
        raise HardeningError("the update", found, "another image; repeat it by upgrade.yml")


def wait_for_packages(module: HostModule) -> None:
    """Wait until the distribution's own upgrades have ended.

    :raises HardeningError: they did not end.
    """
    end = time.monotonic() + _PATIENCE
    while _upgrading(module):
        if time.monotonic() > end:
            raise HardeningError(" or ".join(PACKAGE_UNITS), f"at work for {_PATIENCE / 60:g} minutes", "their end")
        time.sleep(_POLL)


def _upgrading(module: HostModule) -> bool:
    shown = run(module, ["systemctl", "show", "--property=ActiveState", "--", *PACKAGE_UNITS], check=False)
    return "ActiveState=activating" in shown.stdout or "ActiveState=reloading" in shown.stdout


def build(record_dir: str) -> str:
    """Build the image of the last deployment from packages of now; return its id.

    :raises HardeningError: it was not built here, its recipe is another one by now, or the build failed.
    """
    params = saved_options.read(record_dir, "image")
    if not params:
        needed = "one that is built on this host; rollout.yml updates hosts whose image is built elsewhere"
        raise HardeningError("the image", "one that was not built on this host", needed)
    params["base"] = {**params["base"], "refresh": True}
    module = HostModule(params)
    where = settings(module)
    planned = ImageManager(HostModule(params, check_mode=True), recipe(module), where).run()
    record = read_record(record_dir)
    if record.get("content_hash") != planned["content_hash"]:
        raise HardeningError("the image", "one of another recipe than was built last", "a deployment by site.yml")
    return str(ImageManager(module, recipe(module), where).run()["image_id"])


def put_name_back(record_dir: str, deployed: Deployed) -> None:
    """Let the image's name and the record of its build mean again what is deployed: the new image is not used."""
    api = client.client(saved_options.read(record_dir, "image")["docker_host"])
    if client.find_image(api, deployed.image_id):
        client.tag_image(api, deployed.image_id, deployed.image_ref)
        restore_record(record_dir, deployed.image_id, deployed.image_ref)


def deploy(record_dir: str, image_id: str) -> dict[str, Any]:
    """Deploy the last definition with another image: candidate, swap, proof, or back.

    :raises HardeningError: it failed; what served before serves again, as the error reports.
    """
    params = repeat.again(record_dir, image_id)
    with client.losses(params["docker_host"]):
        return DeployManager(HostModule(params)).run()


def look(record_dir: str, project: str) -> tuple[Deployed | None, list[dict[str, str]]]:
    """Return what is deployed, and what failed."""
    return history.look_deployed(record_dir, project)[0], history.read_rejected(record_dir)
