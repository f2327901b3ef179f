# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment once more, with another image and without Ansible: the options are kept, its secrets are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look
from ansible_collections.openclaw.hardening.plugins.module_utils._system import saved_options

KIND = "deploy"
# What was meant for one run.
_ONCE = {"state_source": "", "keep_logins": False, "accept_losses": False, "replaces": []}


def keep(params: Mapping[str, Any]) -> None:
    """Keep the options of a deployment that was proven; after anything else there is none to repeat."""
    record_dir = params["record_dir"]
    if params["state"] == "present":
        saved_options.save(record_dir, KIND, kept(params))
    else:
        saved_options.forget(record_dir, KIND)


def kept(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept: of a secret its place only; pure."""
    places = [*params["secrets"], *params["secret_sources"]]
    sources = [
        {"path": item["path"], "source": item["path"], "uid": item["uid"], "gid": item["gid"]} for item in places
    ]
    return {**params, **_ONCE, "secrets": [], "secret_sources": sources}


def _is_deployed(params: Mapping[str, Any]) -> bool:
    """Return whether these are the options of the definition that is there."""
    found = look(f"{params['directory']}/{params['definition_name']}")
    return found is not None and found.content == str(params["definition"]).encode()


def again(record_dir: str, image_id: str) -> dict[str, Any]:
    """Return the options of the last deployment, with another image; secrets are read from their files.

    :raises HardeningError: there was none, or it was undone since.
    """
    params = saved_options.read(record_dir, KIND)
    if not params or not _is_deployed(params):
        raise HardeningError(record_dir, "no deployment that can be repeated", "one by site.yml")
    return {**params, "image_id": image_id}
