"""The host under attack: booted and deployed once, taken away at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from check import read  # noqa: E402
from hostile_host import HostileHost, ModuleServer, deploy, down, requests  # noqa: E402


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
def host() -> HostileHost:
    """Return the host."""
    return HostileHost()


@pytest.fixture(scope="session")
def serve(host: HostileHost) -> Iterator[Callable[[str], ModuleServer]]:
    """Return a function that loads a module on the host, once."""
    servers: dict[str, ModuleServer] = {}

    def load(name: str) -> ModuleServer:
        if name not in servers:
            servers[name] = host.serve(name)
        return servers[name]

    yield load
    for server in servers.values():
        server.close()


@pytest.fixture
def repaired(host: HostileHost, serve: Callable[[str], ModuleServer]) -> Iterator[None]:
    """Have the gateway in order after a test, whatever that did to it."""
    yield
    for module in ("service_user", "gateway_token", "hardened_compose", "systemd_unit"):
        for request in requests(host, module):
            assert not read(serve(module).run(request, check=False)).get("failed")
