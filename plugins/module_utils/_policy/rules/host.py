# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the Docker daemon: who may command it, and whether it weakens what every container relies on."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.daemon import GROUP, Daemon, Listener
from ansible_collections.openclaw.hardening.plugins.module_utils._files.path_trace import Entry, faults_of
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    RECREATE,
    Result,
    Rule,
    cis,
    failed,
    guide,
    inconclusive,
    owasp,
    skipped,
    verdict,
)

_UNGUARDED = re.compile(r"API is accessible on (https?://\S+?)(?: |\.(?: |$)|$)")
_LOOPBACK_REGISTRY = re.compile(
    r"127\.[0-9.]+(?:/[0-9]+|:[0-9]+)?|::1(?:/128)?|\[::1\](?::[0-9]+)?|localhost(?::[0-9]+)?"
)
# They confine at least as much as Docker's own (kata and gVisor more).
_RUNTIME = re.compile(r"runc|crun|youki|runsc(?:-.*)?|kata(?:-.*)?|sysbox-runc|io\.containerd\.(?:runc|runsc|kata)\..*")
_OLD_DRIVERS = ("aufs", "devicemapper")
_OPEN_GATEWAY_MODES = ("routed", "nat-unprotected")


def _option(daemon: Daemon, name: str) -> tuple[Any, str]:
    """Return the value of an option and where it stands; None where it has its default."""
    return daemon.options.get(name), daemon.sources.get(name, "")


def _is(value: object, wanted: bool) -> bool:
    """Return whether an option is there and means this; daemon.json may hold text."""
    return value is not None and str(value).lower() in (("true", "1") if wanted else ("false", "0"))


def _stood(daemon: Daemon, faults: list[str], good: str, *evidence: tuple[str, str]) -> Result:
    """Check by options: without its command line and its file nobody knows that one has its default."""
    if not faults and daemon.config_fault:
        return inconclusive(daemon.config_fault, *evidence)
    if not faults and not daemon.pid:
        return inconclusive("no process of this host holds the engine's socket", *evidence)
    return verdict(faults, good, *evidence)


def _standing(daemon: Daemon, *names: str) -> list[tuple[str, str]]:
    return [
        (source, f"{name}: {value}") for name in names for value, source in [_option(daemon, name)] if value is not None
    ] or [(daemon.config_path, f"{', '.join(names)}: not set")]


# --- who may command it -------------------------------------------------------------------------------------------


def _api(daemon: Daemon, allowed: Baseline) -> Result:
    verified = _is(_option(daemon, "tlsverify")[0], True)
    hosts, source = _option(daemon, "hosts")
    faults = [_heard(found) for found in daemon.listeners or () if found.answers in ("plain", "anyone")]
    # What answered is the proof, of either; options count where nothing listens (yet).
    tried = {found.port for found in daemon.listeners or () if found.answers != "other"}
    for host in [hosts] if isinstance(hosts, str) else hosts or []:
        port = str(host).rpartition(":")[2]
        if str(host).startswith("tcp://") and not verified and not (port.isdecimal() and int(port) in tried):
            faults.append(f"{source} asks for {host} without tlsverify")
    for warning in daemon.info.get("Warnings") or ():
        match = _UNGUARDED.search(str(warning))
        if match and not faults:
            faults.append(f"the daemon itself warns of {match[1]}")
    evidence = _standing(daemon, "hosts", "tlsverify")
    evidence += [
        (f"TCP ports of process {daemon.pid}", f"{found} ({found.answers})") for found in daemon.listeners or ()
    ]
    if not faults and daemon.listeners is None:
        return inconclusive("the process that holds the engine's socket was not found, nor its ports", *evidence)
    tls = ", ".join(str(found) for found in daemon.listeners or () if found.answers == "tls")
    return _stood(daemon, faults, f"TCP only with certificates ({tls})" if tls else "not on TCP", *evidence)


def _heard(found: Listener) -> str:
    return f"{found} answers everybody {'without TLS' if found.answers == 'plain' else 'by TLS without a certificate'}"


