"""Backups of the real OpenClaw, made while it is written to, and what comes back from them."""

from __future__ import annotations

import json
import time

import pytest
from life import (
    BACKUPS,
    CANARY,
    LONG,
    OPTIONS,
    PASTE,
    STATE,
    TOKEN_FILE,
    Life,
    deployed,
    last_row,
    look,
    surfaces,
    token_answers,
    written,
)

FIRST: dict[str, object] = {}


@pytest.fixture(scope="module")
def first(life: Life) -> dict[str, object]:
    """Return a backup that was made while rows were written, and what was there before it."""
    if not FIRST:
        life.alpha.run(PASTE)  # it stores the login, and fails because the configuration is not its own
        life.alpha.check(f"echo work > {STATE}/workspace/notes.md; chown openclaw: {STATE}/workspace/notes.md")
        with written(life.alpha):
            time.sleep(1)
            before = last_row(life.alpha)
            with life.alpha.probed() as probes:
                made = life.backup(life.alpha)
            after = last_row(life.alpha)
        token = life.alpha.check(f"cat {TOKEN_FILE}")
        FIRST.update(made=made, before=before, after=after, failed=probes.failed, token=token)
    return FIRST


def test_a_backup_under_load(life: Life, first: dict) -> None:
    made = first["made"]
    assert made["changed"], made
    assert (made["problems"], made["left_out"][:1]) == (
        [],
        ["the files that lock the image's packages: none were given"],
    )
    assert first["failed"] == 0
    assert first["after"] > first["before"] > 20
    rows = life.alpha.check(f"ls -la {BACKUPS}; stat -c %a {BACKUPS} {made['path']}").splitlines()[-2:]
    assert rows == ["700", "600"]
    # The operator can read it without this collection.
    life.alpha.write("/run/key", life.key_file.read_text())
    listed = life.alpha.check(f"age -d -i /run/key {made['path']} | zstd -d | tar t; rm /run/key")
    names = listed.splitlines()
    assert {"state/state/openclaw.sqlite", "secrets/gateway_token", "config/openclaw.json", "manifest.json"} <= set(
        names
    )
    assert not [name for name in names if name.endswith(("-wal", "-shm"))]


def test_another_host_uid_hostname_and_port(life: Life, first: dict) -> None:
    archive = life.bring(first["made"]["path"], life.alpha)
    done = life.restore(
        life.beta, str(archive), openclaw_restore_from="controller", openclaw_user_uid=1234, openclaw_gateway_port=18999
    )
    assert done.returncode == 0, done.stdout[-6000:]
    found = look(life.beta)
    assert (found["uid"], found["login"], found["notes"]) == (1234, True, "work\n")
    assert found["rows"] >= first["before"]
    assert token_answers(life.beta, first["token"], 18999) == "200"
    assert token_answers(life.beta, "0" * 64, 18999) == "401"
    assert "gateway.controlUi.allowedOrigins: another value" in done.stdout
    foreign = life.beta.check(f"find {STATE} ! -user 1234 ! -name '*-wal' ! -name '*-shm'")
    assert foreign == ""
    assert life.beta.run("test -e /var/lib/openclaw-hardening/restore").returncode != 0
    record = json.loads(life.beta.check(f"cat {BACKUPS}/*.json || echo '{{}}'"))
    assert record == {}  # it was made elsewhere


def test_a_run_that_is_killed_while_it_backs_up(life: Life, first: dict) -> None:
    host = life.alpha
    before = host.check(f"ls {BACKUPS}")
    host.write("/root/arguments", host.arguments("gateway_backup", {**OPTIONS, "recipient": life.public}))
    ended = host.check(f"{' '.join(host.program('gateway_backup'))} < /root/arguments > /dev/null 2>&1 & pid=$!\n"
                       f"for _ in $(seq 400); do ls -A {BACKUPS} | grep -q hardening-tmp && break; sleep 0.01; done\n"
                       "kill -KILL $pid; wait $pid || echo $?")  # fmt: skip
    assert ended == "137"
    assert host.check(f"ls {BACKUPS}") == before
    made = life.backup(host)
    assert made["changed"], made
    assert host.check(f"ls -A {BACKUPS} | grep -c '^[.]' || true") == "0"


