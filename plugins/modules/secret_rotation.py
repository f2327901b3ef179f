# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rotate the gateway's token and other secrets while it runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_rotation
short_description: Rotate the gateway's token and other secrets while it runs
version_added: 0.1.0
description:
  - Changes the secret files of a running gateway in place and lets OpenClaw read them again (C(secrets.reload)). The
    container stays the same, and no request is lost.
  - The gateway is then asked from the host. It has to accept the new token and to refuse the old one; else the old
    secrets come back, and the module fails.
  - The old secrets stay in O(record_dir) until that is seen. After a run that was killed, the next one goes on with it.
  - When the gateway cannot be changed while it runs, nothing is changed, and RV(needs_deployment) reports why. This is
    so for a gateway that does not run, for a new secret, for a file that was exchanged since the container was started,
    and for an OpenClaw that does not know C(secrets.reload).
  - Device tokens are credentials of their own, which outlive the gateway's token. They are listed, and those of
    O(revoke_devices) are revoked.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
attributes:
  check_mode:
    details:
      - The devices are listed in check mode, too.
  idempotent:
    support: partial
    details:
      - With O(rotate_token=true) every run makes another token, unless O(token) is given.
options:
  project:
    description: Name of the Compose project.
    type: str
    required: true
  service:
    description: The service of the gateway.
    type: str
    required: true
  container_name:
    description: Name of its container.
    type: str
    required: true
  definition:
    description: Path of the Compose file that it was made from; it proves that the container is ours.
    type: str
    required: true
  token_file:
    description: The file of the token, which the container has mounted.
    type: str
    required: true
  rotate_token:
    description: Replace the token by a new one of 256 random bits, or by O(token).
    type: bool
    default: true
  token:
    description:
      - The new token, when the operator brings one. Empty means that the module makes one.
      - At least 64 hexadecimal digits, 8 of them different, and no repeated pattern. C(openssl rand -hex 32) makes one.
      - The token that is there already is refused, because it would not be a rotation.
    type: str
    default: ""
  secrets:
    description: Other secrets of the gateway, the path of the file and its new content.
    type: dict
    default: {}
  revoke_devices:
    description: Ids of the paired devices whose tokens are revoked, or V(all).
    type: list
    elements: str
    default: []
  host:
    description: Address of the published port.
    type: str
    default: 127.0.0.1
  port:
    description: The published port.
    type: int
    required: true
  serving:
    description: A path that answers a POST with the token, and refuses one without it.
    type: str
    default: /tools/invoke
  record_dir:
    description: Directory of the deployment's records; root alone may read it.
    type: str
    default: /var/lib/openclaw-hardening
  lock_timeout:
    description: Seconds to wait for a deployment, a backup or another rotation.
    type: int
    default: 600
  command_timeout:
    description: Seconds for one call of the gateway.
    type: int
    default: 120
seealso:
  - module: openclaw.hardening.gateway_token
  - module: openclaw.hardening.hardened_compose
"""

EXAMPLES = r"""
- name: Rotate the token
  openclaw.hardening.secret_rotation:
    project: openclaw
    service: openclaw-gateway
    container_name: openclaw-gateway
    definition: /etc/openclaw/docker-compose.hardened.yml
    token_file: /etc/openclaw/secrets/gateway_token
    port: 18789

- name: Bring a provider's new key, and keep the token
  openclaw.hardening.secret_rotation:
    project: openclaw
    service: openclaw-gateway
    container_name: openclaw-gateway
    definition: /etc/openclaw/docker-compose.hardened.yml
    token_file: /etc/openclaw/secrets/gateway_token
    rotate_token: false
    secrets:
      /etc/openclaw/secrets/provider_openai: "{{ vault_openai_key }}"
    port: 18789
"""

RETURN = r"""
rotated:
  description: The files whose secret was replaced, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["/etc/openclaw/secrets/gateway_token"]
needs_deployment:
  description: Why nothing was changed, and a new deployment has to bring the secrets; empty when that is not so.
  returned: success
  type: str
  sample: ""
fingerprint:
  description: Names the token that is there now without giving it away (see M(openclaw.hardening.gateway_token)).
  returned: success
  type: str
  sample: 1c9b0a63b4c7de52
previous_fingerprint:
  description: Names the token that was there before.
  returned: success
  type: str
  sample: 8f0e2d4c6b1a9357
container_id:
  description: The container, which is the same before and after.
  returned: success
  type: str
  sample: 3f2b7c
devices:
  description: The paired devices, whose tokens stay valid; their tokens are not part of it.
  returned: success
  type: list
  elements: dict
  sample: [{"id": "5b14f519", "name": "Anna's phone", "platform": "ios", "roles": ["operator"]}]
revoked:
  description: Ids of the devices whose tokens were revoked, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: []
actions:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: ["replace the secret in /etc/openclaw/secrets/gateway_token"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.rotation_manager import (
    ARGUMENT_SPEC,
    RotationManager,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        with client.losses(module.params["docker_host"]):
            result = RotationManager(module).run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
