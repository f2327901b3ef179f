# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the container's file system: what it can write, and what of the host it can see."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import (
    RECREATE,
    Result,
    Rule,
    cis,
    guide,
    inconclusive,
    owasp,
    verdict,
)

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Mount, Settings
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.image import ImageFacts
    from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Kernel
    from ansible_collections.openclaw.hardening.plugins.module_utils._system.mountinfo import MountPoint

STATE = ".openclaw"
# What keeps a program from being left and started there (mount(8)).
_SCRATCH_FLAGS = ("noexec", "nosuid", "nodev")
# Docker gives all three to each tmpfs that does not ask for the opposite.
_OPPOSITES = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}
# Made by Docker in each container; what must hold there is checked by other rules.
_KERNEL_TREES = ("/proc", "/sys", "/dev")
_DOCKERS_FILES = ("/etc/resolv.conf", "/etc/hostname", "/etc/hosts")

_SOCKET_NAMES = frozenset(
    {
        *("docker.sock", "docker.raw.sock", "containerd.sock", "containerd.sock.ttrpc", "podman.sock", "crio.sock"),
        *("buildkitd.sock", "dockershim.sock", "cri-dockerd.sock"),
    }
)
_SOCKET_FOLDERS = ("/run", "/run/containerd", "/run/podman", "/run/crio", "/run/buildkit", "/run/k3s/containerd")
# Directories of the host that hold its system, everybody's data or other containers.
_SENSITIVE = frozenset(
    {
        *(
            "/",
            "/bin",
            "/boot",
            "/dev",
            "/etc",
            "/home",
            "/lib",
            "/lib32",
            "/lib64",
            "/libx32",
            "/media",
            "/mnt",
            "/opt",
        ),
        *("/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local"),  # noqa: S108
        *("/usr/local/bin", "/usr/sbin", "/var", "/var/lib", "/var/log", "/var/tmp", "/var/spool", "/run/secrets"),  # noqa: S108
        *("/run/user", "/run/systemd"),
    }
)
# The same with everything below.
_SENSITIVE_TREES = (
    *("/boot", "/dev", "/proc", "/sys", "/lib/modules", "/usr/lib/modules", "/var/lib/docker", "/var/lib/containerd"),
    *("/var/lib/containers", "/etc/docker", "/etc/pam.d", "/etc/shadow", "/etc/gshadow", "/etc/ssh", "/etc/sudoers"),
    *("/etc/sudoers.d", "/etc/systemd", "/var/spool/cron", "/etc/cron.d"),
)
_PRIVATE = frozenset({".ssh", ".gnupg", ".aws", ".kube", ".docker"})


def _host_path(path: str) -> str:
    """Return the one spelling of a path of the host."""
    path = posixpath.normpath("/" + path.lstrip("/"))
    return path[len("/var") :] if path == "/var/run" or path.startswith("/var/run/") else path


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def _tables(kernel: Kernel) -> Iterator[MountPoint]:
    """Each different mount of each mount namespace of the container."""
    yield from dict.fromkeys(point for table in kernel.mounts for point in table)


def _line(kernel: Kernel, points: Iterable[MountPoint]) -> tuple[tuple[str, str], ...]:
    source = f"/proc/{kernel.main_pid}/mountinfo"
    return tuple((source, f"{point.path} {point.kind} {','.join(point.options)}") for point in points)


def _asked(settings: Settings, mounts: Iterable[Mount]) -> tuple[tuple[str, str], ...]:
    return tuple((settings.source, f"{_named(mount)}{' (read-only)' if mount.read_only else ''}") for mount in mounts)


def _named(mount: Mount) -> str:
    if mount.kind == "tmpfs":
        return f"tmpfs {mount.target}:{','.join(mount.options)}"
    return f"{mount.kind} {mount.source or '(without a name)'} at {mount.target}"


# --- OCH-CTR-06 -----------------------------------------------------------------------------------------------------


