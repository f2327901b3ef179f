"""Good requests for modules that the deployment of a single host does not need, and for actions of the controller."""

from __future__ import annotations

from typing import Any

from hostile_host import HostileHost, Module, requests

REGISTRY = "registry.invalid:5000/openclaw"


def good_requests(host: HostileHost, server: Module) -> list[dict[str, Any]]:
    """Return requests that a module accepts: those of the roles, or some as they would be."""
    return requests(host, server.name) or _samples(host)[server.name]


def _samples(host: HostileHost) -> dict[str, list[dict[str, Any]]]:
    image = host.check("docker image inspect --format '{{.Id}}' openclaw:hardened")
    record = {"content_hash": "0" * 64, "base": "x", "verified": "2026-01-01T00:00:00+00:00", "report": {}}
    deployed = {"project": "openclaw", "service": "openclaw-gateway", "container_name": "openclaw-gateway"}
    promised = {"image_id": image, "name": "openclaw:hardened", "record": {**record, "image_id": image}}
    login = {"repository": REGISTRY, "username": "someone", "password": "canary"}
    return {
        "deployment_info": [{**deployed, "image_ref": "openclaw:hardened"}],
        # What runs there is the base of another instance, which is only looked at.
        "base_deployment": [
            {
                "project": "other",
                "service": "openclaw-gateway",
                "container_name": "other-gateway",
                "definition": "/etc/other/docker-compose.hardened.yml",
                "record_dir": "/var/lib/other-hardening",
            },
        ],
        # What makes a backup needs programs that these hosts do not have; the options are checked all the same.
        "gateway_backup": [
            {
                "state": "absent",
                "project": "openclaw",
                "directory": "/var/backups/openclaw",
                "state_dir": "/var/lib/openclaw/.openclaw",
                "config_dir": "/etc/openclaw",
                "record_dir": "/var/lib/openclaw-hardening",
            }
        ],
        "gateway_diagnosis": [{"port": 18789}],
        "gateway_removal": [{"state": "planned", "instance": "openclaw", "backup": {"recipient": ""}}],
        "secret_rotation": [
            {
                **deployed,
                "definition": "/etc/openclaw/docker-compose.hardened.yml",
                "token_file": "/etc/openclaw/secrets/gateway_token",
                "secrets": {"/etc/openclaw/secrets/gateway_token": "canary"},
                "rotate_token": False,
                "port": 18789,
            }
        ],
        "image_archive": [
            {"state": "exported", "image": image, "directory": "/srv/images"},
            {"state": "imported", **promised, "path": "/srv/images/x.tar", "layers": [image]},
        ],
        "image_registry": [
            {"state": "pushed", "image": image, **login},
            {"state": "pulled", **promised, **login, "digest": image},
        ],
    }


def controller_requests(audit: dict[str, Any], folder: str) -> dict[str, dict[str, Any]]:
    """Return a request for each action.

    :param audit: what hardening_info returned.
    """
    deployment = {"image_id": "sha256:" + "0" * 64, "engine": True, "status": "running"}
    outcome = {"result": "updated", "image_id": deployment["image_id"], "seconds": 3.5,
               "probes": {"asked": 9, "failed": 1}, "message": "as it should be"}  # fmt: skip
    return {
        "hardening_report": {
            "hosts": [{"name": "gateway", "result": {**audit, "checks": audit["checks"][:3]}}],
            "directory": folder,
            "formats": ["html", "json", "junit", "sarif"],
            "title": "Hostile",
            "table": True,
        },
        "rollout_plan": {
            "hosts": [{"name": "gateway", "deployment": deployment, "account": {"uid": 1000}, "fault": ""}],
            "canaries": ["gateway"],
            "batches": [1, "25%"],
            "unreachable": "stop",
            "same_uid": True,
            "hints": {"batches": "openclaw_rollout_batches"},
        },
        "rollout_report": {
            "hosts": [{"name": "gateway", "deployment": deployment, "outcome": outcome}],
            "skipped": ["other"],
            "directory": folder,
        },
        "validate_settings": {
            "roles": ["openclaw_user"],
            "playbook": {
                "name": "own",
                "options": {"own_seconds": {"type": "int", "default": 60}},
                "rules": [{"option": "own_seconds", "integer": [0, 600]}],
                "results": ["own_result"],
            },
        },
    }
