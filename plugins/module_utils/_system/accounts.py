# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's accounts: reading the databases, and deciding what a service account still lacks."""

from __future__ import annotations

import grp
import os
import posixpath
import pwd
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

# Membership in any of these is root's power, or the reading of what only root should read.
PRIVILEGED_GROUPS = (
    "adm",
    "admin",
    "disk",
    "docker",
    "incus",
    "incus-admin",
    "kmem",
    "kvm",
    "libvirt",
    "lxd",
    "podman",
    "root",
    "shadow",
    "staff",
    "sudo",
    "systemd-journal",
    "wheel",
)
REFUSING_SHELLS = ("nologin", "false")
NOLOGIN_PATHS = ("/usr/sbin/nologin", "/sbin/nologin", "/usr/bin/nologin")
SHADOWED = "x"  # passwd reports "look in shadow"; without a line there nobody gets in
GUIDE_UID = 1000  # the guide's "uid=1000(node)"
STATIC_UIDS = range(100)  # the distribution's own accounts (Debian policy 9.2.2)
RESERVED_UIDS = (65534, 65535)


@dataclass(frozen=True)
class Account:
    """A line of passwd."""

    name: str
    password: str
    uid: int
    gid: int
    comment: str
    home: str
    shell: str


@dataclass(frozen=True)
class Group:
    """A line of group."""

    name: str
    gid: int
    members: tuple[str, ...]


_Row = TypeVar("_Row", Account, Group)


@dataclass(frozen=True)
class Ranges:
    """The numbers that login.defs gives out."""

    uid_min: int = 1000
    sys_uid_min: int = 101
    sys_uid_max: int = 999


@dataclass(frozen=True)
class Accounts:
    """Everything that is known about accounts on the host."""

    accounts: dict[str, Account]
    groups: dict[str, Group]
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    ranges: Ranges = Ranges()

    def owner(self, uid: int) -> Account | None:
        """Return the account that has ``uid``."""
        return next((account for account in self.accounts.values() if account.uid == uid), None)

    def group_of(self, gid: int) -> Group | None:
        """Return the group that has ``gid``."""
        return next((group for group in self.groups.values() if group.gid == gid), None)

    def primary_users(self, gid: int) -> list[str]:
        """Names of the accounts whose primary group is ``gid``."""
        return sorted(account.name for account in self.accounts.values() if account.gid == gid)

    def groups_of(self, account: Account) -> set[str]:
        """Every group that ``account`` is in; two groups with one gid are one group to the kernel."""
        gids = {account.gid} | {group.gid for group in self.groups.values() if account.name in group.members}
        return {group.name for group in self.groups.values() if group.gid in gids}

    def is_locked(self, account: Account) -> bool:
        """Return whether no password opens the account."""
        password = self.passwords.get(account.name, account.password)
        return password.startswith(("!", "*")) or password == SHADOWED


@dataclass(frozen=True)
class ServiceAccount:
    """A service account as it should be; ``uid`` is ``None`` for automatic."""

    name: str
    uid: int | None
    home: str
    comment: str
    shell: str


@dataclass(frozen=True)
class Action:
    """One step: what the operator reads, and what is run."""

    text: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What has to be run, and the numbers that come out of it."""

    uid: int
    gid: int
    actions: tuple[Action, ...]
    before: dict[str, object]
    after: dict[str, object]


# --- look ---------------------------------------------------------------------------------------------------------


def read_accounts(etc: str = "/etc") -> Accounts:
    """Read passwd, group, shadow and login.defs in the folder ``etc``; a missing file is an empty one."""
    accounts = [
        Account(name, password, int(uid), int(gid), comment, home, shell)
        for name, password, uid, gid, comment, home, shell in _rows(f"{etc}/passwd", 7)
        if uid.isdecimal() and gid.isdecimal()
    ]
    groups = [
        Group(name, int(gid), tuple(filter(None, members.split(","))))
        for name, _password, gid, members in _rows(f"{etc}/group", 4)
        if gid.isdecimal()
    ]
    passwords = {row[0]: row[1] for row in _rows(f"{etc}/shadow", 9)}
    return Accounts(_by_name(accounts), _by_name(groups), passwords, _ranges(f"{etc}/login.defs"))


def add_foreign(known: Accounts, name: str, numbers: Iterable[int]) -> Accounts:
    """Add what a directory service (LDAP, SSSD) reports about ``name`` and ``numbers`` to the local databases."""
    accounts, groups = dict(known.accounts), dict(known.groups)
    for look_up, key in ((pwd.getpwnam, name), *((pwd.getpwuid, number) for number in numbers)):
        with suppress(KeyError):
            entry = look_up(key)  # type: ignore[operator]
            accounts.setdefault(entry.pw_name, Account(*entry))
    for number in numbers:
        with suppress(KeyError):
            found = grp.getgrgid(number)
            groups.setdefault(found.gr_name, Group(found.gr_name, found.gr_gid, tuple(found.gr_mem)))
    return replace(known, accounts=accounts, groups=groups)


def find_shell(wanted: str = "", usual: Iterable[str] = NOLOGIN_PATHS) -> str:
    """Return the wanted shell, or the host's own that refuses logins; either must be there."""
    candidates = [wanted] if wanted else list(usual)
    for path in candidates:
        if os.access(path, os.X_OK):
            return path
    found = f"nothing to run at {', '.join(candidates)}"
    raise HardeningError("shell", found, "the path of a program that refuses logins", "shell")


