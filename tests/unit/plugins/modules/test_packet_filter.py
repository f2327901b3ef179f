"""The gateway's own nftables table: what is declared, how it is compared, and whether it is needed."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Publish
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import forwarders
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import Network
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.packet_filter import own_table, read_route
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft
from ansible_collections.openclaw.hardening.plugins.module_utils._system.packet_filter import (
    Current,
    decide,
    protects,
    special_places,
    wanted_settings,
)

WANTED = nft.Settings("openclaw-gateway", "br-openclaw", 18789)
OPTIONS = {"table": "openclaw-gateway", "bridge": "br-openclaw", "port": 18789, "addresses": [], "policy": "off",
           "reachable": [], "sources": []}  # fmt: skip
PRIVATE = replace(
    WANTED,
    policy=nft.PRIVATE_BLOCKED,
    reachable=("192.168.1.5:11434", "[fd00::/64]:53/udp"),
    resolvers=("10.0.0.53",),
)


def kernel(wanted: nft.Settings = WANTED) -> list[dict]:
    """As ``nft -j list table`` shows it: with handles."""
    items = json.loads(json.dumps(nft.objects(wanted)))
    for number, item in enumerate(items):
        next(iter(item.values()))["handle"] = number
    return [{"metainfo": {"version": "1.1.3"}}, *items]


def listing(items: list[dict]) -> str:
    return json.dumps({"nftables": items})


def verdicts(wanted: nft.Settings) -> list[str]:
    rules = [item["rule"]["expr"] for item in nft.objects(wanted) if "rule" in item]
    return [next(iter(rule[-1])) for rule in rules]


def test_it_only_drops() -> None:
    for addresses in ((), ("192.0.2.7", "fd00::7"), ("any",)):
        assert set(verdicts(replace(WANTED, addresses=addresses))) <= {"drop", "jump", "return"}
    assert "return" not in verdicts(WANTED)


def test_every_rule_is_about_this_gateway() -> None:
    """Its port, its bridge, or the chain that only packets to its bridge get to."""
    for item in nft.objects(WANTED):
        rule = item.get("rule")
        if rule and rule["chain"] != "published":
            text = json.dumps(rule)
            assert "18789" in text or text.count("br-openclaw") == 2


def test_one_address_and_everybody() -> None:
    text = json.dumps(nft.objects(replace(WANTED, addresses=("192.0.2.7", "FD00:0::7"))))
    assert '"ip daddr", "dir": "original"}}, "right": "192.0.2.7"' in text
    assert '"ip6 daddr", "dir": "original"}}, "right": "fd00::7"' in text
    assert '"ip daddr", "dir"' not in json.dumps(nft.objects(replace(WANTED, addresses=("any",))))


def test_the_kernels_spelling_is_no_difference() -> None:
    items = kernel()
    assert nft.differences(WANTED, listing(items)) == []
    text = listing(items).replace('["invalid", "untracked"]', '{"set": ["untracked", "invalid"]}')
    assert nft.differences(WANTED, text.replace('{"|": ["syn", "ack"]}', '["ack", "syn"]')) == []


@pytest.mark.parametrize("number", range(1, 14))
def test_each_part_counts(number: int) -> None:
    items = kernel()
    del items[number]
    assert nft.differences(WANTED, listing(items))


def test_what_is_added_and_what_is_asleep() -> None:
    items = kernel()
    base = {"family": "inet", "table": WANTED.table}
    accept = {"rule": {**base, "chain": "published", "expr": [{"accept": None}]}}
    assert any(text.startswith("not ours") for text in nft.differences(WANTED, listing([*items, accept])))
    items[1]["table"]["flags"] = ["dormant"]
    assert nft.differences(WANTED, listing(items))
    assert nft.differences(WANTED, None) == ["table inet openclaw-gateway is not there"]
    with pytest.raises(ValueError, match="no list"):
        nft.differences(WANTED, "{}")


def test_loading_is_one_transaction_that_leaves_other_tables() -> None:
    steps = json.loads(nft.load(WANTED))["nftables"]
    assert [next(iter(step)) for step in steps[:2]] == ["add", "delete"]
    assert all(WANTED.table in json.dumps(step) for step in steps)
    assert "flush" not in json.dumps(steps)


def test_settings_come_back_as_they_were_written() -> None:
    text = json.dumps({**OPTIONS, "addresses": ["192.0.2.7"], "protected": ""})
    assert nft.settings(text) == replace(WANTED, addresses=("192.0.2.7",))
    kept = {"policy": "private-blocked", "reachable": list(PRIVATE.reachable), "resolvers": list(PRIVATE.resolvers)}
    assert nft.settings(json.dumps({**OPTIONS, "protected": "", **kept})) == PRIVATE
    assert nft.settings(json.dumps({**OPTIONS, "protected": "", "sources": ["10.0.0.0/8"]})).sources == ("10.0.0.0/8",)
    for wrong in ({"policy": "none"}, {"reachable": ["192.168.1.5"]}, {"sources": ["192.168.1.5/24"]}):
        with pytest.raises(ValueError, match=r".*"):
            nft.settings(json.dumps({**OPTIONS, "protected": "", **wrong}))
    for broken in ("[]", "{}", "", json.dumps({**OPTIONS, "protected": "", "bridge": "x" * 16})):
        with pytest.raises(ValueError, match=r".*"):
            nft.settings(broken)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("table", text) for text in ("", "-x", "a b", "a\n", "a;b", "A")),
        *(("bridge", text) for text in ("", "br-too-long-name", "br/0", "br 0", "-i", "br\n", "lo;")),
        ("addresses", ["192.0.2.300"]),
        ("addresses", ["192.0.2.7; drop"]),
        *(
            ("reachable", [text])
            for text in (
                *("192.0.2.7", "192.0.2.7:0", "192.0.2.7:70000", "192.0.2.7/24:80", "192.0.2.300:80", "host:80"),
                *("fd00::1:80", "[fd00::1]", "[fd00::1/64]:80", "192.0.2.7:80/tcp", "192.0.2.7:80\n", "", ":80"),
            )
        ),
        *(("sources", [text]) for text in ("192.168.1.1/24", "192.168.1.0/33", "lan", "", "fd00::/64 ", "any")),
        ("port", 0),
        ("port", 70000),
    ],
)
def test_hostile_options(option: str, value: object) -> None:
    with pytest.raises(HardeningError):
        wanted_settings({**OPTIONS, option: value})


def test_decide() -> None:
    same = listing(kernel())
    assert decide(WANTED, Current(same), present=True).actions == []
    assert decide(WANTED, Current(None, outdated=True), present=True).actions == [
        "load the table",
        "remove the rule in DOCKER-USER that the table replaces",
    ]
    assert decide(WANTED, Current("garbage"), present=True).load
    assert decide(WANTED, Current(same), present=False).actions == ["remove the table"]
    assert decide(WANTED, Current(None), present=False).actions == []


@pytest.mark.parametrize(
    ("version", "options", "environment", "does"),
    [
        ("26.1.5+dfsg1", {}, (), False),
        ("28.0.0", {}, (), True),
        ("29.1.0", {"firewall-backend": "nftables"}, (), True),
        ("28.2.2", {"iptables": False}, (), False),
        ("28.2.2", {"allow-direct-routing": True}, (), False),
        ("28.2.2", {}, ("DOCKER_INSECURE_NO_IPTABLES_RAW",), False),
        ("", {}, (), False),
    ],
)
def test_whether_docker_protects(version: str, options: dict, environment: tuple[str, ...], does: bool) -> None:
    assert bool(protects(version, options, environment)) is does


def test_our_table_out_of_a_whole_ruleset() -> None:
    other = {"table": {"family": "ip", "name": WANTED.table}}
    text = own_table(listing([*kernel(), other]), WANTED.table)
    assert nft.differences(WANTED, text) == []
    assert own_table(listing([other]), WANTED.table) is None


def test_routes() -> None:
    assert read_route(0, '[{"dst":"1.1.1.1","dev":"eth0"}]', "").device == "eth0"
    assert read_route(2, "", "RTNETLINK answers: No route to host").error
    assert read_route(0, '[{"type":"blackhole","dst":"1.1.1.1"}]', "").error == "blackhole"
    assert read_route(0, "no JSON", "").error


# --- other listeners ----------------------------------------------------------------------------------------------

NETWORK = Network("bridge", 1, "26.1", 18789, published=(Publish("127.0.0.1", 18789, 18789),))
ADDRESSES = ("127.0.0.1", "192.0.2.7", "198.51.100.7", "fd00::7", "fe80::1%eth0", "::1")


def test_who_is_declared() -> None:
    listening = [("127.0.0.1", 18789), ("127.0.0.1", 9), ("0.0.0.0", 80), ("::", 443), ("198.51.100.7", 18789)]
    found = forwarders.candidates(NETWORK, ADDRESSES, listening, [forwarders.Place("10.9.9.2", 80, "elsewhere")])
    assert [(place.address, place.port) for place in found] == [
        ("192.0.2.7", 80), ("192.0.2.7", 443), ("fd00::7", 443), ("198.51.100.7", 18789), ("10.9.9.2", 80),
    ]  # fmt: skip


def test_answers_that_could_be_the_gateways() -> None:
    ours = (200, b'{"ok":true,"status":"live"}')
    assert forwarders.alike((200, b'{"status":"ready","ok":false}'), ours)
    assert forwarders.alike((200, b'1b\r\n{"ok":true,"status":"live"}\r\n0'), ours)
    for other in (None, (0, b""), (401, ours[1]), (200, b"<html>"), (200, b'{"ok":1}'), (200, b"{")):
        assert not forwarders.alike(other, ours)


@pytest.mark.parametrize(
    ("counts", "result"),
    [
        ([0, 0, 4000] * 3, True),
        ([0, 0, 300] * 3, False),
        ([0, 5000, 9000] * 12, None),
        ([0, 5000, 9000, *[0, 100, 4000] * 3], True),
    ],
)
def test_bytes_tell_whose_answer_it_is(counts: list[int], result: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarders, "request", lambda *_: None)
    monkeypatch.setattr(forwarders, "_SETTLE", 0)
    left = iter(counts)
    place = forwarders.Place("192.0.2.7", 80)
    assert forwarders.from_this_gateway(place, 1, float("inf"), lambda _pid: next(left)) is result


# --- the network policy -------------------------------------------------------------------------------------------


def reached(rules: list[str], text: str) -> bool:
    return any(text in rule for rule in rules)


def chain(wanted: nft.Settings, name: str) -> list[str]:
    """Return the rules of one chain, in their order."""
    rules = [item["rule"] for item in nft.objects(wanted) if "rule" in item]
    return [json.dumps(rule["expr"]) for rule in rules if rule["chain"] == name]


def test_the_policy_only_refuses_what_comes_from_our_bridge() -> None:
    assert set(verdicts(PRIVATE)) <= {"drop", "jump", "return", "reject", "log", "counter"}
    for name in ("agent_here", "agent_away"):
        assert all('"iifname"}}, "right": "br-openclaw"' in rule for rule in chain(PRIVATE, name))
    assert chain(PRIVATE, "away")[-1].endswith('{"jump": {"target": "refused"}}]')
    assert chain(PRIVATE, "here")[-1] == '[{"jump": {"target": "refused"}}]'


def test_what_is_reachable_comes_before_what_is_refused() -> None:
    for name in ("here", "away"):
        rules = chain(PRIVATE, name)
        first = next(number for number, rule in enumerate(rules) if "refused" in rule)
        before = rules[:first]
        assert reached(before, '"192.168.1.5"')
        assert reached(before, '{"addr": "fd00::", "len": 64}')
        assert [rule.count('"protocol": "udp"') for rule in before if "10.0.0.53" in rule] == [0, 1]
        assert "established" in before[0]


def test_without_the_policy_the_table_is_as_before() -> None:
    assert not [item for item in nft.objects(WANTED) if "refused" in json.dumps(item)]


def test_docker_that_protects_leaves_the_policy_to_us() -> None:
    """The rules against neighbours are Docker's then; those about the agent are not."""
    protected = replace(PRIVATE, protected="Docker 28")
    assert (protected.loaded, replace(WANTED, protected="Docker 28").loaded) == (True, False)
    assert chain(protected, "published") == []
    assert chain(protected, "away") == chain(PRIVATE, "away")


