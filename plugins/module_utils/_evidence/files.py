# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of one deployment: state, configuration, secrets, compose files, and every directory on the way to them.

Paths come from a definition and from a configuration that others wrote: every walk goes component by component through
directory descriptors, follows no link, opens nothing but regular files, and reads at most 1 MB.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Mount, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.openclaw_config import parse
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import MAX_SIZE
from ansible_collections.openclaw.hardening.plugins.module_utils._system import proc

MAX_ENTRIES = 1000
SECRETS_FOLDER = "/run/secrets"
_WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


@dataclass(frozen=True)
class Folder:
    """A directory on the way to something."""

    path: str
    uid: int
    gid: int
    mode: int

    @property
    def replaceable(self) -> bool:
        """Return whether others than its owner can exchange what is in it (the sticky bit prevents that)."""
        foreign = self.mode & 0o002 or (self.mode & 0o020 and self.gid != 0)
        return bool(foreign) and not self.mode & stat.S_ISVTX


@dataclass(frozen=True)
class Place:
    """What is at a path of the host; ``target``: where the container sees it.

    :param kind: file, directory, link, special, or an empty string: nothing.
    :param link: the first link on the way; nothing behind it was looked at.
    :param read_only: the container cannot write there, no matter who owns it.
    :param inside: no mount holds it; it was looked at in the container's own file system.
    :param holder: the uppermost directory here that the container sees as its own; below it, it may change names.
    :param trouble: why it could not be looked at or read.
    :param text: the content of a file; ``mounted`` what the container has instead, as long as it runs.
    """

    path: str
    target: str = ""
    kind: str = ""
    uid: int = -1
    gid: int = -1
    mode: int = 0
    nlink: int = 0
    size: int = 0
    link: str = ""
    folders: tuple[Folder, ...] = ()
    read_only: bool = False
    inside: bool = False
    holder: str = ""
    trouble: str = ""
    text: str | None = field(default=None, repr=False)
    mounted: str | None = field(default=None, repr=False)

    @property
    def sealed(self) -> bool:
        """Return whether a directory of root on the way keeps others out; one of the service's own can be opened
        again.
        """
        return self.inside or any(folder.uid == 0 and not folder.mode & 0o001 for folder in self.folders)

    def shown(self) -> str:
        """Owner, mode and kind for the evidence."""
        if self.link:
            return f"{self.link} is a link"
        if self.trouble or not self.kind:
            return self.trouble or "nothing there"
        return f"{self.kind}, owner {self.uid}:{self.gid}, mode {self.mode:04o}, links {self.nlink}"


@dataclass(frozen=True)
class FileFacts:
    """All of them. ``uid`` and ``gid``: whom the container runs as, in the host's numbers; -1: not known.

    :param foreign containers: name and owner of what lies directly in the state directory and is not the container's
    user's.
    :param configuration: the parsed configuration; None when it is there and could not be understood.
    """

    uid: int
    gid: int
    state: Place | None = None
    foreign_ones: tuple[tuple[str, int], ...] = ()
    entries: int = 0
    config: Place | None = None
    configuration: Mapping[str, Any] | None = field(default=None, repr=False)
    secrets: tuple[Place, ...] = ()
    compose: tuple[Place, ...] = ()
    dotenv: tuple[Place, ...] = ()
    # The main process's own variables on top of the definition's.
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def look(settings: Settings, pid: int) -> FileFacts:
    """Look at the files of a container; ``pid`` 0: it does not run, so what no mount holds is not seen."""
    settings = _with_volumes(settings, pid)
    uid, gid = _user(settings, pid)
    environment = {**settings.environment, **_environment(pid)}
    home = (environment.get("OPENCLAW_HOME") or environment.get("HOME") or "/home/node").rstrip("/")
    state_path = _state_path(settings, environment, home)
    state = locate(settings, pid, state_path)
    foreign_ones, entries = _foreign(state, uid, _mount_points(settings, state_path), pid)
    config_path = _in_container(environment.get("OPENCLAW_CONFIG_PATH") or f"{state_path}/openclaw.json", home)
    config = locate(settings, pid, config_path, read=True)
    configuration = _configuration(config)
    secrets = [locate(settings, pid, path, read=True) for path in secret_paths(settings, configuration or {}, home)]
    compose, dotenv = _compose(settings.labels)
    own = locate(settings, pid, f"{state_path}/.env", read=True)
    return FileFacts(
        uid,
        gid,
        state,
        foreign_ones,
        entries,
        config,
        configuration,
        tuple(secrets),
        compose,
        (*dotenv, *([own] if own.kind or own.link else [])),
        environment,
    )


# --- where things are ---------------------------------------------------------------------------------------------


