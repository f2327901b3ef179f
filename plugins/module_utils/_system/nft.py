# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gateway's own nftables table: what it has to be, and how the kernel's differs. Standard library only.

The same file is installed on the host beside the program of the unit, which has no Ansible. The table only drops: an
accept in it opens nothing, and every rule names this gateway's port or bridge (nft(8), libnftables-json(5)).
Everything here but ``of_this_host`` is pure.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

FAMILY = "inet"
ANY = "any"
OFF, PRIVATE_BLOCKED = "off", "private-blocked"
# What is not the internet: special-purpose addresses (RFC 6890 and its registries), multicast, reserved ones, and
# the address under which Azure serves its machines. Of IPv6, addresses of the internet are in 2000::/3 alone.
SPECIAL = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        *("::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
_RESOLVERS, _BEHIND_A_STUB = "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"
_STUB = "127.0.0.53"
_MOST_RESOLVERS = 1 << 16
# raw, before conntrack and Docker's NAT; a little before filter, where Docker's own rules are.
_RAW, _BEFORE_DOCKER = -300, -10


@dataclass(frozen=True)
class Settings:
    """What is declared.

    :param table: its name, that of the container.
    :param bridge: name of the gateway's bridge, which need not exist yet.
    :param port: the published port of the host.
    :param addresses: addresses beyond loopback where others may reach the port; ``any``: everywhere.
    :param protected: why the rules against neighbours are not loaded, because Docker itself protects; empty: they are.
    :param policy: where the container may begin connections to: ``off`` anywhere, ``private-blocked`` neither to this
        host nor to private networks.
    :param reachable: what it may reach there nevertheless (``place``).
    :param resolvers: name servers that Docker's own one asks from inside the container; empty: those of the host.
    :param sources: networks from which others may reach the published port; empty: all.
    """

    table: str
    bridge: str
    port: int
    addresses: tuple[str, ...] = ()
    protected: str = ""
    policy: str = OFF
    reachable: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def loaded(self) -> bool:
        """Return whether there is a table at all."""
        return not self.protected or self.policy != OFF or bool(self.sources)


def settings(text: str) -> Settings:
    """Read the settings file.

    :raises ValueError: it is not one.
    """
    found = json.loads(text)
    try:
        read = Settings(
            str(found["table"]),
            str(found["bridge"]),
            int(found["port"]),
            tuple(map(str, found["addresses"])),
            str(found["protected"]),
            str(found.get("policy", OFF)),
            tuple(map(str, found.get("reachable", ()))),
            tuple(map(str, found.get("resolvers", ()))),
            tuple(map(str, found.get("sources", ()))),
        )
        for destination in read.reachable:
            place(destination)
        for source in read.sources:
            ip_network(source)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no settings of a packet filter: {error!r}") from error
    if read.policy not in (OFF, PRIVATE_BLOCKED):
        raise ValueError(f"an unknown network policy: {read.policy!r}")
    if not 0 < len(read.bridge) < 16 or not read.table or not 0 < read.port < 65536:
        raise ValueError(f"settings of a packet filter that cannot be: {found!r}")
    return read


def place(text: str) -> tuple[IPv4Network | IPv6Network, str, int]:
    """Read ``ADDRESS[/LENGTH]:PORT[/udp]``, an IPv6 address in brackets; return network, protocol and port.

    :raises ValueError: it is not one.
    """
    where, protocol = (text[: -len("/udp")], "udp") if text.endswith("/udp") else (text, "tcp")
    address, _colon, port = where.rpartition(":")
    return ip_network(address.strip("[]")), protocol, int(port)


def named(address: IPv4Address | IPv6Address, port: int) -> str:
    """Return a place as ``place`` reads it."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def is_special(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is none of the internet."""
    return any(address in network for network in SPECIAL if network.version == address.version)


def resolvers(text: str) -> tuple[str, ...]:
    """Return the name servers of a resolv.conf(5) that are asked from inside a container."""
    lines = [line.split() for line in text.splitlines()]
    return asked(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")


def asked(servers: Iterable[str]) -> tuple[str, ...]:
    """Return those of some name servers that are asked from inside a container: none of loopback."""
    found = []
    for server in servers:
        with suppress(ValueError):  # such as one with an interface, which Docker does not use either
            address = ip_address(server)
            found += [] if address.is_loopback or "%" in server else [str(address)]
    return tuple(dict.fromkeys(found))


def of_this_host(wanted: Settings) -> Settings:
    """Fill in the name servers of this host, where Docker has none of its own; they may be others tomorrow."""
    if wanted.resolvers or wanted.policy == OFF:
        return wanted
    # Docker looks behind systemd-resolved's stub, which is on loopback (moby, libnetwork/resolvconf).
    text = _read(_RESOLVERS)
    stub = [line.split()[1:2] for line in text.splitlines() if line.startswith("nameserver")] == [[_STUB]]
    return replace(wanted, resolvers=resolvers(_read(_BEHIND_A_STUB) if stub else text))


def _read(path: str) -> str:
    with suppress(OSError, ValueError):
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, encoding="utf-8") as file:
            return file.read(_MOST_RESOLVERS)
    return ""


def _match(left: dict[str, Any], right: object, operation: str = "==") -> dict[str, Any]:
    return {"match": {"op": operation, "left": left, "right": right}}


def _meta(key: str, name: str, operation: str = "==") -> dict[str, Any]:
    return _match({"meta": {"key": key}}, name, operation)


def _payload(protocol: str, name: str, value: object) -> dict[str, Any]:
    return _match({"payload": {"protocol": protocol, "field": name}}, value)


def _ct(key: str, value: object, operation: str = "==", direction: str = "") -> dict[str, Any]:
    return _match({"ct": {"key": key, **({"dir": direction} if direction else {})}}, value, operation)


def objects(wanted: Settings) -> list[dict[str, Any]]:
    """Return table, chains and rules, as ``nft -j list table`` shows them (but for handles)."""
    chains: dict[str, dict[str, Any]] = {}
    rules: list[tuple[str, list[dict[str, Any]]]] = []
    for some, more in (
        *([_against_neighbours(wanted)] if not wanted.protected else []),
        *([_against_other_sources(wanted)] if wanted.sources else []),
        *([_against_the_agent(wanted)] if wanted.policy == PRIVATE_BLOCKED else []),
    ):
        chains.update(some)
        rules += more
    base = {"family": FAMILY, "table": wanted.table}
    return [
        {"table": {"family": FAMILY, "name": wanted.table}},
        *({"chain": {**base, "name": name, **hook}} for name, hook in chains.items()),
        *({"rule": {**base, "chain": chain, "expr": expression}} for chain, expression in rules),
    ]


_Part = tuple[dict[str, dict[str, Any]], list[tuple[str, list[dict[str, Any]]]]]


def _against_neighbours(wanted: Settings) -> _Part:
    """Return chains and rules for what others send to the gateway."""
    drop: dict[str, Any] = {"drop": None}
    chains: dict[str, dict[str, Any]] = {
        "loopback": {"type": "filter", "hook": "prerouting", "prio": _RAW, "policy": "accept"},
        "host": {"type": "filter", "hook": "input", "prio": _BEFORE_DOCKER, "policy": "accept"},
        "entry": {"type": "filter", "hook": "forward", "prio": _BEFORE_DOCKER, "policy": "accept"},
        "published": {},
    }
    rules: list[tuple[str, list[dict[str, Any]]]] = []
    # Addresses of this host alone, on the wire (moby#45610); in "host" also when a NAT rule put them there.
    loopback = (_payload("ip", "daddr", {"prefix": {"addr": "127.0.0.0", "len": 8}}), _payload("ip6", "daddr", "::1"))
    for chain, more in (("loopback", []), ("host", [_ct("direction", "original")])):
        rules += [
            (chain, [_meta("iifname", "lo", "!="), own, _payload("tcp", "dport", wanted.port), *more, drop])
            for own in loopback
        ]
    to_bridge = [_meta("iifname", wanted.bridge, "!="), _meta("oifname", wanted.bridge)]
    rules.append(("entry", [*to_bridge, {"jump": {"target": "published"}}]))
    published = _published(wanted)
    for address in (ANY,) if ANY in wanted.addresses else wanted.addresses:
        family = "ip6" if ":" in address else "ip"
        there = [] if address == ANY else [_ct(f"{family} daddr", _plain(address), direction="original")]
        rules.append(("published", [*there, *published, {"return": None}]))
    # Who began the connection: what the container began comes back in the other direction. A SYN never
    # comes back.
    syn = _match({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, {"|": ["syn", "ack"]}]}, "syn")
    rules += [
        ("published", [_ct("direction", "original"), drop]),
        ("published", [_ct("state", ["invalid", "untracked"], "in"), drop]),
        ("published", [syn, drop]),
    ]
    return chains, rules


