"""What a candidate's definition is, derived from the one that the role deploys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.candidate import (
    Candidate,
    container_port,
    definition,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container

RESOLVED = json.loads((Path(__file__).parents[3] / "recorded/compose-hardened.json").read_text())
SERVICE, PROJECT, IMAGE = "openclaw-gateway", "openclaw_candidate", "sha256:" + "b" * 64
STATE = "/var/lib/openclaw/.openclaw"
TOKEN = "/etc/openclaw/secrets/gateway_token"


@pytest.fixture
def candidate() -> dict:
    return definition(
        RESOLVED, SERVICE, PROJECT, IMAGE, {STATE: "/r/scratch", "/etc/openclaw/openclaw.json": "/r/file-0"}
    )


def mine(candidate: dict) -> dict:
    return candidate["services"][SERVICE]


def test_it_is_hardened_as_the_service_is(candidate):
    for key in ("user", "cap_drop", "security_opt", "read_only", "tmpfs", "mem_limit", "pids_limit", "environment"):
        assert mine(candidate)[key] == RESOLVED["services"][SERVICE][key]


def test_its_environment_turns_off_what_acts_elsewhere_and_the_service_does_not_get_it():
    quiet = {"OPENCLAW_SKIP_CHANNELS": "1"}
    found = definition(RESOLVED, SERVICE, PROJECT, IMAGE, {STATE: "/r/scratch"}, quiet)
    environment = RESOLVED["services"][SERVICE]["environment"]
    assert mine(found)["environment"] == {**environment, **quiet}
    assert not set(quiet) & set(environment)


def test_it_takes_nothing_of_what_the_service_uses(candidate):
    assert not {"ports", "container_name", "network_mode", "depends_on"} & set(mine(candidate))
    assert candidate["networks"] == {"default": {"internal": True}}
    assert mine(candidate)["networks"] == {"default": None}
    assert list(candidate["services"]) == [SERVICE]
    assert mine(candidate)["restart"] == "no"


def test_it_runs_the_image_by_its_id(candidate):
    assert (mine(candidate)["image"], mine(candidate)["pull_policy"]) == (IMAGE, "never")


def test_it_writes_to_its_copy_of_the_state_and_to_nothing_else(candidate):
    writable = {volume["source"] for volume in mine(candidate)["volumes"] if not volume.get("read_only")}
    assert writable == {"/r/scratch"}
    sources = {volume["source"] for volume in mine(candidate)["volumes"]}
    assert "/r/file-0" in sources
    assert STATE not in sources


def test_another_writable_mount_becomes_read_only():
    resolved = json.loads(json.dumps(RESOLVED))
    resolved["services"][SERVICE]["volumes"].append({"type": "bind", "source": "/srv/data", "target": "/data"})
    found = definition(resolved, SERVICE, PROJECT, IMAGE, {STATE: "/r/scratch"})
    assert {"type": "bind", "source": "/srv/data", "target": "/data", "read_only": True} in mine(found)["volumes"]


def test_a_volume_of_docker_becomes_one_of_its_own():
    resolved = json.loads(json.dumps(RESOLVED))
    resolved["services"][SERVICE]["volumes"].append({"type": "volume", "source": "cache", "target": "/cache"})
    found = definition(resolved, SERVICE, PROJECT, IMAGE, {STATE: "/r/scratch"})
    assert found["volumes"] == {"cache": None}  # below its own project's name


def test_its_secrets_are_the_new_ones():
    found = definition(RESOLVED, SERVICE, PROJECT, IMAGE, {TOKEN: "/r/file-1"})
    assert found["secrets"]["gateway_token"] == {"file": "/r/file-1"}


def test_the_original_stays_as_it_is():
    before = json.dumps(RESOLVED)
    definition(RESOLVED, SERVICE, PROJECT, IMAGE, {STATE: "/r/scratch"})
    assert json.dumps(RESOLVED) == before


def test_the_port_inside_is_the_one_that_is_published():
    ports = {"services": {"s": {"ports": [{"target": 9, "published": "1"}, {"target": 18789, "published": "80"}]}}}
    assert container_port(ports, "s", 80) == 18789
    assert container_port({"services": {"s": {}}}, "s", 80) == 80


def observed(status: str, exit_code: int = 0) -> Container:
    return Container("id", "n", IMAGE, status, "", exit_code, False, attrs={"NetworkSettings": {"Networks": {}}})


class Ending(Candidate):
    """A candidate that is looked at again and again while it ends."""

    states: ClassVar = [observed("running"), observed("running"), observed("exited", 78)]

    def container(self) -> Container:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def test_one_that_is_just_ending_is_waited_for_until_it_has_an_exit_code():
    ending = Ending(None, None, SERVICE, "")
    with pytest.raises(HardeningError, match="exit code 78"):
        ending.prove(18789, Probe("127.0.0.1", 18789, 30, started="/startupz"))
