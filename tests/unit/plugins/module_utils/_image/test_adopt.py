"""What is left to do for an image that is there, and which records are believed."""

from __future__ import annotations

import os

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Image
from ansible_collections.openclaw.hardening.plugins.module_utils._image import adopt as subject
from ansible_collections.openclaw.hardening.plugins.modules import hardened_image
from unit.stub_docker import Daemon

pytestmark = pytest.mark.usefixtures("without_docker")

NAME = "openclaw:hardened"
ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")
RECORD = {
    "image_id": ONE,
    "ref": "openclaw-hardening-build:openclaw",
    "base": "5f3c",
    "content_hash": "7f63",
    "verified": "2026-11-25T02:14:09+00:00",
    "report": {"production": {"bytes": 1, "packages": 2}},
}


def wanted(record: dict | None = None) -> subject.Desired:
    given = RECORD if record is None else record
    return subject.Desired(NAME, ONE, "/var/lib/x", subject.record_of("record", given, ONE))


HERE = Image(id=ONE, tags=(NAME,))
WRITTEN = {**RECORD, "ref": NAME}


@pytest.mark.parametrize(
    ("existing", "actions"),
    [
        (subject.Existing(HERE, HERE, WRITTEN), ()),
        (subject.Existing(HERE, None, WRITTEN), ("tag",)),
        (subject.Existing(HERE, Image(id=TWO, tags=(NAME,)), WRITTEN), ("tag",)),
        (subject.Existing(HERE, HERE, {}), ("record",)),
        (subject.Existing(HERE, HERE, {**WRITTEN, "base_current": "2026-12-01"}), ("record",)),
        (subject.Existing(), ("tag", "record")),
    ],
)
def test_what_is_left_to_do(existing, actions):
    assert subject.decide(wanted(), existing).actions == actions


def test_without_a_record_none_is_written():
    assert subject.decide(wanted({}), subject.Existing(HERE, HERE, {})).actions == ()


def test_a_record_keeps_what_the_audit_reads_and_nothing_else():
    given = {**RECORD, "base_current": "2026-12-01", "more": "x" * 1000}
    assert subject.record_of("record", given, ONE) == {
        key: value for key, value in given.items() if key not in ("ref", "more")
    }


@pytest.mark.parametrize(
    "change",
    [{"image_id": TWO}, {"image_id": None}, {"verified": 7}, {"base": "line\nfeed"}, {"content_hash": "x" * 301},
     {"base_current": ["x"]}, {"report": {"x": "y" * 100_000}}],
)  # fmt: skip
def test_a_record_of_another_image_or_of_another_shape_is_refused(change):
    with pytest.raises(HardeningError, match="record: found"):
        subject.record_of("record", {**RECORD, **change}, ONE)


@pytest.fixture
def daemon(tmp_path):
    with Daemon(tmp_path) as daemon:
        yield daemon
        daemon.shutdown()


@pytest.fixture
def adopt(run_module, daemon, tmp_path):
    def run(identity=ONE, **options):
        given = {"state": "adopted", "name": NAME, "image_id": identity, "record": {**RECORD, "image_id": identity}}
        records = str(tmp_path / "records")
        return run_module(hardened_image, docker_host=daemon.host, record_dir=records, **{**given, **options})

    return run


def test_an_image_that_is_not_here_is_reported_and_nothing_is_done(adopt, daemon, tmp_path):
    answer = adopt()
    assert (answer["changed"], answer["missing"], answer["actions"]) == (False, True, [])
    assert not (tmp_path / "records").exists()


def test_a_name_moves_once_and_the_image_before_stays_for_a_rollback(adopt, daemon, as_root):
    daemon.add(ONE[7:])
    daemon.add(TWO[7:])
    assert adopt(ONE)["actions"] == ["tag", "record"]
    predicted = adopt(TWO, check=True)
    assert daemon.tagged(NAME) == ONE
    made = adopt(TWO)
    assert made["actions"] == predicted["actions"] == ["tag", "record"]
    assert made["diff"] == predicted["diff"]
    assert (daemon.tagged(NAME), daemon.tagged(f"{NAME}-previous")) == (TWO, ONE)
    assert not adopt(TWO)["changed"]


def test_what_a_killed_run_brought_in_goes_with_the_next_that_brings_another(daemon, tmp_path, as_root, run_module):
    daemon.add(ONE[7:])
    os.mkdir(tmp_path / "records")
    (tmp_path / "records/image-coming").write_text(f"{ONE}\n")
    api = client.client(daemon.host)
    subject.announce(api, subject.Desired(NAME, TWO, str(tmp_path / "records")))
    assert ONE not in daemon.images
    daemon.add(ONE[7:], "another user:else")
    subject.announce(api, subject.Desired(NAME, ONE, str(tmp_path / "records")))
    subject.announce(api, subject.Desired(NAME, TWO, str(tmp_path / "records")))
    assert ONE in daemon.images


def test_only_a_prediction_may_do_without_an_id(adopt):
    assert "image_id" in adopt("", record={})["msg"]
    answer = adopt("", record={}, check=True)
    assert (answer["changed"], answer["missing"]) == (False, True)
