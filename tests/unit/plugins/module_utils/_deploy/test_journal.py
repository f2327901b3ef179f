"""The journal of a deployment, on a real file system; every point at which it can be cut off."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import (
    COMMITTING,
    PREPARING,
    STARTING,
    Deployment,
    Journal,
    Places,
    SavedFile,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed, safe_path
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import FileState, ManagedFile

BEFORE = Deployment(
    image_ref="openclaw:hardened",
    image_id="sha256:" + "a" * 64,
    container_id="c1",
    served=True,
    supervised=True,
    probe=Probe("127.0.0.1", 18789, 60, 10, started="/startupz", essential=("state-database",)),
    files=(SavedFile("/etc/openclaw/a", True, 0o640, 1, 2), SavedFile("/etc/openclaw/b", False, secret=True)),
    state_dir="/var/lib/openclaw/.openclaw",
    state_excludes=("workspace",),
    state_saved=True,
)
CONTENTS = (FileState("file", b"as it was", 0o640, 1, 2, 1), None)


@pytest.fixture
def places(tmp_path, monkeypatch) -> Places:
    # Root's own folders are demanded for root's files; the tests may run as another user below a shared /tmp.
    monkeypatch.setattr(safe_path, "_vet", lambda *_: None)
    monkeypatch.setattr(deploy_journal, "ensure_directory", lambda path, *_: Path(path).mkdir(exist_ok=True))
    monkeypatch.setattr(
        deploy_journal, "write", lambda file: managed.write(replace(file, uid=os.getuid(), gid=os.getgid()))
    )
    return Places(str(tmp_path / "records"))


def begin(places: Places, phase: str = PREPARING, before: Deployment = BEFORE) -> Journal:
    journal = Journal(phase, before, "sha256:" + "b" * 64, ("/etc/openclaw/old",), keeps=True)
    deploy_journal.begin(places, journal, CONTENTS)
    return journal


def test_what_is_written_is_what_is_read(places):
    journal = begin(places)
    assert deploy_journal.load(places) == journal
    later = deploy_journal.advance(places, replace(journal, phase=STARTING, restore_state=True))
    assert deploy_journal.load(places) == later


def test_only_root_can_read_it(places):
    begin(places)
    for path in Path(places.attempt).rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_files_of_before_come_back_byte_by_byte(places):
    begin(places)
    found = deploy_journal.saved_files(places.attempt, BEFORE)
    assert found == [
        (BEFORE.files[0], ManagedFile("/etc/openclaw/a", b"as it was", 0o640, 1, 2)),
        (BEFORE.files[1], None),
    ]


def test_a_content_that_is_gone_is_not_taken_for_an_empty_one(places):
    begin(places)
    Path(places.attempt, "files/0").unlink()
    with pytest.raises(HardeningError, match="the content of /etc/openclaw/a"):
        deploy_journal.saved_files(places.attempt, BEFORE)


def test_no_journal_no_attempt(places):
    assert deploy_journal.load(places) is None
    assert deploy_journal.load_previous(places) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 2}', '{"format": 1, "phase": "dancing"}'])
def test_a_journal_of_other_user_else_is_refused(places, text):
    begin(places)
    Path(places.attempt, "journal.json").write_text(text)
    with pytest.raises(HardeningError, match=r"journal\.json: found a damaged record .* move .*/attempt away"):
        deploy_journal.load(places)


def test_what_was_replaced_becomes_the_previous_deployment(places):
    journal = begin(places, COMMITTING)
    deploy_journal.keep(places, journal)
    assert deploy_journal.load(places) is None
    assert deploy_journal.load_previous(places) == BEFORE
    assert sorted(os.listdir(places.record_dir)) == ["previous"]
    assert sorted(os.listdir(places.previous)) == ["deployment.json", "files"]


def test_the_one_before_the_previous_goes(places):
    deploy_journal.keep(places, begin(places, COMMITTING))
    newer = replace(BEFORE, container_id="c2")
    deploy_journal.keep(places, begin(places, COMMITTING, newer))
    assert deploy_journal.load_previous(places) == newer
    assert sorted(os.listdir(places.record_dir)) == ["previous"]


@pytest.mark.parametrize("calls", range(12))
def test_keeping_can_be_cut_off_anywhere(places, monkeypatch, calls):
    """Cut off after each change of a directory, then done again: the same end, and no time without a deployment."""
    older = replace(BEFORE, container_id="older")
    deploy_journal.keep(places, begin(places, COMMITTING, older))
    journal = begin(places, COMMITTING)
    left = calls

    def counted(name: str):
        real = getattr(os, name)

        def call(*arguments, **options):
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "unlink", "rmdir"):
            patch.setattr(os, name, counted(name))
        with contextlib.suppress(KeyboardInterrupt):
            deploy_journal.keep(places, journal)
    again = deploy_journal.load(places)
    if again is None:
        deploy_journal.sweep(places)
    else:
        assert again.phase == COMMITTING
        deploy_journal.keep(places, again)
    assert deploy_journal.load_previous(places) == BEFORE
    assert sorted(os.listdir(places.record_dir)) == ["previous"]
    assert sorted(os.listdir(places.previous)) == ["deployment.json", "files"]


def test_an_attempt_without_a_journal_is_swept(places):
    begin(places)
    Path(places.attempt, "journal.json").unlink()
    deploy_journal.sweep(places)
    assert os.listdir(places.record_dir) == []


def test_clearing_forgets_it(places):
    begin(places)
    deploy_journal.clear(places)
    assert deploy_journal.load(places) is None
    assert os.listdir(places.record_dir) == []
