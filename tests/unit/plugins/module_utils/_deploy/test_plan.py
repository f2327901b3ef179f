"""What a deployment's plan is; files and mounts are real, containers are the daemon's answers as values."""

from __future__ import annotations

import dataclasses
import os

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import plan as deploy_plan
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.config_check import read_verdict
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Health, Probe, Reply
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.liveness import Watch
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import Claim
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.plan import (
    Current,
    Desired,
    Validation,
    decide,
    diff,
    find,
    with_image,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import published_port
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import partition_containers
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import LABEL_HASH, LABEL_ONEOFF
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ManagedFile, look, write

IMAGE, OTHER_IMAGE = "sha256:" + "a" * 64, "sha256:" + "b" * 64
WELL, ILL = Health({"started": Reply(True, "200")}), Health({"started": Reply(False, "503")})
UID, GID = os.getuid(), os.getgid()
CLAIM = Claim("openclaw", "openclaw-gateway", frozenset(), "")


def container(**changes: object) -> Container:
    fields = {
        "id": "c1",
        "name": "openclaw-gateway",
        "image_id": IMAGE,
        "status": "running",
        "health": "healthy",
        "exit_code": 0,
        "oom_killed": False,
        "labels": {LABEL_HASH: "hash"},
        "attrs": {},
    }
    return Container(**{**fields, **changes})


@pytest.fixture
def wanted(tmp_path) -> Desired:
    def file(name: str, content: bytes, secret: bool = False) -> ManagedFile:
        return ManagedFile(str(tmp_path / name), content, 0o600, UID, GID, secret)

    return Desired(
        state="present",
        project="openclaw",
        service="openclaw-gateway",
        container="openclaw-gateway",
        definition=file("compose.yml", b"services: {}\n"),
        files=(file("openclaw.json", b"{}"), file("provider_x", b"canary", secret=True)),
        prune=str(tmp_path / "provider_"),
        image_ref="openclaw:hardened",
        image_id=IMAGE,
        probe=Probe("127.0.0.1", 18789, 1, started="/startupz"),
        validation=Validation(str(tmp_path / "openclaw.json"), ("true",), "1:1", (), "config"),
        unit="openclaw-gateway.service",
    )


@pytest.fixture
def in_place(wanted) -> Current:
    """Return the world in which nothing is left to do."""
    for file in wanted.everything:
        write(file, trusted={UID})
    return Current(
        files={file.path: look(file.path) for file in wanted.everything},
        prunable=(),
        image_id=IMAGE,
        config_hash="hash",
        container=container(),
        strays=(),
        mounted=(wanted.files[0].path, wanted.files[1].path),
        stale=(),
        health=WELL,
    )


def changed(found: Current, **changes: object) -> Current:
    return dataclasses.replace(found, **changes)


def test_nothing_to_do(wanted, in_place):
    plan = decide(wanted, in_place)
    assert not plan.changed
    assert plan.actions("c") == []
    assert diff(wanted, in_place, plan) == []


def test_the_image_is_resolved_once(wanted, in_place):
    """The id that is asked for, or else what the name means now; in check mode before a first build none."""
    unpinned = dataclasses.replace(wanted, image_id="")
    assert with_image(unpinned, in_place).image_id == IMAGE
    assert with_image(wanted, changed(in_place, image_id="")).image_id == IMAGE
    assert with_image(unpinned, changed(in_place, image_id="")).image_id == ""
    assert not decide(with_image(unpinned, in_place), in_place).changed


def test_a_bare_host_gets_everything(wanted):
    found = find(wanted, None, None, CLAIM)
    plan = decide(dataclasses.replace(wanted, image_id=""), found)
    assert plan.changed
    assert [file.path for file in plan.write] == [file.path for file in wanted.everything]
    assert plan.container == "create"
    assert plan.validate


@pytest.mark.parametrize(
    ("world", "step"),
    [
        ({"container": None}, "create"),
        ({"container": container(image_id=OTHER_IMAGE)}, "recreate"),
        ({"container": container(labels={LABEL_HASH: "another"})}, "recreate"),
        ({"container": container(labels={})}, "recreate"),
        ({"container": container(status="exited"), "health": ILL}, "start"),
        ({"container": container(status="paused"), "health": ILL}, "start"),
        ({"container": container(health="unhealthy"), "health": ILL}, "restart"),
        ({"container": container(health="starting"), "health": ILL}, "wait"),
        # Docker asks inside the container; the host has the last word, in both directions.
        ({"container": container(health="unhealthy"), "health": WELL}, ""),
        ({"container": container(health="healthy"), "health": ILL}, "wait"),
    ],
)
def test_the_step_follows_from_the_container(wanted, in_place, world, step):
    plan = decide(wanted, changed(in_place, **world))
    assert plan.container == step
    assert plan.changed == (step not in ("", "wait"))


def test_a_mounted_file_that_was_exchanged_means_another_container(wanted, in_place):
    plan = decide(wanted, changed(in_place, stale=(wanted.files[0].path,)))
    assert (plan.container, plan.write) == ("recreate", ())
    assert wanted.files[0].path in plan.reason


def test_a_mounted_file_that_is_written_means_another_container_and_a_result(wanted, in_place):
    os.chmod(wanted.files[0].path, 0o640)
    found = changed(in_place, files={file.path: look(file.path) for file in wanted.everything})
    plan = decide(wanted, found)
    assert plan.write == (wanted.files[0],)
    assert plan.container == "recreate"
    assert plan.validate


def test_a_file_that_nobody_mounts_leaves_the_container_alone(wanted, in_place):
    os.chmod(wanted.definition.path, 0o640)
    found = changed(in_place, files={file.path: look(file.path) for file in wanted.everything})
    plan = decide(wanted, found)
    assert plan.write == (wanted.definition,)
    assert (plan.container, plan.validate) == ("", False)


def test_the_new_image_checks_the_configuration_too(wanted, in_place):
    plan = decide(wanted, changed(in_place, container=container(image_id=OTHER_IMAGE)))
    assert plan.validate


def test_a_moved_tag_is_refused(wanted, in_place):
    with pytest.raises(HardeningError, match="the image that was verified"):
        decide(wanted, changed(in_place, image_id=OTHER_IMAGE))


def test_a_key_that_is_no_longer_wanted_is_removed(wanted, in_place, tmp_path):
    (tmp_path / "provider_old").write_text("canary")
    found = find(wanted, None, None, CLAIM)
    plan = decide(wanted, changed(in_place, prunable=found.prunable))
    assert plan.remove == (str(tmp_path / "provider_old"),)
    assert "canary" not in str(diff(wanted, in_place, plan))


def test_the_diff_shows_no_secret(wanted):
    found = find(wanted, None, None, CLAIM)
    entries = diff(wanted, found, decide(wanted, found))
    assert len(entries) == 4
    assert "canary" not in str(entries)


@pytest.mark.parametrize(
    ("state", "status", "step"),
    [("stopped", "running", "stop"), ("stopped", "exited", ""), ("absent", "exited", "remove")],
)
def test_down(wanted, in_place, state, status, step):
    plan = decide(dataclasses.replace(wanted, state=state), changed(in_place, container=container(status=status)))
    assert (plan.container, plan.write, plan.remove) == (step, (), ())


def test_absent_removes_files_only_when_declared(wanted, in_place):
    plan = decide(dataclasses.replace(wanted, state="absent", remove_files=True), in_place)
    assert set(plan.remove) == {file.path for file in wanted.everything}


def test_what_a_killed_recreate_left_is_a_stray_and_a_command_is_not():
    ours = container(id="1")
    left = container(id="2", name="0123abcd_openclaw-gateway")
    command = container(id="3", name="openclaw-run-1", labels={LABEL_ONEOFF: "True"})
    assert partition_containers([left, command, ours], "openclaw-gateway") == (ours, (left,))
    assert partition_containers([left, command], "openclaw-gateway") == (None, (left,))


def test_a_mount_is_stale_when_the_process_sees_another_file(tmp_path):
    """This process stands for the container: its root is the host's."""
    path = tmp_path / "openclaw.json"
    path.write_text("old")
    (tmp_path / "kept").write_text("old")
    os.link(tmp_path / "kept", tmp_path / "seen")
    mounts = [{"Type": "bind", "Source": str(tmp_path), "Destination": "/state"}]
    mounts += [{"Type": "bind", "Source": str(path), "Destination": str(path)}]
    running = container(attrs={"Mounts": mounts, "State": {"Pid": os.getpid()}})
    mounted = deploy_plan._mounted_files(running)
    assert mounted == {str(path): str(path)}
    assert deploy_plan._stale(running, mounted) == ()
    assert deploy_plan._stale(running, {str(path): str(tmp_path / "seen")}) == (str(path),)
    assert deploy_plan._stale(running, {str(path): str(tmp_path / "gone")}) == (str(path),)
    assert deploy_plan._stale(container(status="exited"), mounted) == ()


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (None, "the container is gone"),
        (container(status="exited", exit_code=137, oom_killed=True), "exit code 137, it ran out of memory"),
        (container(status="exited", exit_code=78), "exit code 78, it refuses its configuration"),
        (container(status="restarting", exit_code=78, attrs={"RestartCount": 1}), "it refuses its configuration"),
        (container(status="restarting", exit_code=1, attrs={"RestartCount": 1}), ""),
        (container(status="restarting", exit_code=1, attrs={"RestartCount": 2}), "exit code 1, 3 times in a row"),
        (container(attrs={"RestartCount": 2}), ""),
        (container(), ""),
    ],
)
def test_when_waiting_is_of_no_use(world, reason):
    output = Watch(lambda: world)()
    assert output.endswith(reason)
    assert bool(output) == bool(reason)