def root_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Guide "Read-Only Filesystem"."""
    reported = (settings.source, f"read-only root: {str(settings.read_only).lower()}")
    return verdict([] if settings.read_only else ["the root file system is writable"], "read-only", reported)


def root_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The mount flags of ``/`` in every mount namespace (proc_pid_mountinfo(5))."""
    roots = [[point for point in table if point.path == "/"] for table in kernel.mounts]
    if not roots or not all(roots):
        return inconclusive("no mount of / was found in the container")
    points = [point for table in roots for point in table]
    faults = ["/ is mounted writable"] if any(point.writable for point in points) else []
    return verdict(faults, "/ is mounted read-only", *_line(kernel, points))


# --- OCH-CTR-09 -----------------------------------------------------------------------------------------------------


def _scratch_faults(name: str, flags: Iterable[str], sized: bool) -> list[str]:
    missing = [flag for flag in _SCRATCH_FLAGS if flag not in flags]
    if not sized:
        missing.append("a size")
    return [f"{name} lacks {', '.join(missing)}"] if missing else []


def scratch_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Guide "tmpfs with security flags"; Docker's own flags are those of its default for a tmpfs."""
    scratch = [mount for mount in settings.mounts if mount.kind == "tmpfs"]
    faults = []
    for mount in scratch:
        undone = {_OPPOSITES[option] for option in mount.options if option in _OPPOSITES}
        limits = [option.partition("=")[2] for option in mount.options if option.startswith(("size=", "nr_blocks="))]
        sized = bool(limits) and all(limit.strip("0kmgtKMGT%") for limit in limits)
        faults += _scratch_faults(mount.target, set(_SCRATCH_FLAGS) - undone, sized)
    return verdict(faults, f"{len(scratch)} tmpfs, limited", *_asked(settings, scratch))


def scratch_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The flags and the size that the kernel knows, of ``/dev/shm`` too (tmpfs(5))."""
    scratch = [point for point in _tables(kernel) if _is_scratch(point)]
    faults = []
    for point in scratch:
        sized = any(option.startswith(("size=", "nr_blocks=")) for option in point.super_options)
        faults += _scratch_faults(point.path, point.options, sized)
    return verdict(faults, f"{len(scratch)} tmpfs, limited", *_line(kernel, scratch))


def _is_scratch(point: MountPoint) -> bool:
    if point.kind != "tmpfs" or point.root != "/" or not point.writable:
        return False
    return point.path == "/dev/shm" or not _within(point.path, _KERNEL_TREES)  # noqa: S108


# --- OCH-CTR-10 -----------------------------------------------------------------------------------------------------


def _is_state(target: str) -> bool:
    return posixpath.basename(posixpath.normpath(target)) == STATE


def _writable_faults(targets: dict[str, str]) -> list[str]:
    """Check target to description of what can be written: one state directory, and what lies inside of it."""
    states = [target for target in targets if _is_state(target)]
    faults = [text for target, text in targets.items() if not _within(target, states)]
    return [f"writable: {', '.join(faults)}"] * bool(faults) + (
        [f"{len(states)} state directories: {', '.join(states)}"] if len(states) > 1 else []
    )


def writable_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.6: what is mounted for writing is what a break-in can change."""
    mounts = [mount for mount in settings.mounts if mount.kind != "tmpfs" and not mount.read_only]
    faults = _writable_faults({posixpath.normpath(mount.target): _named(mount) for mount in mounts})
    return verdict(faults, _only(mount.target for mount in mounts), *_asked(settings, mounts))


def writable_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """Every mount that the kernel lets the container write to."""
    points = [point for point in _tables(kernel) if point.writable and not _is_dockers(point)]
    faults = _writable_faults({point.path: f"{point.kind} at {point.path}" for point in points})
    return verdict(faults, _only(point.path for point in points), *_line(kernel, points))


def _only(targets: Iterable[str]) -> str:
    return f"only {', '.join(targets) or 'scratch space'}"


