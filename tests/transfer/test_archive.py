"""Built once, moved as an archive over Ansible's own connection, by a login that is not root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crafted import OTHER, written
from fleet import BUILDER, DEPLOYER, IMAGE, LAB, RECORD, SOURCE, Fleet, forget, image_id, images, stale_files
from lab_host import LabHost, kill_tree

BUILT = "openclaw-hardening-build:openclaw"
BUILD_RECORD = "/var/lib/openclaw-hardening-build/image.json"
STAGING = f"/home/{DEPLOYER}/.ansible/tmp/openclaw-hardening-image"
# Modules and facts that a run needs anyway; the image is 20 times as large.
OVERHEAD = 6_000_000


def test_before_the_first_build_everything_is_predicted_and_nothing_done(fleet: Fleet):
    before = [images(host) for host in fleet.hosts.values()]
    play = fleet.play("move.yml", "--check")
    assert {task["host"] for task in play.tasks if task["changed"]} >= {"alpha", "beta"}
    assert [images(host) for host in fleet.hosts.values()] == before


def test_a_target_that_never_built_is_deployed_and_passes_the_audit(deployed: Fleet):
    assert "Prove the hardening" in deployed.deployment.output  # site.yml ends with it and fails on findings
    audit = deployed["alpha"].module("hardening_info", {"account": "openclaw", "record": RECORD})
    found = {check["id"]: check["status"] for check in audit["checks"]}
    assert found["OCH-IMG-02"] == "pass"
    # A base, a build and a log of it are on the build host alone.
    observed = deployed["alpha"].check(
        "docker images --format '{{.Repository}}:{{.Tag}}'; ls /var/lib/openclaw-hardening"
    )
    assert IMAGE in observed
    assert "base" not in observed
    assert "build.log" not in observed
    assert "openclaw-hardening-base" in deployed.builder.check("docker images --format '{{.Repository}}'")


def test_the_rest_gets_the_same_image_and_record(deployed: Fleet):
    with deployed.received(deployed.builder) as received:
        play = deployed.play("move.yml", batch=1)
    # Alpha has it; the archive for beta was in the controller's cache.
    assert play.changed() == ["openclaw.hardening.openclaw_image : Bring it from the controller to this host"]
    assert play.moved("image_archive")[-1] == deployed.archives()[0].stat().st_size
    assert received[BUILDER] < OVERHEAD
    identity = image_id(deployed.builder, BUILT)
    assert identity.startswith("sha256:")
    assert deployed.ids() == [identity, identity]
    records = [json.loads(host.check(f"cat {RECORD}")) for host in deployed.targets]
    built = json.loads(deployed.builder.check(f"cat {BUILD_RECORD}"))
    assert records == [{**built, "ref": IMAGE}] * 2
    assert [host.check(f"stat -c '%U %a' {RECORD}") for host in deployed.targets] == ["root 600"] * 2
    assert [stale_files(host) for host in deployed.hosts.values()] == ["", "", ""]
    assert image_id(deployed.builder) == ""  # the build host is no target


def test_a_second_run_moves_nothing_and_changes_nothing(deployed: Fleet):
    assert deployed.archives()[0].stat().st_size > 10 * OVERHEAD
    with deployed.received(*deployed.hosts.values()) as received:
        play = deployed.play("move.yml")
    assert play.changed() == []
    assert play.moved("image_archive") == []
    assert max(received.values()) < OVERHEAD, received


def test_a_prediction_reports_what_a_run_does_and_does_nothing(deployed: Fleet):
    beta = deployed["beta"]
    forget(beta)
    before = images(beta)
    predicted = deployed.play("move.yml", "--check")
    assert images(beta) == before
    assert stale_files(beta) == ""
    made = deployed.play("move.yml")
    assert predicted.changed() == made.changed() != []
    assert {task["host"] for task in made.tasks if task["changed"]} == {"beta"}


def test_a_target_that_has_the_lower_layers_gets_only_the_others(deployed: Fleet):
    before = deployed.ids()
    whole = deployed.archives()[0].stat().st_size
    deployed.builder.check(f"echo '<!-- second version -->' >> {SOURCE}/ui/index.html")
    play = deployed.play("move.yml")
    identity = image_id(deployed.builder, BUILT)
    assert identity not in before
    assert deployed.ids() == [identity, identity]
    assert deployed.ids(f"{IMAGE}-previous") == before
    sent = [count for count in play.moved("image_archive") if count]
    assert max(sent) == max(file.stat().st_size for file in deployed.archives())  # the whole one, to the controller
    assert len(sent) == 3
    assert sorted(sent)[0] == sorted(sent)[1] < whole / 5
    assert not deployed.play("move.yml").changed()


@pytest.fixture
def without_image(deployed: Fleet) -> Fleet:
    """Take the image and the one before it from beta; the archive of the first is in the cache."""
    forget(deployed["beta"])
    assert deployed["beta"].check("docker images --quiet") == ""
    return deployed


def cached(fleet: Fleet) -> Path:
    return fleet.cache / f"{image_id(fleet.builder, BUILT)[7:]}.tar"


def flip(path: Path) -> None:
    """Change one bit in the middle of an archive, which is in a layer."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def test_an_archive_that_was_spoilt_in_the_cache_is_brought_again(without_image: Fleet):
    flip(cached(without_image))
    assert len(without_image.play("move.yml", "--limit", "beta").moved("image_archive")) == 2
    assert image_id(without_image["beta"]) == image_id(without_image.builder, BUILT)


