"""The host under attack: booted and deployed once, taken away at the end."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from check import read  # noqa: E402
from hostile_host import HostileHost, Module, deploy, down, requests  # noqa: E402


def pytest_sessionstart(session: pytest.Session) -> None:
    """Boot and deploy."""
    if not session.config.option.collectonly:
        try:
            deploy()
        except (RuntimeError, OSError) as error:
            down()
            pytest.exit(str(error), returncode=3)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the host away, whatever happened."""
    if not session.config.option.collectonly:
        down()


@pytest.fixture(scope="session")
def host() -> Iterator[HostileHost]:
    """Return the host."""
    host = HostileHost()
    yield host
    host.close()


@pytest.fixture(scope="session")
def serve(host: HostileHost) -> Callable[[str], Module]:
    """Return a function that gives a module on the host."""
    return functools.partial(Module, host)


@pytest.fixture
def repaired(host: HostileHost, serve: Callable[[str], Module]) -> Iterator[None]:
    """Have the gateway in order after a test, whatever that did to it."""
    yield
    for module in ("service_user", "gateway_token", "hardened_compose", "systemd_unit"):
        for request in requests(host, module):
            assert not read(serve(module).run(request, check=False)).get("failed")
