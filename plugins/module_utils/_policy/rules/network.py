# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the network: where the gateway is published, who reaches it, and whom it lets in. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Publish, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import Network
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    EVERYWHERE,
    RECREATE,
    Result,
    Rule,
    cis,
    failed,
    guide,
    owasp,
    passed,
    skipped,
    verdict,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.attached_checks import (
    faults_of_driver,
    faults_of_network,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.neighbour_checks import (
    forwarders_effective,
    neighbours_effective,
    own_table_effective,
    way_out_effective,
    wire_effective,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.network_checks import (
    SHARED,
    answers_effective,
    at,
    dependencies_effective,
    forwards,
    listening,
    loopback,
    permitted,
    reach_effective,
    some,
    token_effective,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.private_checks import private_effective


def _shared(mode: str) -> bool:
    return mode == "container" or mode.startswith(("container:", "service:"))


def _inspect(settings: Settings, text: str) -> tuple[str, str]:
    return (settings.source, text)


def _ports(settings: Settings) -> tuple[str, str]:
    shown = some(f"{at(port.address, port.port)}->{port.target}/{port.protocol}" for port in settings.ports)
    return _inspect(settings, f"ports: {shown or 'none'}")


# --- OCH-NET-01: where the port is published ----------------------------------------------------------------------


def published_declared(settings: Settings, allowed: Baseline) -> Result:
    """Guide, "Network Binding"; CIS 5.14: a port without an address is published on every one."""
    faults = [
        f"{at(port.address, port.port)} is published beyond this host"
        for port in settings.ports
        if not permitted(port.address, allowed)
    ]
    good = f"published on {some(at(port.address, port.port) for port in settings.ports)}"
    return verdict(faults, good if settings.ports else "publishes no port", _ports(settings))


def published_effective(network: Network, allowed: Baseline) -> Result:
    """Guide, "Verify Network Binding", with the tables of the kernel: listeners, and who forwards to the container."""
    if network.mode == "container":
        return skipped(SHARED)
    faults = [
        f"the daemon publishes {at(port.address, port.port)}"
        for port in network.published
        if network.mode != "host" and not permitted(port.address, allowed)
    ]
    faults += [
        f"{at(found.address, found.port)} listens beyond this host"
        for found in network.listeners
        if not permitted(found.address, allowed)
    ]
    faults += [f"the packet filter forwards to it: {text}" for text in forwards(network, allowed)]
    faults += [
        f"{found.name} ({found.driver}) puts the container on the host's own network"
        for found in network.attached
        if found.driver in ("macvlan", "ipvlan") and EVERYWHERE not in allowed.addresses
    ]
    observed = some(at(found.address, found.port) for found in network.listeners)
    daemon = some(at(port.address, port.port) for port in network.published)
    return verdict(
        list(dict.fromkeys(faults)),
        f"listens on {observed}"
        if observed
        else f"published on {daemon}"
        if daemon
        else "nothing of it listens on the host",
        ("/proc/net/tcp and tcp6", f"LISTEN: {observed or 'none on its ports'}"),
        ("docker inspect, NetworkSettings.Ports", daemon or "none"),
    )


# --- OCH-NET-04, OCH-NET-05: which ports --------------------------------------------------------------------------


def only_port_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.9: nothing is published but the gateway; nothing else listens in the container that would need it."""
    faults = ["publishes every exposed port on a random port of the host"] if settings.publish_all else []
    return _only_port(faults, settings.ports, _ports(settings), settings)


def only_port_effective(network: Network, settings: Settings, _allowed: Baseline) -> Result:
    """The same of what the daemon has bound."""
    if network.mode == "container":
        return skipped(SHARED)
    outside = [port for port in network.published if network.mode != "host" or not loopback(port.address)]
    shown = some(f"{at(port.address, port.port)}->{port.target}/{port.protocol}" for port in outside)
    return _only_port([], outside, ("docker inspect, NetworkSettings.Ports", shown or "none"), settings)


def _only_port(faults: list[str], ports: Iterable[Publish], evidence: tuple[str, str], settings: Settings) -> Result:
    targets = sorted({f"{port.target}/{port.protocol}" for port in ports})
    # What is beside the gateway may serve on several; how far each reaches is OCH-NET-01's matter.
    if settings.foreign:
        return verdict(faults, f"publishes {some(targets) or 'no port'}", evidence)
    if len(targets) > 1:
        faults = [*faults, f"publishes {len(targets)} ports of the container: {some(targets)}"]
    return verdict(faults, f"publishes {targets[0]} alone" if targets else "publishes no port", evidence)


def high_port_declared(settings: Settings, allowed: Baseline) -> Result:
    """CIS 5.8."""
    low = [port for port in settings.ports if 0 < port.port < 1024]
    if low and "NET_BIND_SERVICE" in allowed.capabilities:
        return passed(f"{some(at(port.address, port.port) for port in low)}, which is allowed", _ports(settings))
    faults = [f"{at(port.address, port.port)} is a privileged port" for port in low]
    return verdict(faults, "no privileged port" if settings.ports else "publishes no port", _ports(settings))


# --- OCH-NET-06: a network of its own -----------------------------------------------------------------------------


def own_network_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.30; OWASP rule 5: on docker0 every container reaches every other."""
    mode = settings.network_mode
    evidence = _inspect(settings, f"network mode: {mode or 'default'}; networks: {some(settings.networks) or 'none'}")
    if _shared(mode):
        reported = "shares the network of another container"
        return passed(f"{reported}, as a helper does", evidence) if settings.helper else failed(reported, evidence)
    faults = ["is on the host's own network"] if mode == "host" else []
    if mode in ("bridge", "default") or "bridge" in settings.networks or not (mode or settings.networks):
        faults.append("is on docker0, the default network")
    faults += [fault for network in settings.attached for fault in faults_of_network(network)]
    return verdict(faults, "has no network" if mode == "none" else f"is on {some(settings.networks) or mode}", evidence)


def own_network_effective(network: Network, _allowed: Baseline) -> Result:
    """The same of the networks that the container is on, and who else is there."""
    if network.mode != "bridge":
        return skipped({"host": "is on the host's own network", "none": "has no network"}.get(network.mode, SHARED))
    faults, evidence = [], []
    for found in network.attached:
        if found.default:
            faults.append(f"is on {found.bridge}, the default network")
        if found.driver in ("macvlan", "ipvlan"):
            faults.append(f"{found.name} is the host's own network ({found.driver})")
        elif not found.default:
            faults += faults_of_driver(found.name, found.driver, found.options)
        if found.foreign_ones:
            faults.append(f"{found.name} is shared with {some(found.foreign_ones)}")
        others = some(found.foreign_ones) or "none"
        evidence.append((f"docker network inspect {found.name}", f"{found.driver} {found.bridge}; foreign: {others}"))
    if not network.attached:
        return passed("is on no network")
    return verdict(faults, f"alone on {some(found.name for found in network.attached)}", *evidence)


# --- OCH-NET-09: what listens inside ------------------------------------------------------------------------------


def inside_effective(network: Network, _allowed: Baseline) -> Result:
    """Another listener is another way in for whatever shares the network; the container's own loopback is
    nobody's.
    """
    if network.mode in ("container", "none"):
        return skipped(SHARED if network.mode == "container" else "has no network")
    ports = {network.port} if network.mode == "host" else {port.target for port in network.published} or {network.port}
    reachable = [found for found in network.inside if not loopback(found.address)]
    faults = [f"{at(x.address, x.port)} listens, too" for x in reachable if x.port not in ports]
    shown = some(at(x.address, x.port) for x in reachable)
    good = f"listens on {shown} alone" if shown else "nothing listens beyond its own loopback"
    return verdict(faults, good, listening(network, network.inside))


RULES: tuple[Rule, ...] = (
    Rule(
        id="OCH-NET-01",
        title="The gateway is published on loopback only, or where the operator allows it",
        area="network",
        severity="critical",
        expected="published and listening on 127.0.0.1 or ::1, or on an allowed address",
        remediation='set `ports: ["127.0.0.1:18789:18789"]` in the service',
        refs=(*guide("Verify Network Binding", "Security Checklist, item 3"), *cis("5.14")),
        needs=("network",),
        declared=published_declared,
        effective=published_effective,
    ),
    Rule(
        id="OCH-NET-02",
        title="Only this host, or who is allowed, reaches the gateway",
        area="network",
        severity="critical",
        expected="127.0.0.1 answers, every other address of the host refuses unless it is allowed",
        remediation=f'set `ports: ["127.0.0.1:18789:18789"]` in the service; {RECREATE}; or run `nft delete rule CHAIN '
        "handle NUMBER` for each rule that is named",
        refs=guide("Network Access Issues", "Verify Network Binding"),
        needs=("network",),
        effective=reach_effective,
    ),
    Rule(
        id="OCH-NET-03",
        title="The gateway is started, alive and serves the host",
        area="network",
        severity="critical",
        expected=(
            "200 on /startupz and /healthz through the published port, and a request with the token is answered; "
            "channels are OCH-NET-10"
        ),
        remediation="set `gateway.bind: lan` in openclaw.json; run `docker restart CONTAINER` where it listens on its "
        "own loopback; or run `kill PID`, `docker restart CONTAINER` where another process has the port",
        refs=guide("Verify Functionality"),
        needs=("network",),
        effective=answers_effective,
    ),
    Rule(
        id="OCH-NET-04",
        title="Only the gateway's port is published",
        area="network",
        severity="high",
        expected="one published port of the container, and no publish_all",
        remediation='set `ports: ["127.0.0.1:18789:18789"]` in the service',
        refs=cis("5.9"),
        needs=("network", "settings"),
        declared=only_port_declared,
        effective=only_port_effective,
    ),
    Rule(
        id="OCH-NET-05",
        title="No privileged port of the host is taken",
        area="network",
        severity="low",
        expected="ports of the host from 1024 on, unless NET_BIND_SERVICE is allowed",
        remediation='set `ports: ["127.0.0.1:18789:18789"]` in the service',
        refs=cis("5.8"),
        declared=high_port_declared,
    ),
    Rule(
        id="OCH-NET-06",
        title="No foreign container is on the container's network",
        area="network",
        severity="medium",
        expected="a user-defined bridge network without containers of others",
        remediation="remove `network_mode` from the service; or run `docker network disconnect NETWORK OTHER` for "
        "each container that is named",
        refs=(*guide("Security Improvements"), *cis("5.30"), *owasp(5)),
        needs=("network",),
        declared=own_network_declared,
        effective=own_network_effective,
    ),
    Rule(
        id="OCH-NET-07",
        title="The gateway lets nobody in without the token",
        area="network",
        severity="critical",
        expected="401 without a token and with another one, and another answer with the right one",
        remediation=f"remove `command`, `entrypoint` from the service (the image's own asks for the token); {RECREATE}",
        refs=guide("Network Binding", "Security Checklist, item 4"),
        needs=("network",),
        effective=token_effective,
    ),
    Rule(
        id="OCH-NET-08",
        title="Neighbours that route through the host do not reach the container",
        area="network",
        severity="high",
        expected="what enters the container's bridge from elsewhere is dropped, unless Docker published or answered it",
        remediation="run `iptables -I DOCKER-USER ! -i BRIDGE -o BRIDGE -m conntrack "
        "! --ctstate DNAT,ESTABLISHED,RELATED -j DROP` for now and for each boot",
        refs=(*guide("Security Improvements"), *owasp(5)),
        needs=("network", "packets"),
        effective=neighbours_effective,
    ),
    Rule(
        id="OCH-NET-09",
        title="Inside, only the published port is listened on",
        area="network",
        severity="high",
        expected="no listener but the published port, and the container's own loopback",
        remediation=f"{RECREATE} (it ends what docker exec started)",
        refs=(*cis("5.9"), *owasp(5)),
        needs=("network",),
        effective=inside_effective,
    ),
    Rule(
        id="OCH-NET-10",
        title="What the gateway depends on is ready",
        area="network",
        severity="medium",
        expected="200 on /readyz: every channel that is configured works",
        remediation="set `channels.CHANNEL.enabled: false` in openclaw.json; run `docker restart CONTAINER` where the "
        "channel is not needed",
        refs=guide("Verify Functionality"),
        needs=("network",),
        effective=dependencies_effective,
    ),
    Rule(
        id="OCH-NET-11",
        title="Nothing else on this host hands the gateway on",
        area="network",
        severity="critical",
        expected="no listener of the host gives this gateway's answer beyond the allowed addresses",
        remediation="run `kill PID` for the process that listens there; or run `nft delete rule CHAIN handle NUMBER` "
        "where a rule hands it on",
        refs=guide("Verify Network Binding", "Network Access Issues"),
        needs=("network", "packets", "forwarders"),
        effective=forwarders_effective,
    ),
    Rule(
        id="OCH-NET-12",
        title="The gateway's packets get out to models and channels",
        area="network",
        severity="high",
        expected="forwarding is on, there is a route, nothing drops the packets, and their address is translated",
        remediation="run `sysctl -w net.ipv4.ip_forward=1` where forwarding is off; or run `systemctl restart docker` "
        "where a rule of docker is missing",
        refs=("Docker documentation, Packet filtering and firewalls", "ip-sysctl, ip_forward"),
        needs=("network", "packets"),
        effective=way_out_effective,
    ),
    Rule(
        id="OCH-NET-13",
        title="Packets for 127.0.0.1 from other hosts do not reach the gateway",
        area="network",
        severity="critical",
        expected="what is sent to 127.0.0.0/8 and comes in by another interface than lo is dropped before Docker's NAT",
        remediation="run `iptables -t raw -I PREROUTING -d 127.0.0.0/8 ! -i lo -j DROP` for now and for each boot",
        refs=("moby#45610", *guide("Network Binding")),
        needs=("network", "packets"),
        effective=wire_effective,
    ),
    Rule(
        id="OCH-NET-14",
        title="The gateway's own packet filter is loaded as it is declared",
        area="network",
        severity="high",
        expected="the kernel's rules are those of the declared table, no more and no less",
        remediation="run `systemctl restart CONTAINER-firewall.service`",
        refs=("nft(8)",),
        needs=("packets",),
        effective=own_table_effective,
    ),
    Rule(
        id="OCH-NET-15",
        title="The container reaches neither this host nor private networks",
        area="network",
        severity="medium",
        expected="what it begins to this host, to private, link-local and other special networks is rejected",
        remediation="",
        refs=("RFC 6890", *owasp(5)),
        needs=("network", "packets"),
        effective=private_effective,
    ),
)
