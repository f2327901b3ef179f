"""Moved through a real registry, by digest: TLS by a private CA, a password that is nowhere, wrong images refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from fleet import IMAGE, Fleet, forget, image_id, images, stale_files
from lab_host import LabHost
from registry import CA, HOST, REPOSITORY, Registry
from secret_surfaces import needles, search

BUILT = "openclaw-hardening-build:openclaw"
WRONG = f"sha256:{'0' * 64}"
PASSWORD_FILE = "/etc/openclaw/secrets/registry_password"

# Looks at every process as often as it can, until its file is taken away; the needles come by standard input.
WATCH = """
import glob, os, time
open("/run/watch", "w").close()
seen = set()
while os.path.exists("/run/watch"):
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            continue
        if any(needle in text for needle in NEEDLES):
            seen.add(os.path.basename(path))
    time.sleep(0.05)
print("watched", sorted(seen))
"""


def surfaces(host: LabHost, secret: str) -> list[str]:
    """Return where on a host the secret shows now."""
    return json.loads(host.check(f"python3 - <<'EOF'\n{search([secret])}\nEOF").splitlines()[-1])


class Watch:
    """Watches the processes of a host while a block runs."""

    def __init__(self, host: LabHost, secret: str) -> None:
        self.host, self.secret, self.found = host, secret, ""

    def __enter__(self) -> Watch:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([*self.host.ssh, "python3 -"], text=True, **pipes)
        self.process.stdin.write(f"NEEDLES = {needles(self.secret)!r}\n{WATCH}")
        self.process.stdin.close()
        self.process.stdin = None
        self.host.check("for _ in $(seq 200); do [ -e /run/watch ] && exit; sleep 0.02; done; exit 1")
        return self

    def __exit__(self, *_: object) -> None:
        self.host.check("rm /run/watch")
        self.found = self.process.communicate()[0].strip()


@pytest.fixture(scope="module")
def through(deployed: Fleet, registry: Registry) -> Fleet:
    """Move the image to beta through the registry, watched."""
    forget(deployed["beta"])
    watches = [Watch(host, registry.password) for host in (deployed.builder, deployed["beta"])]
    for archive in deployed.archives():
        archive.unlink()
    with watches[0], watches[1]:
        deployed.through = deployed.play("move.yml", "-vvv", **registry.variables())
    deployed.watched = [watch.found for watch in watches]
    return deployed


def pull(fleet: Fleet, registry: Registry, **changes: object) -> dict:
    """Pull on beta with the module alone."""
    identity = image_id(fleet.builder, BUILT)
    options = registry.options(state="pulled", digest=registry.digest_of(identity), image_id=identity, name=IMAGE)
    return fleet["beta"].module("image_registry", {**options, **changes})


def test_every_host_has_the_same_image_by_digest(through: Fleet, registry: Registry):
    identity = image_id(through.builder, BUILT)
    assert through.ids() == [identity, identity]
    assert through.archives() == []
    asked = registry.requests("0")
    assert any(f"/manifests/{registry.digest_of(identity)}" in line and '"GET' in line for line in asked)
    # What is pulled is asked for by digest; the tag of the push reports the image's id and is never read.
    assert not [line for line in asked if '"GET' in line and "/manifests/" in line and "/manifests/sha256:" not in line]
    for host in through.hosts.values():
        assert "registry.test" not in host.check("docker images --digests --format '{{.Repository}} {{.Digest}}'")


def test_the_login_is_on_no_surface(through: Fleet, registry: Registry):
    assert through.watched == ["watched []"] * 2
    assert registry.password not in through.through.output
    assert [surfaces(host, registry.password) for host in (through.builder, through["beta"])] == [[], []]
    for path in [*through.cache.glob("*"), Path.home() / ".docker/config.json"]:
        assert not path.is_file() or registry.password.encode() not in path.read_bytes()


def test_the_ca_is_trusted_for_this_registry_only(through: Fleet, registry: Registry):
    for host in (through.builder, through["beta"]):
        assert host.check(f"stat -c '%U:%G %a %F' {CA}") == "root:root 644 regular file"
        assert host.check(f"cat {CA}") + "\n" == registry.ca
    assert "test-ca" not in through["beta"].check(
        "openssl storeutl -noout -text -certs /etc/ssl/certs/ca-certificates.crt"
    )


def test_a_second_run_asks_nobody_and_changes_nothing(through: Fleet, registry: Registry):
    since = registry.now()
    with through.received(*through.hosts.values()) as received:
        play = through.play("move.yml", **registry.variables())
    assert play.changed() == []
    assert max(received.values()) < 6_000_000
    assert registry.requests(since) == []


def test_a_push_and_a_pull_of_what_is_there_move_no_layer(through: Fleet, registry: Registry):
    identity = image_id(through.builder, BUILT)
    since = registry.now()
    options = registry.options(state="pushed", image=identity, record_dir="/var/lib/openclaw-hardening-build")
    answer = through.builder.module("image_registry", options)
    assert (answer["changed"], answer["digest"]) == (False, registry.digest_of(identity))
    assert not pull(through, registry)["changed"]
    # Docker asks for the configuration, which is the image's id, to say that it is there.
    layers = [line for line in registry.requests(since) if "/blobs/" in line and f"/blobs/{identity}" not in line]
    assert layers == []


@pytest.fixture
def lacking(through: Fleet, registry: Registry):
    """Take the image from beta."""
    forget(through["beta"])
    yield through
    assert stale_files(through["beta"]) == ""


@pytest.mark.parametrize(
    ("changes", "output"),
    [
        ({"digest": WRONG}, "manifest unknown"),
        ({"digest": "hardened"}, "a digest"),
        ({"image_id": WRONG}, "promised image"),
        ({"password": "wrong"}, "unauthorized"),
        ({"username": "", "password": ""}, "no basic auth credentials"),
        ({"repository": REPOSITORY.replace("openclaw", "other")}, "found"),
    ],
)
def test_what_is_not_the_promised_image_is_refused_and_nothing_stays(lacking, registry, changes, output):
    before = images(lacking["beta"])
    answer = pull(lacking, registry, **changes)
    assert answer["failed"]
    assert output in answer["msg"]
    assert registry.password not in json.dumps(answer)
    assert images(lacking["beta"]) == before


def test_another_image_in_the_same_repository_is_refused(lacking, registry):
    builder = lacking.builder
    builder.check("docker build -q -t other:image - <<'EOF'\nFROM openclaw-hardening-build:openclaw\nLABEL x=y\nEOF")
    pushed = builder.module(
        "image_registry", registry.options(state="pushed", image="other:image", record_dir="/root/r")
    )
    assert pushed["digest"] != registry.digest_of(image_id(builder, BUILT))
    before = images(lacking["beta"])
    answer = pull(lacking, registry, digest=pushed["digest"])
    assert "the promised image" in answer["msg"]
    assert images(lacking["beta"]) == before


def test_a_password_file_is_read_on_the_host_and_only_there(lacking, registry):
    beta = lacking["beta"]
    beta.check("mkdir -p /etc/openclaw/secrets")
    beta.write(PASSWORD_FILE, registry.password)
    beta.check(f"chmod 0440 {PASSWORD_FILE}")
    answer = pull(lacking, registry, password="", password_file=PASSWORD_FILE)
    assert "only root can read" in answer["msg"]
    beta.check(f"chmod 0400 {PASSWORD_FILE}")
    answer = pull(lacking, registry, password="", password_file=PASSWORD_FILE)
    assert answer["actions"] == ["pull", "tag"]
    assert registry.password not in json.dumps(answer)
    assert surfaces(beta, registry.password) == []  # but for that folder, which is for secrets


def insecure(host: LabHost, registries: str, until: str) -> None:
    """Tell the daemon which registries need no TLS, and wait until it knows. Without the key it would keep the old."""
    host.check(
        f"jq '.\"insecure-registries\"={registries}' /root/daemon.json > /etc/docker/daemon.json\n"
        "systemctl reload docker\n"
        f"for _ in $(seq 100); do docker info 2>/dev/null | ({until}) && exit; sleep 0.1; done; exit 1"
    )


def test_a_registry_without_tls_is_refused_before_the_login_goes_there(lacking, registry):
    beta = lacking["beta"]
    beta.check("cp /etc/docker/daemon.json /root/daemon.json")
    since = registry.now()
    try:
        insecure(beta, f'["{HOST}"]', f"grep -q '^  {HOST}'")
        answer = pull(lacking, registry)
        assert "insecure-registries" in answer["msg"]
        assert registry.requests(since) == []
    finally:
        insecure(beta, "[]", f"! grep -q '^  {HOST}'")
        beta.check("cp /root/daemon.json /etc/docker/daemon.json")


def test_the_ca_never_goes_through_a_link(lacking, registry):
    beta = lacking["beta"]
    folder = str(Path(CA).parent)
    beta.check(f"rm -rf {folder} /root/elsewhere; mkdir /root/elsewhere; ln -s /root/elsewhere {folder}")
    answer = pull(lacking, registry)
    assert "symbolic link" in answer["msg"]
    assert beta.check("ls /root/elsewhere") == ""
    beta.check(f"rm {folder}")
    assert pull(lacking, registry)["actions"] == ["ca", "pull", "tag"]


def test_a_prediction_leaves_host_and_registry_as_they_are(lacking, registry):
    beta, identity = lacking["beta"], image_id(lacking.builder, BUILT)
    beta.check(f"rm -r {Path(CA).parent}")
    before = images(beta)
    since = registry.now()
    options = registry.options(state="pulled", digest=registry.digest_of(identity), image_id=identity, name=IMAGE)
    predicted = beta.module("image_registry", options, check=True)
    assert (images(beta), registry.requests(since)) == (before, [])
    assert beta.run(f"ls {CA}").returncode != 0
    made = beta.module("image_registry", options)
    assert predicted["actions"] == made["actions"] == ["ca", "pull", "tag"]
    assert predicted["diff"] == made["diff"]
