"""A state that its owner made hard to copy holds up no other image; what only looks like an older file is not it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deployment import STATE, Deployment
from harness import ON_HOST, RECORDS, FaultHost, World
from proofs import reported, state_version, untouched
from test_full_disk import small_disk

OWNER = "install -o 1000 -g 1000"
NPM_TIME = "touch -d '1985-10-26T08:15:00Z'"
PACKAGE = f"{STATE}/extensions/plugin/package.json"
# As far as it matters here, the schema of OpenClaw 2026.9.6.
LOGIN = f"""
set -eu; cd {STATE}; {OWNER} -d state
setpriv --reuid=1000 --regid=1000 --clear-groups python3 - "$1" <<'PYTHON'
import json, sqlite3, sys
database = sqlite3.connect("state/openclaw.sqlite", isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("CREATE TABLE IF NOT EXISTS config_machine_state (state_key TEXT NOT NULL PRIMARY KEY, "
                 "value_json TEXT NOT NULL, updated_at_ms INTEGER NOT NULL) STRICT")
database.execute("CREATE TABLE IF NOT EXISTS seen (word TEXT)")
database.execute("INSERT INTO seen VALUES (?)", (sys.argv[1],))
store = {{"version": 1, "profiles": {{"anthropic:default": {{"type": "oauth", "refresh": sys.argv[1]}}}}}}
database.execute("REPLACE INTO config_machine_state VALUES ('authProfiles.store', ?, 1)", (json.dumps(store),))
PYTHON
{OWNER} -d credentials credentials/whatsapp credentials/whatsapp/default
echo "$1" > credentials/whatsapp/default/creds.json; chown 1000:1000 credentials/whatsapp/default/creds.json
"""
FOUND = f"""python3 - <<'PYTHON'
import json, sqlite3
database = sqlite3.connect("file:{STATE}/state/openclaw.sqlite?mode=ro", uri=True)
store = json.loads(database.execute("SELECT value_json FROM config_machine_state").fetchone()[0])
seen = [row[0] for row in database.execute("SELECT * FROM seen")]
print(json.dumps([store["profiles"]["anthropic:default"]["refresh"], seen,
                  open("{STATE}/credentials/whatsapp/default/creds.json").read().strip()]))
PYTHON"""


@contextmanager
def program(host: FaultHost, name: str, *argv: str) -> Iterator[None]:
    """Run one of on_host beside, until the block ends."""
    line = f"exec python3 {ON_HOST}/{name}.py {' '.join(argv)}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*host.ssh, line], text=True, **pipes)  # type: ignore[call-overload]
    try:
        assert process.stdout is not None
        output = process.stdout.readline()
        assert output in ("held\n", "mounted\n"), output + process.stderr.read()
        yield
    finally:
        # Ours alone, by the whole line.
        host.check(f"pkill --full --exact 'python3 {ON_HOST}/{name}.py {' '.join(argv)}' || true")
        host.check(f"umount --lazy {argv[1]} 2>/dev/null || true")
        process.communicate(timeout=20)


def test_leases_deep_directories_and_a_mount_that_never_answers(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    host.check(f"""
        setpriv --reuid=1000 --regid=1000 --clear-groups python3 - <<'PYTHON'
import os
os.chdir("{STATE}")
os.mkdir("hang"); open("leased", "w").write("a"); open(b"name \\xff\\n", "w").close()
os.mkdir("deep"); os.chdir("deep")
for _level in range(1500):
    os.mkdir("d"); os.chdir("d")
PYTHON
    """)
    with program(host, "hang_mount", "1000", f"{STATE}/hang"):
        with program(host, "hold_lease", "1000", f"{STATE}/leased", "1"), host.probed() as probes:
            answer = deployment.run("v2")
        assert answer.get("changed"), answer
        assert "'hang' (a mount point)" in str(answer["warnings"]), answer["warnings"]
        assert "leased" not in str(answer["warnings"])  # waited for, and copied
        back = deployment.run(state="previous")
        assert back.get("changed"), back
    assert state_version(deployment) == "1"
    assert (
        host.check(f"cat {STATE}/leased; echo; ls -d {STATE}/hang; find {STATE}/deep | wc -l")
        == f"a\n{STATE}/hang\n1501"
    )
    assert host.check(f"find {STATE} -name '*.hardening-tmp' | wc -l") == "0"
    note("hostile state: leases, 1500 levels, a mount that never answers", outcome="version 2 serves, and back",
         **reported(probes))  # fmt: skip


def test_a_file_with_the_times_of_an_older_one(before: World, deployment: Deployment, host: FaultHost) -> None:
    """Every file that npm packs has the same time; of two such versions only the content differs."""

    def install(version: str) -> None:
        host.check(f"""
            cd {STATE}; {OWNER} -d extensions extensions/plugin
            echo '{{"version": "{version}"}}' > {PACKAGE}; chown 1000:1000 {PACKAGE}; {NPM_TIME} {PACKAGE}
        """)

    install("1.2.3")
    assert deployment.run("v2")["changed"]  # the first copy
    install("1.2.4")
    assert deployment.run("v3")["changed"]  # the second, beside the first
    install("1.2.5")
    assert deployment.run(state="previous")["changed"]
    assert host.check(f"cat {PACKAGE}") == '{"version": "1.2.4"}'


def test_no_inodes_for_a_copy(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    with small_disk(deployment, RECORDS, "80m,nr_inodes=1500"):
        host.check(f"cd {STATE}; {OWNER} -d many; cd many; seq 1000 | xargs touch; chown -R 1000:1000 .")
        full = host.look()
        with host.probed() as probes:
            answer = deployment.run("v2")
        assert answer["failed"], answer
        assert "inodes free, needed" in answer["msg"]
        untouched(full, host.look())
        assert probes.failed == 0
        # The advice of the message: a security fix must not wait for room.
        assert "set 'copy_state'" in answer["msg"]
        fixed = deployment.run("v2", copy_state=False)
        assert fixed.get("changed"), fixed
        assert "there is no rollback" in str(fixed["warnings"])
        assert state_version(deployment) == "2"
    note("no inodes for a copy of the state", outcome="version 1 serves, not touched", **reported(probes),
         message=answer["msg"])  # fmt: skip


def test_a_login_that_rotated_between_upgrade_and_rollback(
    before: World, deployment: Deployment, host: FaultHost, note: Callable[..., None]
) -> None:
    def log_in(word: str) -> None:
        host.check(f"set -- {word}\n{LOGIN}")

    for keep, expected in ((False, "first"), (True, "rotated")):
        host.check(f"rm -rf {STATE}/state {STATE}/credentials")
        log_in("first")
        assert deployment.run("v2")["changed"]
        log_in("rotated")
        predicted = deployment.run(state="previous", keep_logins=keep, check=True)
        assert predicted["changed"], predicted
        assert ("comes back, with the logins of then" in str(predicted.get("warnings"))) is not keep, predicted
        back = deployment.run(state="previous", keep_logins=keep)
        assert back["changed"], back
        assert "rotated" not in str(back)
        assert state_version(deployment) == "1"
        assert json.loads(host.check(FOUND)) == [expected, ["first"], expected]
        assert host.check(f"stat -c '%u %a' {STATE}/state/openclaw.sqlite; ls {RECORDS} | grep -c logins || true") == (
            "1000 644\n0"
        )
        deployment.good()
    note("back on purpose, with a login that rotated", outcome="the state of before, the login of now")


def test_logins_in_another_form_are_refused_before_anything_changes(
    before: World, deployment: Deployment, host: FaultHost
) -> None:
    host.check(f"set -- first\n{LOGIN}")
    assert deployment.run("v2")["changed"]
    host.check(f"""python3 -c '
import sqlite3
database = sqlite3.connect("{STATE}/state/openclaw.sqlite")
database.execute("ALTER TABLE config_machine_state ADD more TEXT")
database.close()
'; rm -f {STATE}/state/*-wal {STATE}/state/*-shm""")
    newer = host.look()
    for check in (True, False):
        answer = deployment.run(state="previous", keep_logins=True, check=check)
        assert answer["failed"], answer
        assert "has other columns in the two versions" in answer["msg"]
        assert "set 'keep_logins'" in answer["msg"]
        assert host.look().files == newer.files
        assert host.look().container()["id"] == newer.container()["id"]
