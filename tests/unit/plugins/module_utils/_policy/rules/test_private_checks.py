"""OCH-NET-15: the container reaches neither this host nor private networks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import Attached, Network
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.packet_filter import PacketFilter
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.private_checks import private_effective
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft, nft_rules

DECLARED = nft.Settings("openclaw-gateway", "br-own", 18789, policy=nft.PRIVATE_BLOCKED, resolvers=("192.168.1.1",))
NETWORK = Network(
    mode="bridge",
    pid=4711,
    engine="26.1.5+dfsg1",
    port=18789,
    attached=(Attached("own", "bridge", "br-own", "172.18.0.2", 16),),
    firewall={4: ("*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", "COMMIT"), 6: ("*filter", "COMMIT")},
)


def packets(*items: dict) -> PacketFilter:
    return PacketFilter(stations=nft_rules.parse(json.dumps({"nftables": list(items)})), gateway="172.18.0.1")


LOADED = packets(*nft.objects(DECLARED))


def found(network: Network = NETWORK, filtered: PacketFilter = LOADED) -> tuple[str, str]:
    result = private_effective(network, filtered, Baseline())
    return result.status, result.actual


def test_our_table_holds_everything_back() -> None:
    assert found()[0] == "pass"
    both = replace(NETWORK, attached=(replace(NETWORK.attached[0], address6="fd00:1::2", prefix6=64),))
    assert found(both)[0] == "pass"


@pytest.mark.parametrize("network", [network for network in nft.SPECIAL if network.version == 4], ids=str)
def test_one_network_that_is_open_is_found(network) -> None:
    if network.is_loopback:
        return
    rules = [item for item in nft.objects(DECLARED) if f'"{network.network_address}"' not in json.dumps(item)]
    status, actual = found(filtered=packets(*rules))
    assert (status, str(network) in actual) == ("fail", True)


def test_without_a_table_it_reaches_this_host_first() -> None:
    status, actual = found(filtered=packets())
    assert status == "fail"
    assert actual.startswith("reaches this host (172.18.0.1)")
    rules = [item for item in nft.objects(DECLARED) if item.get("rule", {}).get("chain") != "here"]
    assert found(filtered=packets(*rules))[1].startswith("reaches this host (172.18.0.1)")


def test_what_cannot_be_read_is_no_pass() -> None:
    assert found(replace(NETWORK, firewall={}))[0] == "error"
    assert found(filtered=PacketFilter(stations=None, fault="no nft", gateway="172.18.0.1")) == ("error", "no nft")


def test_other_networks() -> None:
    assert found(replace(NETWORK, mode="host"))[0] == "fail"
    assert found(replace(NETWORK, mode="none"))[0] == "skip"
    assert found(replace(NETWORK, mode="container"))[0] == "skip"
    assert found(replace(NETWORK, attached=()))[0] == "skip"


def test_a_rule_for_one_ip_version_is_none_for_the_other() -> None:
    """``ip6 daddr != 2000::/3`` says nothing of IPv4, although no IPv4 address is in that network."""
    table = {"table": {"family": "inet", "name": "t"}}
    base = {"family": "inet", "table": "t", "chain": "c"}
    hooked = {"chain": {"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "forward", "prio": 0}}
    other = {"match": {"op": "!=", "left": {"payload": {"protocol": "ip6", "field": "daddr"}},
                       "right": {"prefix": {"addr": "2000::", "len": 3}}}}  # fmt: skip
    assert found(filtered=packets(table, hooked, {"rule": {**base, "expr": [other, {"drop": None}]}}))[0] == "fail"
