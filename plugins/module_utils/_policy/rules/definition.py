# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about a definition as a whole: what no other rule knows is refused, so that nothing passes unread."""

from __future__ import annotations

import re

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import Result, Rule, cis, owasp, verdict
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import isolation_checks
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.security_options import unknown_options

# runc, and those that isolate more than it does (gVisor, Kata Containers).
_RUNTIME = re.compile(r"|runc|crun|io\.containerd\.run(?:c|sc)\.v[12]|runsc|kata(?:-runtime)?|io\.containerd\.kata\.v2")
# Parameters of the container's own namespaces that let nobody in and route nothing.
_SYSCTL = re.compile(
    r"kernel\.(?:msg|shm|sem)\w*|fs\.mqueue\.\w+|net\.core\.(?:somaxconn|optmem_max)"
    r"|net\.ipv4\.(?:tcp_\w+|udp_\w+|ip_local_port_range|ip_local_reserved_ports|ip_unprivileged_port_start"
    r"|ping_group_range|ip_default_ttl)"
    r"|net\.ipv4\.conf\.\w+\.src_valid_mark|net\.ipv6\.conf\.\w+\.disable_ipv6|net\.ipv6\.bindv6only|net\.unix\.max_dgram_qlen"
)
_ANNOTATION = re.compile(r"run\.oci\..*|io\.containerd\..*|com\.docker\.(?!compose).*|io\.katacontainers\..*|cdi\..*")


def known_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Each key of the Compose specification is checked, harmless or refused; so is each name of a free-form one."""
    faults = list(settings.refused)
    if not _RUNTIME.fullmatch(settings.runtime):
        faults.append(f"runtime: {settings.runtime} is no runtime that the policy knows")
    names = [text.partition("=")[0].replace("/", ".") for text in settings.sysctls]
    faults += [f"sysctls: {name} is not known to be harmless" for name in names if not _SYSCTL.fullmatch(name)]
    faults += [f"security_opt: {name} is no option that the policy knows" for name in unknown_options(settings)]
    faults += [
        f"annotations: {name} changes what the runtime does"
        for name in settings.annotations
        if _ANNOTATION.fullmatch(name)
    ]
    if settings.build_network not in ("", "default", "none"):
        faults.append(f"build.network: {settings.build_network} is a network of others")
    return verdict(faults, "nothing but what the policy knows", (settings.source, f"not known: {len(faults)}"))


RULES: tuple[Rule, ...] = (
    Rule(
        id="OCH-CTR-31",
        title="A container is defined by settings that the policy knows",
        area="container",
        severity="high",
        expected="keys of the Compose specification that a rule checks or that are harmless; the runtime runc, or one "
        "that isolates more; parameters of the kernel that let nobody in",
        remediation="remove each key that is named from the service",
        refs=("Compose Specification, services top-level element", *owasp(3)),
        declared=known_declared,
    ),
    Rule(
        id="OCH-CTR-32",
        title="The container has its own control group namespace",
        area="container",
        severity="medium",
        expected="not the host's cgroup namespace, which shows all of its control groups",
        remediation="set `cgroup: private` in the service",
        refs=(*cis("5.25"), "cgroup_namespaces(7)"),
        needs=("kernel",),
        effective=isolation_checks.own_namespace("cgroup"),
        declared=isolation_checks.mode_declared("cgroup", lambda settings: settings.cgroup_mode, "private"),
    ),
)
