# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Docker daemon reports about itself, what it was started with, where it listens, and who else may command
it.
"""

from __future__ import annotations

import grp
import http.client
import json
import os
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._files.path_trace import Entry, trace
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import read_text
from ansible_collections.openclaw.hardening.plugins.module_utils._system import accounts, proc
from ansible_collections.openclaw.hardening.plugins.module_utils._system import http as system_http
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import manager

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import DockerClient

SOCKET = "/var/run/docker.sock"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CONFIG = "/etc/docker/daemon.json"
GROUP = "docker"
ARGUMENTS = "command line of dockerd"
_FILES = ("/etc/docker", "/etc/default/docker", "/etc/sysconfig/docker")
_UNITS = ("docker.service", "docker.socket", "containerd.service")
_TLS_FILES = ("tlscacert", "tlscert", "tlskey")
# dockerd(8): the flags that take no value; every other one takes the next word.
_SWITCHES = frozenset(
    (
        *("allow-direct-routing", "debug", "experimental", "help", "icc", "init", "ip-forward", "ip-forward-no-drop"),
        *("ip-masq", "ip6tables", "iptables", "ipv6", "live-restore", "no-new-privileges", "raw-logs", "rootless"),
        *("selinux-enabled", "tls", "tlsverify", "userland-proxy", "validate", "version"),
    )
)
_SHORT = {"D": "debug", "G": "group", "H": "host", "b": "bridge", "g": "graph", "l": "log-level", "p": "pidfile"}
_SHORT.update({"s": "storage-driver", "v": "version", "h": "help"})
# A flag that may be given more than once is a list of another name in daemon.json.
_PLURALS = {
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "default-network-opt": "default-network-opts",
    "authorization-plugin": "authorization-plugins",
}
_PROBE_SECONDS = 0.5


@dataclass(frozen=True)
class Listener:
    """A TCP port that dockerd holds open. ``answers``: what was got there with nothing in the hand.

    ``plain``: the API, without TLS; ``anyone``: the API by TLS, without a certificate; ``tls``: TLS that refused;
    ``other``: anything else, or nothing.
    """

    address: str
    port: int
    answers: str = "other"

    def __str__(self) -> str:
        """Return address and port as they are written."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Daemon:
    """The daemon. ``options`` and ``sources``: of its command line and its file together, by their name in the file."""

    version: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    # 0: no process of this host holds the socket.
    pid: int = 0
    uid: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    # Names of the variables DOCKER_* in its environment.
    environment: tuple[str, ...] = ()
    # Why its file is not known; empty: it is, or there is none.
    config_fault: str = ""
    config_path: str = CONFIG
    # None: not known.
    listeners: tuple[Listener, ...] | None = None
    # Sockets of the engine and of containerd: path to the way there.
    sockets: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    # Groups that may use a socket: name to number and members (primary group included).
    groups: Mapping[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    files: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    # What the default seccomp profile from a file does with calls that it does not name; empty: no such file.
    seccomp_default: str = ""

    @property
    def rootless(self) -> bool:
        """Return whether it runs as an ordinary account (then its socket is that account's)."""
        return any("rootless" in str(option) for option in self.info.get("SecurityOptions") or ())


def look(module: AnsibleModule, api: DockerClient) -> Daemon:
    """Ask the daemon, then find its process on this host and read what that was started with."""
    info, version = api.info(), api.version()
    host = str((getattr(module, "params", None) or {}).get("docker_host") or f"unix://{SOCKET}")
    path = host[len("unix://") :] if host.startswith("unix://") else ""
    start = started_with(host)
    pid, options, config_path = start.pid, start.options, start.config_path
    sockets = [name for name in (path, str(options.get("containerd") or CONTAINERD_SOCKET)) if name.startswith("/")]
    ways = {name: trace(name) for name in sockets}
    profile = str(options.get("seccomp-profile") or "")
    return Daemon(
        version=str(version.get("Version") or ""),
        info=info,
        pid=pid,
        uid=_owner(pid),
        options=options,
        sources=start.sources,
        environment=tuple(word.split("=", 1)[0] for word in proc.strings(pid, "environ") if word.startswith("DOCKER_"))
        if pid
        else (),
        config_fault=start.config_fault,
        config_path=config_path,
        listeners=_listeners(pid) if pid else None,
        sockets={name: way for name, way in ways.items() if way[-1].kind != "missing" or name == path},
        groups=_groups(str(options.get("group") or GROUP), [way[-1].gid for way in ways.values() if way[-1].there]),
        files={name: trace(name) for name in _files(module, pid, options, config_path)},
        seccomp_default=_seccomp_default(profile) if profile.startswith("/") else "",
    )


# --- what it was started with -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """The options of the command line and of the file together; see :class:`Daemon`."""

    pid: int
    options: Mapping[str, Any]
    sources: Mapping[str, str]
    config_path: str
    config_fault: str


def started_with(docker_host: str) -> Start:
    """Find the daemon's process and read its options; without a process those of its file, which it will start with."""
    pid = _find(docker_host[len("unix://") :] if docker_host.startswith("unix://") else "")
    arguments = parse_arguments((proc.strings(pid, "cmdline") if pid else [])[1:])
    config_path = str(arguments.get("config-file") or CONFIG)
    config, fault = _config(config_path)
    # dockerd does not start with an option in both places, but a file may be newer than the process.
    options = {**config, **arguments}
    both = [name for name in config if isinstance(config[name], list) and isinstance(arguments.get(name), list)]
    options.update({name: arguments[name] + config[name] for name in both})
    sources = {
        **dict.fromkeys(config, config_path),
        **dict.fromkeys(arguments, ARGUMENTS),
        **dict.fromkeys(both, f"{ARGUMENTS} and {config_path}"),
    }
    return Start(pid, options, sources, config_path, fault)


def parse_arguments(words: Iterable[str]) -> dict[str, Any]:
    """Read a command line as dockerd does, into the names that daemon.json has (pure)."""
    found: dict[str, Any] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("-") or word == "--":
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("--"):
            name, equals, value = _SHORT.get(word[1], word[1]), word[2:], word[2:].lstrip("=")
        if name in _SWITCHES:
            found[name] = value.lower() in ("1", "t", "true") if equals else True
            continue
        value = value if equals else (queue.pop(0) if queue else "")
        if name in _PLURALS:
            found.setdefault(_PLURALS[name], []).append(value)
        else:
            found[name] = value
    return found


def _config(path: str) -> tuple[dict[str, Any], str]:
    try:
        text = read_text(path)
        found = json.loads(text) if text.strip() else {}
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError) as error:
        return {}, f"{path} could not be read ({error})"
    return (found, "") if isinstance(found, dict) else ({}, f"{path} is no JSON object")


