# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the rules in ``isolation.py``: is a container kept apart from its host, process by process?

Names of processes come from the container: they are shown, and decide nothing but whether one looks like an SSH server.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Kernel, Process
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    Result,
    failed,
    inconclusive,
    passed,
    skipped,
    verdict,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.security_options import options_of
from ansible_collections.openclaw.hardening.plugins.module_utils._system.capabilities import names_of
from ansible_collections.openclaw.hardening.plugins.module_utils._system.mountinfo import MountPoint

# Who can get all of these needs no privileged container any more.
_HOST_POWER = frozenset({"SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_PTRACE", "SYS_BOOT"})
_SSH_SERVERS = frozenset({"sshd", "sshd-session", "sshd-auth", "dropbear", "tinysshd"})
# Docker's own group of control groups, by driver.
USUAL_PARENTS = ("docker", "/docker", "system.slice", "user.slice")
# Devices that every container has; without the right to make nodes runc mounts the host's.
_HARMLESS_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "shm", "log")
_SHOWN = 8


def observed_in(settings: Settings, text: str) -> tuple[str, str]:
    return settings.source, text


def each_process(
    kernel: Kernel, what: Callable[[Process], str], fault: Callable[[Process], str], good: str, file: str = "status"
) -> Result:
    """Check every process: ``what`` is seen of it, and what of that is wrong (or an empty string)."""
    if not kernel.processes:
        return inconclusive("no process was seen")
    bad = [(process, fault(process)) for process in kernel.processes if fault(process)]
    shown = [process for process, _fault in bad] or kernel.processes
    evidence = [(f"/proc/{process.pid}/{file}", f"{process.command}: {what(process)}") for process in shown[:_SHOWN]]
    if len(shown) > _SHOWN:
        evidence.append((f"/proc/*/{file}", f"{len(shown) - _SHOWN} more processes"))
    faults = [f"pid {process.pid} ({process.command}): {text}" for process, text in bad[:3]]
    if len(bad) > 3:
        faults.append(f"{len(bad) - 3} more processes")
    return verdict(faults, f"{good} (processes: {len(kernel.processes)})", *evidence)


# --- OCH-CTR-01, 03 ---------------------------------------------------------------------------------------------


def healthy(settings: Settings, _allowed: Baseline) -> Result:
    observed = observed_in(
        settings, f"State.Status: {settings.status}, State.Health.Status: {settings.health or 'none'}"
    )
    if not settings.status:
        return inconclusive("the daemon does not return whether it runs", observed)
    if settings.status != "running":
        return failed(f"the container is {settings.status}", observed)
    if settings.health == "starting":  # Docker bounds this by the start period
        return skipped("running, too young for its health check; whether it answers is proven by OCH-NET-03", observed)
    if settings.health in ("", "none"):
        return passed("running; there is no health check that could say more", observed)
    return verdict(
        [] if settings.health == "healthy" else [f"running, {settings.health}"], "running, healthy", observed
    )


def privileged_declared(settings: Settings, _allowed: Baseline) -> Result:
    observed = observed_in(settings, f"privileged: {str(settings.privileged).lower()}")
    return verdict(["privileged: true"] if settings.privileged else [], "privileged: false", observed)


def privileged_effective(kernel: Kernel, allowed: Baseline) -> Result:
    """``docker exec --privileged`` makes such a process in any container."""
    power = _HOST_POWER - _permitted(allowed)

    def fault(process: Process) -> str:
        held = {name for mask in process.capabilities.values() for name in names_of(mask)}
        return "holds the capabilities of a privileged container" if power and power <= held else ""

    return each_process(kernel, _masks, fault, "no process has a privileged container's power")


# --- OCH-CTR-04, 05 ---------------------------------------------------------------------------------------------


def _permitted(allowed: Baseline) -> set[str]:
    return {_capability(name) for name in allowed.capabilities}


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _masks(process: Process) -> str:
    return ", ".join(f"{name}: {mask:016x}" for name, mask in process.capabilities.items())


def capabilities_declared(settings: Settings, allowed: Baseline) -> Result:
    added = [_capability(name) for name in settings.cap_add]
    dropped = [_capability(name) for name in settings.cap_drop]
    faults = [f"cap_add {name}" for name in added if name not in _permitted(allowed)]
    if "ALL" not in dropped:
        faults.append(f"cap_drop is {', '.join(dropped) or 'empty'}, not ALL")
    if settings.privileged:
        faults.append("privileged: true gives all of them")
    adds = f", cap_add: {', '.join(added)} (allowed)" if added else ""
    observed = observed_in(settings, f"cap_drop: {', '.join(dropped) or 'none'}; cap_add: {', '.join(added) or 'none'}")
    return verdict(faults, f"cap_drop: ALL{adds}", observed)


