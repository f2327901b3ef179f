# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A set of units and the files they need, as one thing: what is wanted, what is there, and what has to be done."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed, transaction
from ansible_collections.openclaw.hardening.plugins.module_utils._files.header import has_header
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    DirectoryState,
    FileState,
    ManagedFile,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.regular import regular
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import (
    Unit,
    UnitStatus,
    install_section,
    show,
)

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


@dataclass(frozen=True)
class ManagedDirectory:
    """A directory as it should be; it is never removed."""

    path: str
    mode: int
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class UnitSet:
    """The units as they should be."""

    directory: str
    units: tuple[Unit, ...]
    files: tuple[ManagedFile, ...] = ()
    directories: tuple[ManagedDirectory, ...] = ()
    enabled: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    exposure_limits: Mapping[str, float] = field(default_factory=dict)
    restart_on_change: bool = True
    run: tuple[str, ...] = ()
    run_timeout: int = 300
    present: bool = True
    # Whether only what has this collection's header, or is in a directory of the set, may be replaced or removed.
    refuse_foreign: bool = False

    def path(self, name: str) -> str:
        """Where a unit file lies."""
        return posixpath.join(self.directory, name)

    @property
    def names(self) -> list[str]:
        """All units, sorted."""
        return sorted(unit.name for unit in self.units)

    @property
    def all_files(self) -> tuple[ManagedFile, ...]:
        """The files, and the units as files: in the order in which they are written."""
        return (*self.files, *(ManagedFile(self.path(unit.name), unit.content.encode(), 0o644) for unit in self.units))


@dataclass(frozen=True)
class Current:
    """What is there now.

    Of a run that was killed: the records of its change, the paths in them, what is kept of those that belong to this
    set, and paths beside which it left something else.
    """

    files: Mapping[str, FileState | None]
    directories: Mapping[str, DirectoryState | None]
    units: Mapping[str, UnitStatus]
    records: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    kept: Mapping[str, FileState | None] = field(default_factory=dict)
    stale_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What has to be done, in this order."""

    directories: tuple[ManagedDirectory, ...] = ()
    stop: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    write: tuple[ManagedFile, ...] = ()
    reload: bool = False
    enable: tuple[str, ...] = ()
    reenable: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    # Those of them that failed before, so that systemd may have stopped trying.
    reset: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    commit: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()

    @property
    def touched(self) -> tuple[str, ...]:
        """The files that will not be what was confirmed last."""
        return tuple(dict.fromkeys((*(file.path for file in self.write), *self.remove, *self.commit)))

    @property
    def actions(self) -> list[str]:
        """One line for each change."""
        lines = [f"finish what a killed run began at {path}" for path in self.commit]
        lines += [f"remove what a killed run left beside {path}" for path in self.clean]
        lines += [f"correct directory {directory.path}" for directory in self.directories]
        lines += [f"stop {name}" for name in self.stop] + [f"disable {name}" for name in self.disable]
        lines += [f"remove {path}" for path in self.remove] + [f"write {file.path}" for file in self.write]
        lines += ["reload systemd"] if self.reload else []
        lines += [f"enable {name}" for name in (*self.enable, *self.reenable)]
        lines += [f"restart {name}" for name in self.restart] + [f"start {name}" for name in self.start]
        return lines + [f"run {name}" for name in self.run]


# --- look ---------------------------------------------------------------------------------------------------------


def look(module: AnsibleModule, wanted: UnitSet) -> Current:
    """Read files and directories, and ask the service manager once."""
    paths = [file.path for file in wanted.all_files]
    own_record = transaction.record(wanted.directory, wanted.names)
    records = transaction.pending(wanted.directory, paths)
    pending = tuple(dict.fromkeys(path for listed in records.values() for path in listed))
    return Current(
        files={path: managed.look(path) for path in paths},
        directories={item.path: managed.look_directory(item.path) for item in wanted.directories},
        units=show(module, wanted.names),
        records=tuple(records),
        pending=pending,
        kept={path: transaction.kept(path) for path in paths if path in pending},
        stale_files=tuple(path for path in transaction.stale_files([*paths, own_record]) if path not in pending),
    )


def foreign(wanted: UnitSet, found: Current) -> list[str]:
    """Describe the files and units of the set's names that another user made; nothing unless it is asked for."""
    if not wanted.refuse_foreign:
        return []
    own = {item.path for item in wanted.directories}
    result = []
    for file in wanted.all_files:
        there = found.files[file.path]
        if there is None or posixpath.dirname(file.path) in own or file.path in found.pending:
            continue
        if there.content != file.content and not has_header(there.content):
            result.append(f"{there.type} {file.path} of uid {there.uid}, which this collection did not write")
    for name, status in found.units.items():
        if status.fragment and status.fragment != wanted.path(name) and not _ours(status.fragment):
            result.append(f"unit {name} in {status.fragment}, which this collection did not write")
    return result


