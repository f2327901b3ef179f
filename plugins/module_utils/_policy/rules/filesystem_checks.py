# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the rules in ``filesystem.py``: what a container can write, and what of the host it can see."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import Result, inconclusive, verdict
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules.host_paths import (
    is_sensitive,
    leads_to_socket,
    names_socket,
    volume_of,
    within,
)

if TYPE_CHECKING:
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import (
        Mount,
        Settings,
        Volume,
    )
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
_DOCKERS_FILES = ("resolv.conf", "hostname", "hosts")
_DOCKERS_SOURCE = re.compile(r"/containers/[0-9a-f]+/(?:resolv\.conf|hostname|hosts)\Z")
# Variables by which programs find an engine, also over the network.
_ENGINES = (
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "CONTAINERD_ADDRESS",
    "BUILDKIT_HOST",
    "LIBVIRT_DEFAULT_URI",
    "INCUS_SOCKET",
)
# File systems of the kernel itself, that show all of the host wherever they are mounted.
_KERNELS = ("proc", "sysfs", "devtmpfs", "securityfs", "debugfs", "tracefs", "bpf", "configfs", "efivarfs", "pstore")
_SCRATCH_KINDS = ("tmpfs", "ramfs", "devpts", "mqueue", "hugetlbfs", "nsfs", "proc", "sysfs", "devtmpfs", "fuse.lxcfs")
_SUBVOLUME = re.compile(r"\A/@(?:rootfs|root)?([^/]*)/?")
# Where the kernel's default for a tmpfs, half of the memory, is no limit any more.
_MOST_PERCENT = 50
_MOST_SCRATCH = 16 << 30
_SIZE = re.compile(r"(0x[0-9a-f]+|[0-9]+)([kmgtpe]?)", re.IGNORECASE)
_PAGE = 4096


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


def _scratch_faults(name: str, flags: Iterable[str], options: Iterable[str]) -> list[str]:
    missing = [flag for flag in _SCRATCH_FLAGS if flag not in flags]
    limits = [_limit(option) for option in options if option.startswith(("size=", "nr_blocks="))]
    # The last one counts.
    if not limits or not limits[-1]:
        missing.append("a size")
    faults = [f"{name} lacks {', '.join(missing)}"] if missing else []
    if limits and limits[-1] > _MOST_SCRATCH:
        faults.append(f"{name} may take more than {_MOST_SCRATCH >> 30} GiB")
    return faults


def _limit(option: str) -> int:
    """Return the bytes of a limit as the kernel reads it (tmpfs(5)); 0: none, or one that is no limit."""
    name, _equals, text = option.partition("=")
    if text.endswith("%"):
        return 1 if text[:-1].isdecimal() and 0 < int(text[:-1]) < _MOST_PERCENT else 0
    found = _SIZE.fullmatch(text.strip())
    if not found:
        return 0
    digits = found[1].lower()
    octal = digits.startswith("0") and len(digits) > 1 and set(digits) <= set("01234567")
    number = int(digits, 16) if digits.startswith("0x") else int(digits, 8 if octal else 10)
    unit: int = 1 << (10 * " kmgtpe".index(found[2].lower() or " "))
    return number * unit * (_PAGE if name == "nr_blocks" else 1)


def scratch_declared(settings: Settings, _allowed: Baseline) -> Result:
    """Guide "tmpfs with security flags"; Docker's own flags are those of its default for a tmpfs."""
    scratch = [mount for mount in settings.mounts if mount.kind == "tmpfs"]
    faults = []
    for mount in scratch:
        undone = {_OPPOSITES[option] for option in mount.options if option in _OPPOSITES}
        faults += _scratch_faults(mount.target, set(_SCRATCH_FLAGS) - undone, mount.options)
    if settings.shm_size > _MOST_SCRATCH:
        faults.append(f"shared memory may take more than {_MOST_SCRATCH >> 30} GiB")
    return verdict(faults, f"{len(scratch)} tmpfs, limited", *_asked(settings, scratch))


def scratch_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The flags and the size that the kernel knows, of ``/dev/shm`` too (tmpfs(5))."""
    scratch = [point for point in _tables(kernel) if _is_scratch(point)]
    faults = []
    for point in scratch:
        faults += _scratch_faults(point.path, point.options, point.super_options)
    return verdict(faults, f"{len(scratch)} tmpfs, limited", *_line(kernel, scratch))


def _is_scratch(point: MountPoint) -> bool:
    if point.kind != "tmpfs" or point.root != "/" or not point.writable:
        return False
    return point.path == "/dev/shm" or not within(point.path, _KERNEL_TREES)  # noqa: S108


# --- OCH-CTR-10 -----------------------------------------------------------------------------------------------------


def _is_state(target: str) -> bool:
    return posixpath.basename(posixpath.normpath(target)) == STATE


def _writable_faults(targets: dict[str, str]) -> list[str]:
    """Check target to description of what can be written: one state directory, and what lies inside of it."""
    states = [target for target in targets if _is_state(target)]
    faults = [text for target, text in targets.items() if not within(target, states)]
    return [f"writable: {text}" for text in faults] + (
        [f"{len(states)} state directories: {', '.join(states)}"] if len(states) > 1 else []
    )


def _own_data(settings: Settings) -> set[str]:
    """Return where a container that is not OpenClaw's has its data: in volumes, which it shares with no host path."""
    volumes = (mount for mount in settings.mounts if settings.foreign and mount.kind == "volume")
    return {posixpath.normpath(mount.target) for mount in volumes}


