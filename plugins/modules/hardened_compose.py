# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a Compose project from exactly one definition and one image, healthy from the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hardened_compose
short_description: Run a Compose project from exactly one definition and one image, healthy from the host
version_added: 0.1.0
description:
  - Ensures that the service's container runs from exactly O(definition) and the image O(image_id), that it sees the
    present content of every file that is mounted into it, and that it is started, alive and serving through its
    published port (O(health)).
  - A change is found by comparing bytes, owner and mode of the files, the hash of C(docker compose config --hash) with
    the container's label, the id of the running image, and the inodes that the container has mounted.
  - Before anything is touched, Compose has accepted the definition and OpenClaw its configuration (O(validate)).
  - Before that, each service of O(definition), as C(docker compose config) resolves it and with what its image adds, is
    checked by the rules of M(openclaw.hardening.hardening_info). One that breaks a rule is refused, unless O(policy)
    allows it or one of O(waivers) reports why the rule need not hold. The message names all rules that are broken.
  - When image, definition or a mounted file of a healthy service changes, a candidate proves itself first
    (O(candidate)), with the same hardening, a copy of O(state_dir), no published port, a network without a way out and
    what O(candidate_environment) turns off. When it does not become ready, the running service is not touched.
  - Then the old container is stopped, its state copied when the image changes, the new one started and asked from the
    host for O(health.stabilize) seconds. When it does not stay healthy, the previous files, the previous image (also
    under
    its name) and the state that matches it come back, and that deployment is proven, too.
  - What another process answers at the published port never counts, and the token is never shown to it. One that has
    the port is named and refused before anything is touched. While the container is exchanged, Docker has to give the
    port away, and any account of the host can bind a port from 1024 on. Then the start is repeated until the port is
    free, for O(health.timeout) seconds; so is that of the previous deployment. The message names the process.
  - A failure's message reports what failed, why and what to change (O(hints)), what serves now, and the last lines
    of the
    log. Its key C(outcome) is V(unchanged), V(rolled_back), or V(rollback_failed), and in the last case the message
    holds the commands to recover.
  - A journal in O(record_dir) is written before each step. Whatever is killed, the next run first undoes or finishes
    what was cut off, and then goes on. What the last change replaced stays there, for O(state=previous).
  - Runs for the same O(project) wait for each other (O(lock_timeout)); one that gives up names the run that is at work.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.deployment_health
  - openclaw.hardening.deployment_state
  - openclaw.hardening.docker
  - openclaw.hardening.hints
  - openclaw.hardening.policy
  - openclaw.hardening.waivers
attributes:
  action:
    description: Indicates this has a corresponding action plugin, so that parts of it run on the controller.
    support: full
    details:
      - It prints the steps of a long run while it goes on (every few seconds, with the time since each began).
  check_mode:
    details:
      - O(definition) and O(validate) are checked in check mode, too; the latter runs a container that leaves nothing.
      - What O(definition) leaves to an image that is not built yet is not checked in check mode.
      - On a host without Docker or without the image, the module predicts from its arguments.
      - After a run that was cut off, check mode reports that it will be undone or finished, and no more.
  diff_mode:
    details:
      - One entry for each file and one for the container.