def _user(settings: Settings, pid: int) -> tuple[int, int]:
    """Effective uid and gid of the main process, or the numbers of the definition."""
    with (
        suppress(FileNotFoundError, ProcessLookupError, ValueError, IndexError),
        open(f"/proc/{pid}/status", encoding="utf-8") as lines,
    ):
        rows = {line.split()[0]: line.split() for line in lines if line.startswith(("Uid:", "Gid:"))}
        return int(rows["Uid:"][2]), int(rows["Gid:"][2])
    user, _colon, group = settings.user.partition(":")
    return int(user) if user.isdecimal() else -1, int(group) if group.isdecimal() else -1


def _environment(pid: int) -> dict[str, str]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return dict(row.split("=", 1) for row in proc.strings(pid, "environ") if "=" in row)
    return {}


def _in_container(path: str, home: str) -> str:
    """Spell out a path of the configuration as the container would."""
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    return posixpath.normpath(path)


def _state_path(settings: Settings, environment: Mapping[str, str], home: str) -> str:
    named = environment.get("OPENCLAW_STATE_DIR")
    if named:
        return _in_container(named, home)
    for mount in settings.mounts:
        if not mount.read_only and mount.kind != "tmpfs" and mount.target.rstrip("/").endswith(".openclaw"):
            return posixpath.normpath(mount.target)
    return posixpath.normpath(f"{home}/.openclaw")


def _mount_points(settings: Settings, folder: str) -> set[str]:
    """Names in ``folder`` that Docker made, as root, to mount something there."""
    below = [mount.target[len(folder) + 1 :] for mount in settings.mounts if mount.target.startswith(f"{folder}/")]
    return {name.split("/")[0] for name in below}


def secret_paths(settings: Settings, configuration: Mapping[str, Any], home: str) -> list[str]:
    """Paths, in the container, of the secrets: mounts below /run/secrets, and file providers of the configuration."""
    found = [mount.target for mount in settings.mounts if mount.target.startswith(f"{SECRETS_FOLDER}/")]
    section = configuration.get("secrets")
    providers = section.get("providers") if isinstance(section, Mapping) else None
    for provider in list(providers.values())[:50] if isinstance(providers, Mapping) else ():
        path = provider.get("path") if isinstance(provider, Mapping) and provider.get("source") == "file" else None
        if isinstance(path, str):
            found.append(_in_container(path, home))
    return list(dict.fromkeys(found))


def _compose(labels: Mapping[str, str]) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """Compose files and the variables beside them, as the labels of ``docker compose`` name them."""
    project = "com.docker.compose.project"
    files = [path for path in labels.get(f"{project}.config_files", "").split(",") if path]
    variables = [path for path in labels.get(f"{project}.environment_file", "").split(",") if path]
    if not variables and labels.get(f"{project}.working_dir"):
        variables = [posixpath.join(labels[f"{project}.working_dir"], ".env")]
    compose = tuple(inspect(path, read=True) for path in files[:20])
    dotenv = (inspect(path, read=True) for path in variables[:20])
    return compose, tuple(place for place in dotenv if place.kind or place.link)


def _with_volumes(settings: Settings, pid: int) -> Settings:
    """Give each named volume the directory of the host that the kernel mounted for it."""
    if not any(mount.kind == "volume" and not mount.source.startswith("/") for mount in settings.mounts):
        return settings
    inside = {point: (device, root) for device, root, point in _mount_table(f"/proc/{pid}/mountinfo")}
    host = list(_mount_table("/proc/1/mountinfo"))
    mounts = []
    for mount in settings.mounts:
        device, root = inside.get(mount.target.rstrip("/"), ("", ""))
        if device and mount.kind == "volume" and not mount.source.startswith("/"):
            ways = [(top, point) for number, top, point in host if number == device and _within(root, top)]
            if ways:
                top, point = max(ways, key=lambda way: len(way[0]))
                mount = replace(mount, source=posixpath.normpath(f"{point.rstrip('/')}/{root[len(top.rstrip('/')) :]}"))
        mounts.append(mount)
    return replace(settings, mounts=tuple(mounts))


def _mount_table(path: str) -> Iterator[tuple[str, str, str]]:
    """Device, root within it, and mount point of each line of mountinfo (proc_pid_mountinfo(5))."""
    with (
        suppress(FileNotFoundError, ProcessLookupError),
        open(path, encoding="utf-8", errors="surrogateescape") as lines,
    ):
        for line in lines:
            row = [re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), word) for word in line.split()[:5]]
            yield row[2], row[3], row[4]


def _holder(settings: Settings, target: str) -> Mount | None:
    """Return the innermost mount that holds a path of the container."""
    holding = [mount for mount in settings.mounts if _within(target, mount.target)]
    return max(holding, key=lambda mount: len(mount.target), default=None)


def _within(path: str, folder: str) -> bool:
    folder = folder.rstrip("/")
    return path == folder or path.startswith(f"{folder}/")


