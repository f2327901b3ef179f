"""What the container begins, by real packets from inside it, as the service's account and as root.

Beside the host are a local network with the metadata service of a cloud, and an internet: a network namespace of this
test has their addresses, so that no packet leaves the lab.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from harness import Host

LAN, METADATA, INTERNET = "192.168.213.2", "169.254.169.254", "8.8.213.1"
LAN6, TRANSLATED6, EMBEDDED6, INTERNET6 = "fd00:214::2", "64:ff9b::a00:1", "2002:a00:1::1", "2600:213::1"
BRIDGE6, CONTAINER6 = "fd00:215::1", "fd00:215::2"
PORT = 8099
MADE = f"""
ip netns add outside
ip link add outside type veth peer name eth0 netns outside
sysctl -qw net.ipv6.conf.outside.disable_ipv6=0
ip addr add 192.168.213.1/24 dev outside; ip -6 addr add fd00:214::1/64 dev outside nodad; ip link set outside up
inside() {{ nsenter --net=/run/netns/outside "$@"; }}
inside sysctl -qw net.ipv6.conf.all.disable_ipv6=0
inside ip link set lo up; inside ip link set eth0 up
for address in {LAN}/24 {METADATA}/32 {INTERNET}/32; do inside ip addr add $address dev eth0; done
inside ip -6 addr add {LAN6}/64 dev eth0 nodad
for address in {TRANSLATED6} {EMBEDDED6} {INTERNET6}; do
  inside ip -6 addr add $address/128 dev eth0 nodad; ip -6 route add $address via {LAN6} dev outside
done
inside ip route add default via 192.168.213.1; inside ip -6 route add default via fd00:214::1
ip route add {METADATA} via {LAN} dev outside; ip route add {INTERNET} via {LAN} dev outside
systemd-run --quiet --unit=outside nsenter --net=/run/netns/outside python3 /root/answers.py {LAN} {METADATA} {INTERNET}
systemd-run --quiet --unit=here python3 /root/answers.py
"""
GONE = f"""set +e; systemctl stop outside here; systemctl reset-failed
ip netns delete outside; ip link delete outside 2>/dev/null
docker rm --force other >/dev/null 2>&1; rm -f /root/answers.py
ip -6 addr del {BRIDGE6}/64 dev br-openclaw; sysctl -qw net.ipv6.conf.br-openclaw.disable_ipv6=1
sysctl -qw net.ipv6.conf.all.forwarding=0; true"""
# The gateway's network has no IPv6; a container that has some is held back, too.
WITH_IPV6 = f"""sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.br-openclaw.disable_ipv6=0
ip -6 addr replace {BRIDGE6}/64 dev br-openclaw nodad
nsenter --target $(pid) --net sh -euc 'sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0
ip -6 addr replace {CONTAINER6}/64 dev eth0 nodad; ip -6 route replace default via {BRIDGE6}'
"""
# Answers at one port, by TCP and UDP, at every address that it has.
ANSWERS = f"""import socket, sys, threading
def tcp():
    server = socket.create_server(("::", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        connection, _peer = server.accept()
        connection.sendall(b"yes")
        connection.close()
def udp(address, port):
    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, port))
    while True:
        _text, peer = server.recvfrom(100)
        server.sendto(b"yes", peer)
for address in sys.argv[1:] or ["0.0.0.0"]:  # each answers from the address that was asked
    for port in ({PORT}, 53):
        threading.Thread(target=udp, args=(address, port), daemon=True).start()
tcp()
"""
# Runs in the container's own network namespace; the kernel sees a process of the container then.
TRY = """import json, os, socket, sys, time
if sys.argv[1] != "0":
    os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
found = {}
for name, kind, address, port in json.loads(sys.argv[2]):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    began = time.monotonic()
    with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        try:
            sock.connect((address, port))
            if kind == "udp":
                sock.send(b"hello")
            found[name] = [sock.recv(10).decode(), 0]
        except OSError as error:
            found[name] = [type(error).__name__, time.monotonic() - began]
