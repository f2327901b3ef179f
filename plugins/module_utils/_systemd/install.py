# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install a set of units all or nothing: carry the plan out, confirm it, or put back what was there."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed, transaction
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import DirectoryState
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import (
    UnitStatus,
    exposures,
    journal,
    show,
    systemctl,
    within,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.unit_set import (
    Current,
    ManagedDirectory,
    Plan,
    UnitSet,
)

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_POLL = 0.3  # seconds
_AS_BEFORE = "files and units are as they were before this run"
_AS_CONFIRMED = "files and units are as they were before the run that was killed"


def refuse_places(wanted: UnitSet, plan: Plan) -> None:
    """Refuse, before the first change, places that nothing can be written to; check mode cannot know them yet."""
    own = {item.path for item in wanted.directories}
    for path in [*(item.path for item in plan.directories), *(file.path for file in plan.write)]:
        parent = posixpath.dirname(path)
        if parent in own:
            continue
        if parent != "/" and managed.look_directory(parent) is None:
            raise HardeningError(path, f"no directory {parent}", "its directory to exist, or in 'directories'")
        if any(path == file.path for file in plan.write):
            managed.vet_parents(path)


def act(
    module: AnsibleModule, wanted: UnitSet, found: Current, plan: Plan, check: Callable[[], object]
) -> tuple[dict[str, UnitStatus], dict[str, float], dict[str, str]]:
    """Carry out the plan; on any failure put back the files and the state that were confirmed last, and fail.

    A run that fails is reported and changes nothing of that: what it found wrong need not be the set's fault.

    :param check: refuses the set before anything changes.
    :return: the units, their exposures, and what is wrong with the runs of :attr:`Plan.run`.
    """
    begun: set[str] = set()
    try:
        refuse_places(wanted, plan)
        check()
        units, measured = _apply(module, wanted, plan, begun)
    except BaseException as error:
        restored = _restore(module, wanted, found, plan, begun)
        if isinstance(error, HardeningError):
            error.details["restored"] = restored
        raise
    failures = run_once(module, wanted, found, plan)
    records = {transaction.record(wanted.directory, wanted.names), *found.records}
    transaction.commit(sorted(records), (*plan.touched, *plan.clean))
    return show(module, wanted.names) if plan.run else units, measured, failures


def _apply(
    module: AnsibleModule, wanted: UnitSet, plan: Plan, begun: set[str]
) -> tuple[dict[str, UnitStatus], dict[str, float]]:
    """Carry out the plan; ``begun`` gets each step that may have an effect on systemd before it is taken."""

    def step(verb: str, names: tuple[str, ...]) -> None:
        if names:
            begun.add(verb)
            systemctl(module, verb, names)

    for item in plan.directories:
        managed.ensure_directory(item.path, item.mode, item.uid, item.gid)
    step("stop", plan.stop)
    step("disable", plan.disable)
    if plan.write or plan.remove:
        place = transaction.record(wanted.directory, wanted.names)
        transaction.exchange(place, plan.write, plan.remove, unconfirmed=plan.commit)
    if plan.reload:
        systemctl(module, "daemon-reload")
        begun.add("reload")  # a refused one has none
    step("enable", plan.enable)
    step("reenable", plan.reenable)
    # Whatever can be checked is checked while the old set still runs.
    units = show(module, wanted.names)
    measured = _check_installed(module, wanted, units)
    if plan.reset:
        systemctl(module, "reset-failed", plan.reset, check=False)
    step("restart", plan.restart)
    step("start", plan.start)
    if plan.restart or plan.start:
        units = show(module, wanted.names)
    _check_running(module, wanted, units)
    return units, measured


def run_once(module: AnsibleModule, wanted: UnitSet, found: Current, plan: Plan) -> dict[str, str]:
    """Run services once, each by what is installed now, and wait; return what is wrong with the runs, by unit."""
    end = time.monotonic() + wanted.run_timeout
    # A run that had begun before is waited for, and is not the one that counts.
    names = plan.run
    for _attempt in range(2):
        if not names:
            break
        systemctl(module, "start", names, check=False, block=False)
        units = show(module, plan.run)
        while not all(units[name].idle for name in plan.run) and time.monotonic() < end:
            time.sleep(_POLL)
            units = show(module, plan.run)
        names = tuple(name for name in names if units[name].invocation == found.units[name].invocation)
    failures: dict[str, str] = {}
    for name in plan.run:
        status = units[name]
        if not status.idle:
            failures[name] = f"its run had not ended after {wanted.run_timeout} seconds"
        elif name in names:
            failures[name] = f"it did not run ({status.active_state})"
        elif status.active_state == "failed" or status.result != "success":
            failures[name] = f"its run ended with {status.result} (exit status {status.exit_status})"
    return failures


# --- confirm ------------------------------------------------------------------------------------------------------


def confirm(module: AnsibleModule, wanted: UnitSet, units: Mapping[str, UnitStatus]) -> dict[str, float]:
    """Refuse a set that is not in effect as installed; return the exposures in effect."""
    measured = _check_installed(module, wanted, units)
    _check_running(module, wanted, units)
    return measured


def _check_installed(module: AnsibleModule, wanted: UnitSet, units: Mapping[str, UnitStatus]) -> dict[str, float]:
    """Refuse units that systemd reads from elsewhere, that are not enabled, or that a drop-in exposes."""
    if not wanted.present:
        return {}
    for name, status in units.items():
        if status.fragment != wanted.path(name):
            where = status.fragment or "nothing"
            raise HardeningError(name, f"{where} in effect", f"{wanted.path(name)} in effect; remove what hides it")
        if name in wanted.enabled and not status.enabled:
            raise HardeningError(name, f"state {status.unit_file_state!r}", "a unit that [Install] enables", "units")
    found = exposures(module, wanted.exposure_limits)
    within(found, wanted.exposure_limits, _hint(units))
    return found


def _check_running(module: AnsibleModule, wanted: UnitSet, units: Mapping[str, UnitStatus]) -> None:
    """Refuse a unit that does not run although it should."""
    for name in sorted(wanted.started) if wanted.present else ():
        status = units[name]
        # A oneshot service is inactive when its work is done; it must only not have failed.
        if status.active_state == "failed" or not (status.active or name.endswith(".service")):
            state = f"{status.active_state} ({status.sub_state})"
            raise HardeningError(name, state, "a unit that keeps running", journal=journal(module, [name]))


def _hint(units: Mapping[str, UnitStatus]) -> str:
    drop_ins = [path for status in units.values() for path in status.drop_ins]
    return f" with {', '.join(drop_ins)}" if drop_ins else ""


# --- put back -----------------------------------------------------------------------------------------------------


def _restore(module: AnsibleModule, wanted: UnitSet, found: Current, plan: Plan, begun: set[str]) -> list[str]:
    """Put back the files and states that were confirmed last; report what did not work, and go on with the rest.

    Nothing is asked of systemd about a step that was not begun: a timer that was not touched keeps its next elapse.
    """
    report: list[str] = []
    # What the killed run installed for the first time was neither active nor enabled before.
    fresh = {name for name in wanted.names if found.kept.get(wanted.path(name), True) is None}
    active = {name for name in wanted.names if found.units[name].active} - fresh
    enabled = {name for name in wanted.names if found.units[name].enabled} - fresh
    started = set(plan.start) if "start" in begun else set()
    # Whether the killed run had restarted any, nobody knows.
    restarted = {*(plan.restart if "restart" in begun or found.pending else ()), *plan.stop}
    relinked = {*plan.reenable, *plan.disable} if found.pending or {"reenable", "disable"} & begun else set()

    def attempt(step: Callable[[], object]) -> object:
        try:
            return step()
        except (HardeningError, OSError) as error:
            report.append(f"not restored: {error}")
            return None

    def ask(verb: str, names: Collection[str]) -> None:
        if names:
            attempt(lambda: systemctl(module, verb, names))

    ask("stop", (started | fresh) - active)
    ask("disable", (set(plan.enable if "enable" in begun else ()) | fresh) - enabled)
    changes: dict[str, tuple[str, ...]] = {}
    attempt(lambda: changes.update(transaction.pending(wanted.directory, plan.touched)))
    recorded = list(dict.fromkeys(path for paths in changes.values() for path in paths))
    moved = [path for path in recorded if attempt(partial(transaction.put_back, path))]
    for item in reversed(plan.directories):
        attempt(partial(_directory_back, item, found.directories[item.path]))
    if found.pending or "reload" in begun:
        attempt(lambda: systemctl(module, "daemon-reload"))
    elif any(posixpath.dirname(path) == wanted.directory for path in moved):
        # systemd was not asked, or refused, and knows the old files: only to be sure.
        systemctl(module, "daemon-reload", check=False)
    if started or restarted:
        systemctl(module, "reset-failed", started | restarted, check=False)
    ask("reenable", relinked & enabled)
    if restarted & active:
        now = show(module, wanted.names)
        same = {name for name in active if now[name].active and now[name].invocation == found.units[name].invocation}
        ask("restart", restarted & active - (set() if found.pending else same))
    if not report:
        attempt(lambda: transaction.commit(changes, (*recorded, *plan.clean)))
    return report or [_AS_CONFIRMED if found.pending else _AS_BEFORE]


def _directory_back(item: ManagedDirectory, before: DirectoryState | None) -> None:
    if before is None:
        managed.remove_directory(item.path)
    else:
        managed.ensure_directory(item.path, before.mode, before.uid, before.gid)
