# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel does with packets beyond iptables: nftables, forwarding, routes; and our own table as declared."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import spoken
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft as system_nft
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft_rules
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.iptables import Station

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import Network

# Where models are: any address that only a default route leads to. The kernel is asked for its route; nothing is sent.
ELSEWHERE = {4: "1.1.1.1", 6: "2606:4700:4700::1111"}
_MOST = 1 << 20


@dataclass(frozen=True)
class Route:
    """What the kernel does with a packet of the container to another network. ``device``: empty, nothing."""

    device: str = ""
    error: str = ""


@dataclass(frozen=True)
class PacketFilter:
    """The packet filter and the ways of one container's packets."""

    # IP version to base chains of nftables (but those of iptables); None: they could not be read, and why.
    stations: Mapping[int, tuple[Station, ...]] | None = None
    fault: str = ""
    # Our own table: what is declared (None: nothing), why that cannot be read, what nft lists (None: no table).
    declared: system_nft.Settings | None = None
    declared_path: str = ""
    declared_fault: str = ""
    own_table: str | None = None
    # Interfaces that take packets for 127.0.0.0/8 (ip-sysctl, route_localnet).
    route_localnet: frozenset[str] = frozenset()
    # Name to value of the switches of forwarding.
    forwarding: Mapping[str, str] = field(default_factory=dict)
    # IP version to route of the container's packets, where it has a gateway for them.
    routes: Mapping[int, Route] = field(default_factory=dict)
    # Default routes inside the container, by IP version, and gateways that Docker gave it.
    default_route: bool = True
    gateway: str = ""


def look(module: AnsibleModule, network: Network, attrs: dict[str, Any], allowed: Baseline) -> PacketFilter:
    """Read it for the network of one container; nothing is sent anywhere."""
    stations, fault, listing = _ruleset(module)
    name = str(attrs.get("Name") or "").lstrip("/")
    path, declared, declared_fault = _declared(name, allowed)
    bridged = next((found for found in network.attached if found.driver == "bridge" and found.address), None)
    routes = {}
    if bridged:
        routes[4] = read_route(*_route(module, ELSEWHERE[4], bridged.address, bridged.bridge))
    networks = ((attrs.get("NetworkSettings") or {}).get("Networks") or {}).values()
    names = ["ip_forward", *([f"conf/{bridged.bridge}/forwarding"] if bridged else [])]
    return PacketFilter(
        stations=stations,
        fault=fault,
        declared=declared,
        declared_path=path,
        declared_fault=declared_fault,
        own_table=own_table(listing, declared.table) if declared and listing else None,
        route_localnet=_localnet(network.interfaces),
        forwarding={f"net/ipv4/{found}".replace("/", "."): _value(f"/proc/sys/net/ipv4/{found}") for found in names},
        routes=routes,
        default_route=_default_route(network.pid),
        gateway=next((str(found["Gateway"]) for found in networks if found.get("Gateway")), ""),
    )


def _ruleset(module: AnsibleModule) -> tuple[Mapping[int, tuple[Station, ...]] | None, str, str]:
    nft = module.get_bin_path("nft")
    if not nft:
        return None, "nftables could not be read: there is no program nft (package nftables)", ""
    answer = run(module, [nft, "-j", "list", "ruleset"], check=False)
    if answer.rc != 0:
        return None, f"nftables could not be read: {spoken(answer.stderr)}", ""
    try:
        return nft_rules.parse(answer.stdout), "", answer.stdout
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return None, f"nftables could not be read: {type(error).__name__}: {error}", ""


def own_table(listing: str, table: str) -> str | None:
    """Return what ``nft -j list table`` would answer, out of the whole ruleset (pure)."""
    base = (system_nft.FAMILY, table)
    own = [
        {kind: value}
        for item in json.loads(listing)["nftables"]
        for kind, value in item.items()
        if isinstance(value, dict) and (value.get("family"), value.get("name" if kind == "table" else "table")) == base
    ]
    return json.dumps({"nftables": own}) if own else None


def _declared(container: str, allowed: Baseline) -> tuple[str, system_nft.Settings | None, str]:
    """Read the settings file of this gateway's unit, where the operator reports that there is such a unit."""
    unit = f"{container}-firewall.service"
    if unit not in {name for name, _limit in allowed.units} or not re.fullmatch(r"[a-z][a-z0-9-]{0,60}", container):
        return "", None, ""
    name = container[: -len("-gateway")] if container.endswith("-gateway") else container
    path = f"/usr/local/lib/{name}-hardening/gateway-firewall.json"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, encoding="utf-8") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return path, None, f"{path} is no file"
            return path, system_nft.of_this_host(system_nft.settings(file.read(_MOST))), ""
    except (OSError, ValueError) as error:
        return path, None, f"{path}: {error}"


def _localnet(interfaces: tuple[str, ...]) -> frozenset[str]:
    conf = "/proc/sys/net/ipv4/conf"
    if _value(f"{conf}/all/route_localnet") == "1":
        return frozenset(interfaces)
    return frozenset(name for name in interfaces if _value(f"{conf}/{name}/route_localnet") == "1")


def _value(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(64).strip()
    except (OSError, ValueError):
        return ""


def _route(module: AnsibleModule, to: str, source: str, interface: str) -> tuple[int, str, str]:
    answer = run(module, ["ip", "-j", "route", "get", to, "from", source, "iif", interface], check=False)
    return answer.rc, answer.stdout, answer.stderr


def read_route(rc: int, stdout: str, stderr: str) -> Route:
    """Read ``ip -j route get`` (pure)."""
    try:
        found = json.loads(stdout) if rc == 0 else []
        device = str(found[0].get("dev") or "") if found else ""
        kind = str(found[0].get("type") or "unicast") if found else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return Route(error="ip route get gave no JSON")
    if device and kind == "unicast":
        return Route(device)
    return Route(error=spoken(stderr) or kind or "no route")


def _default_route(pid: int) -> bool:
    """Return whether the container's own table has a default route (proc_pid_net(5)); True also when that is not
    known.
    """
    try:
        with open(f"/proc/{pid}/net/route", encoding="ascii") as file:
            rows = [line.split() for line in file.readlines()[1:]]
    except (OSError, ValueError):
        return True
    return any(len(row) > 7 and row[1] == row[7] == "00000000" for row in rows)
