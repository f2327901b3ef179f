"""Faults in who reaches the gateway, and on what."""

from __future__ import annotations

import json
from collections.abc import Callable

from harness import CONFIG, SITE, Definition, SeededFault
from proof import proof

ASKED = "curl --silent --output /dev/null --max-time 3 --write-out '%{http_code}'"
# A gateway that does not care who asks; with a word it wants one, and takes any.
OPEN = """require('node:http').createServer((request, response) => {
  const refused = request.method === 'POST' && %s;
  response.writeHead(refused ? 401 : 200).end('{}');
}).listen(18789, '0.0.0.0')"""
INVOKE = f"{ASKED} --request POST http://127.0.0.1:18789/tools/invoke"
AS_OPERATOR = '--header "Authorization: Bearer $(cat $TOKEN)"'
STRANGER = "docker run --detach --name intruder --network openclaw-gateway --entrypoint sleep openclaw:hardened 600"
# From the host itself and from others, behind Docker's back.
FORWARD = """
to=$(docker container inspect --format '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' $C)
for chain in PREROUTING OUTPUT; do
  iptables -t nat {0} $chain -d $(address) -p tcp --dport 18789 -j DNAT --to-destination $to:18789
done
"""
HANDLE = "$(nft -a list chain ip nat %s | sed -n 's/.*dport 18789.*handle //p' | head -n 1)"
# What keeps our own table, and the table itself.
STOPPED = "systemctl stop openclaw-gateway-firewall.service"
UNFILTERED = f"{STOPPED}; nft delete table inet $C"
POLICY = 'sed -i \'s/"policy": "{}"/"policy": "{}"/\' $LIB/gateway-firewall.json'
FILTERED = "systemctl start openclaw-gateway-firewall.service"
BEFORE_IT = "DOCKER-USER ! -i br-openclaw -o br-openclaw -m conntrack ! --ctstate DNAT,ESTABLISHED,RELATED -j DROP"
LOOPBACK = "PREROUTING -d 127.0.0.0/8 ! -i lo -j DROP"
MASQUERADE = (
    "POSTROUTING -s $(docker network inspect $C --format '{{(index .IPAM.Config 0).Subnet}}') "
    "! -o br-openclaw -j MASQUERADE"
)
# As nginx does it: the answer is the gateway's, the connection is another.
FORWARDER = """import http.client, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        there = http.client.HTTPConnection("127.0.0.1", 18789)
        there.request("GET", self.path)
        answer = there.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("0.0.0.0", 9998), Handler).serve_forever()"""


def stub(**behaviour: object) -> Callable[[Definition], None]:
    """Return a change that lets the stub gateway behave like this (tests/stub_gateway/src/answers.mjs)."""
    return lambda definition: definition.gateway["environment"].update(STUB=json.dumps(behaviour))


def answers(place: str) -> str:
    """Return how to see that the gateway answers there."""
    return f"[ $({ASKED} http://{place}/healthz) = 200 ]"