def writable_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.6: what is mounted for writing is what a break-in can change."""
    data = _own_data(settings)
    writable = [mount for mount in settings.mounts if mount.kind != "tmpfs" and not mount.read_only]
    mounts = [mount for mount in writable if posixpath.normpath(mount.target) not in data]
    faults = _writable_faults({posixpath.normpath(mount.target): _named(mount) for mount in mounts})
    return verdict(faults, _only(mount.target for mount in mounts), *_asked(settings, mounts))


def writable_effective(kernel: Kernel, settings: Settings, _allowed: Baseline) -> Result:
    """Every mount that the kernel lets the container write to."""
    data = _own_data(settings)
    writable = [point for point in _tables(kernel) if point.writable and not _is_dockers(point)]
    points = [point for point in writable if point.path not in data]
    faults = _writable_faults({point.path: f"{point.kind} at {point.path}" for point in points})
    return verdict(faults, _only(point.path for point in points), *_line(kernel, points))


def _only(targets: Iterable[str]) -> str:
    return f"only {', '.join(targets) or 'scratch space'}"


def _is_dockers(point: MountPoint) -> bool:
    """Return whether every container has this mount; ``/`` has a rule of its own, scratch space too."""
    own = point.path == "/" or _is_dockers_file(point) or _is_virtual(point)
    return own or (point.kind == "tmpfs" and point.root == "/")


# --- OCH-CTR-11 -----------------------------------------------------------------------------------------------------


def socket_declared(settings: Settings, _allowed: Baseline) -> Result:
    """OWASP rule 1: who reaches the engine's socket is root on the host; the system bus and libvirt are ways there."""
    mounts = [mount for mount in settings.mounts if mount.kind != "tmpfs" and _leads_to_socket(mount)]
    faults = [f"{_named(mount)} gives an engine's socket" for mount in mounts]
    faults += [f"variable {name} leads to an engine" for name in _ENGINES if settings.environment.get(name, "").strip()]
    return verdict(faults, "none mounted", *_asked(settings, mounts))


def _leads_to_socket(mount: Mount) -> bool:
    if names_socket(mount.source) or names_socket(mount.target):
        return True
    return mount.kind != "volume" and leads_to_socket(mount.source)


