"""The module from arguments to result, against a daemon on a real socket and a real ``docker`` program."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._image import base, build, cleanup
from ansible_collections.openclaw.hardening.plugins.module_utils._image.recipe import (
    BASE_LABEL,
    CONTENT_LABEL,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._image.tags import CANDIDATE
from ansible_collections.openclaw.hardening.plugins.modules import hardened_image as subject
from unit.stub_docker import Daemon

pytestmark = pytest.mark.usefixtures("without_docker")

NAME = "openclaw:hardened"
REF = "registry.example/debian@sha256:" + "1" * 64
CA = (Path(__file__).parents[2] / "recorded/ca.pem").read_text()
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


def test_proxy_and_ca_reach_the_builder_and_are_no_part_of_the_content(image, daemon, tmp_path, as_root):
    plain = image()
    way = {"proxy": "http://proxy.example:3128", "no_proxy": [".example.org"], "ca": CA}
    assert image(**way)["changed"] is False
    made = image(**way, build_args={"A": "b"})
    assert made["content_hash"] == image(build_args={"A": "b"})["content_hash"] != plain["content_hash"]
    line = " ".join(daemon.builds[-1])
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        assert f"--build-arg {name}=http://proxy.example:3128 " in line
    assert "--build-arg no_proxy=localhost,127.0.0.1,::1,.example.org " in line
    assert re.search(rf"--secret id=ca,src={tmp_path}/records/openclaw-build-\w+/\.openclaw-ca\.pem ", line)
    # A file of the build host goes before it.
    (tmp_path / "ca").write_text("other")
    image(**way, build_args={"A": "c"}, secrets={"ca": f"{tmp_path}/ca"})
    assert " ".join(daemon.builds[-1]).count("--secret id=ca") == 1
    assert f"--secret id=ca,src={tmp_path}/ca " in " ".join(daemon.builds[-1])


@pytest.mark.parametrize(
    ("option", "value"),
    [("proxy", "http://me:canary@proxy.example:1"), ("ca", "canary"), ("no_proxy", ["-x"]), ("build_dir", "canary/x")],
)
def test_a_way_out_that_is_none_is_refused_before_anything(image, daemon, tmp_path, as_root, option, value):
    refused = image(**{option: value}, hints={option: f"openclaw_{option}"})
    assert refused["msg"].startswith(f"{option}: found ")
    assert refused["msg"].endswith(f"; set '{option}' (openclaw_{option})")
    assert "me:" not in refused["msg"]
    assert daemon.builds == []
    assert not (tmp_path / "records").exists()


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


def test_what_a_killed_run_left_is_removed_also_when_nothing_else_is_to_do(image, daemon, tmp_path, as_root):
    made = image()["image_id"]
    (tmp_path / "records/openclaw-build-x/source").mkdir(parents=True)
    others = f"{CANDIDATE}:{'1' * 32}-{'0' * 12}"  # of another instance, which may be at work
    daemon.add("a", f"{CANDIDATE}:{'1' * 32}{build.candidate_suffix(NAME)}", **{CONTENT_LABEL: "other"})
    daemon.add("b", others, **{CONTENT_LABEL: "other"})
    daemon.add("c", **{base.DIGEST_LABEL: "an old base"})
    daemon.tag(made, f"{NAME}-retired")
    assert image(check=True)["actions"] == ["clean"]
    assert image()["actions"] == ["clean"]
    assert {tag for found in daemon.images.values() for tag in found["RepoTags"]} == {NAME, others}
    assert "sha256:c" not in daemon.images
    assert sorted(os.listdir(tmp_path / "records")) == ["build.log", "image.json", "image.lock", "options"]
    assert image()["actions"] == []


def test_absent_removes_what_a_killed_run_left(image, daemon, tmp_path, as_root):
    (tmp_path / "records/openclaw-build-x").mkdir(parents=True)
    daemon.add("a", f"{CANDIDATE}:{'1' * 32}{build.candidate_suffix(NAME)}", **{CONTENT_LABEL: "other"})
    assert image(state="absent", check=True)["actions"] == ["clean"]
    assert image(state="absent")["actions"] == ["clean"]
    assert daemon.images == {}
    assert os.listdir(tmp_path / "records") == ["image.lock"]
    assert image(state="absent")["changed"] is False


def test_a_link_that_other_user_planted_among_the_folders_is_not_followed(image, tmp_path, as_root):
    (tmp_path / "kept").mkdir()
    (tmp_path / "records").mkdir(mode=0o700)
    (tmp_path / "records/openclaw-build-x").symlink_to(tmp_path / "kept")
    assert image()["actions"] == ["build", "verify", "tag"]
    assert (tmp_path / "kept").is_dir()


@pytest.mark.parametrize("step", range(5))
def test_killed_while_a_name_moves_no_image_is_forgotten(daemon, step):
    """The oldest of three images goes; until then it has a name at any moment, by which the next run finds it."""
    api = client.client(daemon.host)
    third = daemon.add("3", "coming:x")
    daemon.add("2", NAME)
    daemon.add("1", f"{NAME}-previous")

    def move():
        tagged, previous = (client.find_image(api, name) for name in (NAME, f"{NAME}-previous"))
        cleanup.take_name(api, NAME, third, tagged, previous)

    child = os.fork()
    if child == 0:
        left = iter(range(step))

        def counted(call):
            return lambda *arguments: call(*arguments) if next(left, None) is not None else os.kill(os.getpid(), 9)

        for name in ("tag_image", "remove_unused"):
            setattr(client, name, counted(getattr(client, name)))
        move()
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert killed == (step < 4)
    assert all(found["RepoTags"] for found in daemon.images.values())
    move()
    assert {tag: found["Id"][-1] for found in daemon.images.values() for tag in found["RepoTags"]} == {
        "coming:x": "3", NAME: "3", f"{NAME}-previous": "2",
    }  # fmt: skip


def test_a_daemon_that_goes_away_leaves_the_name(image, daemon, as_root):
    good = image()["image_id"]

    def gone():
        raise ConnectionAbortedError

    daemon.while_saving = gone
    failed = image(build_args={"A": "2"})
    assert "a running Docker daemon" in failed["msg"]
    assert daemon.tagged(NAME) == good
    daemon.while_saving = bool
    assert image(build_args={"A": "2"})["changed"]
    assert image(build_args={"A": "2"})["actions"] == []


def fill(path):
    with suppress(OSError), open(path, "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def test_a_disk_that_fills_up_before_the_record_leaves_the_name(image, daemon, tmp_path, as_root):
    good = image()["image_id"]
    records = tmp_path / "records"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(records)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        records.chmod(0o700)
        daemon.while_saving = lambda: fill(records / "filler")
        failed = image(build_args={"A": "2"})
        assert f"{records}" in failed["msg"]
        assert "No space left on device (errno 28), needed free space" in failed["msg"]
        assert daemon.tagged(NAME) == good
        (records / "filler").unlink()
        daemon.while_saving = bool
        assert image(build_args={"A": "2"})["changed"]
        assert image(build_args={"A": "2"})["actions"] == []
    finally:
        subprocess.run(["umount", str(records)], check=True)


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


def test_an_image_of_other_user_else_keeps_its_name(image, daemon, as_root):
    theirs = daemon.add("7" * 64, NAME)
    for check in (True, False):
        refused = image(check=check)
        assert refused["failed"]
        assert f"docker tag {NAME} NAME:TAG && docker rmi {NAME}" in refused["msg"]
        assert (daemon.tagged(NAME), daemon.builds) == (theirs, [])
    assert not image(state="absent")["changed"]
    assert daemon.tagged(NAME) == theirs
    # What the message reports.
    daemon.tag(theirs, "theirs:latest")
    daemon.images[theirs]["RepoTags"] = ["theirs:latest"]
    assert image()["changed"]
    assert daemon.tagged("theirs:latest") == theirs


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
