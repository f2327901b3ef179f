"""Networks of a definition: only a bridge of its own, with options that are known."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Attached, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import network

RULE = next(rule for rule in network.RULES if rule.id == "OCH-NET-06")
BRIDGE = "com.docker.network.bridge."


def asked(**attached: object) -> tuple[str, str]:
    settings = Settings("s", "there", network_mode="own", networks=("own",), attached=(Attached("own", **attached),))
    found = RULE.declared(settings, Baseline())
    return found.status, found.actual


@pytest.mark.parametrize(
    "attached",
    [
        {},
        {"driver": "bridge", "address_driver": "default"},
        {"options": {f"{BRIDGE}name": "br-openclaw", "com.docker.network.driver.mtu": "1400"}},
        {"options": {f"{BRIDGE}gateway_mode_ipv4": "isolated", f"{BRIDGE}gateway_mode_ipv6": "nat"}},
        {"options": {f"{BRIDGE}enable_icc": "false", "com.docker.network.enable_ipv6": "false"}},
        {"endpoint": {"com.docker.network.endpoint.ifname": "eth9"}},
    ],
)
def test_a_bridge_of_its_own_passes(attached):
    assert asked(**attached)[0] == "pass"


@pytest.mark.parametrize(
    ("attached", "output"),
    [
        ({"external": True}, "own is external"),
        ({"driver": "macvlan", "options": {"parent": "eth0"}}, "own has the driver macvlan"),
        ({"driver": "ipvlan"}, "ipvlan"),
        ({"driver": "weaveworks/net-plugin"}, "weaveworks"),
        ({"options": {f"{BRIDGE}gateway_mode_ipv4": "routed"}}, "bridge.gateway_mode_ipv4=routed"),
        ({"options": {f"{BRIDGE}gateway_mode_ipv6": "nat-unprotected"}}, "nat-unprotected"),
        ({"options": {f"{BRIDGE}trusted_host_interfaces": "eth0"}}, "trusted_host_interfaces"),
        ({"options": {f"{BRIDGE}name": "docker0"}}, "bridge.name=docker0"),
        ({"options": {"com.example.own": "1"}}, "com.example.own=1"),
        ({"address_driver": "dhcp"}, "addresses from the driver dhcp"),
        ({"endpoint": {"com.docker.network.endpoint.sysctls": "x=1"}}, "endpoint.sysctls is not known"),
    ],
)
def test_another_network_fails(attached, output):
    status, actual = asked(**attached)
    assert status == "fail"
    assert output in actual