def socket_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The same by the names that the kernel knows, which a volume or a link in between does not change."""
    found = [(point, text) for point in _tables(kernel) if (text := _socket_of(point, kernel))]
    faults = [f"{text} at {point.path} is an engine's socket" for point, text in found]
    return verdict(faults, "none mounted", *_line(kernel, [point for point, _text in found]))


def _socket_of(point: MountPoint, kernel: Kernel) -> str:
    """Return the socket of the host that a mount shows, or that its name reports; empty when it shows none."""
    if _is_virtual(point):
        return ""
    if names_socket(point.root) or names_socket(point.path):
        return point.root
    if point.path == "/":
        return ""
    for path, _host in _places(point, kernel):
        shown = [socket for socket in kernel.host_sockets if within(socket, [path])]
        if shown and not _is_state(path):
            return shown[0]
        if leads_to_socket(path) and not volume_of(path):
            return path
    return ""


# --- OCH-CTR-12 -----------------------------------------------------------------------------------------------------


def sensitive_declared(settings: Settings, _allowed: Baseline) -> Result:
    """CIS 5.6. Read-only is no excuse: what can be read there is enough to become another user."""
    mounts = [mount for mount in settings.mounts if mount.kind == "bind" and is_sensitive(mount.source)]
    faults = [f"{mount.source} of the host at {mount.target}" for mount in mounts]
    foreign = [mount for mount in settings.mounts if mount.kind not in ("bind", "volume", "tmpfs")]
    foreign += [mount for mount in settings.mounts if mount.kind == "volume" and mount.target == "(unknown)"]
    faults += [f"{_named(mount)}: what it shows is not in this definition" for mount in foreign]
    for volume in settings.volumes:
        faults += [f"volume {volume.name} at {volume.target} {fault}" for fault in _volume_faults(volume)]
    return verdict(faults, "none mounted", *_asked(settings, [*mounts, *foreign]))


def _volume_faults(volume: Volume) -> list[str]:
    """Check who makes a volume, and of what: only Docker's own directories and scratch space are known to be harmless.

    A directory of the host is a mount of its own here, and checked as such.
    """
    if volume.external:
        return ["is external: its driver and its options are not known"]
    if volume.driver not in ("", "local"):
        return [f"is made by the driver {volume.driver}"]
    options = {name: value for name, value in volume.options.items() if name != "size" and value.strip()}
    flags = {flag.strip() for flag in options.pop("o", "").split(",")}
    kind, device = options.pop("type", ""), options.pop("device", "")
    faults = [f"has the option {name}" for name in sorted(options)]
    if not {"bind", "rbind"} & flags and kind != "tmpfs" and (kind or device):
        faults.append(f"is the file system {kind or 'of an unknown type'} on {device or 'no device'}")
    return faults


def sensitive_effective(kernel: Kernel, _allowed: Baseline) -> Result:
    """The directory of its file system that is mounted, and where the host has that; a volume shows it, too."""
    found = [(point, text) for point in _tables(kernel) if (text := _shows_host(point, kernel))]
    faults = [f"{point.kind} {text} at {point.path}" for point, text in found]
    return verdict(faults, "none mounted", *_line(kernel, [point for point, _text in found]))


def _shows_host(point: MountPoint, kernel: Kernel) -> str:
    """Return what of the host a mount shows that a container must not see; empty when it shows nothing of it."""
    if point.kind in _KERNELS:
        node = within(point.path, ("/dev",)) and point.root != "/"  # OCH-CTR-19 is about single devices
        return "" if node or within(point.path, ("/proc", "/sys")) else point.root
    if point.path == "/" or _is_virtual(point) or _is_dockers_file(point):
        return ""
    places = _places(point, kernel)
    # What is mounted over the directory of a volume is what the volume's options name.
    elsewhere = [path for path, host in places if host is None or not volume_of(host.path)]
    for path in elsewhere:
        if not volume_of(path) and is_sensitive(path):
            return path
    if places and not elsewhere and point.kind != "tmpfs":
        return f"{point.root} of {point.source}, mounted by a volume's options,"
    if places or point.kind in _SCRATCH_KINDS:
        return ""
    # Seen nowhere on the host: a file system that was brought along, all of it.
    whole = point.root == "/" and not _is_state(point.path)
    return f"{point.root} of {point.source}" if whole or kernel.host_mounts else ""


def _places(point: MountPoint, kernel: Kernel) -> list[tuple[str, MountPoint | None]]:
    """Return the paths at which the host has what a mount shows, each with the host's mount.

    Without the host's table the directory within the file system has to do (the subvolume of btrfs is the host's /).
    """
    found: list[tuple[str, MountPoint | None]] = []
    for host in kernel.host_mounts:
        if not point.device or host.device != point.device:
            continue
        if within(point.root, [host.root]):
            rest = point.root[len(host.root.rstrip("/")) :]
            found.append((posixpath.normpath(f"{host.path.rstrip('/')}/{rest.lstrip('/')}"), host))
        elif within(host.root, [point.root]):
            found.append((host.path, host))
    if kernel.host_mounts or point.root == "/":
        return found
    return [(_SUBVOLUME.sub(r"/\1", point.root) if point.kind == "btrfs" else point.root, None)]


def _is_virtual(point: MountPoint) -> bool:
    """Return whether Docker made this mount below /proc, /sys or /dev."""
    return within(point.path, _KERNEL_TREES) and (point.kind in _SCRATCH_KINDS or point.kind.startswith("cgroup"))


def _is_dockers_file(point: MountPoint) -> bool:
    return posixpath.basename(point.path) in _DOCKERS_FILES and bool(_DOCKERS_SOURCE.search(point.root))


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
    points = [point for point in shared if not within(point.path, _KERNEL_TREES)] or shared
    faults = [f"{point.path} is shared" for point in points]
    return verdict(faults, "none shared", *_line(kernel, points))


# --- OCH-CTR-28 -----------------------------------------------------------------------------------------------------


def drift_effective(image: ImageFacts, kernel: Kernel, _allowed: Baseline) -> Result:
    """What ``docker diff`` shows: only mount points and the directories above them may be new."""
    targets = {point.path for point in _tables(kernel)}
    foreign = [
        (kind, path)
        for kind, path in image.drift
        if kind == "D" or not any(within(target, [path]) for target in targets)
    ]
    # A directory is "changed" by what is new in it: naming that is enough.
    reported = [
        (kind, path)
        for kind, path in foreign
        if kind != "C" or not any(other != path and within(other, [path]) for _kind, other in foreign)
    ]
    more = f" and {len(reported) - 5} more" if len(reported) > 5 else ""
    faults = [f"changed: {', '.join(f'{kind} {path}' for kind, path in reported[:5])}{more}"] if reported else []
    evidence = [("docker diff", f"{kind} {path}") for kind, path in (reported or image.drift)[:20]]
    return verdict(faults, "nothing but mount points", *evidence)