def _seccomp_default(path: str) -> str:
    try:
        return str(json.loads(read_text(path)).get("defaultAction") or "nothing")
    except (OSError, ValueError, AttributeError) as error:
        return f"unreadable: {error}"


# --- its process --------------------------------------------------------------------------------------------------


def _find(path: str) -> int:
    """Return the process that holds the socket; a host may have several engines (in containers, in user sessions)."""
    candidates = []
    with suppress(OSError, ValueError):
        candidates.append(int(read_text("/run/docker.pid")))
    for pid in proc.pids():
        with suppress(OSError):
            if proc.program(pid) == "dockerd":
                candidates.append(pid)
    wanted: set[int] = set()
    with suppress(OSError):
        wanted = proc.unix_socket_inodes(os.path.realpath(path)) if path else set()
    for pid in dict.fromkeys(candidates):
        if _sockets(pid) & wanted:
            return pid
    engines = [pid for pid in dict.fromkeys(candidates) if os.path.exists(f"/proc/{pid}")]
    return engines[0] if len(engines) == 1 and not wanted else 0


def _sockets(pid: int) -> set[int]:
    try:
        return proc.socket_inodes(pid)
    except OSError:
        return set()


def _owner(pid: int) -> int:
    try:
        return proc.owner(pid) if pid else 0
    except OSError:
        return 0


# --- where it listens ---------------------------------------------------------------------------------------------


def _listeners(pid: int) -> tuple[Listener, ...] | None:
    """Return the TCP ports that it holds, also those that systemd opened for it; None: not to be found out."""
    inodes = _sockets(pid)
    if not inodes:
        return None
    try:
        found = [entry for entry in proc.read_listeners(f"/proc/{pid}/net") if entry.inode in inodes]
    except (FileNotFoundError, ProcessLookupError):  # it ended
        return None
    places = dict.fromkeys((entry.address, entry.port) for entry in found)
    return tuple(Listener(address, port, _probe(address, port)) for address, port in places)


def _probe(address: str, port: int) -> str:
    """Ask for the API with nothing in the hand: what a foreign container gets is the proof."""
    # Compared, not bound; a socket for every IPv6 address takes IPv4, too, and not every host has ::1.
    loopback = {"0.0.0.0": ("127.0.0.1",), "::": ("127.0.0.1", "::1")}  # noqa: S104
    answers = [_ask(host, port) for host in loopback.get(address, (address,))]
    return next((answer for answer in ("plain", "anyone", "tls") if answer in answers), "other")


def _ask(host: str, port: int) -> str:
    if _is_api(host, port):
        return "plain"
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        answered = _is_api(host, port, context)
    except ssl.SSLError as error:
        # A server without TLS does not know the record; one with TLS reports that it misses a certificate.
        return "tls" if "CERTIFICATE" in str(error.reason or "") else "other"
    return "anyone" if answered else "other"


def _is_api(host: str, port: int, tls: ssl.SSLContext | None = None) -> bool:
    try:
        answer = system_http.request(host, port, "/_ping", timeout=_PROBE_SECONDS, tls=tls)
        return bool(answer.header("Api-Version")) or answer.header("Server").startswith("Docker/")
    except ssl.SSLError:
        raise
    except (OSError, http.client.HTTPException):
        return False


# --- who else ------------------------------------------------------------------------------------------------------


def _groups(name: str, gids: Iterable[int]) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Members of the group by its name, and of the groups of the sockets; root's own needs no look."""
    known = accounts.read_accounts()
    entries = []
    for wanted in sorted({GROUP, name}):
        with suppress(KeyError):
            entries.append(grp.getgrnam(wanted))
    for gid in {*gids} - {0}:
        with suppress(KeyError):
            entries.append(grp.getgrgid(gid))
    return {
        entry.gr_name: (entry.gr_gid, tuple(sorted({*entry.gr_mem, *known.primary_users(entry.gr_gid)})))
        for entry in entries
    }


def _files(module: AnsibleModule, pid: int, options: Mapping[str, Any], config_path: str) -> list[str]:
    """Everything on the disk that decides how the daemon runs."""
    found = [*_FILES, config_path]
    with suppress(OSError):
        found += [os.readlink(f"/proc/{pid}/exe")] if pid else []
    found += [str(options[name]) for name in _TLS_FILES if str(options.get(name) or "").startswith("/")]
    if os.path.isdir("/run/systemd/system"):
        wanted = ("Id", "FragmentPath", "DropInPaths", "EnvironmentFiles")
        for got in manager.properties(module, _UNITS, wanted).values():
            found += [word for name in wanted for word in got.get(name, "").split() if word.startswith("/")]
    return [path for path in dict.fromkeys(found) if os.path.lexists(path)]