def _socket(daemon: Daemon, allowed: Baseline) -> Result:
    if not daemon.sockets:
        return skipped("the engine is not asked by a socket of this host")
    engine = daemon.groups.get(str(daemon.options.get("group") or GROUP))
    engine_gids = {0, *([engine[0]] if engine else [])}
    faults, evidence = [], []
    for path, way in daemon.sockets.items():
        found = way[-1]
        evidence.append((f"lstat {found.path}", f"{found.kind} {found.uid}:{found.gid} {found.mode:04o}"))
        if found.kind != "socket":
            return inconclusive(f"{path} is {found.kind}", *evidence)
        owners = (0, daemon.uid) if daemon.rootless else (0,)
        if found.uid not in owners:
            faults.append(f"{found.path} belongs to uid {found.uid}")
        if found.gid not in ({0} if "containerd" in path else engine_gids) and not daemon.rootless:
            faults.append(f"{found.path} belongs to gid {found.gid}")
        if found.mode & ~0o660:
            faults.append(f"{found.path} has mode {found.mode:04o}")
        faults += [f"{found.path} can be written by {who} (access control list)" for who in found.permitted]
        faults += faults_of(way[:-1], owners)
    return verdict(faults, "root's, and for nobody but its group", *evidence)


def _members(daemon: Daemon, allowed: Baseline) -> Result:
    if daemon.rootless:
        return skipped("the engine runs without root, for one account")
    evidence = [
        (f"getent group {name}", f"gid {gid}: {', '.join(members) or 'nobody'}")
        for name, (gid, members) in daemon.groups.items()
    ] or [("getent group docker", "no such group")]
    faults = [
        f"{member} is in {name}"
        for name, (_gid, members) in daemon.groups.items()
        for member in members
        if member not in ("root", *allowed.docker_users)
    ]
    present = sorted({member for _gid, members in daemon.groups.values() for member in members})
    return verdict(faults, f"only {', '.join(present)}" if present else "nobody", *evidence)


def _files(daemon: Daemon, allowed: Baseline) -> Result:
    owners = (0, daemon.uid) if daemon.rootless else (0,)
    faults: list[str] = []
    evidence = []
    for path, way in daemon.files.items():
        faults += faults_of(way, owners)
        evidence.append((f"lstat {path}", _owner(way[-1])))
        if path == daemon.options.get("tlskey") and way[-1].mode & 0o077:
            faults.append(f"{path}, the daemon's private key, has mode {way[-1].mode:04o}")
    if not daemon.files:
        return inconclusive("none of Docker's files was found")
    return verdict(list(dict.fromkeys(faults)), "root's, and writable by root only", *evidence)


def _owner(found: Entry) -> str:
    return f"{found.kind} {found.uid}:{found.gid} {found.mode:04o}"


# --- what it does for every container -----------------------------------------------------------------------------


def _iptables(daemon: Daemon, allowed: Baseline) -> Result:
    value, source = _option(daemon, "iptables")
    faults = [f"{source} sets iptables to {value}"] if _is(value, False) else []
    return _stood(daemon, faults, "Docker keeps its packet filter", *_standing(daemon, "iptables", "ip6tables"))


def _registries(daemon: Daemon, allowed: Baseline) -> Result:
    registry = daemon.info.get("RegistryConfig") or {}
    known = [str(network) for network in registry.get("InsecureRegistryCIDRs") or ()]
    indexes = (registry.get("IndexConfigs") or {}).items()
    known += [str(name) for name, index in indexes if not (index or {}).get("Secure", True)]
    value, source = _option(daemon, "insecure-registries")
    asked = [str(name) for name in (value if isinstance(value, list) else [value] if value else [])]
    insecure = [name for name in dict.fromkeys([*known, *asked]) if not _LOOPBACK_REGISTRY.fullmatch(name)]
    faults = [f"{name} is trusted without TLS{f' ({source})' if name in asked else ''}" for name in insecure]
    evidence = ("docker info", f"insecure registries: {', '.join(known) or 'none'}")
    return _stood(daemon, faults, "none but loopback ones", evidence, *_standing(daemon, "insecure-registries"))


def _log_level(daemon: Daemon, allowed: Baseline) -> Result:
    level, source = _option(daemon, "log-level")
    debug, debug_source = _option(daemon, "debug")
    faults = [f"{source} sets log-level to {level}"] if level and str(level).lower() != "info" else []
    if _is(debug, True) or daemon.info.get("Debug"):
        faults.append(f"debug is on{f' ({debug_source})' if debug_source else ''}")
    observed = ("docker info", f"Debug: {daemon.info.get('Debug')}")
    return _stood(daemon, faults, "info", observed, *_standing(daemon, "log-level", "debug"))


