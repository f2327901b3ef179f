"""What is ours and what is in the way, from the daemon's lists as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import (
    Claim,
    Needs,
    foreign_candidate,
    foreign_containers,
    foreign_images,
    foreign_needs,
    needs_of,
    refuse,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Image
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.lists import Lists
from ansible_collections.openclaw.hardening.plugins.module_utils._files.header import has_header

DEFINITION = "/etc/openclaw/docker-compose.hardened.yml"
CANDIDATE = "/var/lib/openclaw-hardening/attempt/candidate/compose.json"
CLAIM = Claim("openclaw", "openclaw-gateway", frozenset({DEFINITION}), CANDIDATE, recorded=True)
NEEDS = Needs({"openclaw-gateway": "br-openclaw"}, ("data",), (("127.0.0.1", 18789),))


def labels(definition: str = DEFINITION, project: str = "openclaw", **more: str) -> dict[str, str]:
    return {
        "com.docker.compose.project": project,
        "com.docker.compose.project.config_files": definition,
        "com.docker.compose.project.working_dir": definition.rpartition("/")[0],
        **more,
    }


def container(name: str = "openclaw-gateway", **changes: Any) -> dict[str, Any]:
    return {
        "Id": f"{name}-0123456789abcdef",
        "Names": [f"/{name}"],
        "Image": "openclaw:latest",
        "State": "running",
        "Status": "Up 2 hours",
        "Created": 1764320000,
        "Labels": labels(),
        **changes,
    }


def there(*containers: dict, networks: tuple = (), volumes: tuple = (), interfaces: tuple = ()) -> Lists:
    return Lists(list(containers), list(networks), list(volumes), frozenset(interfaces))


FOREIGN = labels("/home/bob/openclaw/docker-compose.yml")


@pytest.mark.parametrize(
    ("claim", "found", "count"),
    [
        (CLAIM, container(), 0),
        (CLAIM, container("0123_openclaw-gateway"), 0),
        (CLAIM, container(Labels=labels(f"{DEFINITION},/root/override.yml")), 0),
        (CLAIM, container(Labels=labels("docker-compose.hardened.yml") | {
            "com.docker.compose.project.working_dir": "/etc/openclaw"}), 0),
        (CLAIM, container("c", Labels=labels(CANDIDATE, "openclaw_candidate")), 0),
        (CLAIM, container("other", Labels={}), 0),
        (CLAIM, container("other", Labels=labels("/x.yml", "openclaw-acme")), 0),
        (CLAIM, container(Labels=FOREIGN), 1),
        (CLAIM, container("app", Labels=FOREIGN), 1),
        (CLAIM, container(Labels={}), 1),
        (CLAIM, container(Labels=None), 1),
        (CLAIM, container("c", Labels=labels(DEFINITION, "openclaw_candidate")), 1),
        (CLAIM, container(Labels={**FOREIGN, "io.openclaw.hardening.image-id": "copied"}), 1),
        (replace(CLAIM, recorded=False), container(), 1),
        (replace(CLAIM, recorded=False), container(Labels=labels(**{"io.openclaw.hardening.config": "1"})), 0),
    ],
)  # fmt: skip
def test_what_is_ours(claim, found, count):
    assert len(foreign_containers(claim, there(found))) == count


def test_what_is_found_is_described():
    (text,) = foreign_containers(CLAIM, there(container(Labels=FOREIGN, Image="evil\n\x1b[2J")))
    for part in (
        "openclaw-gateway (openclaw-gat)",
        "/home/bob/openclaw/docker-compose.yml",
        "Up 2 hours",
        "2025-11-28",
    ):
        assert part in text
    assert "\n" not in text
    assert "\x1b" not in text


def network(name: str = "openclaw-gateway", bridge: str = "br-openclaw", **changes: Any) -> dict[str, Any]:
    options = {"com.docker.network.bridge.name": bridge} if bridge else {}
    return {"Id": name, "Name": name, "Options": options, "Labels": labels(), "Created": "2026", **changes}


def on(name: str, **changes: Any) -> dict[str, Any]:
    return container(name, NetworkSettings={"Networks": {"n": {"NetworkID": "openclaw-gateway"}}}, **changes)


@pytest.mark.parametrize(
    ("standing", "text"),
    [
        (there(), ""),
        (there(networks=(network(),), interfaces=("br-openclaw",)), ""),
        (there(on("openclaw-gateway"), networks=(network(),), interfaces=("br-openclaw",)), ""),
        (there(on("mate", Labels={}), networks=(network(),)), "openclaw-gateway of the Compose project openclaw"),
        (there(networks=(network(Labels={}),)), "network openclaw-gateway, since 2026"),
        (there(networks=(network(bridge=""),)), "network openclaw-gateway"),
        (there(networks=(network("theirs", Labels=None),)), "network theirs with the bridge br-openclaw"),
        (there(interfaces=("br-openclaw",)), "network interface br-openclaw"),
        (there(volumes=({"Name": "data", "Labels": labels()},)), ""),
        (there(volumes=({"Name": "data", "Labels": None},)), "volume data"),
        (there(volumes=({"Name": "else", "Labels": None},)), ""),
    ],
)
def test_networks_and_volumes(standing, text):
    found = foreign_needs(CLAIM, NEEDS, standing)
    assert (text in "; ".join(found)) if text else found == []


@pytest.mark.parametrize(
    ("address", "port", "kind", "held"),
    [
        ("127.0.0.1", 18789, "tcp", True),
        ("0.0.0.0", 18789, "tcp", True),
        ("::", 18789, "tcp", False),
        ("10.0.0.1", 18789, "tcp", False),
        ("127.0.0.1", 18790, "tcp", False),
        ("127.0.0.1", 18789, "udp", False),
        ("", 18789, "tcp", True),
    ],
)  # fmt: skip
def test_ports(address, port, kind, held):
    ports = [{"IP": address, "PublicPort": port, "PrivatePort": 1, "Type": kind}, {"PrivatePort": 2, "Type": "tcp"}]
    foreign = container("web", Labels={}, Ports=ports)
    assert bool(foreign_needs(CLAIM, NEEDS, there(foreign))) is held
    assert not foreign_needs(CLAIM, NEEDS, there({**foreign, "State": "exited"}))
    assert not foreign_needs(CLAIM, NEEDS, there(container(Ports=ports)))


def test_a_candidate_that_nobody_of_us_made():
    label = {"com.docker.compose.project": "openclaw_candidate"}
    standing = there(networks=({"Name": "n", "Labels": label},), volumes=({"Name": "v", "Labels": label},))
    assert len(foreign_candidate(CLAIM, standing)) == 2
    assert foreign_candidate(replace(CLAIM, attempted=True), standing) == []
    ours = container("c", Labels=labels(CANDIDATE, "openclaw_candidate"))
    assert foreign_candidate(CLAIM, there(ours, networks=tuple(standing.networks))) == []


def test_images_that_nobody_of_us_named():
    named = {
        "openclaw:hardened-rollback": Image("sha256:0a", ("openclaw:hardened-rollback",)),
        "openclaw:hardened-rejected": Image("sha256:0b", (), {"io.openclaw.hardening.content": "b1"}),
        "openclaw:other": None,
        "known": Image("sha256:0c", ("known",)),
    }
    (found,) = foreign_images(named, {"sha256:0c"})
    assert found.startswith("image openclaw:hardened-rollback (sha256:0a), which this collection did not name so")


def test_needs_come_from_the_resolved_definition():
    resolved = {
        "services": {"a": {"ports": [{"published": "80", "host_ip": "::1"}, {"published": "1-2"}, {"target": 5}]}},
        "networks": {"n": {"name": "real", "driver_opts": {"com.docker.network.bridge.name": "br-x"}},
                     "e": {"name": "theirs", "external": True}, "d": None},
        "volumes": {"v": {"name": "p_v"}},
    }  # fmt: skip
    assert needs_of(resolved) == Needs({"real": "br-x"}, ("p_v",), (("::1", 80),))


@pytest.mark.parametrize(
    ("content", "ours"),
    [
        (b"# Made by the role openclaw.hardening.openclaw_gateway; changes are overwritten.\nname: x\n", True),
        (b"#!/bin/sh\n# OpenClaw's command line.\n# Made by the role openclaw.hardening.openclaw_gateway; x\n", True),
        (b"# Managed by Ansible (openclaw.hardening.openclaw_auth_monitor).\n", True),
        (b"name: openclaw\nservices: {}\n", False),
        (b"x" * 2000 + b"\n# Made by the role openclaw.hardening.openclaw_gateway\n", False),
        (b"", False),
    ],
)
def test_our_header(content, ours):
    assert has_header(content) is ours


def test_a_file_is_ours_when_a_record_names_it():
    assert replace(CLAIM, files=frozenset({"/a"})).wrote("/a", b"")
    assert not replace(CLAIM, files=frozenset({"/a"})).wrote("/b", b"")
    assert replace(CLAIM, files=None).wrote("/b", b"")
    assert not replace(CLAIM, files=None, recorded=False).wrote("/b", b"")


def test_everything_is_refused_in_one_message():
    refuse([], "openclaw")
    with pytest.raises(HardeningError) as refused:
        refuse([f"container {number}" for number in range(9)] + ["container 0"], "openclaw")
    for part in ("container 5; and 3 more", "Nothing was changed", "openclaw_instance", "set 'project'"):
        assert part in str(refused.value)
    assert refused.value.details["outcome"] == "unchanged"
