# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the packet filter does with a connection that a neighbour routes straight to a container. Pure.

The rules are walked as the kernel walks them (iptables(8), iptables-extensions(8)). A condition that depends on more
than the packet's way (its source, a mark, a set) holds for some packets only: then both ways are followed.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

# Where a forwarded packet can be dropped, in the order of its way. A drop anywhere is final, an ACCEPT is not.
_STATIONS = (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "FORWARD"), ("filter", "FORWARD"))
_FATES = {
    **{"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop"},
    **{"DNAT": "dnat", "REDIRECT": "redirect", "MASQUERADE": "masquerade", "SNAT": "masquerade"},
}
_ADDRESSED = frozenset({"-d", "-s", "--ctorigdst"})
_VALUES = {"--tcp-flags": ["FIN,SYN,RST,ACK", "SYN"]}


@dataclass(frozen=True)
class Condition:
    """One option of a rule: ``! -i br0`` is ``("-i", ("br0",), True)``."""

    option: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True)
class FilterRule:
    """One line of a chain."""

    text: str
    conditions: tuple[Condition, ...]
    target: str = ""
    goto: bool = False
    # What follows the target (``--to-destination 172.18.0.2:18789``).
    extra: tuple[str, ...] = ()

    def value(self, option: str) -> str:
        """Return the value of a condition that is not negated, or an empty string."""
        return next((found.values[0] for found in self.conditions if found.option == option and not found.negated), "")


@dataclass(frozen=True)
class Table:
    """One table: its chains with their rules, and what the built-in ones do with the rest."""

    chains: Mapping[str, tuple[FilterRule, ...]] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Packet:
    """The first packet of a new connection, from a machine behind ``interface`` to a container behind ``bridge``.

    :param source: where it comes from; empty: from anywhere but the network of ``address`` and ``prefix``.
    :param original: where it was sent before a NAT rule changed that; empty: there.
    :param local: the address is one of this host.
    """

    interface: str
    bridge: str
    address: str
    prefix: int
    port: int
    source: str = ""
    original: str = ""
    original_port: int = 0
    local: bool = False


@dataclass(frozen=True)
class Station:
    """A base chain of nftables: one at which the kernel stops on a packet's way, before or after Docker's NAT."""

    hook: str
    priority: int
    name: str
    table: Table
    chain: str


def parse(lines: Iterable[str]) -> dict[str, Table]:
    """Read the answer of ``iptables-save`` or ``ip6tables-save``."""
    rules: dict[str, dict[str, list[FilterRule]]] = {}
    policies: dict[str, dict[str, str]] = {}
    table = ""
    for line in lines:
        words = line.split()
        if line.startswith("*"):
            table = line[1:].strip()
            rules.setdefault(table, {})
            policies.setdefault(table, {})
        elif line.startswith(":") and table and len(words) > 1:
            rules[table].setdefault(words[0][1:], [])
            policies[table][words[0][1:]] = words[1]
        elif line.startswith("-A ") and table and len(words) > 1:
            rules[table].setdefault(words[1], []).append(_rule(line))
    return {
        name: Table({chain: tuple(found) for chain, found in chains.items()}, policies[name])
        for name, chains in rules.items()
    }


def _rule(line: str) -> FilterRule:
    try:
        words = shlex.split(line)[2:]
    except ValueError:
        words = line.split()[2:]
    conditions: list[Condition] = []
    negated = False
    while words:
        word = words.pop(0)
        if word == "!":
            negated = True
            continue
        if word in ("-j", "-g", "--jump", "--goto"):
            return FilterRule(
                line, tuple(conditions), words[0] if words else "", word in ("-g", "--goto"), tuple(words[1:])
            )
        values = []
        while words and words[0] != "!" and not words[0].startswith("-"):
            values.append(words.pop(0))
        if word != "-m":  # what the extension's options say counts, its name does not
            conditions.append(Condition(word, tuple(values), negated))
        negated = False
    return FilterRule(line, tuple(conditions))


def let_in(tables: Mapping[str, Table], packet: Packet, others: Iterable[Station] = ()) -> str:
    """Return the rule (or the policy) that lets the packet, or some like it, through; empty: all are dropped."""
    forwarded = [found for found in others if found.hook in ("prerouting", "forward")]
    # Before NAT, a packet that will be changed looks different: what is asked about that one is ``held_back``.
    if packet.original or packet.source:
        forwarded = [found for found in forwarded if found.hook == "forward"]
    named = [(name, tables.get(name, Table()), chain) for name, chain in _STATIONS]
    if packet.original or packet.source:
        named = [found for found in named if found[2] == "FORWARD"]
    return _through([*named, *((found.name, found.table, found.chain) for found in forwarded)], packet)


def held_back(tables: Mapping[str, Table], packet: Packet, others: Iterable[Station] = ()) -> bool:
    """Return whether such packets are all dropped before NAT (-100) sees where they go."""
    early = [found for found in others if found.hook == "prerouting" and found.priority < -100]
    named = [(name, tables.get(name, Table()), chain) for name, chain in _STATIONS if chain == "PREROUTING"]
    return not _through([*named, *((found.name, found.table, found.chain) for found in early)], packet)


