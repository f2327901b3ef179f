# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the account whose number the container's user has on the host.

The kernel knows numbers only: the process that has the container's uid on the host owns OpenClaw's files and can
signal its
processes, whatever the names are.
"""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.account import AccountFacts, Holder
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    Result,
    Rule,
    failed,
    guide,
    inconclusive,
    passed,
    skipped,
    verdict,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.accounts import PRIVILEGED_GROUPS


def _nobody(facts: AccountFacts) -> Result:
    """Check a uid without an account where the rule is about the account."""
    return skipped(f"no account of the host has uid {facts.uid}", ("passwd", f"no line with uid {facts.uid}"))


def _line(holder: Holder, uid: int) -> tuple[str, str]:
    lock = {True: "locked", False: "open", None: "kept elsewhere"}[holder.locked]
    return "passwd, shadow", f"{holder.name}: uid {uid}, gid {holder.gid}, shell {holder.shell}, password {lock}"


def check_login(facts: AccountFacts, allowed: Baseline) -> Result:
    """Nobody can log in as the container's user (passwd(5), shadow(5))."""
    evidence = [_line(holder, facts.uid) for holder in facts.holders]
    if not facts.holders:
        if facts.subordinate_of and not allowed.account:
            who = f"uid {facts.uid} is a subordinate one of {facts.subordinate_of}, nobody can log in with it"
            return passed(who, ("subuid", f"range of {facts.subordinate_of}"))
        why = f"uid {facts.uid} belongs to nobody: the next account that is made with it gets OpenClaw's files"
        return failed(why, ("passwd", f"no line with uid {facts.uid}"))
    names = ", ".join(holder.name for holder in facts.holders)
    faults = []
    if allowed.account and allowed.account not in [holder.name for holder in facts.holders]:
        faults.append(f"uid {facts.uid} is that of {names}, not of {allowed.account}")
    for holder in facts.holders:
        if not holder.refuses_logins:
            faults.append(f"{holder.name} has the login shell {holder.shell or '/bin/sh (none is named)'}")
        if holder.locked is False:
            faults.append(f"the password of {holder.name} is not locked")
    unknown = [holder.name for holder in facts.holders if holder.locked is None]
    if unknown and not faults:
        return inconclusive(f"a directory service keeps the password of {', '.join(unknown)}", *evidence)
    return verdict(faults, f"uid {facts.uid} is {names}: locked, shell {facts.holders[0].shell}", *evidence)


def check_privileges(facts: AccountFacts, _allowed: Baseline) -> Result:
    """The account has no way to root: group (Debian's system groups, Docker's daemon attack surface) or sudoers(5)."""
    if not facts.holders:
        return _nobody(facts)
    faults, evidence = [], []
    for holder in facts.holders:
        groups = sorted(set(holder.groups) & set(PRIVILEGED_GROUPS))
        if groups:
            faults.append(f"{holder.name} is in {', '.join(groups)}")
        if holder.sudoers:
            faults.append(f"{holder.name} is allowed something in {', '.join(holder.sudoers[:5])}")
        evidence.append(("group", f"{holder.name}: {', '.join(holder.groups)}"))
        evidence.append(("sudoers", f"{holder.name}: {', '.join(holder.sudoers[:5]) or 'no rule'}"))
    if facts.unread and not faults:
        return inconclusive(f"could not read {', '.join(facts.unread[:5])}", *evidence)
    names = ", ".join(holder.name for holder in facts.holders)
    return verdict(faults, f"{names}: no privileged group, no rule in sudoers", *evidence)


def check_sharing(facts: AccountFacts, _allowed: Baseline) -> Result:
    """Both numbers have one owner (passwd(5), group(5))."""
    if not facts.holders:
        return _nobody(facts)
    names = [holder.name for holder in facts.holders]
    faults = []
    if len(names) > 1:
        faults.append(f"uid {facts.uid} is shared by {', '.join(names)}")
    if facts.primary:
        faults.append(f"gid {facts.gid} is the primary group of {', '.join(facts.primary[:10])}, too")
    if facts.members:
        faults.append(f"{', '.join(facts.members[:10])} in group {facts.group}")
    evidence = (
        ("passwd", f"uid {facts.uid}: {', '.join(names)}"),
        ("group", f"gid {facts.gid} ({facts.group or 'no name'}): {', '.join(facts.members[:10]) or 'no members'}"),
    )
    return verdict(faults, f"uid {facts.uid} and gid {facts.gid} belong to {names[0]} alone", *evidence)


