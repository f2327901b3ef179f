"""The module as Ansible runs it, on accounts that are real to it: in a mount namespace with an /etc of its own."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import DirectoryState
from ansible_collections.openclaw.hardening.plugins.module_utils._system import accounts
from ansible_collections.openclaw.hardening.plugins.modules import service_user as subject

ACCOUNTS = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\nalice:x:1001:1001::/srv/alice:/bin/bash\n",
    "group": "root:x:0:\nalice:x:1001:\ndocker:x:990:\n",
    "shadow": "root:*:19000:0:99999:7:::\nalice:$y$hash:19000::::::\n",
    "gshadow": "",
    "subuid": "",
    "subgid": "",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\n",
    "login.defs": "UID_MIN 1000\nSYS_UID_MAX 999\nUSERGROUPS_ENAB yes\nCREATE_HOME yes\n",
}
RUNNER = """
import json, os, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.openclaw.hardening.plugins.modules import service_user
for arguments in json.load(sys.stdin):
    if os.fork() == 0:
        with patch_module_args(arguments):
            service_user.main()
    os.wait()
"""
# The lock is below /run.
ENTER = 'mount --bind "$1" /etc && mount -t tmpfs -o mode=755 tmpfs /run && shift && exec "$@"'
# Stands before the real program on the PATH; $PPID is the module.
KILLER = """#!/bin/sh
{before}
kill -9 $PPID
"""
Run = Callable[..., dict]


@pytest.fixture
def etc(tmp_path: Path, as_root: None) -> Path:
    """Make a folder that the module and useradd see as /etc."""
    folder = tmp_path / "etc"
    (folder / "skel").mkdir(parents=True)
    (folder / "skel/.profile").touch()
    for name, content in ACCOUNTS.items():
        (folder / name).write_text(content)
    if subprocess.run([*entered(folder), "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no mount namespace")
    return folder


def entered(etc: Path) -> list[str]:
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", str(etc)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "lib/openclaw"


@pytest.fixture
def run(etc: Path, home: Path, tmp_path: Path) -> Run:
    home.parent.mkdir()

    def arguments(check: bool, change: dict) -> dict:
        directories = [
            {"path": f"{home}/.openclaw/workspace", "mode": "0700", "owner": "user", "group": "user"},
            {"path": f"{home}/.openclaw", "mode": "0700", "owner": "user", "group": "user"},
            {"path": f"{home}-hardening", "mode": "0711"},
        ]
        wanted = {"name": "openclaw", "home": str(home), "directories": directories, **change}
        return {**wanted, "_ansible_check_mode": check, "_ansible_diff": True}

    def run(check: bool = False, changes: list[dict] | None = None, **change: object) -> dict | list[dict]:
        output = subprocess.run(
            [*entered(etc), sys.executable, "-c", RUNNER],
            input=json.dumps([arguments(check, each) for each in changes or [change]]),
            env={
                **os.environ,
                "PYTHONPATH": str(Path(".collections").absolute()),
                "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if (tmp_path / "bin").exists():
            return output.stdout
        results = [json.loads(line) for line in output.stdout.splitlines() if line]
        assert len(results) == len(changes or [change]), output.stderr
        return results if changes else results[0]

    return run


def owner_and_mode(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def snapshot(*folders: Path) -> dict[str, object]:
    return {
        str(path): (path.lstat()[:6], path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
        for folder in folders
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def test_check_run_check_run(run, etc, home):
    before = snapshot(etc, home.parent)
    predicted = run(check=True)
    assert snapshot(etc, home.parent) == before
    made = run()
    assert made == {**predicted, "invocation": made["invocation"]}
    assert made["changed"]
    assert (made["uid"], made["gid"], made["name"], made["home"]) == (1000, 1000, "openclaw", str(home))
    assert made["actions"] == [
        "create group openclaw (gid 1000)",
        "create account openclaw (uid 1000)",
        f"create directory {home}",
        f"create directory {home}-hardening",
        f"create directory {home}/.openclaw",
        f"create directory {home}/.openclaw/workspace",
    ]
    assert owner_and_mode(home) == (1000, 1000, 0o750)
    assert owner_and_mode(home / ".openclaw/workspace") == (1000, 1000, 0o700)
    assert owner_and_mode(home.with_name("openclaw-hardening")) == (0, 0, 0o711)
    assert os.listdir(home) == [".openclaw"]  # nothing of /etc/skel
    assert (etc / "subuid").read_text() == ""

    rested = snapshot(etc, home.parent)
    for check in (True, False):
        again = run(check=check)
        assert (again["changed"], again["actions"], again["diff"]) == (False, [], [])
        assert (again["uid"], again["gid"]) == (1000, 1000)
    assert snapshot(etc, home.parent) == rested


def test_drift_is_shown_and_corrected_and_content_left_alone(run, home, etc):
    run()
    (home / ".openclaw/theirs").touch(mode=0o666)
    (home / ".openclaw").chmod(0o777)
    os.chown(home / ".openclaw", 0, 0)
    passwd = etc / "passwd"
    passwd.write_text(passwd.read_text().replace("/usr/sbin/nologin", "/bin/false"))
    theirs = snapshot(home / ".openclaw/theirs")
    predicted, done = run(check=True), run()
    assert predicted["diff"] == done["diff"]
    assert done["actions"] == ["correct account openclaw: shell", f"correct directory {home}/.openclaw"]
    assert "shell: /bin/false" in done["diff"][0]["before"]
    assert done["diff"][1]["before"] == "owner 0:0, mode 0777\n"
    assert done["diff"][1]["after"] == "owner 1000:1000, mode 0700\n"
    assert snapshot(home / ".openclaw/theirs") == theirs
    assert not run()["changed"]


def test_a_comment_is_taken_as_it_is(run, etc):
    assert run(comment="~root/service")["changed"]
    assert ":~root/service:" in (etc / "passwd").read_text()
    assert not run(comment="~root/service")["changed"]


def test_two_accounts_side_by_side(run, tmp_path):
    first = run()
    second = run(name="openclaw-acme", home=str(tmp_path / "lib/openclaw-acme"), directories=[])
    assert (first["uid"], second["uid"]) == (1000, 999)
    assert owner_and_mode(tmp_path / "lib/openclaw-acme") == (999, 999, 0o750)


@pytest.mark.parametrize("where", [".openclaw", ".openclaw/workspace", ""])
def test_planted_links_are_refused_before_any_change(run, etc, home, tmp_path, where):
    outside = tmp_path / "outside"
    (outside / "workspace").mkdir(parents=True)
    planted = home / where
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.symlink_to(outside)
    before = snapshot(etc, outside, home.parent)
    for check in (True, False):
        refused = run(check=check)
        assert refused["failed"]
        assert f"{planted}".rstrip("/") + ": found a symbolic link to" in refused["msg"]
    assert snapshot(etc, outside, home.parent) == before


BAD = [
    ({"uid": "0"}, ["uid: found '0'", "'auto' or an integer from 100", "set 'uid'"]),
    ({"uid": 0}, ["uid: found '0'"]),
    ({"uid": "99"}, ["uid: found '99'"]),
    ({"uid": "1000\n"}, ["uid: found"]),
    ({"uid": "9" * 100_000}, ["uid: found '999", "(100002 characters)"]),
    ({"uid": "65534"}, ["which means nobody"]),
    ({"uid": "1001"}, ["account 'alice'"]),
    ({"name": "alice"}, ["looks like a person's account"]),
    ({"name": "root"}, ["privileged group"]),
    ({"name": "docker"}, ["privileged group"]),
    ({"name": "a b"}, ["name: found 'a b'", "set 'name'"]),
    ({"name": "--root"}, ["name: found '--root'"]),
    ({"home": "relative"}, ["home: found 'relative'", "an absolute path"]),
    ({"home": "/srv/../etc"}, ["home: found", "without '.', '..'"]),
    ({"home": "/srv/a:b"}, ["home: found '/srv/a:b'", "without ':'"]),
    ({"home": "/proc/1"}, ["home: found '/proc/1'", "not below /dev, /proc or /sys"]),
    ({"home": "$HOME/x"}, ["home: found '$HOME/x'"]),
    ({"home": "/var/lib"}, ["a directory of the system"]),
    ({"home": "/etc"}, ["a directory of the system"]),
    ({"home": "/srv/alice"}, ["the home of account 'alice'"]),
    ({"home": "/no/such/parent/home"}, ["found no directory /no/such/parent"]),
    ({"shell": "/bin/bash"}, ["shell: found '/bin/bash'", "nologin or false"]),
    ({"shell": "/gone/nologin"}, ["shell: found nothing to run at /gone/nologin"]),
    ({"comment": "a:b"}, ["comment: found 'a:b'", "without ':'"]),
    ({"comment": "a\nroot::0:0::/:/bin/sh"}, ["comment: found", "one line"]),
    ({"directories": [{"path": "/var/log", "mode": "0755"}]}, ["/var/log: found a directory of the system"]),
    ({"directories": [{"path": "/srv/x", "mode": "0777"}]}, ["directories: found '0777'", "without the bits"]),
    ({"directories": [{"path": "/srv/x", "mode": 493}]}, ["directories: found '493'", "quoted mode"]),
    ({"directories": [{"path": "/srv/x", "mode": "0755", "owner": "alice"}]}, ["value of owner must be one of"]),
    ({"directories": [{"path": "/srv/alice", "mode": "0755"}]}, ["the home of account 'alice'"]),
]


def test_bad_options_are_refused_before_any_change(run, etc, home):
    before = snapshot(etc, home.parent)
    for check in (True, False):
        results = run(check=check, changes=[change for change, _words in BAD])
        for (change, words), result in zip(BAD, results, strict=True):
            assert result.get("failed"), change
            for word in words:
                assert word in result["msg"], change
    assert snapshot(etc, home.parent) == before


def test_a_program_that_fails_is_named_with_its_output(run, etc):
    (etc / "passwd.lock").write_text(f"{os.getpid()}\0")
    failed = run()
    assert failed["failed"]
    assert failed["cmd"][0] in ("groupadd", "useradd")
    assert failed["rc"] != 0
    assert "cannot lock /etc/passwd" in failed["stderr"]


# --- pure parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["groupadd", "useradd", "usermod"])
@pytest.mark.parametrize("done", [False, True])
def test_killed_between_two_steps_the_next_run_converges(run, etc, home, tmp_path, program, done):
    if program == "usermod":
        run(shell="/bin/false", directories=[])
    (tmp_path / "bin").mkdir()
    killer = tmp_path / "bin" / program
    killer.write_text(KILLER.format(before=f'{shutil.which(program)} "$@"' if done else ":"))
    killer.chmod(0o755)
    assert run() == ""
    shutil.rmtree(tmp_path / "bin")
    foretold, answer = run(check=True), run()
    assert answer["actions"] == foretold["actions"]
    assert answer["changed"] is True, "at least a directory was missing"
    assert run()["changed"] is False
    (line,) = [line for line in (etc / "passwd").read_text().splitlines() if line.startswith("openclaw:")]
    assert line.endswith(f":{home}:{accounts.find_shell()}")
    assert [line.split(":")[1] for line in (etc / "shadow").read_text().splitlines() if "openclaw" in line] == ["!"]
    # Of the lock and temporary files of shadow, such as passwd.lock and passwd.4711.
    assert [path.name for path in etc.glob("*.*") if path.name not in {*ACCOUNTS, ".pwd.lock"}] == []


@pytest.mark.parametrize("free", [0, 4, 8, 12, 16])
def test_a_full_disk_is_named_and_leaves_whole_databases(run, etc, home, free):
    """The programs of shadow write a database as a whole or not at all; the next run goes on where they stopped."""
    kept = {path.name: path.read_text() for path in etc.iterdir() if path.is_file()}
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=755", "x", str(etc)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        for name, content in kept.items():
            (etc / name).write_text(content)
        room = os.statvfs(etc)
        (etc / "filler").write_bytes(bytes(room.f_bavail * room.f_bsize - free * 1024))
        failed = run()
        assert failed["failed"]
        assert "exit code" in failed["msg"]
        assert [len(line.split(":")) for line in (etc / "passwd").read_text().splitlines()][:2] == [7, 7]
        (etc / "filler").unlink()
        assert run()["changed"] is True
        assert run()["changed"] is False
    finally:
        subprocess.run(["umount", str(etc)], check=True)


def test_directories_come_parents_first_with_the_home_among_them():
    entries = [{"path": path, "mode": "0700", "owner": "root", "group": "user"} for path in ("/srv/a/b/c", "/srv/a/b")]
    wanted = subject.check_directories("/srv/a", entries)
    assert [directory.path for directory in wanted] == ["/srv/a", "/srv/a/b", "/srv/a/b/c"]
    assert wanted[0] == subject.Directory("/srv/a", 0o750, "user", "user")
    named = subject.check_directories("/srv/a", [{"path": "/srv/a", "mode": "0700", "owner": "user", "group": "root"}])
    assert named == [subject.Directory("/srv/a", 0o700, "user", "root")]


def test_decide_directories():
    wanted = subject.check_directories("/srv/a", [{"path": "/srv/b", "mode": "0711", "owner": "root", "group": "user"}])
    plan = accounts.Plan(7, 8, (), {}, {})
    right = {"/srv": DirectoryState(0o755, 0, 0), "/srv/a": DirectoryState(0o750, 7, 8)}
    changes = subject.decide_directories(wanted, {**right, "/srv/b": None}, plan)
    assert changes == [("/srv/b", DirectoryState(0o711, 0, 8))]
    assert subject.decide_directories(wanted, {**right, "/srv/b": DirectoryState(0o711, 0, 8)}, plan) == []
    with pytest.raises(HardeningError, match="no directory /srv"):
        subject.decide_directories(wanted, {"/srv": None, "/srv/a": None, "/srv/b": None}, plan)


def test_the_documentation_lists_the_privileged_groups():
    listed = subject.DOCUMENTATION.split("privileged group (")[1].split(")")[0]
    assert tuple(listed.replace("\n", " ").replace(",", " ").split()) == accounts.PRIVILEGED_GROUPS


def test_what_is_in_a_directory_is_given_to_its_owner_when_asked_for(run, home):
    run()
    state = home / ".openclaw"
    (state / "restored").mkdir()
    (state / "restored/file").touch()
    assert not run()["changed"]
    wanted = {"directories": [{"path": str(state), "mode": "0700", "owner": "user", "group": "user", "contents": True}]}
    predicted = run(check=True, **wanted)
    assert predicted["actions"] == [f"give 2 entries in {state} to their owner"]
    assert (state / "restored/file").stat().st_uid == 0
    assert run(**wanted)["actions"] == predicted["actions"]
    assert owner_and_mode(state / "restored/file")[:2] == (1000, 1000)
    assert not run(**wanted)["changed"]
