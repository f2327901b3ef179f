"""What is in a bundle: redacted before it is cut, bounded, and nothing of a hostile archive."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import zipfile

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose import bundle as subject
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.bundle import Bundle, shape, unzipped
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import LONG_WORD, Redactor

SECRET = "canary/plain+secret=of the operator"  # noqa: S105 (a canary)


def members(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as file:
        return {each.name: file.extractfile(each).read().decode() for each in file.getmembers()}  # type: ignore[union-attr]


def test_secrets_are_masked_in_texts_names_and_the_manifest() -> None:
    bundle = Bundle(Redactor([SECRET], LONG_WORD))
    encoded = base64.b64encode(f"user:{SECRET}".encode()).decode()
    bundle.add(f"units/{SECRET}.txt", f"x {SECRET} {encoded} {SECRET.encode().hex()} TOKEN=abcdefgh1")
    bundle.left_out.append(f"journal.txt: {SECRET}")
    packed = members(bundle.packed("x"))
    text = json.dumps(packed)
    for form in (SECRET, encoded, SECRET.encode().hex(), "abcdefgh1"):
        assert form not in text
    assert len(packed) == 2


def test_a_secret_at_the_cut_is_masked_and_the_end_of_a_log_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PART", 20)
    bundle = Bundle(Redactor([SECRET]))
    bundle.add("log", f"{'a' * 50}{SECRET}{'b' * 10}", tail=True)
    assert bundle.parts["log"] == "aa********bbbbbbbbbb"
    assert bundle.left_out == ["log: 48 of 68 characters"]


def test_the_whole_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "WHOLE", 15)
    bundle = Bundle(Redactor())
    for name in ("one", "two"):
        bundle.add(name, "0123456789")
    assert (list(bundle.parts), bundle.left_out) == (["one"], ["two: the bundle is full"])


def test_an_archive_is_for_its_owner_and_always_the_same() -> None:
    bundle = Bundle(Redactor())
    bundle.add("host.txt", "x")
    assert bundle.packed("x") == bundle.packed("x")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(bundle.packed("x")))) as file:
        assert {member.mode for member in file.getmembers()} == {0o600}


def zipped(**entries: str) -> str:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return base64.b64encode(raw.getvalue()).decode()


def test_names_of_a_hostile_archive_do_not_lead_out_and_a_bomb_is_cut() -> None:
    names = {"../x": "1", "/etc/passwd": "2", "a/../../b": "3", "a/b.json": "good", "bomb": "0" * (8 << 20)}
    found = dict(unzipped(zipped(**names)))
    assert set(found) == {"a/b.json", "bomb"}
    assert len(found["bomb"]) == 2 * subject.PART


@pytest.mark.parametrize("text", ["", "no base64", base64.b64encode(b"no archive").decode()])
def test_what_is_no_archive_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no ZIP archive"):
        list(unzipped(text))


def test_a_configuration_keeps_its_keys_and_no_text() -> None:
    tree = {"a": {"token": SECRET, "port": 1, "on": True}, "list": [SECRET, None]}
    text = json.dumps(shape(tree))
    assert SECRET not in text
    assert json.loads(text)["a"] == {"token": f"text of {len(SECRET)} characters", "port": 1, "on": True}
    deep: dict[str, object] = {}
    for _level in range(100):
        deep = {"a": deep}
    assert "…" in json.dumps(shape(deep), ensure_ascii=False)
