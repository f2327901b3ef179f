"""The hosts under test: made once for all workers, taken away at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import BUILD, Host, down, up  # noqa: E402


def pytest_sessionstart(session: pytest.Session) -> None:
    """Boot and deploy, in the process that hands out the work; a worker finds it done."""
    if hands_out(session):
        try:
            up(len(session.config.getoption("tx", []) or []) or 1)
        except (RuntimeError, OSError) as error:
            pytest.exit(str(error), returncode=3)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the hosts away, whatever happened."""
    if hands_out(session):
        down()


def hands_out(session: pytest.Session) -> bool:
    """Return whether this is the process that boots hosts."""
    return not hasattr(session.config, "workerinput") and not session.config.option.collectonly


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Return the worker's own host."""
    worker = getattr(request.config, "workerinput", {"workerid": "gw0"})["workerid"]
    host = Host(f"gateway{worker.removeprefix('gw')}")
    yield host
    host.close()


@pytest.fixture(scope="module", autouse=True)
def deployment(host: Host) -> Iterator[None]:
    """Begin and end with a good deployment, by the audit's own word: nothing of a fault is left behind."""
    assert host.good().bad == {}
    yield
    assert host.good().bad == {}


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function that writes down what the audit reported, for the process that wonders what else a fault
    sets off.
    """

    def write(**what: object) -> None:
        folder = BUILD.with_name("seeded-faults-found")
        folder.mkdir(exist_ok=True)
        name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
        (folder / f"{name}.json").write_text(json.dumps(what, indent=2) + "\n")

    return write
