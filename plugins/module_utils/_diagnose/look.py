# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a host once for a diagnosis; nothing is changed, and no part needs another one that it does not use."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import claim as deploy_claim
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import failure_facts, history
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import Facts as Failure
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Health, Probe, ask
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import look as look_service
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import merge_streams
from ansible_collections.openclaw.hardening.plugins.module_utils._diagnose.facts import (
    MIB,
    Clock,
    Daemon,
    Disk,
    Files,
    Host,
    Owned,
    PortFacts,
    Present,
    Records,
    Subject,
    Unit,
    Usage,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access, client
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.network import read_links, read_published
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable, attempt
from ansible_collections.openclaw.hardening.plugins.module_utils._files import owners
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look as look_file
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look_directory
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.redact import Redactor
from ansible_collections.openclaw.hardening.plugins.module_utils._system import accounts, lock, refused_packets
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run
from ansible_collections.openclaw.hardening.plugins.module_utils._system.deadline import Deadline
from ansible_collections.openclaw.hardening.plugins.module_utils._system.proc import read_listeners
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import manager

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
    from docker import DockerClient

_LINES = 400
_ANSWER = 20
# A gateway takes up to two minutes until it serves; one that ends again and again does so in less.
_YOUNG = 180.0
_POLL = 0.5
_PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "Result", "ExecMainStatus", "NeedDaemonReload")
_PORTS = 200
_FULL = 0.99
_PAST = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")


