# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gateway's own nftables table: what it has to be, and how the kernel's differs. Pure, standard library only.

The same file is installed on the host beside the program of the unit, which has no Ansible. The table only drops: an
accept in it opens nothing, and every rule names this gateway's port or bridge (nft(8), libnftables-json(5)).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

FAMILY = "inet"
ANY = "any"
# raw, before conntrack and Docker's NAT; a little before filter, where Docker's own rules are.
_RAW, _BEFORE_DOCKER = -300, -10


@dataclass(frozen=True)
class Settings:
    """What is declared.

    :param table: its name, that of the container.
    :param bridge: name of the gateway's bridge, which need not exist yet.
    :param port: the published port of the host.
    :param addresses: addresses beyond loopback where others may reach the port; ``any``: everywhere.
    :param protected: why nothing is loaded, because Docker itself protects; empty: the table is loaded.
    """

    table: str
    bridge: str
    port: int
    addresses: tuple[str, ...] = ()
    protected: str = ""


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
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no settings of a packet filter: {error!r}") from error
    if not 0 < len(read.bridge) < 16 or not read.table or not 0 < read.port < 65536:
        raise ValueError(f"settings of a packet filter that cannot be: {found!r}")
    return read


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
    drop: dict[str, Any] = {"drop": None}
    chains = {
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
    published = [_ct("status", "dnat", "in"), _ct("proto-dst", wanted.port, direction="original")]
    for address in (ANY,) if ANY in wanted.addresses else wanted.addresses:
        family = "ip6" if ":" in address else "ip"
        there = [] if address == ANY else [_ct(f"{family} daddr", _plain(address), direction="original")]
        rules.append(("published", [published[0], *there, published[1], {"return": None}]))
    # Who began the connection: what the container began comes back in the other direction. A SYN never
    # comes back.
    syn = _match({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, {"|": ["syn", "ack"]}]}, "syn")
    rules += [
        ("published", [_ct("direction", "original"), drop]),
        ("published", [_ct("state", ["invalid", "untracked"], "in"), drop]),
        ("published", [syn, drop]),
    ]
    base = {"family": FAMILY, "table": wanted.table}
    return [
        {"table": {"family": FAMILY, "name": wanted.table}},
        *({"chain": {**base, "name": name, **hook}} for name, hook in chains.items()),
        *({"rule": {**base, "chain": chain, "expr": expression}} for chain, expression in rules),
    ]


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
    """Leave handles out; a list of flags or states has no order, and may be a union or a set in another version."""
    if isinstance(value, dict):
        if set(value) <= {"|", "set"} and len(value) == 1:
            value = next(iter(value.values()))
            return _stripped(value if isinstance(value, list) else [value])
        return {key: _stripped(found) for key, found in value.items() if key != "handle"}
    if isinstance(value, list):
        members = [_stripped(found) for found in value]
        return sorted(members) if all(isinstance(member, str) for member in members) else members
    return value
