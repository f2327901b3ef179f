# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checking what the packet filter does with packets of neighbours, and with those of the container to models. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.forwarders import Forwarders
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import Attached, Network, major
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.packet_filter import ELSEWHERE, PacketFilter
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    EVERYWHERE,
    Result,
    failed,
    inconclusive,
    passed,
    skipped,
    verdict,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.network_checks import (
    SHARED,
    at,
    loopback,
    permitted,
    plain,
    some,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft
from ansible_collections.openclaw.hardening.plugins.module_utils._system.iptables import (
    Packet,
    Station,
    Table,
    held_back,
    let_in,
    nat,
    parse,
    taken_in,
)

# --- OCH-NET-08: neighbours ---------------------------------------------------------------------------------------


def neighbours_effective(network: Network, packets: PacketFilter, allowed: Baseline) -> Result:
    """Before version 28, Docker forwards what is routed straight to the container, wherever its port is published."""
    if EVERYWHERE in allowed.addresses:
        return skipped("everybody may reach the port")
    if network.mode != "bridge":
        return skipped("has no bridge network of its own")
    faults, unclear, kept, evidence = [], [], [], []
    for found in network.attached:
        for version, address, prefix in ((4, found.address, found.prefix), (6, found.address6, found.prefix6)):
            if not address:
                continue
            if found.driver in ("macvlan", "ipvlan"):
                faults.append(f"{found.name} ({found.driver}) is the neighbours' own network")
                continue
            if found.driver != "bridge":
                unclear.append(f"{found.name}: how the driver {found.driver!r} keeps neighbours out is not known")
                continue
            if _by_docker(network, found, version):
                kept.append(f"Docker {network.engine} with {network.backend}")
                continue
            if version not in network.firewall and not without_iptables(network, packets):
                unclear.append(f"the packet filter for IPv{version} could not be read (iptables-save)")
                continue
            tables, stations = filters(network, packets, version)
            ports = {port.target for port in network.published if port.protocol == "tcp"} or {network.port}
            tried = [
                Packet(name, found.bridge, address, prefix, port)
                for name in network.interfaces
                for port in sorted(ports)
                if name != found.bridge
            ]
            for packet in tried:
                rule = let_in(tables, packet, stations)
                if rule and packets.stations is None:
                    unclear.append(packets.fault)
                elif rule:
                    faults.append(f"from {packet.interface}, {at(address, packet.port)} is reached by {rule!r}")
            evidence += _drops(tables, stations, found)
            kept.append(f"what is routed to {address} is dropped, from {some(sorted({p.interface for p in tried}))}")
    if unclear and not faults:
        return inconclusive("; ".join(dict.fromkeys(unclear)), *evidence)
    return verdict(faults, "; ".join(dict.fromkeys(kept)) or "is on no network", *evidence)


def filters(network: Network, packets: PacketFilter, version: int) -> tuple[dict[str, Table], tuple[Station, ...]]:
    return parse(network.firewall.get(version, ())), tuple((packets.stations or {}).get(version, ()))


def without_iptables(network: Network, packets: PacketFilter) -> bool:
    """Return whether Docker filters by nftables, so that iptables is not needed to know what happens."""
    newer = major(network.engine) >= 28 and network.backend.startswith("nftables")
    return packets.stations is not None and newer


def _by_docker(network: Network, found: Attached, version: int) -> bool:
    """Return whether Docker filters in tables that iptables does not show, and was not reported to let neighbours
    in.
    """
    gateway = found.options.get(f"com.docker.network.bridge.gateway_mode_ipv{version}", "nat")
    return (
        major(network.engine) >= 28
        and network.backend.startswith("nftables")
        and gateway in ("", "nat", "isolated")
        and not found.options.get("com.docker.network.bridge.trusted_host_interfaces")
    )


def _drops(tables: dict[str, Table], stations: tuple[Station, ...], found: Attached) -> list[tuple[str, str]]:
    """Show the rules that drop something for this container or its bridge."""
    own = {found.bridge, found.address, found.address6} - {""}
    listed = [("iptables-save", tables.get(name, Table())) for name in ("raw", "filter")]
    listed += [("nft list ruleset", station.table) for station in stations if station.hook == "forward"]
    rules = [
        (source, rule.text)
        for source, table in listed
        for chain in table.chains.values()
        for rule in chain
        if rule.target in ("DROP", "REJECT") and {rule.value("-o"), plain(rule.value("-d"))} & own
    ]
    return list(dict.fromkeys(rules))[:4]


# --- OCH-NET-13: 127.0.0.1 on the wire ----------------------------------------------------------------------------


def wire_effective(network: Network, packets: PacketFilter, allowed: Baseline) -> Result:
    """moby#45610: a neighbour sends to 127.0.0.1, and Docker's NAT rule for the published port takes it for its own."""
    if network.mode == "container":
        return skipped(SHARED)
    if EVERYWHERE in allowed.addresses:
        return skipped("everybody may reach the port")
    faults, unclear, tried = [], [], 0
    for port in network.published:
        if port.protocol != "tcp" or not (loopback(port.address) or port.address in ("", "0.0.0.0")):  # noqa: S104
            continue
        if ":" in port.address:
            continue  # the kernel itself drops ::1 that comes by another interface than lo (RFC 4291, 2.5.3)
        address = port.address if loopback(port.address) else "127.0.0.1"
        if 4 not in network.firewall and network.mode == "bridge" and not without_iptables(network, packets):
            unclear.append("the packet filter for IPv4 could not be read (iptables-save)")
            continue
        tables, stations = filters(network, packets, 4)
        for name in network.interfaces:
            tried += 1
            way = _wire(network, packets, (tables, stations), Packet(name, "", address, 8, port.port, local=True))
            if way and packets.stations is None:
                unclear.append(packets.fault)
            elif way:
                faults.append(f"from {name}, a packet to {at(address, port.port)} reaches the gateway: {way}")
    if unclear and not faults:
        return inconclusive("; ".join(dict.fromkeys(unclear)))
    if not tried:
        return skipped("nothing is published on 127.0.0.1")
    source = "iptables-save and nft list ruleset, from before NAT to the container"
    return verdict(faults, "packets for 127.0.0.1 from other hosts reach nothing", (source, f"{tried} ways in tried"))


def _wire(
    network: Network, packets: PacketFilter, filters: tuple[dict[str, Table], tuple[Station, ...]], packet: Packet
) -> str:
    """Say by which rule a packet for loopback comes to the gateway from elsewhere; empty: it does not."""
    tables, stations = filters
    if held_back(tables, packet, stations):
        return ""
    for text in (text for fate, text in nat(tables, "PREROUTING", packet, stations).items() if fate == "dnat"):
        for found in network.attached:
            if not found.address or found.address not in text or packet.interface == found.bridge:
                continue
            inside = Packet(
                *(packet.interface, found.bridge, found.address, found.prefix, network.port),
                original=packet.address,
                original_port=packet.port,
            )
            if let_in(tables, inside, stations):
                return text
    # Not translated, it is for this host: the kernel drops it, unless the interface takes such addresses.
    if packet.interface in packets.route_localnet and packet.interface not in {x.bridge for x in network.attached}:
        by = taken_in(tables, packet, stations)
        return f"net.ipv4.conf.{packet.interface}.route_localnet is 1, and {by}" if by else ""
    return ""


# --- OCH-NET-11: what else hands it on ----------------------------------------------------------------------------


def forwarders_effective(network: Network, packets: PacketFilter, forwarders: Forwarders, allowed: Baseline) -> Result:
    """Ask every listener of the host, and see whether this gateway gets the request."""
    if EVERYWHERE in allowed.addresses:
        return skipped("everybody may reach the gateway")
    if network.mode in ("container", "none") or network.asked_at is None:
        return skipped(SHARED if network.mode == "container" else "the host has no way to ask the gateway")
    faults = [
        f"{at(place.listens or place.address, place.port)} hands the gateway on{f' ({place.by})' if place.by else ''}"
        for place in forwarders.handing_on
        if not permitted(place.listens or place.address, allowed)
    ]
    own = {found.address for found in network.attached if found.address}
    ports = {str(port.port) for port in network.published}
    for station in {id(x): x for found in (packets.stations or {}).values() for x in found}.values():
        for rule in (rule for chain in station.table.chains.values() for rule in chain if rule.target == "DNAT"):
            address, _colon, port = (rule.extra[-1] if rule.extra else "").rpartition(":")
            to_it = (address or port) in own or (loopback(address.strip("[]")) and port in ports)
            if to_it and station.hook == "prerouting" and not permitted(rule.value("-d"), allowed):
                faults.append(f"the packet filter hands it on: {rule.text}")
    evidence = ("GET /healthz", f"{forwarders.asked} listeners that others may reach were asked")
    if faults:
        return failed("; ".join(dict.fromkeys(faults)), evidence)
    unclear = [
        at(place.listens or place.address, place.port)
        for place in forwarders.unclear
        if not permitted(place.listens or place.address, allowed)
    ]
    if forwarders.silent and forwarders.left:
        return inconclusive("the gateway did not answer: whose answers other listeners give is not known", evidence)
    if unclear:
        return inconclusive(f"{some(unclear)} gives the same answer; whether from this gateway is not known", evidence)
    if forwarders.left:
        return inconclusive(f"{forwarders.left} listeners were not asked in time", evidence)
    return passed("no other listener of the host hands the gateway on", evidence)


# --- OCH-NET-14: our own table ------------------------------------------------------------------------------------


def own_table_effective(packets: PacketFilter, _allowed: Baseline) -> Result:
    """The kernel's rules are those that were declared, not only a unit that is active."""
    if packets.declared_fault:
        return failed(f"what is declared cannot be read: {packets.declared_fault}")
    if packets.declared is None:
        return skipped("this deployment declares no packet filter of its own")
    evidence = (packets.declared_path, f"table inet {packets.declared.table}, bridge {packets.declared.bridge}")
    if not packets.declared.loaded:
        there = ["a table is loaded although none is declared"] if packets.own_table is not None else []
        return verdict(there, packets.declared.protected, evidence)
    if packets.stations is None:
        return inconclusive(packets.fault, evidence)
    different = nft.differences(packets.declared, packets.own_table)
    return verdict(different[:8], f"table inet {packets.declared.table} is as declared", evidence)


# --- OCH-NET-12: the way out --------------------------------------------------------------------------------------


def way_out_effective(network: Network, packets: PacketFilter, _allowed: Baseline) -> Result:
    """Models and channels are elsewhere: the host forwards, has a route, lets out, and translates the address."""
    if network.mode != "bridge":
        return skipped({"host": "has the host's own network", "none": "has no network"}.get(network.mode, SHARED))
    bridged = next((found for found in network.attached if found.driver == "bridge" and found.address), None)
    if bridged is None or not packets.gateway:
        return skipped("is on no bridge network that leads out (internal)")
    evidence = [("/proc/sys", ", ".join(f"{name}={value}" for name, value in packets.forwarding.items()))]
    faults = [
        f"{name} is {value}: the host forwards nothing" for name, value in packets.forwarding.items() if value == "0"
    ]
    if not packets.default_route:
        faults.append(f"the container has no default route (Docker gave it {packets.gateway})")
    route = packets.routes.get(4)
    if route and route.error and not faults:
        faults.append(f"the host has no route to other networks ({route.error})")
    if route and route.device:
        evidence.append((f"ip route get {ELSEWHERE[4]} from {bridged.address} iif {bridged.bridge}", route.device))
        unclear = list(_unfiltered(network, packets, bridged, route.device, faults))
        if unclear and not faults:
            return inconclusive("; ".join(unclear), *evidence)
    return verdict(faults, f"packets of the container leave by {route.device if route else 'nothing'}", *evidence)


def _unfiltered(
    network: Network, packets: PacketFilter, bridged: Attached, device: str, faults: list[str]
) -> Iterator[str]:
    """Look for a drop or a missing translation on the way out; yields what is not known."""
    if 4 not in network.firewall and not without_iptables(network, packets):
        yield "the packet filter for IPv4 could not be read (iptables-save)"
        return
    tables, stations = filters(network, packets, 4)
    packet = Packet(bridged.bridge, device, ELSEWHERE[4], 32, 443, source=bridged.address)
    if not let_in(tables, packet, stations):
        faults.append(f"the packet filter drops what goes from {bridged.bridge} to {device} ({_policy(tables)})")
    masqueraded = bridged.options.get("com.docker.network.bridge.enable_ip_masquerade", "true") != "false"
    routed = bridged.options.get("com.docker.network.bridge.gateway_mode_ipv4", "nat") not in ("", "nat")
    if masqueraded and not routed and "masquerade" not in nat(tables, "POSTROUTING", packet, stations):
        faults.append("no rule gives its packets the host's address (MASQUERADE)")


def _policy(tables: Mapping[str, Table]) -> str:
    return f"policy of FORWARD: {tables.get('filter', Table()).policies.get('FORWARD', 'ACCEPT')}"