class Look:
    """Reads the parts; ``api`` and ``container`` are what the others are about."""

    def __init__(
        self, module: AnsibleModule, docker_host: str, subject: Subject, probe: Probe, patience: float
    ) -> None:
        """Begin with nothing."""
        self.module, self.docker_host, self.subject, self.probe = module, docker_host, subject, probe
        self.patience = patience
        self.redact: Callable[[str], str] = Redactor()

    def all(self, redact: Callable[[str], str]) -> Host:
        """Return all parts.

        :param redact: masks secrets in what is read.
        """
        self.redact = redact
        subject = self.subject
        daemon = attempt("Docker", self._daemon)
        api = self._api(daemon)
        present = attempt("container", self._container, api)
        # With no container there is nothing to read of it, which is no gap.
        container = present.container if isinstance(present, Present) else present
        log = attempt("log of the container", self._log, container) if container else ()
        health = attempt("health", self._health, api)
        failure = attempt("state of the container", self._failure, api, container, log)
        return Host(
            subject,
            daemon=daemon,
            units=attempt("units", self._units),
            records=attempt("records", self._records),
            container=present,
            health=health,
            failure=failure,
            log=tuple(log) if isinstance(log, (list, tuple)) else log,
            usage=attempt("limits of the container", usage, container) if container else Usage(),
            port=attempt("port", self._port, None if isinstance(container, Unavailable) else container),
            disks=attempt("disks", self._disks),
            files=attempt("owners of the files", self._files),
            clock=attempt("clock", self._clock),
            nameservers=attempt("name servers", nameservers),
            refused=attempt(
                "packet filter", lambda: (refused_packets.read(refused_packets.path(subject.container)) or (0, 0))[1]
            ),
        )

    # --- Docker ---------------------------------------------------------------------------------------------------

    def _daemon(self) -> Daemon:
        if access.not_installed(self.docker_host):
            return Daemon(False, "Docker is not installed")
        try:
            client.client(self.docker_host, timeout=_ANSWER)
        except HardeningError as error:
            return Daemon(True, str(error))
        return Daemon(True)

    def _api(self, daemon: Daemon | Unavailable) -> DockerClient | Unavailable:
        if isinstance(daemon, Unavailable):
            return daemon
        if daemon.fault:
            return Unavailable(daemon.fault)
        answer: DockerClient | Unavailable = attempt(
            "Docker", partial(client.client, timeout=_ANSWER), self.docker_host
        )
        return answer

    def _find(self, api: DockerClient) -> tuple[Container | None, tuple[Container, ...]]:
        subject = self.subject
        places = deploy_journal.Places(subject.record_dir)
        claim = deploy_claim.read(places, subject.project, subject.container, subject.definition)
        return look_service(api, subject.project, subject.service, subject.container, claim.made_here)

    def _container(self, api: DockerClient) -> Present:
        """Find it; one that was just started is waited for until it serves or ends, which shows why it ended."""
        container, strays = self._find(api)
        deadline = Deadline(self.patience)
        while container and container.running and _young(container) and deadline.left() and not self._serves(api):
            time.sleep(_POLL)
            container, strays = self._find(api)
        image = client.find_image(api, self.subject.image_ref) if self.subject.image_ref else None
        there = image is not None or not self.subject.image_ref
        return Present(container, there, tuple(stray.name for stray in strays))

    def _log(self, container: Container) -> list[str]:
        started = str((container.attrs.get("State") or {}).get("StartedAt") or "")
        since = ["--since", started] if _PAST.match(started) and not started.startswith("0001") else []
        argv = [*client.cli(self.docker_host), "logs", "--timestamps", "--tail", str(_LINES), *since, "--"]
        answer = run(self.module, [*argv, container.id], timeout=_ANSWER)
        return self.redact(merge_streams(answer.stdout, answer.stderr)).splitlines()

    def _serves(self, api: DockerClient) -> bool:
        health: Health = self._health(api)
        return health.ok

    def _health(self, api: DockerClient) -> Health:
        return ask(self.probe, Port(self.probe.host, self.probe.port, lambda: self._find(api)[0]))

    def _failure(self, api: DockerClient, container: Container | None, log: Any) -> Failure:  # noqa: ANN401
        lines = "\n".join(log)
        reason = str((container.attrs.get("State") or {}).get("Error") or "") if container else ""
        return failure_facts.look(api, container, self.redact(reason), lines, self.probe)

    # --- systemd, records -------------------------------------------------------------------------------------------

    def _units(self) -> dict[str, Unit]:
        if not os.path.isdir("/run/systemd/system"):
            raise HardeningError("systemd", "another PID 1", "a host that systemd booted")
        names = {*self.subject.units, self.subject.unit}
        shown = manager.properties(self.module, names, _PROPERTIES)
        return {name: _unit(name, got) for name, got in shown.items()}

    def _records(self) -> Records:
        subject, places = self.subject, deploy_journal.Places(self.subject.record_dir)
        if look_directory(subject.record_dir) is None:
            return Records(definition=os.path.lexists(subject.definition))
        deployed = history.look_deployed(subject.record_dir, subject.project)[0]
        damaged = history.damaged(subject.record_dir, subject.project)
        try:
            journal = deploy_journal.load(places)
        except HardeningError as error:
            journal, damaged = None, [*damaged, str(error)]
        files = deployed.files if deployed else {}
        changed = [path for path, print_ in files.items() if history.fingerprint(look_file(path)) != print_]
        rejected = history.read_rejected(subject.record_dir)
        return Records(
            deployed,
            tuple({**entry, "why": self.redact(entry["why"])} for entry in rejected),
            journal.phase if journal else "",
            lock.at_work(f"{subject.record_dir}/deploy.lock"),
            tuple(damaged),
            tuple(sorted(changed)),
            os.path.lexists(subject.definition),
        )

    # --- the host -----------------------------------------------------------------------------------------------

    def _port(self, container: Container | None) -> PortFacts:
        subject = self.subject
        port = Port(self.probe.host, subject.port, lambda: container, lambda: subject.addresses)
        rivals = port.rivals()
        used = {found.port for found in read_listeners("/proc/self/net")}
        free = next((n for n in range(subject.port + 1, min(subject.port + _PORTS, 65536)) if n not in used), 0)
        there = read_links(run(self.module, ["ip", "-j", "addr"], timeout=_ANSWER).stdout)[0]
        lacking = tuple(address for address in subject.addresses if address and address not in there)
        published = tuple(entry.address for entry in read_published(container.attrs)) if container else ()
        return PortFacts(port.named(rivals) if rivals else "", free, published, lacking, _own_address(self.module))

    def _disks(self) -> tuple[Disk, ...]:
        places = {
            "the state": self.subject.state_dir,
            "the records": self.subject.record_dir,
            "Docker": "/var/lib/docker",
            "the system's log": "/var/log",
            "temporary files": "/var/tmp",  # noqa: S108 - its file system is looked at
        }
        found: dict[int, Disk] = {}
        for use, wanted in places.items():
            path = wanted
            while not os.path.isdir(path):
                path = os.path.dirname(path)
            known = os.statvfs(path)
            device = os.stat(path).st_dev
            disk = Disk(
                use,
                path,
                known.f_bavail * known.f_frsize,
                known.f_blocks * known.f_frsize,
                known.f_favail,
                known.f_files,
            )
            found.setdefault(device, disk)
        return tuple(found.values())

    def _files(self) -> Files:
        subject = self.subject
        account = accounts.read_accounts().accounts.get(subject.account)
        if account is None:
            return Files()
        wrong: list[Owned] = []
        secrets = os.listdir(subject.secrets_dir) if look_directory(subject.secrets_dir) else []
        missing = [
            path for path in (subject.definition, subject.config, subject.token_file) if not os.path.lexists(path)
        ]
        for path in sorted({subject.config, *(f"{subject.secrets_dir}/{name}" for name in secrets)}):
            state = look_file(path)
            if state and ((state.uid != account.uid) or state.mode not in (0o400, 0o600)):
                found = f"{state.uid}:{state.gid} with mode {state.mode:04o}"
                wrong.append(Owned(path, found))
        linked = False
        top = look_directory(subject.state_dir)
        if top is None:
            missing.append(subject.state_dir)
        else:
            if top.uid != account.uid:
                wrong.append(Owned(subject.state_dir, f"{top.uid}:{top.gid} with mode {top.mode:04o}"))
            foreign = owners.foreign(subject.state_dir, account.uid, account.gid)
            linked = any(entry.linked for entry in foreign)
            wrong += [
                Owned(f"{subject.state_dir}/{entry.path}", f"{entry.uid}:{entry.gid} with mode {entry.mode:04o}")
                for entry in foreign
                if entry.uid != account.uid
            ]
        return Files(account.uid, tuple(wrong), tuple(missing), linked)

    def _clock(self) -> Clock:
        """Compare with what root wrote before: a time that is over."""
        over = [os.path.getmtime(path) for path in (self.subject.definition, "/etc/machine-id") if os.path.exists(path)]
        deployed = history.look_deployed(self.subject.record_dir, self.subject.project)[0]
        with suppress(ValueError):
            over.append(datetime.fromisoformat(deployed.at).timestamp() if deployed else 0.0)
        return Clock(time.time(), max(over, default=0.0))


