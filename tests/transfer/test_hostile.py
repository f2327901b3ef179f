"""Archives that another user crafted, held against the real daemon: refused, nothing loaded, nothing written."""

from __future__ import annotations

import subprocess

import pytest
from crafted import BOMB, BOMB_ARCHIVE, ESCAPED, GOOD, IMAGE, LOWER, MISLEADING, TinyImage, hostile, layer, written
from fleet import Fleet, images, stale_files
from lab_host import LabHost

NAME = "crafted:image"
PATH = "/root/crafted.tar"
RECORDS = "/var/lib/crafted-hardening"
HOSTILE = hostile()


@pytest.fixture(scope="module")
def host(fleet: Fleet):
    host = fleet["beta"]
    yield host
    host.check(f"rm -rf {PATH} {RECORDS}; docker image prune --force")


def imported(host: LabHost, content: bytes, identity: str = IMAGE.id, **options: object) -> dict:
    subprocess.run([*host.ssh, f"cat > {PATH}"], input=content, check=True)
    given = {"state": "imported", "image_id": identity, "name": NAME, "path": PATH, "record_dir": RECORDS}
    return host.module("image_archive", {**given, **options})


def nothing_of_it(host: LabHost, before: set[str]) -> None:
    assert images(host) == before
    assert stale_files(host) == ""
    assert host.run(f"ls {ESCAPED} {RECORDS}/image.json").stdout == ""


@pytest.mark.parametrize("wrong", HOSTILE)
def test_a_crafted_archive_is_refused(host, wrong):
    before = images(host)
    answer = imported(host, HOSTILE[wrong])
    assert answer["failed"]
    assert "the archive: found" in answer["msg"]
    nothing_of_it(host, before)


def test_a_bomb_is_refused(host):
    before = images(host)
    answer = imported(host, BOMB_ARCHIVE, BOMB.id, max_size_mib=8)
    assert "max_size_mib" in answer["msg"]
    nothing_of_it(host, before)


def test_an_image_for_other_machines_is_refused(host):
    before = images(host)
    foreign = TinyImage(LOWER, architecture="riscv64")
    assert "linux/riscv64" in imported(host, written(foreign.parts()), foreign.id)["msg"]
    nothing_of_it(host, before)


def test_layers_that_are_no_tar_are_refused_by_docker_and_nothing_stays(host):
    before = images(host)
    image = TinyImage(b"no tar at all" * 1000)
    assert "docker load" in imported(host, written(image.parts()), image.id)["msg"]
    nothing_of_it(host, before)


def test_what_the_archive_reports_to_docker_load_is_not_believed(host):
    answer = imported(host, MISLEADING)
    assert answer["actions"] == ["load", "tag"]
    try:
        assert host.check(f"docker image inspect -f '{{{{.Id}}}} {{{{.RepoTags}}}}' {NAME}") == f"{IMAGE.id} [{NAME}]"
        assert host.run("docker image inspect openclaw:stolen").returncode != 0
        assert not imported(host, MISLEADING)["changed"]
    finally:
        host.check(f"docker image rm {NAME}")


def test_layers_that_are_here_need_not_come(host):
    assert imported(host, GOOD)["known_layers"] == 0
    more = TinyImage(*IMAGE.layers, layer("third", b"4"))
    try:
        only_third = [part for part in more.parts() if part[0] not in dict(IMAGE.parts()) or part[0] == "manifest.json"]
        answer = imported(host, written(only_third), more.id, name="crafted:more")
        assert answer["known_layers"] == 2
        assert host.check("docker image inspect -f '{{.Id}}' crafted:more") == more.id
        # Without the lower ones they cannot be spared.
        host.check(f"docker image rm {NAME} crafted:more")
        answer = imported(host, written(only_third), more.id, name="crafted:more")
        assert "no layer" in answer["msg"]
    finally:
        host.run(f"docker image rm {NAME} crafted:more")


def test_the_daemon_of_another_image_store_is_refused(host):
    daemon = "/etc/docker/daemon.json"
    host.check(f"cp {daemon} /root/daemon.json; python3 - <<'EOF'\nimport json\nwith open({daemon!r}) as file:\n"
               f"    settings = json.load(file)\nwith open({daemon!r}, 'w') as file:\n"
               "    json.dump({**settings, 'features': {'containerd-snapshotter': True}}, file)\nEOF\n"
               "systemctl restart docker")  # fmt: skip
    try:
        answer = imported(host, GOOD)
        assert "image store" in answer["msg"]
        assert host.check("docker images --all --quiet") == ""
    finally:
        host.check(f"cp /root/daemon.json {daemon}; systemctl restart docker")
