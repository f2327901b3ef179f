# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the networks that a definition makes or joins: only a bridge of its own, with options that are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Attached

_DRIVERS = ("", "default", "bridge", "none", "null")
_BRIDGE = "com.docker.network.bridge."
# Bridges that are there already: a network of that name is one with others.
_FOREIGN_BRIDGE = re.compile(
    r"docker(?:0|_gwbridge)|(?:br|vmbr|virbr|lxdbr|incusbr|lxcbr|cni|cbr|podman|xenbr|ovsbr|vnet)[0-9]+|cni-podman[0-9]+"
    r"|(?:eth|en|wl|ww|bond|team|tun|tap|wg)[a-z0-9]*|lo"
)
_SWITCH = ("true", "false", "1", "0")


def _switch(value: str) -> bool:
    return value.lower() in _SWITCH


def _any(_value: str) -> bool:
    return True


# Options that a bridge of its own may have; the rest opens it to neighbours, or nobody has looked at it.
_OPTIONS: Mapping[str, Callable[[str], bool]] = {
    f"{_BRIDGE}name": lambda value: not _FOREIGN_BRIDGE.fullmatch(value),
    f"{_BRIDGE}enable_icc": _switch,
    f"{_BRIDGE}enable_ip_masquerade": _switch,
    f"{_BRIDGE}inhibit_ipv4": _switch,
    f"{_BRIDGE}default_bridge": lambda value: value.lower() in ("false", "0"),
    # Ports without an address are refused anyway, unless every address is allowed.
    f"{_BRIDGE}host_binding_ipv4": _any,
    f"{_BRIDGE}host_binding_ipv6": _any,
    f"{_BRIDGE}gateway_mode_ipv4": lambda value: value in ("nat", "isolated"),
    f"{_BRIDGE}gateway_mode_ipv6": lambda value: value in ("nat", "isolated"),
    "com.docker.network.driver.mtu": _any,
    "com.docker.network.container_iface_prefix": _any,
    "com.docker.network.enable_ipv4": _switch,
    "com.docker.network.enable_ipv6": _switch,
}
_ENDPOINT = ("com.docker.network.endpoint.ifname",)


def faults_of_network(network: Attached) -> list[str]:
    """Return what is wrong with a network of a definition."""
    if network.external:
        return [f"{network.name} is external: who else is on it, and how, is not in this definition"]
    faults = faults_of_driver(network.name, network.driver, network.options)
    if network.address_driver not in ("", "default"):
        faults.append(f"{network.name} gets its addresses from the driver {network.address_driver}")
    faults += [f"{network.name}: the option {name} is not known" for name in network.endpoint if name not in _ENDPOINT]
    return faults


def faults_of_driver(name: str, driver: str, options: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the driver of a network and its options, of an existing one, too."""
    if driver not in _DRIVERS:
        return [f"{name} has the driver {driver}, needed a bridge of its own"]
    return [
        f"{name} has {option.removeprefix('com.docker.network.')}={value}"
        for option, value in options.items()
        if not (option in _OPTIONS and _OPTIONS[option](value))
    ]
