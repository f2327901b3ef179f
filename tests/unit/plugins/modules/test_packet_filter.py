"""The gateway's own nftables table: what is declared, how it is compared, and whether it is needed."""

from __future__ import annotations

import json
from dataclasses import replace

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
    wanted_settings,
)

WANTED = nft.Settings("openclaw-gateway", "br-openclaw", 18789)
OPTIONS = {"table": "openclaw-gateway", "bridge": "br-openclaw", "port": 18789, "addresses": []}


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
