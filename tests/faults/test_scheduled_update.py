"""openclaw-update.service: patched packages are deployed without Ansible, and what goes wrong leaves what serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from harness import LONG, FaultHost, down
from lab_host import NEVER, deploy_stub_gateway

LAB = "faults-update"
UNIT = "openclaw-update.service"
FOLDER = "/var/lib/openclaw-hardening/maintenance"
# Another component of the mirror is another base of the same packages, as patched packages are.
PUBLISH = "sed -i 's/^\\(deb .* trixie main\\)$/\\1 contrib/' /etc/apt/sources.list"
DEAD = "deb http://127.0.0.1:9/debian trixie main"
# Three builds of an image, on a host of its own.
pytestmark = pytest.mark.skipif(not LONG, reason="minutes for each build: FAULTS=long")


class Updates:
    """The host, and what its mirrors have."""

    def __init__(self, host: FaultHost) -> None:
        self.host = host

    def run(self) -> dict[str, Any]:
        """Start the unit; return the record of the run."""
        self.host.run(f"systemctl start {UNIT}", timeout=600)
        return self.record()

    def record(self) -> dict[str, Any]:
        """Return how the last run ended."""
        return json.loads(self.host.check(f"cat {FOLDER}/update.json"))

    def alerts(self) -> list[str]:
        """Return the titles and bodies of the alerts of updates."""
        found = json.loads(self.host.check(f"cat {FOLDER}/alerts.json 2>/dev/null || echo '{{\"alerts\": []}}'"))[
            "alerts"
        ]
        return [f"{alert['title']}: {alert['body']}" for alert in found if alert["job"] == "update"]

    def serving(self) -> str:
        """Return the container that serves, and its image."""
        return self.host.check("docker inspect --format '{{.Id}} {{.Image}}' openclaw-gateway").strip()

    def image(self) -> str:
        """Return the image that has the name of the gateway's."""
        return self.host.check("docker image inspect --format '{{.Id}}' openclaw:hardened").strip()


@pytest.fixture(scope="module")
def updates() -> Iterator[Updates]:
    """Return a host whose mirrors are in the test's hand, after a first update from them."""
    try:
        deploy_stub_gateway(LAB, "gateway", openclaw_maintenance_update_schedule=NEVER)
        host = FaultHost(LAB, "gateway")
        updates = Updates(host)
        host.check(PUBLISH)
        yield updates
        host.close()
    finally:
        down(LAB)


@contextmanager
def nothing_changes(updates: Updates) -> Iterator[None]:
    """What serves goes on serving, every 20 ms, and one alert reports why nothing else does."""
    serving, image, alerts = updates.serving(), updates.image(), updates.alerts()
    with updates.host.probed() as probes:
        yield
    assert updates.serving() == serving
    assert updates.image() == image
    assert (probes.failed, updates.record()["ok"]) == (0, False)
    assert len(updates.alerts()) == len(alerts) + 1, updates.alerts()
    assert "the update failed" in updates.alerts()[-1]


def test_patched_packages_are_deployed(updates: Updates) -> None:
    before = updates.serving()
    record = updates.run()
    assert record["ok"], record["message"]
    assert "Its audit found nothing" in record["message"]
    assert updates.serving() != before
    assert updates.serving().endswith(updates.image())
    assert updates.host.answers()
    assert "the gateway was updated" in updates.alerts()[-1]


def test_nothing_newer_changes_nothing(updates: Updates) -> None:
    before, alerts = updates.serving(), updates.alerts()
    # A host with another name and another resolver makes the same base of the same packages.
    updates.host.check("hostname another; echo '# changed' >> /etc/resolv.conf")
    with updates.host.probed() as probes:
        record = updates.run()
    assert record["ok"], record["message"]
    assert "nothing newer" in record["message"]
    assert (updates.serving(), probes.failed, updates.alerts()) == (before, 0, alerts)


def test_a_dead_mirror(updates: Updates) -> None:
    updates.host.check(f"cp -p /etc/apt/sources.list /root/sources.list; echo '{DEAD}' >> /etc/apt/sources.list")
    try:
        with nothing_changes(updates):
            updates.run()
    finally:
        updates.host.check("mv /root/sources.list /etc/apt/sources.list")


def test_no_space_left(updates: Updates) -> None:
    updates.host.check(
        "mount -t tmpfs -o size=40m,mode=1777 full /var/tmp; mount -t tmpfs -o size=40m,mode=1777 full /tmp"
    )
    try:
        with nothing_changes(updates):
            updates.run()
    finally:
        updates.host.check("umount /tmp /var/tmp")


def test_a_killed_build(updates: Updates) -> None:
    host = updates.host
    with nothing_changes(updates):
        host.check(f"systemctl start --no-block {UNIT}; for _ in $(seq 300); do "
                   f"pgrep -f mmdebstrap >/dev/null && break; sleep 0.1; done; systemctl kill -s KILL {UNIT}; "
                   f"for _ in $(seq 100); do systemctl is-active --quiet {UNIT} || "
                   f"[ $(systemctl show -P ActiveState {UNIT}) = failed ] && break; sleep 0.1; done")  # fmt: skip
    assert "it was ended: signal" in updates.alerts()[-1]
