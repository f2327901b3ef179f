"""The result of a host: pure, and with every remediation in its message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.engine import Engine
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.host import Host
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.problems import (
    Desired,
    missing_packages,
    problems,
)

ENGINE = Engine(
    installed=True,
    client=True,
    program="/usr/sbin/dockerd",
    version=(26, 1, 5),
    compose=(2, 26, 1),
    buildx=(0, 13, 1),
    processors=4,
)
GOOD = Host(
    distribution="debian",
    release="13",
    codename="trixie",
    architecture="x86_64",
    systemd=(257,),
    memory_mib=8000,
    processors=4,
    disk_free_mib=20000,
    engine=ENGINE,
)
HINTS = {"processors": "gateway_cpus", "addresses": "gateway_bind"}
WANTED = Desired(engine_source="distribution", memory_mib=1900, disk_free_mib=6000, processors=2, hints=HINTS)
BARE = Engine()
STATIC = replace(ENGINE, program="/usr/local/bin/dockerd")


def host(change: dict[str, Any]) -> Host:
    """Return the good host with changes of its own and of its engine (``engine.NAME``)."""
    of_engine = {name.removeprefix("engine."): value for name, value in change.items() if name.startswith("engine.")}
    own = {name: value for name, value in change.items() if not name.startswith("engine.")}
    return replace(GOOD, **{"engine": replace(ENGINE, **of_engine), **own})


def test_a_good_host_has_no_problems_and_lacks_nothing():
    assert problems(GOOD, WANTED) == []
    assert missing_packages(GOOD, "distribution") == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"systemd": None}, ["systemd", "another PID 1", "make sandbox"]),
        ({"systemd": (247,)}, ["systemd", "247", "252"]),
        ({"distribution": "alpine", "release": "3.20"}, ["distribution", "alpine 3.20", "debian 13"]),
        ({"architecture": "riscv64"}, ["architecture", "riscv64", "x86_64"]),
        ({"memory_mib": 1024}, ["memory", "1024 MiB", "1900 MiB", "memory_minimum_mib"]),
        ({"disk_free_mib": 10}, ["free disk at /var/lib/docker", "10 MiB", "6000 MiB", "disk_minimum_mib"]),
        ({"processors": 1}, ["processors", "found 1", "needed 2", "(gateway_cpus)"]),
        ({"absent_addresses": ("192.0.2.9",)}, ["addresses", "192.0.2.9", "(gateway_bind)"]),
        ({"engine.rootless": True}, ["rootless", "docker_host"]),
        ({"engine.maps_users": True, "engine.sources": {"userns-remap": "/x"}}, ["userns-remap", "/x", "take userns"]),
        ({"engine.options": {"iptables": False}}, ["iptables", "the daemon", "take iptables out"]),
        ({"engine.package": "snap", "engine.compose": None}, ["snap", "engine_source", "snap remove docker"]),
        ({"engine": replace(STATIC, compose=None)}, ["/usr/local/bin/dockerd", "no package owns", "Compose"]),
        ({"engine": replace(STATIC, package="moby-engine", buildx=None)}, ["moby-engine", "Buildx"]),
        ({"engine.version": (20, 10, 24)}, ["Docker Engine", "20.10.24", "23.0", "engine_source"]),
        ({"engine.compose": (2, 3)}, ["Docker Compose", "2.3", "2.20"]),
        ({"engine.buildx": (0, 8)}, ["Docker Buildx", "0.8", "0.10"]),
        ({"uid": 1000}, ["account", "uid 1000", "become"]),
        (
            {
                "missing_python": ("docker", "yaml"),
                "reads_dist_packages": False,
                "interpreter": "/opt/venv/bin/python3",
            },
            [
                "/opt/venv/bin/python3",
                "python3-docker",
                "/usr/bin/python3",
                "ansible_python_interpreter",
                "docker PyYAML",
            ],
        ),
        (
            {"broken_python": (("docker", "ImportError: x"),)},
            ["'docker'", "ImportError: x", "ansible_python_interpreter"],
        ),
        ({"engine.version": None, "engine.fault": "found no answer at X"}, ["Docker Engine", "found no answer at X"]),
        ({"release": "12", "engine": BARE}, ["Docker Engine", "debian 12", "'repository'"]),
    ],
)
def test_one_fault_gives_one_problem_with_its_fix(change, words):
    found = problems(host(change), WANTED)
    assert len(found) == 1
    assert all(word in found[0] for word in words), found


def test_all_faults_are_reported_at_once():
    bad = replace(GOOD, systemd=None, architecture="i686", memory_mib=1, disk_free_mib=1)
    assert len(problems(bad, WANTED)) == 4


def test_an_absent_engine_is_a_problem_only_where_it_must_be_present():
    bare = replace(GOOD, engine=BARE)
    assert problems(bare, WANTED) == []
    assert "found none" in problems(bare, replace(WANTED, engine_source="present"))[0]


def test_packages_that_apt_brings_are_no_problem_for_the_python_that_reads_them():
    assert problems(replace(GOOD, missing_python=("docker",)), WANTED) == []


@pytest.mark.parametrize(
    ("change", "word"), [({"engine.compose": None}, "Docker Compose"), ({"engine.buildx": None}, "Docker Buildx")]
)
def test_an_engine_that_must_be_present_must_be_complete(change, word):
    (reported,) = problems(host(change), replace(WANTED, engine_source="present"))
    assert reported.startswith(f"{word}: found none")
    assert "engine_source" in reported


@pytest.mark.parametrize(
    ("system", "source", "package"),
    [
        (("debian", "13"), "distribution", "docker-compose"),
        (("ubuntu", "24.04"), "distribution", "docker-compose-v2"),
        (("debian", "12"), "repository", "docker-compose-plugin"),
    ],
)
def test_missing_packages_are_named_as_the_source_names_them(system, source, package):
    bare = replace(GOOD, distribution=system[0], release=system[1], missing_python=("docker",), engine=BARE)
    names = missing_packages(bare, source)
    assert package in names
    assert "python3-docker" in names


@pytest.mark.parametrize(
    ("package", "lacks", "source", "packages"),
    [
        ("docker.io", {"compose": None}, "distribution", ["docker-compose"]),
        ("docker.io", {"compose": None, "buildx": None}, "repository", ["docker-compose", "docker-buildx"]),
        ("docker-ce", {"compose": None}, "distribution", ["docker-compose-plugin"]),
        ("docker-ce", {"buildx": None}, "repository", ["docker-buildx-plugin"]),
        ("docker-ce", {"client": False, "compose": None, "buildx": None}, "distribution",
         ["docker-ce-cli", "docker-compose-plugin", "docker-buildx-plugin"]),
        ("", {"compose": None}, "distribution", []),
        ("docker.io", {"compose": None}, "present", []),
    ],
)  # fmt: skip
def test_an_engine_that_is_there_is_completed_and_never_replaced(package, lacks, source, packages):
    there = replace(GOOD, engine=replace(ENGINE, package=package, **lacks))
    assert missing_packages(there, source) == packages
