# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An OpenClaw that runs on the host itself, by a unit of a user or of the system, as a container would be described.

It is found by its processes: what a unit file asks for may not run, and another one may. Its files are the user's.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container, as_container
from ansible_collections.openclaw.hardening.plugins.module_utils._system import proc
from ansible_collections.openclaw.hardening.plugins.module_utils._system.accounts import (
    Account,
    Accounts,
    read_accounts,
)

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Before the id of what stands for a host install; no id of a container has it.
PREFIX = "host-install:"
KIND = "host install"
# OpenClaw names its process; before that it is node with the program's path.
_PROGRAMS = ("node", "openclaw", "openclaw-gateway")
_USER_UNIT = re.compile(r"/user@(\d+)\.service/(?:[^\n]*/)?([^/\n]+\.service)$", re.MULTILINE)
_SYSTEM_UNIT = re.compile(r":/system\.slice/(?:[^\n]*/)?([^/\n]+\.service)$", re.MULTILINE)
_CONTAINER = re.compile(r"[0-9a-f]{64}")
_UNIT_NAME = re.compile(r"[A-Za-z0-9:_.@\\-]{1,240}\.service")


@dataclass(frozen=True)
class Process:
    """What is known of one process.

    :param group: its control groups, as the kernel lists them.
    """

    pid: int
    uid: int
    words: tuple[str, ...]
    group: str
    environment: Mapping[str, str]


def processes() -> list[Process]:
    """Return the processes that may be gateways of OpenClaw."""
    found = []
    for pid in proc.pids():
        try:
            words = proc.strings(pid, "cmdline")
            if not is_gateway(words):
                continue
            environment = dict(text.partition("=")[::2] for text in proc.strings(pid, "environ"))
            found.append(Process(pid, proc.owner(pid), tuple(words), proc.control_group(pid), environment))
        except OSError:
            continue  # it has ended
    return found


def is_gateway(words: Iterable[str]) -> bool:
    """Return whether a command line is that of OpenClaw's gateway; pure."""
    parts = " ".join(words).split()
    program = posixpath.basename(parts[0]) if parts else ""
    if program == "openclaw-gateway":
        return True
    return program in _PROGRAMS and "gateway" in parts[1:] and any("openclaw" in part for part in parts)


def installs(found: Iterable[Process], accounts: Accounts) -> tuple[list[Container], tuple[str, ...]]:
    """Return each host install once, described as a container would be, and the processes that no unit has started;
    pure.
    """
    installs: dict[str, Container] = {}
    loose = []
    for process in sorted(found, key=lambda process: process.pid):
        if _CONTAINER.search(process.group):
            continue
        user, system = _USER_UNIT.search(process.group), _SYSTEM_UNIT.search(process.group)
        account = accounts.owner(process.uid)
        unit = user[2] if user else system[1] if system else ""
        if not unit or not _UNIT_NAME.fullmatch(unit) or account is None or (user and int(user[1]) != process.uid):
            who = account.name if account else str(process.uid)
            loose.append(f"process {process.pid} of {who}, which no unit has started")
            continue
        name = f"{account.name}@{unit}"
        if name not in installs:
            installs[name] = _described(name, process, account, "user" if user else "system", unit)
    return list(installs.values()), tuple(loose)


def _described(name: str, process: Process, account: Account, manager: str, unit: str) -> Container:
    environment = {"HOME": account.home, **process.environment}
    profile = environment.get("OPENCLAW_PROFILE", "")
    if profile not in ("", "default") and not environment.get("OPENCLAW_STATE_DIR"):
        home = environment.get("OPENCLAW_HOME") or environment["HOME"]
        environment["OPENCLAW_STATE_DIR"] = f"{home}/.openclaw-{profile}"
    # What it sees of the host is the host itself.
    places = {environment.get(name, "") for name in ("HOME", "OPENCLAW_HOME", "OPENCLAW_STATE_DIR")}
    tops = sorted({f"/{place.split('/')[1]}" for place in places if place.startswith("/")})
    return as_container({
        "Id": f"{PREFIX}{name}",
        "Name": name,
        "State": {"Status": "running"},
        "Config": {
            "Env": [f"{key}={value}" for key, value in environment.items()],
            "Cmd": list(process.words),
            "User": account.name,
        },
        "Mounts": [{"Type": "bind", "Source": top, "Destination": top} for top in tops],
        "HostInstall": {"account": account.name, "uid": process.uid, "unit": unit, "manager": manager},
    })  # fmt: skip


def is_host_install(container_id: str) -> bool:
    """Return whether an id is that of a host install."""
    return container_id.startswith(PREFIX)


def unit_of(attrs: Mapping[str, Any]) -> tuple[str, str]:
    """Return its unit, and the account whose manager runs that; none of the system's."""
    found = attrs["HostInstall"]
    return str(found["unit"]), str(found["account"]) if found["manager"] == "user" else ""


def look() -> tuple[list[Container], tuple[str, ...]]:
    """Return the host installs that run, and what looks like one and has no unit."""
    found = processes()
    return installs(found, read_accounts()) if found else ([], ())


def vet(container: Container, *places: str) -> None:
    """Refuse places that are not of the user who runs it: the environment that names them is that user's.

    :raises HardeningError: the owner is another one.
    """
    if not is_host_install(container.id):
        return
    uid = container.attrs["HostInstall"]["uid"]
    for place in filter(os.path.lexists, places):
        owner = os.lstat(place).st_uid
        if owner != uid:
            needed = f"one of user {uid}, who runs the gateway: root reads it with no more rights than that"
            raise HardeningError(place, f"a place of user {owner}", needed, outcome="unchanged")


def has_manager(account: str) -> bool:
    """Return whether the manager of a user, or of the system, runs: without it none of its units does."""
    user = read_accounts().accounts.get(account)
    return not account or (user is not None and os.path.exists(f"/run/user/{user.uid}/systemd/private"))


def systemctl(module: AnsibleModule, account: str) -> list[str]:
    """Return the command that asks the manager of a user, or of the system.

    :raises HardeningError: the account is gone.
    """
    path = module.get_bin_path("systemctl", required=True) or "systemctl"
    if not account:
        return [path]
    user = read_accounts().accounts.get(account)
    if user is None:
        raise HardeningError(account, "no such account", "the account whose unit ran the gateway")
    bus = f"/run/user/{user.uid}"
    if not has_manager(account):
        needed = f"its user manager; run `loginctl enable-linger {account}`"
        raise HardeningError(f"the units of {account}", "no user manager that runs", needed, outcome="unchanged")
    drop = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--init-groups", "--"]
    given = [f"HOME={user.home}", f"XDG_RUNTIME_DIR={bus}", f"DBUS_SESSION_BUS_ADDRESS=unix:path={bus}/bus"]
    return [*drop, "env", "--ignore-environment", "PATH=/usr/bin:/bin", *given, path, "--user"]