def _lines(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as lines:
            yield from (line.rstrip("\n") for line in lines)
    except FileNotFoundError:
        return


def _rows(path: str, columns: int) -> Iterator[list[str]]:
    """Split the lines of a colon-separated database; NIS markers (+, -) and broken lines are no accounts."""
    for line in _lines(path):
        row = line.split(":")
        if len(row) == columns and row[0] and not row[0].startswith(("+", "-", "#")):
            yield row


def _ranges(path: str) -> Ranges:
    words = [line.split() for line in _lines(path)]
    numbers = {row[0]: int(row[1]) for row in words if len(row) == 2 and row[1].isdecimal()}
    uid_min = numbers.get("UID_MIN", Ranges.uid_min)
    return Ranges(uid_min, numbers.get("SYS_UID_MIN", Ranges.sys_uid_min), numbers.get("SYS_UID_MAX", uid_min - 1))


def _by_name(rows: Iterable[_Row]) -> dict[str, _Row]:
    table: dict[str, _Row] = {}
    for row in rows:
        table.setdefault(row.name, row)  # the first line wins, as it does for getpwnam
    return table


# --- decide (pure) ------------------------------------------------------------------------------------------------


def plan(known: Accounts, wanted: ServiceAccount) -> Plan:
    """Decide what makes ``wanted`` true, or refuse an account that must not become a service account."""
    if wanted.name in PRIVILEGED_GROUPS:
        raise HardeningError("name", repr(wanted.name), "a name that is not that of a privileged group", "name")
    account = known.accounts.get(wanted.name)
    if account is None:
        return _creation(known, wanted)
    _check(known, account, wanted)
    return _correction(known, account, wanted)


def _creation(known: Accounts, wanted: ServiceAccount) -> Plan:
    group = known.groups.get(wanted.name)
    if group is not None:
        _check_group(known, group, [])
    uid = _choose_uid(known, wanted, group)
    gid = group.gid if group else _choose_gid(known, uid)
    actions = []
    if group is None:
        argv = ("groupadd", "--system", "--gid", str(gid), "--", wanted.name)
        actions.append(Action(f"create group {wanted.name} (gid {gid})", argv))
    # A system account gets no subordinate uids; without --create-home nothing of /etc/skel is copied.
    options: tuple[str, ...] = ("--system", "--uid", str(uid), "--gid", str(gid), "--no-create-home")
    options += ("--home-dir", wanted.home, "--shell", wanted.shell, "--comment", wanted.comment)
    actions.append(Action(f"create account {wanted.name} (uid {uid})", ("useradd", *options, "--", wanted.name)))
    return Plan(uid, gid, tuple(actions), {}, _shown(wanted, uid, gid))


def _choose_uid(known: Accounts, wanted: ServiceAccount, group: Group | None) -> int:
    if wanted.uid is not None:
        owner = known.owner(wanted.uid)
        if owner is not None:
            found = f"{wanted.uid}, which is the uid of account {owner.name!r}"
            raise HardeningError("uid", found, "'auto' or a uid that nobody has", "uid")
        return wanted.uid
    for uid in chain([GUIDE_UID], _system_uids(known)):
        if known.owner(uid) is None and known.group_of(uid) in (None, group):
            return uid
    raise _none_free("uid")


def _choose_gid(known: Accounts, uid: int) -> int:
    for gid in chain([uid], _system_uids(known)):
        if known.group_of(gid) is None:
            return gid
    raise _none_free("gid")


def _system_uids(known: Accounts) -> range:
    """Downwards from the top, as useradd gives them out."""
    return range(known.ranges.sys_uid_max, max(known.ranges.sys_uid_min, STATIC_UIDS.stop) - 1, -1)


def _none_free(what: str) -> HardeningError:
    return HardeningError(what, "no free number in the system range of /etc/login.defs", "a free one", "uid")


def _check(known: Accounts, account: Account, wanted: ServiceAccount) -> None:
    """Refuse to turn another user's account into the service's."""
    who = f"account {account.name!r} with uid {account.uid}"
    if account.uid in STATIC_UIDS or account.uid in RESERVED_UIDS:
        raise HardeningError("name", f"{who}, which belongs to the system", "a name of its own for the service", "name")
    if account.uid >= known.ranges.uid_min and posixpath.basename(account.shell) not in REFUSING_SHELLS:
        found = f"{who} and login shell {account.shell!r}, which looks like a person's account"
        fix = f"usermod --shell {wanted.shell} --lock {account.name}"
        needed = f"a dedicated account: another name, or, if nobody logs in with it, first run `{fix}`"
        raise HardeningError("name", found, needed, "name")
    sharing = sorted(other.name for other in known.accounts.values() if other.uid == account.uid and other != account)
    if sharing:
        raise HardeningError("name", f"{who}, shared with {', '.join(sharing)}", "a uid of its own", "name")
    if wanted.uid not in (None, account.uid):
        needed = f"{wanted.uid}; an account is not renumbered here, because its files would be left behind"
        raise HardeningError("uid", who, f"{needed}; use 'auto' or {account.uid}", "uid")
    group = known.group_of(account.gid)
    if group is None or group.name != account.name:
        found = f"{who} and primary group {group.name if group else account.gid!r}"
        make = "" if account.name in known.groups else f"groupadd --system {account.name} && "
        needed = f"a group of its own; run `{make}usermod --gid {account.name} {account.name}`"
        raise HardeningError("name", found, needed, "name")
    _check_group(known, group, [account.name])
    privileged = sorted(known.groups_of(account) & set(PRIVILEGED_GROUPS))
    if privileged:
        found = f"{who} in {', '.join(privileged)}"
        fix = " && ".join(f"gpasswd --delete {account.name} {name}" for name in privileged)
        raise HardeningError("name", found, f"no privileged group; run `{fix}`", "name")


def _check_group(known: Accounts, group: Group, owners: list[str]) -> None:
    if group.gid in STATIC_UIDS:
        raise HardeningError("name", f"group {group.name!r} with gid {group.gid}", "a group of its own", "name")
    others = [name for name in known.primary_users(group.gid) if name not in owners]
    if others:
        found = f"group {group.name!r}, which is the primary group of {', '.join(others)}"
        raise HardeningError("name", found, "a group of its own", "name")


def _correction(known: Accounts, account: Account, wanted: ServiceAccount) -> Plan:
    options: dict[str, tuple[str, ...]] = {}
    if account.home != wanted.home:
        options["home"] = ("--home", wanted.home)
    if account.shell != wanted.shell:
        options["shell"] = ("--shell", wanted.shell)
    if account.comment != wanted.comment:
        options["comment"] = ("--comment", wanted.comment)
    if not known.is_locked(account):
        options["password lock"] = ("--lock",)
    actions = []
    if options:
        argv = ("usermod", *(word for words in options.values() for word in words), "--", account.name)
        actions.append(Action(f"correct account {account.name}: {', '.join(options)}", argv))
    before = _shown(account, account.uid, account.gid, known.is_locked(account))
    return Plan(account.uid, account.gid, tuple(actions), before, _shown(wanted, account.uid, account.gid))


def _shown(account: Account | ServiceAccount, uid: int, gid: int, locked: bool = True) -> dict[str, object]:
    shown = {"uid": uid, "gid": gid, "home": account.home, "shell": account.shell, "comment": account.comment}
    return {**shown, "password": "locked" if locked else "open"}
