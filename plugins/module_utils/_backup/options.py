# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup is asked to do: the options of the module, and of what calls it without Ansible."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._backup.encrypt import Recipient, recipient
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.manifest import LOCK_FILES
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import integer, own_path, shown
from ansible_collections.openclaw.hardening.plugins.module_utils._files.options import PATH

_PROJECT = re.compile(r"[a-z][a-z0-9-]{0,40}")
_WORKSPACE = "workspace"
_LARGEST_LOCK = 16 << 20
BACKUP_ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "verified", "unpacked", "absent"], "default": "present"},
    "project": {"type": "str", "required": True},
    "directory": PATH,
    "state_dir": PATH,
    "config_dir": PATH,
    "record_dir": PATH,
    "config": {"type": "str", "default": ""},
    "workspace": {"type": "bool", "default": True},
    # A switch, not a secret; and the key of a public pair.
    "secrets": {"type": "bool", "default": True, "no_log": False},
    "recipient": {"type": "str", "default": ""},
    "keep": {"type": "int", "default": 7, "no_log": False},
    "lock_files": {"type": "dict", "default": {}},
    "policy": {"type": "dict", "default": {}},
    "archive": {"type": "str", "default": ""},
    "key": {"type": "str", "default": "", "no_log": True},
    "proven": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 21600},
    "lock_timeout": {"type": "int", "default": 600},
}


@dataclass(frozen=True)
class Request:
    """One backup, or what is to be done with one."""

    state: str
    project: str
    directory: str
    state_dir: str
    config_dir: str
    record_dir: str
    config: str = ""
    workspace: bool = True
    secrets: bool = True
    to: Recipient = field(default_factory=Recipient)
    keep: int = 7
    lock_files: Mapping[str, str] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    archive: str = ""
    key: str = ""
    proven: bool = False
    timeout: int = 21600
    lock_timeout: int = 600

    @property
    def with_secrets(self) -> bool:
        """Return whether secrets may be in the archive: only where it is encrypted."""
        return self.secrets and bool(self.to.kind)

    @property
    def excludes(self) -> tuple[str, ...]:
        """Return what is not taken from directly below the state."""
        return () if self.workspace else (_WORKSPACE,)

    @property
    def unpacked(self) -> str:
        """Return the directory of what was unpacked."""
        return f"{self.record_dir}/restore"


def wanted_from(params: dict[str, Any]) -> Request:
    """Turn the options into a wish, or refuse them."""
    if not _PROJECT.fullmatch(params["project"]):
        raise HardeningError("project", shown(params["project"]), "the name of a Compose project", "project")
    paths = {name: own_path(name, params[name]) for name in ("directory", "state_dir", "config_dir", "record_dir")}
    optional = {name: own_path(name, params[name]) if params[name] else "" for name in ("config", "archive")}
    for name in ("state_dir", "config_dir", "record_dir"):
        refuse_inside(paths["directory"], paths[name])
    for name, text in params["lock_files"].items():
        if name not in LOCK_FILES or not isinstance(text, str) or len(text) > _LARGEST_LOCK:
            raise HardeningError("lock_files", shown(name), f"the text of {', '.join(LOCK_FILES)}", "lock_files")
    if params["state"] == "verified" and not params["archive"]:
        raise HardeningError("archive", "nothing", "the path of an archive on this host", "archive")
    return Request(
        state=params["state"],
        project=params["project"],
        **paths,
        **optional,
        workspace=params["workspace"],
        secrets=params["secrets"],
        to=recipient("recipient", params["recipient"]),
        keep=integer("keep", params["keep"], 1, 1000),
        lock_files=params["lock_files"],
        policy=params["policy"],
        key=params["key"],
        proven=params["proven"],
        timeout=integer("timeout", params["timeout"], 60, 604800),
        lock_timeout=integer("lock_timeout", params["lock_timeout"], 0, 86400),
    )


def refuse_inside(directory: str, other: str, option: str = "directory") -> None:
    """Refuse to keep backups in what they are of, or around it, also through a link."""
    here, there = (os.path.realpath(path) for path in (directory, other))
    if f"{here}/".startswith(f"{there}/") or f"{there}/".startswith(f"{here}/"):
        needed = f"a directory apart from {other}, which is what backups are of; best on another disk"
        raise HardeningError(option, shown(directory, 200), needed, option)
