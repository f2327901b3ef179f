# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the options of a module to a wanted set of units."""

from __future__ import annotations

from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    integer,
    listed,
    octal_mode,
    own_path,
    shown,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files.options import managed_files, owner
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import (
    UNIT_PATH,
    Unit,
    unit_content,
    unit_name,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.unit_set import ManagedDirectory, UnitSet


def wanted_set(params: dict[str, Any]) -> UnitSet:
    """Read the options; refuse what cannot be meant."""
    units = tuple(
        Unit(unit_name("units", item["name"]), unit_content("units", item["name"], item["content"]))
        for item in params["units"]
    )
    names = [unit.name for unit in units]
    if not names or len(set(names)) != len(names):
        raise HardeningError("units", listed(names) or "no unit", "at least one unit, and each only once", "units")
    files = managed_files(params)
    paths = [file.path for file in files]
    twice = {path for path in paths if paths.count(path) > 1} | {path for path in paths if path.startswith(UNIT_PATH)}
    if twice:
        raise HardeningError("files", listed(sorted(twice)), "each path once, and none among the unit files", "files")
    for option in ("enabled", "started", "run"):
        unknown = sorted(set(params[option]) - set(names))
        if unknown:
            raise HardeningError(option, listed(unknown), f"only units of the set ({listed(names)})", option)
    others = sorted(name for name in params["run"] if not name.endswith(".service"))
    if others:
        raise HardeningError("run", listed(others), "only services, which end by themselves", "run")
    return UnitSet(
        directory=params["directory"],
        units=units,
        files=files,
        directories=tuple(
            ManagedDirectory(
                own_path("directories", item["path"]),
                octal_mode("directories", item["mode"]),
                *owner("directories", item),
            )
            for item in params["directories"]
        ),
        enabled=frozenset(params["enabled"]),
        started=frozenset(params["started"]),
        exposure_limits=exposure_limits(params["exposure_limits"], units),
        restart_on_change=params["restart_on_change"],
        run=tuple(dict.fromkeys(params["run"])),
        run_timeout=integer("run_timeout", params["run_timeout"], 1, 3600),
        present=params["state"] == "present",
        refuse_foreign=params.get("refuse_foreign", False),
    )


def exposure_limits(limits: dict[str, Any], units: tuple[Unit, ...]) -> dict[str, float]:
    """Read the exposure limits."""
    found: dict[str, float] = {}
    services = {unit.name for unit in units if unit.kind == "service"}
    for name, value in limits.items():
        try:
            found[name] = float(value)
        except (OverflowError, TypeError, ValueError):
            found[name] = -1.0
        if name not in services or not 0 <= found[name] <= 10:
            raise HardeningError(
                "exposure_limits",
                f"{shown(name)}: {shown(value)}",
                f"a number from 0 to 10 for a service of the set ({listed(sorted(services)) or 'it has none'})",
                "exposure_limits",
            )
    return found
