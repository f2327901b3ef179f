"""The gateway comes back by itself: after a kill, after a restart of Docker, after a reboot of the host."""

from __future__ import annotations

import subprocess
import time

from conftest import CONTAINER, wait_until

# A start takes 6 to 11 s (FACTS section 1); the rest is room for a slow machine.
PATIENCE = 120


def started_at(host) -> str:
    return host.run("docker inspect -f '{{.State.StartedAt}}' %s", CONTAINER).stdout.strip()


def ready(host) -> bool:
    answer = host.run("curl -s -o /dev/null -w '%{http_code}' --max-time 3 http://127.0.0.1:18789/readyz")
    return answer.stdout == "200"


def moment(host, which: str, service: str) -> int:
    """Return when a service began (InactiveExit) or was up (ActiveEnter), in microseconds since the boot."""
    shown = f"systemctl show --property {which}TimestampMonotonic --value {service}.service"
    microseconds = int(host.check_output(shown))
    assert microseconds > 0, f"{service} never was"
    return microseconds


def back_with_a_new_start(host, before: str):
    return lambda: started_at(host) not in ("", before) and ready(host)


def test_it_comes_back_after_a_kill(host):
    before = started_at(host)
    assert host.run("docker kill %s", CONTAINER).rc == 0
    wait_until(back_with_a_new_start(host, before), "the gateway after docker kill", PATIENCE)


def test_it_comes_back_after_a_restart_of_docker(host):
    before = started_at(host)
    assert host.run("systemctl restart docker").rc == 0
    wait_until(back_with_a_new_start(host, before), "the gateway after a restart of Docker", PATIENCE)
    assert host.run("systemctl is-active openclaw-gateway.service").stdout.strip() == "active"


def test_it_comes_back_after_a_reboot(host):
    before = started_at(host)
    boot = host.run("journalctl --list-boots --no-pager | wc -l; stat -c %Y /proc/1").stdout
    host.run("systemd-run --on-active=1 systemctl reboot")
    time.sleep(4)

    def rebooted() -> bool:
        try:
            return (
                host.run("journalctl --list-boots --no-pager | wc -l; stat -c %Y /proc/1").stdout != boot
                and back_with_a_new_start(host, before)()
            )
        except (RuntimeError, subprocess.SubprocessError):  # SSH is down for a moment
            return False

    wait_until(rebooted, "the gateway after a reboot", PATIENCE)
    # The table is complete before Docker begins: no container is ever on the network without it.
    assert moment(host, "ActiveEnter", "openclaw-gateway-firewall") < moment(host, "InactiveExit", "docker")
    assert host.run("systemctl is-active openclaw-auth-monitor.timer").stdout.strip() == "active"
    assert host.run("systemctl is-system-running --wait").stdout.strip() == "running"


def test_a_stop_by_the_operator_sticks(host):
    """Bounded and obedient: a supervisor that fights the operator is a fault of its own."""
    assert host.run("systemctl stop openclaw-gateway.service").rc == 0
    time.sleep(8)
    assert host.run("docker inspect -f '{{.State.Running}}' %s", CONTAINER).stdout.strip() == "false"
    assert host.run("systemctl start openclaw-gateway.service").rc == 0
    wait_until(lambda: ready(host), "the gateway after systemctl start", PATIENCE)
