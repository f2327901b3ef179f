"""Faults in the service account."""

from __future__ import annotations

from typing import Any

from harness import SeededFault
from proof import proof

SAVE = "for name in passwd shadow group gshadow; do cp -p /etc/$name /root/$name.kept; done; "
RESTORE = "for name in passwd shadow group gshadow; do cp -p /root/$name.kept /etc/$name; done"
HOME = "/var/lib/openclaw"


def account(name: str, expected: str, real: str, do: str, **more: Any) -> SeededFault:
    """Return a change of the account databases, which are put back as they were."""
    return SeededFault(name, expected, real, do=SAVE + do, undo=RESTORE, **more)


def sudoers(name: str, line: str, who: str) -> SeededFault:
    """Return a line for sudo."""
    file = "/etc/sudoers.d/seeded-fault"
    return SeededFault(
        name, "OCH-ACC-02", f"visudo -cq && grep -q . {file}",
        do=f"echo '{line}' > {file}; chmod 0440 {file}", undo=f"rm {file}",
        way=2, values={"PATH": file, "LINE": who},
    )  # fmt: skip


SEEDED_FAULTS = (
    account(
        "login shell", "OCH-ACC-01", "getent passwd openclaw | grep -q bash", "usermod --shell /bin/bash openclaw",
        way=1,
    ),
    account(
        "password", "OCH-ACC-01", "getent shadow openclaw | grep -q '^openclaw:\\$'",
        "echo openclaw:hunter2 | chpasswd",
        way=1,
    ),
    account(
        "empty password", "OCH-ACC-01", "getent shadow openclaw | grep -q '^openclaw::'", "passwd --delete openclaw",
        way=1,
    ),
    account("uid of nobody", "OCH-ACC-01", "! getent passwd 1000", "sed -i '/^openclaw:/d' /etc/passwd"),
    account(
        "uid of another account", "OCH-ACC-01", "[ $(getent passwd 1000 | cut -d: -f1) = alice ]",
        "sed -i 's/^openclaw:/alice:/' /etc/passwd /etc/shadow",
        way=None,
    ),
    account(
        "docker as its primary group", "OCH-ACC-02", "[ $(id -gn openclaw) = docker ]",
        # usermod would give the group its files, too.
        "sed -ri 's/^(openclaw:[^:]*:[^:]*):[^:]*/\\1:'$(getent group docker | cut -d: -f3)'/' /etc/passwd",
        way=1,
    ),
    account(
        "in group docker", "OCH-ACC-02", "id -nG openclaw | grep -qw docker", "usermod -aG docker openclaw",
        values={"GROUP": "docker"},
    ),
    account(
        "in group sudo", "OCH-ACC-02", "id -nG openclaw | grep -qw sudo", "usermod -aG sudo openclaw",
        values={"GROUP": "sudo"},
    ),
    account(
        "in group disk", "OCH-ACC-02", "id -nG openclaw | grep -qw disk", "usermod -aG disk openclaw",
        values={"GROUP": "disk"},
    ),
    sudoers("sudo by name", "openclaw ALL=(ALL) NOPASSWD: ALL", "^openclaw"),
    sudoers("sudo by number", "#1000 ALL=(root) NOPASSWD: /usr/bin/systemctl", "^#1000"),
    sudoers("sudo by group", "%openclaw ALL=(ALL) NOPASSWD: ALL", "^%openclaw"),
    account(
        "uid shared with a login account", "OCH-ACC-03", "[ $(grep -c '^[^:]*:[^:]*:1000:' /etc/passwd) = 2 ]",
        "useradd --non-unique --uid 1000 --gid users --no-create-home --shell /bin/bash twin",
        values={"OTHER": "twin", "NUMBER": "3000"},
    ),
    account(
        "group shared with a login account", "OCH-ACC-03", "id -g friend | grep -qx 1000",
        "useradd --gid 1000 --no-create-home --shell /bin/bash friend",
        way=1, values={"OTHER": "friend", "GROUP": "users"},
    ),
    account(
        "another user in its group", "OCH-ACC-03", "id -nG friend | grep -qw openclaw",
        "useradd --groups openclaw --no-create-home --shell /bin/bash friend",
        way=2, values={"OTHER": "friend", "GROUP": "openclaw"},
    ),
    SeededFault(
        "authorized_keys", "OCH-ACC-04", f"[ -e {HOME}/.ssh/authorized_keys ]",
        do=f"install -d -m 0700 -o openclaw -g openclaw {HOME}/.ssh; "
        f"install -m 0600 -o openclaw -g openclaw /root/.ssh/authorized_keys {HOME}/.ssh/authorized_keys",
        undo=f"rm -rf {HOME}/.ssh",
        values={"PATH": "/var/lib/openclaw/.ssh/authorized_keys"},
    ),
    SeededFault(
        ".rhosts", "OCH-ACC-04", f"[ -e {HOME}/.rhosts ]",
        do=f"echo '+ +' > {HOME}/.rhosts; chown openclaw {HOME}/.rhosts", undo=f"rm {HOME}/.rhosts",
        values={"PATH": "/var/lib/openclaw/.rhosts"},
    ),
    SeededFault(
        "home of another user", "OCH-ACC-04", f"[ $(stat -c %U {HOME}) = nobody ]",
        do=f"chown nobody {HOME}", undo=f"chown openclaw {HOME}",
        way=1,
    ),
    SeededFault(
        "home writable by everybody (account)", "OCH-ACC-04", f"[ $(stat -c %a {HOME}) = 777 ]",
        do=f"chmod 0777 {HOME}", undo=f"chmod 0750 {HOME}",
        way=1,
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
