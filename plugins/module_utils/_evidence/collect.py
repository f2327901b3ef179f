# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collect the evidence: each part is read once, and one that cannot be read spoils only the rules that need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import volume_options
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings, from_inspect
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import (
    account,
    daemon,
    forwarders,
    image,
    packet_filter,
    units,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import files as evidence_files
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import log as evidence_log
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import network as evidence_network
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import processes as evidence_processes
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import secrets as evidence_secrets
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable, attempt

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
    from docker import DockerClient

Parts = dict[str, Any]


def look_at_host(module: AnsibleModule, api: DockerClient | Unavailable, allowed: Baseline) -> Parts:
    """Read what is there once a host: the Docker daemon and the units."""
    return {
        "daemon": attempt("Docker daemon", daemon.look, module, api),
        "units": attempt("units", units.look, module, [name for name, _limit in allowed.units]),
    }


def look_at_container(
    module: AnsibleModule, api: DockerClient, container: Container, host: Parts, allowed: Baseline
) -> Parts:
    """Read everything about one container; ``host`` is what ``look_at_host`` found."""
    attrs = container.attrs
    pid = (attrs.get("State") or {}).get("Pid") or 0
    parts: Parts = dict(host)
    settings = parts["settings"] = attempt("definition", _definition, api, attrs)
    running = pid or Unavailable(f"container {container.name} does not run, it is {container.status}")
    kernel = parts["kernel"] = attempt("processes", evidence_processes.look, container.id, running)
    log = parts["log"] = attempt("log", evidence_log.look, api, container.id)
    files = parts["files"] = attempt("files", evidence_files.look, settings, pid)
    parts["image"] = attempt("image", image.look, api, attrs, pid, allowed.record)
    parts["account"] = attempt("account", _account, kernel)
    # Without these the secrets are still looked for: they have to be masked, and its rules say what was not seen.
    processes = () if isinstance(kernel, Unavailable) else kernel.processes
    text = None if isinstance(log, Unavailable) else log.text
    secrets = parts["secrets"] = attempt("secrets", evidence_secrets.look, settings, attrs, files, processes, text)
    token = "" if isinstance(secrets, Unavailable) else secrets.token
    engine = "" if isinstance(host["daemon"], Unavailable) else host["daemon"].version
    parts["network"] = attempt("network", evidence_network.look, module, api, settings, attrs, running, token, engine)
    network = parts["network"]
    parts["packets"] = attempt("packet filter", packet_filter.look, module, network, attrs, allowed)
    parts["forwarders"] = attempt("other listeners", forwarders.look, module, api, network)
    return parts


def _definition(api: DockerClient, attrs: Mapping[str, Any]) -> Settings:
    """Read what a container was made of, its volumes too, whose options are no part of ``docker inspect``."""
    volumes = None
    if any(mount.get("Type") == "volume" for mount in attrs.get("Mounts") or ()):
        # Volumes that cannot be asked for are unknown, which is no reason to know nothing else.
        answer = attempt("volumes", volume_options, api)
        volumes = {} if isinstance(answer, Unavailable) else answer
    settings = from_inspect(attrs, volumes)
    return replace(settings, foreign=not settings.names_openclaw)


def _account(kernel: evidence_processes.Kernel) -> object:
    main = next(process for process in kernel.processes if process.pid == kernel.main_pid)
    return account.look(main.uids[0], main.gids[0])
