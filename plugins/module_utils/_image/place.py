# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a base is made: a folder of root in which the programs and devices of another system can be used."""

from __future__ import annotations

import os
import stat

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files import safe_path

# Hardened hosts mount the first noexec and nodev (CIS), and mmdebstrap runs the new system's programs there.
PLACES = ("/var/tmp", "/var/cache", "/var/lib")  # noqa: S108
# Seen: 1.1 GiB with a compiler, the unpacked system and its archive beside each other.
NEEDED_MIB = 1536
_FORBIDDEN = {"noexec": os.ST_NOEXEC, "nodev": os.ST_NODEV, "read-only": os.ST_RDONLY}


def chosen(build_dir: str) -> str:
    """Return the folder that was chosen, or else the first of the usual ones that will do.

    :raises HardeningError: it will not do, or none does; every reason is named.
    """
    places = [build_dir] if build_dir else [place for place in PLACES if os.path.isdir(place)]
    faults = {place: (_on_the_way(place) if build_dir else "") or fault(place) for place in places}
    usable = [place for place, found in faults.items() if not found]
    if usable:
        return usable[0]
    found = "; ".join(f"{place}: {reason}" for place, reason in faults.items()) or f"none of {', '.join(PLACES)}"
    needed = f"a directory of root on a file system without noexec and nodev that has {NEEDED_MIB} MiB free"
    raise HardeningError("the place for a build", found, needed, "build_dir")


def fault(path: str) -> str:
    """Return why nothing can be built there; nothing when it can."""
    try:
        status, system = os.lstat(path), os.statvfs(path)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if not stat.S_ISDIR(status.st_mode):
        return "not a directory"
    if status.st_uid != 0 or (status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX):
        return f"another user than root can change it (uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o})"
    flags = [name for name, flag in _FORBIDDEN.items() if system.f_flag & flag]
    if flags:
        return f"on {_mount(path)}, which is mounted {' and '.join(flags)}"
    free = system.f_bavail * system.f_frsize >> 20
    if free < NEEDED_MIB:
        return f"{free} MiB free on {_mount(path)}"
    if system.f_files and system.f_favail < 50_000:
        return f"{system.f_favail} inodes free on {_mount(path)}"
    return ""


def _on_the_way(path: str) -> str:
    """Return who could put another directory in its place, or a link on the way; nothing when nobody can."""
    try:
        with safe_path.parent(path, (0,)) as (folder, name):
            safe_path.lstat(folder, name, path)
    except HardeningError as error:
        return f"{error.what} is {error.found}"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _mount(path: str) -> str:
    """Return the mount point that a path is on."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path
