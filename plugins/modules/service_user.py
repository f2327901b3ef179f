# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a dedicated service account and its directories true."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_user
short_description: Make a dedicated system account and its directories
version_added: 0.1.0
description:
  - Makes true a system account with a locked password, no login shell, a primary group of its own name, and no login
    files in its home, together with the directories that belong to it.
  - An account that the guide's C(useradd -r -s /bin/false openclaw) made is accepted and corrected.
  - The files in a corrected home stay where they are; a home that is renamed is not moved.
  - An existing account is refused when it belongs to the system or looks like a person's, when it has another uid than
    asked for, shares its uid, has a primary group of another name, or is in a privileged group (adm, admin, disk,
    docker, incus, incus-admin, kmem, kvm, libvirt, lxd, podman, root, shadow, staff, sudo, systemd-journal, wheel).
  - Directories are reached without following a link, and nothing in them is touched. A link at the place of a
    directory, or on the way to it, is refused before anything changes.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
options:
  name:
    description: Name of the account and of its primary group.
    type: str
    required: true
  uid:
    description:
      - V(auto), or a number from 100 on.
      - V(auto) takes the existing account's uid. Without one, it takes 1000 (the guide's C(node)) when neither an
        account nor a group has it, else the highest free number of the system range in C(/etc/login.defs).
      - The gid is the same number when it is free.
    type: str
    default: auto
  home:
    description: Home directory. The account owns it, mode C(0750) unless O(directories) reports otherwise.
    type: str
    required: true
  comment:
    description: What the account is for, as shown by C(getent passwd).
    type: str
    default: OpenClaw service account
  shell:
    description: A shell that refuses logins (C(nologin) or C(false)). Empty means the host's C(nologin).
    type: str
    default: ""
  directories:
    description:
      - Directories to create or correct; their parents must exist or be in the list, too.
      - Directories of the system (such as C(/etc) or C(/var/lib)) and homes of other accounts are refused.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      mode:
        description: Quoted octal mode; nobody but the owner may write.
        type: str
        required: true
      owner:
        description: The account (V(user)) or V(root).
        type: str
        choices: [user, root]
        default: root
      group:
        description: The account's group (V(user)) or V(root).
        type: str
        choices: [user, root]
        default: root
      contents:
        description:
          - Give everything in it to its owner and group, too. No link is followed and no mount point crossed.
          - A file with several names is refused, because another name of it may be somewhere else.
        type: bool
        default: false
seealso:
  - name: OpenClaw hardening guide, Using Hardened Systemd Service
    description: Where the dedicated user comes from.
    link: https://docs.openclaw.ai
  - name: useradd(8)
    description: The program that makes the account.
    link: https://manpages.debian.org/useradd.8
  - module: openclaw.hardening.gateway_token
"""

EXAMPLES = r"""
- name: Make the service account
  openclaw.hardening.service_user:
    name: openclaw
    home: /var/lib/openclaw
    directories:
      - path: /etc/openclaw
        mode: "0755"
      - path: /var/lib/openclaw/.openclaw
        mode: "0700"
        owner: user
        group: user
"""

RETURN = r"""
name:
  description: Name of the account.
  returned: success
  type: str
  sample: openclaw
uid:
  description: Its number; in check mode the number that it would get.
  returned: success
  type: int
  sample: 1000
gid:
  description: Number of its primary group.
  returned: success
  type: int
  sample: 1000
home:
  description: Its home directory.
  returned: success
  type: str
  sample: /var/lib/openclaw
