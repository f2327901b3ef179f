# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which paths of the host a container may see. Below the system's own trees only OpenClaw's places are allowed."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

# Directories of the host that hold its system, everybody's data or other containers.
_SENSITIVE_NAMES = (
    "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /media /mnt /opt /proc /root /run /sbin "
    "/srv /sys /tmp /usr /usr/bin /usr/lib /usr/lib64 /usr/libexec /usr/local /usr/local/bin "
    "/usr/local/lib /usr/local/sbin /usr/sbin /var /efi /nix /ostree /snap /sysroot"
)
_SENSITIVE = frozenset(_SENSITIVE_NAMES.split())
# The same with everything below.
_SENSITIVE_TREES = (
    *("/boot", "/dev", "/efi", "/proc", "/sys", "/lib/modules", "/usr/lib/modules", "/usr/src", "/lost+found"),
    *("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/lxd", "/var/lib/incus"),
    *("/etc/docker", "/etc/pam.d", "/etc/shadow", "/etc/gshadow", "/etc/ssh", "/etc/sudoers", "/etc/sudoers.d"),
    *("/etc/systemd", "/var/spool/cron", "/etc/cron.d", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd"),
)
# Below these only what is OpenClaw's, or what every program may read.
_SYSTEM_TREES = ("/etc", "/var", "/run", "/root")
_PUBLIC = (
    *("/etc/localtime", "/etc/timezone", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/os-release"),
    *(
        "/etc/ssl/certs",
        "/etc/ssl/cert.pem",
        "/etc/ssl/openssl.cnf",
        "/etc/ca-certificates",
        "/etc/ca-certificates.conf",
    ),
    *("/etc/pki/tls/certs", "/etc/pki/ca-trust", "/etc/locale.conf", "/etc/mime.types", "/etc/protocols"),
    *("/etc/services", "/etc/fonts", "/var/cache/fontconfig", "/var/lib/ca-certificates"),
)
_OWN = re.compile(r"\.?openclaw(?:-[a-z0-9-]+)?")
# The records of builds and deployments: what is written there decides what is deployed next.
_RECORDS = re.compile(r".*hardening(?:-build)?")
# What accounts keep for themselves, wherever it is.
_PRIVATE_NAMES = (
    ".ssh .gnupg .aws .azure .kube .docker .password-store .terraform.d .mozilla .pki .netrc .npmrc "
    ".pypirc .pgpass .git-credentials .vault-token .bash_history .my.cnf keyrings gcloud id_rsa id_ecdsa "
    "id_ed25519"
)
_PRIVATE = frozenset(_PRIVATE_NAMES.split())
_VOLUME = re.compile(r"(?P<root>/.+)/volumes/(?P<name>[^/]+)/_data(?P<below>/.*)?")

_SOCKET = re.compile(r".*\.(?:sock|socket)(?:\.\w+)?|system_bus_socket|bus|private|libvirt-sock(?:-\w+)*")
# Folders in which an engine, a manager of virtual machines, the system bus or systemd listens.
_SOCKET_FOLDERS = (
    *("/run/containerd", "/run/podman", "/run/crio", "/run/buildkit", "/run/k3s", "/run/docker", "/run/balena-engine"),
    *("/run/dbus", "/run/libvirt", "/run/lxd", "/run/incus", "/run/lxc", "/run/systemd", "/run/user", "/run/snapd"),
    *("/var/lib/lxd", "/var/lib/incus", "/var/lib/libvirt", "/var/snap", "/run/cri-dockerd", "/run/host-containerd"),
)


def host_path(path: str) -> str:
    """Return the one spelling of a path of the host."""
    path = posixpath.normpath("/" + path.lstrip("/"))
    return path[len("/var") :] if path == "/var/run" or path.startswith("/var/run/") else path


def within(path: str, folders: Iterable[str]) -> bool:
    """Return whether a path is one of the folders, or is in one."""
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def is_sensitive(path: str) -> bool:
    """Return whether a container must not see this path of the host, whatever it may do with it."""
    path = host_path(path)
    parts = path.split("/")
    if path in _SENSITIVE or within(path, _SENSITIVE_TREES) or _PRIVATE.intersection(parts):
        return True
    if parts[1] == "home" and len(parts) == 3:
        return True  # all of another account's home
    return within(path, _SYSTEM_TREES) and not within(path, _PUBLIC) and not _is_own(path, parts)


def _is_own(path: str, parts: list[str]) -> bool:
    """Return whether it is in a directory of OpenClaw's; of its configuration only single files are."""
    places = [number for number, part in enumerate(parts) if _OWN.fullmatch(part) and not _RECORDS.fullmatch(part)]
    if not places or any(_RECORDS.fullmatch(part) for part in parts):
        return False
    inner = parts[places[0] + 1 :]
    return not within(path, ("/etc",)) or (bool(inner) and inner != ["secrets"] and inner[0] != "previous")


def leads_to_socket(path: str) -> bool:
    """Return whether a path of the host is the socket of an engine or the like, or a folder that holds one."""
    path = host_path(path)
    if names_socket(path):
        return True
    return path in ("/", "/run", "/var", "/var/lib") or any(
        within(folder, [path]) or within(path, [folder]) for folder in _SOCKET_FOLDERS
    )


def names_socket(path: str) -> bool:
    """Return whether the last part of a path is the name of a socket."""
    return bool(_SOCKET.fullmatch(posixpath.basename(path.rstrip("/"))))


def volume_of(path: str) -> str:
    """Return the name of the volume whose data this path of the host is in; empty when it is none's."""
    found = _VOLUME.fullmatch(path)
    return found["name"] if found else ""
