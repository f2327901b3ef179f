"""playbooks/rotate_token.yml, real OpenClaw: no request is lost, the container stays, the old token is refused."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from agent import requests, running_model, turn
from conftest import CONTAINER, long_only, on_host, stub_model
from gateway_client import Device, Refused, connected, http
from secret_surfaces import search, shows

FOLDER = "/etc/openclaw/secrets"
TOKEN_FILE, PROVIDER_FILE = f"{FOLDER}/gateway_token", f"{FOLDER}/provider_stub"
PENDING = "/var/lib/openclaw-hardening/rotation"
INVOKE = {"tool": "sessions_list", "action": "json", "args": {}}


@dataclass
class Answers:
    """What a client was answered that asks all the time."""

    statuses: list[int] = field(default_factory=list)


@contextmanager
def asking(port: int, path: str, token: str | None = None, pause: float = 0.02) -> Iterator[Answers]:
    """Ask all the time, in a thread; no answer is 0."""
    answers, done = Answers(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                answers.statuses.append(http(port, path, token, INVOKE if token else None)[0])
            except OSError:
                answers.statuses.append(0)
            time.sleep(pause)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join(30)


def container(host) -> str:
    """Return what a restart or another container would change."""
    return host.check_output("docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' %s", CONTAINER)


def invoke(port: int, token: str) -> int:
    """Ask for something that only the operator may have."""
    return http(port, "/tools/invoke", token, INVOKE)[0]


@pytest.fixture(scope="module")
def provider(host, playbook, bridge, own_deployment) -> dict:
    """Return the variables of a deployment with a provider's key, which test_workflows leaves."""
    variables = stub_model(bridge, f"sk-{secrets.token_hex(24)}")
    if not host.file(PROVIDER_FILE).exists:
        run = playbook("site.yml", **variables)
        assert run.rc == 0, run.output
    return variables


@pytest.fixture(scope="module")
def device(host, tunnel, provider) -> Device:
    """Return a device that the operator let in, as for every new client."""
    found = Device()
    token = host.check_output(f"cat {TOKEN_FILE}")
    with pytest.raises(Refused) as refusal, connected(tunnel, token, found):
        pass
    host.check_output("/usr/local/bin/openclaw devices approve %s --json", refusal.value.details["requestId"])
    return found


@pytest.fixture(scope="module")
def rotated(host, ssh, playbook, tunnel, provider, device) -> dict:
    """Rotate the token and the provider's key while one client probes and another one goes on with the old token."""
    old, inode = host.check_output(f"cat {TOKEN_FILE}"), host.check_output(f"stat -c %i {TOKEN_FILE}")
    before, key = container(host), f"sk-{secrets.token_hex(20)}"
    predicted = playbook("rotate_token.yml", "--check", openclaw_gateway_provider_keys={"stub": key})
    kept = host.check_output(f"cat {TOKEN_FILE}") == old
    with asking(tunnel, "/healthz") as probes, asking(tunnel, "/tools/invoke", old, 0.1) as stale:
        run = playbook("rotate_token.yml", "-vvv", "--diff", openclaw_gateway_provider_keys={"stub": key})
        time.sleep(2)
        new = host.check_output(f"cat {TOKEN_FILE}")
        accepted = [invoke(tunnel, new) for _number in range(20)]
    return {
        "old": old,
        "new": new,
        "key": key,
        "same inode": host.check_output(f"stat -c %i {TOKEN_FILE}") == inode,
        "before": before,
        "predicted": predicted,
        "kept in check mode": kept,
        "run": run,
        "probes": probes.statuses,
        "stale": stale.statuses,
        "accepted": accepted,
        "surfaces": json.loads(on_host(ssh, search([old, new, key]))),
        "device": device,
    }


def test_no_request_is_lost_and_the_container_stays(host, rotated):
    assert rotated["run"].rc == 0, rotated["run"].output
    assert len(rotated["probes"]) > 100
    assert set(rotated["probes"]) == {200}
    assert container(host) == rotated["before"]
    assert rotated["same inode"]


def test_the_new_token_counts_and_the_old_one_does_not(tunnel, rotated):
    assert rotated["new"] != rotated["old"]
    assert (invoke(tunnel, rotated["new"]), invoke(tunnel, rotated["old"])) == (200, 401)


def test_a_client_with_the_old_token_locks_nobody_out(rotated):
    """Every client of this host has the bridge's address for OpenClaw; it tried far more often than ten times."""
    assert rotated["stale"].count(401) > 15
    assert set(rotated["accepted"]) == {200}


