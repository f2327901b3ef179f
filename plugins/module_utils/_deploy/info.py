# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is deployed on a host, whether that is what was proven last, and what is in the way of a deployment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    absolute_path,
    integer,
    interface_name,
    ip_address,
    object_name,
    own_path,
    plain,
    shown,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import claim as deploy_claim
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history, ownership
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import look as look_service
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client, lists
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import Claim
    from docker import DockerClient

_FOREIGN: dict[str, Any] = {
    "files": {"type": "list", "elements": "str", "default": []},
    "networks": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str", "required": True}, "bridge": {"type": "str", "default": ""}},
    },
    "ports": {"type": "list", "elements": "int", "default": []},
    "addresses": {"type": "list", "elements": "str", "default": ["127.0.0.1"]},
}
# Which deployment it is.
NAMES: dict[str, Any] = {
    "project": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "container_name": {"type": "str", "required": True},
    "record_dir": {"type": "str", "default": "/var/lib/openclaw-hardening"},
}
ARGUMENT_SPEC: dict[str, Any] = {
    **NAMES,
    "image_ref": {"type": "str", "default": ""},
    "definition": {"type": "str", "default": ""},
    "refuse_foreign": {"type": "dict", "options": _FOREIGN},
    **client.DOCKER_ARGUMENTS,
}


def _check_needs(needs: dict[str, Any]) -> None:
    for path in needs["files"]:
        absolute_path("refuse_foreign.files", path)
    for network in needs["networks"]:
        object_name("refuse_foreign.networks.name", network["name"])
        if network["bridge"]:
            interface_name("refuse_foreign.networks.bridge", network["bridge"])
    for port in needs["ports"]:
        integer("refuse_foreign.ports", port, 1, 65535)
    for address in needs["addresses"]:
        if address:
            ip_address("refuse_foreign.addresses", address)


class DeploymentInfo:
    """Reads what is deployed, and reports it."""

    def __init__(self, params: dict[str, Any]) -> None:
        """Check the options."""
        names = ("project", "service", "container_name")
        self.project, self.service, self.container = [plain(option, params[option]) for option in names]
        self.definition = absolute_path("definition", params["definition"]) if params.get("definition") else ""
        self.needs: dict[str, Any] | None = params.get("refuse_foreign")
        if self.needs is not None:
            _check_needs(self.needs)
        self.places = deploy_journal.Places(own_path("record_dir", params["record_dir"]))
        self.docker_host = client.docker_host(params["docker_host"])
        self.image_ref = client.reference("image_ref", params["image_ref"]) if params.get("image_ref") else ""

    def run(self) -> dict[str, Any]:
        """Return what is deployed."""
        claim = deploy_claim.read(self.places, self.project, self.container, self.definition)
        if self.needs is not None:
            self._refuse_foreign(claim, self.needs)
        api = self._client()
        made_here = claim.made_here if self.definition else bool
        container = look_service(api, self.project, self.service, self.container, made_here)[0] if api else None
        named = client.find_image(api, self.image_ref) if api and self.image_ref else None
        image_id = container.image_id if container and container.running else ""
        deployed = history.look_deployed(self.places.record_dir, self.project)[0]
        damaged = history.damaged(self.places.record_dir, self.project)
        present = {path: history.fingerprint(look(path)) for path in (deployed.files if deployed else {})}
        journal = deploy_journal.load(self.places)
        try:
            previous = deploy_journal.load_previous(self.places)
        except HardeningError as error:
            previous = None
            damaged.append(f"{self.places.previous}/deployment.json is damaged: {error}")
        known = {"image_ref": deployed.image_ref, "image_id": deployed.image_id, "at": deployed.at} if deployed else {}
        return {
            "changed": False,
            "engine": api is not None,
            "image_id": image_id,
            "named_image_id": named.id if named else "",
            "status": container.status if container else "",
            "restarts": int(container.attrs.get("RestartCount") or 0) if container else 0,
            "deployed": known,
            "previous_image_id": previous.image_id if previous and not previous.rolled_back else "",
            "drift": history.drift(deployed, image_id, present, damaged),
            "damaged": damaged,
            "rejected": history.read_rejected(self.places.record_dir),
            "interrupted": journal.phase if journal else "",
        }

    def _client(self) -> DockerClient | None:
        try:
            return client.client_if_installed(self.docker_host)
        except HardeningError:
            if self.needs is None:
                raise
            return None  # Docker or its Python package may be installed later in the same run

    def _refuse_foreign(self, claim: Claim, needs: dict[str, Any]) -> None:
        """Refuse what has the names of the deployment, or holds what it needs, and is not ours."""
        found = []
        for path in needs["files"]:
            if os.path.islink(path):
                target = shown(os.readlink(path))
                found.append(f"link {path} to {target} ('npm install --global' makes such a one)")
                continue
            try:
                state = look(path)
            except HardeningError as error:
                found.append(f"{path}, which cannot be looked at ({error})")
                continue
            if state is not None and not (state.type == "file" and claim.wrote(path, state.content)):
                found.append(f"{state.type} {path} of uid {state.uid}, which this collection did not write")
        there = lists.without_sdk(self.docker_host)
        if there is not None:
            networks = {entry["name"]: entry["bridge"] for entry in needs["networks"]}
            ports = [(address, port) for port in needs["ports"] for address in needs["addresses"]]
            found += ownership.foreign_containers(claim, there) + ownership.foreign_candidate(claim, there)
            found += ownership.foreign_needs(claim, ownership.Needs(networks, (), ports), there)
        ownership.refuse(found, self.project)
