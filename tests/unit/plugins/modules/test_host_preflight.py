"""The module: what it refuses, before and after it has looked at the host."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.modules import host_preflight


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"docker_host": "ssh://x"}, "docker_host: found 'ssh://x'"),
        ({"docker_host": "unix:///" + "x" * 1_000_000}, "docker_host: found"),
        ({"addresses": ["here"]}, "addresses: found 'here', needed an IP address"),
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
    assert sum(problem.startswith(("memory:", "free disk at ")) for problem in answer["problems"]) == 2


def test_more_processors_than_there_are_and_a_foreign_address_are_refused(run_module):
    hints = {"processors": "the_limit", "addresses": "the_address"}
    answer = run_module(host_preflight, processors=9999, addresses=["192.0.2.9"], hints=hints)
    assert answer["failed"]
    (processors,) = [problem for problem in answer["problems"] if problem.startswith("processors:")]
    (addresses,) = [problem for problem in answer["problems"] if problem.startswith("addresses:")]
    assert "needed 9999" in processors
    assert "(the_limit)" in processors
    assert "192.0.2.9" in addresses
    assert "(the_address)" in addresses