actions:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create group openclaw (gid 1000)", "create account openclaw (uid 1000)"]
"""

import posixpath
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    absolute_path,
    account_name,
    integer,
    octal_mode,
    own_path,
    plain,
    shown,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files import owners
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    DirectoryState,
    directory_differs,
    ensure_directory,
    look_directory,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.accounts import (
    GUIDE_UID,
    REFUSING_SHELLS,
    RESERVED_UIDS,
    STATIC_UIDS,
    Accounts,
    Plan,
    ServiceAccount,
    add_foreign,
    find_shell,
    plan,
    read_accounts,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import host_wide, lock

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "uid": {"type": "str", "default": "auto"},
    "home": {"type": "str", "required": True},
    "comment": {"type": "str", "default": "OpenClaw service account"},
    "shell": {"type": "str", "default": ""},
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "mode": {"type": "str", "required": True},
            "owner": {"type": "str", "choices": ["user", "root"], "default": "root"},
            "group": {"type": "str", "choices": ["user", "root"], "default": "root"},
            "contents": {"type": "bool", "default": False},
        },
    },
}
HIGHEST_UID = 2**31 - 1
_PATIENCE = 60  # seconds for another run on the host
# Owner and mode of these belong to the distribution, and so do those of everything directly below the root directory.
SYSTEM_DIRECTORIES = frozenset(
    [
        *(f"/etc/{name}" for name in ("ssh", "ssl", "systemd")),
        *(f"/usr/{name}" for name in ("bin", "lib", "libexec", "local", "sbin", "share")),
        *(f"/usr/local/{name}" for name in ("bin", "lib", "sbin", "share")),
        *(f"/var/{name}" for name in ("backups", "cache", "lib", "local", "log", "mail", "opt", "run", "spool", "tmp")),
        *(f"/var/lib/{name}" for name in ("containerd", "docker", "systemd")),
    ]
)


@dataclass(frozen=True)
class Directory:
    """A directory as it should be; owner and group are numbers only once the account has its own."""

    path: str
    mode: int
    owner: str
    group: str
    contents: bool = False


def check_directories(home: str, directories: list[dict[str, Any]]) -> list[Directory]:
    """Return the wanted directories, parents first and the home among them."""
    wanted = {home: Directory(home, 0o750, "user", "user")}
    for entry in directories:
        path = own_path("directories", entry["path"])
        wanted[path] = Directory(
            path, octal_mode("directories", entry["mode"]), entry["owner"], entry["group"], entry.get("contents", False)
        )
    for path in wanted:
        if path.count("/") < 2 or path in SYSTEM_DIRECTORIES:
            raise HardeningError(path, "a directory of the system", "one of the service's own", "directories")
    return [wanted[path] for path in sorted(wanted)]


def check_shell(shell: str) -> str:
    """Return a shell that refuses logins, or an empty string for the host's own."""
    if shell and posixpath.basename(absolute_path("shell", shell)) not in REFUSING_SHELLS:
        raise HardeningError("shell", shown(shell), f"one of the programs {' or '.join(REFUSING_SHELLS)}", "shell")
    return shell


def check_uid(uid: str) -> int | None:
    """Return the wanted uid, or ``None`` for automatic."""
    if uid == "auto":
        return None
    try:
        number = integer("uid", uid, STATIC_UIDS.stop, HIGHEST_UID)
    except HardeningError:
        needed = f"'auto' or an integer from {STATIC_UIDS.stop} to {HIGHEST_UID}, never root's 0"
        raise HardeningError("uid", shown(uid), needed, "uid") from None
    if number in RESERVED_UIDS:
        raise HardeningError("uid", f"{number}, which means nobody", "another number", "uid")
    return number


def check_home(home: str) -> str:
    """Return the home, which must not break a line of passwd."""
    if ":" in own_path("home", home):
        raise HardeningError("home", shown(home), "a path without ':'", "home")
    return home


def check_comment(comment: str) -> str:
    """Return the comment, which must not break a line of passwd."""
    if ":" in plain("comment", comment, max_length=200):
        raise HardeningError("comment", shown(comment), "text without ':'", "comment")
    return comment


def refuse_homes(known: Accounts, name: str, directories: list[Directory]) -> None:
    """Refuse a directory that is the home of another account."""
    homes = {account.home: account.name for account in known.accounts.values() if account.name != name}
    for directory in directories:
        if directory.path in homes:
            found = f"the home of account {homes[directory.path]!r}"
            raise HardeningError(directory.path, found, "a directory of the service's own", "directories")


def decide_directories(
    directories: list[Directory], existing: dict[str, DirectoryState | None], account: Plan
) -> list[tuple[str, DirectoryState]]:
    """Return what has to be created or corrected, in order; a missing parent is refused."""
    missing = []
    for directory in directories:
        owner = account.uid if directory.owner == "user" else 0
        group = account.gid if directory.group == "user" else 0
        parent = posixpath.dirname(directory.path)
        if existing[parent] is None and parent not in {other.path for other in directories}:
            raise HardeningError(directory.path, f"no directory {parent}", "its parent to exist", "directories")
        if directory_differs(existing[directory.path], directory.mode, owner, group):
            missing.append((directory.path, DirectoryState(directory.mode, owner, group)))
    return missing


