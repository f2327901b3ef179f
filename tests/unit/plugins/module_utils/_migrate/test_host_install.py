# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""OpenClaws on the host itself, by what the kernel knows of their processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate import containers, host_install
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.decide import Current, choose
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.host_install import Process
from ansible_collections.openclaw.hardening.plugins.module_utils._system.accounts import Account, Accounts

ALICE = Account("alice", "x", 1000, 1000, "", "/home/alice", "/bin/bash")
ACCOUNTS = Accounts({"alice": ALICE}, {})
USER = "12:pids:/x\n1:name=systemd:/user.slice/user-1000.slice/user@1000.service/app.slice/openclaw-gateway.service\n"
SYSTEM = "0::/system.slice/openclaw.service\n"
IN_A_CONTAINER = f"0::/system.slice/docker-{'a' * 64}.scope\n"


def process(group: str = USER, pid: int = 7, **environment: str) -> Process:
    return Process(pid, 1000, ("openclaw-gateway",), group, environment)


@pytest.mark.parametrize(
    ("words", "is_one"),
    [
        (["openclaw-gateway"], True),
        (["/usr/bin/node", "/usr/lib/node_modules/openclaw/openclaw.mjs", "gateway", "--port", "18789"], True),
        (["/usr/local/bin/openclaw", "gateway"], True),
        (["openclaw", "tui"], False),
        (["/bin/sh", "/usr/local/lib/openclaw-hardening/gateway-supervisor", "openclaw-gateway"], False),
        (["docker", "exec", "openclaw-gateway", "node", "openclaw.mjs", "gateway", "call"], False),
        (["node", "server.js", "gateway"], False),
        ([], False),
        ([""], False),
    ],
)
def test_which_processes_are_gateways(words: list[str], is_one: bool) -> None:
    assert host_install.is_gateway(words) is is_one


@pytest.mark.parametrize(
    ("group", "name", "unit"),
    [
        (USER, "alice@openclaw-gateway.service", ("openclaw-gateway.service", "alice")),
        (SYSTEM, "alice@openclaw.service", ("openclaw.service", "")),
    ],
)
def test_a_unit_of_a_user_or_of_the_system(group: str, name: str, unit: tuple[str, str]) -> None:
    (found,), _loose = host_install.installs([process(group, 8), process(group, 7)], ACCOUNTS)
    assert (found.name, host_install.unit_of(found.attrs)) == (name, unit)
    base = containers.read(found)
    assert (base.kind, base.state_dir, base.beside) == ("host install", "/home/alice/.openclaw", ())
    assert base.config == "/home/alice/.openclaw/openclaw.json"


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({"OPENCLAW_PROFILE": "work"}, "/home/alice/.openclaw-work"),
        ({"OPENCLAW_PROFILE": "default"}, "/home/alice/.openclaw"),
        ({"OPENCLAW_STATE_DIR": "/srv/oc"}, "/srv/oc"),
        ({"OPENCLAW_HOME": "/data/alice"}, "/data/alice/.openclaw"),
        ({"HOME": "/root"}, "/root/.openclaw"),
    ],
)
def test_where_its_state_is(environment: dict[str, str], state: str) -> None:
    (found,), _loose = host_install.installs([process(**environment)], ACCOUNTS)
    assert containers.read(found).state_dir == state


@pytest.mark.parametrize(
    "one",
    [
        process("0::/user.slice/user-1000.slice/session-3.scope\n"),
        process(USER.replace("user@1000", "user@1001")),
        process(USER.replace("openclaw-gateway.service", "-x $(id).service")),
        Process(7, 4242, ("openclaw-gateway",), SYSTEM, {}),
    ],
)
def test_what_no_unit_has_started_is_refused_and_keeps_nothing_else_away(one: Process) -> None:
    found, loose = host_install.installs([one], ACCOUNTS)
    assert (found, loose[0].startswith("process 7 of ")) == ([], True)
    with pytest.raises(HardeningError, match="a unit starts"):
        choose(Current(None, (), loose=loose), "", "openclaw")
    (install,), loose = host_install.installs([one, process(pid=9)], ACCOUNTS)
    assert choose(Current(None, (install,), loose=loose), "", "openclaw") is install


def test_a_container_s_process_is_none_of_the_host() -> None:
    assert host_install.installs([process(IN_A_CONTAINER)], ACCOUNTS) == ([], ())


def test_a_user_s_environment_leads_root_to_no_place_of_another(tmp_path: Path) -> None:
    """What is named there is copied to the service, and shown."""
    own, other = tmp_path / "own", tmp_path / "other"
    for place, uid in ((own, 1000), (other, 0)):
        place.mkdir()
        os.chown(place, uid, uid)
    (found,), _loose = host_install.installs([process()], ACCOUNTS)
    host_install.vet(found, str(own), str(tmp_path / "nothing"))
    with pytest.raises(HardeningError, match="a place of user 0"):
        host_install.vet(found, str(own), str(other))
    (own / "link").symlink_to(other)
    with pytest.raises(HardeningError, match="a place of user 0"):
        host_install.vet(found, str(own / "link"))


def test_its_environment_is_in_no_answer() -> None:
    (found,), _loose = host_install.installs([process(OPENCLAW_GATEWAY_TOKEN="canary")], ACCOUNTS)  # noqa: S106
    assert "canary" not in repr(containers.read(found))
    assert "canary" not in str(containers.read(found).facts())


@pytest.mark.parametrize("named", ["", "alice@", "alice@openclaw-gateway.service"])
def test_how_it_is_named(named: str) -> None:
    bases: Any = tuple(host_install.installs([process()], ACCOUNTS)[0])
    assert choose(Current(None, bases), named, "openclaw") is bases[0]
    with pytest.raises(HardeningError, match=r"alice@openclaw-gateway\.service"):
        choose(Current(None, bases), "bob@", "openclaw")