def test_what_is_refused_changes_nothing(life: Life, first: dict) -> None:
    host = life.alpha
    world = host.look()
    inside = life.backup(host, directory=f"{STATE}/backups")
    assert "set 'directory'" in inside["msg"]
    bad = f"{BACKUPS}/openclaw-20200101T000000Z.tar.zst.age"
    host.check(f"cp {first['made']['path']} {bad}; printf X | dd of={bad} bs=1 seek=1000000 conv=notrunc status=none")
    refused = life.restore(host, bad)
    assert refused.returncode != 0
    assert "nothing was changed" in refused.stdout
    other = host.check("age-keygen 2>/dev/null")
    wrong = host.module(
        "gateway_backup", {**OPTIONS, "state": "verified", "key": other, "archive": first["made"]["path"]}
    )
    assert "age" in wrong["msg"]
    assert "AGE-SECRET" not in json.dumps(wrong)
    host.check(f"rm {bad}")
    after = host.look()
    assert after.left_over(world) == []
    assert after.container()["id"] == world.container()["id"]


def test_one_for_a_gnupg_key_opens_with_its_secret_half_alone(life: Life, first: dict) -> None:
    """The pair is made on the other host: neither half of it was ever on the host that is backed up."""
    other, host = life.beta, life.alpha
    gpg = "gpg --homedir /root/pair --batch --quiet --passphrase ''"
    other.check("apt-get install --yes --no-install-recommends gnupg gpg-agent >/dev/null 2>&1")
    try:
        other.check(f"mkdir -m 0700 /root/pair; {gpg} --quick-gen-key backup@example.test default default 2>&1")
        public = other.check(f"{gpg} --armor --export")
        secret = other.check(f"{gpg} --pinentry-mode loopback --armor --export-secret-keys")
    finally:
        other.check("gpgconf --homedir /root/pair --kill all; rm -rf /root/pair")
    run = life.play("backup.yml", host, openclaw_backup_recipient=public)
    assert run.returncode == 0, run.stdout[-3000:]
    (path,) = host.check(f"ls {BACKUPS}/*.gpg").splitlines()
    try:
        assert json.loads(host.check(f"cat {path}.json"))["secrets"]
        assert host.check(f"grep -c -a -e {CANARY} -e {first['token']} {path} || true") == "0"
        options = {**OPTIONS, "state": "verified", "archive": path}
        wrong = host.module("gateway_backup", {**options, "key": life.key_file.read_text()})
        assert wrong["failed"], wrong
        right = host.module("gateway_backup", {**options, "key": f"{secret}\n"})
        assert not right.get("failed"), right
        assert surfaces(host, secret.splitlines()[3]) == []
        assert host.run("pgrep -a gpg-agent; ls -d /root/.gnupg").stdout == ""
    finally:
        host.check(f"rm -f {path} {path}.json")


@pytest.mark.skipif(not LONG, reason="four starts of OpenClaw: LIFECYCLE=long")
def test_a_restore_that_is_killed_and_an_older_state_that_can_be_undone(life: Life, first: dict) -> None:
    """The older state comes back in one run after the kill; the rollback brings the newer one again."""
    host, made = life.alpha, first["made"]
    now = look(host)
    assert now["rows"] >= first["after"]
    key = life.key_file.read_text()
    unpacked = host.module("gateway_backup", {**OPTIONS, "state": "unpacked", "key": key, "archive": made["path"]})
    options = {**deployed(host), "state_source": unpacked["state_source"]}
    cut = host.interrupt("hardened_compose", options, phase="starting", what="group")
    assert (cut.reached is not None, cut.rc) == (True, -9), cut
    done = life.restore(host, str(made["path"]))
    assert done.returncode == 0, done.stdout[-6000:]
    back = look(host)
    assert first["before"] <= back["rows"] <= first["after"]
    assert token_answers(host, str(first["token"]), 18789) == "200"
    assert json.loads(host.check(f"cat {made['path']}.json"))["verified_at"]
    again = life.play("rollback.yml", host)
    assert again.returncode == 0, again.stdout[-6000:]
    assert look(host)["rows"] == now["rows"]


def test_no_secret_where_none_belongs(life: Life, first: dict) -> None:
    host = life.alpha
    made = life.backup(host, recipient="")
    assert not made["secrets"]
    found = host.check(f"zstd -dc {made['path']} | grep -c -a -e {CANARY} -e {first['token']} || true")
    assert found == "0"
    secret = next(line for line in life.key_file.read_text().splitlines() if line.startswith("AGE-SECRET"))
    assert surfaces(host, secret) == []
    assert not made["problems"]
