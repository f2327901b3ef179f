"""Real packets of a neighbour, from a network namespace beside the host: our own table keeps them out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from harness import LONG, Host

# No lo, so that 127.0.0.1 and ::1 are on the wire; a route for each to the host.
MADE = """
ip netns add neighbour
ip link add neighbour type veth peer name eth0 netns neighbour
sysctl -qw net.ipv6.conf.neighbour.disable_ipv6=0
ip addr add 10.213.77.1/30 dev neighbour; ip -6 addr add fd00:213::1/64 dev neighbour nodad
ip link set neighbour up
inside() { nsenter --net=/run/netns/neighbour "$@"; }
inside sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0
inside ip addr add 10.213.77.2/30 dev eth0; inside ip -6 addr add fd00:213::2/64 dev eth0 nodad
inside ip link set eth0 up
inside sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.eth0.route_localnet=1
inside ip route add default via 10.213.77.1; inside ip -6 route add default via fd00:213::1
inside ip route add 127.0.0.1 via 10.213.77.1
"""
GONE = "ip netns delete neighbour || true; ip link delete neighbour 2>/dev/null || true"
TABLE = "inet openclaw-gateway"
# Each takes the table, or a part of it, away; a restart of Docker puts its own rules back afterwards.
FLUSHES = (
    "nft flush ruleset",
    "systemctl restart nftables",
    f"nft delete table {TABLE}",
    f"nft flush chain {TABLE} published",
    f"nft insert rule {TABLE} entry accept",
    f"nft add table {TABLE} '{{ flags dormant; }}'",
    "iptables -F; iptables -t raw -F",
)

# Firewalls that an administrator puts beside it: what starts each, what reloads it, what ends it.
FIREWALLS = {
    "ufw": (
        "ufw allow 22/tcp; ufw --force enable",
        "ufw reload",
        "ufw disable; ufw --force enable",
        "ufw --force reset",
    ),
    # Docker enters its bridges into the zone of firewalld when it starts; until then nothing gets out (OCH-NET-12).
    "firewalld": (
        "systemctl start firewalld; docker_again",
        "firewall-cmd --reload",
        "firewall-cmd --complete-reload; systemctl restart firewalld",
        "systemctl stop firewalld",
    ),
}


def places(host: Host) -> dict[str, str]:
    """Return where a neighbour tries it, each by another trick."""
    own = host.check("container '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'")
    return {
        "127.0.0.1 on the wire": "http://127.0.0.1:18789",
        "127.0.0.1, from the same port": "--local-port 18789 http://127.0.0.1:18789",
        "the container's address": f"http://{own}:18789",
        "::1 on the wire": "http://[::1]:18789",
    }


def reached(host: Host, tries: dict[str, str]) -> list[str]:
    """Return the tries that got an answer, all at once."""
    ask = "nsenter --net=/run/netns/neighbour curl --silent --output /dev/null --max-time 3 --write-out '%{http_code}'"
    lines = [f'[ "$({ask} {where}/healthz)" = 200 ] && echo "{name}" &' for name, where in tries.items()]
    return sorted(host.check("\n".join([*lines, "wait"])).splitlines())


def seconds_until(host: Host, declared: str, action: str) -> float:
    """Return how long after an action the table is as it was declared; 30 when it never is."""
    begin = time.monotonic()
    host.check(action)
    while host.run(f"nft --stateless list table {TABLE}").stdout.strip() != declared and time.monotonic() - begin < 30:
        time.sleep(0.1)
    return round(time.monotonic() - begin, 1)


@pytest.fixture(scope="module")
def neighbour(host: Host) -> Iterator[dict[str, str]]:
    host.deploy(host.definition())
    host.check(MADE)
    try:
        yield places(host)
    finally:
        host.check(GONE)
        host.check("docker_again")


def test_without_the_table_he_gets_in(host: Host, neighbour: dict[str, str]) -> None:
    host.check(f"systemctl stop openclaw-gateway-firewall.service; nft delete table {TABLE}")
    try:
        found = reached(host, neighbour)
    finally:
        host.check("systemctl start openclaw-gateway-firewall.service")
    assert {"127.0.0.1 on the wire", "the container's address"} <= set(found)


def test_with_it_he_does_not(host: Host, neighbour: dict[str, str]) -> None:
    assert reached(host, neighbour) == []
    assert host.run("curl --silent --fail --max-time 3 http://127.0.0.1:18789/healthz").returncode == 0


def test_it_comes_back_after_each_flush(host: Host, neighbour: dict[str, str]) -> None:
    declared = host.check(f"nft --stateless list table {TABLE}")
    taken = {flush: seconds_until(host, declared, flush) for flush in FLUSHES}
    assert max(taken.values()) < 30, taken
    host.check("docker_again")
    assert reached(host, neighbour) == []


def test_only_the_sources_that_are_named_reach_a_published_port(host: Host, neighbour: dict[str, str]) -> None:
    """By Docker's NAT (IPv4), and by its proxy (IPv6), which listens on the host; the host itself always may."""
    definition = host.definition()
    definition.gateway["ports"] = [definition.port("0.0.0.0"), definition.port("::")]  # noqa: S104
    host.deploy(definition)
    file, places = (
        "$LIB/gateway-firewall.json",
        {"IPv4": "http://10.213.77.1:18789", "IPv6": "http://[fd00:213::1]:18789"},
    )
    try:
        for sources, expected in ((["10.213.77.2", "fd00:213::/64"], ["IPv4", "IPv6"]), (["10.213.77.0/30"], ["IPv4"]),
                                  (["fd00:213::2"], ["IPv6"]), (["10.99.0.0/16"], [])):  # fmt: skip
            declared = json.dumps({"addresses": ["any"], "sources": sources})
            host.check(
                f"[ -e /root/kept.json ] || cp -p {file} /root/kept.json\n"
                f"python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin) | {declared}))' "
                f"< /root/kept.json > {file}\nsystemctl restart openclaw-gateway-firewall.service"
            )
            assert reached(host, places) == expected, sources
            assert host.run("curl --silent --fail --max-time 3 http://127.0.0.1:18789/healthz").returncode == 0
    finally:
        host.check(f"mv /root/kept.json {file}; systemctl restart openclaw-gateway-firewall.service")
        host.deploy(host.definition())


@pytest.mark.skipif(not LONG, reason="installs other firewalls; SEEDED_FAULTS=long")
@pytest.mark.parametrize("name", FIREWALLS)
def test_another_firewall_beside_it_changes_nothing(host: Host, neighbour: dict[str, str], name: str) -> None:
    """Started, reloaded, restarted and ended: the table stays, the gateway is served, and the audit finds nothing."""
    declared = host.check(f"nft --stateless list table {TABLE}")
    host.check(f"export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q install --yes {name}")
    try:
        for action in FIREWALLS[name]:
            assert seconds_until(host, declared, action) < 30
            assert reached(host, neighbour) == [], action
            assert host.run("curl --silent --fail --max-time 3 http://127.0.0.1:18789/healthz").returncode == 0, action
            assert host.audit().bad == {}, action
    finally:
        host.run(f"{FIREWALLS[name][-1]}; DEBIAN_FRONTEND=noninteractive apt-get purge --yes --autoremove {name}")
        host.run("nft delete table inet firewalld")
        host.check("docker_again")
