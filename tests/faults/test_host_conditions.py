"""What somebody else set up on a host: refused before anything changed, with what to do; or waited for."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deployment import Deployment
from harness import LONG, FaultHost, World, wait_until
from lab_host import CHECKOUT, playbook

CONFIG = "/etc/docker/daemon.json"
# Docker starts three times a minute at most (StartLimitBurst).
AGAIN = (
    "systemctl reset-failed docker.service docker.socket openclaw-gateway.service; systemctl restart docker.service"
    "; systemctl reset-failed openclaw-gateway.service"
)
ADDRESS = "198.51.100.7"  # of documentation (RFC 5737)
PORT = 18999
LOGIN = "fault-admin"
HINTS = {"processors": "openclaw_gateway_cpus", "addresses": "openclaw_gateway_bind"}


@pytest.fixture
def daemon(host: FaultHost, before: World) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Return a function that starts Docker with more options; at the end it is as it was."""
    kept = host.run(f"cat {CONFIG}").stdout

    def restart(options: dict[str, Any]) -> None:
        text = json.dumps({**json.loads(kept or "{}"), **options})
        host.check(f"mkdir -p /etc/docker; echo '{text}' > {CONFIG}\n{AGAIN}")

    yield restart
    put_back = f"cat > {CONFIG} <<'END'\n{kept}\nEND" if kept else f"rm -f {CONFIG}"
    host.check(f"{put_back}\n{AGAIN}")
    wait_until(host.answers, "the gateway does not come back with Docker", 90)


def preflight(host: FaultHost, **options: Any) -> dict[str, Any]:
    return host.module("host_preflight", {"disk_minimum_mib": 1, "memory_minimum_mib": 1, **options}, diff=False)


def test_a_daemon_that_maps_users_is_refused(host: FaultHost, daemon: Callable[[dict[str, Any]], None]) -> None:
    daemon({"userns-remap": "default"})
    answer = preflight(host)
    assert answer["failed"]
    (problem,) = answer["problems"]
    assert problem.startswith(f"userns-remap: found it on ({CONFIG})")
    assert "take userns-remap out" in problem


def test_a_daemon_without_its_packet_filter_is_refused(
    host: FaultHost, daemon: Callable[[dict[str, Any]], None]
) -> None:
    daemon({"iptables": False})
    (problem,) = preflight(host)["problems"]
    assert problem.startswith(f"iptables: found false ({CONFIG})")


def test_free_space_is_measured_where_the_daemon_keeps_its_images(
    host: FaultHost, daemon: Callable[[dict[str, Any]], None]
) -> None:
    """Both ways: much space elsewhere does not help, and little space elsewhere does no harm."""
    host.check("mkdir -p /srv/small && mount -t tmpfs -o size=64m none /srv/small")
    try:
        daemon({"data-root": "/srv/small/docker", "storage-driver": "vfs"})
        (problem,) = preflight(host, disk_minimum_mib=100)["problems"]
        assert problem.startswith("free disk at /srv/small/docker: found ")
        daemon({})
        host.check("mkdir -p /srv/small/docker")
        assert not preflight(host, disk_minimum_mib=100).get("failed")
    finally:
        daemon({})
        host.check("while umount --lazy /srv/small 2>/dev/null; do :; done; rmdir /srv/small")


def test_a_limit_above_the_processors_and_a_foreign_address_are_refused(host: FaultHost, before: World) -> None:
    there = int(host.check("nproc"))
    assert not preflight(host, processors=there, addresses=["127.0.0.1"]).get("failed")
    answer = preflight(host, processors=there + 1, addresses=[ADDRESS], hints=HINTS)
    first, second = answer["problems"]
    assert first.startswith(f"processors: found {there}, needed {there + 1} ")
    assert "openclaw_gateway_cpus" in first
    assert ADDRESS in second
    assert "openclaw_gateway_bind" in second


