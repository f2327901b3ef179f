# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checking where the packet filter lets the container begin connections to: this host, private networks. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import Attached, Network
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.packet_filter import PacketFilter
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    Result,
    failed,
    inconclusive,
    skipped,
    verdict,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.neighbour_checks import (
    filters,
    without_iptables,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.network_checks import SHARED, some
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft
from ansible_collections.openclaw.hardening.plugins.module_utils._system.iptables import Packet, let_in, taken_in

# No service is at this port, so that nothing is declared reachable there (discard, RFC 863).
_PORT = 9
_METADATA = ip_address("169.254.169.254")


def private_effective(network: Network, packets: PacketFilter, _allowed: Baseline) -> Result:
    """An agent that was taken over is one connection away from the local network and from the cloud's metadata."""
    if network.mode == "host":
        return failed("has the host's own network")
    if network.mode != "bridge":
        return skipped({"none": "has no network"}.get(network.mode, SHARED))
    bridged = [found for found in network.attached if found.driver == "bridge" and found.address]
    if not bridged:
        return skipped("is on no bridge network")
    if 4 not in network.firewall and not without_iptables(network, packets):
        return inconclusive("the packet filter for IPv4 could not be read (iptables-save)")
    reached = [text for found in bridged for text in _reached(network, packets, found)]
    evidence = ("iptables-save and nft list ruleset", f"the first packet to each of {len(nft.SPECIAL)} networks")
    if reached and packets.stations is None:
        return inconclusive(packets.fault, evidence)
    more = f" and {len(reached) - 3} more" if len(reached) > 3 else ""
    return verdict(
        [f"reaches {some(reached[:3])}{more}"] if reached else [],
        "what it begins to this host and to private networks is rejected",
        evidence,
    )


def _reached(network: Network, packets: PacketFilter, found: Attached) -> Iterator[str]:
    """Yield what the container reaches by one of its networks, the host first."""
    for version, source, gateway in ((4, found.address, packets.gateway), (6, found.address6, "")):
        if not source:
            continue
        tables, stations = filters(network, packets, version)
        if gateway and taken_in(
            tables, Packet(found.bridge, "", gateway, 32, _PORT, source=source, local=True), stations
        ):
            yield f"this host ({gateway})"
        for special in nft.SPECIAL:
            if special.version != version or special.is_loopback:
                continue  # what is sent to loopback does not leave the container
            address = str(_METADATA if _METADATA in special else special.broadcast_address)
            if let_in(tables, Packet(found.bridge, "elsewhere", address, 32, _PORT, source=source), stations):
                yield str(special)
