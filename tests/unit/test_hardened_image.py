"""The module from arguments to result, against a daemon on a real socket and a real ``docker`` program."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._image import BASE_LABEL, CANDIDATE, CONTENT_LABEL
from ansible_collections.openclaw.hardening.plugins.modules import hardened_image as subject
from unit.stub_docker import Daemon

NAME = "openclaw:hardened"
REF = "registry.example/debian@sha256:" + "1" * 64
NPMRC = "//registry.example/:_authToken=npm_canary0123456789\n"


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    with Daemon(tmp_path) as daemon:
        monkeypatch.setenv("PATH", f"{daemon.programs}:{os.environ['PATH']}")
        yield daemon
        daemon.shutdown()


@pytest.fixture
def image(run_module, daemon):
    """Run the module on the stub daemon with a good recipe; keywords change it."""

    def run(**changes):
        options = {
            "name": NAME,
            "dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n",
            "base": {"source": "registry", "ref": REF},
            "docker_host": daemon.host,
            "record_dir": f"{os.path.dirname(daemon.path)}/records",
        }
        return run_module(subject, **{**options, **changes})

    return run


def test_a_first_run_builds_and_a_second_changes_nothing(image, daemon, tmp_path, as_root):
    predicted = image(check=True)
    assert (predicted["changed"], predicted["image_id"], daemon.builds) == (True, "", [])
    made = image()
    assert made["changed"]
    assert made["actions"] == predicted["actions"] == ["build", "verify", "tag"]
    assert made["image_id"] == daemon.tagged(NAME)
    assert made["diff"]["before"] == predicted["diff"]["before"]
    assert not any(tag.startswith(CANDIDATE) for found in daemon.images.values() for tag in found["RepoTags"])
    record = json.loads((tmp_path / "records/image.json").read_text())
    assert (record["image_id"], record["content_hash"]) == (made["image_id"], made["content_hash"])
    again = image()
    assert (again["changed"], again["actions"], again["image_id"]) == (False, [], made["image_id"])
    assert again["report"] == made["report"]
    assert len(daemon.builds) == 1


def test_the_build_gets_base_labels_and_secrets_but_no_content_of_them(image, daemon, tmp_path, as_root):
    (tmp_path / "npmrc").write_text(NPMRC)
    made = image(secrets={"npmrc": f"{tmp_path}/npmrc"}, build_args={"A": "b"})
    (argv,) = daemon.builds
    line = " ".join(argv)
    assert f"--host {daemon.host} buildx build --builder default" in line
    assert f"--build-arg A=b --build-arg BASE_IMAGE={REF}" in line
    assert f"--label {BASE_LABEL}={REF} --label {CONTENT_LABEL}={made['content_hash']}" in line
    assert f"--secret id=npmrc,src={tmp_path}/npmrc" in line
    assert "canary" not in line


def test_a_new_content_keeps_one_image_for_the_rollback(image, daemon, as_root):
    ids = [image(build_args={"A": value})["image_id"] for value in "123"]
    assert daemon.tagged(NAME) == ids[2]
    assert daemon.tagged(f"{NAME}-previous") == ids[1]
    assert ids[0] not in daemon.images


def test_the_content_before_gets_the_name_back_without_a_build(image, daemon, as_root):
    first = image(build_args={"A": "1"})["image_id"]
    image(build_args={"A": "2"})
    back = image(build_args={"A": "1"})
    assert (back["actions"], back["image_id"], daemon.tagged(NAME)) == (["verify", "tag"], first, first)


def test_a_second_instance_shares_the_image(image, daemon, as_root):
    first = image()
    second = image(name="openclaw-acme:hardened")
    assert (second["actions"], second["image_id"]) == (["tag"], first["image_id"])
    assert len(daemon.builds) == 1


def test_a_refused_image_never_gets_the_name(image, daemon, as_root):
    good = image()["image_id"]
    daemon.config["User"] = "root"
    refused = image(build_args={"A": "2"})
    assert refused["failed"]
    assert "it runs as root" in refused["msg"]
    assert daemon.tagged(NAME) == good
    assert list(daemon.images) == [good]


def test_a_failed_build_names_its_log_and_hides_credentials(image, daemon, tmp_path, monkeypatch, as_root):
    monkeypatch.setenv("STUB_BUILD_FAILS", "1")
    (tmp_path / "npmrc").write_text(NPMRC)
    failed = image(secrets={"npmrc": f"{tmp_path}/npmrc"})
    assert failed["rc"] == 7
    assert f"{tmp_path}/records/build.log" in failed["msg"]
    assert "building, token ********" in failed["msg"]
    assert "canary" not in json.dumps(failed["msg"])
    assert sorted(os.listdir(tmp_path / "records")) == ["build.log", "image.lock"]


def test_what_a_killed_run_left_is_swept(image, tmp_path, as_root):
    (tmp_path / "records/openclaw-build-x/source").mkdir(parents=True)
    assert image()["changed"]
    assert sorted(os.listdir(tmp_path / "records")) == ["build.log", "image.json", "image.lock"]


def test_a_run_that_waited_for_another_finds_its_image(image, daemon, tmp_path, as_root):
    (tmp_path / "records").mkdir(mode=0o700)
    results = []
    with (tmp_path / "records/image.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: results.append(image()))
        waiting.start()
        time.sleep(1)
        content = image(check=True)["content_hash"]
        identity = daemon.add("other", NAME, **{CONTENT_LABEL: content})
        (tmp_path / "records/image.json").write_text(json.dumps({"image_id": identity}))
    waiting.join(20)
    assert (results[0]["changed"], results[0]["image_id"], daemon.builds) == (False, identity, [])


def test_a_lost_record_is_made_again_from_a_new_verification(image, daemon, tmp_path, as_root):
    made = image()
    record = tmp_path / "records/image.json"
    record.unlink()
    assert image(check=True)["actions"] == ["verify"]
    again = image()
    assert (again["actions"], again["report"]["production"]) == (["verify"], made["report"]["production"])
    assert json.loads(record.read_text())["image_id"] == made["image_id"] == daemon.tagged(NAME)
    assert image()["actions"] == []


def test_check_mode_predicts_without_a_daemon(image, tmp_path):
    predicted = image(check=True, docker_host=f"unix://{tmp_path}/none.sock")
    assert (predicted["changed"], predicted["image_id"]) == (True, "")
    assert image(docker_host=f"unix://{tmp_path}/none.sock")["failed"]


def test_absent_takes_both_names_away(image, daemon, as_root):
    for value in "12":
        image(build_args={"A": value})
    assert image(state="absent", check=True)["actions"] == [f"untag {NAME}", f"untag {NAME}-previous"]
    assert daemon.tagged(NAME)
    assert image(state="absent")["changed"]
    assert daemon.images == {}
    assert not image(state="absent")["changed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "openclaw"}, "name: found 'openclaw'"),
        (
            {"base": {"source": "registry", "ref": "debian:13"}},
            "base.ref: found 'debian:13', needed a digest",
        ),
        ({"base": {"source": "registry", "ref": REF, "max_age_days": 0}}, "base.max_age_days: found 0"),
        ({"base": {"source": "debian", "packages": ["-x"]}}, "base.packages: found '-x'"),
        ({"base": {"source": "debian", "ref": REF}}, "base.ref"),
        ({"timeout": 1}, "timeout: found 1"),
        ({"record_dir": "relative"}, "record_dir: found 'relative', needed an absolute path"),
        ({"app_path": "/a\n"}, "app_path"),
        ({"docker_host": "ssh://x"}, "docker_host: found 'ssh://x'"),
        ({"secrets": {"npmrc": "/none"}}, "secrets.npmrc: found /none (No such file or directory)"),
    ],
)
def test_bad_input_is_refused_before_anything_happens(image, daemon, change, message):
    refused = image(**change)
    assert refused["failed"]
    assert message in refused["msg"]
    assert daemon.builds == []
    assert "records" not in os.listdir(os.path.dirname(daemon.path))
