# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option of a module that reports why a deployment failed."""

from __future__ import annotations


class ModuleDocFragment:
    """Doc fragment ``openclaw.hardening.hints``."""

    DOCUMENTATION = r"""
options:
  hints:
    description:
      - How each remediation of a failed deployment is done where the caller comes from, such as the variable to set.
      - The message of a failure names the key of the Compose file; a hint is added to it in parentheses.
    type: dict
    suboptions:
      bind:
        description: The gateway answers in its container only.
        type: str
        default: ""
      config:
        description: OpenClaw refuses its configuration.
        type: str
        default: ""
      image:
        description: The image has too old a Node.js, or denies the container's user one of its own files.
        type: str
        default: ""
      memory:
        description: It ran out of memory.
        type: str
        default: ""
      owner:
        description: A mounted file or directory belongs to another user.
        type: str
        default: ""
      port:
        description: Another user has the port of the host.
        type: str
        default: ""
      processors:
        description: It got too little of a processor to start.
        type: str
        default: ""
      secret:
        description: A secret cannot be read, or is another one than a client shows.
        type: str
        default: ""
      tmpfs:
        description: It has to write to a place of the read-only root file system.
        type: str
        default: ""
"""