def capabilities_effective(kernel: Kernel, allowed: Baseline) -> Result:
    def fault(process: Process) -> str:
        faults = []
        for kind, mask in process.capabilities.items():
            names = [name for name in names_of(mask) if name not in _permitted(allowed)]
            if names:
                more = f" and {len(names) - 4} more" if len(names) > 4 else ""
                faults.append(f"{kind} has {', '.join(names[:4])}{more}")
        return ", ".join(faults)

    good = f"none but {', '.join(sorted(_permitted(allowed)))}" if allowed.capabilities else "all five sets are empty"
    return each_process(kernel, _masks, fault, good)


def gains_declared(settings: Settings, _allowed: Baseline) -> Result:
    values = options_of(settings, "no-new-privileges")
    observed = observed_in(settings, f"security_opt no-new-privileges: {', '.join(values) or 'not named'}")
    # The daemon's reading of truth (Go's strconv.ParseBool); the last one counts.
    on = bool(values) and values[-1] in ("1", "t", "T", "true", "TRUE", "True")
    return verdict([] if on else ["no-new-privileges is not asked for"], "no-new-privileges: true", observed)


def gains_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    def shown(process: Process) -> str:
        return f"NoNewPrivs: {int(process.no_new_privileges)}"

    return each_process(
        kernel, shown, lambda process: "" if process.no_new_privileges else shown(process), "NoNewPrivs: 1"
    )


# --- OCH-CTR-13 to 18 ---------------------------------------------------------------------------------------------


def own_namespace(kind: str) -> Callable[[Kernel, Baseline], Result]:
    """Return the check of one kind of namespace: no process may be in the host's."""

    def check(kernel: Kernel, _allowed: Baseline) -> Result:
        host = kernel.host_namespaces.get(kind, "")
        if not host or not all(process.namespaces.get(kind) for process in kernel.processes):
            return inconclusive(f"the {kind} namespaces are not known")

        def shown(process: Process) -> str:
            return f"{process.namespaces[kind]}, the host's is {host}"

        def fault(process: Process) -> str:
            return f"in the host's {kind} namespace" if process.namespaces[kind] == host else ""

        return each_process(kernel, shown, fault, f"no process is in the host's {kind} namespace", f"ns/{kind}")

    return check


def network_declared(settings: Settings, _allowed: Baseline) -> Result:
    """A helper may stand in the network of the service that it helps."""
    mode = settings.network_mode
    others = mode.startswith(("container:", "service:")) and not settings.helper
    faults = [f"network_mode: {mode}"] if mode == "host" or mode.startswith("ns:") or others else []
    faults += ["networks: host"] if "host" in settings.networks and mode != "host" else []
    return verdict(
        faults, f"network_mode: {mode or 'default'}", observed_in(settings, f"network_mode: {mode or 'default'}")
    )


def mode_declared(key: str, mode_of: Callable[[Settings], str], *fine: str) -> Callable[[Settings, Baseline], Result]:
    """Return the check of one mode: the daemon's default is fine, and so are the named ones."""

    def check(settings: Settings, _allowed: Baseline) -> Result:
        mode = mode_of(settings)
        shown = f"{key}: {mode or 'default'}"
        return verdict([] if mode in ("", *fine) else [shown], shown, observed_in(settings, shown))

    return check


# --- OCH-CTR-19, 27, 30 -------------------------------------------------------------------------------------------


def _tables(kernel: Kernel) -> Iterator[tuple[Process, tuple[MountPoint, ...]]]:
    """Yield the mount tables, each with the first process that sees it."""
    first: dict[str, Process] = {}
    for process in kernel.processes:
        first.setdefault(process.namespaces.get("mnt", ""), process)
    return zip(first.values(), kernel.mounts)


def _each_table(kernel: Kernel, check: Callable[[tuple[MountPoint, ...]], tuple[list[str], str]], good: str) -> Result:
    """Check every mount table: ``check`` returns faults, and what was seen."""
    if not kernel.mounts:
        return inconclusive("no mount table was seen")
    faults, evidence = [], []
    for process, table in _tables(kernel):
        wrong, observed = check(table)
        faults += [f"pid {process.pid} ({process.command}): {fault}" for fault in wrong]
        evidence.append((f"/proc/{process.pid}/mountinfo", f"{process.command}: {observed}"))
    return verdict(faults[:3], f"{good} (mount namespaces: {len(kernel.mounts)})", *evidence[:_SHOWN])


