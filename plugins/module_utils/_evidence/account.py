# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose number the container's user has on the host: accounts, locks, groups, sudoers and what is in the home."""

from __future__ import annotations

import glob
import grp
import os
import posixpath
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.files import Place, inspect
from ansible_collections.openclaw.hardening.plugins.module_utils._system.accounts import (
    REFUSING_SHELLS,
    Account,
    Accounts,
    add_foreign,
    read_accounts,
)

# What lets another user in, or runs something for another user who is not the owner (sshd(8), rlogind(8), ksu(1),
# aliases(5)).
LOGIN_FILES = (
    ".ssh/authorized_keys",
    ".ssh/authorized_keys2",
    ".ssh/rc",
    ".rhosts",
    ".shosts",
    ".k5login",
    ".forward",
)
_MAX_INCLUDES = 50
_USERS = re.compile(r"((?:[^\s,=]+\s*,\s*)*[^\s,=]+)\s+[^=]*=")


@dataclass(frozen=True)
class Holder:
    """One account that has the container's uid.

    :param locked: no password opens it; None: its password is kept by a directory service.
    :param groups: names of all its groups, the primary one included.
    :param sudoers: file and line number of each rule that allows something to it.
    :param login_files: files in its home that let another user in.
    """

    name: str
    gid: int
    home: Place
    shell: str
    locked: bool | None
    groups: tuple[str, ...]
    sudoers: tuple[str, ...] = ()
    login_files: tuple[str, ...] = ()

    @property
    def refuses_logins(self) -> bool:
        """Return whether its shell lets nobody in."""
        return posixpath.basename(self.shell) in REFUSING_SHELLS


@dataclass(frozen=True)
class AccountFacts:
    """Who has the uid and the gid of the container.

    :param primary: other accounts whose primary group is the container's gid; ``members``: other members of it.
    :param subordinate_of: the account to which the uid belongs as a subordinate one (subuid(5)).
    :param unread: files of sudoers(5) that could not be read.
    """

    uid: int
    gid: int
    holders: tuple[Holder, ...] = ()
    group: str = ""
    primary: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    subordinate_of: str = ""
    unread: tuple[str, ...] = ()


def look(uid: int, gid: int, etc: str = "/etc") -> AccountFacts:
    """Look up both numbers in the files of ``etc`` and, for that of the host, in its directory services."""
    known = read_accounts(etc)
    local = set(known.accounts)
    if etc == "/etc":
        known = add_foreign(known, "", (uid, gid))
    rules, unread = _sudoers(etc)
    holders = tuple(
        _holder(known, account, account.name in local, rules, etc)
        for account in known.accounts.values()
        if account.uid == uid
    )
    names = {holder.name for holder in holders}
    groups = [group for group in known.groups.values() if group.gid == gid]
    return AccountFacts(
        uid,
        gid,
        holders,
        groups[0].name if groups else "",
        tuple(name for name in known.primary_users(gid) if name not in names),
        tuple(sorted({member for group in groups for member in group.members} - names)),
        _subordinate(f"{etc}/subuid", uid),
        tuple(unread),
    )


def _holder(known: Accounts, account: Account, local: bool, rules: list[tuple[str, set[str]]], etc: str) -> Holder:
    groups = set(known.groups_of(account))
    gids = {account.gid} | {group.gid for group in known.groups.values() if group.name in groups}
    if etc == "/etc":
        with suppress(OSError):
            for number in os.getgrouplist(account.name, account.gid):
                gids.add(number)
                with suppress(KeyError):
                    groups.add(grp.getgrgid(number).gr_name)
    # "%#" is a gid in sudoers(5).
    who = {"ALL", account.name, f"#{account.uid}", *(f"%{name}" for name in groups), *(f"%#{gid}" for gid in gids)}
    return Holder(
        account.name,
        account.gid,
        inspect(posixpath.normpath(account.home) if account.home else "/"),
        account.shell,
        known.is_locked(account) if local else None,
        tuple(sorted(groups)),
        tuple(source for source, users in rules if users & who and not users & {f"!{name}" for name in who}),
        tuple(_login_files(account.home)),
    )


def _login_files(home: str) -> Iterator[str]:
    """Files that are there and not empty; a link there is named, too, wherever it leads."""
    for name in LOGIN_FILES:
        place = inspect(posixpath.normpath(f"{home}/{name}"))
        if place.trouble and place.folders:
            raise HardeningError(place.path, place.trouble, "a home directory that root can look into")
        if place.link or (place.kind and (place.kind != "file" or place.size)):
            yield place.path


def _subordinate(path: str, uid: int) -> str:
    """Return the account to which a range of subuid(5) with ``uid`` belongs."""
    with suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            row = line.strip().split(":")
            if len(row) == 3 and row[1].isdecimal() and row[2].isdecimal() and 0 <= uid - int(row[1]) < int(row[2]):
                return row[0]
    return ""


# --- sudoers(5) ---------------------------------------------------------------------------------------------------


def _sudoers(etc: str) -> tuple[list[tuple[str, set[str]]], list[str]]:
    """Place and users of each rule, and the files that could not be read; what is included is read as well."""
    waiting = [f"{etc}/sudoers", *sorted(glob.glob(f"{etc}/sudoers.d/*"))]
    known: set[str] = set()
    rules, unread, asks_for_the_targets_password = [], [], False
    while waiting and len(known) < _MAX_INCLUDES:
        path = waiting.pop(0)
        # sudo itself leaves out such names: backups and packages' stale files.
        if path in known or posixpath.basename(path).endswith("~") or "." in posixpath.basename(path):
            continue
        known.add(path)
        place = inspect(path, read=True)
        if place.text is None:
            if place.kind or place.link or place.trouble:
                unread.append(path)
            elif path == "/etc/sudoers":
                waiting.append("/usr/etc/sudoers")
            continue
        for number, line in _joined(place.text):
            waiting += _included(line, etc)
            asks_for_the_targets_password |= bool(re.match(r"Defaults\s+(targetpw|rootpw)\b", line))
            users = rule_users(line)
            if users:
                rules.append((f"{path}:{number}", users))
    # SUSE lets everybody run everything who knows root's password: that gives nothing to anybody.
    if asks_for_the_targets_password:
        rules = [(source, users - {"ALL"}) for source, users in rules]
    return rules, unread + waiting


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Whole lines with the number of their first; a backslash at the end joins two."""
    start, whole = 0, ""
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        start = start or number
        whole += line.rstrip("\\")
        if not line.endswith("\\"):
            yield start, whole.strip()
            start, whole = 0, ""


def _included(line: str, etc: str) -> list[str]:
    match = re.match(r"[@#](include|includedir)\s+(\S+)", line)
    if not match:
        return []
    path = posixpath.normpath(posixpath.join(etc, match[2].strip('"')))
    return sorted(glob.glob(f"{glob.escape(path)}/*")) if match[1] == "includedir" else [path]


def rule_users(line: str) -> set[str]:
    """Users and groups to whom a line allows something: those of a rule, and those of an alias that a rule may use."""
    line = re.sub(r"(^|\s)#(?!\d).*", "", line).strip()
    if line.startswith(("Defaults", "Host_Alias", "Cmnd_Alias", "Cmd_Alias", "Runas_Alias", "@")):
        return set()
    if line.startswith("User_Alias"):
        lists = [part.partition("=")[2] for part in line.split(":")]
        return {name.strip() for names in lists for name in names.split(",") if name.strip()}
    match = _USERS.match(line)
    return {name.strip() for name in match[1].split(",")} if match else set()
