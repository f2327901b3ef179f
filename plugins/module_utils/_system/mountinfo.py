# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is mounted where, as the kernel reports it (proc_pid_mountinfo(5))."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class MountPoint:
    """One line of mountinfo (proc_pid_mountinfo(5)); ``root`` is what of the file system is mounted."""

    path: str
    kind: str
    source: str
    root: str
    options: tuple[str, ...]
    super_options: tuple[str, ...]
    # shared:N, master:N, …
    propagation: tuple[str, ...] = ()
    # Number of the file system's device, such as ``254:0``: the same for all its mounts.
    device: str = ""

    @property
    def writable(self) -> bool:
        """Return whether the mount and its file system both take writes."""
        return "ro" not in self.options and "ro" not in self.super_options


def mount_table(content: bytes) -> tuple[MountPoint, ...]:
    """Translate a mountinfo file (proc_pid_mountinfo(5))."""
    return tuple(_mount_point(line) for line in content.decode("utf-8", "backslashreplace").split("\n") if line)


def _mount_point(line: str) -> MountPoint:
    # Blanks within a field are octal escapes, so no field can pass for the dash.
    mount, _dash, system = line.partition(" - ")
    _id, _parent, device, root, path, options, *propagation = mount.split(" ")
    kind, source, super_options = (*system.split(" "), "")[:3]
    root, path, source = (_OCTAL.sub(lambda match: chr(int(match[1], 8)), text) for text in (root, path, source))
    return MountPoint(
        path,
        kind,
        source,
        root,
        tuple(options.split(",")),
        tuple(super_options.split(",")),
        tuple(propagation),
        device,
    )
