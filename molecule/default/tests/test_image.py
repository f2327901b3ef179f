"""The image: smaller than its builder by more than the guide promises, and without what production does not need."""

from __future__ import annotations

import json

import pytest
from conftest import CONTAINER, long_only, wait_until

RECORD = "/var/lib/openclaw-hardening/image.json"
BUILD_TOOLS = (
    "npm",
    "npx",
    "pnpm",
    "corepack",
    "pip3",
    "python3",
    "gcc",
    "cc",
    "make",
    "apt-get",
    "dpkg",
    "git",
    "curl",
)


@pytest.fixture(scope="module")
def record(host) -> dict:
    return json.loads(host.check_output("cat %s", RECORD))


def test_it_beats_the_guides_promises(record):
    """Guide: about 400 MB smaller, about 50 % fewer packages."""
    report = record["report"]
    print(json.dumps(report))
    assert report["builder"]["bytes"] - report["production"]["bytes"] > 400_000_000
    assert report["production"]["packages"] < report["builder"]["packages"] * 0.5


def test_the_record_names_the_image_that_runs(host, record):
    assert host.check_output("docker inspect -f '{{.Image}}' %s", CONTAINER) == record["image_id"]


def test_nothing_in_it_builds_installs_or_raises_privileges(host):
    found = host.check_output("docker exec %s sh -c %s", CONTAINER, f"command -v {' '.join(BUILD_TOOLS)} || true")
    assert found == ""
    assert host.check_output("docker exec %s sh -c 'command -v node'", CONTAINER) != ""
    raised = "find / -xdev -perm /6000 -not -path '/proc/*' 2>/dev/null; ls /var/lib/apt/lists 2>/dev/null || true"
    assert host.check_output("docker exec %s sh -c %s", CONTAINER, raised) == ""


def test_its_code_belongs_to_root_and_the_service_cannot_change_it(host):
    foreign = "find -L /app /usr/local/bin \\( -not -user 0 -o -perm /022 \\) -not -type l 2>/dev/null | head"
    assert host.check_output("docker exec %s sh -c %s", CONTAINER, foreign) == ""


def test_its_health_check_asks_healthz_and_its_init_forwards_signals(host):
    config = json.loads(host.check_output("docker image inspect openclaw:hardened"))[0]["Config"]
    assert "/healthz" in " ".join(config["Healthcheck"]["Test"])
    assert "dumb-init" in config["Entrypoint"][0]
    assert config["User"] not in ("", "0", "root")


def test_its_history_and_layers_keep_nothing_of_the_way_to_the_registry(host):
    for setting in ("/etc/npmrc", "/etc/pip.conf"):
        for line in host.check_output("cat %s", setting).splitlines():
            address = line.partition("://")[2].strip("/ ")
            if address:
                assert address not in host.check_output("docker history --no-trunc openclaw:hardened")


def test_making_the_base_left_the_hosts_mounts_as_they_were(host):
    """As root, mmdebstrap makes them private; LoadCredential= then hands over nothing."""
    assert "shared" in host.check_output("findmnt --noheadings --output PROPAGATION /")


@long_only
def test_a_source_tree_builds_runs_and_is_not_built_twice(host, playbook):
    try:
        first = playbook("../molecule/default/checkout.yml")
        assert first.rc == 0, first.output
        assert playbook("../molecule/default/checkout.yml").changed == []
        host.check_output(
            "docker run -d --name checkout --read-only --cap-drop ALL --user 1234:1234 -p 127.0.0.1:18999:18789 %s",
            "openclaw-checkout:hardened",
        )
        for path in ("healthz", "readyz"):
            url = f"http://127.0.0.1:18999/{path}"
            wait_until(lambda url=url: host.run("curl -sf %s", url).rc == 0, url, 120)
    finally:
        host.run("docker rm -f checkout; docker image rm openclaw-checkout:hardened; rm -rf /root/checkout")
        host.run("rm -rf /var/lib/openclaw-checkout-hardening")