options:
  state:
    description:
      - With V(present), the service runs and is healthy.
      - With V(tested), it is tried as a candidate beside what serves, and the comparison of O(accept_losses) is made
        for O(state_source); nothing of it stays.
      - With V(stopped), its container exists but does not run.
      - With V(absent), its containers and networks are gone. State and, without O(remove_files), all files stay.
      - With V(previous), the deployment that the present one replaced comes back, with its image, definition, files and
        state; a secret that is there keeps its present value. O(definition), O(files), O(image_ref) and O(health) are
        not needed. Once back, nothing changes any more.
    type: str
    choices: [present, tested, stopped, absent, previous]
    default: present
  project:
    description: Name of the Compose project.
    type: str
    required: true
  directory:
    description: Directory of the definition; root alone may write there.
    type: str
    required: true
  definition:
    description: The text of the Compose file. Needed with O(state=present).
    type: str
    default: ""
  definition_name:
    description: Name of the Compose file in O(directory).
    type: str
    default: docker-compose.hardened.yml
  service:
    description: The service that has to run.
    type: str
    required: true
  container_name:
    description: Name of its container, as O(definition) reports.
    type: str
    required: true
  files:
    description: Files that the service mounts.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      content:
        description: The text.
        type: str
        required: true
      mode:
        description: Mode, quoted.
        type: str
        default: "0644"
      uid:
        description: Number of the owner.
        type: int
        default: 0
      gid:
        description: Number of the group.
        type: int
        default: 0
  secrets:
    description: Files whose content is never shown.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      value:
        description: The secret.
        type: str
        required: true
      mode:
        description: Mode, quoted.
        type: str
        default: "0400"
      uid:
        description: Number of the owner.
        type: int
        required: true
      gid:
        description: Number of the group.
        type: int
        required: true
  prune_prefix:
    description:
      - Files whose path begins with this text, and that are in neither O(files) nor O(secrets), are removed.
      - Empty means none.
    type: str
    default: ""
  image_ref:
    description: The image, by name and tag. Needed with O(state=present).
    type: str
    default: ""
  image_id:
    description:
      - The id that O(image_ref) must have; anything else is refused.
      - Empty means the id that it has. In check mode before a first build there is none.
    type: str
    default: ""
  validate:
    description: How the application checks one of O(files) before it is put in place.
    type: dict
    suboptions:
      path:
        description: The path of the file in O(files). The command gets its content as standard input.
        type: str
        required: true
      argv:
        description: The command in the image; it prints a JSON object with C(issues) and C(warnings).
        type: list
        elements: str
        required: true
      user:
        description: The user of the throw-away container, as C(uid:gid).
        type: str
        required: true
      env:
        description: Its environment, as C(NAME=value).
        type: list
        elements: str
        default: []
      option:
        description: What the operator has to change when the file is refused, for the message.
        type: str
        default: ""
  replaces:
    description:
      - Ids of containers that were not made here and whose place the deployment is going to take
        (M(openclaw.hardening.base_deployment)). They may have its names and its port until then.
    type: list
    elements: str
    default: []
  secret_sources:
    description:
      - Secrets that are on the host already, in a directory of root, such as those of a backup.
      - Each is written like one of O(secrets) when the container is exchanged, and the one of before comes back on a
        failure. One whose source is missing is left out.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where the secret goes.
        type: str
        required: true
      source:
        description: Where it is.
        type: str
        required: true
      uid:
        description: Owner.
        type: int
        required: true
      gid:
        description: Group.
        type: int
        required: true
  unit:
    description:
      - The systemd unit that supervises the container.
      - When it is active, it is stopped before the container is touched and started afterwards. Empty means none.
    type: str
    default: ""
  record_dir:
    description: Directory of lock, journal and what was replaced; root alone may read it. Its parent has to exist.
    type: str
    default: /var/lib/openclaw-hardening
  lock_timeout:
    description: Seconds to wait for another run.
    type: int
    default: 600
  command_timeout:
    description:
      - Seconds for one C(docker), C(docker compose) or C(systemctl) command, the check by O(validate) included,
        and for one answer of the Docker daemon.
      - What stops containers gets their own grace period in addition.
      - A command that takes longer is ended, and counts as failed.
    type: int
    default: 120
  remove_files:
    description: With O(state=absent), remove the definition, O(files), O(secrets) and what O(prune_prefix) names, too.
    type: bool
    default: false
seealso:
  - name: OpenClaw hardening guide, docker-compose.hardened.yml
    description: What the definition has to say.
    link: https://docs.openclaw.ai
  - module: openclaw.hardening.hardened_image
  - module: openclaw.hardening.hardening_info
  - module: openclaw.hardening.systemd_unit
"""

EXAMPLES = r"""
- name: Run the gateway
  openclaw.hardening.hardened_compose:
    project: openclaw
    directory: /etc/openclaw
    definition: "{{ lookup('ansible.builtin.template', 'docker-compose.hardened.yml.j2') }}"
    service: openclaw-gateway
    container_name: openclaw-gateway
    image_ref: openclaw:hardened
    health:
      port: 18789
      token_file: /etc/openclaw/secrets/gateway_token
    hints:
      memory: set gateway_memory in the inventory

