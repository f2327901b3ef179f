# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gateway's own nftables table on a host: what is there, what has to be done, and doing it in one transaction."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    destination,
    integer,
    ip_address,
    network,
    proxy_url,
    shown,
    spoken,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft as system_nft
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible.module_utils.basic import AnsibleModule

# Names as nft(8) and the kernel (dev_valid_name) take them, without what nft or a shell reads.
_TABLE = re.compile(r"[a-z][a-z0-9_-]{0,60}")
_BRIDGE = re.compile(r"[a-z][a-z0-9._-]{0,14}")
_UNIT = re.compile(r"(?:[a-z][a-z0-9-]{0,60}\.service)?")
_CHAIN = "DOCKER-USER"
INSTALL = "install the package nftables, on a kernel with nf_tables"


@dataclass(frozen=True)
class Current:
    """What is there. ``outdated``: the iptables rule of this collection before it had a table of its own."""

    table: str | None
    outdated: bool = False


@dataclass(frozen=True)
class Plan:
    """What has to be done. ``different``: how the table is not as declared."""

    load: bool = False
    remove: bool = False
    different: tuple[str, ...] = ()
    outdated: bool = False

    @property
    def actions(self) -> list[str]:
        """One line for each change."""
        return [
            *(["load the table"] if self.load else []),
            *(["remove the table"] if self.remove else []),
            *([f"remove the rule in {_CHAIN} that the table replaces"] if self.outdated else []),
        ]


def wanted_settings(params: Mapping[str, Any]) -> system_nft.Settings:
    """Read the options; refuse what cannot be meant."""
    for option, form in (("table", _TABLE), ("bridge", _BRIDGE), ("unit", _UNIT)):
        if not form.fullmatch(params.get(option, "")):
            raise HardeningError(option, shown(params[option]), f"a name such as {form.pattern}", option)
    port = integer("port", params["port"], 1, 65535)
    return system_nft.Settings(
        params["table"],
        params["bridge"],
        port,
        tuple(map(_address, params["addresses"])),
        policy=params["policy"],
        reachable=tuple(destination("reachable", text) for text in params["reachable"]),
        sources=tuple(network("sources", text) for text in params["sources"]),
    )


def _address(text: str) -> str:
    return text if text == system_nft.ANY else ip_address("addresses", text, "an IP address, or 'any'")


def protects(version: str, options: Mapping[str, Any], environment: tuple[str, ...]) -> str:
    """Return why Docker itself keeps neighbours away, or return an empty string. Pure.

    Docker 28 drops what is sent to a container's own address, and what is sent to a port on loopback by another host
    (release notes 28.0.0), unless it must not touch the packet filter or was reported to let such packets in.
    """
    major = re.match(r"v?([0-9]{1,4})", version)
    if not major or int(major[1]) < 28:
        return ""
    off = [name for name in ("iptables", "ip6tables") if str(options.get(name, True)).lower() in ("false", "0")]
    if off or str(options.get("allow-direct-routing", False)).lower() in ("true", "1"):
        return ""
    if any(name == "DOCKER_INSECURE_NO_IPTABLES_RAW" for name in environment):
        return ""
    backend = options.get("firewall-backend") or "iptables"
    return f"Docker {version} ({backend}) keeps neighbours away itself"


def kernel_takes_it() -> bool:
    """Ask the kernel for its tables (netlink(7)), which also loads the module; False: it has no nf_tables."""
    netfilter, get_table, dump, error = 12, 10 << 8 | 1, 0x301, 2
    message = struct.pack("=IHHIIBBH", 20, get_table, dump, 1, 0, 0, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netfilter) as kernel:
            kernel.settimeout(5)
            kernel.send(message)
            answer = kernel.recv(65536)
    except OSError:
        return False
    kind = struct.unpack_from("=H", answer, 4)[0]
    return bool(kind != error or struct.unpack_from("=i", answer, 16)[0] == 0)


# --- look ---------------------------------------------------------------------------------------------------------