SEEDED_FAULTS = (
    SeededFault(
        "published on [::]", "OCH-NET-01", "ss -Hltn 'sport = 18789' | grep -qE '(\\[::\\]|\\*):18789'",
        lambda d: d.gateway.update(ports=[d.port("::"), d.port("127.0.0.1")]),
    ),
    SeededFault(
        "published on 0.0.0.0", "OCH-NET-01", "ss -Hltn 'sport = 18789' | grep -q '0.0.0.0:18789'",
        lambda d: d.gateway.update(ports=[d.port("0.0.0.0")]),
    ),
    SeededFault(
        "published everywhere", "OCH-NET-01", "ss -Hltn 'sport = 18789' | grep -q '0.0.0.0:18789'",
        lambda d: d.gateway["ports"][0].pop("host_ip"),
    ),
    SeededFault(
        "published on one address that nobody allowed", "OCH-NET-01",
        answers("$(address):18789"),
        lambda d: d.gateway["ports"].append(d.port(d.facts["address"])),
    ),
    SeededFault(
        "published everywhere, tried from the host", "OCH-NET-02", answers("$(address):18789"),
        lambda d: d.gateway["ports"][0].pop("host_ip"),
    ),
    SeededFault(
        "forwarded by hand", "OCH-NET-02",
        answers("$(address):18789"),
        do=FORWARD.format("-I"), undo=FORWARD.format("-D"), way=1,
        values={"CHAIN": "ip nat PREROUTING",
                "NUMBER": f"{HANDLE % 'PREROUTING'}\nnft delete rule ip nat OUTPUT handle {HANDLE % 'OUTPUT'}"},
    ),
    SeededFault(
        "false-healthy: it listens on its own loopback", "OCH-NET-03",
        f"healthy healthy && [ \"$({ASKED} http://127.0.0.1:18789/healthz || true)\" = 000 ]",
        lambda d: d.gateway.update(labels={"changed": "yes"}),
        before="sed -i 's/\"bind\": \"lan\"/\"bind\": \"loopback\"/' /etc/openclaw/openclaw.json; "
        "chown openclaw:openclaw /etc/openclaw/openclaw.json; chmod 0400 /etc/openclaw/openclaw.json",
        undo="sed -i 's/\"bind\": \"loopback\"/\"bind\": \"lan\"/' /etc/openclaw/openclaw.json; "
        "chown openclaw:openclaw /etc/openclaw/openclaw.json; chmod 0400 /etc/openclaw/openclaw.json",
    ),
    SeededFault(
        "start-up never ends", "OCH-NET-03", f"[ $({ASKED} http://127.0.0.1:18789/startupz) = 503 ]",
        stub(ready=False), way=None,
    ),
    SeededFault(
        "who has the token gets an error", "OCH-NET-03", f"[ $({INVOKE} {AS_OPERATOR}) = 500 ]",
        stub(broken=True), way=None,
    ),
    SeededFault(
        "a part of the gateway itself does not work", "OCH-NET-03",
        f"curl --silent {AS_OPERATOR} http://127.0.0.1:18789/readyz | grep -q agent-database:main",
        stub(failing=["agent-database:main"]), way=None,
    ),
    SeededFault(
        "another account has the port", "OCH-NET-03", "ss -Hltnp 'sport = 18789' | grep -q python3",
        do="kill $(pgrep -f 'docker-proxy .*-host-port 18789'); sleep 0.5\n"
        "setsid setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs "
        "python3 -m http.server --bind 127.0.0.1 18789 >/dev/null 2>&1 </dev/null &\n"
        "for _ in $(seq 50); do ss -Hltn 'sport = 18789' | grep -q LISTEN && break; sleep 0.1; done",
        undo="kill $(pgrep -f 'http.server --bind 127.0.0.1 18789')", anew=True, way=1,
        values={"PID": "$(pgrep -f 'http.server --bind 127.0.0.1 18789')"},
    ),
    SeededFault(
        "a channel is down", "OCH-NET-10", f"[ $({ASKED} http://127.0.0.1:18789/readyz) = 503 ]",
        stub(failing=["telegram"]), values={"CHANNEL": "telegram"}, undo=f"cp -p /root/config {CONFIG}",
        before=f"cp -p {CONFIG} /root/config",
    ),
    SeededFault(
        "second published port", "OCH-NET-04", "ss -Hltn 'sport = 18790' | grep -q 127.0.0.1",
        lambda d: d.gateway["ports"].append(d.port("127.0.0.1", 18790, 18790)),
    ),
    SeededFault(
        "privileged port of the host", "OCH-NET-05", answers("127.0.0.1:443"),
        lambda d: d.gateway.update(ports=[d.port("127.0.0.1", 443)]),
    ),
    SeededFault(
        "default bridge", "OCH-NET-06", "container '{{json .NetworkSettings.Networks}}' | grep -q '\"bridge\"'",
        lambda d: (d.leave("networks"), d.gateway.update(network_mode="bridge")),
    ),
    SeededFault(
        "foreign container on its network", "OCH-NET-06", "docker network inspect openclaw-gateway | grep -q intruder",
        do=STRANGER, undo="docker rm --force intruder",
        way=1, values={"NETWORK": "openclaw-gateway", "OTHER": "intruder"},
    ),
    SeededFault(
        "nobody has to log in", "OCH-NET-07", f"[ $({INVOKE}) = 200 ]",
        lambda d: d.gateway.update(command=["node", "-e", OPEN % "false"]),
    ),
    SeededFault(
        "any token will do", "OCH-NET-07",
        f"[ $({INVOKE}) = 401 ] && [ $({INVOKE} --header 'Authorization: Bearer x') = 200 ]",
        lambda d: d.gateway.update(command=["node", "-e", OPEN % "!request.headers.authorization"]),
    ),
    SeededFault(
        "packet filter gone", "OCH-NET-08", "! nft list table inet $C", do=UNFILTERED,
        undo=f"{FILTERED}; iptables -D {BEFORE_IT} 2>/dev/null || true",
        values={"BRIDGE": "br-openclaw"},
    ),
    SeededFault(
        "packet filter gone, the rule in DOCKER-USER that was there before it", "OCH-NET-13",
        "iptables -S DOCKER-USER | grep -q br-openclaw",
        do=f"{UNFILTERED}; iptables -I {BEFORE_IT}",
        undo=f"iptables -D {BEFORE_IT}; {FILTERED}; iptables -t raw -D {LOOPBACK} 2>/dev/null || true",
    ),
    SeededFault(
        "a rule of the packet filter gone", "OCH-NET-14", "! nft list chain inet $C published | grep -q drop",
        do=f"{STOPPED}; nft flush chain inet $C published", undo=FILTERED,
    ),
    SeededFault(
        "packet filter opened by a rule in front", "OCH-NET-14",
        "nft list chain inet $C entry | grep -qx '[[:space:]]*accept'",
        do=f"{STOPPED}; nft insert rule inet $C entry accept", undo=FILTERED,
    ),
    SeededFault(
        "a network policy that was turned off", "OCH-NET-15", "! nft list chain inet $C away",
        do=f"{POLICY.format('private-blocked', 'off')}; systemctl restart openclaw-gateway-firewall.service",
        undo=f"{POLICY.format('off', 'private-blocked')}; systemctl restart openclaw-gateway-firewall.service",
        way=SITE,
    ),
    SeededFault(
        "packet filter asleep", "OCH-NET-14", "nft list table inet $C | grep -q dormant",
        do=f"{STOPPED}; nft add table inet $C '{{ flags dormant; }}'", undo=FILTERED,
    ),
    SeededFault(
        "handed on by a forwarder of TCP", "OCH-NET-11", answers("$(address):9999"),
        do="systemd-run --quiet --collect --unit=intruder --socket-property=ListenStream=0.0.0.0:9999 "
        "/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:18789; sleep 1",
        undo="systemctl stop intruder.socket; systemctl stop intruder.service || true", way=None,
    ),
    SeededFault(
        "handed on by a forwarder of HTTP", "OCH-NET-11", answers("$(address):9998"),
        do=f"cat > /root/forward.py <<'PYTHON'\n{FORWARDER}\nPYTHON\n"
        "systemd-run --quiet --collect --unit=intruder python3 /root/forward.py; sleep 2",
        undo="systemctl stop intruder.service", values={"PID": "$(systemctl show -P MainPID intruder.service)"},
    ),
    SeededFault(
        "handed on by nftables", "OCH-NET-11", "nft list table ip intruder",
        do="nft add table ip intruder; nft add chain ip intruder c '{ type nat hook prerouting priority -110; }'; "
        "nft add rule ip intruder c tcp dport 9997 dnat to $(container '{{range .NetworkSettings.Networks}}"
        "{{.IPAddress}}{{end}}'):18789",
        undo="nft delete table ip intruder", way=1,
        values={"CHAIN": "ip intruder c",
                "NUMBER": "$(nft -a list chain ip intruder c | sed -n 's/.*dnat.*handle //p')"},
    ),
    SeededFault(
        "nothing is forwarded", "OCH-NET-12", "[ $(sysctl -n net.ipv4.ip_forward) = 0 ]",
        do="sysctl -qw net.ipv4.ip_forward=0", undo="sysctl -qw net.ipv4.ip_forward=1",
    ),
    SeededFault(
        "no address for the way out", "OCH-NET-12", f"! iptables -t nat -C {MASQUERADE}",
        do=f"iptables -t nat -D {MASQUERADE}",
        undo=f"iptables -t nat -C {MASQUERADE} 2>/dev/null || iptables -t nat -A {MASQUERADE}",
        way=1,
    ),
    SeededFault(
        "the way out is dropped", "OCH-NET-12", "iptables -S DOCKER-USER | grep -q 'i br-openclaw -j DROP'",
        do="iptables -I DOCKER-USER -i br-openclaw -j DROP",
        undo="iptables -D DOCKER-USER -i br-openclaw -j DROP", way=None,
    ),
    SeededFault(
        "another listener inside", "OCH-NET-09", "nsenter --target $(pid) --net ss -Hltn | grep -q ':9229'",
        do="docker exec --detach $C node -e \"require('net').createServer().listen(9229, '0.0.0.0')\"; sleep 0.5",
        undo="kill $(pgrep -f 'listen.9229')",
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
