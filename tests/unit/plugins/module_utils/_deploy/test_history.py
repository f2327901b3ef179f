"""What a host remembers of its deployments, on a real file system."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.history import (
    clear_rejection,
    damaged,
    differs,
    drift,
    fingerprint,
    look_deployed,
    read_deployed,
    read_rejected,
    record_of,
    reject,
    save_deployed,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed, safe_path
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ManagedFile, look
from ansible_collections.openclaw.hardening.plugins.module_utils._system import json_record

IMAGE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def mine(file: ManagedFile) -> ManagedFile:
    return replace(file, uid=os.getuid(), gid=os.getgid())


@pytest.fixture
def records(tmp_path, monkeypatch) -> str:
    monkeypatch.setattr(safe_path, "_vet", lambda *_: None)
    monkeypatch.setattr(json_record, "differences", lambda existing, file: managed.differences(existing, mine(file)))
    monkeypatch.setattr(json_record, "write", lambda file: managed.write(mine(file)))
    return str(tmp_path)


@pytest.fixture
def config(tmp_path) -> str:
    path = tmp_path / "openclaw.json"
    path.write_text("{}")
    return str(path)


def save(folder: str, path: str, image: str = IMAGE) -> None:
    save_deployed(folder, record_of("openclaw", "openclaw:hardened", image, now(path)))


def now(path: str) -> dict[str, str]:
    return {path: fingerprint(look(path))}


def test_what_was_proven_has_not_drifted(records, config):
    save(records, config)
    assert drift(read_deployed(records), IMAGE, now(config)) == []


def test_another_image_content_mode_or_nothing_at_all_has(records, config):
    save(records, config)
    deployed = read_deployed(records)
    assert drift(deployed, OTHER, now(config)) == [f"runs {OTHER}, deployed was {IMAGE}"]
    assert drift(deployed, "", now(config)) == [f"runs nothing, deployed was {IMAGE}"]
    os.chmod(config, 0o600 if os.stat(config).st_mode & 0o777 != 0o600 else 0o640)
    assert drift(deployed, IMAGE, now(config)) == [f"{config} was changed"]
    os.unlink(config)
    assert drift(deployed, IMAGE, now(config)) == [f"{config} was changed"]


def test_without_a_record_nothing_is_known(records):
    assert drift(read_deployed(records), IMAGE, {}) == ["nothing was deployed here by this collection"]


WHOLE = {"image_ref": "r", "image_id": IMAGE, "at": "t", "files": {"/x": "y"}}
DAMAGED = {
    "empty": "",
    "garbage": "\x00\xff{",
    "deep": "[" * 100_000,
    "a list": "[]",
    "an empty object": "{}",
    "a number as id": '{"image_id": 1}',
    "no files": json.dumps({**WHOLE, "files": []}),
    "a fingerprint that is none": json.dumps({**WHOLE, "files": {"/x": 1}}),
    "a path that is none": json.dumps({**WHOLE, "files": {"x": "y"}}),
    "another instance": json.dumps({**WHOLE, "project": "openclaw-acme"}),
    "another host": json.dumps({**WHOLE, "host": "0" * 32}),
    "truncated": json.dumps(WHOLE)[:-9],
}


@pytest.mark.parametrize("kind", [*DAMAGED, "a directory", "a link", "a hard link", "a fifo", "writable"])
def test_a_damaged_record_is_reported_kept_aside_and_rewritten(records, config, kind, monkeypatch):
    monkeypatch.setattr(history, "host_id", lambda: "1" * 32)
    place = f"{records}/deployed.json"
    if kind in DAMAGED:
        with open(place, "w", encoding="latin-1") as file:
            file.write(DAMAGED[kind])
        os.chmod(place, 0o600)
    elif kind == "a directory":
        os.makedirs(f"{place}/inner")
    elif kind == "a link":
        os.symlink(config, place)
    elif kind == "a hard link":
        os.link(config, place)
    elif kind == "a fifo":
        os.mkfifo(place)
    else:
        with open(place, "w", encoding="utf-8") as file:
            json.dump(WHOLE, file)
        os.chmod(place, 0o666)
    deployed, fault = look_deployed(records, "openclaw")
    assert deployed is None
    assert fault
    (line,) = damaged(records, "openclaw")
    assert line.startswith(f"{place} is damaged: ")
    assert drift(deployed, IMAGE, {}, [line])[0].startswith(f"the record {place} is damaged")
    for _again in range(2):  # what was kept aside before is replaced
        save(records, config)
        assert damaged(records, "openclaw") == []
        assert os.path.lexists(f"{place}.damaged")
        assert drift(read_deployed(records), IMAGE, now(config)) == []
        os.unlink(place)
        os.mkdir(place)
    with open(config, encoding="utf-8") as file:
        assert file.read() == "{}"


def test_a_record_of_an_earlier_version_is_believed_and_an_older_one_differs(records, config):
    with open(f"{records}/deployed.json", "w", encoding="utf-8") as file:
        json.dump({**WHOLE, "files": now(config)}, file)
    os.chmod(f"{records}/deployed.json", 0o600)
    deployed, fault = look_deployed(records, "openclaw")
    assert not fault
    assert differs(deployed, record_of("openclaw", "r", IMAGE, now(config))) == ""
    assert OTHER not in differs(deployed, record_of("openclaw", "r", OTHER, now(config)))
    assert "it differed in /other" in differs(
        deployed, record_of("openclaw", "r", IMAGE, {**now(config), "/other": "x"})
    )
    assert differs(None, record_of("openclaw", "r", IMAGE, {})) == "there was none"


def test_a_damaged_list_of_images_is_reported_and_begins_anew(records):
    with open(f"{records}/rejected.json", "w", encoding="utf-8") as file:
        file.write('{"images": {}}')
    os.chmod(f"{records}/rejected.json", 0o600)
    assert "rejected.json is damaged" in damaged(records)[0]
    reject(records, OTHER, "why")
    assert damaged(records) == []
    assert os.path.exists(f"{records}/rejected.json.damaged")
    assert len(read_rejected(records)) == 1


def test_the_same_deployment_is_not_written_again(records, config):
    save(records, config)
    before = os.stat(f"{records}/deployed.json").st_ino
    save(records, config)
    assert os.stat(f"{records}/deployed.json").st_ino == before


def test_an_image_that_was_taken_back_is_remembered_until_it_is_proven(records):
    reject(records, OTHER, "it died\n\x1b[2J")
    reject(records, IMAGE, "it never came")
    reject(records, OTHER, "again")
    assert [(entry["image_id"], entry["why"]) for entry in read_rejected(records)] == [
        (IMAGE, "it never came"),
        (OTHER, "again"),
    ]
    clear_rejection(records, IMAGE)
    assert [entry["image_id"] for entry in read_rejected(records)] == [OTHER]


def test_the_list_does_not_grow_for_ever(records):
    for number in range(30):
        reject(records, f"sha256:{number}", "why")
    assert [entry["image_id"] for entry in read_rejected(records)] == [f"sha256:{number}" for number in range(10, 30)]