def _seccomp(daemon: Daemon, allowed: Baseline) -> Result:
    options = [str(option) for option in daemon.info.get("SecurityOptions") or ()]
    seccomp = next((option for option in options if option.startswith("name=seccomp")), "")
    value, source = _option(daemon, "seccomp-profile")
    evidence = [
        ("docker info", f"SecurityOptions: {', '.join(options) or 'none'}"),
        *_standing(daemon, "seccomp-profile"),
    ]
    if not seccomp:
        return failed("the daemon filters no system calls at all", *evidence)
    faults = ["containers are unconfined by default"] if "profile=unconfined" in seccomp else []
    if str(value).lower() == "unconfined" and not faults:
        faults.append(f"{source} sets seccomp-profile to unconfined")
    if daemon.seccomp_default == "SCMP_ACT_ALLOW":
        faults.append(f"{value} allows every call that it does not name")
    elif daemon.seccomp_default.startswith(("unreadable", "nothing")):
        return inconclusive(f"{value}: {daemon.seccomp_default}", *evidence)
    return verdict(faults, seccomp.partition("profile=")[2] or "the built-in profile", *evidence)


def _experimental(daemon: Daemon, allowed: Baseline) -> Result:
    value, source = _option(daemon, "experimental")
    faults = ["experimental features are on"] if daemon.info.get("ExperimentalBuild") else []
    if _is(value, True) and not faults:
        faults.append(f"{source} sets experimental to {value}")
    observed = ("docker info", f"ExperimentalBuild: {daemon.info.get('ExperimentalBuild')}")
    return verdict(faults, "off", observed, *_standing(daemon, "experimental"))


def _swarm(daemon: Daemon, allowed: Baseline) -> Result:
    state = str((daemon.info.get("Swarm") or {}).get("LocalNodeState") or "inactive")
    faults = [f"swarm mode is {state}"] if state != "inactive" else []
    return verdict(faults, "inactive", ("docker info", f"Swarm: {state}"))


def _storage(daemon: Daemon, allowed: Baseline) -> Result:
    driver = str(daemon.info.get("Driver") or "")
    if not driver:
        return inconclusive("docker info names no storage driver")
    faults = [f"{driver} is no longer maintained"] if driver in _OLD_DRIVERS else []
    return verdict(faults, driver, ("docker info", f"Driver: {driver}"))


def _defaults(daemon: Daemon, allowed: Baseline) -> Result:
    runtime = str(daemon.info.get("DefaultRuntime") or "")
    faults = [] if not runtime or _RUNTIME.fullmatch(runtime) else [f"the default runtime is {runtime}"]
    for name, bad in (("default-ipc-mode", "shareable"), ("default-cgroupns-mode", "host"), ("userns-remap", "host")):
        value, source = _option(daemon, name)
        faults += [f"{source} sets {name} to {value}"] if str(value).lower() == bad else []
    for name in ("allow-direct-routing", "ip-forward-no-drop"):
        value, source = _option(daemon, name)
        faults += [f"{source} sets {name}"] if _is(value, True) else []
    networks, source = _option(daemon, "default-network-opts")
    faults += [
        f"{source} makes networks {mode}"
        for mode in _OPEN_GATEWAY_MODES
        if re.search(rf"['\"=]{mode}\b", str(networks))
    ]
    # moby 28.0.2: its word for "neighbours may reach containers directly".
    faults += [name for name in daemon.environment if name == "DOCKER_INSECURE_NO_IPTABLES_RAW"]
    evidence = [("docker info", f"DefaultRuntime: {runtime}")]
    evidence += _standing(daemon, "default-ipc-mode", "default-cgroupns-mode", "userns-remap", "allow-direct-routing")
    return _stood(daemon, faults, f"{runtime or 'runc'}, and Docker's own defaults", *evidence)


# --- the rows -----------------------------------------------------------------------------------------------------


def _rule(number: int, severity: str, title: str, check: Any, expected: str, fix: str, *refs: str) -> Rule:
    return Rule(f"OCH-HST-{number:02}", title, "host", severity, expected, fix, refs, ("daemon",), check)


def _manual(number: int, severity: str, title: str, look_at: str, fix: str, *refs: str) -> Rule:
    return Rule(f"OCH-HST-{number}", title, "host", severity, look_at, fix, refs)


