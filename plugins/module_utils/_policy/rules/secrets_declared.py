# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a definition shows of secrets: by the names of variables, and by values that give themselves away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import Result, verdict
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.patterns import (
    in_arguments,
    in_environment,
    in_text,
)

_MANY = 8


def _some(names: Iterable[str]) -> list[str]:
    """Name the first few, and count the rest."""
    names = list(names)
    return [*names[:_MANY], *([f"{len(names) - _MANY} more places"] if len(names) > _MANY else [])]


def ask_environment(settings: Settings, _allowed: Baseline) -> Result:
    """A definition hands no secret over in variables or labels: ``docker inspect`` shows both."""
    places: dict[str, Mapping[str, str]] = {
        "variable": settings.environment,
        "label": settings.labels,
        "annotation": settings.annotations,
        "logging option": settings.log_options,
        "build argument": settings.build_arguments,
        **{f"{hook.place} variable": hook.environment for hook in settings.hooks},
    }
    names = [f"{place} {name}" for place, values in places.items() for name in in_environment(values)]
    names += [f"the content of config {name}" for name, text in settings.contents.items() if in_text(text)]
    evidence = [(settings.source, f"{name}: set") for name in names[:_MANY]]
    count = f"{len(settings.environment)} variables and {len(settings.labels)} labels, none of them a secret"
    return verdict([f"a secret in {name}" for name in _some(names)], count, *(evidence or [(settings.source, count)]))


def ask_arguments(settings: Settings, _allowed: Baseline) -> Result:
    """A definition puts no secret on a command line."""
    lines = {
        "entrypoint and command": (*settings.entrypoint, *settings.command),
        "health check": settings.healthcheck,
    }
    found = [f"{name} of the {line}" for line, argv in lines.items() for name in in_arguments(argv)]
    found += [f"{name} of {hook.place}" for hook in settings.hooks for name in in_arguments(hook.command)]
    return verdict(
        [f"a secret in {name}" for name in _some(found)],
        "no secret in entrypoint, command, health check or hooks",
        (settings.source, ", ".join(_some(found)) or "none"),
    )
