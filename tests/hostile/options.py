"""Every option of every module, read from its documentation, and how a value is put into a request at its place."""

from __future__ import annotations

import copy
import functools
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab_host import CHECKOUT, TOOLS

COLLECTION = "openclaw.hardening"
_MODULES = sorted((CHECKOUT / "plugins/modules").glob("*.py"))
# What runs on a host, and what is an action of the controller and has no more than its documentation there.
ON_HOST = [path.stem for path in _MODULES if "\ndef main(" in path.read_text()]
ON_CONTROLLER = [path.stem for path in _MODULES if path.stem not in ON_HOST]
# In a dictionary whose keys are the caller's: the name of its first entry, and what that holds.
KEY, VALUE = "<key>", "<value>"


@dataclass(frozen=True)
class Place:
    """Where in a request of a module a value stands."""

    module: str
    path: tuple[str | int, ...]

    def __str__(self) -> str:
        """Write it as an operator would: ``files[0].mode``."""
        text = "".join(
            f"[{step}]" if isinstance(step, int) or step in (KEY, VALUE) else f".{step}" for step in self.path
        )
        return text.removeprefix(".")

    @property
    def names(self) -> list[str]:
        """The names of options on the way, any of which reports an operator where to look."""
        return [step for step in self.path if isinstance(step, str) and step not in (KEY, VALUE)]


@functools.cache
def documented() -> dict[str, dict[str, Any]]:
    """Return the options of each module."""
    argv = [
        str(TOOLS / "ansible-doc"),
        "--json",
        "--type",
        "module",
        *(f"{COLLECTION}.{name}" for name in (*ON_HOST, *ON_CONTROLLER)),
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")}
    answer = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=True)
    return {name.rpartition(".")[2]: entry["doc"]["options"] for name, entry in json.loads(answer.stdout).items()}


def places(module: str) -> list[Place]:
    """Return all places where a value can stand in a request of a module."""
    return [Place(module, path) for path in _paths(documented()[module], ())]


def _paths(options: dict[str, Any], start: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    for name, option in options.items():
        path = (*start, name)
        yield path
        inner = option.get("suboptions")
        if option["type"] == "list":
            path = (*path, 0)
            yield path
        if inner:
            yield from _paths(inner, path)
        elif option["type"] == "dict":
            yield from ((*path, KEY), (*path, VALUE))


def get(request: Any, path: tuple[str | int, ...]) -> Any:
    """Return what stands at a place; None when nothing does."""
    for step in path:
        if step == KEY:
            return next(iter(request), None) if isinstance(request, dict) else None
        if step == VALUE:
            return next(iter(request.values()), None) if isinstance(request, dict) else None
        try:
            request = request[step]
        except (KeyError, IndexError, TypeError):
            return None
    return request


def put(request: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """Return the request with another value at this place; what is missing on the way is made."""
    changed = copy.deepcopy(request)
    _put(changed, path, value)
    return changed


def _put(here: Any, path: tuple[str | int, ...], value: Any) -> None:
    step, *rest = path
    if step in (KEY, VALUE):
        name, kept = next(iter(here.items()), ("EXTRA", "x"))
        here.pop(name, None)
        here[value if step == KEY and isinstance(value, str) else name] = value if step == VALUE else kept
        return
    if isinstance(step, int) and not here:
        here.append(None)
    if not rest:
        here[step] = value
        return
    wanted: type[list | dict] = list if isinstance(rest[0], int) else dict
    if isinstance(here, dict):
        here.setdefault(step, None)
    if not isinstance(here[step], wanted):
        here[step] = wanted()
    _put(here[step], tuple(rest), value)
