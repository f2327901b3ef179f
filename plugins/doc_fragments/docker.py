# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of every module that talks to a Docker daemon."""

from __future__ import annotations


class ModuleDocFragment:
    """Doc fragment ``openclaw.hardening.docker``."""

    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - Address of the Docker daemon.
      - Named explicitly, so that no CLI context and no environment variable of the user can redirect a run.
    type: str
    default: unix:///var/run/docker.sock
requirements:
  - Docker Engine 23.0 or newer
  - The Python package C(docker) 5.0 or newer (Debian package C(python3-docker))
"""