RULES: tuple[Rule, ...] = (
    _rule(
        *(1, "critical", "Docker's API is not on TCP without client certificates", _api),
        "no TCP port of dockerd answers without a client certificate",
        "remove `hosts` from /etc/docker/daemon.json; remove each option that is named from the "
        "command line of dockerd; run `systemctl daemon-reload`, `systemctl restart docker`",
        *(*cis("2.7"), *owasp(1), "dockerd(8)"),
    ),
    _rule(
        *(2, "high", "Only root and its group can use the engine's socket", _socket),
        "root:docker or root:root, mode 0660 or less, no access control list; containerd's root:root",
        "run `chown root:docker /run/docker.sock`, `chmod 0660 /run/docker.sock`; or run "
        "`systemctl stop docker.service`, `systemctl restart docker.socket`, `systemctl start docker.service` where an "
        "access control list is named (which makes the socket again)",
        *(*cis("3.15", "3.16", "3.23", "3.24"), *owasp(1)),
    ),
    _rule(
        *(3, "high", f"Nobody is in the group {GROUP} who need not be root", _members),
        "only the members that were allowed",
        "run `gpasswd --delete NAME docker` for each account that is named; or run `usermod --gid "
        "GROUP NAME` where docker is its primary group",
        *(*cis("1.1.2"), *owasp(1)),
    ),
    _rule(
        *(4, "high", "Docker keeps the packet filter of its networks", _iptables),
        "iptables is not false",
        "remove `iptables`, `ip6tables` from /etc/docker/daemon.json; run `systemctl restart docker`",
        *cis("2.4"),
    ),
    _rule(
        *(5, "medium", "No registry is trusted without TLS", _registries),
        "no insecure registries but those on loopback",
        "remove `insecure-registries` from /etc/docker/daemon.json; run `systemctl restart docker`",
        *cis("2.5"),
    ),
    _rule(
        *(6, "low", "The daemon logs at level info", _log_level),
        "log-level info, debug off",
        "remove `log-level`, `debug` from /etc/docker/daemon.json; run `systemctl restart docker`",
        *(*cis("2.3"), *owasp(10)),
    ),
    _rule(
        *(7, "high", "System calls of containers are filtered by default", _seccomp),
        "Docker's built-in seccomp profile, or one that refuses what it does not name",
        "remove `seccomp-profile` from /etc/docker/daemon.json; run `systemctl restart docker`; "
        f"{RECREATE} (a container keeps the profile that it was made with)",
        *(*cis("2.17"), *owasp(6)),
    ),
    _rule(
        *(8, "low", "Experimental features are off", _experimental),
        "experimental is false",
        "remove `experimental` from /etc/docker/daemon.json; run `systemctl restart docker`",
        *cis("2.18"),
    ),
    _rule(
        *(9, "medium", "Swarm mode is off", _swarm),
        "inactive",
        "run `docker swarm leave --force` when nothing needs the swarm",
        *cis("5.1"),
    ),
    _rule(
        *(10, "medium", "The storage driver is maintained", _storage),
        "neither aufs nor devicemapper",
        "",
        *cis("2.6"),
    ),
    _rule(
        *(11, "high", "Only root can change Docker's units, settings and program", _files),
        "root's, and writable by root only, as is the way to them",
        "run `chown root:root PATH`, `chmod go-w PATH` for each file and directory that is named",
        *cis("3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.9", "3.11", "3.13", "3.14"),
        *cis("3.17", "3.18", "3.19", "3.20", "3.21", "3.22"),
    ),
    _rule(
        *(12, "high", "The daemon weakens no container by its defaults", _defaults),
        "a runtime that confines, private IPC, and no way around the packet filter",
        "remove each option that is named from /etc/docker/daemon.json; run `systemctl restart docker`",
        *("dockerd(8)", *owasp(5)),
    ),
    _manual(
        *(90, "medium", "Root in a container is not root on the host"),
        "no other container of this host runs as root: the gateway's runs as its own account, for which an engine that "
        "is rootless or maps users (userns-remap) cannot be used",
        "",
        *(*cis("2.1", "2.9"), *owasp(11)),
    ),
    _manual(
        *(91, "low", "Changes to Docker's files are audited"),
        "`auditctl -l | grep -e docker -e containerd` lists Docker's files, sockets and programs",
        "",
        *cis("1.1.3", "1.1.4", "1.1.5", "1.1.6", "1.1.7", "1.1.8", "1.1.9", "1.1.10", "1.1.11", "1.1.12", "1.1.13"),
        *cis("1.1.14", "1.1.15", "1.1.16", "1.1.17", "1.1.18"),
    ),
    _manual(
        *(92, "medium", "Logs are kept on another machine, too"),
        "whether the logs of containers and host reach a place that this host cannot change",
        "",
        *(*cis("2.13"), *guide("Security Checklist, item 10")),
    ),
    _manual(
        *(93, "low", "The engine fits its host"),
        "whether an authorization plugin, live-restore, no userland proxy and a partition for its data are wanted",
        "",
        *cis("1.1.1", "2.12", "2.15", "2.16"),
    ),
)
