"""Faults in the service account."""

from __future__ import annotations

from harness import Mutant
from proof import proof

SAVE = "for name in passwd shadow group gshadow; do cp -p /etc/$name /root/$name.kept; done; "
RESTORE = "for name in passwd shadow group gshadow; do cp -p /root/$name.kept /etc/$name; done"
HOME = "/var/lib/openclaw"


def account(name: str, expected: str, real: str, do: str) -> Mutant:
    """Return a change of the account databases, which are put back as they were."""
    return Mutant(name, expected, real, do=SAVE + do, undo=RESTORE)


def sudoers(name: str, line: str) -> Mutant:
    """Return a line for sudo."""
    file = "/etc/sudoers.d/mutant"
    return Mutant(
        name, "OCH-ACC-02", f"visudo -cq && grep -q . {file}",
        do=f"echo '{line}' > {file}; chmod 0440 {file}", undo=f"rm {file}",
    )  # fmt: skip


MUTANTS = (
    account("login shell", "OCH-ACC-01", "getent passwd openclaw | grep -q bash", "usermod --shell /bin/bash openclaw"),
    account(
        "password", "OCH-ACC-01", "getent shadow openclaw | grep -q '^openclaw:\\$'",
        "echo openclaw:hunter2 | chpasswd",
    ),
    account(
        "empty password", "OCH-ACC-01", "getent shadow openclaw | grep -q '^openclaw::'", "passwd --delete openclaw",
    ),
    account("uid of nobody", "OCH-ACC-01", "! getent passwd 1000", "sed -i '/^openclaw:/d' /etc/passwd"),
    account(
        "uid of another account", "OCH-ACC-01", "[ $(getent passwd 1000 | cut -d: -f1) = alice ]",
        "sed -i 's/^openclaw:/alice:/' /etc/passwd /etc/shadow",
    ),
    account("in group docker", "OCH-ACC-02", "id -nG openclaw | grep -qw docker", "usermod -aG docker openclaw"),
    account("in group sudo", "OCH-ACC-02", "id -nG openclaw | grep -qw sudo", "usermod -aG sudo openclaw"),
    account("in group disk", "OCH-ACC-02", "id -nG openclaw | grep -qw disk", "usermod -aG disk openclaw"),
    sudoers("sudo by name", "openclaw ALL=(ALL) NOPASSWD: ALL"),
    sudoers("sudo by number", "#1000 ALL=(root) NOPASSWD: /usr/bin/systemctl"),
    sudoers("sudo by group", "%openclaw ALL=(ALL) NOPASSWD: ALL"),
    account(
        "uid shared with a login account", "OCH-ACC-03", "[ $(grep -c '^[^:]*:[^:]*:1000:' /etc/passwd) = 2 ]",
        "useradd --non-unique --uid 1000 --gid users --no-create-home --shell /bin/bash twin",
    ),
    account(
        "group shared with a login account", "OCH-ACC-03", "id -g friend | grep -qx 1000",
        "useradd --gid 1000 --no-create-home --shell /bin/bash friend",
    ),
    account(
        "somebody else in its group", "OCH-ACC-03", "id -nG friend | grep -qw openclaw",
        "useradd --groups openclaw --no-create-home --shell /bin/bash friend",
    ),
    Mutant(
        "authorized_keys", "OCH-ACC-04", f"[ -e {HOME}/.ssh/authorized_keys ]",
        do=f"install -d -m 0700 -o openclaw -g openclaw {HOME}/.ssh; "
        f"install -m 0600 -o openclaw -g openclaw /root/.ssh/authorized_keys {HOME}/.ssh/authorized_keys",
        undo=f"rm -rf {HOME}/.ssh",
    ),
    Mutant(
        ".rhosts", "OCH-ACC-04", f"[ -e {HOME}/.rhosts ]",
        do=f"echo '+ +' > {HOME}/.rhosts; chown openclaw {HOME}/.rhosts", undo=f"rm {HOME}/.rhosts",
    ),
    Mutant(
        "home of somebody else", "OCH-ACC-04", f"[ $(stat -c %U {HOME}) = nobody ]",
        do=f"chown nobody {HOME}", undo=f"chown openclaw {HOME}",
    ),
    Mutant(
        "home writable by everybody (account)", "OCH-ACC-04", f"[ $(stat -c %a {HOME}) = 777 ]",
        do=f"chmod 0777 {HOME}", undo=f"chmod 0750 {HOME}",
    ),
)  # fmt: skip

test_it_is_found = proof(MUTANTS)
