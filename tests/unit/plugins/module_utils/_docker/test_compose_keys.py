"""Every key of the Compose specification's schema is in the tables, and no harmless one is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import compose_keys as keys

SCHEMA = json.loads((Path(__file__).parents[3] / "recorded" / "compose-spec.json").read_text())


def node(found: dict[str, Any]) -> dict[str, Any]:
    """Follow references of the schema."""
    while "$ref" in found:
        found = SCHEMA["definitions"][found["$ref"].rpartition("/")[2]]
    return found


def paths(found: dict[str, Any], table: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key of the schema, with what the tables say of it; nothing below what is one as a whole."""
    found = node(found)
    for part in [*found.get("oneOf", ()), *([found["items"]] if "items" in found else ())]:
        yield from paths(part, table, path)
    if not isinstance(table, dict):
        return
    for key, inner in (found.get("properties") or {}).items():
        below = table.get(key, table.get(keys.ANY, "missing"))
        yield f"{path}.{key}".lstrip("."), below
        yield from paths(inner, below, f"{path}.{key}")
    for pattern, inner in (found.get("patternProperties") or {}).items():
        if pattern != "^x-":
            yield from paths(inner, table.get(keys.ANY, "missing"), f"{path}.*")


ALL = list(paths({key: value for key, value in SCHEMA.items() if key != "definitions"}, keys.PROJECT))


def test_the_schema_was_read() -> None:
    assert len({path for path, _found in ALL}) > 200
    assert {"services.*.privileged", "services.*.deploy.resources.limits.pids", "volumes.*.driver_opts"} <= dict(
        ALL
    ).keys()


@pytest.mark.parametrize("path", sorted({path for path, _found in ALL}))
def test_a_key_of_the_schema_is_known(path: str) -> None:
    assert all(found != "missing" for known, found in ALL if known == path)


def refused(service: dict[str, Any], **config: Any) -> tuple[str, ...]:
    return keys.refused({**config, "services": {"s": service}}, "s")


HARMLESS: dict[str, Any] = {
    "annotations": {"com.example.owner": "me"},
    "attach": False,
    "build": {"context": ".", "dockerfile": "Dockerfile", "target": "x", "args": {"A": "1"}, "cache_from": ["x"]},
    "configs": [{"source": "c", "target": "/c", "uid": "1", "mode": 0o444}],
    "container_name": "s",
    "depends_on": {"db": {"condition": "service_healthy", "restart": True, "required": False}},
    "deploy": {"mode": "replicated", "replicas": 1, "resources": {"limits": {"cpus": "1", "memory": "1g", "pids": 9}}},
    "develop": {"watch": [{"action": "sync", "path": "./src", "target": "/app", "ignore": ["node_modules/"]}]},
    "dns": ["192.0.2.1"],
    "dns_search": "example.org",
    "domainname": "example.org",
    "env_file": [{"path": ".env", "required": False}],
    "expose": ["3000"],
    "extra_hosts": {"db": "192.0.2.2"},
    "healthcheck": {"test": ["CMD", "x"], "start_interval": "5s", "interval": "10s"},
    "hostname": "s",
    "init": True,
    "labels": {"a": "b"},
    "links": ["db"],
    "logging": {"driver": "json-file", "options": {"max-size": "10m"}},
    "mac_address": "02:42:ac:11:00:02",
    "mem_reservation": "1g",
    "networks": {"n": {"aliases": ["s"], "ipv4_address": "192.0.2.3", "priority": 5}},
    "platform": "linux/amd64",
    "ports": [{"target": 1, "published": "1", "host_ip": "127.0.0.1", "name": "http", "app_protocol": "http"}],
    "profiles": ["tools"],
    "pull_policy": "missing",
    "scale": 1,
    "secrets": ["s"],
    "stdin_open": True,
    "stop_grace_period": "30s",
    "stop_signal": "SIGINT",
    "storage_opt": {"size": "1G"},
    "tty": True,
    "ulimits": {"nofile": {"soft": 1, "hard": 2}},
    "volumes": [
        {"type": "volume", "source": "v", "target": "/v", "volume": {"nocopy": True, "subpath": "x"}},
        {"type": "bind", "source": "/b", "target": "/b", "bind": {"create_host_path": False}, "consistency": "cached"},
        "w:/w:ro",
    ],
    "working_dir": "/app",
    "x-notes": {"anything": "goes"},
    "oom_kill_disable": False,
    "provider": None,
    "external_links": [],
}
AROUND: dict[str, Any] = {
    "version": "3.9",
    "name": "p",
    "x-common": {"a": 1},
    "networks": {"n": {"driver": "bridge", "ipam": {"config": [{"subnet": "192.0.2.0/24"}]}, "labels": {"a": "b"}}},
    "volumes": {"v": {"labels": {"a": "b"}}, "w": None},
    "secrets": {"s": {"file": "./s"}},
    "configs": {"c": {"content": "x"}},
}


@pytest.mark.parametrize("key", HARMLESS)
def test_a_harmless_key_is_not_refused(key: str) -> None:
    assert refused({key: HARMLESS[key]}, **AROUND) == ()


@pytest.mark.parametrize(
    ("service", "config", "found"),
    [
        ({"provider": {"type": "/bin/sh"}}, {}, "provider: Compose starts this program"),
        ({"credential_spec": {"file": "x"}}, {}, "credential_spec: only Windows"),
        ({"isolation": "hyperv"}, {}, "isolation: "),
        ({"external_links": ["db"]}, {}, "external_links: "),
        ({"models": ["m"]}, {}, "models: "),
        ({"extends": {"service": "x"}}, {}, "extends: "),
        ({"build": {"privileged": True}}, {}, "build.privileged: "),
        ({"build": {"entitlements": ["security.insecure"]}}, {}, "build.entitlements: "),
        ({"build": {"ssh": ["default"]}}, {}, "build.ssh: "),
        ({"storage_opt": {"own": "x"}}, {}, "storage_opt.own: a key that the policy does not know"),
        ({"foo": 0}, {}, "foo: a key that the policy does not know"),
        ({"networks": {"n": {"foo": 1}}}, {}, "networks.n.foo: "),
        ({"volumes": [{"type": "volume", "source": "v", "target": "/v", "foo": 1}]}, {}, "volumes.foo: "),
        ({"networks": ["n"]}, {"networks": {"n": {"foo": 1}}}, "networks.n.foo: "),
        ({"networks": ["n"]}, {"networks": {"n": {"ipam": {"options": {"a": "b"}}}}}, "networks.n.ipam.options: "),
        ({"volumes": ["v:/v"]}, {"volumes": {"v": {"foo": 1}}}, "volumes.v.foo: "),
        ({"secrets": ["x"]}, {"secrets": {"x": {"external": True}}}, "secrets.x.external: only a swarm"),
        ({"secrets": [{"source": "x"}]}, {"secrets": {"x": {"driver": "d"}}}, "secrets.x.driver: "),
        ({"configs": ["x"]}, {"configs": {"x": {"template_driver": "d"}}}, "configs.x.template_driver: "),
        ({}, {"include": ["other.yml"]}, "include: "),
        ({}, {"models": {"m": {"model": "x"}}}, "models: "),
        ({}, {"foo": 1}, "foo: a key that the policy does not know"),
    ],
)
def test_another_key_is_refused_with_a_reason(service: dict[str, Any], config: dict[str, Any], found: str) -> None:
    (text,) = refused(service, **config)
    assert text.startswith(found)


def test_what_the_service_does_not_use_is_not_held_against_it() -> None:
    assert refused({}, networks={"n": {"foo": 1}}, secrets={"x": {"external": True}}) == ()
