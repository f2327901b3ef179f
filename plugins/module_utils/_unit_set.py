# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A set of units and the files they need, as one thing: look, decide, act, and put back what was there."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils import _files
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files import DirectoryState, FileState, ManagedFile
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import (
    Unit,
    UnitStatus,
    exposures,
    install_section,
    journal,
    show,
    systemctl,
    within,
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
    present: bool = True

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
class Found:
    """What is there now."""

    files: Mapping[str, FileState | None]
    directories: Mapping[str, DirectoryState | None]
    units: Mapping[str, UnitStatus]


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

    @property
    def actions(self) -> list[str]:
        """One line for each change."""
        lines = [f"correct directory {directory.path}" for directory in self.directories]
        lines += [f"stop {name}" for name in self.stop] + [f"disable {name}" for name in self.disable]
        lines += [f"remove {path}" for path in self.remove] + [f"write {file.path}" for file in self.write]
        lines += ["reload systemd"] if self.reload else []
        lines += [f"enable {name}" for name in (*self.enable, *self.reenable)]
        return lines + [f"restart {name}" for name in self.restart] + [f"start {name}" for name in self.start]


# --- look ---------------------------------------------------------------------------------------------------------


def look(module: AnsibleModule, wanted: UnitSet) -> Found:
    """Read files and directories, and ask the service manager once."""
    return Found(
        files={file.path: _files.look(file.path) for file in wanted.all_files},
        directories={item.path: _files.look_directory(item.path) for item in wanted.directories},
        units=show(module, wanted.names),
    )


# --- decide (pure) ------------------------------------------------------------------------------------------------


def decide(wanted: UnitSet, found: Found) -> Plan:
    """Compare and say what has to be done."""
    return _present(wanted, found) if wanted.present else _absent(wanted, found)


def _present(wanted: UnitSet, found: Found) -> Plan:
    write = tuple(file for file in wanted.all_files if _files.differences(found.files[file.path], file))
    paths = {file.path for file in write}
    changed = {unit.name for unit in wanted.units if wanted.path(unit.name) in paths}
    # A program or a setting is read when a service starts; a timer does not care.
    affected = {unit.name for unit in wanted.units if unit.kind == "service"} if paths - _unit_paths(wanted) else set()
    running = {name for name in wanted.started if found.units[name].active}
    restart = running & (changed | affected) if wanted.restart_on_change else set()
    disabled = {name for name in wanted.enabled if not found.units[name].enabled}
    return Plan(
        directories=tuple(
            item
            for item in wanted.directories
            if _files.directory_differs(found.directories[item.path], item.mode, item.uid, item.gid)
        ),
        write=write,
        reload=bool(changed) or any(status.needs_reload for status in found.units.values()),
        enable=tuple(sorted(disabled)),
        reenable=tuple(
            sorted(name for name in (wanted.enabled & changed) - disabled if _relinked(wanted, found, name))
        ),
        restart=tuple(sorted(restart)),
        start=tuple(sorted(wanted.started - running)),
    )


def _absent(wanted: UnitSet, found: Found) -> Plan:
    remove = tuple(file.path for file in reversed(wanted.all_files) if found.files[file.path] is not None)
    return Plan(
        stop=tuple(name for name in wanted.names if found.units[name].active),
        disable=tuple(name for name in wanted.names if found.units[name].enabled),
        remove=remove,
        reload=bool(_unit_paths(wanted) & set(remove)) or any(status.needs_reload for status in found.units.values()),
    )


def _unit_paths(wanted: UnitSet) -> set[str]:
    return {wanted.path(name) for name in wanted.names}


def _relinked(wanted: UnitSet, found: Found, name: str) -> bool:
    """Tell whether an enabled unit's links belong to an older [Install] section."""
    existing = found.files[wanted.path(name)]
    before = existing.content.decode("utf-8", "replace") if existing else ""
    return any(install_section(unit.content) != install_section(before) for unit in wanted.units if unit.name == name)


def diff(wanted: UnitSet, found: Found, plan: Plan) -> list[dict[str, str]]:
    """Describe the change file by file, and then unit by unit."""
    entries = [_files.diff_entry(found.files[file.path], file) for file in plan.write]
    gone = [file for file in wanted.all_files if file.path in plan.remove]
    entries += [{**_files.diff_entry(found.files[file.path], file), "after": ""} for file in gone]
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


# --- act ----------------------------------------------------------------------------------------------------------


def refuse_places(wanted: UnitSet, plan: Plan) -> None:
    """Refuse, before the first change, places that nothing can be written to; check mode cannot know them yet."""
    own = {item.path for item in wanted.directories}
    for path in [*(item.path for item in plan.directories), *(file.path for file in plan.write)]:
        parent = posixpath.dirname(path)
        if parent in own:
            continue
        if parent != "/" and _files.look_directory(parent) is None:
            raise HardeningError(path, f"no directory {parent}", "its directory to exist, or in 'directories'")
        if any(path == file.path for file in plan.write):
            _files.vet_parents(path)


def act(
    module: AnsibleModule, wanted: UnitSet, found: Found, plan: Plan
) -> tuple[dict[str, UnitStatus], dict[str, float]]:
    """Carry out the plan; on any failure put back the files and the state that were there, and fail."""
    refuse_places(wanted, plan)
    try:
        _apply(module, plan)
        units = show(module, wanted.names)
        return units, confirm(module, wanted, units)
    except HardeningError as error:
        error.details["restored"] = _restore(module, wanted, found, plan)
        raise


def _apply(module: AnsibleModule, plan: Plan) -> None:
    for item in plan.directories:
        _files.ensure_directory(item.path, item.mode, item.uid, item.gid)
    _each(module, "stop", plan.stop)
    _each(module, "disable", plan.disable)
    for path in plan.remove:
        _files.remove(path)
    for file in plan.write:
        _files.write(file)
    if plan.reload:
        systemctl(module, "daemon-reload")
    _each(module, "enable", plan.enable)
    _each(module, "reenable", plan.reenable)
    _each(module, "restart", plan.restart)
    _each(module, "start", plan.start)


def _each(module: AnsibleModule, verb: str, names: tuple[str, ...]) -> None:
    if names:
        systemctl(module, verb, names)


def confirm(module: AnsibleModule, wanted: UnitSet, units: Mapping[str, UnitStatus]) -> dict[str, float]:
    """Refuse a set that is not in effect as installed; return the exposures in effect."""
    if not wanted.present:
        return {}
    for name, status in units.items():
        _judge(module, wanted, name, status)
    found = exposures(module, wanted.exposure_limits)
    within(found, wanted.exposure_limits, _hint(units))
    return found


def _hint(units: Mapping[str, UnitStatus]) -> str:
    drop_ins = [path for status in units.values() for path in status.drop_ins]
    return f" with {', '.join(drop_ins)}" if drop_ins else ""


def _judge(module: AnsibleModule, wanted: UnitSet, name: str, status: UnitStatus) -> None:
    """Refuse a unit that systemd reads from elsewhere, or that does not run although it should."""
    if status.fragment != wanted.path(name):
        where = status.fragment or "nothing"
        raise HardeningError(name, f"{where} in effect", f"{wanted.path(name)} in effect; remove what hides it")
    if name in wanted.enabled and not status.enabled:
        raise HardeningError(name, f"state {status.unit_file_state!r}", "a unit that [Install] enables", "units")
    # A oneshot service is inactive when its work is done; it must only not have failed.
    if name in wanted.started and (status.active_state == "failed" or not (status.active or name.endswith(".service"))):
        state = f"{status.active_state} ({status.sub_state})"
        raise HardeningError(name, state, "a unit that keeps running", journal=journal(module, [name]))


def _restore(module: AnsibleModule, wanted: UnitSet, found: Found, plan: Plan) -> list[str]:
    """Put back the files and states that were there; report what did not work, and go on with the rest."""
    report: list[str] = []

    def attempt(step: Callable[[], object]) -> None:
        try:
            step()
        except HardeningError as error:
            report.append(f"not restored: {error}")

    def was(names: Iterable[str], condition: Callable[[UnitStatus], bool]) -> tuple[str, ...]:
        return tuple(name for name in names if condition(found.units[name]))

    attempt(lambda: _each(module, "stop", was(plan.start, lambda status: not status.active)))
    attempt(lambda: _each(module, "disable", was(plan.enable, lambda status: not status.enabled)))
    for path in (*(file.path for file in plan.write), *plan.remove):
        attempt(partial(_put_back, path, found.files[path]))
    attempt(lambda: systemctl(module, "daemon-reload"))
    systemctl(module, "reset-failed", wanted.started, check=False)
    attempt(lambda: _each(module, "reenable", was((*plan.disable, *plan.reenable), lambda status: status.enabled)))
    attempt(lambda: _each(module, "restart", was((*plan.restart, *plan.stop), lambda status: status.active)))
    return report or ["files and units are as they were before this run"]


def _put_back(path: str, existing: FileState | None) -> None:
    if existing is None:
        _files.remove(path)
    else:
        _files.write(ManagedFile(path, existing.content, existing.mode, existing.uid, existing.gid))
