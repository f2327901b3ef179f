# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files, units and accounts of one instance on a host, each with the reason why it may not be removed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import listed
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import history
from ansible_collections.openclaw.hardening.plugins.module_utils._files import transaction
from ansible_collections.openclaw.hardening.plugins.module_utils._files.header import has_header
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import FileState, look
from ansible_collections.openclaw.hardening.plugins.module_utils._removal import instances
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.plan import (
    ACCOUNT,
    DATA,
    DIRECTORY,
    FILES,
    HOME,
    RECORDS,
    STATE,
    UNIT_FILES,
    Thing,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._system.accounts import (
    REFUSING_SHELLS,
    Accounts,
    read_accounts,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import UNIT_PATH, directives

LIBRARIES = "/usr/local/lib"
# Where a file of one instance may be, beside its own directories: known by its name, and by our header.
SCANNED = (
    *(f"/etc/{name}" for name in ("cron.d", "logrotate.d", "profile.d", "sudoers.d", "sysctl.d", "tmpfiles.d")),
    "/etc/apt/apt.conf.d",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/var/lib/prometheus/node-exporter",
)
# Directories that systemd makes for a unit (systemd.exec(5)); with DynamicUser=, a link leads to the one in private.
_MADE_BY_SYSTEMD = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "RuntimeDirectory": "/run",
}
_STAMPS = "/var/lib/systemd/timers/stamp-"
# Of the directory of the configuration: without a header, so only a record or the name proves them.
_MAINTENANCE = ("maintenance.json", "maintenance-notifier.env")
_CONFIGURATION = ("passwd", "group", "ca.pem", "auth-monitor.env", "auth-notifier.env", *_MAINTENANCE)
_SETTINGS = ("gateway-firewall.json",)
_UNFINISHED = (".hardening-tmp", ".hardening-old", ".hardening-new")
_PATH = re.compile(r"/[^\s\"':=]+")
_KEPT_RECORDS = ("claim.json", "deploy.lock")
# What the roles may have installed.
_PACKAGES = (
    *("docker.io", "docker-ce", "docker-cli", "docker-ce-cli", "docker-compose", "docker-compose-v2", "docker-buildx"),
    *("docker-compose-plugin", "docker-buildx-plugin", "nftables", "python3-docker", "python3-yaml"),
    *("age", "gnupg", "mmdebstrap", "zstd"),
)
_OF_DOCKER = ("/etc/apt/sources.list.d/docker.sources", "/etc/docker/certs.d")
_MAY_BE_USED = "other programs and containers may use it"
_NOT_OURS = "not ours: this collection did not write it"
_NO_RECORD = "not ours: no record of this collection is there"


@dataclass(frozen=True)
class Host:
    """What is known of the host before its files are looked at.

    :param recorded: the records prove that what has the names of the instance is ours.
    :param deployed: the files of the last deployment, with their fingerprints.
    :param texts: the unit files with our header, by name.
    """

    names: Mapping[str, str]
    recorded: bool
    deployed: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()

    @cached_property
    def own_units(self) -> list[str]:
        """The units of this instance."""
        return sorted(name for name in self.texts if self.owned(name))

    @cached_property
    def own_paths(self) -> set[str]:
        """The paths in the text of its units."""
        return {path for name in self.own_units for path in _PATH.findall(self.texts[name])}

    @cached_property
    def others_text(self) -> str:
        """The text of the units of other instances."""
        return "\n".join(text for name, text in self.texts.items() if not self.owned(name))

    @cached_property
    def others(self) -> list[str]:
        """The projects that have units beside this one."""
        found = {instances.owner(name, self.known) for name in self.texts}
        return sorted(found - {"", self.names["name"]})

    @property
    def used(self) -> str:
        """Why what they share stays."""
        return f"used by {listed(self.others)}" if self.others else ""

    def owned(self, name: str) -> bool:
        """Return whether a name is one of this instance."""
        return instances.owner(name, self.known) == self.names["name"]


def gather(names: Mapping[str, str]) -> Host:
    """Read the unit files, the records, and which instances there are."""
    texts = {}
    for name in listing(UNIT_PATH):
        state = _read(f"{UNIT_PATH}/{name}")
        if state is not None and state.type == "file" and has_header(state.content):
            texts[name] = state.content.decode("utf-8", "replace")
    known = instances.projects(listing("/var/lib"), listing("/etc"), listing(LIBRARIES), texts)
    deployed = history.look_deployed(names["record_dir"], names["name"])[0]
    return Host(names, _is_roots(names["record_dir"]), deployed.files if deployed else {}, texts,
                known | {names["name"]})  # fmt: skip


def files(host: Host) -> list[Thing]:
    """Return everything of the instance that is a file or a directory, and the account."""
    return [*_units(host), *_programs(host), *_scanned(host), *_of_units(host), *_configuration(host), *_state(host),
            *_account(host, read_accounts()), *_records(host)]  # fmt: skip


def listing(path: str) -> list[str]:
    """Return the names in a directory; none when there is none."""
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(path: str) -> FileState | None:
    """Return what is at a path; a link there is what it is."""
    try:
        return look(path)
    except HardeningError:
        return FileState("link", b"", 0, 0, 0, 1)


def _is_roots(path: str) -> bool:
    """Return whether root has a directory there that nobody else may write."""
    state = _read(path)
    return state is not None and state.type == "directory" and state.uid == os.geteuid() and not state.mode & 0o022


def _header(path: str) -> str:
    """Return why a file is not ours by its header; nothing when it is."""
    state = _read(path)
    return "" if state and state.type == "file" and has_header(state.content) else _NOT_OURS


# --- units --------------------------------------------------------------------------------------------------------


def _units(host: Host) -> Iterator[Thing]:
    """Return its unit files, those that only have a name of it, and what was put beside them."""
    known = {*host.own_units, *instances.units_of(host.names)}
    for name in listing(UNIT_PATH):
        if name not in {*known, *host.texts} and instances.is_unit(name) and host.owned(name):
            yield Thing(UNIT_FILES, "unit file", f"{UNIT_PATH}/{name}", _NOT_OURS)
    for name in sorted(known):
        if os.path.lexists(f"{UNIT_PATH}/{name}"):
            yield Thing(
                UNIT_FILES, "unit file", f"{UNIT_PATH}/{name}", "" if name in host.texts else _NOT_OURS, key=name
            )
        for drop_in in listing(f"{UNIT_PATH}/{name}.d"):
            path = f"{UNIT_PATH}/{name}.d/{drop_in}"
            yield Thing(UNIT_FILES, "file", path, _header(path))
        if os.path.isdir(f"{UNIT_PATH}/{name}.d"):
            yield Thing(UNIT_FILES, DIRECTORY, f"{UNIT_PATH}/{name}.d")
        if os.path.lexists(f"{_STAMPS}{name}"):
            yield Thing(UNIT_FILES, "file", f"{_STAMPS}{name}")
    paths = [f"{UNIT_PATH}/{name}" for name in known]
    yield from (Thing(UNIT_FILES, "file", record) for record in transaction.pending(UNIT_PATH, paths))
    yield from _unfinished(host, UNIT_PATH)
    for folder in listing(UNIT_PATH):
        # What enables a unit whose file is gone.
        for name in listing(f"{UNIT_PATH}/{folder}") if folder.endswith((".wants", ".requires")) else []:
            path = f"{UNIT_PATH}/{folder}/{name}"
            if name in known and os.path.islink(path) and not os.path.exists(path):
                yield Thing(UNIT_FILES, "link", path)


def _unfinished(host: Host, folder: str) -> Iterator[Thing]:
    """Return what killed runs left beside files of the instance."""
    for name in listing(folder):
        if name.startswith(".") and name.endswith(_UNFINISHED) and host.owned(name[1:]):
            yield Thing(UNIT_FILES, "file", f"{folder}/{name}")


def _of_units(host: Host) -> Iterator[Thing]:
    """Return the directories that systemd makes for its units; what another instance's unit has, too, stays."""
    kept = [host.names[key] for key in ("home", "record_dir", "config_dir", "backup_dir", "build_record_dir")]
    for name in host.own_units:
        for directive in directives(host.texts[name]):
            top = _MADE_BY_SYSTEMD.get(directive.key)
            for folder in directive.value.split() if top else []:
                if ".." in folder or folder.startswith("/"):
                    continue
                reason = host.used if f"Directory={folder}" in host.others_text else ""
                for path in (f"{top}/{folder}", f"{top}/private/{folder}"):
                    inside = any(f"{one}/".startswith(f"{path}/") or f"{path}/".startswith(f"{one}/") for one in kept)
                    if os.path.lexists(path) and not inside:
                        yield Thing(FILES, "tree", path, reason)


# --- programs -----------------------------------------------------------------------------------------------------


def _programs(host: Host) -> Iterator[Thing]:
    """Return the programs of its units; those that instances share stay with the last one."""
    library, shared = host.names["library"], host.names["shared_library"]
    if library != shared:
        yield from _library(host, library, ())
        if not host.others:
            yield from _library(host, shared, ())
        elif os.path.isdir(shared):
            yield Thing(FILES, DIRECTORY, shared, host.used)
        return
    # What others have in a library of their own is each one's; the rest of the shared one is everybody's.
    others = [instances.names_of(instances.instance_of(project))["library"] for project in host.others]
    each = {name for other in others if other != shared for name in listing(other)}
    yield from _library(host, shared, [name for name in listing(shared) if name not in each] if host.others else ())


def _library(host: Host, library: str, shared: Collection[str]) -> Iterator[Thing]:
    for folder, folders, names in os.walk(library):
        for name in names:
            path = os.path.join(folder, name)
            first = os.path.relpath(path, library).split("/")[0]
            yield Thing(FILES, "file", path, host.used if first in shared else _program(host, path))
        yield from (Thing(FILES, "file", os.path.join(folder, name), _NOT_OURS)
                    for name in folders if os.path.islink(os.path.join(folder, name)))  # fmt: skip
        yield Thing(FILES, DIRECTORY, folder)


def _program(host: Host, path: str) -> str:
    """Return why a file in a library is not ours: with our header, empty, compiled, or named by a unit, it is."""
    state, name = _read(path), os.path.basename(path)
    if state is None or state.type != "file":
        return _NOT_OURS
    ours = has_header(state.content) or not state.content or "__pycache__" in path or path in host.own_paths
    return "" if ours or name in _SETTINGS or name.endswith(_UNFINISHED) else _NOT_OURS


def _scanned(host: Host) -> Iterator[Thing]:
    """Return files elsewhere that have a name of the instance and our header; another user's command is named."""
    for folder in SCANNED:
        yield from _unfinished(host, folder)
        for name in listing(folder):
            path = f"{folder}/{name}"
            if host.owned(name) and (not _header(path) or path == host.names["command"]):
                yield Thing(FILES, "file", path, _header(path))


# --- configuration ------------------------------------------------------------------------------------------------


def _configuration(host: Host) -> Iterator[Thing]:
    names = host.names
    secrets = names["secrets_dir"]
    for folder in (secrets, names["config_dir"]):
        for name in listing(folder):
            path = f"{folder}/{name}"
            if path == secrets and os.path.isdir(path) and not os.path.islink(path):
                continue
            reason = secret(host, path) if folder == secrets else configuration(host, path, _read(path))
            data = path == names["token_file"]
            yield Thing(DATA if data else FILES, "secret" if folder == secrets else "file", path, reason, data)
        if os.path.isdir(folder) and not os.path.islink(folder):
            yield Thing(DATA, DIRECTORY, folder, "" if host.recorded else _NO_RECORD)


def secret(host: Host, path: str) -> str:
    """Return why a file beside the secrets is not ours: a rotation changes ours without a record."""
    ours = path == host.names["token_file"] or os.path.basename(path).startswith("provider_") or path in host.deployed
    ours = (ours or path.endswith(_UNFINISHED)) and stat.S_ISREG(os.lstat(path).st_mode)
    return _NOT_OURS if not ours else "" if host.recorded else _NO_RECORD


def configuration(host: Host, path: str, state: FileState | None) -> str:
    """Return why a file of the configuration stays: not ours, or changed by another user since."""
    if state is None or state.type != "file":
        return _NOT_OURS
    if has_header(state.content) or path.endswith(_UNFINISHED):
        return ""
    own = {
        host.names["definition"],
        host.names["config"],
        *(f"{host.names['config_dir']}/{name}" for name in _CONFIGURATION),
    }
    if path not in own | set(host.deployed):
        return _NOT_OURS
    if not host.recorded:
        return _NO_RECORD
    changed = path in host.deployed and host.deployed[path] != history.fingerprint(state)
    return "not ours any more: it was changed since it was deployed" if changed else ""


# --- data, account, records ---------------------------------------------------------------------------------------


def _state(host: Host) -> Iterator[Thing]:
    reason = "" if host.recorded else _NO_RECORD
    for kind, key in ((STATE, "state_dir"), (HOME, "home")):
        if os.path.lexists(host.names[key]):
            yield Thing(
                DATA, kind, host.names[key], reason or ("" if os.path.isdir(host.names[key]) else _NOT_OURS), data=True
            )


def _account(host: Host, known: Accounts) -> Iterator[Thing]:
    """Return account and group: ours with our home and no login, and as long as nothing else is in the group."""
    name = host.names["name"]
    account, group = known.accounts.get(name), known.groups.get(name)
    reason = "" if host.recorded else _NO_RECORD
    if account is not None:
        ours = account.home == host.names["home"] and os.path.basename(account.shell) in REFUSING_SHELLS
        reason = reason if ours else f"not ours: home {account.home}, shell {account.shell}"
        yield Thing(ACCOUNT, "account", name, reason, data=True)
    if group is not None:
        others = {*group.members, *known.primary_users(group.gid)} - {name}
        yield Thing(ACCOUNT, "group", name, f"used by {listed(sorted(others))}" if others else reason, data=True)


def uid_of(host: Host) -> int:
    """Return the number of the account, or 0 when there is none of ours."""
    known = read_accounts()
    ours = [thing for thing in _account(host, known) if thing.kind == "account" and not thing.reason]
    return known.accounts[host.names["name"]].uid if ours else 0


def _records(host: Host) -> Iterator[Thing]:
    """Return the records; as long as data is kept, one stays that proves whose it is."""
    for key in ("record_dir", "build_record_dir"):
        folder = host.names[key]
        if not _is_roots(folder):
            continue
        for name in listing(folder):
            kept = key == "record_dir" and name in _KEPT_RECORDS
            yield Thing(RECORDS, "lock" if name.endswith(".lock") else "record", f"{folder}/{name}", data=kept)
        yield Thing(RECORDS, DIRECTORY, folder)


def standing(host: Host, backup_dir: str) -> Iterator[Thing]:
    """Return what a removal never touches, as far as it is there."""
    if os.path.isdir(backup_dir):
        yield Thing(RECORDS, "backups", backup_dir, "backups are never removed with what they are of")
    for project in host.others:
        yield Thing(RECORDS, "instance", project, "another instance")
    for name in _PACKAGES:
        if os.path.exists(f"/var/lib/dpkg/info/{name}.list"):
            yield Thing(RECORDS, "package", name, _MAY_BE_USED)
    for path in _OF_DOCKER:
        if os.path.exists(path):
            yield Thing(RECORDS, "file", path, _MAY_BE_USED)
