"""Accounts, groups, sudoers and homes are read from files as a host has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import account as subject


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\n"
        f"openclaw:x:1000:1000:OpenClaw:{home}:/usr/sbin/nologin\n"
        "alice:x:1001:1000::/home/alice:/bin/bash\n"
        "empty::1002:1002::/nonexistent:\n"
    )
    (tmp_path / "group").write_text("root:x:0:\nopenclaw:x:1000:bob\ndocker:x:990:openclaw\n")
    (tmp_path / "shadow").write_text("root:$y$x:1::::::\nopenclaw:!:1::::::\nalice:$y$x:1::::::\n")
    (tmp_path / "subuid").write_text("dockremap:231072:65536\nbroken\n")
    return tmp_path


def look(etc: Path, uid: int = 1000, gid: int = 1000) -> subject.AccountFacts:
    return subject.look(uid, gid, str(etc))


def sudoers(etc: Path, text: str, name: str = "sudoers") -> tuple[str, ...]:
    path = etc / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    facts = look(etc)
    return tuple(source.replace(str(etc), "") for source in facts.holders[0].sudoers)


def test_the_account_of_a_uid(etc):
    facts = look(etc)
    (holder,) = facts.holders
    assert (holder.name, holder.gid, holder.locked, holder.refuses_logins) == ("openclaw", 1000, True, True)
    assert (holder.groups, holder.home.kind) == (("docker", "openclaw"), "directory")
    assert (facts.group, facts.primary, facts.members) == ("openclaw", ("alice",), ("bob",))
    assert (holder.sudoers, holder.login_files, facts.unread, facts.subordinate_of) == ((), (), (), "")


def test_nobody(etc):
    facts = look(etc, 5000, 5000)
    assert (facts.holders, facts.group, facts.primary, facts.subordinate_of) == ((), "", (), "")


@pytest.mark.parametrize(("uid", "name"), [(231071, ""), (231072, "dockremap"), (296607, "dockremap"), (296608, "")])
def test_subordinate_uids(etc, uid, name):
    assert look(etc, uid, uid).subordinate_of == name


def test_an_open_account(etc):
    (holder,) = look(etc, 1002, 1002).holders
    assert (holder.locked, holder.refuses_logins, holder.home.kind) == (False, False, "")


def test_all_accounts_with_one_uid(etc):
    with (etc / "passwd").open("a") as lines:
        lines.write("twin:x:1000:1000::/:/bin/sh\n")
    assert [holder.name for holder in look(etc).holders] == ["openclaw", "twin"]


@pytest.mark.skipif(os.geteuid() != 0, reason="reads shadow")
def test_the_real_host():
    facts = subject.look(0, 0)
    assert facts.holders[0].name == "root"
    assert "root" in facts.holders[0].groups


@pytest.mark.parametrize(
    "rule",
    [
        "openclaw ALL=(ALL) NOPASSWD: ALL",
        "alice, openclaw  ALL = ALL",
        "%openclaw ALL=ALL",
        "%docker ALL=ALL",
        "#1000 ALL=ALL",
        "%#990 ALL=ALL",
        "ALL ALL=/usr/bin/x",
        "User_Alias ADMINS = alice, openclaw : OTHERS = bob",
        "openclaw \\\n  ALL=ALL",
        "openclaw ALL=ALL # a comment",
    ],
)
def test_rules_that_grant_something(etc, rule):
    assert sudoers(etc, f"# first\n{rule}\n") == ("/sudoers:2",)


@pytest.mark.parametrize(
    "rule",
    [
        "alice ALL=(openclaw) NOPASSWD: ALL",
        "alice openclaw=ALL",
        "# openclaw ALL=ALL",
        "Defaults:openclaw !requiretty",
        "Runas_Alias SERVICE = openclaw",
        "root ALL=(ALL:ALL) ALL",
        "%sudo ALL=ALL",
        "#10000 ALL=ALL",
        "ALL, !openclaw ALL=ALL",
        "openclaw-admin ALL=ALL",
        "Defaults targetpw\nALL ALL=(ALL) ALL",
    ],
)
def test_rules_that_grant_nothing(etc, rule):
    assert sudoers(etc, f"{rule}\n") == ()


def test_included_files(etc):
    rule = "openclaw ALL=ALL\n"
    assert sudoers(etc, rule, "sudoers.d/one") == ("/sudoers.d/one:1",)
    assert sudoers(etc, rule, "sudoers.d/backup~") == ("/sudoers.d/one:1",)
    assert sudoers(etc, rule, "sudoers.d/one.dpkg-old") == ("/sudoers.d/one:1",)
    sudoers(etc, rule, "more/two")
    assert sudoers(etc, "@includedir more\n#include sudoers\n") == ("/sudoers.d/one:1", "/more/two:1")


def test_what_could_not_be_read_is_output(etc):
    (etc / "sudoers").symlink_to("elsewhere")
    assert look(etc).unread == (f"{etc}/sudoers",)


def test_login_files(etc):
    (etc / "home/.ssh").mkdir()
    (etc / "home/.ssh/authorized_keys").touch()
    (etc / "home/.rhosts").symlink_to("/dev/null")
    (etc / "home/.forward").write_text("|x")
    assert look(etc).holders[0].login_files == (f"{etc}/home/.rhosts", f"{etc}/home/.forward")
    (etc / "home/.ssh/authorized_keys").write_text("ssh-ed25519 AAAA")
    assert f"{etc}/home/.ssh/authorized_keys" in look(etc).holders[0].login_files
