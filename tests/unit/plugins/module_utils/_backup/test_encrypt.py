"""Public keys are read, secret ones are refused without a word of them; what is sealed is opened again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import encrypt
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError

AGE = f"age1{'q' * 58}"
PGP = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
MODULE = SimpleNamespace(params={}, run_command_environ_update={})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(encrypt.lock, "host_wide", lambda name: str(tmp_path / f"{name}.lock"))
    return tmp_path


@pytest.mark.parametrize(("text", "kind"), [("", ""), (" \n", ""), (AGE, "age"), (f"{AGE}\n", "age"), (PGP, "gpg")])
def test_a_public_key_is_known(text: str, kind: str) -> None:
    assert encrypt.recipient("recipient", text).kind == kind


@pytest.mark.parametrize(
    "text",
    ["AGE-SECRET-KEY-1CANARY", "-----BEGIN PGP PRIVATE KEY BLOCK-----\ncanary", "canary", "age1short", "-rcanary",
     f"{AGE}\n{AGE}", "/etc/canary"],
)  # fmt: skip
def test_anything_else_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(HardeningError) as caught:
        encrypt.recipient("recipient", text)
    assert "canary" not in str(caught.value).lower()


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encrypt, "find_program", lambda _name: None)
    with pytest.raises(HardeningError, match="the package gnupg"):
        encrypt.need("gpg")


def test_no_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encrypt, "find_program", lambda name: name)
    with pytest.raises(HardeningError, match="set 'key'"), encrypt.opening(MODULE, "age", " ", "openclaw"):
        pass


def test_a_killed_runs_key_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encrypt, "find_program", lambda name: name)
    (folder / "key-openclaw-4999999").mkdir()  # above the highest number that the kernel gives
    (folder / "key-openclaw-4999999/key").write_text("old")
    (folder / f"key-openclaw-{os.getppid()}").mkdir()  # a run that is at work
    (folder / "key-openclaw-acme-4999999").mkdir()  # another project's
    with encrypt.opening(MODULE, "age", "new", "openclaw") as argv:
        assert Path(argv[-1]).read_text() == "new\n"
        assert Path(argv[-1]).stat().st_mode & 0o777 == 0o600
        assert "new" not in argv
    assert sorted(os.listdir(folder)) == [f"key-openclaw-{os.getppid()}", "key-openclaw-acme-4999999"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a home of gpg; the agent that gpg starts for it is ended."""
    folder = tmp_path / "h"
    folder.mkdir(mode=0o700)
    yield folder
    subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "all"], check=True)


@pytest.mark.skipif(not shutil.which("gpg"), reason="no gpg here")
def test_gpg_seals_and_opens(home: Path, tmp_path: Path) -> None:
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*gpg, "--passphrase", "", "--quick-gen-key", "backup", "default", "default"], check=True)
    public, secret = (
        subprocess.run([*gpg, "--armor", what], capture_output=True, text=True, check=True).stdout
        for what in ("--export", "--export-secret-keys")
    )
    with encrypt.sealing(encrypt.recipient("recipient", public), "openclaw") as argv:
        sealed = subprocess.run(argv, input=b"text", capture_output=True, check=True).stdout
    assert b"text" not in sealed
    with encrypt.opening(MODULE, "gpg", secret, "openclaw") as argv:
        assert subprocess.run(argv, input=sealed, capture_output=True, check=True).stdout == b"text"
    with (
        pytest.raises(HardeningError, match="not shown") as caught,
        encrypt.opening(MODULE, "gpg", "canary", "openclaw"),
    ):
        pass
    assert "canary" not in str(caught.value)
    assert [name for name in os.listdir(tmp_path) if name.startswith("key-")] == []
