# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is deployed on a host, and whether that is what was proven last."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_info
short_description: Tell what is deployed on a host, and whether that is what was proven last
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Reads the service's container and the records that M(openclaw.hardening.hardened_compose) keeps.
  - Names what is not as it was when the last deployment was proven (drift), the images that were taken back here, and a
    deployment that was cut off.
  - Changes nothing. What cannot be looked at, such as a Docker that does not answer, is an error, and never absent.
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
options:
  project:
    description: Name of the Compose project.
    type: str
    required: true
  service:
    description: The service.
    type: str
    required: true
  container_name:
    description: Name of its container.
    type: str
    required: true
  record_dir:
    description: Where M(openclaw.hardening.hardened_compose) keeps its records.
    type: str
    default: /var/lib/openclaw-hardening
  image_ref:
    description: Name of an image, to be told its id on this host. Empty means none.
    type: str
    default: ""
  definition:
    description:
      - Path of the Compose file that the deployment is made from.
      - With it, only a container that was made from it counts; empty takes the one of that project and name.
    type: str
    default: ""
  refuse_foreign:
    description:
      - Fail, before anything is deployed, when something that is not of this collection has the names of the
        deployment (project, container), or holds what it needs. Needs O(definition).
    type: dict
    suboptions:
      files:
        description: Paths that the deployment writes.
        type: list
        elements: str
        default: []
      networks:
        description: Networks that it makes.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the network.
            type: str
            required: true
          bridge:
            description: Name of its bridge; empty means any.
            type: str
            default: ""
      ports:
        description: Ports that it publishes.
        type: list
        elements: int
        default: []
      addresses:
        description: Where it publishes them; an empty text is every address.
        type: list
        elements: str
        default: [127.0.0.1]
seealso:
  - module: openclaw.hardening.hardened_compose
  - module: openclaw.hardening.hardening_info
"""

EXAMPLES = r"""
- name: See what runs
  openclaw.hardening.deployment_info:
    project: openclaw
    service: openclaw-gateway
    container_name: openclaw-gateway
  register: deployment

- name: Refuse a host that was changed by hand
  ansible.builtin.assert:
    that: deployment.drift | length == 0
"""

RETURN = r"""
image_id:
  description: The image that runs; empty when nothing does.
  returned: always
  type: str
  sample: sha256:af5ec7bde6d0
named_image_id:
  description: The image that O(image_ref) means on this host; empty when there is none.
  returned: always
  type: str
  sample: sha256:af5ec7bde6d0
status:
  description: What Docker says of the container, such as V(running); empty when there is none.
  returned: always
  type: str
  sample: running
restarts:
  description: How often Docker started it again by itself.
  returned: always
  type: int
  sample: 0
deployed:
  description: The last deployment that was proven; empty when there is no record of one.
  returned: always
  type: dict
  sample: {"image_ref": "openclaw:hardened", "image_id": "sha256:af5ec7bde6d0", "at": "2026-11-25T02:15:54+00:00"}
previous_image_id:
  description: The image that V(state=previous) of M(openclaw.hardening.hardened_compose) goes back to; or empty.
  returned: always
  type: str
  sample: sha256:6bd6f8e2a1c0
drift:
  description: What is not as it was proven, one line each.
  returned: always
  type: list
  elements: str
  sample: ["/etc/openclaw/openclaw.json was changed"]
damaged:
  description:
    - The records that are there and cannot be believed, with the reason; they are part of RV(drift), too.
    - A journal that cannot be believed makes the module fail, because a deployment may be under way.
  returned: always
  type: list
  elements: str
  sample: ["/var/lib/openclaw-hardening/deployed.json is damaged: 12 bytes that are no JSON"]
rejected:
  description: The images that were tried here and taken back, with time and reason.
  returned: always
  type: list
  elements: dict
  sample: [{"image_id": "sha256:0c4e", "at": "2026-11-25T02:15:54+00:00", "why": "http://127.0.0.1:18789: found …"}]
interrupted:
  description: The phase in which a deployment was cut off; empty when none was.
  returned: always
  type: str
  sample: ""
engine:
  description: Whether Docker is installed. Without it nothing can run; a Docker that cannot be asked is an error.
  returned: always
  type: bool
  sample: true
"""

import os
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
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
ARGUMENT_SPEC: dict[str, Any] = {
    "project": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "container_name": {"type": "str", "required": True},
    "record_dir": {"type": "str", "default": "/var/lib/openclaw-hardening"},
    "image_ref": {"type": "str", "default": ""},
    "definition": {"type": "str", "default": ""},
    "refuse_foreign": {"type": "dict", "options": _FOREIGN},
    **client.DOCKER_ARGUMENTS,
}


def _judge_needs(needs: dict[str, Any]) -> None:
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
    """Looks, and says what it saw."""

    def __init__(self, params: dict[str, Any]) -> None:
        """Judge the options."""
        names = ("project", "service", "container_name")
        self.project, self.service, self.container = [plain(option, params[option]) for option in names]
        self.definition = absolute_path("definition", params["definition"]) if params["definition"] else ""
        self.needs = params["refuse_foreign"]
        if self.needs is not None:
            _judge_needs(self.needs)
        self.places = deploy_journal.Places(own_path("record_dir", params["record_dir"]))
        self.docker_host = client.docker_host(params["docker_host"])
        self.image_ref = client.reference("image_ref", params["image_ref"]) if params["image_ref"] else ""

    def run(self) -> dict[str, Any]:
        """Return what is deployed."""
        claim = deploy_claim.read(self.places, self.project, self.container, self.definition)
        if self.needs is not None:
            self._refuse_foreign(claim)
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

    def _refuse_foreign(self, claim: Claim) -> None:
        """Refuse what has the names of the deployment, or holds what it needs, and is not ours."""
        found = []
        for path in self.needs["files"]:
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
            networks = {entry["name"]: entry["bridge"] for entry in self.needs["networks"]}
            ports = [(address, port) for port in self.needs["ports"] for address in self.needs["addresses"]]
            found += ownership.foreign_containers(claim, there) + ownership.foreign_candidate(claim, there)
            found += ownership.foreign_needs(claim, ownership.Needs(networks, (), ports), there)
        ownership.refuse(found, self.project)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = DeploymentInfo(module.params).run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    except client.daemon_errors() as error:
        module.fail_json(msg=str(client.lost(module.params["docker_host"], error)))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