def _is_dockers(point: MountPoint) -> bool:
    """Return whether every container has this mount; ``/`` has a rule of its own, scratch space too."""
    own = point.path in ("/", *_DOCKERS_FILES) or _within(point.path, _KERNEL_TREES)
    return own or (point.kind == "tmpfs" and point.root == "/")


# --- OCH-CTR-11 -----------------------------------------------------------------------------------------------------


def socket_declared(settings: Settings, _allowed: Baseline) -> Result:
    """OWASP rule 1: who reaches the engine's socket is root on the host."""
    mounts = [mount for mount in settings.mounts if mount.kind != "tmpfs" and _leads_to_socket(mount)]
    faults = [f"{_named(mount)} gives an engine's socket" for mount in mounts]
    return verdict(faults, "none mounted", *_asked(settings, mounts))


def _leads_to_socket(mount: Mount) -> bool:
    if {posixpath.basename(mount.source.rstrip("/")), posixpath.basename(mount.target.rstrip("/"))} & _SOCKET_NAMES:
        return True
    if mount.kind == "volume":
        return False
    source = _host_path(mount.source)
    parts = source.split("/")
    rootless = parts[:3] == ["", "run", "user"] and (len(parts) <= 4 or parts[4:] == ["podman"])
    return rootless or any(_within(folder, [source]) for folder in _SOCKET_FOLDERS) or source == "/var"


def socket_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The same by the names that the kernel knows, which a volume in between does not change."""
    points = [
        point
        for point in _tables(kernel)
        if {posixpath.basename(point.root), posixpath.basename(point.path)} & _SOCKET_NAMES
    ]
    faults = [f"{point.root} at {point.path} is an engine's socket" for point in points]
    return verdict(faults, "none mounted", *_line(kernel, points))


# --- OCH-CTR-12 -----------------------------------------------------------------------------------------------------


def sensitive_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.6. Read-only is no excuse: what can be read there is enough to become another user."""
    mounts = [mount for mount in settings.mounts if mount.kind == "bind" and _is_sensitive(_host_path(mount.source))]
    faults = [f"{mount.source} of the host at {mount.target}" for mount in mounts]
    return verdict(faults, "none mounted", *_asked(settings, mounts))


def _is_sensitive(path: str) -> bool:
    parts = path.split("/")
    foreign_home = parts[1] == "home" and len(parts) == 3
    return path in _SENSITIVE or foreign_home or _within(path, _SENSITIVE_TREES) or bool(_PRIVATE.intersection(parts))


def sensitive_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The directory of its file system that is mounted; a volume that binds one has it, too."""
    points = [point for point in _tables(kernel) if _shows_host(point)]
    faults = [f"{point.kind} {point.root} at {point.path}" for point in points]
    return verdict(faults, "none mounted", *_line(kernel, points))


def _shows_host(point: MountPoint) -> bool:
    if point.kind in ("proc", "sysfs", "devtmpfs", "securityfs", "debugfs"):
        return not _within(point.path, ("/proc", "/sys"))
    if point.root == "/" or _within(point.path, _KERNEL_TREES):
        return False  # a file system of its own, or one that Docker made
    return point.root in _SENSITIVE or _within(point.root, ("/etc/ssh", "/etc/shadow", "/etc/sudoers", "/boot"))


# --- OCH-CTR-24 -----------------------------------------------------------------------------------------------------


def propagation_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.20: mounts made in the container must not appear on the host."""
    mounts = [mount for mount in settings.mounts if mount.propagation in ("shared", "rshared")]
    faults = [f"{mount.target} is {mount.propagation}" for mount in mounts]
    return verdict(faults, "none shared", *_asked(settings, mounts))