def _published(wanted: Settings) -> list[dict[str, Any]]:
    """Return what a packet is that Docker's NAT brought from the published port."""
    # Without the protocol, nft 1.0.6 (Debian 12) does not know what kind of a number the port is.
    tcp, port = _meta("l4proto", "tcp"), _ct("proto-dst", wanted.port, direction="original")
    return [_ct("status", "dnat", "in"), tcp, port]


def _against_other_sources(wanted: Settings) -> _Part:
    """Return chains and rules for connections to the published port that come from elsewhere than its sources.

    What Docker translates is forwarded; what its proxy takes (IPv6 for a container without) is for this host.
    """
    chains: dict[str, dict[str, Any]] = {
        "from_here": {"type": "filter", "hook": "input", "prio": _BEFORE_DOCKER, "policy": "accept"},
        "from_away": {"type": "filter", "hook": "forward", "prio": _BEFORE_DOCKER, "policy": "accept"},
        "sources": {},
    }
    ask = {"jump": {"target": "sources"}}
    # What was translated leads into the bridge in the direction of the one who began it.
    away = [_meta("iifname", wanted.bridge, "!="), _meta("oifname", wanted.bridge), *_published(wanted), ask]
    own = [_meta("iifname", name, "!=") for name in ("lo", wanted.bridge)]
    return chains, [
        ("from_here", [*own, _payload("tcp", "dport", wanted.port), _ct("direction", "original"), ask]),
        ("from_away", away),
        *(("sources", [_at(ip_network(source), "saddr"), {"return": None}]) for source in wanted.sources),
        ("sources", [{"drop": None}]),
    ]


