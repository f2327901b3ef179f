"""The result of a host: pure, and with every remediation in its message."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils import _preflight
from ansible_collections.openclaw.hardening.plugins.modules import host_preflight

GOOD = _preflight.Host(
    distribution="debian",
    release="13",
    codename="trixie",
    architecture="x86_64",
    systemd=(257,),
    memory_mib=8000,
    disk_free_mib=20000,
    engine_installed=True,
    engine=(26, 1, 5),
    compose=(2, 26, 1),
    buildx=(0, 13, 1),
)
WANTED = _preflight.Desired(engine_source="distribution", memory_mib=1900, disk_free_mib=6000)
BARE = {"engine_installed": False, "engine": None, "compose": None, "buildx": None}


def test_a_good_host_has_no_problems_and_lacks_nothing():
    assert _preflight.problems(GOOD, WANTED) == []
    assert _preflight.missing_packages(GOOD, "distribution") == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"systemd": None}, ["systemd", "another PID 1", "make sandbox"]),
        ({"systemd": (247,)}, ["systemd", "247", "252"]),
        ({"distribution": "alpine", "release": "3.20"}, ["distribution", "alpine 3.20", "debian 13"]),
        ({"architecture": "riscv64"}, ["architecture", "riscv64", "x86_64"]),
        ({"memory_mib": 1024}, ["memory", "1024 MiB", "1900 MiB", "memory_minimum_mib"]),
        ({"disk_free_mib": 10}, ["free disk", "10 MiB", "6000 MiB", "disk_minimum_mib"]),
        ({"engine": (20, 10, 24)}, ["Docker Engine", "20.10.24", "23.0", "engine_source"]),
        ({"compose": (2, 3)}, ["Docker Compose", "2.3", "2.20"]),
        ({"buildx": (0, 8)}, ["Docker Buildx", "0.8", "0.10"]),
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
        ({"engine": None, "engine_fault": "found no answer at X"}, ["Docker Engine", "found no answer at X"]),
        ({"release": "12", **BARE}, ["Docker Engine", "debian 12", "'repository'"]),
    ],
)
def test_one_fault_gives_one_problem_with_its_fix(change, words):
    found = _preflight.problems(dataclasses.replace(GOOD, **change), WANTED)
    assert len(found) == 1
    assert all(word in found[0] for word in words), found


def test_all_faults_are_reported_at_once():
    bad = dataclasses.replace(GOOD, systemd=None, architecture="i686", memory_mib=1, disk_free_mib=1)
    assert len(_preflight.problems(bad, WANTED)) == 4


def test_an_absent_engine_is_a_problem_only_where_it_must_be_present():
    bare = dataclasses.replace(GOOD, **BARE)
    assert _preflight.problems(bare, WANTED) == []
    assert "found none" in _preflight.problems(bare, dataclasses.replace(WANTED, engine_source="present"))[0]


def test_packages_that_apt_brings_are_no_problem_for_the_python_that_reads_them():
    assert _preflight.problems(dataclasses.replace(GOOD, missing_python=("docker",)), WANTED) == []


@pytest.mark.parametrize(
    ("change", "word"), [({"compose": None}, "Docker Compose"), ({"buildx": None}, "Docker Buildx")]
)
def test_an_engine_that_must_be_present_must_be_complete(change, word):
    (reported,) = _preflight.problems(
        dataclasses.replace(GOOD, **change), dataclasses.replace(WANTED, engine_source="present")
    )
    assert reported.startswith(f"{word}: found none")
    assert "engine_source" in reported


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
    monkeypatch.setattr(_preflight, "_unit", lambda _module: {"LoadState": load, "ActiveState": active})
    monkeypatch.setattr(_preflight.access, "elsewhere", lambda _host: [])
    reported = _preflight._engine_fault(None, docker_host, "permission denied")
    assert bool(reported) == silence
    if reported:
        assert all(word in reported for word in (load, active, docker_host, "permission denied"))


def test_a_rootless_docker_is_named_and_no_second_one_started(monkeypatch):
    monkeypatch.setattr(_preflight, "_unit", lambda _module: {"LoadState": "loaded", "ActiveState": "inactive"})
    monkeypatch.setattr(_preflight.access, "elsewhere", lambda _host: ["a rootless Docker of uid 1000 is at /x"])
    assert "a rootless Docker of uid 1000" in _preflight._engine_fault(None, "unix:///var/run/docker.sock", "")


def test_a_package_that_cannot_be_imported_is_not_missing(tmp_path, monkeypatch):
    (tmp_path / "good_package.py").write_text("")
    (tmp_path / "broken_package.py").write_text("import no_such_module")
    (tmp_path / "raising_package.py").write_text("raise RuntimeError('old')")
    (tmp_path / "only_a_folder").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ("good_package", "broken_package", "raising_package", "only_a_folder", "no_such_package")
    monkeypatch.setattr(_preflight, "PYTHON_PACKAGES", dict.fromkeys(names, "x"))
    missing, broken = _preflight._python_packages()
    assert missing == ("only_a_folder", "no_such_package")
    assert dict(broken) == {
        "broken_package": "No module named 'no_such_module'",
        "raising_package": "RuntimeError: old",
    }


@pytest.mark.parametrize(
    ("system", "source", "package"),
    [
        (("debian", "13"), "distribution", "docker-compose"),
        (("ubuntu", "24.04"), "distribution", "docker-compose-v2"),
        (("debian", "12"), "repository", "docker-compose-plugin"),
    ],
)
def test_missing_packages_are_named_as_the_source_names_them(system, source, package):
    bare = dataclasses.replace(GOOD, distribution=system[0], release=system[1], missing_python=("docker",), **BARE)
    names = _preflight.missing_packages(bare, source)
    assert package in names
    assert "python3-docker" in names


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("systemd 257 (257.13-1~deb13u1)", (257,)),
        ("26.1.5+dfsg1", (26, 1, 5)),
        ("2.26.1-4", (2, 26, 1)),
        ("v2.29.7", (2, 29, 7)),
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", (0, 13, 1)),
        ("github.com/docker/buildx v0.17.1 257815a6fbaee88976808020bf04274388275ae8", (0, 17, 1)),
        ("no number here", None),
    ],
)
def test_versions_are_read_from_what_programs_print(text, version):
    assert _preflight.parse_version(text) == version


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"docker_host": "ssh://x"}, "docker_host: found 'ssh://x'"),
        ({"docker_host": "unix:///" + "x" * 1_000_000}, "docker_host: found"),
        ({"memory_minimum_mib": -1}, "memory_minimum_mib: found -1, needed an integer from 0"),
        ({"disk_minimum_mib": 10**400}, "disk_minimum_mib: found 1000"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_host_is_looked_at(run_module, options, words):
    answer = run_module(host_preflight, **options)
    assert answer["failed"]
    assert answer["msg"].startswith(words)
    assert len(answer["msg"]) < 300


def test_the_module_itself_refuses_in_one_message_and_changes_nothing(run_module):
    answer = run_module(host_preflight, memory_minimum_mib=10**9, disk_minimum_mib=10**9)
    assert answer["failed"]
    assert "nothing was changed" in answer["msg"]
    assert sum(problem.startswith(("memory:", "free disk:")) for problem in answer["problems"]) == 2