def proxy_places(module: AnsibleModule, url: str) -> tuple[str, ...]:
    """Return the places in special networks at which a proxy is; its name is resolved as every program here does it.

    :raises HardeningError: it has no address, so that it would be blocked, or the gateway could not reach it anyway.
    """
    if not url:
        return ()
    parts = urlsplit(proxy_url("proxy", url))
    host, port = parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)
    answer = run(module, ["getent", "ahosts", host], check=False)
    found = {ipaddress.ip_address(line.split()[0].split("%")[0]) for line in answer.stdout.splitlines() if line.strip()}
    if not found:
        needed = "a proxy whose name this host can resolve, or its address"
        raise HardeningError("proxy", f"{shown(host)}, which has no address", needed, "proxy")
    return special_places(found, port)


def special_places(addresses: Iterable[ipaddress.IPv4Address | ipaddress.IPv6Address], port: int) -> tuple[str, ...]:
    """Return the places of the addresses that are in special networks, but for loopback; pure."""
    return tuple(
        system_nft.named(address, port)
        for address in sorted(addresses, key=str)
        if not address.is_loopback and system_nft.is_special(address)
    )


def look(module: AnsibleModule, wanted: system_nft.Settings) -> Current:
    """Read the table, and whether the rule that it replaces is still there."""
    iptables = module.get_bin_path("iptables")
    outdated = bool(iptables) and run(module, [iptables, *_rule("-C", wanted.bridge)], check=False).rc == 0
    nft = module.get_bin_path("nft")
    if not nft:
        return Current(None, outdated)
    answer = run(module, [nft, "-j", "list", "table", system_nft.FAMILY, wanted.table], check=False)
    return Current(answer.stdout if answer.rc == 0 else None, outdated)


def _rule(verb: str, bridge: str) -> list[str]:
    state = ["-m", "conntrack", "!", "--ctstate", "DNAT,ESTABLISHED,RELATED"]
    return ["--wait", "5", verb, _CHAIN, "!", "-i", bridge, "-o", bridge, *state, "-j", "DROP"]


# --- decide (pure) ------------------------------------------------------------------------------------------------


def decide(wanted: system_nft.Settings, found: Current, *, present: bool) -> Plan:
    """Compare what the kernel has with what is declared."""
    if not present:
        return Plan(remove=found.table is not None, outdated=found.outdated)
    try:
        different = system_nft.differences(wanted, found.table)
    except ValueError as error:
        different = [str(error)]
    return Plan(load=bool(different), different=tuple(different), outdated=found.outdated)


# --- act ----------------------------------------------------------------------------------------------------------


def prove(module: AnsibleModule, wanted: system_nft.Settings) -> None:
    """Refuse a host whose nft or kernel does not take the table; nothing is changed (``nft --check``)."""
    nft = module.get_bin_path("nft")
    if not nft:
        raise HardeningError("nft", "no such program", INSTALL)
    answer = run(module, [nft, "-j", "--check", "-f", "-"], check=False, data=system_nft.load(wanted))
    if answer.rc != 0:
        output = spoken(answer.stderr or answer.stdout) or f"exit code {answer.rc}"
        raise HardeningError("nft --check", output, f"a host that takes the gateway's table; {INSTALL}")


def act(module: AnsibleModule, wanted: system_nft.Settings, plan: Plan, unit: str = "") -> None:
    """Load or remove the table; the old rule goes when the new ones are there.

    :param unit: the service that would restore the table of before.
    """
    nft = module.get_bin_path("nft") or "nft"
    if plan.load:
        if unit and run(module, ["systemctl", "is-active", "--quiet", "--", unit], check=False).rc == 0:
            run(module, ["systemctl", "stop", "--", unit])
        run(module, [nft, "-j", "-f", "-"], data=system_nft.load(wanted))
        left = decide(wanted, look(module, wanted), present=True).different
        if left:
            raise HardeningError(f"table {wanted.table}", "; ".join(left), "the table as it was loaded")
    if plan.remove:
        run(module, [nft, "-j", "-f", "-"], data=system_nft.removal(wanted.table))
    if plan.outdated:
        run(module, [module.get_bin_path("iptables") or "iptables", *_rule("-D", wanted.bridge)])
