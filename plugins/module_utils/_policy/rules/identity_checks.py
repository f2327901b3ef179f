# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the users and groups that the container's processes run as, in every spelling that Docker takes."""

from __future__ import annotations

import re

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec_parse import is_root
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Kernel, Process
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import Result, inconclusive, verdict
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.isolation_checks import (
    each_process,
    observed_in,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.accounts import PRIVILEGED_GROUPS

_NUMBER = re.compile(r"[+-]?[0-9]{1,10}")
# Groups that distributions number themselves (shadow, disk, kmem, …); those of services and people follow.
_FIRST_OF_SERVICES = 100
_FIRST_OF_PEOPLE = 1000
_STRONG = frozenset(
    {
        *PRIVILEGED_GROUPS,
        *("daemon", "bin", "sys", "tty", "lp", "mail", "mem", "operator", "src", "shadow", "utmp", "staff", "dialout"),
        *("systemd-journal", "systemd-network", "netdev", "input", "crontab", "ssh", "_ssh", "ssh_keys", "backup"),
        *("incus-admin", "lxd", "libvirt-qemu", "virtlogin", "vboxusers", "wireshark", "pcap", "ssl-cert", "mysql"),
        *("postgres", "www-data"),
    }
)
# Groups for devices that no container has, and for everybody.
_HARMLESS = frozenset({"audio", "video", "render", "cdrom", "plugdev", "users", "nogroup", "nobody", "node", "games"})


def root_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Guide "Non-Root User"; a hook is a process of the container, too."""
    user, _colon, group = settings.user.partition(":")
    observed = observed_in(
        settings, f"user: {settings.user or 'none'}; group_add: {', '.join(settings.group_add) or 'none'}"
    )
    faults = _faults_of_user(settings.user, "")
    for hook in settings.hooks:
        if hook.user and hook.user != settings.user:
            faults += _faults_of_user(hook.user, f" of {hook.place}")
    strong = [name for name in settings.group_add if _adds_power(name, group)]
    faults += [f"additional group {name!r} has root's power" for name in strong]
    if not user and (settings.status or settings.user):  # docker inspect: the image names none, either
        faults.append("no user is named: root")
    elif not user and not faults:
        return inconclusive("no user is named: the image decides", observed)
    return verdict(faults, f"user {settings.user}", observed)


def _faults_of_user(text: str, where: str) -> list[str]:
    user, _colon, group = text.partition(":")
    faults = [f"user {text!r}{where} is root"] if is_root(user) or (where and not user) else []
    if is_root(group):
        faults.append(f"group {group!r} of the user{where} is root's")
    elif group in _STRONG or (_NUMBER.fullmatch(group) and abs(int(group)) < _FIRST_OF_SERVICES):
        faults.append(f"group {group!r} of the user{where} is one of the system's own")
    return faults


def _adds_power(name: str, own: str) -> bool:
    """Return whether an additional group is more than the user's own, a person's or a harmless one."""
    if is_root(name):
        return True
    if _NUMBER.fullmatch(name):
        same = bool(_NUMBER.fullmatch(own)) and int(own) == int(name)
        return abs(int(name)) < _FIRST_OF_PEOPLE and not same
    return name not in _HARMLESS and name != own


def root_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The ids of every process, of each of its threads (proc_pid_status(5))."""

    def ids(process: Process) -> str:
        lists = (("Uid", process.uids), ("Gid", process.gids), ("Groups", process.groups))
        return ", ".join(f"{name}: {' '.join(map(str, numbers)) or 'none'}" for name, numbers in lists)

    def fault(process: Process) -> str:
        faults = ["root's uid"] if 0 in process.uids else []
        groups = {*process.gids, *process.groups}
        if 0 in groups:
            faults.append("root's group")
        own = sorted(group for group in groups if 0 < group < _FIRST_OF_SERVICES)
        if own:
            faults.append(f"group {own[0]}, one of the system's own")
        if kernel.engine_group and kernel.engine_group in groups:
            faults.append(f"group {kernel.engine_group}, which may command Docker")
        return " and ".join(faults)

    return each_process(kernel, ids, fault, "no process has an id of root")
