# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who reaches the gateway: what listens (proc_pid_net(5)), who answers when tried, what the packet filter does."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Publish, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import gateway_probe
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.gateway_probe import Answer, Attempt
from ansible_collections.openclaw.hardening.plugins.module_utils._system import socket_owner
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import Listener, read_listeners

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

DEFAULT_PORT = 18789
# What OpenClaw answers: whether start-up is over, whether the process lives, whether channels and agents are ready.
STARTED, ALIVE, DEPENDENCIES = "/startupz", "/healthz", "/readyz"
QUESTIONS = (STARTED, ALIVE, gateway_probe.INVOKE)
EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - looked for, not bound
# More published ports are wrong anyway; trying them all would take long.
_MOST_PORTS = 16
_PROJECT = "com.docker.compose.project"


@dataclass(frozen=True)
class Attached:
    """A Docker network that the container is on; ``foreign containers``: running containers of another user on it."""

    name: str
    driver: str
    bridge: str = ""
    address: str = ""
    prefix: int = 32
    address6: str = ""
    prefix6: int = 128
    default: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    foreign_ones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """The container's network from outside and inside. ``mode``: bridge, host, none or container (that of another)."""

    mode: str
    pid: int
    engine: str
    # The gateway's port in the container.
    port: int
    # What leads to the container; on the host's network: what its own processes listen on.
    published: tuple[Publish, ...] = ()
    # Listeners of the host on the published ports.
    listeners: tuple[Listener, ...] = ()
    inside: tuple[Listener, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    # Address and port where HTTP was asked, and the answers to STARTED, ALIVE and DEPENDENCIES, and to requests
    # WITHOUT a token, WITH it and with a WRONG one.
    asked_at: tuple[str, int] | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    # Who listens there instead of the gateway; then nothing was asked.
    impostors: tuple[str, ...] = ()
    attached: tuple[Attached, ...] = ()
    # Interfaces of the host by which packets come in.
    interfaces: tuple[str, ...] = ()
    # IP version to lines of iptables-save, where the container has such an address and they could be read.
    firewall: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    # What Docker 28 and newer reports that it filters with: iptables, iptables+firewalld, nftables.
    backend: str = ""


def look(
    module: AnsibleModule,
    api: DockerClient,
    settings: Settings,
    attrs: dict[str, Any],
    pid: int,
    token: str,
    engine: str,
) -> Network:
    """Look at the network of one running container, and try its ports.

    :param attrs: the answer of ``docker inspect``.
    :param token: the gateway's token, or an empty string; it only ever goes to the gateway's own listener.
    """
    mode = network_mode(attrs)
    addresses, interfaces = read_links(run(module, ["ip", "-j", "addr"]).stdout)
    host, inside = read_listeners("/proc/self/net"), read_listeners(f"/proc/{pid}/net")
    own: frozenset[int] | None = None
    published = read_published(attrs)
    if mode == "host":
        own = socket_owner.of_control_group(pid)
        inside = tuple(found for found in inside if found.inode in own)
        published = tuple(Publish(found.address, found.port, found.port) for found in inside)
    port = gateway_port(settings)
    place = _place(mode, published, attrs, port)
    there = listening_at(place[:1], place[1], host) if place else ()
    foreign_ones = foreign(there, own)
    names = socket_owner.name({found.inode: found.uid for found in foreign_ones})
    # What is not Docker's or the container's own gets neither the token nor a say in how the gateway is.
    asked_place = None if foreign_ones else place

    def vet() -> bool:
        return place is None or listening_at(place[:1], place[1], read_listeners("/proc/self/net")) == there

    questions = {path: partial(_ask, asked_place, path, token, vet) for path in QUESTIONS if asked_place}
    tcp = {found.port for found in published if found.protocol == "tcp"}
    first = sorted(tcp, key=lambda number: (place is None or number != place[1], number))[:_MOST_PORTS]
    pairs = [(address, number) for address in addresses for number in first]
    asked = gateway_probe.together(questions)
    tried = gateway_probe.together({pair: partial(gateway_probe.attempt, *pair) for pair in pairs})
    # Meanwhile, and in this thread: run_command is not made for several.
    attached = tuple(_networks(api, attrs)) if mode == "bridge" else ()
    bridged = [network for network in attached if network.driver == "bridge"]
    firewall = {
        4: _saved(module, "iptables-save") if any(network.address for network in bridged) else None,
        6: _saved(module, "ip6tables-save") if any(network.address6 for network in bridged) else None,
    }
    backend = _backend(api) if bridged and major(engine) >= 28 else ""
    attempts = tried()
    answers = asked()
    return Network(
        mode=mode,
        pid=pid,
        engine=engine,
        port=port,
        published=published,
        listeners=tuple(found for found in host if found.port in tcp),
        inside=inside,
        attempts=tuple(attempts.get(pair, Attempt(*pair, state="not tried in time")) for pair in pairs),
        asked_at=place,
        impostors=tuple(dict.fromkeys(names.values())),
        answers={key: answer for path in questions for key, answer in answers.get(path, _late(path)).items()},
        attached=attached,
        interfaces=interfaces,
        firewall={version: lines for version, lines in firewall.items() if lines is not None},
        backend=backend,
    )


def _ask(place: tuple[str, int], path: str, token: str, vet: gateway_probe.Vet) -> dict[str, Answer]:
    if path != gateway_probe.INVOKE:
        return {path: gateway_probe.ask(*place, path, vet=vet)}
    found = gateway_probe.probe_auth(*place, token, vet)
    # What is not ready is named only to who has the token; that is shown only to who refuses without one.
    return {
        **found,
        DEPENDENCIES: gateway_probe.ask(*place, DEPENDENCIES, token if gateway_probe.serves(found)[0] else "", vet),
    }


def _late(path: str) -> dict[str, Answer]:
    return {gateway_probe.WITHOUT if path == gateway_probe.INVOKE else path: gateway_probe.LATE}


# --- what the definition and the daemon say (pure) ----------------------------------------------------------------


def network_mode(attrs: Mapping[str, Any]) -> str:
    """Return whose network namespace it is: bridge (its own), host, none or container."""
    kind = str((attrs.get("HostConfig") or {}).get("NetworkMode") or "").partition(":")[0]
    return kind if kind in ("host", "none", "container") else "bridge"


def gateway_port(settings: Settings) -> int:
    """Return the port that the gateway has to listen on: ``--port``, else its variable, else OpenClaw's default."""
    words = [*settings.entrypoint, *settings.command]
    given = [word.partition("=")[2] for word in words if word.startswith("--port=")]
    given += [after for word, after in zip(words, words[1:]) if word == "--port"]
    given.append(settings.environment.get("OPENCLAW_GATEWAY_PORT", ""))
    return next((int(text) for text in given if re.fullmatch(r"[0-9]{1,5}", text)), DEFAULT_PORT)


def major(engine: str) -> int:
    """Return the first number of the engine's version, or 0."""
    found = re.match(r"v?([0-9]{1,4})", engine)
    return int(found[1]) if found else 0


def read_published(attrs: Mapping[str, Any]) -> tuple[Publish, ...]:
    """Return the ports that the daemon has bound for the container."""
    found = []
    for inner, bindings in ((attrs.get("NetworkSettings") or {}).get("Ports") or {}).items():
        target, _slash, protocol = inner.partition("/")
        for binding in bindings or ():
            port = binding.get("HostPort") or "0"
            found.append(Publish(binding.get("HostIp") or "", int(port), int(target), protocol or "tcp"))
    return tuple(found)


def _place(mode: str, published: Sequence[Publish], attrs: Mapping[str, Any], port: int) -> tuple[str, int] | None:
    """Return where the host reaches the gateway: the published port, on loopback if possible; else its own address."""
    if mode not in ("bridge", "host"):
        return None
    loopback = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    ways = [
        (found.target != port, not address.startswith("127."), address != "::1", address, found.port)
        for found in published
        if found.protocol == "tcp"
        for address in [loopback.get(found.address, found.address)]
    ]
    if ways:
        return min(ways)[3:]
    if mode == "host":
        return "127.0.0.1", port
    endpoints = ((attrs.get("NetworkSettings") or {}).get("Networks") or {}).values()
    own = [endpoint.get("IPAddress") for endpoint in endpoints if endpoint.get("IPAddress")]
    return (own[0], port) if own else None


def listening_at(addresses: Collection[str], port: int, host: Iterable[Listener]) -> tuple[Listener, ...]:
    """Return the listeners that take a connection to one of the addresses.

    The kernel prefers the exact address, then the wildcard of that family; ``::`` may take IPv4, too.
    """
    there = [found for found in host if found.port == port]
    taking: dict[Listener, None] = {}
    for address in addresses:
        for choice in (address, "::") if ":" in address else (address, "0.0.0.0", "::"):  # noqa: S104 - looked for
            found = [listener for listener in there if listener.address == choice]
            taking.update(dict.fromkeys(found))
            if found:
                break
    return tuple(taking)


def foreign(there: Iterable[Listener], own: frozenset[int] | None) -> tuple[Listener, ...]:
    """Return those that are neither Docker's nor the container's own.

    :param own: the container's sockets where it is on the host's network; else None, and Docker's are root's.
    """
    return tuple(found for found in there if (found.uid != 0 if own is None else found.inode not in own))


# --- what the kernel reports -----------------------------------------------------------------------------------------


def read_links(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read ``ip -j addr``: all usable addresses (a link-local one with its scope), and the ways into the host."""
    try:
        links = [link for link in json.loads(text) if link.get("ifname")]
    except ValueError as error:
        raise HardeningError("ip -j addr", "an answer that is not JSON", "the addresses of this host") from error
    addresses: dict[str, None] = {}
    for link in links:
        # Addresses of a link that is down are not local: a try would leave the host.
        for entry in link.get("addr_info", ()) if "UP" in link.get("flags", ()) else ():
            local = entry.get("local", "")
            if not local or entry.get("tentative") or entry.get("dadfailed"):
                continue
            scoped = entry.get("family") == "inet6" and entry.get("scope") == "link"
            addresses[f"{local}%{link['ifname']}" if scoped else local] = None
    interfaces = [
        link["ifname"]
        for link in links
        # What enters by a port of a bridge enters by the bridge.
        if "UP" in link.get("flags", ()) and "LOOPBACK" not in link["flags"] and "master" not in link
    ]
    return tuple(addresses), tuple(interfaces)


# --- what Docker and the packet filter say ------------------------------------------------------------------------


def _networks(api: DockerClient, attrs: Mapping[str, Any]) -> Iterator[Attached]:
    project = ((attrs.get("Config") or {}).get("Labels") or {}).get(_PROJECT)
    for name, endpoint in ((attrs.get("NetworkSettings") or {}).get("Networks") or {}).items():
        network = api.api.inspect_network(endpoint["NetworkID"])
        options = network.get("Options") or {}
        others = [
            found
            for found in api.api.containers(filters={"network": network["Id"]})
            if found["Id"] != attrs["Id"] and not (project and (found.get("Labels") or {}).get(_PROJECT) == project)
        ]
        bridge = options.get("com.docker.network.bridge.name") or f"br-{network['Id'][:12]}"
        yield Attached(
            name=name,
            driver=network.get("Driver") or "",
            bridge=bridge if network.get("Driver") == "bridge" else "",
            address=endpoint.get("IPAddress") or "",
            prefix=endpoint.get("IPPrefixLen") or 32,
            address6=endpoint.get("GlobalIPv6Address") or "",
            prefix6=endpoint.get("GlobalIPv6PrefixLen") or 128,
            default=options.get("com.docker.network.bridge.default_bridge") == "true",
            options=options,
            foreign_ones=tuple(sorted((found.get("Names") or [found["Id"][:12]])[0].lstrip("/") for found in others)),
        )


def _saved(module: AnsibleModule, program: str) -> tuple[str, ...] | None:
    path = module.get_bin_path(program)
    answer = run(module, [path], check=False) if path else None
    return tuple(answer.stdout.splitlines()) if answer and answer.rc == 0 else None


def _backend(api: DockerClient) -> str:
    return str((api.api.info().get("FirewallBackend") or {}).get("Driver") or "")
