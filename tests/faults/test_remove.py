"""A removal of everything, on a host with one instance: nothing of ours is left, and a second one has nothing to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import LONG, FaultHost, down
from lab_host import deploy_stub_gateway

pytestmark = pytest.mark.skipif(not LONG, reason="a host of its own: FAULTS=long")
LAB = "faults-remove"
# What has our name anywhere but in the lab's own folders, in logs, and in the backups.
TRACES = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /root -o -path /tmp -o -path /var/log -o -path /var/lib/docker \
    -o -path /var/lib/containerd -o -path /usr/share -o -path /var/backups \) -prune -o -name '*openclaw*' -print
getent passwd openclaw || true; getent group openclaw || true
nft list tables | grep openclaw || true
docker ps --all --format '{{.Names}}'; docker volume ls --quiet
docker network ls --format '{{.Name}}' | grep openclaw || true
docker image ls --all --format '{{.Repository}}:{{.Tag}}' | grep openclaw || true
systemctl list-units --all --plain --no-legend 'openclaw*' || true
"""


@pytest.fixture(scope="module")
def host() -> Iterator[FaultHost]:
    """Return a host with the stub gateway, and a file of the user beside ours."""
    try:
        deploy_stub_gateway(LAB, "gateway")
        host = FaultHost(LAB, "gateway")
        host.check("echo mine > /etc/openclaw/notes.txt; echo '[Unit]' > /etc/systemd/system/mine.service")
        yield host
        host.close()
    finally:
        down(LAB)


def test_a_prediction_touches_nothing(host: FaultHost) -> None:
    before = host.look()
    answer = host.module("gateway_removal", {"instance": "openclaw", "data": True}, check=True)
    assert answer["changed"]
    assert {"account", "container"} <= {thing["kind"] for thing in answer["removed"]}
    assert host.look() == before
    assert host.answers()


def test_everything_of_ours_goes(host: FaultHost) -> None:
    answer = host.module("gateway_removal", {"instance": "openclaw", "data": True})
    assert not answer.get("failed"), answer["msg"]
    assert "/etc/openclaw/notes.txt" in [thing["path"] for thing in answer["stays"]]
    assert host.check("cat /etc/openclaw/notes.txt") == "mine"
    host.check("rm /etc/openclaw/notes.txt; rmdir /etc/openclaw; test -e /etc/systemd/system/mine.service")
    assert host.check(TRACES) == ""
    again = host.module("gateway_removal", {"instance": "openclaw", "data": True})
    assert (again.get("failed"), again["changed"]) == (None, False), again
