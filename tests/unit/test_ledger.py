"""What a host remembers of its deployments, on a real file system."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils import _files, _json_file, _walk
from ansible_collections.openclaw.hardening.plugins.module_utils._files import ManagedFile, look
from ansible_collections.openclaw.hardening.plugins.module_utils._ledger import (
    absolve,
    drift,
    fingerprint,
    read_deployed,
    read_rejected,
    reject,
    save_deployed,
)

IMAGE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def mine(file: ManagedFile) -> ManagedFile:
    return replace(file, uid=os.getuid(), gid=os.getgid())


@pytest.fixture
def records(tmp_path, monkeypatch) -> str:
    monkeypatch.setattr(_walk, "_vet", lambda *_: None)
    monkeypatch.setattr(_json_file, "differences", lambda existing, file: _files.differences(existing, mine(file)))
    monkeypatch.setattr(_json_file, "write", lambda file: _files.write(mine(file)))
    return str(tmp_path)


@pytest.fixture
def config(tmp_path) -> str:
    path = tmp_path / "openclaw.json"
    path.write_text("{}")
    return str(path)


def now(path: str) -> dict[str, str]:
    return {path: fingerprint(look(path))}


def test_what_was_proven_has_not_drifted(records, config):
    save_deployed(records, "openclaw:hardened", IMAGE, [config])
    assert drift(read_deployed(records), IMAGE, now(config)) == []


def test_another_image_content_mode_or_nothing_at_all_has(records, config):
    save_deployed(records, "openclaw:hardened", IMAGE, [config])
    deployed = read_deployed(records)
    assert drift(deployed, OTHER, now(config)) == [f"runs {OTHER}, deployed was {IMAGE}"]
    assert drift(deployed, "", now(config)) == [f"runs nothing, deployed was {IMAGE}"]
    os.chmod(config, 0o600 if os.stat(config).st_mode & 0o777 != 0o600 else 0o640)
    assert drift(deployed, IMAGE, now(config)) == [f"{config} was changed"]
    os.unlink(config)
    assert drift(deployed, IMAGE, now(config)) == [f"{config} was changed"]


def test_without_a_record_nothing_is_known(records):
    assert drift(read_deployed(records), IMAGE, {}) == ["nothing was deployed here by this collection"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"image_id": 1}'])
def test_a_record_that_cannot_be_read_is_none(records, text):
    with open(f"{records}/deployed.json", "w", encoding="utf-8") as file:
        file.write(text)
    assert read_deployed(records) is None


def test_the_same_deployment_is_not_written_again(records, config):
    save_deployed(records, "openclaw:hardened", IMAGE, [config])
    before = os.stat(f"{records}/deployed.json").st_ino
    save_deployed(records, "openclaw:hardened", IMAGE, [config])
    assert os.stat(f"{records}/deployed.json").st_ino == before


def test_an_image_that_was_taken_back_is_remembered_until_it_is_proven(records):
    reject(records, OTHER, "it died\n\x1b[2J")
    reject(records, IMAGE, "it never came")
    reject(records, OTHER, "again")
    assert [(entry["image_id"], entry["why"]) for entry in read_rejected(records)] == [
        (IMAGE, "it never came"),
        (OTHER, "again"),
    ]
    absolve(records, IMAGE)
    assert [entry["image_id"] for entry in read_rejected(records)] == [OTHER]


def test_the_list_does_not_grow_for_ever(records):
    for number in range(30):
        reject(records, f"sha256:{number}", "why")
    assert [entry["image_id"] for entry in read_rejected(records)] == [f"sha256:{number}" for number in range(10, 30)]