- name: Run the gateway for the whole network, from a definition with a writable root file system
  openclaw.hardening.hardened_compose:
    project: openclaw
    directory: /etc/openclaw
    definition: "{{ lookup('ansible.builtin.template', 'docker-compose.writable.yml.j2') }}"
    service: openclaw-gateway
    container_name: openclaw-gateway
    image_ref: openclaw:hardened
    policy: {addresses: [any]}
    waivers:
      - id: OCH-CTR-06
        reason: a plugin writes beside its own code; fixed with its next release
        expires: "2027-01-31"
    health:
      port: 18789

- name: Go back to the deployment before
  openclaw.hardening.hardened_compose:
    state: previous
    project: openclaw
    directory: /etc/openclaw
    service: openclaw-gateway
    container_name: openclaw-gateway

- name: Take the gateway away and keep its state
  openclaw.hardening.hardened_compose:
    project: openclaw
    directory: /etc/openclaw
    service: openclaw-gateway
    container_name: openclaw-gateway
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: ["write /etc/openclaw/openclaw.json", "recreate container openclaw-gateway (another definition)"]
container_id:
  description: The container that runs; empty when there is none.
  returned: success
  type: str
  sample: 4f5e1d
image_id:
  description: The image that it runs; in check mode the one that it would run, empty when that one is not built yet.
  returned: success
  type: str
  sample: sha256:af5ec7bde6d0
probes:
  description:
    - What the host was answered while the service was changed; O(health.alive) and O(health.started) are asked every
      0.1 seconds. What another process answers counts as failed.
    - Also part of a failure. Empty when nothing was asked, because nothing was to be done or no healthy service was
      there before; never zero of zero.
  returned: always
  type: dict
  contains:
    asked:
      description: How often.
      type: int
      sample: 312
    failed:
      description: How often the service did not answer 200.
      type: int
      sample: 98
    seconds_failed:
      description: For how long in all.
      type: float
      sample: 9.9
outcome:
  description:
    - V(unchanged), the running service was not touched; V(rolled_back), the previous deployment is back and healthy (or
      runs as before, when its gateway knows none of the paths; the message reports so);
      V(rollback_failed), the rollback failed, too; the next run begins with it; V(cleanup_pending), the new deployment
      serves, but its records could not be written; the next run writes them.
  returned: when a deployment failed
  type: str
  sample: unchanged
waived:
  description: Rules of the policy that O(definition) breaks, and the reason why it may.
  returned: success
  type: list
  elements: str
  sample: ["OCH-CTR-06 (The root file system is read-only): gateway: the root file system is writable; waived: a test"]
health:
  description: What the host was answered.
  returned: success
  type: dict
  contains:
    url:
      description: The address that was asked.
      type: str
      sample: http://127.0.0.1:18789
    probed:
      description:
        - Whether the service was asked anything. When it is false, nothing is known of its health and RV(health.status)
          is empty, such as when O(state) is not V(present), or in check mode where no container runs.
      type: bool
      sample: true
    status:
      description: What was answered to each question that was asked; a question that was not asked is not in it.
      type: dict
      sample:
        alive: "/healthz: 200"
        started: "/startupz: 200"
        serving: "POST /tools/invoke: 200 with the token and 401 without a token"
        dependencies: "/readyz: 503 (telegram)"
    not_ready:
      description: The names that the service gave of what it depends on and is not ready.
      type: list
      elements: str
      sample: [telegram]
    seconds_to_ready:
      description: How long it took after the container was started until it was started, alive and serving.
      type: float
      sample: 9.5
"""

from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.module import SecretiveModule
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import repeat
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.gate import POLICY_ARGUMENTS
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.manager import DeployManager
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.options import DEPLOY_ARGUMENTS
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client

ARGUMENT_SPEC: dict[str, Any] = {
    **DEPLOY_ARGUMENTS,
    **POLICY_ARGUMENTS,
    "record_dir": {"type": "str", "default": "/var/lib/openclaw-hardening"},
    "lock_timeout": {"type": "int", "default": 600},
    "command_timeout": {"type": "int", "default": 120},
    **client.DOCKER_ARGUMENTS,
}


def main() -> None:
    """Run the module."""
    module = SecretiveModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        with client.losses(module.params["docker_host"]):
            result = DeployManager(module).run()
        if not module.check_mode:
            # The deployment is proven; that it can be repeated is one more thing.
            try:
                repeat.keep(module.params)
            except (HardeningError, OSError) as error:
                module.warn(f"an update without Ansible cannot repeat this deployment: {error}")
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
