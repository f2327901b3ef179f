# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module host_preflight: refuse a host that cannot be a target, before anything changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_preflight
short_description: Check whether a host can run a hardened OpenClaw
version_added: 0.1.0
author: OpenClaw Hardening maintainers (@openclaw)
description:
  - Looks at systemd, distribution, architecture, memory, processors, addresses, free disk, Docker Engine, Compose,
    Buildx and the Python packages that the other modules need.
  - Asks the Docker daemon itself where it keeps images and how it runs. A rootless daemon, one that maps users
    (C(userns-remap)), one without its packet filter (C(iptables=false)), and the one of snap are refused.
  - An engine that is installed is never replaced by another one. What it lacks is named as a package of the same
    origin, and where there is none it is refused.
  - Refuses a Python interpreter (C(ansible_python_interpreter)) that lacks these packages and for which the
    distribution's packages do not count, and an installed Docker that does not answer for another reason than a unit
    that is stopped.
  - Refuses an unsuitable host with one message that names every problem, what was needed and the remediation.
  - Changes nothing.
extends_documentation_fragment:
  - openclaw.hardening.attributes
  - openclaw.hardening.docker
options:
  engine_source:
    description:
      - Where a missing Docker may come from.
      - V(distribution) is the distribution's own packages, V(repository) Docker's own package repository,
        V(present) nowhere, it must be there already.
    type: str
    choices: [distribution, repository, present]
    default: distribution
  memory_minimum_mib:
    description:
      - Least memory of the host, in MiB.
      - The gateway needs 750 to 865 MiB at start and peaks at 1.2 GiB (measured with OpenClaw 2026.9.6).
    type: int
    default: 1900
  disk_minimum_mib:
    description: Least free space at O(disk_path), in MiB. A build peaks at about 4 GiB, two images take 2 GiB.
    type: int
    default: 6000
  disk_path:
    description:
      - Where free space is measured, at the nearest folder that exists.
      - Empty means where the daemon keeps its images, as it answers.
    type: str
    default: ""
  processors:
    description: Processor cores that the gateway's limit needs; Docker refuses a larger limit. 0 means none.
    type: float
    default: 0
  addresses:
    description: IP addresses that an interface of the host must have, beside loopback, to publish the gateway there.
    type: list
    elements: str
    default: []
  hints:
    description:
      - How a remediation is done where the caller comes from, such as the variable to set, by the subjects
        C(processors) and C(addresses). It is added to the message in parentheses.
    type: dict
    default: {}
seealso:
  - module: openclaw.hardening.hardened_image
  - module: openclaw.hardening.hardened_compose
"""

EXAMPLES = r"""
- name: Refuse an unsuitable host before anything changes
  openclaw.hardening.host_preflight:
    engine_source: distribution
  register: preflight

- name: Show what is missing
  ansible.builtin.debug:
    var: preflight.missing_packages
"""

RETURN = r"""
host:
  description: What was found. Sizes in MiB; an empty version means not installed, or not answering.
  returned: always
  type: dict
  sample:
    distribution: debian
    release: "13"
    codename: trixie
    architecture: x86_64
    systemd: "257"
    memory_mib: 7976
    processors: 4
    disk_path: /var/lib/docker
    disk_free_mib: 81022
    engine: 26.1.5
    compose: 2.26.1
    buildx: 0.13.1
missing_packages:
  description: Distribution packages that have to be installed first.
  returned: always
  type: list
  elements: str
  sample: [docker.io, docker-cli, docker-compose, docker-buildx, python3-docker]
search_path:
  description: The caller's PATH with the folders of root's programs, for tasks that install packages.
  returned: success
  type: str
  sample: /usr/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin
engine_running:
  description: Whether the Docker daemon answers on O(docker_host).
  returned: always
  type: bool
  sample: true
problems:
  description: Why the host was refused.
  returned: failure
  type: list
  elements: str
  sample:
    - "memory: found 512 MiB, needed 1900 MiB; enlarge the host, or lower memory_minimum_mib"
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    absolute_path,
    integer,
    ip_address,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import DOCKER_ARGUMENTS, docker_host
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.host import look
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.problems import (
    Desired,
    missing_packages,
    problems,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.versions import show
from ansible_collections.openclaw.hardening.plugins.module_utils._system.program import search_path

HIGHEST_MIB = 2**30


class HostPreflight:
    """One result of one host."""

    def __init__(self, module: AnsibleModule) -> None:
        """Read the options."""
        self.module = module
        self.params = module.params
        self.docker_host = docker_host(self.params["docker_host"])
        disk_path = self.params["disk_path"]
        self.disk_path = absolute_path("disk_path", disk_path) if disk_path else ""
        self.addresses = [ip_address("addresses", address) for address in self.params["addresses"]]
        self.wanted = Desired(
            engine_source=self.params["engine_source"],
            memory_mib=integer("memory_minimum_mib", self.params["memory_minimum_mib"], 0, HIGHEST_MIB),
            disk_free_mib=integer("disk_minimum_mib", self.params["disk_minimum_mib"], 0, HIGHEST_MIB),
            processors=self.params["processors"],
            hints=self.params["hints"],
        )

    def run(self) -> dict[str, Any]:
        """Look and check."""
        host = look(self.module, self.docker_host, self.disk_path, self.addresses)
        found = problems(host, self.wanted)
        if found:
            count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
            self.module.fail_json(
                msg=f"This host cannot be a target, nothing was changed ({count}): " + " | ".join(found),
                problems=found,
            )
        return {
            "changed": False,
            "host": {
                "distribution": host.distribution,
                "release": host.release,
                "codename": host.codename,
                "architecture": host.architecture,
                "systemd": show(host.systemd),
                "memory_mib": host.memory_mib,
                "processors": host.processors,
                "disk_path": host.disk_path,
                "disk_free_mib": host.disk_free_mib,
                "engine": show(host.engine.version),
                "compose": show(host.engine.compose),
                "buildx": show(host.engine.buildx),
            },
            "missing_packages": missing_packages(host, self.wanted.engine_source),
            "search_path": search_path(),
            "engine_running": host.engine.version is not None,
        }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGUMENTS,
            "engine_source": {
                "type": "str",
                "choices": ["distribution", "repository", "present"],
                "default": "distribution",
            },
            "memory_minimum_mib": {"type": "int", "default": 1900},
            "disk_minimum_mib": {"type": "int", "default": 6000},
            "disk_path": {"type": "str", "default": ""},
            "processors": {"type": "float", "default": 0},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "hints": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**HostPreflight(module).run())
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)


if __name__ == "__main__":
    main()
