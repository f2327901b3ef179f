"""What a rollback reports of the deployment that it brought back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import recovery
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Health, Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.recovery import Restorer

WITH_PATHS = Probe("127.0.0.1", 1, 5, started="/startupz")


class Service:
    """The service of before; ``reasons`` is what is wrong with its container, look by look."""

    name = "gateway"
    container = "openclaw-gateway"

    def __init__(self) -> None:
        self.done: list[str] = []
        self.compose = SimpleNamespace(up=lambda name, recreate: self.done.append(f"up {name} {recreate}"))

    def find(self):
        return SimpleNamespace(id="old", attrs={}, status="running")

    def unpause(self):
        self.done.append("unpause")

    def remove_strays(self):
        self.done.append("remove strays")

    def start_unit(self):
        self.done.append("start unit")


@pytest.fixture
def serve(monkeypatch):
    """Bring a deployment back that was asked by a probe; what its container reports is handed in."""

    def run(probe: Probe, *reasons: str) -> tuple[str, Service]:
        output, service = list(reasons), Service()
        monkeypatch.setattr(recovery, "Watch", lambda find, steady=False: lambda: output.pop(0) if output else "")
        monkeypatch.setattr(recovery, "start_when_free", lambda port, up, timeout: up())
        monkeypatch.setattr(recovery, "_RUNS", 0.1)
        monkeypatch.setattr(recovery, "wait", lambda probe, watch, port: service.done.append("wait") or Health())
        before = SimpleNamespace(served=True, container_id="old", probe=probe, supervised=True)
        return Restorer(service, None)._serve(before), service

    return run


def test_a_deployment_that_was_probed_is_back_and_healthy(serve):
    output, service = serve(WITH_PATHS)
    assert output == "the previous deployment is back and healthy"
    assert service.done[-2:] == ["wait", "start unit"]


def test_a_deployment_that_cannot_be_probed_is_back_and_not_called_healthy(serve):
    output, service = serve(Probe("127.0.0.1", 1, 5, dependencies="/readyz"))
    assert "its health is unknown" in output
    assert "healthy" not in output
    assert "wait" not in service.done
    assert service.done[-1] == "start unit"


def test_one_that_cannot_be_probed_has_to_keep_running(serve):
    with pytest.raises(HardeningError, match="the container ended with exit code 1"):
        serve(Probe("127.0.0.1", 1, 5), "the container ended with exit code 1")