def taken_in(tables: Mapping[str, Table], packet: Packet, others: Iterable[Station] = ()) -> str:
    """Return what lets the packet into a program of this host; empty: all are dropped."""
    named = [(name, tables.get(name, Table()), "INPUT") for name in ("mangle", "filter")]
    return _through([*named, *((x.name, x.table, x.chain) for x in others if x.hook == "input")], packet)


def nat(tables: Mapping[str, Table], chain: str, packet: Packet, others: Iterable[Station] = ()) -> dict[str, str]:
    """Return what NAT does with the first packet (dnat, redirect, masquerade), each with its rule."""
    found = dict(_walk(tables.get("nat", Table()), chain, packet, {}))
    for station in others:
        if station.hook == chain.lower():
            for fate, text in _walk(station.table, station.chain, packet, {}).items():
                found.setdefault(fate, text)
    return found


def _through(stations: Iterable[tuple[str, Table, str]], packet: Packet) -> str:
    last = "no rule"
    for name, table, chain in stations:
        outcomes = _walk(table, chain, packet, {})
        if "" in outcomes:
            policy = table.policies.get(chain, "ACCEPT")
            outcomes.setdefault(_FATES.get(policy, "accept"), f"policy {policy} of {name}/{chain}")
        if "accept" not in outcomes:
            return ""
        last = outcomes["accept"]
    return last


def _walk(table: Table, chain: str, packet: Packet, known: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return what can become of the packet in one chain (accept, drop, or nothing yet), each with its rule."""
    if chain in known:
        return known[chain]
    outcomes: dict[str, str] = {}
    known[chain] = {"": ""}  # a loop, which the kernel refuses anyway
    for rule in table.chains.get(chain, ()):
        matches = _matches(rule, packet)
        if matches is False:
            continue
        if rule.target in _FATES:
            found = {_FATES[rule.target]: rule.text}
        elif rule.target == "RETURN":
            found = {"": rule.text}
        elif rule.target in table.chains:
            found = dict(_walk(table, rule.target, packet, known))
            if "" in found and not rule.goto:
                for fate, text in found.items():
                    if fate:
                        outcomes.setdefault(fate, text)
                continue
        else:
            continue
        for fate, text in found.items():
            outcomes.setdefault(fate, text)
        if matches:
            break
    else:
        outcomes.setdefault("", "")
    known[chain] = outcomes
    return outcomes


def _matches(rule: FilterRule, packet: Packet) -> bool | None:
    """Return whether a rule is for all such packets, for none, or for some (None)."""
    results = []
    for condition in rule.conditions:
        if condition.option in _ADDRESSED and _other_version(condition, packet):
            return False  # "ip daddr != 10.0.0.0/8" is for IPv4 alone, whatever network it names
        holds = _holds(condition, packet)
        results.append(holds if holds is None else holds != condition.negated)
    if False in results:
        return False
    return None if None in results else True


def _other_version(condition: Condition, packet: Packet) -> bool:
    try:
        return ipaddress.ip_network(condition.values[0], strict=False).version != (6 if ":" in packet.address else 4)
    except (ValueError, IndexError):
        return False


def _holds(condition: Condition, packet: Packet) -> bool | None:
    option, values = condition.option, list(condition.values)
    value = values[0] if values else ""
    if option == "--comment":
        return not condition.negated
    if option in ("-i", "-o"):
        name = packet.interface if option == "-i" else packet.bridge
        return name.startswith(value[:-1]) if value.endswith("+") else name == value
    if option == "-p":
        return value in ("tcp", "6", "all", "0")
    if option in ("--dport", "--dports"):
        return any(_in_range(packet.port, part) for part in value.split(","))
    if option in ("--ctstate", "--state"):
        return "NEW" in value.split(",") or (bool(packet.original) and "DNAT" in value.split(","))
    if option == "--dst-type":
        return {"LOCAL": packet.local, "UNICAST": not packet.local}.get(value)
    if option == "--ctdir":
        return value == "ORIGINAL"
    if option == "--ctorigdst":
        return _inside(value, replace(packet, address=packet.original or packet.address))
    if option == "--ctorigdstport":
        return _in_range(packet.original_port or packet.port, value)
    if option == "-d":
        return _inside(value, packet)
    if option == "-s":
        return _from(value, packet)
    return True if values == _VALUES.get(option) else None


def _in_range(port: int, text: str) -> bool:
    low, _colon, high = text.partition(":")
    try:
        return int(low or 0) <= port <= int(high or low or 65535)
    except ValueError:
        return False


def _inside(text: str, packet: Packet) -> bool | None:
    try:
        return ipaddress.ip_address(packet.address) in ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _from(text: str, packet: Packet) -> bool | None:
    """Neighbours come from anywhere but the container's own network."""
    try:
        source = ipaddress.ip_network(text, strict=False)
        if packet.source:
            return ipaddress.ip_address(packet.source) in source
        home = ipaddress.ip_network(f"{packet.address}/{packet.prefix}", strict=False)
    except ValueError:
        return None
    if source.prefixlen == 0:
        return True
    inside = source.version == home.version and source.network_address in home and source.prefixlen >= home.prefixlen
    return False if inside else None