def test_a_restart_is_a_fault_only_after_it_was_ready():
    starts = iter(["10:00", "10:00", "10:01", "10:01"])

    def restarted() -> Container:
        return container(exit_code=1, attrs={"State": {"StartedAt": next(starts)}, "RestartCount": 1})

    assert Watch(restarted)() == ""
    steady = Watch(restarted, steady=True)
    assert steady() == ""
    assert "was started again" in steady()


def test_the_previous_port_is_asked_after_going_back():
    bindings = {"18789/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18791"}]}
    assert published_port(container(attrs={"HostConfig": {"PortBindings": bindings}}), 18789) == 18791
    assert published_port(container(), 18789) == 18789


def test_the_verdict_of_openclaw():
    refused = '{"valid": false, "issues": [{"path": "<root>", "message": "Unrecognized key: \\"updte\\""}]}'
    assert read_verdict(refused) == (['<root>: Unrecognized key: "updte"'], [])
    assert read_verdict('{"valid": true, "warnings": [{"path": "p", "message": "m"}]}') == ([], ["p: m"])
    assert read_verdict("node: not found") == ([], [])
    assert read_verdict("[1]") == ([], [])


# --- a state from elsewhere ---------------------------------------------------------------------------------------


def test_a_state_from_elsewhere_makes_the_container_again(wanted):
    desired = dataclasses.replace(wanted, state_source="/var/lib/x/restore/state", image_id=IMAGE)
    assert desired.exchanges_state
    found = Current(
        {file.path: look(file.path) for file in desired.everything}, (), IMAGE, "hash", container(), (), (), (), WELL
    )
    plan = decide(desired, found)
    assert (plan.container, plan.reason, plan.replaces) == ("recreate", "another state", True)
    assert decide(desired, dataclasses.replace(found, container=None)).container == "create"


def test_the_tokens_file_is_never_foreign(wanted, tmp_path):
    """What makes it keeps no record; a restore writes it together with the state."""
    token = ManagedFile(str(tmp_path / "token"), b"new", 0o400, UID, GID, True)
    other = ManagedFile(str(tmp_path / "provider_x"), b"new", 0o400, UID, GID, True)
    for file in (token, other):
        write(dataclasses.replace(file, content=b"old"), trusted={UID})
    probe = dataclasses.replace(wanted.probe, token_file=token.path)
    desired = dataclasses.replace(wanted, files=(token, other), probe=probe)
    found = Current(
        {file.path: look(file.path) for file in desired.everything}, (), IMAGE, "hash", container(), (), (), (), WELL
    )
    assert [text.split()[1] for text in deploy_plan.foreign_files(desired, found, CLAIM)] == [other.path]
