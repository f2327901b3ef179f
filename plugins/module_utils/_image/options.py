# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of an image: of the module, and of what builds it without Ansible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import DOCKER_ARGUMENTS, docker_host
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive
from ansible_collections.openclaw.hardening.plugins.module_utils._image.base import packages
from ansible_collections.openclaw.hardening.plugins.module_utils._image.manager import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._image.network import network
from ansible_collections.openclaw.hardening.plugins.module_utils._image.recipe import Base, Recipe

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

BASE_ARGUMENTS: dict[str, Any] = {
    "source": {"type": "str", "choices": ["debian", "registry"], "default": "debian"},
    "ref": {"type": "str", "default": ""},
    "packages": {"type": "list", "elements": "str", "default": []},
    "max_age_days": {"type": "int", "default": 30},
    "refresh": {"type": "bool", "default": False},
}
IMAGE_ARGUMENTS: dict[str, Any] = {
    **DOCKER_ARGUMENTS,
    "name": {"type": "str", "required": True},
    "dockerfile": {"type": "str", "default": ""},
    "context": {"type": "dict", "default": {}},
    "checkout_path": {"type": "str", "default": ""},
    "build_args": {"type": "dict", "default": {}},
    # Paths, not secrets.
    "secrets": {"type": "dict", "default": {}, "no_log": False},
    "base": {"type": "dict", "options": BASE_ARGUMENTS, "apply_defaults": True},
    "app_path": {"type": "str", "default": "/app"},
    "record_dir": {"type": "str", "default": "/var/lib/openclaw-hardening"},
    "build_dir": {"type": "str", "default": ""},
    "proxy": {"type": "str", "default": ""},
    "no_proxy": {"type": "list", "elements": "str", "default": []},
    "ca": {"type": "str", "default": ""},
    "hints": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 3600},
    "image_id": {"type": "str", "default": ""},
    "record": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "adopted", "absent"], "default": "present"},
}


def recipe(module: AnsibleModule) -> Recipe:
    """Read what the image is made from; checked before anything is touched."""
    options, base = module.params, module.params["base"]
    if options["image_id"]:
        archive.image_id("image_id", options["image_id"])
    return Recipe(
        name=options["name"],
        dockerfile=options["dockerfile"],
        context={str(name): str(text) for name, text in options["context"].items()},
        base=Base(
            source=base["source"],
            ref=base["ref"],
            packages=packages(base["packages"]),
            max_age_days=validate.integer("base.max_age_days", base["max_age_days"], 1, 3650),
            refresh=base["refresh"],
        ),
        build_args={str(name): str(value) for name, value in options["build_args"].items()},
        secrets={str(name): str(path) for name, path in options["secrets"].items()},
        checkout=options["checkout_path"],
    )


def settings(module: AnsibleModule) -> Settings:
    """Read where and how; checked before anything is touched."""
    options = module.params
    return Settings(
        docker_host=docker_host(options["docker_host"]),
        app_path=validate.absolute_path("app_path", options["app_path"]),
        record_dir=validate.absolute_path("record_dir", options["record_dir"]),
        timeout=validate.integer("timeout", options["timeout"], 60, 86400),
        build_dir=validate.own_path("build_dir", options["build_dir"]) if options["build_dir"] else "",
        network=network(options["proxy"], options["no_proxy"], options["ca"]),
    )