def _against_the_agent(wanted: Settings) -> _Part:
    """Return chains and rules for what the container itself begins: to this host, and to private networks."""
    chains: dict[str, dict[str, Any]] = {
        "agent_here": {"type": "filter", "hook": "input", "prio": _BEFORE_DOCKER, "policy": "accept"},
        "agent_away": {"type": "filter", "hook": "forward", "prio": _BEFORE_DOCKER, "policy": "accept"},
        "here": {},
        "away": {},
        "refused": {},
    }
    mine = _meta("iifname", wanted.bridge)
    answers = [_ct("state", ["established", "related"], "in"), {"return": None}]
    # Without neighbour discovery there is no IPv6 on the bridge, not even to the internet (RFC 4861).
    neighbours = {"set": ["nd-neighbor-advert", "nd-neighbor-solicit"]}
    discovery = [_match({"payload": {"protocol": "icmpv6", "field": "type"}}, neighbours), {"return": None}]
    places = [place(text) for text in wanted.reachable]
    places += [(ip_network(address), protocol, 53) for address in wanted.resolvers for protocol in ("tcp", "udp")]
    allowed = [
        [_at(network, "daddr"), _payload(protocol, "dport", port), {"return": None}]
        for network, protocol, port in places
    ]
    refuse = {"jump": {"target": "refused"}}
    limit = {"limit": {"rate": 10, "burst": 10, "per": "minute"}}
    # The kernel sends ICMP errors of this kind to one address once a second at most (icmp(7)), but every reset.
    tcp, reset = _meta("l4proto", "tcp"), {"reject": {"type": "tcp reset"}}
    prohibited = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
    return chains, [
        ("agent_here", [mine, {"jump": {"target": "here"}}]),
        ("agent_away", [mine, _meta("oifname", wanted.bridge, "!="), {"jump": {"target": "away"}}]),
        *(("here", rule) for rule in (answers, discovery, *allowed, [refuse])),
        *(("away", rule) for rule in (answers, *allowed)),
        *(("away", [_at(network, "daddr"), refuse]) for network in SPECIAL),
        ("refused", [limit, {"log": {"prefix": f"{wanted.table} refused: "}}]),
        ("refused", [{"counter": None}]),
        ("refused", [tcp, reset]),
        ("refused", [prohibited]),
    ]