@pytest.mark.parametrize("tampered", ["a bit", "another image"])
def test_a_tampered_archive_is_refused_and_nothing_is_loaded(without_image: Fleet, tampered):
    archive, beta = cached(without_image), without_image["beta"]
    if tampered == "a bit":
        flip(archive)
    else:
        archive.write_bytes(written(OTHER.parts()))
    play = without_image.play("import.yml", "--limit", "beta", good=False, image_id=f"sha256:{archive.stem}")
    assert play.returncode != 0
    wanted = "taken out of" if tampered == "a bit" else "no archive"
    assert wanted in play.failure("beta")
    assert beta.check("docker images --all --quiet") == ""
    assert stale_files(beta) == ""
    assert not archive.exists()


def wait_for(host: LabHost, path: str) -> None:
    """Wait until a file is there, as exactly as can be from elsewhere."""
    host.check(f"for _ in $(seq 3000); do ls {path} >/dev/null 2>&1 && exit; sleep 0.01; done; exit 1")


def end_modules(host: LabHost) -> None:
    """End what a host still does for a controller that is gone, without a chance to tidy up."""
    host.run("pkill -KILL -f image_archive; pkill -KILL -f sftp-server; true")


@pytest.mark.parametrize(
    ("where", "sign", "module_too"),
    [
        pytest.param(BUILDER, f"{STAGING}/.*.hardening-tmp", True, id="while the archive is written"),
        pytest.param(BUILDER, f"{STAGING}/*.tar", True, id="while it is fetched"),
        pytest.param("beta", f"{STAGING}/*.tar", True, id="while it is sent"),
        pytest.param("beta", "/var/lib/docker/tmp/docker-import-*", True, id="while it is loaded"),
        pytest.param("beta", "/var/lib/docker/tmp/docker-import-*", False, id="while the module goes on alone"),
    ],
)
def test_a_killed_controller_leaves_nothing_that_the_next_run_does_not_tidy_up(without_image, where, sign, module_too):
    cached(without_image).unlink(missing_ok=True)
    running = without_image.start("move.yml", "--limit", "beta")
    wait_for(without_image[where], sign)
    kill_tree(running.pid)
    if module_too:
        end_modules(without_image[where])
    running.wait()
    without_image.play("move.yml", "--limit", "beta")
    assert image_id(without_image["beta"]) == image_id(without_image.builder, BUILT)
    assert not without_image.play("move.yml", "--limit", "beta").changed()
    assert [stale_files(host) for host in without_image.hosts.values()] == ["", "", ""]
    assert len(without_image["beta"].check("docker images --all --quiet").split()) == 1
    assert not list(without_image.cache.glob("*.part"))


@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.5, 2.5])
def test_a_module_that_is_killed_while_it_loads_is_finished_by_the_next(without_image: Fleet, seconds):
    beta, archive = without_image["beta"], cached(without_image)
    if not archive.exists():
        without_image.play("move.yml", "--limit", "beta")
        forget(beta)
    options = {"state": "imported", "image_id": f"sha256:{archive.stem}", "name": IMAGE, "path": "/root/move.tar"}
    subprocess.run([*beta.ssh, f"cat > {options['path']}"], stdin=archive.open("rb"), check=True)
    process = beta.start("image_archive", options)
    time.sleep(seconds)
    beta.run("pkill -KILL -f modules.image_archive")
    process.communicate()
    assert "failed" not in beta.module("image_archive", options)
    assert not beta.module("image_archive", options)["changed"]
    assert stale_files(beta) == ""
    assert len(beta.check("docker images --all --quiet").split()) == 1
    beta.check(f"rm {options['path']}")


@pytest.fixture
def sockets(without_image: Fleet):
    """Bring the daemons of the build host and of beta to the controller, as if it were each of them."""
    found, tunnels = {}, []
    for name in (BUILDER, "beta"):
        path = Path(f"/tmp/{LAB}-{name}.sock")
        path.unlink(missing_ok=True)
        argv = [*without_image[name].ssh[:-1], "-o", "ControlPath=none", "-nNT", "-L", f"{path}:/var/run/docker.sock"]
        tunnels.append(subprocess.Popen([*argv, without_image[name].ssh[-1]]))
        found[name] = path
    for path in found.values():
        for _turn in range(100):
            if path.exists():
                break
            time.sleep(0.05)
    yield {name: f"unix://{path}" for name, path in found.items()}
    for tunnel in tunnels:
        tunnel.terminate()
        tunnel.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="the module is root on its host, and here that is the controller")
def test_a_controller_that_builds_and_runs_copies_nothing(without_image: Fleet, sockets, tmp_path):
    identity = image_id(without_image.builder, BUILT)
    cache = without_image.folder / "own-cache"
    given = {"image_id": identity, "cache": str(cache), "own_records": str(tmp_path / "records"),
             "builder": sockets[BUILDER], "target": sockets["beta"],
             "ansible_python_interpreter": sys.executable}  # fmt: skip
    play = without_image.play("local.yml", **given)
    assert play.moved("image_archive") == [0, 0]
    assert image_id(without_image["beta"]) == identity
    assert [path.name for path in cache.glob("*.tar*")] == [f"{identity[7:]}.tar"]
    assert not without_image.play("local.yml", **given).changed()