def locate(settings: Settings, pid: int, target: str, *, read: bool = False) -> Place:
    """Look at a path of the container: on the host where a mount holds it, else in the container's own file system."""
    observed = inspect(target, root=f"/proc/{pid}/root", read=read) if pid else Place(target, trouble="not running")
    mount = _holder(settings, target)
    if mount is None or mount.kind == "tmpfs" or not mount.source.startswith("/"):
        sealed = settings.read_only and mount is None
        read_only = sealed or bool(mount and mount.read_only)
        return replace(observed, target=target, inside=True, read_only=read_only, holder="/")
    path = posixpath.normpath(mount.source + target[len(mount.target.rstrip("/")) :])
    place = inspect(path, read=read)
    holders = [other.source for other in settings.mounts if _writes(settings, other, path)]
    mounted = observed.text if observed.text != place.text else None
    return replace(
        place, target=target, read_only=not holders, holder=min(holders, key=len, default=""), mounted=mounted
    )


def _writes(settings: Settings, mount: Mount, path: str) -> bool:
    """Return whether a path of the host can be reached for writing through a mount, no other one lying over it
    there.
    """
    source = mount.source.rstrip("/")
    if mount.read_only or not source.startswith("/") or not _within(path, source):
        return False
    return _holder(settings, posixpath.normpath(mount.target + path[len(source) :])) is mount


# --- walking ------------------------------------------------------------------------------------------------------


def inspect(path: str, *, root: str = "/", read: bool = False) -> Place:
    """Look at one path below ``root`` without following a link; what goes wrong is part of the answer."""
    if not path.startswith("/") or path.startswith("//") or posixpath.normpath(path) != path or "\0" in path:
        return Place(path, trouble="not an absolute path in its shortest spelling")
    try:
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return Place(path, trouble=f"{root}: {error.strerror}")
    folders = [_folder("/", os.fstat(folder))]
    parts = [part for part in path.split("/") if part]
    walked = ""
    try:
        for part in parts[:-1]:
            walked += f"/{part}"
            found = os.stat(part, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                return Place(path, link=walked, folders=tuple(folders))
            inner = os.open(part, _WALK, dir_fd=folder)
            os.close(folder)
            folder = inner
            folders.append(_folder(walked, os.fstat(folder)))
        return _last(path, folder, parts[-1] if parts else ".", tuple(folders), read)
    except (FileNotFoundError, NotADirectoryError):
        return Place(path, folders=tuple(folders))
    except OSError as error:
        return Place(path, folders=tuple(folders), trouble=error.strerror or "unreadable")
    finally:
        os.close(folder)


def _folder(path: str, found: os.stat_result) -> Folder:
    return Folder(path, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def _last(path: str, folder: int, name: str, folders: tuple[Folder, ...], read: bool) -> Place:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    place = Place(
        path,
        kind=_KINDS.get(stat.S_IFMT(found.st_mode), "special"),
        uid=found.st_uid,
        gid=found.st_gid,
        mode=stat.S_IMODE(found.st_mode),
        nlink=found.st_nlink,
        size=found.st_size,
        folders=folders,
    )
    if place.kind == "link":
        return replace(place, link=path)
    if not read or place.kind != "file":
        return place
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with open(handle, "rb", buffering=0) as content:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return replace(place, trouble="exchanged while it was opened")
        text = b""
        while len(text) <= MAX_SIZE and (chunk := content.read(MAX_SIZE + 1 - len(text))):
            text += chunk
    if len(text) > MAX_SIZE:
        return replace(place, trouble="more than 1 MB")
    return replace(place, text=text.decode("utf-8", "replace"))


def _foreign(state: Place, uid: int, made: set[str], pid: int) -> tuple[tuple[tuple[str, int], ...], int]:
    """Find what lies directly in the state directory and belongs to another user; at most 1000 entries."""
    if state.kind != "directory":
        return (), 0
    root = f"/proc/{pid}/root" if state.inside else "/"
    foreign_ones, count = [], 0
    with suppress(FileNotFoundError):
        folder = _reopen(state.path, root)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    count += 1
                    if count > MAX_ENTRIES:
                        break
                    with suppress(FileNotFoundError):
                        owner = entry.stat(follow_symlinks=False).st_uid
                        if owner != uid and not (owner == 0 and entry.name in made):
                            foreign_ones.append((entry.name, owner))
        finally:
            os.close(folder)
    return tuple(sorted(foreign_ones)), count


def _reopen(path: str, root: str) -> int:
    """Open a directory for reading, again without following a link."""
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    parts = [part for part in path.split("/") if part]
    for index, part in enumerate(parts, start=1):
        flags = _WALK if index < len(parts) else os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            inner = os.open(part, flags, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


def _configuration(place: Place) -> Mapping[str, Any] | None:
    """Parse what the running container reads; nothing there is an empty configuration."""
    text = place.mounted if place.mounted is not None else place.text
    if text is None:
        return None if place.kind or place.link or place.trouble else {}
    return parse(text)