def described(state: DirectoryState | None) -> str:
    """Describe a directory for the diff."""
    return f"owner {state.uid}:{state.gid}, mode {state.mode:04o}\n" if state else ""


def lines(values: dict[str, object]) -> str:
    """Write an account for the diff, one value a line."""
    return "".join(f"{key}: {value}\n" for key, value in values.items())


class ServiceUser:
    """Looks at accounts and directories, decides, acts."""

    def __init__(self, module: AnsibleModule) -> None:
        """Check every option."""
        self.module = module
        params = module.params
        self.wanted = ServiceAccount(
            account_name("name", params["name"]),
            check_uid(params["uid"]),
            check_home(params["home"]),
            check_comment(params["comment"]),
            find_shell(check_shell(params["shell"])),
        )
        self.directories = check_directories(self.wanted.home, params["directories"])

    def run(self) -> dict[str, Any]:
        """Make account and directories true, and tell about them."""
        account = self._plan()
        existing = self._look_directories()
        changes = decide_directories(self.directories, existing, account)
        given = {path: len(owners.foreign(path, uid, gid)) for path, uid, gid in self._given(account, existing)}
        given = {path: count for path, count in given.items() if count}
        if not self.module.check_mode and (account.actions or changes or given):
            with lock(host_wide("accounts"), _PATIENCE):
                # Another run may have taken the number meanwhile.
                account = self._plan()
                existing = self._look_directories()
                changes = decide_directories(self.directories, existing, account)
                self._act(account, changes)
                for path, uid, gid in self._given(account, existing):
                    owners.give(path, uid, gid)
        verbs = {path: "correct" if existing[path] else "create" for path, _state in changes}
        actions = [action.text for action in account.actions]
        actions += [f"{verb} directory {path}" for path, verb in verbs.items()]
        actions += [f"give {count} entries in {path} to their owner" for path, count in given.items()]
        diff = [self._account_diff(account)] if account.actions else []
        diff += [
            {
                "before_header": path,
                "after_header": path,
                "before": described(existing[path]),
                "after": described(state),
            }
            for path, state in changes
        ]
        return {
            "changed": bool(actions),
            "name": self.wanted.name,
            "uid": account.uid,
            "gid": account.gid,
            "home": self.wanted.home,
            "actions": actions,
            "diff": diff,
        }

    def _act(self, account: Plan, changes: list[tuple[str, DirectoryState]]) -> None:
        for action in account.actions:
            run(self.module, list(action.argv))
        if account.actions and self._plan().actions:
            raise HardeningError(
                "name", "an account that still differs after its change", "an account database that keeps it"
            )
        for path, state in changes:
            ensure_directory(path, state.mode, state.uid, state.gid)

    def _given(self, account: Plan, existing: dict[str, DirectoryState | None]) -> list[tuple[str, int, int]]:
        """Return the directories whose contents are to be given to an owner, with the numbers of that one."""
        return [
            (each.path, account.uid if each.owner == "user" else 0, account.gid if each.group == "user" else 0)
            for each in self.directories
            if each.contents and existing[each.path] is not None
        ]

    def _plan(self) -> Plan:
        known = add_foreign(read_accounts(), self.wanted.name, [self.wanted.uid or GUIDE_UID])
        refuse_homes(known, self.wanted.name, self.directories)
        return plan(known, self.wanted)

    def _look_directories(self) -> dict[str, DirectoryState | None]:
        paths = {directory.path for directory in self.directories}
        return {path: look_directory(path) for path in sorted(paths | {posixpath.dirname(path) for path in paths})}

    def _account_diff(self, account: Plan) -> dict[str, str]:
        header = f"account {self.wanted.name}"
        before, after = lines(account.before), lines(account.after)
        return {"before_header": header, "after_header": header, "before": before, "after": after}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**ServiceUser(module).run())
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)


if __name__ == "__main__":
    main()