def _unit(name: str, got: dict[str, str]) -> Unit:
    return Unit(
        name,
        got.get("LoadState", ""),
        got.get("ActiveState", ""),
        got.get("UnitFileState", ""),
        got.get("Result", ""),
        got.get("ExecMainStatus", ""),
        got.get("NeedDaemonReload") == "yes",
    )


def _young(container: Container) -> bool:
    """Return whether it was started a short while ago."""
    return time.time() - container.started < _YOUNG


def usage(container: Container) -> Usage:
    """Read what the kernel counted for a running container; nothing for another one."""
    pid = int((container.attrs.get("State") or {}).get("Pid") or 0)
    host: dict[str, Any] = container.attrs.get("HostConfig") or {}
    memory, processes = int(host.get("Memory") or 0), int(host.get("PidsLimit") or 0)
    if not pid:
        return Usage(memory, 0, processes, 0)
    folders = _control_groups(pid)
    killed = max(
        _counted(f"{folders['memory']}/{name}", "oom_kill") for name in ("memory.events", "memory.oom_control")
    )
    refused = _counted(f"{folders['pids']}/pids.events", "max")
    full = []
    for place in host.get("Tmpfs") or {}:
        handle = os.open(f"/proc/{pid}/root{place}", os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = os.fstatvfs(handle)
        finally:
            os.close(handle)
        size = found.f_blocks * found.f_frsize
        if size and (found.f_bavail * found.f_frsize < MIB or found.f_bavail < (1 - _FULL) * found.f_blocks):
            full.append((str(place), size))
    return Usage(memory, killed, processes, refused, tuple(full))


def _control_groups(pid: int) -> dict[str, str]:
    """Return where the kernel counts memory and processes of a process (cgroups(7), both versions)."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    found = dict.fromkeys(
        ("memory", "pids"), next((f"/sys/fs/cgroup{path}" for _n, kind, path in lines if not kind), "")
    )
    for _number, kinds, path in lines:
        found.update({kind: f"/sys/fs/cgroup/{kind}{path}" for kind in kinds.split(",") if kind in found})
    return found


def _counted(path: str, name: str) -> int:
    with suppress(OSError, ValueError), open(path, encoding="ascii") as file:
        return next((int(line.split()[1]) for line in file if line.split()[:1] == [name]), 0)
    return 0


def refused(container: str) -> int:
    """Return how many packets of the container the network policy refused since its unit was started."""
    return (refused_packets.read(refused_packets.path(container)) or (0, 0))[1]


def nameservers() -> tuple[str, ...]:
    """Return the name servers of the host (resolv.conf(5))."""
    with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
        words = [line.split() for line in file]
    return tuple(word[1] for word in words if word[:1] == ["nameserver"] and len(word) > 1)


def _own_address(module: AnsibleModule) -> str:
    """Return the address by which the host reaches others; nothing is sent (ip-route(8))."""
    answer = run(module, ["ip", "-j", "route", "get", "192.0.2.1"], check=False, timeout=_ANSWER)
    with suppress(ValueError, LookupError, TypeError):
        return str(json.loads(answer.stdout)[0]["prefsrc"])
    return ""