def test_the_other_secret_is_new_too(host, rotated):
    assert host.check_output(f"cat {PROVIDER_FILE}") == rotated["key"]
    assert host.check_output(f"stat -c '%a %U' {PROVIDER_FILE}") == "400 openclaw"
    seen = host.check_output("docker exec %s cat /run/secrets/provider_stub", CONTAINER)
    assert seen == rotated["key"]


def test_the_provider_gets_the_other_secret(host, ssh, bridge, rotated):
    """The agent asks its model with the key that the running gateway read again."""
    with running_model(host, ssh, bridge):
        assert turn(host, "Are you there?") == "The stub model answers."
        assert {request["authorization"] for request in requests(host)} == {f"Bearer {rotated['key']}"}
    assert container(host) == rotated["before"]


def test_check_mode_predicts_it_and_touches_nothing(rotated):
    assert rotated["predicted"].rc == 0, rotated["predicted"].output
    assert rotated["predicted"].changed == rotated["run"].changed
    assert rotated["kept in check mode"]


def test_no_secret_shows(rotated):
    assert rotated["surfaces"] == []
    assert not any(shows(rotated[name], rotated["run"].output) for name in ("old", "new", "key"))


def test_it_is_no_drift(host, playbook, provider, rotated):
    assert not host.file(PENDING).exists
    again = playbook("site.yml", "--check", **{**provider, "openclaw_gateway_provider_keys": {"stub": rotated["key"]}})
    assert (again.rc, again.changed) == (0, []), again.output
    verified = playbook("verify.yml", openclaw_verify_report=False)
    assert "was changed" not in verified.output


def test_the_devices_are_listed_and_revoked_on_request(host, playbook, tunnel, rotated):
    device = rotated["device"]
    assert device.id in rotated["run"].output
    with connected(tunnel, rotated["new"], device):
        pass
    run = playbook("rotate_token.yml", openclaw_gateway_rotate_token=False, openclaw_gateway_revoke_devices=[device.id])
    assert run.rc == 0, run.output
    assert host.check_output(f"cat {TOKEN_FILE}") == rotated["new"]
    listed = json.loads(host.check_output("/usr/local/bin/openclaw devices list --json"))
    (paired,) = [found for found in listed["paired"] if found["deviceId"] == device.id]
    assert all(token.get("revokedAtMs") for token in paired["tokens"])
    unknown = playbook(
        "rotate_token.yml", openclaw_gateway_rotate_token=False, openclaw_gateway_revoke_devices=["none"]
    )
    assert (unknown.rc != 0, "revoke_devices: found none" in unknown.output) == (True, True), unknown.output


def test_a_run_that_was_cut_off_is_finished_by_the_next(host, playbook, tunnel, rotated):
    """As it is between the write of the file and the call of the gateway: the file is new, the gateway has the old."""
    new = secrets.token_hex(32)
    host.check_output(
        f"mkdir -m 0700 {PENDING} && install -m 0400 {TOKEN_FILE} {PENDING}/0 && "
        f"umask 077 && echo '{json.dumps({'paths': [TOKEN_FILE]})}' > {PENDING}/rotation.json && "
        f"printf %s {new} | dd of={TOKEN_FILE} conv=notrunc status=none"
    )
    assert invoke(tunnel, new) == 401
    before = container(host)
    run = playbook("rotate_token.yml", openclaw_gateway_rotate_token=False)
    assert run.rc == 0, run.output
    assert (invoke(tunnel, new), invoke(tunnel, rotated["new"])) == (200, 401)
    assert container(host) == before
    assert not host.file(PENDING).exists
    again = playbook("rotate_token.yml", openclaw_gateway_rotate_token=False)
    assert (again.rc, again.changed) == (0, []), again.output


def test_the_token_that_is_there_is_no_rotation(host, playbook, rotated):
    token = host.check_output(f"cat {TOKEN_FILE}")
    run = playbook("rotate_token.yml", openclaw_gateway_token=token)
    assert run.rc != 0
    assert "the token that is there already" in run.output
    assert not shows(token, run.output)


@long_only
def test_what_the_running_gateway_cannot_get_is_deployed(host, playbook, provider, rotated):
    """A file that was exchanged, as by a run of gateway_token: the container sees the earlier one."""
    host.check_output(f"cp -p {TOKEN_FILE} {TOKEN_FILE}.new && mv {TOKEN_FILE}.new {TOKEN_FILE}")
    before, old = container(host), host.check_output(f"cat {TOKEN_FILE}")
    run = playbook("rotate_token.yml", **{**provider, "openclaw_gateway_provider_keys": {"stub": rotated["key"]}})
    assert run.rc == 0, run.output
    assert container(host) != before
    assert host.check_output(f"cat {TOKEN_FILE}") != old