def test_counts_and_other_spellings_of_an_address_are_no_difference() -> None:
    text = listing(kernel(PRIVATE))
    counted = text.replace('{"counter": null}', '{"counter": {"packets": 12, "bytes": 345}}')
    assert counted != text
    assert nft.differences(PRIVATE, counted) == []


def test_each_special_network_counts() -> None:
    items = kernel(PRIVATE)
    for network in nft.SPECIAL:
        left = [item for item in items if f'"{network.network_address}"' not in json.dumps(item)]
        assert nft.differences(PRIVATE, listing(left)), network


@pytest.mark.parametrize(
    ("address", "special"),
    [
        *((text, True) for text in ("10.1.2.3", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.100.100.200")),
        *((text, True) for text in ("168.63.129.16", "192.0.0.192", "239.1.1.1", "255.255.255.255", "0.0.0.0")),  # noqa: S104
        *((text, True) for text in ("fd00:ec2::254", "fe80::1", "ff02::1", "::ffff:10.0.0.1", "::10.0.0.1")),
        *((text, True) for text in ("64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::1", "2001:0:a00:1::1", "fec0::1")),
        *((text, False) for text in ("1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1")),
    ],
)
def test_what_is_special(address: str, special: bool) -> None:
    found = ip_address(address)
    assert any(found in network for network in nft.SPECIAL if network.version == found.version) is special


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nameserver 192.168.1.1\nnameserver  10.0.0.53 # comment\nsearch lan\n", ("192.168.1.1", "10.0.0.53")),
        ("nameserver 127.0.0.53\nnameserver ::1\noptions edns0\n", ()),
        ("# nameserver 192.168.1.1\nnameserver\nnameserver fe80::1%eth0\nnameserver lan\n", ()),
        ("nameserver fd00::53\nnameserver fd00::53\n", ("fd00::53",)),
        ("", ()),
    ],
)
def test_name_servers_that_are_asked_from_the_container(text: str, found: tuple[str, ...]) -> None:
    assert nft.resolvers(text) == found


