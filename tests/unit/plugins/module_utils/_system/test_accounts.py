"""Account databases as real files, checked and changed by the real useradd in a folder of its own."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._system import accounts
from ansible_collections.openclaw.hardening.plugins.module_utils._system.accounts import (
    Account,
    Group,
    Ranges,
    ServiceAccount,
)

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
+nis::::::
broken:x:abc:1::/:/bin/sh
short:x:1
"""
GROUP = """\
root:x:0:
sudo:x:27:alice,bob
docker:x:990:
shadow:x:42:
www-data:x:33:
nogroup:x:65534:
"""
SHADOW = """\
root:*:19000:0:99999:7:::
www-data:!:19000::::::
nobody:*:19000::::::
"""
LOGIN_DEFS = """\
# UID_MIN 5
UID_MIN\t\t 1000
UID_MAX 60000
SYS_UID_MAX 999  extra
USERGROUPS_ENAB yes
"""
WANTED = ServiceAccount("openclaw", None, "/var/lib/openclaw", "OpenClaw", "/usr/sbin/nologin")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a folder that useradd takes for the root directory's /etc."""
    etc = tmp_path / "etc"
    etc.mkdir()
    for name, content in {"passwd": PASSWD, "group": GROUP, "shadow": SHADOW, "login.defs": LOGIN_DEFS}.items():
        (etc / name).write_text(content.replace("+nis::::::\nbroken:x:abc:1::/:/bin/sh\nshort:x:1\n", ""))
    for name in ("gshadow", "subuid", "subgid"):
        (etc / name).touch()
    return tmp_path