def devices_declared(settings: Settings, _allowed: Baseline) -> Result:
    """A device can be handed over by a bind mount, too."""
    binds = [posixpath.normpath(f"/{mount.source.lstrip('/')}") for mount in settings.mounts if mount.kind == "bind"]
    nodes = [path for path in binds if f"{path}/".startswith("/dev/") and path[5:] not in _HARMLESS_DEVICES]
    faults = [f"device {device}" for device in settings.devices] + [f"bind mount of {path}" for path in nodes]
    observed = observed_in(settings, f"devices: {', '.join([*settings.devices, *nodes]) or 'none'}")
    return verdict(faults, "no devices", observed)


def devices_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """Docker makes nodes on a tmpfs; what comes from a devtmpfs comes from the host."""

    def check(table: tuple[MountPoint, ...]) -> tuple[list[str], str]:
        hosts = [mount for mount in table if mount.kind == "devtmpfs" and mount.root[1:] not in _HARMLESS_DEVICES]
        faults = [f"the host's /dev{mount.root.rstrip('/')} at {mount.path}" for mount in hosts]
        return faults, f"{len(hosts)} of the host's /dev"

    return _each_table(kernel, check, "no device of the host is mounted")


def masked_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Docker hides kernel interfaces unless it must not, or the container is privileged."""
    unmasked = not settings.masked or "unconfined" in options_of(settings, "systempaths") or settings.privileged
    faults = ["privileged" if settings.privileged else "systempaths=unconfined"] if unmasked else []
    # Who writes to its own control group raises its own limits (Docker 28).
    cgroups = options_of(settings, "writable-cgroups")
    faults += ["writable-cgroups"] if any(value.lower() not in ("false", "0", "f") for value in cgroups) else []
    return verdict(
        faults, "masked", observed_in(settings, f"MaskedPaths, ReadonlyPaths: {'none' if unmasked else 'set'}")
    )


def masked_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """Every process file system that a process sees must have its masks, wherever it is mounted."""

    def check(table: tuple[MountPoint, ...]) -> tuple[list[str], str]:
        faults, observed = [], []
        groups = [mount for mount in table if mount.kind in ("cgroup", "cgroup2") and mount.writable]
        faults += [f"{groups[0].path} (control groups) is writable"] if groups else []
        for place, mount in enumerate(table):
            if mount.kind != "proc" or mount.root != "/":
                continue
            # A later mount at the same place hides an earlier one; masks that came before are hidden, too.
            above = {later.path: later for later in table[place + 1 :]}
            if mount.path in above:
                continue
            base = mount.path.rstrip("/")
            system = above.get(f"{base}/sys", mount)
            faults += [f"{base}/sys is writable"] if system.writable else []
            masks = [above[path] for path in (f"{base}/kcore", f"{base}/keys") if path in above]
            hidden = any(mask.kind != "proc" for mask in masks)
            faults += [] if hidden else [f"neither {base}/kcore nor {base}/keys is masked"]
            mounts = ", ".join(mask.path for mask in masks) or "neither"
            observed.append(f"{base}/sys {','.join(system.options)}; masked of kcore and keys: {mounts}")
        return faults, "; ".join(observed) or "no process file system"

    return _each_table(kernel, check, "/proc/sys is read-only, kernel interfaces are masked")


def ssh_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Look for a server in what the container starts; a shell's command line is taken apart."""
    words = [word for text in (*settings.entrypoint, *settings.command) for word in re.split(r"[\s;&|()]+", text)]
    started = sorted({posixpath.basename(word) for word in words} & _SSH_SERVERS)
    observed = observed_in(settings, f"SSH servers in entrypoint and command: {', '.join(started) or 'none'}")
    return verdict([f"starts {name}" for name in started], "starts no SSH server", observed)


def ssh_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """A server may call itself otherwise; that is its own business, here a habit is found."""

    def server(process: Process) -> str:
        program = posixpath.basename(process.argv[0].split(":")[0].split(" ")[0]) if process.argv else ""
        return next((name for name in (process.command, program) if name in _SSH_SERVERS), "")

    return each_process(kernel, lambda process: server(process) or "no SSH server", server, "no SSH server", "comm")