def check_home(facts: AccountFacts, _allowed: Baseline) -> Result:
    """Nothing in the home lets another user in, and nobody else can put something there (sshd(8), StrictModes)."""
    if not facts.holders:
        return _nobody(facts)
    faults, evidence, troubles = [], [], []
    for holder in facts.holders:
        home = holder.home
        evidence.append((home.path, home.shown()))
        if home.trouble:
            troubles.append(f"{home.path}: {home.trouble}")
        elif home.link:
            faults.append(f"{home.link} is a link")
        elif home.kind:
            faults += _faults_of_home(holder, facts.uid)
    if troubles and not faults:
        return inconclusive("; ".join(troubles), *evidence)
    homes = ", ".join(holder.home.path + ("" if holder.home.kind else " (is not there)") for holder in facts.holders)
    return verdict(faults, f"{homes}: no login files, nobody else can write", *evidence)


def _faults_of_home(holder: Holder, uid: int) -> list[str]:
    home = holder.home
    faults = [f"{path} is there" for path in holder.login_files]
    if home.kind != "directory":
        faults.append(f"{home.path} is no directory")
    if home.uid not in (0, uid):
        faults.append(f"{home.path} is owned by uid {home.uid}")
    if home.mode & 0o022:
        faults.append(f"{home.path} can be written by others (mode {home.mode:04o})")
    faults += [
        f"{folder.path} on the way can be changed by others (owner {folder.uid}, mode {folder.mode:04o})"
        for folder in home.folders
        if folder.uid not in (0, uid) or folder.replaceable
    ]
    return faults


RULES: tuple[Rule, ...] = (
    Rule(
        id="OCH-ACC-01",
        title="Nobody can log in as the user that the container runs as",
        area="account",
        severity="high",
        expected="the container's uid belongs to an account with a locked password and without a login shell",
        remediation="run `groupadd --force --gid GID NAME`, `useradd --system --uid UID --gid GID --shell "
        "/usr/sbin/nologin NAME` where no account has that uid; or run `usermod --lock --shell "
        "/usr/sbin/nologin NAME` where it is the account of a service",
        refs=(*guide("Using Hardened Systemd Service", "Security Checklist, item 6"), "passwd(5)", "shadow(5)"),
        needs=("account",),
        effective=check_login,
    ),
    Rule(
        id="OCH-ACC-02",
        title="The container's account has no way to root",
        area="account",
        severity="critical",
        expected=f"not in {', '.join(PRIVILEGED_GROUPS)}; not in sudoers",
        remediation="run `gpasswd --delete NAME GROUP` for each group that is named; or run `usermod --gid NAME "
        "NAME` where it is the account's primary group; or run `visudo -f PATH` and comment out each "
        "line that is named",
        refs=(*guide("openclaw-auth-monitor.service.hardened"), "sudoers(5)", "Docker Engine security: attack surface"),
        needs=("account",),
        effective=check_privileges,
    ),
    Rule(
        id="OCH-ACC-03",
        title="The container's uid and gid are its account's alone",
        area="account",
        severity="high",
        expected="one account with the uid, no other account with the gid as its group",
        remediation="run `docker stop CONTAINER`, `usermod --uid NUMBER OTHER`, `docker start CONTAINER` with a free "
        "number for the other account; or run `usermod --gid GROUP OTHER` with another primary group for it; or run "
        "`gpasswd --delete OTHER GROUP`",
        refs=(*guide("Security Checklist, item 5"), "passwd(5)", "group(5)"),
        needs=("account",),
        effective=check_sharing,
    ),
    Rule(
        id="OCH-ACC-04",
        title="The home of the container's account lets nobody in",
        area="account",
        severity="medium",
        expected="a directory of its own or of root, not writable by others, without authorized_keys and the like",
        remediation="run `rm PATH` for each file that is named; or run `chown NAME: HOME`, `chmod go-w HOME`",
        refs=(*guide("openclaw-auth-monitor.service.hardened"), "sshd(8)"),
        needs=("account",),
        effective=check_home,
    ),
)
