"""Whose a name is: the names of one instance may begin with those of another one."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._removal import instances

KNOWN = frozenset({"openclaw", "openclaw-acme", "openclaw-gateway", "openclaw-acme-eu"})


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("openclaw-gateway.service", "openclaw"),
        ("openclaw-gateway-start.service", "openclaw"),
        ("openclaw-gateway-gateway.service", "openclaw-gateway"),
        ("openclaw-gateway-maintenance.timer", "openclaw-gateway"),
        ("openclaw-maintenance.service", "openclaw"),
        ("openclaw-acme-maintenance.service", "openclaw-acme"),
        ("openclaw-acme-eu-maintenance.service", "openclaw-acme-eu"),
        ("openclaw-acme-gateway.service", "openclaw-acme"),
        ("openclaw-other-maintenance.service", "openclaw"),
        ("openclaw", "openclaw"),
        ("openclaw-acme", "openclaw-acme"),
        ("openclawd.service", ""),
        ("nginx.service", ""),
    ],
)
def test_owner(name: str, owner: str) -> None:
    assert instances.owner(name, KNOWN) == owner


def test_projects_are_found_by_every_trace() -> None:
    found = instances.projects(
        ["openclaw-hardening", "openclaw-one-hardening", "openclaw-hardening-build", "openclaw", "docker"],
        ["openclaw-two", "ssh", "openclaw-Bad"],
        ["openclaw-three-hardening", "python3"],
        ["openclaw-four-gateway.service", "openclaw-five-auth-monitor.timer", "openclaw-gateway-firewall.service"],
    )
    assert found == {"openclaw", *(f"openclaw-{name}" for name in ("one", "two", "three", "four", "five"))}


@pytest.mark.parametrize(
    ("project", "instance"),
    [("openclaw", "openclaw"), ("openclaw-acme", "acme"), ("openclaw-openclaw", ""), ("acme", ""), ("openclaw-", "")],
)
def test_instance_of(project: str, instance: str) -> None:
    assert instances.instance_of(project) == instance
