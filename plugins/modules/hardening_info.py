# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module hardening_info: prove hardening from the kernel, the network, files and units."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hardening_info
short_description: Prove how far a host and its gateway are hardened
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Checks containers, their image, account, files, secrets and network, the units beside them and the Docker daemon,
    each by one table of rules that M(openclaw.hardening.hardened_compose) uses before a deployment, too.
  - What it reports rests on the kernel (every process of the container), on connections that it tries, on files and on
    the service manager; configuration alone proves nothing.
  - It also checks containers that this collection did not deploy.
  - Changes nothing. Takes less than two seconds on a host with one gateway.
extends_documentation_fragment:
  - openclaw.hardening.docker
  - openclaw.hardening.waivers
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - It only looks, with and without check mode.
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: full
options:
  instance:
    description:
      - The OpenClaw of this host that is audited, by its instance name. It decides what the other options are that
        are not given, as a run of C(playbooks/verify.yml) does.
      - With O(containers) or O(project) it decides nothing, because those may be anybody's.
    type: str
    default: openclaw
  containers:
    description: Names or ids of the containers to check. Without it and O(project), the one of O(instance).
    type: list
    elements: str
    default: []
  project:
    description: Check every container of this Compose project instead of, or beside, O(containers).
    type: str
    default: ""
  account:
    description:
      - Name of the account that the container must run as. Not given, the one of O(instance).
      - Empty means any account of its own that nobody can log in to.
    type: str
  addresses:
    description:
      - Addresses of the host, beside its loopback ones, on which the published port may be reached.
      - V(any) means everywhere (the guide's LAN access).
    type: list
    elements: str
    default: []
  capabilities:
    description: Capabilities that the container may hold, such as V(NET_BIND_SERVICE).
    type: list
    elements: str
    default: []
  units:
    description:
      - Units that must be in force, each with the exposure (0 to 10, C(systemd-analyze security)) that it may have.
        Not given, those of O(instance).
      - With an empty dictionary, rules about units are skipped.
    type: dict
  record:
    description:
      - Record that M(openclaw.hardening.hardened_image) left of the verified build, an absolute path. Not given, the
        one of O(instance).
      - Empty means that there is none; whether the image is the verified one is skipped then.
    type: str
  image_max_age_days:
    description: Days after which an image is too old to have current security patches.
    type: int
    default: 30
  docker_users:
    description: Members that the group C(docker) may have. Each of them can become root.
    type: list
    elements: str
    default: []
  deployment:
    description: Say as well what is deployed and whether it drifted, as M(openclaw.hardening.deployment_info) does.
    type: dict
    suboptions:
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
seealso:
  - module: openclaw.hardening.deployment_info
  - module: openclaw.hardening.hardened_compose
  - module: openclaw.hardening.hardening_report
"""

EXAMPLES = r"""
- name: Prove the hardening of the gateway
  openclaw.hardening.hardening_info:
  register: audit

- name: Refuse what is wrong or inconclusive
  ansible.builtin.assert:
    that: audit.checks | selectattr('status', 'in', ['fail', 'error']) | length == 0

- name: See what is missing in a Compose project that was made by hand
  openclaw.hardening.hardening_info:
    project: upstream

- name: Live with a writable root file system until the end of January
  openclaw.hardening.hardening_info:
    waivers:
      - id: OCH-CTR-06
        reason: the plugin of the sales team writes to /app/cache
        expires: "2027-01-31"
"""

RETURN = r"""
checks:
  description: One entry for each rule and target. One with the status V(waived) still has what was found.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Stable id of the rule.
      type: str
      sample: OCH-CTR-05
    title:
      description: What holds when it passes.
      type: str
      sample: No process can gain privileges
    area:
      description: One of account, image, container, network, secrets, systemd, host, upkeep.
      type: str
      sample: container
    severity:
      description: One of critical, high, medium, low.
      type: str
      sample: high
    target:
      description: Name of the container, or C(host).
      type: str
      sample: openclaw-gateway
    status:
      description:
        - V(pass) and V(fail) are proven. V(error) means that it could not be found out, and is never a pass.
        - V(waived) means V(fail) or V(error), and that one of O(waivers) covers it until its last day.
        - V(skip) means that it does not apply, or is for a person to check.
      type: str
      sample: fail
    manual:
      description: Whether only a person can check it; C(expected) then is what to look at.
      type: bool
      sample: false
    expected:
      description: What has to be.
      type: str
      sample: NoNewPrivs is 1 for every process
    actual:
      description: What was found.
      type: str
      sample: "process 4711 (node): NoNewPrivs is 0"
    evidence:
      description: Where it was seen.
      type: list
      elements: dict
      contains:
        source:
          description: File, command or address.
          type: str
          sample: /proc/4711/status
        text:
          description: What it reported; control characters are escaped, secrets masked, long texts cut.
          type: str
          sample: "NoNewPrivs: 0"
    remediation:
      description:
        - What to set or to type. C(; or) is between different ways, each tried on such a fault. Capitals
          stand for what C(actual) and C(evidence) name; C(FILE) is the compose file.
        - Empty where no remediation was tried, as for all checks that are C(manual); C(expected) is what to
          look at.
      type: str
      sample: "set `pids_limit: 512` in the service; run `docker compose -f FILE up -d --force-recreate`"
    refs:
      description: Where the rule comes from.
      type: list
      elements: str
      sample: ["CIS Docker Benchmark v1.6.0, 5.26"]
    waiver:
      description: The waiver that covers it, or null; several that cover it together are shown as one.
      type: dict
      contains:
        reason:
          description: The operator's reason.
          type: str
          sample: the plugin of the sales team writes to /app/cache
        expires:
          description: Its last day, or an empty string.
          type: str
          sample: "2027-01-31"
        expired:
          description: Whether that day is over.
          type: bool
          sample: false
        value:
          description: The one path or value that it is about, several with commas between them, or an empty string.
          type: str
          sample: /app/cache
summary:
  description: How many checks have which status; each check has one.
  returned: success
  type: dict
  sample: {"fail": 1, "error": 0, "waived": 1, "skip": 11, "pass": 71}
deployment:
  description:
    - What M(openclaw.hardening.deployment_info) returns.
    - With the key C(error) alone when that could not be found out; the audit is then as without it.
  returned: success, with O(deployment)
  type: dict
  sample: {"drift": [], "damaged": [], "interrupted": "", "image_id": "sha256:af5ec7bde6d0"}
unused_waivers:
  description: Ids of waivers that covered nothing; take them out.
  returned: success
  type: list
  elements: str
  sample: []
seconds:
  description: How long it took on the host.
  returned: success
  type: float
  sample: 0.9
version:
  description: Version of the table of rules, that of the collection.
  returned: success
  type: str
  sample: 0.1.0
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.info import NAMES, DeploymentInfo
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import losses
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.audit import Audit
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.options import AUDIT_ARGUMENTS, complete

ARGUMENT_SPEC: dict[str, Any] = {**AUDIT_ARGUMENTS, "deployment": {"type": "dict", "options": NAMES}}


def deployment_from(params: dict[str, Any]) -> DeploymentInfo | None:
    """Read the option, or refuse it."""
    names = params["deployment"]
    return DeploymentInfo({**names, "docker_host": params["docker_host"]}) if names else None


def looked_at(deployment: DeploymentInfo) -> dict[str, Any]:
    """Return what is deployed, or why that cannot be known, which is nothing that the audit may fail with."""
    try:
        with losses(deployment.docker_host):
            return {key: value for key, value in deployment.run().items() if key != "changed"}
    except HardeningError as error:
        return {"error": str(error)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        complete(module.params)
        audit, deployment = Audit(module), deployment_from(module.params)
        result = audit.run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    if deployment:
        result["deployment"] = looked_at(deployment)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
