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
  - Names what is not as it was when the last deployment was proven (drift), the images that were rolled back here,
    and a
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
    description: Name of an image, to be reported its id on this host. Empty means none.
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
  description: What Docker reports of the container, such as V(running); empty when there is none.
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
  description: The images that were tried here and rolled back, with time and reason.
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.info import ARGUMENT_SPEC, DeploymentInfo
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        with client.losses(module.params["docker_host"]):
            result = DeploymentInfo(module.params).run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
