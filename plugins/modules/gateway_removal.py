# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove a deployment from a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_removal
short_description: Remove a deployment from a host
version_added: 0.1.0
description:
  - Removes everything that this collection has made for one instance. Units and timers, containers, networks, the
    packet filter, images with what a build left, programs, configuration, secrets, records and copies of the state.
  - Data stays, which is the state with the workspace, the gateway's token, the account that owns them, and a record
    that proves whose they are. With O(data=true) they go, too. No link is followed, and no mount point is crossed.
  - Makes a last backup before (O(backup)). When that fails, nothing is changed.
  - A thing is ours by its label, by our header in it, by its name in a directory of ours, or by a record. What is not
    ours, and a file that was changed since it was deployed, is never touched, and is listed in RV(stays).
  - What instances share stays as long as another one has units on the host. Docker, packages and backups always stay.
  - A container of another owner on our network is refused before anything is changed.
  - Holds the lock of the deployment. After a run that was killed, the next one removes the rest.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
options:
  state:
    description:
      - With V(absent), the deployment is removed.
      - With V(planned), nothing is changed, and the result reports what V(absent) would do.
    type: str
    choices: [absent, planned]
    default: absent
  instance:
    description: Name of the instance, from which all names and paths are derived.
    type: str
    required: true
  data:
    description: Remove state, workspace, token, home and account, too.
    type: bool
    default: false
  backup:
    description:
      - The last backup, with options of M(openclaw.hardening.gateway_backup). Without this option, none is made.
      - It is made when there is a state, and something beside records is to be removed.
    type: dict
    suboptions:
      workspace:
        description: Whether the agent's workspace is part of it.
        type: bool
        default: true
      secrets:
        description: Whether secrets and logins are part of it, when it is encrypted.
        type: bool
        default: true
      recipient:
        description: Public key for which it is encrypted.
        type: str
        default: ""
      keep:
        description: How many backups are kept.
        type: int
        default: 7
      lock_files:
        description: The files that lock the packages of the image.
        type: dict
        default: {}
      policy:
        description: What the deployment was allowed, for the manifest.
        type: dict
        default: {}
      timeout:
        description: Seconds for writing it.
        type: int
        default: 21600
  backup_dir:
    description: Directory of the backups, which stays; empty is the one of the instance below C(/var/backups).
    type: str
    default: ""
  lock_timeout:
    description: Seconds to wait for a deployment, a backup or another removal.
    type: int
    default: 600
  command_timeout:
    description: Seconds for one command, beside the time that a container may take to stop.
    type: int
    default: 300
seealso:
  - module: openclaw.hardening.gateway_backup
  - module: openclaw.hardening.hardened_compose
"""

EXAMPLES = r"""
- name: Show what a removal would do
  openclaw.hardening.gateway_removal:
    state: planned
    instance: openclaw

- name: Remove the deployment, and keep its data
  openclaw.hardening.gateway_removal:
    instance: openclaw
    backup:
      recipient: "{{ backup_public_key }}"

- name: Remove everything
  openclaw.hardening.gateway_removal:
    instance: openclaw
    data: true
"""

RETURN = r"""
removed:
  description: What was removed, or would be with O(state=planned) and in check mode; kind and path, or name.
  returned: success
  type: list
  elements: dict
  sample: [{"kind": "container", "path": "openclaw-gateway"}, {"kind": "file", "path": "/etc/openclaw/passwd"}]
stays:
  description: What stays, and why.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: backups
      path: /var/backups/openclaw
      reason: backups are never removed with what they are of
backup:
  description: The last backup; empty when none was made.
  returned: success
  type: str
  sample: /var/backups/openclaw/openclaw-20261130T034500Z.tar.zst.age
needs_backup:
  description: Whether a last backup is made before, or was.
  returned: success
  type: bool
  sample: true
actions:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
  sample: ["stop unit openclaw-gateway.service", "remove container openclaw-gateway"]
"""

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.module import SecretiveModule
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.manager import RemovalManager
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.options import ARGUMENT_SPEC


def main() -> None:
    """Run the module."""
    module = SecretiveModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        with client.losses(module.params["docker_host"]):
            result = RemovalManager(module).run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
