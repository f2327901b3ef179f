"""The gate over services as public Compose files have them: what is no weakness is not refused, what is one is.

Each is written here, from what was refused wrongly in the files that docs/audit.md lists.
"""

from __future__ import annotations

from typing import Any

import pytest
from unit.plugins.module_utils._deploy.test_gate import broken

DATA = {"type": "volume", "source": "data", "target": "/data"}
CONFIG = {"type": "bind", "source": "/srv/app/conf", "target": "/etc/app", "read_only": True}

# Name, service, rules that must not refuse it, and the change that makes a weakness of it.
EXTRACTS: tuple[tuple[str, dict[str, Any], tuple[str, ...], dict[str, Any]], ...] = (
    (
        "database with its data",
        {"image": "postgres:17", "volumes": [DATA], "healthcheck": {"test": ["CMD", "pg_isready", "-U", "postgres"]}},
        ("OCH-CTR-10", "OCH-CTR-25"),
        {
            "volumes": [{"type": "bind", "source": "/srv/app/data", "target": "/data"}],
            "healthcheck": {"test": ["CMD-SHELL", "pg_isready || exit 0"]},
        },
    ),
    (
        "cache that its client asks",
        {"image": "redis:8", "healthcheck": {"test": ["CMD-SHELL", "redis-cli ping | grep PONG"]}},
        ("OCH-CTR-25",),
        {"healthcheck": {"test": ["CMD-SHELL", "redis-cli ping | cat"]}},
    ),
    (
        "web service that is asked for a word",
        {
            "image": "example/web:1",
            "healthcheck": {"test": ["CMD-SHELL", "curl -s localhost:3000/health | grep -q 'OK' || exit 1"]},
        },
        ("OCH-CTR-25",),
        {"healthcheck": {"test": ["CMD-SHELL", "curl -s localhost:3000/health"]}},
    ),
    (
        "proxy with several volumes and ports",
        {
            "image": "caddy:2",
            "volumes": [DATA, {**DATA, "source": "certs", "target": "/config"}, CONFIG],
            "ports": [{"target": port, "published": str(8000 + port), "host_ip": "127.0.0.1"} for port in (80, 443)],
        },
        ("OCH-CTR-10", "OCH-CTR-12", "OCH-NET-01", "OCH-NET-04"),
        {
            "volumes": [{**CONFIG, "source": "/etc"}, {**CONFIG, "target": "/x", "read_only": False}],
            "ports": [{"target": 80, "published": "8080"}],
        },
    ),
    (
        "tunnel with a parameter of its own network",
        {"image": "example/tunnel:1", "sysctls": {"net.ipv4.conf.all.src_valid_mark": "1"}},
        ("OCH-CTR-31",),
        {"sysctls": {"net.ipv4.conf.all.accept_redirects": "1"}},
    ),
)
NAMES = [name for name, *_rest in EXTRACTS]


def refused(service: dict[str, Any]) -> set[str]:
    return {rule for rule, _target in broken({"services": {"app": service}, "volumes": {"data": {}, "certs": {}}})}


@pytest.mark.parametrize(("_name", "service", "rules", "weakness"), EXTRACTS, ids=NAMES)
def test_what_is_no_weakness_is_not_refused(_name, service, rules, weakness):
    assert refused(service).isdisjoint(rules)


@pytest.mark.parametrize(("_name", "service", "rules", "weakness"), EXTRACTS, ids=NAMES)
def test_the_same_with_a_weakness_is_refused(_name, service, rules, weakness):
    expected = set(rules) - ({"OCH-NET-04"} if "ports" in weakness else set())
    assert expected <= refused({**service, **weakness})
