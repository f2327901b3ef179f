"""The token: made once, kept, rotated on demand, refused when weak, and never shown."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import FileState, ManagedFile
from ansible_collections.openclaw.hardening.plugins.modules import gateway_token as subject
from unit.killing import killed_at

STRONG = "3f9c1ab2" * 7 + "00d4e6f7"
OTHER = hashlib.sha256(b"other").hexdigest()
UID, GID = 4242, 4243
WANTED = ManagedFile("/etc/openclaw/secrets/gateway_token", b"", 0o400, UID, GID, secret=True)


def state(content: str = STRONG, **change: object) -> FileState:
    return FileState(**{**FileState("file", content.encode(), 0o400, UID, GID, 1).__dict__, **change})


# --- strength -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [STRONG, STRONG.upper(), OTHER, OTHER * 2 + "0", hashlib.sha512(b"x").hexdigest()])
def test_a_random_token_is_strong(token):
    assert subject.weakness(token) == ""


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "fewer than 64 digits"),
        ("change-me", "not hexadecimal"),
        ("abcdef1234", "fewer than 64 digits"),
        (STRONG[:63], "fewer than 64 digits"),
        (OTHER + "\n", "not hexadecimal"),
        (OTHER[:-1] + "g", "not hexadecimal"),
        ("٣" * 64, "not hexadecimal"),
        ("0" * 64, "fewer than 8 different"),
        ("0123456" * 10, "fewer than 8 different"),
        ("aAbBcCdD" * 8, "fewer than 8 different"),
        ("0123456789abcdef" * 4, "repeats one pattern"),
        (OTHER * 2, "repeats one pattern"),
        ("0123456789abcde" * 5, "repeats one pattern"),
        (OTHER * 9, "more than 512"),
    ],
)
def test_a_weak_token_is_named_by_class(token, words):
    assert words in subject.weakness(token)
    assert not token or token not in subject.weakness(token)


def test_the_fingerprint_is_not_the_plain_hash_of_the_token():
    expected = hashlib.sha256(b"openclaw-gateway-token:" + STRONG.encode()).hexdigest()[:16]
    assert subject.fingerprint(STRONG) == expected
    assert subject.fingerprint(OTHER) != expected


# --- decide -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("existing", "value", "rotate", "actions", "token", "rotated"),
    [
        (None, "", False, ["make a token"], OTHER, False),
        (None, "", True, ["make a token"], OTHER, False),
        (None, STRONG, False, ["store the given token"], STRONG, False),
        (state(), "", False, [], STRONG, False),
        (state(), STRONG, False, [], STRONG, False),
        (state(), "", True, ["replace the token"], OTHER, True),
        (state("change-me"), "", True, ["replace the token"], OTHER, True),
        (state("change-me"), STRONG, False, ["replace the token"], STRONG, True),
        (state(STRONG + "\n"), "", False, ["correct the file and keep its token"], STRONG, False),
        (state(STRONG + "\n"), STRONG, False, ["correct the file and keep its token"], STRONG, False),
        (state(STRONG + "\r\n"), "", False, ["correct the file and keep its token"], STRONG, False),
        (state(mode=0o440), "", False, ["correct the file and keep its token"], STRONG, False),
        (state(uid=0), "", False, ["correct the file and keep its token"], STRONG, False),
    ],
)
def test_decide(existing, value, rotate, actions, token, rotated):
    plan = subject.decide(WANTED, existing, value, rotate, new_token=lambda: OTHER)
    assert (list(plan.actions), plan.token, plan.rotated) == (actions, token, rotated)


@pytest.mark.parametrize(
    ("existing", "value", "rotate", "words"),
    [
        (state("change-me"), "", False, ["gateway_token: found", "not hexadecimal", "'rotate'"]),
        (None, "0" * 64, False, ["value: found", "different digits", "openssl rand -hex 32"]),
        (state(), STRONG, True, ["rotate", "one of the two"]),
        (state(nlink=2), "", False, ["2 names", "-xdev -samefile", "rotate"]),
        (state(nlink=2), "", True, ["2 names"]),
        (state(type="directory"), "", False, ["a directory", "a regular file"]),
        (state(type="fifo"), STRONG, False, ["a fifo", "a regular file"]),
    ],
)
def test_decide_refuses(existing, value, rotate, words):
    with pytest.raises(HardeningError) as caught:
        subject.decide(WANTED, existing, value, rotate)
    for word in words:
        assert word in str(caught.value)
    assert "change-me" not in str(caught.value)
    assert "0" * 64 not in str(caught.value)


def test_new_tokens_are_strong_and_different():
    tokens = {subject.decide(WANTED, None, "", False).token for _turn in range(50)}
    assert len(tokens) == 50
    assert all(subject.weakness(token) == "" and len(token) == 64 for token in tokens)


# --- the module, for real -----------------------------------------------------------------------------------------


@pytest.fixture
def token_file(tmp_path: Path, as_root: None) -> Path:
    return tmp_path / "gateway_token"


@pytest.fixture
def run(run_module, token_file):
    def run(check: bool = False, **arguments: object) -> dict:
        return run_module(subject, check, **{"path": str(token_file), "uid": UID, "gid": GID, **arguments})

    return run


def without_value(result: dict, *tokens: str) -> dict:
    assert all(token not in str(result) for token in tokens)
    return result


def test_check_run_check_run(run, token_file):
    predicted = run(check=True)
    assert (predicted["changed"], predicted["actions"], predicted["fingerprint"]) == (True, ["make a token"], "")
    assert predicted["diff"]["before"] == "absent\n"
    assert not token_file.exists()

    made = run()
    token = token_file.read_text()
    without_value(made, token)
    assert made["changed"]
    assert made["actions"] == predicted["actions"]
    assert made["fingerprint"] == subject.fingerprint(token)
    assert made["diff"]["after"] == f"present (fingerprint {made['fingerprint']})\nowner {UID}:{GID}, mode 0400\n"
    found = token_file.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_size) == (0o400, UID, GID, 64)

    for check in (True, False):
        again = run(check=check)
        assert (again["changed"], again["actions"], again["fingerprint"]) == (False, [], made["fingerprint"])
        assert again["diff"]["before"] == again["diff"]["after"]
    assert token_file.read_text() == token
    assert os.listdir(token_file.parent) == [token_file.name]


def test_rotation_makes_another_token(run, token_file):
    first = run()
    old = token_file.read_text()
    predicted = run(check=True, rotate=True)
    assert (predicted["changed"], predicted["rotated"], predicted["fingerprint"]) == (True, True, "")
    assert token_file.read_text() == old
    second = without_value(run(rotate=True), old, token_file.read_text())
    assert second["rotated"]
    assert second["fingerprint"] == subject.fingerprint(token_file.read_text()) != first["fingerprint"]


def test_a_weak_token_is_refused_kept_and_can_be_rotated(run, token_file):
    token_file.write_text("hunter2")
    token_file.chmod(0o400)
    for check in (True, False):
        refused = without_value(run(check=check), "hunter2")
        assert refused["failed"]
        assert "'rotate'" in refused["msg"]
    assert token_file.read_text() == "hunter2"
    rotated = without_value(run(rotate=True), "hunter2", subject.fingerprint("hunter2"))
    assert rotated["rotated"]
    assert "a weak token" in rotated["diff"]["before"]


def test_a_given_token_is_stored_and_never_shown(run, token_file):
    result = without_value(run(value=STRONG), STRONG)
    assert result["changed"]
    assert token_file.read_text() == STRONG
    assert not run(value=STRONG)["changed"]
    assert not run()["changed"]


def test_owner_mode_and_newline_are_corrected_and_the_token_kept(run, token_file):
    token_file.write_text(STRONG + "\n")
    token_file.chmod(0o644)
    assert run(check=True)["actions"] == ["correct the file and keep its token"]
    assert not run()["rotated"]
    assert token_file.read_text() == STRONG
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o400
    assert run(mode="0600")["changed"]
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600


def test_planted_files_are_refused_and_untouched(run, token_file, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.write_text(STRONG)
    for plant in (token_file.symlink_to, token_file.hardlink_to):
        plant(theirs)
        before = theirs.stat()
        for rotate in (False, True):
            assert run(rotate=rotate)["failed"]
        after = theirs.stat()
        assert (after.st_uid, after.st_mode, after.st_mtime_ns) == (before.st_uid, before.st_mode, before.st_mtime_ns)
        assert theirs.read_text() == STRONG
        token_file.unlink()
    token_file.mkdir()
    assert "a directory" in run()["msg"]


def test_a_missing_directory_is_predicted_in_check_mode_and_refused_in_a_run(run_module, tmp_path, as_root):
    path = str(tmp_path / "secrets/gateway_token")
    assert run_module(subject, check=True, path=path, uid=UID, gid=GID)["changed"]
    assert "no directory" in run_module(subject, path=path, uid=UID, gid=GID)["msg"]


def test_a_directory_of_the_service_is_refused_in_check_mode_too(run_module, tmp_path, as_root):
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, UID, GID)
    for check in (True, False):
        refused = run_module(subject, check, path=str(home / "gateway_token"), uid=UID, gid=GID)
        assert f"directory of uid {UID}" in refused["msg"]
    assert os.listdir(home) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"uid": 0}, "uid: found 0, needed an integer from 1"),
        ({"gid": 0}, "gid: found 0"),
        ({"uid": "abc"}, "uid"),
        ({"mode": "0444"}, "value of mode must be one of"),
        ({"path": "relative"}, "an absolute path"),
        ({"path": "/a\nb"}, "printable"),
        ({"path": "/a$b"}, "without any of"),
        ({"value": "short"}, "fewer than 64 digits|hexadecimal"),
    ],
)
def test_bad_options_are_refused(run, token_file, change, words):
    refused = run(**change)
    assert refused["failed"]
    assert any(word in refused["msg"] for word in words.split("|"))
    assert not token_file.exists()


# --- killed, and full ---------------------------------------------------------------------------------------------


def test_killed_at_each_step_the_token_is_the_old_or_the_new_one_and_nothing_is_left(run_module, tmp_path, as_root):
    """What is left may hold a token, too; the next run removes it, also when it keeps the old one."""
    path = tmp_path / "token"
    options = {"path": str(path), "uid": UID, "gid": GID}
    run_module(subject, **options)
    cleaned = 0
    for step in range(100):
        before = path.read_text()
        killed = killed_at(step, lambda: run_module(subject, **options, rotate=True))
        now, there = path.read_text(), sorted(os.listdir(tmp_path))
        assert subject.weakness(now) == ""
        assert (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (UID, GID, 0o400)
        if not killed:
            break
        foretold, answer = run_module(subject, check=True, **options), run_module(subject, **options)
        assert answer["actions"] == foretold["actions"] == ["remove what a killed run left"] * (there != ["token"])
        cleaned += answer["changed"]
        assert path.read_text() == now
        assert os.listdir(tmp_path) == ["token"]
        assert run_module(subject, **options)["changed"] is False
    assert now != before
    assert cleaned >= 3


def test_a_full_disk_leaves_the_token(run_module, tmp_path, as_root):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=755", "x", str(tmp_path)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        path = tmp_path / "token"
        options = {"path": str(path), "uid": UID, "gid": GID}
        run_module(subject, **options)
        before = path.read_text()
        with suppress(OSError), open(tmp_path / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        failed = run_module(subject, **options, rotate=True)
        assert "No space left on device (errno 28), needed free space" in failed["msg"]
        assert (path.read_text(), sorted(os.listdir(tmp_path))) == (before, ["filler", "token"])
        (tmp_path / "filler").unlink()
        assert run_module(subject, **options, rotate=True)["rotated"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