def propagation_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The peer groups of each mount (mount_namespaces(7))."""
    shared = [point for point in _tables(kernel) if any(tag.startswith("shared:") for tag in point.propagation)]
    # One shared mount makes Docker's own below /sys shared, too: those are not what to fix.
    points = [point for point in shared if not _within(point.path, _KERNEL_TREES)] or shared
    faults = [f"{point.path} is shared" for point in points]
    return verdict(faults, "none shared", *_line(kernel, points))


# --- OCH-CTR-28 -----------------------------------------------------------------------------------------------------


def drift_effective(image: ImageFacts, kernel: Kernel, _allowed: Baseline) -> Result:
    """What ``docker diff`` shows: only mount points and the directories above them may be new."""
    targets = {point.path for point in _tables(kernel)}
    foreign = [
        (kind, path)
        for kind, path in image.drift
        if kind == "D" or not any(_within(target, [path]) for target in targets)
    ]
    # A directory is "changed" by what is new in it: naming that is enough.
    reported = [
        (kind, path)
        for kind, path in foreign
        if kind != "C" or not any(other != path and _within(other, [path]) for _kind, other in foreign)
    ]
    more = f" and {len(reported) - 5} more" if len(reported) > 5 else ""
    faults = [f"changed: {', '.join(f'{kind} {path}' for kind, path in reported[:5])}{more}"] if reported else []
    evidence = [("docker diff", f"{kind} {path}") for kind, path in (reported or image.drift)[:20]]
    return verdict(faults, "nothing but mount points", *evidence)


RULES: tuple[Rule, ...] = (
    Rule(
        "OCH-CTR-06",
        "The root file system is read-only",
        "container",
        "high",
        "/ is mounted read-only for every process",
        "set `read_only: true` in the service (and a tmpfs for each place that it has to write)",
        (*guide("Verify Read-Only Filesystem", "Security Checklist, item 2"), *cis("5.13"), *owasp(8)),
        ("kernel",),
        root_effective,
        root_declared,
    ),
    Rule(
        "OCH-CTR-09",
        "Scratch space takes no programs and has a limit",
        "container",
        "high",
        "every tmpfs is noexec, nosuid, nodev and has a size",
        "set each entry of `tmpfs` to `PLACE:noexec,nosuid,nodev,size=100m,uid=UID,gid=GID`",
        (*guide("Read-Only Filesystem"), "man 5 tmpfs"),
        ("kernel",),
        scratch_effective,
        scratch_declared,
    ),
    Rule(
        "OCH-CTR-10",
        "Only scratch space and OpenClaw's state can be written",
        "container",
        "high",
        "at most one writable mount, the state directory .openclaw",
        "set `read_only: true` in each volume that is named; or remove each volume that is named from the service",
        (*cis("5.6"), *owasp(8)),
        ("kernel",),
        writable_effective,
        writable_declared,
    ),
    Rule(
        "OCH-CTR-11",
        "No container engine's socket is mounted",
        "container",
        "critical",
        "neither a socket such as docker.sock nor a directory that holds one",
        "remove each volume that is named from the service; remove `use_api_socket` from the service",
        (*cis("5.32"), *owasp(1)),
        ("kernel",),
        socket_effective,
        socket_declared,
    ),
    Rule(
        "OCH-CTR-12",
        "No sensitive directory of the host is mounted",
        "container",
        "critical",
        "single files and directories of OpenClaw's own only",
        "remove each volume that is named from the service (mount the one file or directory that is needed instead)",
        cis("5.6"),
        ("kernel",),
        sensitive_effective,
        sensitive_declared,
    ),
    Rule(
        "OCH-CTR-24",
        "Mounts are not shared with the host",
        "container",
        "medium",
        "no mount propagates to the host (private or slave)",
        "remove `propagation` from each volume that is named",
        (*cis("5.20"), "man 7 mount_namespaces"),
        ("kernel",),
        propagation_effective,
        propagation_declared,
    ),
    Rule(
        "OCH-CTR-28",
        "Nothing in the container was changed since it was made",
        "container",
        "medium",
        "`docker diff` shows mount points only",
        f"{RECREATE} (after finding out who changed it)",
        (*guide("immutable filesystem (defense in depth)"), *owasp(8)),
        ("image", "kernel"),
        drift_effective,
    ),
)
