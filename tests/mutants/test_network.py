"""Faults in who reaches the gateway, and on what."""

from __future__ import annotations

from harness import Mutant
from proof import proof

ASKED = "curl --silent --output /dev/null --max-time 3 --write-out '%{http_code}'"
# A gateway that does not care who asks; with a word it wants one, and takes any.
OPEN = """require('node:http').createServer((request, response) => {
  const refused = request.method === 'POST' && %s;
  response.writeHead(refused ? 401 : 200).end('{}');
}).listen(18789, '0.0.0.0')"""
INVOKE = f"{ASKED} --request POST http://127.0.0.1:18789/tools/invoke"
STRANGER = "docker run --detach --name stranger --network openclaw-gateway --entrypoint sleep openclaw:hardened 600"
# From the host itself and from others, behind Docker's back.
FORWARD = """
to=$(docker container inspect --format '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' $C)
for chain in PREROUTING OUTPUT; do
  iptables -t nat {0} $chain -d $(address) -p tcp --dport 18789 -j DNAT --to-destination $to:18789
done
"""


def answers(place: str) -> str:
    """Return how to see that the gateway answers there."""
    return f"[ $({ASKED} http://{place}/healthz) = 200 ]"


MUTANTS = (
    Mutant(
        "published on [::]", "OCH-NET-01", "ss -Hltn 'sport = 18789' | grep -qE '(\\[::\\]|\\*):18789'",
        lambda d: d.gateway.update(ports=[d.port("::"), d.port("127.0.0.1")]),
    ),
    Mutant(
        "published on 0.0.0.0", "OCH-NET-01", "ss -Hltn 'sport = 18789' | grep -q '0.0.0.0:18789'",
        lambda d: d.gateway.update(ports=[d.port("0.0.0.0")]),
    ),
    Mutant(
        "published everywhere", "OCH-NET-01", "ss -Hltn 'sport = 18789' | grep -q '0.0.0.0:18789'",
        lambda d: d.gateway["ports"][0].pop("host_ip"),
    ),
    Mutant(
        "published on one address that nobody granted", "OCH-NET-01",
        answers("$(address):18789"),
        lambda d: d.gateway["ports"].append(d.port(d.facts["address"])),
    ),
    Mutant(
        "forwarded by hand", "OCH-NET-02",
        answers("$(address):18789"),
        do=FORWARD.format("-I"), undo=FORWARD.format("-D"),
    ),
    Mutant(
        "false-healthy: it listens on its own loopback", "OCH-NET-03",
        f"healthy healthy && [ \"$({ASKED} http://127.0.0.1:18789/healthz || true)\" = 000 ]",
        lambda d: d.gateway.update(labels={"changed": "yes"}),
        before="sed -i 's/\"bind\": \"lan\"/\"bind\": \"loopback\"/' /etc/openclaw/openclaw.json; "
        "chown openclaw:openclaw /etc/openclaw/openclaw.json; chmod 0400 /etc/openclaw/openclaw.json",
        undo="sed -i 's/\"bind\": \"loopback\"/\"bind\": \"lan\"/' /etc/openclaw/openclaw.json; "
        "chown openclaw:openclaw /etc/openclaw/openclaw.json; chmod 0400 /etc/openclaw/openclaw.json",
    ),
    Mutant(
        "second published port", "OCH-NET-04", "ss -Hltn 'sport = 18790' | grep -q 127.0.0.1",
        lambda d: d.gateway["ports"].append(d.port("127.0.0.1", 18790, 18790)),
    ),
    Mutant(
        "privileged port of the host", "OCH-NET-05", answers("127.0.0.1:443"),
        lambda d: d.gateway.update(ports=[d.port("127.0.0.1", 443)]),
    ),
    Mutant(
        "default bridge", "OCH-NET-06", "container '{{json .NetworkSettings.Networks}}' | grep -q '\"bridge\"'",
        lambda d: (d.leave("networks"), d.gateway.update(network_mode="bridge")),
    ),
    Mutant(
        "stranger on its network", "OCH-NET-06", "docker network inspect openclaw-gateway | grep -q stranger",
        do=STRANGER, undo="docker rm --force stranger",
        way=1, values={"NETWORK": "openclaw-gateway", "OTHER": "stranger"},
    ),
    Mutant(
        "nobody has to log in", "OCH-NET-07", f"[ $({INVOKE}) = 200 ]",
        lambda d: d.gateway.update(command=["node", "-e", OPEN % "false"]),
    ),
    Mutant(
        "any token will do", "OCH-NET-07",
        f"[ $({INVOKE}) = 401 ] && [ $({INVOKE} --header 'Authorization: Bearer x') = 200 ]",
        lambda d: d.gateway.update(command=["node", "-e", OPEN % "!request.headers.authorization"]),
    ),
    Mutant(
        "firewall rule gone", "OCH-NET-08", "! iptables -S DOCKER-USER | grep -q br-openclaw",
        do="$LIB/gateway-firewall off br-openclaw", undo="$LIB/gateway-firewall on br-openclaw",
    ),
    Mutant(
        "firewall rule behind one that lets through", "OCH-NET-08",
        "iptables -S DOCKER-USER | sed -n 2p | grep -q 'ACCEPT'",
        do="iptables -I DOCKER-USER -j ACCEPT", undo="iptables -D DOCKER-USER -j ACCEPT",
    ),
    Mutant(
        "another listener inside", "OCH-NET-09", "nsenter --target $(pid) --net ss -Hltn | grep -q ':9229'",
        do="docker exec --detach $C node -e \"require('net').createServer().listen(9229, '0.0.0.0')\"; sleep 0.5",
        undo="kill $(pgrep -f 'listen.9229')",
    ),
)  # fmt: skip

test_it_is_found = proof(MUTANTS)
