# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a deployment is asked whether it is well."""

from __future__ import annotations


class ModuleDocFragment:
    """Doc fragment ``openclaw.hardening.deployment_health``."""

    DOCUMENTATION = r"""
options:
  health:
    description:
      - How to see, from the host, how the service is. Needed with O(state=present).
      - Each of four questions has one meaning. Those that O(health.started), O(health.alive) and O(health.serving)
        stand for decide about a deployment; that of O(health.dependencies) is a warning.
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
      started:
        description:
          - Has to answer 200 when start-up is over, whatever else is down. Gates a candidate and a new deployment.
          - A gateway that does not know the path (404, or a web page) is refused.
        type: str
        default: /startupz
      alive:
        description: Has to answer 200 as long as the process lives. Empty is not asked.
        type: str
        default: /healthz
      serving:
        description:
          - A POST to this path has to be answered with the token, and refused (401 or 403) without one. Empty is not
            asked.
          - When the gateway has locked clients out (429), which any client can cause, it is a warning.
        type: str
        default: /tools/invoke
      token_file:
        description: The file on this host that holds the token for O(health.serving). Without it that is not asked.
        type: str
        default: ""
      dependencies:
        description:
          - Answers 200 when what the service depends on elsewhere is ready, else it names in C(failing) what is not.
          - That is a warning, and never a reason to fail, to restart or to roll back, without
            O(health.require_dependencies). Empty is not asked.
        type: str
        default: /readyz
      essential:
        description: Patterns of names in that answer that are parts of the service itself; then it is not serving.
        type: list
        elements: str
        default: []
      require_dependencies:
        description: Let O(health.dependencies) decide like the others.
        type: bool
        default: false
      timeout:
        description: Seconds until a new deployment has to be started, alive and serving.
        type: int
        default: 180
      stabilize:
        description: Seconds that it then has to stay healthy, without a restart.
        type: int
        default: 10
"""