print(json.dumps(found))
"""
# What takes rules of others away, or opens them; the policy does not lean on any of these.
FLUSHES = ("nft flush ruleset; sleep 3; docker_again", "docker_again", "iptables -P FORWARD ACCEPT; sleep 1")


class Agent:
    """What tries it inside the container."""

    def __init__(self, host: Host) -> None:
        self.host = host
        gateway = host.check("container '{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}'")
        other = host.check("docker container inspect --format "
                           "'{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' other")  # fmt: skip
        docker0 = host.check("ip -4 -o addr show dev docker0 | awk '{print $4}' | cut -d/ -f1")
        own = host.check("address")
        self.private = [
            ("the local network", "tcp", LAN, PORT),
            ("the local network by UDP", "udp", LAN, PORT),
            ("another name server", "udp", LAN, 53),
            ("the metadata service", "tcp", METADATA, PORT),
            ("this host at its bridge", "tcp", gateway, PORT),
            ("this host at its own address", "tcp", own, PORT),
            ("this host at another bridge", "tcp", docker0, PORT),
            ("this host by UDP", "udp", gateway, PORT),
            ("another container", "tcp", other, PORT),
            ("the local network by IPv6", "tcp", LAN6, PORT),
            ("this host by IPv6", "tcp", BRIDGE6, PORT),
            ("IPv4 in IPv6, by NAT64", "tcp", TRANSLATED6, PORT),
            ("IPv4 in IPv6, by 6to4", "tcp", EMBEDDED6, PORT),
        ]
        self.public = [
            ("the internet", "tcp", INTERNET, PORT),
            ("the internet by UDP", "udp", INTERNET, PORT),
            ("the internet by IPv6", "tcp", INTERNET6, PORT),
        ]

    def tries(self, uid: int) -> dict[str, tuple[str, float]]:
        """Try everything; return what was answered, and after how many seconds it failed."""
        self.host.check(WITH_IPV6)  # the container may be another one by now
        places = json.dumps([*self.private, *self.public])
        found = self.host.check(f"nsenter --target $(pid) --net python3 /root/try.py {uid} '{places}'")
        return {name: (answer, seconds) for name, (answer, seconds) in json.loads(found).items()}

    def reached(self, uid: int = 0) -> set[str]:
        """Return what was reached."""
        return {name for name, (answer, _seconds) in self.tries(uid).items() if answer == "yes"}

    @property
    def names(self) -> tuple[set[str], set[str]]:
        """Return the names of what is private, and of the internet."""
        return {place[0] for place in self.private}, {place[0] for place in self.public}


@pytest.fixture(scope="module")
def agent(host: Host) -> Iterator[Agent]:
    host.deploy(host.definition())
    host.write("/root/answers.py", ANSWERS)
    host.write("/root/try.py", TRY)
    try:
        host.check(MADE)
        host.check("docker run --detach --name other --volume /root/answers.py:/answers.py:ro --volume /usr:/usr:ro "
                   "--volume /lib:/lib:ro --volume /lib64:/lib64:ro --entrypoint /usr/bin/python3 --user 0 "
                   "openclaw:hardened /answers.py >/dev/null; sleep 1")  # fmt: skip
        yield Agent(host)
    finally:
        host.run(GONE)
        host.check("docker_again")


def policy(host: Host, now: str, then: str) -> None:
    """Declare another policy, as a run of the role does."""
    host.check(f"sed -i 's/\"policy\": \"{now}\"/\"policy\": \"{then}\"/' $LIB/gateway-firewall.json\n"
               "systemctl restart openclaw-gateway-firewall.service")  # fmt: skip


def test_without_the_policy_all_of_it_is_reached(host: Host, agent: Agent) -> None:
    private, public = agent.names
    policy(host, "private-blocked", "off")
    try:
        found = agent.reached()
    finally:
        policy(host, "off", "private-blocked")
    assert found == private - {"another container"} | public  # Docker itself keeps bridges apart


@pytest.mark.parametrize("uid", [1000, 0], ids=["the account", "root"])
def test_only_the_internet_is_reached(agent: Agent, uid: int) -> None:
    found = agent.tries(uid)
    assert {name for name, (answer, _seconds) in found.items() if answer == "yes"} == agent.names[1]
    slow = {name: seconds for name, (answer, seconds) in found.items() if answer != "yes" and seconds > 1}
    assert slow == {}, "a program that may not go there is refused at once"


def test_each_refused_packet_is_counted_and_answers_pass(host: Host, agent: Agent) -> None:
    count = "nft -j list chain inet $C refused | grep -o '\"packets\": [0-9]*' | grep -o '[0-9]*'"
    before = int(host.check(count))
    agent.tries(0)
    assert int(host.check(count)) >= before + len(agent.private)
    assert host.run("curl --silent --fail --max-time 3 http://127.0.0.1:18789/healthz").returncode == 0


def test_what_is_declared_reachable_is_reached_and_nothing_beside_it(host: Host, agent: Agent) -> None:
    file = "$LIB/gateway-firewall.json"
    places = json.dumps([f"{LAN}:{PORT}", f"{METADATA}:{PORT}/udp"])
    host.check(f"cp -p {file} /root/kept.json; sed -i 's|\"reachable\": \\[\\]|\"reachable\": {places}|' {file}\n"
               "systemctl restart openclaw-gateway-firewall.service")  # fmt: skip
    try:
        assert agent.reached() == agent.names[1] | {"the local network"}
    finally:
        host.check(f"cp -p /root/kept.json {file}; systemctl restart openclaw-gateway-firewall.service")
    assert agent.reached() == agent.names[1]


def test_the_name_servers_of_the_host_are_reached_also_when_they_change(host: Host, agent: Agent) -> None:
    """DHCP writes other ones; nothing restarts, and port 53 of these alone opens."""
    host.check(f"cp -p /etc/resolv.conf /root/resolv.conf; echo 'nameserver {LAN}' > /etc/resolv.conf; sleep 8")
    try:
        assert agent.reached() == agent.names[1] | {"another name server"}
        assert "OCH-NET-14" not in host.audit().bad
    finally:
        host.check("cat /root/resolv.conf > /etc/resolv.conf; sleep 8")
    assert agent.reached() == agent.names[1]


@pytest.mark.parametrize("action", FLUSHES)
def test_it_holds_after(host: Host, agent: Agent, action: str) -> None:
    host.check(action)
    host.run("docker start other >/dev/null; sleep 1")
    try:
        assert agent.reached() == agent.names[1]
    finally:
        host.run("iptables -P FORWARD DROP")