def _ours(path: str) -> bool:
    """Return whether a unit file, wherever it lies, has our header; a link of systemd's is followed."""
    try:
        with regular(path) as file:
            return has_header(file.read(4096))
    except OSError:
        return False


# --- decide (pure) ------------------------------------------------------------------------------------------------


def decide(wanted: UnitSet, found: Current) -> Plan:
    """Compare and say what has to be done."""
    return _present(wanted, found) if wanted.present else _absent(wanted, found)


def _present(wanted: UnitSet, found: Current) -> Plan:
    write = tuple(file for file in wanted.all_files if managed.differences(found.files[file.path], file))
    # What a killed run put in place is not in effect yet, as far as anybody knows.
    paths = {file.path for file in write} | set(found.pending)
    changed = {unit.name for unit in wanted.units if wanted.path(unit.name) in paths}
    # A program or a setting is read when a service starts; a timer does not care.
    affected = {unit.name for unit in wanted.units if unit.kind == "service"} if paths - _unit_paths(wanted) else set()
    running = {name for name in wanted.started if found.units[name].active}
    restart = running & (changed | affected) if wanted.restart_on_change else set()
    disabled = {name for name in wanted.enabled if not found.units[name].enabled}
    # A timer that is installed and neither enabled nor started is off.
    off = {unit.name for unit in wanted.units if unit.kind == "timer"} - wanted.started - wanted.enabled
    failed = {name for name, status in found.units.items() if status.active_state == "failed"}
    # What failed may have failed by what is right by now: only another run reports.
    run = wanted.run if paths or failed & set(wanted.run) else ()
    return Plan(
        directories=tuple(
            item
            for item in wanted.directories
            if managed.directory_differs(found.directories[item.path], item.mode, item.uid, item.gid)
        ),
        stop=tuple(sorted(name for name in off if found.units[name].active)),
        disable=tuple(sorted(name for name in off if found.units[name].enabled)),
        write=write,
        reload=bool(changed) or any(status.needs_reload for status in found.units.values()),
        enable=tuple(sorted(disabled)),
        reenable=tuple(
            sorted(name for name in (wanted.enabled & changed) - disabled if _relinked(wanted, found, name))
        ),
        restart=tuple(sorted(restart)),
        start=tuple(sorted(wanted.started - running)),
        reset=tuple(sorted(failed & {*wanted.started, *run})),
        run=run,
        commit=found.pending,
        clean=found.stale_files,
    )


def _absent(wanted: UnitSet, found: Current) -> Plan:
    remove = tuple(file.path for file in reversed(wanted.all_files) if found.files[file.path] is not None)
    return Plan(
        stop=tuple(name for name in wanted.names if found.units[name].active),
        disable=tuple(name for name in wanted.names if found.units[name].enabled),
        remove=remove,
        reload=bool(_unit_paths(wanted) & {*remove, *found.pending})
        or any(status.needs_reload for status in found.units.values()),
        commit=found.pending,
        clean=found.stale_files,
    )


def _unit_paths(wanted: UnitSet) -> set[str]:
    return {wanted.path(name) for name in wanted.names}


def _relinked(wanted: UnitSet, found: Current, name: str) -> bool:
    """Return whether an enabled unit's links may belong to an older [Install] section."""
    if wanted.path(name) in found.pending:
        return True
    existing = found.files[wanted.path(name)]
    before = existing.content.decode("utf-8", "replace") if existing else ""
    return any(install_section(unit.content) != install_section(before) for unit in wanted.units if unit.name == name)


def diff(wanted: UnitSet, found: Current, plan: Plan) -> list[dict[str, str]]:
    """Describe the change file by file, and then unit by unit."""
    entries = [managed.diff_entry(found.files[file.path], file) for file in plan.write]
    gone = [file for file in wanted.all_files if file.path in plan.remove]
    entries += [{**managed.diff_entry(found.files[file.path], file), "after": ""} for file in gone]
    for name in wanted.names:
        status = found.units[name]
        before = f"enabled: {_word(status.enabled)}\nactive: {_word(status.active)}\n"
        enabled = (status.enabled or name in plan.enable) and name not in plan.disable
        active = (status.active or name in plan.start) and name not in plan.stop
        after = f"enabled: {_word(enabled)}\nactive: {_word(active)}\n"
        if before != after:
            entries.append({"before_header": name, "after_header": name, "before": before, "after": after})
    return entries


def _word(value: bool) -> str:
    return "yes" if value else "no"
