"""What a container was made of, with what the daemon reports about its volumes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import collect
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import BY_ID

MOUNT = {"Type": "volume", "Name": "data", "Destination": "/x", "Driver": "local", "RW": False}
ATTRS: dict[str, Any] = {"Name": "/gw", "Config": {"Image": "openclaw:hardened"}, "Mounts": [MOUNT]}


class Api:
    """The part of the daemon's client that is asked for volumes."""

    def __init__(self, *volumes: dict[str, Any], error: Exception | None = None) -> None:
        self.api, self._volumes, self._error, self.questions = self, volumes, error, 0

    def volumes(self) -> dict[str, Any]:
        self.questions += 1
        if self._error:
            raise self._error
        return {"Volumes": list(self._volumes) or None}


def definition(api: Api, **attrs: Any) -> Settings:
    return collect._definition(api, {**ATTRS, **attrs})  # type: ignore[arg-type]


def sensitive(settings: Settings) -> str:
    check = BY_ID["OCH-CTR-12"].declared
    assert check
    found = check(settings, Baseline())
    return f"{found.status}: {found.actual}"


@pytest.mark.parametrize(
    ("options", "output"),
    [
        (None, "pass: none mounted"),
        ({}, "pass: none mounted"),
        ({"size": "1g"}, "pass: none mounted"),
        ({"type": "none", "o": "bind", "device": "/srv/x"}, "pass: none mounted"),
        ({"type": "none", "o": "bind", "device": "/etc"}, "fail: /etc of the host at /x"),
        ({"type": "ext4", "device": "/dev/sda1"}, "fail: volume data at /x is the file system ext4 on /dev/sda1"),
        (
            {"type": "overlay", "device": "overlay", "o": "lowerdir=/"},
            "fail: volume data at /x is the file system overlay on overlay",
        ),
    ],
)
def test_what_is_behind_a_named_volume(options: dict[str, str] | None, output: str) -> None:
    api = Api({"Name": "other", "Options": {"type": "proc"}}, {"Name": "data", "Options": options})
    assert sensitive(definition(api)) == output
    assert api.questions == 1


@pytest.mark.parametrize(
    "api", [Api(), Api(error=OSError("gone")), Api(error=HardeningError("docker volume ls", "500", "200"))]
)
def test_a_volume_that_cannot_be_asked_for_is_unknown_and_spoils_nothing_else(api: Api) -> None:
    found = definition(api)
    assert found.image == "openclaw:hardened"
    assert "its driver and its options are not known" in sensitive(found)


def test_without_a_volume_nothing_is_asked() -> None:
    api = Api()
    assert sensitive(definition(api, Mounts=[])) == "pass: none mounted"
    assert api.questions == 0


def test_whose_container_it_is() -> None:
    assert not definition(Api()).foreign
    assert definition(Api(), Config={"Image": "postgres:17"}).foreign


def test_the_options_of_volumes() -> None:
    api: Any = SimpleNamespace(api=Api({"Name": "a", "Options": None}, {"Name": "b", "Options": {"type": "tmpfs"}}))
    assert client.volume_options(api) == {"a": {}, "b": {"type": "tmpfs"}}
