"""What a container with OpenClaw is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import as_container
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.containers import (
    is_gateway,
    is_openclaw,
    read,
)

STATE = "/home/node/.openclaw"


def container(
    mounts: dict[str, str], env: tuple[str, ...] = (), cmd: str = "node openclaw.mjs gateway", **more: Any
) -> Any:
    config = {"Cmd": cmd.split(), "Env": list(env), "Image": "upstream:1", "User": "", **more}
    bound = [{"Type": "bind", "Source": source, "Destination": target} for target, source in mounts.items()]
    ports = {"18789/tcp": [{"HostIp": "", "HostPort": "18789"}], "53/udp": [{"HostIp": "", "HostPort": "53"}]}
    host = {"PortBindings": ports, "RestartPolicy": {"Name": "always"}}
    return as_container(
        {"Id": "1", "Name": "/oc", "Image": "sha256:1", "Config": config, "Mounts": bound, "HostConfig": host}
    )


@pytest.mark.parametrize(
    ("mounts", "env", "state_dir", "config"),
    [
        ({STATE: "/srv/a"}, (), "/srv/a", "/srv/a/openclaw.json"),
        ({"/home/node": "/srv/home"}, ("HOME=/home/node",), "/srv/home/.openclaw", "/srv/home/.openclaw/openclaw.json"),
        ({"/data": "/srv/d"}, ("OPENCLAW_STATE_DIR=/data/oc",), "/srv/d/oc", "/srv/d/oc/openclaw.json"),
        (
            {STATE: "/srv/a", "/etc/oc.json": "/srv/c.json"},
            ("OPENCLAW_CONFIG_PATH=/etc/oc.json",),
            "/srv/a",
            "/srv/c.json",
        ),
    ],
)
def test_where_state_and_configuration_are(
    mounts: dict[str, str], env: tuple[str, ...], state_dir: str, config: str
) -> None:
    found = read(container(mounts, env))
    assert (found.state_dir, found.config) == (state_dir, config)
    assert found.published == (("", 18789),)
    assert found.restart == "always"


def test_what_is_mounted_below_the_state_and_beside_it() -> None:
    found = read(container({STATE: "/srv/a", f"{STATE}/workspace": "/srv/w", "/data": "/srv/data"}))
    assert found.nested == {"workspace": "/srv/w"}
    assert found.beside == ("/data (/srv/data)",)
    assert "environment" not in repr(found)


def test_a_state_in_the_container_is_refused() -> None:
    with pytest.raises(HardeningError, match="docker cp"):
        read(container({"/data": "/srv/d"}))


def test_which_containers_are_openclaw() -> None:
    assert is_gateway(container({STATE: "/srv/a"}))
    assert is_gateway(container({STATE: "/srv/a"}, cmd="node dist/index.js gateway --bind lan"))
    assert not is_gateway(container({"/data": "/srv"}, cmd="nginx -g gateway.conf", Image="nginx"))
    assert not is_gateway(container({STATE: "/srv/a"}, cmd="node openclaw.mjs agent"))
    assert is_openclaw(container({}, cmd="node openclaw.mjs"), container({STATE: "/srv/a"}))