def tool(root: Path, *argv: str) -> None:
    program = shutil.which(argv[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert program, f"{argv[0]} is missing"
    subprocess.run([program, "--prefix", str(root), *argv[1:]], check=True, capture_output=True)


def read(root: Path) -> accounts.Accounts:
    return accounts.read_accounts(str(root / "etc"))


def apply(root: Path, wanted: ServiceAccount = WANTED) -> accounts.Plan:
    """Run the plan for real; afterwards there must be nothing left to do and the prediction must be true."""
    plan = accounts.plan(read(root), wanted)
    for action in plan.actions:
        tool(root, *action.argv)
    again = accounts.plan(read(root), wanted)
    assert again.actions == ()
    assert again.before == again.after == plan.after
    assert (again.uid, again.gid) == (plan.uid, plan.gid)
    return plan


def wanted(**change: object) -> ServiceAccount:
    return dataclasses.replace(WANTED, **change)


def refused(root: Path, words: str, account: ServiceAccount = WANTED) -> str:
    with pytest.raises(HardeningError, match=words) as caught:
        accounts.plan(read(root), account)
    return str(caught.value)


# --- look ---------------------------------------------------------------------------------------------------------


def test_the_databases_are_read(tmp_path):
    for name, content in {"passwd": PASSWD, "group": GROUP, "shadow": SHADOW, "login.defs": LOGIN_DEFS}.items():
        (tmp_path / name).write_text(content)
    known = accounts.read_accounts(str(tmp_path))
    assert sorted(known.accounts) == ["nobody", "root", "www-data"]
    www = Account("www-data", "x", 33, 33, "www-data", "/var/www", "/usr/sbin/nologin")
    assert known.accounts["www-data"] == www
    assert known.owner(33) == www
    assert known.owner(34) is None
    assert known.groups["sudo"] == Group("sudo", 27, ("alice", "bob"))
    assert known.group_of(990) == Group("docker", 990, ())
    assert known.ranges == Ranges(uid_min=1000, sys_uid_min=101, sys_uid_max=999)
    assert "*" not in repr(known)


def test_missing_databases_are_empty(tmp_path):
    known = accounts.read_accounts(str(tmp_path))
    assert known == accounts.Accounts({}, {}, {}, Ranges(1000, 101, 999))


def test_broken_bytes_do_not_stop_the_reading(tmp_path):
    (tmp_path / "passwd").write_bytes(b"a:x:500:500:caf\xe9:/home/a:/bin/sh\nb:x:501:501::/home/b:\n")
    known = accounts.read_accounts(str(tmp_path))
    assert [account.uid for account in known.accounts.values()] == [500, 501]


@pytest.mark.parametrize(
    ("password", "locked"),
    [("!", True), ("*", True), ("!!", True), ("!$y$hash", True), ("$y$hash", False), ("", False), ("x", True)],
)
def test_what_counts_as_locked(password, locked):
    account = Account("a", "x", 1, 1, "", "/", "/bin/sh")
    assert accounts.Accounts({}, {}, {"a": password}).is_locked(account) is locked
    unshadowed = dataclasses.replace(account, password=password)
    assert accounts.Accounts({}, {}, {}).is_locked(unshadowed) is locked


def test_groups_are_found_by_membership_by_primary_gid_and_by_a_shared_gid():
    account = Account("a", "x", 500, 500, "", "/", "/bin/sh")
    groups = [Group("a", 500, ()), Group("video", 44, ("a",)), Group("alias", 990, ("a",)), Group("docker", 990, ())]
    known = accounts.Accounts({"a": account}, {group.name: group for group in groups})
    assert known.groups_of(account) == {"a", "video", "alias", "docker"}


def test_find_shell_takes_the_wanted_one_or_the_first_that_can_be_run(tmp_path):
    program, gone = tmp_path / "nologin", str(tmp_path / "gone")
    program.touch(mode=0o755)
    assert accounts.find_shell("", [gone, str(program)]) == str(program)
    assert accounts.find_shell(str(program), [gone]) == str(program)
    for wanted, usual in (("", [gone]), (gone, [str(program)])):
        with pytest.raises(HardeningError, match=f"shell: found nothing to run at {gone}, needed .*; set 'shell'"):
            accounts.find_shell(wanted, usual)


def test_a_directory_service_is_asked_too():
    known = accounts.add_foreign(accounts.Accounts({}, {}), "root", [1])
    assert known.accounts["root"].uid == 0
    assert known.owner(1).name == known.group_of(1).name == "daemon"
    assert accounts.add_foreign(accounts.Accounts({}, {}), "no-such-account", [3_999_999]) == accounts.Accounts({}, {})


def test_the_first_line_wins_as_it_does_for_getpwnam(tmp_path):
    (tmp_path / "passwd").write_text("a:x:500:500::/home/a:/bin/sh\na:x:0:0::/root:/bin/sh\n")
    assert accounts.read_accounts(str(tmp_path)).accounts["a"].uid == 500


# --- plan, and the real useradd -----------------------------------------------------------------------------------


def test_a_new_account_gets_the_guides_number(root, as_root):
    plan = apply(root)
    assert (plan.uid, plan.gid, plan.before) == (1000, 1000, {})
    assert [action.text for action in plan.actions] == [
        "create group openclaw (gid 1000)",
        "create account openclaw (uid 1000)",
    ]
    etc = root / "etc"
    assert "openclaw:x:1000:1000:OpenClaw:/var/lib/openclaw:/usr/sbin/nologin\n" in (etc / "passwd").read_text()
    assert re.search(r"^openclaw:!:\d+::::::$", (etc / "shadow").read_text(), re.MULTILINE)
    assert (etc / "subuid").read_text() == (etc / "subgid").read_text() == ""
    assert not (root / "var").exists()
    assert not any("openclaw" in line.split(":")[3] for line in (etc / "group").read_text().splitlines())


def test_a_new_account_gets_a_system_number_when_1000_is_taken(root, as_root):
    tool(root, "useradd", "-u", "1000", "-U", "-s", "/bin/bash", "alice")
    tool(root, "groupadd", "-g", "999", "taken")
    assert (apply(root).uid, apply(root).gid) == (998, 998)
    second = apply(root, wanted(name="openclaw-acme", home="/var/lib/openclaw-acme"))
    assert (second.uid, second.gid) == (997, 997)


def test_a_group_with_gid_1000_is_enough_to_leave_1000_alone(root, as_root):
    tool(root, "groupadd", "-g", "1000", "alice")
    assert apply(root).uid == 999


def test_an_own_group_that_is_there_already_is_used(root, as_root):
    tool(root, "groupadd", "-g", "1000", "openclaw")
    plan = apply(root)
    assert (plan.uid, plan.gid, len(plan.actions)) == (1000, 1000, 1)


def test_an_asked_uid_is_given_and_its_gid_when_free(root, as_root):
    plan = apply(root, wanted(uid=990))
    assert (plan.uid, plan.gid) == (990, 999)  # gid 990 is docker's here


def test_no_free_number_is_output(root):
    (root / "etc/login.defs").write_text("SYS_UID_MIN 998\nSYS_UID_MAX 999\n")
    with (root / "etc/passwd").open("a") as passwd:
        passwd.writelines(f"u{uid}:x:{uid}:{uid}::/:/usr/sbin/nologin\n" for uid in (998, 999, 1000))
    refused(root, "uid: found no free number")


def test_the_guides_account_is_accepted_and_corrected(root, as_root):
    tool(root, "useradd", "-r", "-s", "/bin/false", "openclaw")
    uid = read(root).accounts["openclaw"].uid
    plan = apply(root)
    assert plan.uid == uid
    assert [action.text for action in plan.actions] == ["correct account openclaw: home, shell, comment"]
    assert (plan.before["home"], plan.after["home"]) == ("/home/openclaw", "/var/lib/openclaw")


def test_an_open_password_is_locked(root, as_root):
    tool(root, "useradd", "-r", "-s", "/usr/sbin/nologin", "-p", "$y$hash", "openclaw")
    plan = apply(root)
    assert (plan.before["password"], plan.after["password"]) == ("open", "locked")
    assert "openclaw:!$y$hash:" in (root / "etc/shadow").read_text()


def test_an_empty_password_is_locked(root, as_root):
    tool(root, "useradd", "-r", "-s", "/usr/sbin/nologin", "openclaw")
    shadow = root / "etc/shadow"
    shadow.write_text(shadow.read_text().replace("openclaw:!:", "openclaw::"))
    assert apply(root).before["password"] == "open"


def test_a_system_account_with_a_shell_is_corrected(root, as_root):
    tool(root, "useradd", "-r", "-s", "/bin/bash", "openclaw")
    assert "shell" in apply(root).actions[0].text


@pytest.mark.parametrize("shell", ["/bin/bash", ""])
def test_a_persons_account_is_refused_with_the_way_out(root, as_root, shell):
    tool(root, "useradd", "-u", "1000", "-U", "-s", "/bin/bash", "openclaw")
    passwd = root / "etc/passwd"
    passwd.write_text(passwd.read_text().replace(":/bin/bash\n", f":{shell}\n"))
    message = refused(root, "looks like a person's account")
    assert "usermod --shell /usr/sbin/nologin --lock openclaw" in message
    tool(root, "usermod", "--shell", "/usr/sbin/nologin", "--lock", "openclaw")
    assert apply(root).uid == 1000


def test_the_uid_of_other_user_else_is_refused_by_name(root, as_root):
    tool(root, "useradd", "-u", "1234", "-U", "alice")
    refused(root, "uid: found 1234, which is the uid of account 'alice'", wanted(uid=1234))


def test_an_account_is_not_renumbered(root, as_root):
    apply(root)
    message = refused(root, "uid: found account 'openclaw' with uid 1000, needed 990", wanted(uid=990))
    assert "use 'auto' or 1000" in message
    assert apply(root, wanted(uid=1000)).actions == ()


def test_a_shared_uid_is_refused(root, as_root):
    apply(root)
    tool(root, "useradd", "-o", "-u", "1000", "-g", "nogroup", "twin")
    refused(root, "shared with twin")


@pytest.mark.parametrize("name", ["root", "docker", "sudo", "wheel", "lxd", "shadow"])
def test_a_privileged_name_is_refused(root, name):
    refused(root, "not that of a privileged group", wanted(name=name))


@pytest.mark.parametrize("name", ["www-data", "nobody"])
def test_an_account_of_the_system_is_refused(root, name):
    refused(root, "which belongs to the system", wanted(name=name))


@pytest.mark.parametrize("group", ["docker", "sudo", "shadow"])
def test_a_privileged_membership_is_refused_with_the_way_out(root, as_root, group):
    apply(root)
    tool(root, "usermod", "-a", "-G", group, "openclaw")
    assert f"gpasswd --delete openclaw {group}" in refused(root, f"in {group}, needed no privileged group")


def test_a_harmless_membership_is_left_alone(root, as_root):
    apply(root)
    tool(root, "groupadd", "certificates")
    tool(root, "usermod", "-a", "-G", "certificates", "openclaw")
    assert apply(root).actions == ()


@pytest.mark.parametrize("primary", ["docker", "nogroup", "www-data"])
def test_a_primary_group_of_another_name_is_refused(root, as_root, primary):
    tool(root, "useradd", "-r", "-g", primary, "-s", "/bin/false", "openclaw")
    refused(root, f"primary group '?{primary}'?, needed a group of its own")


def test_a_group_that_other_user_else_has_as_primary_is_refused(root, as_root):
    tool(root, "groupadd", "-g", "500", "openclaw")
    tool(root, "useradd", "-u", "501", "-g", "openclaw", "-s", "/usr/sbin/nologin", "alice")
    refused(root, "primary group of alice")
    tool(root, "useradd", "-r", "-u", "502", "-g", "openclaw", "-s", "/bin/false", "openclaw")
    refused(root, "primary group of alice")


def test_a_group_of_the_system_is_not_taken_over(root, as_root):
    tool(root, "groupadd", "-g", "50", "openclaw")
    refused(root, "group 'openclaw' with gid 50")


def test_no_argument_can_become_an_option(root):
    for action in accounts.plan(read(root), WANTED).actions:
        assert action.argv[-2:] == ("--", "openclaw")
