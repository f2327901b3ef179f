# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find an OpenClaw that was not deployed by this collection, copy it, and stop it for good."""

from __future__ import annotations

DOCUMENTATION = r"""
module: base_deployment
short_description: Find an OpenClaw that this collection did not deploy, copy it, and stop it for good
version_added: 0.1.0
description:
  - Finds the one OpenClaw that this collection did not make (in a container of Compose or C(docker run), or on the host
    by a unit of a user or of the system), and what a hardened deployment takes over from it.
  - What runs on the host is found by its process, and stopped and started by the manager that has its unit, which is a
    user's own for a unit of that user.
  - Its state is only read. The owner of the state may plant anything in it; no link is followed and no mount point
    crossed. Secrets of its configuration and its environment are written to files of root, and never shown.
  - Before the base is touched, what brings it back is written to O(record_dir)C(/migrate/base.json). Whatever is
    killed, the next run of C(migrate.yml) brings the base back first, or finishes when the new deployment is proven.
  - A container that has the Compose project or the name of the new deployment is kept under another name. Labels cannot
    be changed, so one with that project is made again from all it had, with the same mounts, before it goes. Volumes
    and directories are never removed.
  - Containers with C(--rm), state in the container itself, a configuration with C($include) or comments, and state or
    configuration of another user than the one who runs the gateway on the host are refused. A process that no unit has
    started is left alone.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
attributes:
  check_mode:
    details:
      - In check mode every O(state) only looks, and returns what would be taken over.
  diff_mode:
    support: none
    details:
      - What would be done is in RV(actions).
  idempotent:
    support: partial
    details:
      - With O(state=copied) and O(state=stopped) every run copies again.
options:
  state:
    description:
      - With V(found), nothing is changed.
      - With V(copied), state and secrets are copied while the base runs.
      - With V(stopped), the base is stopped for good, with the units that start it, and what it wrote last is copied.
      - With V(retired), it is noted that the new deployment is proven, and the copies are removed.
      - With V(running), the base is as it was before, and the copies are removed.
    type: str
    choices: [found, copied, stopped, retired, running]
    default: found
  from:
    description:
      - Name of the container to migrate; empty is the only OpenClaw that there is.
      - For one on the host C(ACCOUNT@) or C(ACCOUNT@UNIT), such as V(alice@) or V(alice@openclaw-gateway.service).
    type: str
    default: ""
  project:
    description: Name of the Compose project of the new deployment.
    type: str
    required: true
  service:
    description: Name of its service.
    type: str
    required: true
  container_name:
    description: Name of its container.
    type: str
    required: true
  definition:
    description: Path of its Compose file.
    type: str
    required: true
  record_dir:
    description: Directory of the records of deployments.
    type: str
    required: true
  image_id:
    description: With O(state=copied), the image that is going to be tried.
    type: str
    default: ""
  image_ref:
    description: Its name; while it is tried it has this name with C(-test) behind it.
    type: str
    default: ""
  lock_timeout:
    description: Seconds to wait for a deployment or a backup; then it is an error.
    type: int
    default: 600
seealso:
  - module: openclaw.hardening.hardened_compose
"""

EXAMPLES = r"""
- name: Find the base
  openclaw.hardening.base_deployment:
    project: openclaw
    service: openclaw-gateway
    container_name: openclaw-gateway
    definition: /etc/openclaw/docker-compose.hardened.yml
    record_dir: /var/lib/openclaw-hardening
"""

RETURN = r"""
next:
  description:
    - What has to be done, V(migrate), V(undo) or V(finish) a migration that was cut off, or V(nothing).
  returned: with O(state=found), O(state=copied), or in check mode
  type: str
  sample: migrate
base:
  description: What the base is; empty when there is nothing to do.
  returned: with O(state=found), O(state=copied), or in check mode
  type: dict
  sample: {kind: docker run, name: openclaw, state_dir: /srv/openclaw, published: ["0.0.0.0:18789"], restart: always}
config:
  description: Its configuration as it is taken over, without secrets and without what belongs to the deployment.
  returned: with O(state=found), O(state=copied), or in check mode
  type: dict
  sample: {agents: {list: [{id: main}]}}
secret_files:
  description: The names of the secrets that are taken over, with where they are when they are copied.
  returned: with O(state=found), O(state=copied), or in check mode
  type: dict
  sample: {gateway_token: /var/lib/openclaw-hardening/migrate/secrets/gateway_token}
keeps_token:
  description: Whether the token of the base is strong enough to stay.
  returned: with O(state=found), O(state=copied), or in check mode
  type: bool
  sample: false
hardened:
  description: What is set otherwise afterwards.
  returned: with O(state=found), O(state=copied), or in check mode
  type: list
  elements: str
  sample: ["gateway.auth.token: a new one, because the base had a token of fewer than 64 digits"]
left:
  description: What does not come along, or stays as it is although it names another home.
  returned: with O(state=found), O(state=copied), or in check mode
  type: list
  elements: str
  sample: ["mount /data (/srv/data)"]
rewritten:
  description: Keys of the configuration with a path of another home, which leads into the state now.
  returned: with O(state=found), O(state=copied), or in check mode
  type: list
  elements: str
  sample: [agents.defaults.workspace]
state_source:
  description: Where the copy of the state is.
  returned: with O(state=found), O(state=copied), or in check mode
  type: str
  sample: /var/lib/openclaw-hardening/migrate/state
stopped_at:
  description: When the base was stopped.
  returned: with O(state=stopped)
  type: str
  sample: "2026-11-30T03:45:00+00:00"
seconds_down:
  description: Seconds from the stop of the base until the new deployment was proven.
  returned: with O(state=retired)
  type: float
  sample: 31.0
actions:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: [stop container openclaw for good]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import DOCKER_ARGUMENTS
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.manager import BaseManager
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.options import BASE_ARGUMENTS


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**BASE_ARGUMENTS, **DOCKER_ARGUMENTS}, supports_check_mode=True)
    try:
        result = BaseManager.of(module).run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
