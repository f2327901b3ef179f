"""Which Docker a host has."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight import engine

INFO: dict[str, Any] = {
    "ServerVersion": "26.1.5+dfsg1",
    "NCPU": 4,
    "DockerRootDir": "/srv/docker",
    "DriverStatus": [["Backing Filesystem", "extfs"]],
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "ClientInfo": {
        "Plugins": [{"Name": "buildx", "Version": "0.13.1+ds1-3"}, {"Name": "compose", "Version": "v2.26.1"}]
    },
}


@pytest.fixture
def look(monkeypatch):
    """Return a function that looks at a host whose client prints this, with these programs and daemon options."""

    def looked(info: Any, *, programs: dict[str, str], options: dict[str, Any] | None = None, owner: str = ""):
        def run(_module: Any, argv: list[str], **_options: Any) -> SimpleNamespace:
            if "info" in argv:
                text = info if isinstance(info, str) else json.dumps(info)
                return SimpleNamespace(rc=0, stdout=text, stderr="cannot connect")
            return SimpleNamespace(rc=0 if owner else 1, stdout=f"{owner}: {argv[-1]}", stderr="")

        start = SimpleNamespace(options=options or {}, sources=dict.fromkeys(options or {}, "/etc/docker/daemon.json"))
        monkeypatch.setattr(engine, "run", run)
        monkeypatch.setattr(engine, "find_program", programs.get)
        monkeypatch.setattr(engine.daemon, "started_with", lambda _host: start)
        monkeypatch.setattr(engine, "_fault", lambda _module, _host, silence: f"silent: {silence}")
        return engine.look(None, "unix:///var/run/docker.sock")

    return looked


PROGRAMS = {"docker": "/usr/bin/docker", "dockerd": "/usr/sbin/dockerd", "dpkg-query": "/usr/bin/dpkg-query"}


def test_one_question_tells_all(look):
    found = look(INFO, programs=PROGRAMS)
    assert (found.version, found.compose, found.buildx) == ((26, 1, 5), (2, 26, 1), (0, 13, 1))
    assert (found.processors, found.folder, found.package) == (4, "/srv/docker", "")
    assert found.complete
    assert not found.rootless
    assert not found.maps_users


def test_what_is_incomplete_has_its_package(look):
    found = look(
        {**INFO, "ClientInfo": {"Plugins": [{"Name": "compose", "Err": "broken"}]}},
        programs=PROGRAMS,
        owner="docker-ce",
    )
    assert (found.compose, found.buildx, found.package) == (None, None, "docker-ce")


def test_an_engine_without_a_client_has_its_package(look):
    found = look({}, programs={name: path for name, path in PROGRAMS.items() if name != "docker"}, owner="docker-ce")
    assert (found.installed, found.client, found.package) == (True, False, "docker-ce")


@pytest.mark.parametrize("info", ["", "not JSON", "[]", {"ServerErrors": ["permission denied"], "ClientInfo": {}}])
def test_a_daemon_that_does_not_answer_is_read_from_its_file(look, info):
    found = look(info, programs=PROGRAMS, options={"data-root": "/big", "userns-remap": "default"})
    assert found.version is None
    assert found.fault.startswith("silent: ")
    assert found.folder == "/big"
    assert found.maps_users


@pytest.mark.parametrize("programs", [{"docker": "/snap/bin/docker", "dockerd": "/snap/docker/current/bin/dockerd"}])
def test_the_engine_of_snap_is_known(look, programs):
    assert look(INFO, programs=programs).package == engine.SNAP


def test_rootless_and_mapped_users_are_known(look):
    found = look({**INFO, "SecurityOptions": ["name=rootless", "name=userns"]}, programs=PROGRAMS)
    assert found.rootless
    assert found.maps_users


def test_no_docker_is_no_engine(look):
    assert look(INFO, programs={}) == engine.Engine()


@pytest.mark.parametrize(
    ("info", "options", "folder"),
    [
        ({}, {}, "/var/lib/docker"),
        ({}, {"data-root": "/big"}, "/big"),
        ({"DockerRootDir": "/srv"}, {"data-root": "/big"}, "/srv"),
        ({"DockerRootDir": "/srv", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}, {}, "/c"),
    ],
)
def test_where_images_are_kept(info, options, folder):
    assert engine.folder(info, options, "/c") == folder


@pytest.mark.parametrize(
    ("state", "docker_host", "silence"),
    [
        ("loaded inactive", "unix:///var/run/docker.sock", False),
        ("loaded failed", "unix:///var/run/docker.sock", False),
        ("loaded active", "unix:///var/run/docker.sock", True),
        ("masked inactive", "unix:///var/run/docker.sock", True),
        ("not-found inactive", "unix:///var/run/docker.sock", True),
        ("loaded inactive", "unix:///run/other.sock", True),
    ],
)
def test_only_a_stopped_unit_is_started_and_all_else_is_reported(monkeypatch, state, docker_host, silence):
    load, active = state.split()
    monkeypatch.setattr(engine, "_unit", lambda _module: {"LoadState": load, "ActiveState": active})
    monkeypatch.setattr(engine.access, "elsewhere", lambda _host: [])
    reported = engine._fault(None, docker_host, "permission denied")
    assert bool(reported) == silence
    if reported:
        assert all(word in reported for word in (load, active, docker_host, "permission denied"))


def test_a_rootless_docker_is_named_and_no_second_one_started(monkeypatch):
    monkeypatch.setattr(engine, "_unit", lambda _module: {"LoadState": "loaded", "ActiveState": "inactive"})
    monkeypatch.setattr(engine.access, "elsewhere", lambda _host: ["a rootless Docker of uid 1000 is at /x"])
    assert "a rootless Docker of uid 1000" in engine._fault(None, "unix:///var/run/docker.sock", "")
