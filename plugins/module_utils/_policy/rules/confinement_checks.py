# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of seccomp, AppArmor and SELinux: only what is known to confine a container passes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import listed
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Kernel, Process
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    Result,
    inconclusive,
    skipped,
    verdict,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.isolation_checks import (
    each_process,
    observed_in,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.security_options import options_of

# What a filter does with a call that it lets pass; a tracer or a supervisor may let it pass, too.
_PASSES = frozenset({"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"})
# Docker's own profile allows these only to who has the capability for them, and some to nobody.
_DANGEROUS_NAMES = (
    "acct add_key bpf clock_adjtime clock_settime create_module delete_module finit_module fsconfig "
    "fsmount fsopen fspick get_kernel_syms init_module ioperm iopl kexec_file_load kexec_load keyctl "
    "lookup_dcookie mount mount_setattr move_mount move_pages name_to_handle_at nfsservctl "
    "open_by_handle_at open_tree perf_event_open pivot_root query_module quotactl quotactl_fd reboot "
    "request_key setdomainname sethostname setns settimeofday stime swapoff swapon sysfs syslog umount "
    "umount2 unshare uselib userfaultfd vm86 vm86old _sysctl"
)
_DANGEROUS = frozenset(_DANGEROUS_NAMES.split())
_PROFILES = ("docker-default",)
# Profiles of engines, as the kernel names them.
_ENFORCED = re.compile(r"(?:docker-default|cri-containerd\.apparmor\.d|containers-default-[\w.]+) \(enforce\)")
_TYPES = ("container_t", "svirt_lxc_net_t", "container_init_t", "container_kvm_t")
_LABELS = frozenset(
    {
        *("user:system_u", "role:system_r", "type:container_t", "type:svirt_lxc_net_t"),
        *("filetype:container_file_t", "filetype:container_ro_file_t", "filetype:svirt_sandbox_file_t"),
    }
)


# --- OCH-CTR-07 ---------------------------------------------------------------------------------------------------


def seccomp_declared(settings: Settings, _allowed: Baseline) -> Result:
    """A profile of one's own has to stop at least what Docker's stops."""
    profiles = options_of(settings, "seccomp")
    faults = ["seccomp=unconfined"] if "unconfined" in profiles else []
    unread = []
    for profile in profiles:
        if profile in ("unconfined", "builtin", ""):
            continue
        content = _content(profile)
        if content is None:
            unread.append(profile)
        else:
            faults += _faults_of_profile(content)
    if settings.privileged:
        faults.append("privileged: true turns the filter off")
    own = any(profile != "builtin" for profile in profiles)
    good = "a profile of its own" if own else "Docker's default profile"
    named = "unconfined" if "unconfined" in profiles else good
    observed = observed_in(settings, f"security_opt seccomp: {named}")
    if unread and not faults:
        return inconclusive(f"the seccomp profile {', '.join(unread)} could not be read", observed)
    return verdict(faults, good, observed)


def _content(profile: str) -> Mapping[str, Any] | None:
    """``docker inspect`` shows the profile itself; a compose file only names it, and the gate reads that file."""
    try:
        content = json.loads(profile)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _faults_of_profile(content: Mapping[str, Any]) -> list[str]:
    rules = [rule for rule in content.get("syscalls") or () if isinstance(rule, Mapping)]
    stops = [rule for rule in rules if rule.get("action") not in _PASSES]
    if content.get("defaultAction") in _PASSES:
        return [f"the profile lets every system call pass{' that it does not name' if stops else ''}"]
    allowed: set[str] = set()
    for rule in rules:
        includes = rule.get("includes") or {}
        if rule.get("action") in _PASSES and not rule.get("args") and not includes.get("caps"):
            allowed.update(map(str, rule.get("names") or [rule.get("name")]))
    dangerous = sorted(allowed & _DANGEROUS)
    return [f"the profile allows {listed(dangerous, 5)}"] if dangerous else []


def seccomp_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    def shown(process: Process) -> str:
        return f"Seccomp: {process.seccomp}"

    # 1 is stricter than any filter.
    return each_process(
        kernel, shown, lambda process: "" if process.seccomp in (1, 2) else shown(process), "all are filtered"
    )


# --- OCH-CTR-08 ---------------------------------------------------------------------------------------------------


def confined_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Nobody but the host's administrator knows what a profile or a type of another name confines."""
    profiles = [profile for profile in options_of(settings, "apparmor") if profile not in ("", *_PROFILES)]
    faults = [f"apparmor={profile}" for profile in profiles]
    labels = options_of(settings, "label")
    harmless = [label for label in labels if label in _LABELS or label.startswith("level:") or label == "disable"]
    faults += [f"label={label}" for label in labels if label not in harmless]
    # The daemon adds it by itself to what other rules find: host's pid or ipc namespace, privileged.
    added = "host" in (settings.pid_mode, settings.ipc_mode) or settings.privileged
    faults += ["label=disable"] if not added and ("disable" in labels or "disable" in settings.security_opt) else []
    observed = observed_in(settings, f"security_opt: {', '.join(faults) or 'nothing that turns the confinement off'}")
    # Only the kernel of the host can say more.
    return verdict(faults, "", observed) if faults else skipped("nothing turns the confinement off", observed)


def confined_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    if not kernel.security_module:
        return skipped("this kernel has neither AppArmor nor SELinux", ("/sys", "no AppArmor, no SELinux"))
    nameless = [process.pid for process in kernel.processes if not process.label]
    if nameless:
        return inconclusive(f"{kernel.security_module} gives pid {nameless[0]} no label")

    def fault(process: Process) -> str:
        free = process.label.startswith("unconfined") or ":unconfined_" in process.label or ":spc_t:" in process.label
        loose = process.label.endswith((" (complain)", " (unconfined)", " (permissive)"))
        if kernel.security_module == "selinux":
            known = process.label.partition(" ")[0].split(":")[2:3]
            return process.label if free or loose or not set(known) & set(_TYPES) else ""
        return process.label if free or loose or not _ENFORCED.fullmatch(process.label) else ""

    good = f"{kernel.security_module} confines every process"
    return each_process(kernel, lambda process: process.label, fault, good, "attr/current")
