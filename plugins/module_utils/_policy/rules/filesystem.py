# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the container's file system: what it can write, and what of the host it can see."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import RECREATE, Rule, cis, guide, owasp
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import filesystem_checks as check

RULES: tuple[Rule, ...] = (
    Rule(
        "OCH-CTR-06",
        "The root file system is read-only",
        "container",
        "high",
        "/ is mounted read-only for every process",
        "set `read_only: true` in the service (and a tmpfs for each place that it has to write)",
        (*guide("Verify Read-Only Filesystem", "Security Checklist, item 2"), *cis("5.13"), *owasp(8)),
        ("kernel",),
        check.root_effective,
        check.root_declared,
    ),
    Rule(
        "OCH-CTR-09",
        "Scratch space takes no programs and has a limit",
        "container",
        "high",
        "every tmpfs is noexec, nosuid, nodev and has a size",
        "set each entry of `tmpfs` to `PLACE:noexec,nosuid,nodev,size=100m,uid=UID,gid=GID`",
        (*guide("Read-Only Filesystem"), "man 5 tmpfs"),
        ("kernel",),
        check.scratch_effective,
        check.scratch_declared,
    ),
    Rule(
        "OCH-CTR-10",
        "Only scratch space and OpenClaw's state can be written",
        "container",
        "high",
        "at most one writable mount, the state directory .openclaw (of other containers: Docker's own volumes)",
        "set `read_only: true` in each volume that is named; or remove each volume that is named from the service",
        (*cis("5.6"), *owasp(8)),
        ("kernel", "settings"),
        check.writable_effective,
        check.writable_declared,
    ),
    Rule(
        "OCH-CTR-11",
        "No container engine's socket is mounted",
        "container",
        "critical",
        "neither a socket such as docker.sock nor a directory that holds one",
        "remove each volume that is named from the service; remove `use_api_socket` from the service; or remove each "
        "variable that is named from `environment` of the service",
        (*cis("5.32"), *owasp(1)),
        ("kernel",),
        check.socket_effective,
        check.socket_declared,
    ),
    Rule(
        "OCH-CTR-12",
        "No sensitive directory of the host is mounted",
        "container",
        "critical",
        "single files and directories of OpenClaw's own only",
        "remove each volume that is named from the service (mount the one file or directory that is needed instead)",
        cis("5.6"),
        ("kernel",),
        check.sensitive_effective,
        check.sensitive_declared,
    ),
    Rule(
        "OCH-CTR-24",
        "Mounts are not shared with the host",
        "container",
        "medium",
        "no mount propagates to the host (private or slave)",
        "remove `propagation` from each volume that is named",
        (*cis("5.20"), "man 7 mount_namespaces"),
        ("kernel",),
        check.propagation_effective,
        check.propagation_declared,
    ),
    Rule(
        "OCH-CTR-28",
        "Nothing in the container was changed since it was made",
        "container",
        "medium",
        "`docker diff` shows mount points only",
        f"{RECREATE} (after finding out who changed it)",
        (*guide("immutable filesystem (defense in depth)"), *owasp(8)),
        ("image", "kernel"),
        check.drift_effective,
    ),
)