@pytest.mark.parametrize("started", [True, False], ids=["started", "cannot-be-started"])
def test_an_address_that_comes_later(host: FaultHost, before: World, started: bool) -> None:
    """As after a reboot of a host whose VPN is up minutes later; the two programs are the deployed ones.

    127.0.0.1 serves at once, and the other address when it is there. Where the first program cannot do so,
    the supervisor waits, and does not fail.
    """
    unit, add = f"late-address-{secrets.token_hex(3)}.service", f"ip address add {ADDRESS}/32 dev late0"
    host.check(f"ip link add late0 type bridge && ip link set late0 up && {add}")
    library, setting = "/usr/local/lib/openclaw-hardening", "/proc/sys/net/ipv4/ip_nonlocal_bind"
    sandbox = "ProtectKernelTunables=yes ReadWritePaths=-/proc/sys/net/ipv4/ip_nonlocal_bind"
    sandbox += " ReadWritePaths=-/proc/sys/net/ipv6/ip_nonlocal_bind RuntimeDirectory=openclaw-gateway-start"
    try:
        host.check(f"docker create --name late-address --publish {ADDRESS}:{PORT}:18789 "
                   f"--publish 127.0.0.1:{PORT}:18789 openclaw:hardened")  # fmt: skip
        host.check(f"ip address del {ADDRESS}/32 dev late0")
        if started:
            properties = " ".join(f"--property={setting}" for setting in sandbox.split())
            host.check(f"systemd-run --wait {properties} {library}/gateway-start late-address")
        host.check(f"systemd-run --unit {unit} --property=Restart=on-failure --property=RestartSec=1 "
                   f"{library}/gateway-supervisor late-address")  # fmt: skip
        if started:
            wait_until(lambda: host.run(asked("127.0.0.1")).returncode == 0, "127.0.0.1 does not serve", 30)
        else:
            waits = f"journalctl --unit {unit} --no-pager | grep -c 'waiting for an address of this host'"
            wait_until(lambda: host.run(waits).stdout.strip() == "1", "it does not tell that it waits", 30)
            # More than two of its attempts later it has told so once, and did not fail.
            host.check("sleep 8")
            assert host.run(waits).stdout.strip() == "1"
            assert host.check("docker inspect --format '{{.State.Running}}' late-address").strip() == "false"
        state = host.check(f"systemctl show --value --property=ActiveState,NRestarts {unit}").split()
        assert sorted(state) == ["0", "active"]
        assert host.check(f"cat {setting}").strip() == "0", "the kernel's setting is not as before"
        host.check(add)
        wait_until(lambda: host.run(asked(ADDRESS)).returncode == 0, "it does not serve at the address", 40)
    finally:
        host.run(f"systemctl stop {unit}; docker rm --force late-address; ip link del late0")


def asked(address: str) -> str:
    """Return the command that asks the gateway at an address."""
    return f"curl --silent --max-time 2 --output /dev/null http://{address}:{PORT}/healthz"


def test_a_unit_that_was_started_too_often_is_no_obstacle(
    host: FaultHost, before: World, deployment: Deployment
) -> None:
    """As after a night in which Docker was restarted again and again: systemd would refuse the next start."""
    unit = "openclaw-gateway.service"
    # As often as the unit may be started (StartLimitBurst=10).
    host.check(f"systemctl reset-failed {unit}; for _ in 1 2 3 4 5 6 7 8 9 10; do systemctl restart {unit}; done")
    answer = deployment.run("v2")
    assert answer.get("changed"), answer
    assert host.check(f"systemctl is-active {unit}").strip() == "active"


@pytest.mark.parametrize("method", ["sudo", "su"] if LONG else ["sudo"])
def test_an_account_that_becomes_root_by_a_password_can_deploy(
    host: FaultHost, before: World, method: str, tmp_path: Path
) -> None:
    """With the short PATH that su without -l leaves; check mode asks and reads everything that a deployment does."""
    password = secrets.token_hex(16)
    who = "root" if method == "su" else LOGIN
    host.write("/root/passwords", f"{who}:{password}\n")
    host.check(
        f"cp -p /etc/shadow /root/shadow; useradd --create-home --shell /bin/bash {LOGIN}\n"
        "chpasswd < /root/passwords; rm /root/passwords\n"
        f"echo '{LOGIN} ALL=(ALL) ALL' > /etc/sudoers.d/{LOGIN}\n"
        f"install -D -o {LOGIN} -m 0600 /root/.ssh/authorized_keys /home/{LOGIN}/.ssh/authorized_keys\n"
        f"chown -R {LOGIN} /home/{LOGIN}/.ssh"
    )
    login = {"ansible_user": LOGIN, "ansible_become_method": method, "ansible_become_password": password}
    (tmp_path / "login.json").write_text(json.dumps(login))
    try:
        image = {"openclaw_image_source": "checkout", "openclaw_image_checkout_path": "/root/checkout"}
        options = ["--check", "--extra-vars", f"@{tmp_path}/login.json"]
        done = playbook(host.lab_name, CHECKOUT / "playbooks/site.yml", *options, **image)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
        assert re.search(r"ok=1[0-9] .* unreachable=0 +failed=0", done.stdout), done.stdout[-1000:]
        assert password not in done.stdout + done.stderr
    finally:
        host.check(f"userdel --remove --force {LOGIN}; mv /root/shadow /etc/shadow; rm -f /etc/sudoers.d/{LOGIN}")
