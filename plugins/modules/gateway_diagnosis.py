# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module gateway_diagnosis: what is wrong with a gateway, and what fixes it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_diagnosis
short_description: Name what is wrong with a gateway, and what fixes it
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Looks at a host once (Docker, units, container, log, port, disks, limits, owners, records, clock) and decides by a
    table of cases what is wrong. The cases are those of the hardening guide's troubleshooting section, those that
    M(openclaw.hardening.hardened_compose) names when a deployment fails, and what can happen to a good one.
  - Works on a host whose Docker is down or missing. What cannot be read is listed with the reason, and is never taken
    for well.
  - Changes nothing on the host. A support bundle is packed in memory and written on the controller.
  - In the bundle are the diagnosis, an audit (M(openclaw.hardening.hardening_info)), the units, their journal, the
    container's log and definition, and OpenClaw's own C(gateway diagnostics export). Secrets are masked, as their value
    and by their shape; long words with digits are masked, too. Values of environment variables and texts of
    C(openclaw.json) are left out.
extends_documentation_fragment:
  - openclaw.hardening.docker
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - The host is looked at in check mode, too. The bundle is neither packed nor written.
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: partial
    details:
      - The host is never changed. Each run with O(bundle_dir) writes a new bundle on the controller.
options:
  instance:
    description: Name of this OpenClaw on the host; names and paths derive from it.
    type: str
    default: openclaw
  port:
    description: The port on the host.
    type: int
    default: 18789
  addresses:
    description: Where it is meant to be published; an empty text is every address.
    type: list
    elements: str
    default: [127.0.0.1]
  runs:
    description: Whether the gateway is meant to run.
    type: bool
    default: true
  monitor:
    description: Whether the units of the auth monitor are meant to be there.
    type: bool
    default: true
  capabilities:
    description: Capabilities that the container may hold, for the audit.
    type: list
    elements: str
    default: []
  variables:
    description: Names of the variables that set a thing where the caller comes from, for RV(findings).
    type: dict
    suboptions:
      bind:
        description: The variable for where the port is published.
        type: str
        default: ""
      ca:
        description: The variable for the CA that the gateway trusts.
        type: str
        default: ""
      channel:
        description: The variable for channels.
        type: str
        default: ""
      config:
        description: The variable for OpenClaw's configuration.
        type: str
        default: ""
      hosts:
        description: The variable for names that the gateway knows, with their address.
        type: str
        default: ""
      image:
        description: The variable for the image.
        type: str
        default: ""
      memory:
        description: The variable for the memory limit.
        type: str
        default: ""
      origins:
        description: The variable for origins of the browser interface.
        type: str
        default: ""
      owner:
        description: The variable for whose the state is.
        type: str
        default: ""
      port:
        description: The variable for the port.
        type: str
        default: ""
      processes:
        description: The variable for the limit of processes.
        type: str
        default: ""
      processors:
        description: The variable for the share of the processors.
        type: str
        default: ""
      proxy:
        description: The variable for the HTTP proxy.
        type: str
        default: ""
      reachable:
        description: The variable for what is reached although the network policy blocks its network.
        type: str
        default: ""
      retry:
        description: The variable for the use of a version that failed.
        type: str
        default: ""
      secret:
        description: The variable for secrets.
        type: str
        default: ""
      state:
        description: The variable for whether the gateway runs.
        type: str
        default: ""
      tmpfs:
        description: The variable for places in memory.
        type: str
        default: ""
      token:
        description: The variable for a new token.
        type: str
        default: ""
  bundle_dir:
    description:
      - Folder on the controller for the bundle, which is C(HOST.tar.gz), its owner's only (C(0600)).
      - Created for its owner only (C(0700)) when it is missing. Empty means no bundle.
    type: str
    default: ""
  patience:
    description: Seconds to wait for a gateway that was started less than three minutes ago, until it serves or ends.
    type: int
    default: 60
notes:
  - The bundle has names of hosts, accounts, files and channels. Read it before it goes to others.
seealso:
  - module: openclaw.hardening.hardening_info
  - module: openclaw.hardening.deployment_info
"""

EXAMPLES = r"""
- name: Find out what is wrong
  openclaw.hardening.gateway_diagnosis:
    variables:
      port: openclaw_gateway_port
    bundle_dir: openclaw-diagnosis
  register: diagnosis

- name: Show it
  ansible.builtin.debug:
    var: diagnosis.messages
"""

RETURN = r"""
serves:
  description: Whether the gateway serves, asked from the host.
  returned: success
  type: bool
  sample: false
findings:
  description: What is wrong, the likeliest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Stable id of the case.
      type: str
      sample: port-taken
    title:
      description: The case in a few words.
      type: str
      sample: Another program has the port
    level:
      description: V(fault), V(warning) or V(note). A channel that is not ready is a warning, never a fault.
      type: str
      sample: fault
    certain:
      description: Whether the facts prove it; else it is the likely cause.
      type: bool
      sample: true
    found:
      description: What was found; secrets are masked.
      type: str
      sample: nc (process 4711) has port 18789 of the host
    needed:
      description: What is needed instead.
      type: str
      sample: a port that is free for Docker
    remediation:
      description: What to do.
      type: str
      sample: stop that process, or publish another port, then run the playbook site.yml
    option:
      description: The variable to set, from O(variables); empty when there is none.
      type: str
      sample: gateway_port
    value:
      description: What to set it to, or to add to it where it is a list; null when the facts do not show it.
      type: raw
      sample: 18790
    source:
      description: Where the case comes from.
      type: str
      sample: the hardening guide, Troubleshooting
not_checked:
  description: Parts of the host that could not be read. Only when there is none was everything checked.
  returned: success
  type: list
  elements: dict
  sample: [{"part": "log", "reason": "Docker at unix:///var/run/docker.sock …", "cases": ["names", "origin"]}]
messages:
  description: One line for each finding and each part that could not be read.
  returned: success
  type: list
  elements: str
  sample: ["No fault was found; every check was made."]
bundle:
  description: Absolute path of the bundle on the controller; empty when there is none.
  returned: success
  type: str
  sample: /srv/ansible/openclaw-diagnosis/gateway.example.net.tar.gz
left_out:
  description: What the bundle does not have, with the reason.
  returned: success
  type: list
  elements: str
  sample: ["journal.txt: 1200 of 525488 characters"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.manager import (
    ARGUMENT_SPEC,
    Diagnosis,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        with client.losses(module.params["docker_host"]):
            result = Diagnosis(module).run()
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
