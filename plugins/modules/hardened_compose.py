# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a Compose project from exactly one definition and one image, healthy from the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hardened_compose
short_description: Run a Compose project from exactly one definition and one image, healthy from the host
version_added: 0.1.0
description:
  - Makes true that the service's container runs from exactly O(definition) and the image O(image_id), that it sees the
    present content of every file that is mounted into it, and that it answers through its published port.
  - A change is found by comparing bytes, owner and mode of the files, the hash of C(docker compose config --hash) with
    the container's label, the id of the running image, and the inodes that the container has mounted.
  - Before anything is touched, Compose has accepted the definition and OpenClaw its configuration (O(validate)).
  - Before that, each service of O(definition), as C(docker compose config) resolves it and with what its image adds, is
    judged by the rules of M(openclaw.hardening.hardening_info). One that breaks a rule is refused, unless O(policy)
    grants it or one of O(waivers) says why the rule need not hold. The message names all rules that are broken.
  - When the new deployment does not become healthy, the previous files and the previous image come back. The
    message says what failed, why and what to change (O(hints)), what serves now, and the last lines of the log.
  - Runs for the same O(project) wait for each other (O(lock_timeout)); one that gives up names the run that is at work.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
  - openclaw.hardening.hints
  - openclaw.hardening.policy
  - openclaw.hardening.waivers
attributes:
  check_mode:
    details:
      - O(definition) and O(validate) are judged in check mode, too; the latter runs a container that leaves nothing.
      - What O(definition) leaves to an image that is not built yet is not judged in check mode.
      - On a host without Docker or without the image, the module predicts from its arguments.
  diff_mode:
    details:
      - One entry for each file and one for the container.
options:
  state:
    description:
      - With V(present), the service runs and is healthy.
      - With V(stopped), its container exists but does not run.
      - With V(absent), its containers and networks are gone. State and, without O(remove_files), all files stay.
    type: str
    choices: [present, stopped, absent]
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
    description: Name of its container, as O(definition) says.
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
    description: How the application judges one of O(files) before it is put in place.
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
  health:
    description: How to see, from the host, that the service is well. Needed with O(state=present).
    type: dict
    suboptions:
      host:
        description: Address of the published port.
        type: str
        default: 127.0.0.1
      port:
        description: The published port.
        type: int
        required: true
      paths:
        description: Every one has to answer 200.
        type: list
        elements: str
        default: [/healthz, /readyz]
      timeout:
        description: Seconds until a new deployment has to be healthy.
        type: int
        default: 180
  unit:
    description:
      - The systemd unit that supervises the container.
      - When it is active, it is stopped before the container is touched and started afterwards. Empty means none.
    type: str
    default: ""
  record_dir:
    description: Directory of the lock; root alone may read it.
    type: str
    default: /var/lib/openclaw-hardening
  lock_timeout:
    description: Seconds to wait for another run.
    type: int
    default: 600
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
        reason: a plugin writes beside its own code; mended with its next release
        expires: "2027-01-31"
    health:
      port: 18789

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
    status:
      description: The answer of each path.
      type: dict
      sample: {"/healthz": "200", "/readyz": "200"}
    seconds_to_ready:
      description: How long it took after the container was started.
      type: float
      sample: 9.5
"""

from contextlib import nullcontext
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils import _docker, _gate
from ansible_collections.openclaw.hardening.plugins.module_utils._compose import Compose
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import decide, diff, find
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy_options import DEPLOY_ARGUMENTS, wanted_from
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnosis import hints_from
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._health import Health
from ansible_collections.openclaw.hardening.plugins.module_utils._lock import lock
from ansible_collections.openclaw.hardening.plugins.module_utils._rollout import Rollout
from ansible_collections.openclaw.hardening.plugins.module_utils._text import absolute_path, integer

if TYPE_CHECKING:
    from docker import DockerClient

ARGUMENT_SPEC: dict[str, Any] = {
    **DEPLOY_ARGUMENTS,
    **_gate.POLICY_ARGUMENTS,
    "record_dir": {"type": "str", "default": "/var/lib/openclaw-hardening"},
    "lock_timeout": {"type": "int", "default": 600},
    **_docker.DOCKER_ARGUMENTS,
}


class HardenedCompose:
    """Hands a wanted deployment to ``_deploy`` and, when it is to be acted upon, to ``_rollout``."""

    def __init__(self, module: AnsibleModule) -> None:
        """Judge every option before the world is looked at."""
        self.module = module
        self.wanted = wanted_from(module.params)
        self.gate = _gate.gate_from(module.params)
        self.hints = hints_from(module.params["hints"])
        self.docker_host = _docker.docker_host(module.params["docker_host"])
        record_dir = absolute_path("record_dir", module.params["record_dir"])
        self.lock_path = f"{record_dir}/deploy.lock"
        self.lock_timeout = integer("lock_timeout", module.params["lock_timeout"], 0, 86400)

    def run(self) -> dict[str, Any]:
        """Look, decide, act; one run at a time."""
        checking = self.module.check_mode
        with nullcontext() if checking else lock(self.lock_path, self.lock_timeout):
            return self._run(checking)

    def _run(self, checking: bool) -> dict[str, Any]:
        wanted = self.wanted
        api = (_docker.try_client if checking else _docker.client)(self.docker_host)
        directory = wanted.definition.path.rpartition("/")[0]
        compose = Compose(self.module, self.docker_host, wanted.project, directory, wanted.definition.path)
        found = find(wanted, api, compose)
        waived = self._judge(compose, api)
        plan = decide(wanted, found)
        health, container = found.health, found.container
        if api is not None:
            rollout = Rollout(self.module, api, compose, wanted, found, self.hints)
            if plan.validate and found.image_id:
                for warning in rollout.validate():
                    self.module.warn(f"{wanted.validation.path if wanted.validation else ''}: {warning}")
            if not checking and (plan.changed or plan.container):
                health = rollout.apply(plan)
                container = _docker.find_container(api, wanted.container)
        result = self._result(plan.changed, plan.actions(wanted.container), health)
        result["waived"] = waived
        result["container_id"] = container.id if container else ""
        result["image_id"] = (wanted.image_id or found.image_id) if wanted.state == "present" else ""
        if self.module._diff:
            result["diff"] = diff(wanted, found, plan)
        return result

    def _judge(self, compose: Compose, api: DockerClient | None) -> list[str]:
        """Refuse a definition that breaks the policy; return the rules that are waived."""
        if self.wanted.state != "present" or (api is None and not compose.available()):
            return []
        today = datetime.now(timezone.utc).date()
        findings = _gate.judge(self.gate, compose, api, self.wanted, predicting=self.module.check_mode, today=today)
        secrets = [file.content.decode("utf-8", "replace").strip() for file in self.wanted.files if file.secret]
        _gate.refuse(findings, secrets)
        return _gate.waived(findings)

    def _result(self, changed: bool, actions: list[str], health: Health) -> dict[str, Any]:
        url = self.wanted.probe.base if self.wanted.state == "present" else ""
        answers = {path: answer for path, answer in health.answers.items() if path}
        return {
            "changed": changed,
            "actions": actions,
            "health": {"url": url, "status": answers, "seconds_to_ready": health.seconds},
        }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = HardenedCompose(module).run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