def _at(network: IPv4Network | IPv6Network, field: str) -> dict[str, Any]:
    address = str(network.network_address)
    whole = network.prefixlen == network.max_prefixlen
    value = address if whole else {"prefix": {"addr": address, "len": network.prefixlen}}
    return _payload("ip6" if network.version == 6 else "ip", field, value)


def _plain(address: str) -> str:
    return str(ip_address(address))


def load(wanted: Settings) -> str:
    """Return what ``nft -j -f -`` makes the table of, in one transaction, whatever is there."""
    table = {"table": {"family": FAMILY, "name": wanted.table}}
    # Adding first lets the deletion succeed on a host that does not have it.
    return json.dumps({"nftables": [{"add": table}, {"delete": table}, *({"add": item} for item in objects(wanted))]})


def removal(table: str) -> str:
    """Return what ``nft -j -f -`` takes the table away by, also where there is none."""
    item = {"table": {"family": FAMILY, "name": table}}
    return json.dumps({"nftables": [{"add": item}, {"delete": item}]})


def differences(wanted: Settings, listing: str | None) -> list[str]:
    """Compare with the answer of ``nft -j list table`` (None: there is no such table); empty: the same.

    :raises ValueError: the answer is not one.
    """
    if listing is None:
        return [f"table {FAMILY} {wanted.table} is not there"]
    declared, found = _canonical(objects(wanted)), _canonical(_listed(listing))
    return [f"missing: {text}" for text in _beyond(declared, found)] + [
        f"not ours: {text}" for text in _beyond(found, declared)
    ] or ([] if declared == found else ["its rules are in another order"])


def refused(listing: str | None) -> int:
    """Return how many packets of the container the table has refused since it was loaded.

    :raises ValueError: the answer is not one.
    """
    rules = [item["rule"] for item in _listed(listing or '{"nftables": []}') if "rule" in item]
    found = [part["counter"] for rule in rules if rule.get("chain") == "refused"
             for part in rule["expr"] if isinstance(part.get("counter"), dict)]  # fmt: skip
    return sum(int(counter.get("packets", 0)) for counter in found)


def _beyond(some: list[str], others: list[str]) -> list[str]:
    left = list(others)
    missing = []
    for text in some:
        if text in left:
            left.remove(text)
        else:
            missing.append(text)
    return missing


def _listed(text: str) -> list[dict[str, Any]]:
    found = json.loads(text)
    items = found.get("nftables") if isinstance(found, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("nft: no list of tables, chains and rules")
    return [item for item in items if "metainfo" not in item]


def _canonical(items: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return one spelling of each, chains by name and the rules in their order."""
    known = [(kind, value) for item in items for kind, value in item.items()]
    return [
        f"{kind} {json.dumps(_stripped(value), sort_keys=True)}"
        for kind, value in sorted(known, key=lambda pair: (pair[0] == "rule", *_order(*pair)))
    ]


def _order(kind: str, value: Mapping[str, Any]) -> tuple[str, str]:
    return (str(value.get("chain")), "") if kind == "rule" else (kind, str(value.get("name")))


def _stripped(value: Any) -> Any:
    """Leave handles and counts out; a list of flags has no order, and may be a union or a set in another version."""
    if isinstance(value, dict):
        if set(value) == {"counter"}:
            return {"counter": None}
        if set(value) <= {"|", "set"} and len(value) == 1:
            value = next(iter(value.values()))
            return _stripped(value if isinstance(value, list) else [value])
        return {key: _stripped(found) for key, found in value.items() if key != "handle"}
    if isinstance(value, list):
        members = [_stripped(found) for found in value]
        return sorted(members) if all(isinstance(member, str) for member in members) else members
    return value
