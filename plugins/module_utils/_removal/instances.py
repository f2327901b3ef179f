# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which instances have something on a host, and whose a name is: those of one instance begin like those of another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ansible_collections.openclaw.hardening.plugins.module_utils import _instance
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import SECTIONS

_FIRST = "openclaw"
_HARDENING = "-hardening"


def names_of(instance: str, option: str = "instance") -> dict[str, str]:
    """Return the names and paths of an instance."""
    return {key: text for key, text in _instance.names(instance, option).items() if isinstance(text, str)}


def instance_of(project: str) -> str:
    """Return the instance of a Compose project, or nothing when no instance has one of that name."""
    instance = project[len(_FIRST) + 1 :] if project.startswith(f"{_FIRST}-") else project
    try:
        names = names_of(instance)
    except HardeningError:
        return ""
    return instance if names["name"] == project else ""


def is_unit(name: str) -> bool:
    """Return whether a name is that of a unit."""
    return "/" not in name and name.endswith(tuple(f".{kind}" for kind in SECTIONS))


def units_of(names: Mapping[str, str]) -> frozenset[str]:
    """Return the units that the filter ``instance`` names."""
    return frozenset(filter(is_unit, names.values()))


def projects(
    records: Iterable[str], configurations: Iterable[str], libraries: Iterable[str], units: Iterable[str]
) -> frozenset[str]:
    """Return the projects that have something on a host, deployed or not.

    :param records: names in /var/lib.
    :param configurations: names in /etc.
    :param libraries: names in /usr/local/lib.
    :param units: names of unit files with our header.
    """
    found = {name[: -len(_HARDENING)] for name in (*records, *libraries) if name.endswith(_HARDENING)}
    found |= {name for name in configurations if name.startswith(_FIRST)}
    suffixes = [unit[len(_FIRST) :] for unit in units_of(names_of(_FIRST))]
    found |= {unit[: -len(suffix)] for unit in units for suffix in suffixes if unit.endswith(suffix)}
    return frozenset(project for project in found if instance_of(project))


def owner(name: str, known: Collection[str]) -> str:
    """Return the project whose thing has this name, or nothing: an exact name first, then the longest beginning."""
    for project in known:
        if name in units_of(names_of(instance_of(project))):
            return project
    fitting = [
        project for project in known if name == project or name.startswith(tuple(f"{project}{sign}" for sign in "-._"))
    ]
    return max(fitting, key=len, default="")
