# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading ``nft -j list ruleset`` (libnftables-json(5)) into the form in which iptables' rules are walked. Pure.

What is not understood (a set by name, a map, a rate) holds for some packets only: then both ways are followed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._system.iptables import (
    Condition,
    FilterRule,
    Station,
    Table,
)

# Tables that iptables keeps (iptables-nft); iptables-save shows them as they are meant.
_OF_IPTABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})
_VERDICTS = {"accept": "ACCEPT", "drop": "DROP", "reject": "REJECT", "return": "RETURN"}
# Statements that decide nothing.
_SILENT = frozenset({"counter", "log", "comment", "notrack", "flow", "mangle", "meter", "synproxy"})
_META = {"iifname": "-i", "iif": "-i", "oifname": "-o", "oif": "-o", "l4proto": "-p"}
_PAYLOAD = {"daddr": "-d", "saddr": "-s", "protocol": "-p", "nexthdr": "-p", "dport": "--dport"}
_CT = {"state": "--ctstate", "status": "--ctstate", "direction": "--ctdir", "proto-dst": "--ctorigdstport"}
_CT.update(dict.fromkeys(("ip daddr", "ip6 daddr", "daddr"), "--ctorigdst"))
_PORTS = ("tcp", "th")
# A rule about a header of theirs is not for the connections that are followed here.
_OTHER_PROTOCOLS = frozenset({"udp", "udplite", "sctp", "dccp", "icmp", "icmpv6"})


def parse(text: str) -> dict[int, tuple[Station, ...]]:
    """Read the answer; return the base chains for IPv4 and for IPv6, in the kernel's order.

    :raises ValueError: it is not such an answer.
    """
    found = json.loads(text)
    items = found.get("nftables") if isinstance(found, dict) else None
    if not isinstance(items, list):
        raise ValueError("nft: no list of tables, chains and rules")
    chains: dict[tuple[str, str], dict[str, list[FilterRule]]] = {}
    policies: dict[tuple[str, str], dict[str, str]] = {}
    bases: list[tuple[str, str, Mapping[str, Any]]] = []
    dormant = set()
    for item in items:
        for kind, value in item.items():
            family, table = str(value.get("family")), str(value.get("table", value.get("name")))
            if kind == "table" and "dormant" in value.get("flags", ()):
                dormant.add((family, table))
            if kind == "chain":
                chains.setdefault((family, table), {}).setdefault(str(value["name"]), [])
                if "hook" in value:
                    policies.setdefault((family, table), {})[value["name"]] = str(value.get("policy", "accept")).upper()
                    bases.append((family, table, value))
            elif kind == "rule":
                rules = chains.setdefault((family, table), {}).setdefault(str(value["chain"]), [])
                rules += _rules(f"{family} {table} {value['chain']}", value.get("expr") or [])
    stations: dict[int, list[Station]] = {4: [], 6: []}
    for family, table, base in bases:
        if (family, table) in dormant or (family in ("ip", "ip6") and table in _OF_IPTABLES):
            continue
        content = Table({name: tuple(rules) for name, rules in chains[family, table].items()}, policies[family, table])
        station = Station(
            str(base["hook"]), int(base.get("prio", 0)), f"nft {family} {table}", content, str(base["name"])
        )
        for version in {"ip": (4,), "ip6": (6,), "inet": (4, 6)}.get(family, ()):
            stations[version].append(station)
    return {version: tuple(sorted(found, key=lambda x: x.priority)) for version, found in stations.items()}


def _rules(place: str, expression: Iterable[Mapping[str, Any]]) -> list[FilterRule]:
    """Translate one rule; one that may do different things becomes one rule for each of them."""
    statements = list(expression)
    text = f"nft {place}: {json.dumps(statements)}"
    text = text if len(text) <= 300 else f"{text[:300]}…"
    conditions: list[Condition] = []
    for statement in statements:
        name, value = next(iter(statement.items()))
        if name == "match":
            conditions.append(_condition(value))
        elif name in _VERDICTS:
            return [FilterRule(text, tuple(conditions), _VERDICTS[name])]
        elif name in ("jump", "goto"):
            return [FilterRule(text, tuple(conditions), str(value["target"]), name == "goto")]
        elif name in ("dnat", "redirect"):
            return [FilterRule(text, tuple(conditions), name.upper(), extra=_target(value))]
        elif name in ("masquerade", "snat"):
            return [FilterRule(text, tuple(conditions), "MASQUERADE")]
        elif name == "vmap":
            some = (*conditions, Condition("vmap", ()))
            return [FilterRule(text, some, "ACCEPT"), FilterRule(text, some, "DROP")]
        elif name not in _SILENT:
            conditions.append(Condition(name, ()))
    return [FilterRule(text, tuple(conditions))]


def _target(value: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Where NAT leads to, as iptables writes it; empty: nft computes it for each packet."""
    address, port = (value or {}).get("addr", ""), (value or {}).get("port", "")
    if not isinstance(address, str) or not isinstance(port, (str, int)):
        return ()
    shown = f"[{address}]" if ":" in address else address
    return ("--to-destination", f"{shown}:{port}" if port else shown)


def _condition(value: Mapping[str, Any]) -> Condition:
    left, right, operation = value.get("left"), value.get("right"), value.get("op")
    unknown = Condition("unknown", ())
    if not isinstance(left, dict) or operation not in ("==", "!=", "in"):
        return unknown
    negated = operation == "!="
    kind, what = next(iter(left.items()))
    if kind == "&":
        flags = what[0] if isinstance(what, list) and what else None
        syn = flags == {"payload": {"protocol": "tcp", "field": "flags"}} and right == "syn"
        return Condition("--tcp-flags", ("FIN,SYN,RST,ACK", "SYN"), negated) if syn else unknown
    if not isinstance(what, dict):
        return unknown
    option = ""
    if kind == "meta":
        option = _META.get(str(what.get("key")), "")
    elif kind == "payload" and what.get("protocol") in _OTHER_PROTOCOLS:
        return Condition("-p", (str(what["protocol"]),))
    elif kind == "payload" and (what.get("field") != "dport" or what.get("protocol") in _PORTS):
        option = _PAYLOAD.get(str(what.get("field")), "")
    elif kind == "ct" and what.get("dir", "original") == "original":
        option = _CT.get(str(what.get("key")), "")
    elif kind == "fib" and what.get("result") == "type" and "daddr" in str(what.get("flags")):
        option = "--dst-type"
    words = _values(right)
    if not option or words is None:
        return unknown
    if option in ("--ctstate", "--ctdir", "--dst-type"):
        return Condition(option, (",".join(words).upper(),), negated)
    if option == "--dport":
        return Condition("--dports", (",".join(words),), negated)
    return Condition(option, tuple(words), negated) if len(words) == 1 else unknown


def _values(right: object) -> list[str] | None:
    """Return every value that matches, or None when they are not written there."""
    if isinstance(right, (str, int)):
        text = str(right)
        return None if text.startswith("@") else [f"{text[:-1]}+" if text.endswith("*") else text]
    if isinstance(right, dict) and len(right) == 1:
        kind, value = next(iter(right.items()))
        if kind == "prefix":
            return [f"{value['addr']}/{value['len']}"]
        if kind == "range" and all(isinstance(end, int) for end in value):
            return [f"{value[0]}:{value[1]}"]
        return _values(value) if kind in ("set", "|") else None
    if isinstance(right, list):
        parts = [_values(member) for member in right]
        return None if None in parts else [word for part in parts for word in part or ()]
    return None