def test_behind_a_stub_are_the_servers_that_docker_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub, behind = tmp_path / "resolv.conf", tmp_path / "behind.conf"
    monkeypatch.setattr(nft, "_RESOLVERS", str(stub))
    monkeypatch.setattr(nft, "_BEHIND_A_STUB", str(behind))
    wanted = replace(WANTED, policy=nft.PRIVATE_BLOCKED)
    assert nft.of_this_host(wanted).resolvers == ()
    behind.write_text("nameserver 10.0.0.53\n")
    stub.write_text("nameserver 127.0.0.53\n")
    assert nft.of_this_host(wanted).resolvers == ("10.0.0.53",)
    stub.write_text("nameserver 127.0.0.53\nnameserver 10.0.0.1\n")
    assert nft.of_this_host(wanted).resolvers == ("10.0.0.1",)
    assert nft.of_this_host(replace(wanted, resolvers=("10.9.9.9",))).resolvers == ("10.9.9.9",)
    assert nft.of_this_host(WANTED).resolvers == ()


def test_a_proxy_in_a_private_network_is_let_through() -> None:
    """One on the internet is reached anyway; one on loopback would be the container's own."""
    addresses = [ip_address(text) for text in ("10.0.0.5", "fd00::5", "127.0.0.1", "8.8.8.8", "2606:4700::1")]
    assert special_places(addresses, 3128) == ("10.0.0.5:3128", "[fd00::5]:3128")


# --- sources ------------------------------------------------------------------------------------------------------


def test_other_sources_are_dropped_on_both_ways_to_the_port() -> None:
    """By Docker's NAT, and by its proxy, which listens on the host."""
    wanted = replace(WANTED, addresses=("any",), sources=("192.168.1.0/24", "fd00::7"))
    ends = [next(iter(json.loads(rule)[-1])) for rule in chain(wanted, "sources")]
    assert ends == ["return", "return", "drop"]
    assert '"protocol": "ip6", "field": "saddr"' in chain(wanted, "sources")[1]
    (here,), (away,) = chain(wanted, "from_here"), chain(wanted, "from_away")
    assert '"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "lo"' in here
    assert '"right": "br-openclaw"' in away
    assert all('"right": 18789' in rule and '{"jump": {"target": "sources"}}' in rule for rule in (here, away))


def test_sources_are_kept_where_docker_protects() -> None:
    wanted = replace(WANTED, protected="Docker 28", sources=("192.168.1.0/24",))
    assert wanted.loaded
    assert chain(wanted, "sources")
    assert chain(wanted, "published") == []
    assert chain(WANTED, "sources") == []
