# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the options of a module to a wanted deployment."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    absolute_path,
    integer,
    own_path,
    plain,
    printable,
    shown,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import SUBJECTS
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.journal import Deployment, Places, saved_files
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.ownership import SUFFIX
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.plan import Desired, Validation
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import reference
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ManagedFile, look, vet_parents
from ansible_collections.openclaw.hardening.plugins.module_utils._files.options import (
    FILE,
    PATH,
    SECRET,
    managed_files,
    owner,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_UNIT = re.compile(r"[a-z0-9][a-z0-9_.-]{0,200}\.service")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,100}")
_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")

# The container's account, not root, reads these: nobody can guess which one that is.
_OWNED_SECRET: dict[str, Any] = {
    **SECRET,
    "uid": {"type": "int", "required": True},
    "gid": {"type": "int", "required": True},
}
# A secret that is on the host already, in a directory of root: only its path is handed over.
_SOURCE: dict[str, Any] = {
    "path": PATH,
    "source": PATH,
    "uid": {"type": "int", "required": True},
    "gid": {"type": "int", "required": True},
}
_VALIDATE: dict[str, Any] = {
    "path": PATH,
    "argv": {"type": "list", "elements": "str", "required": True},
    "user": {"type": "str", "required": True},
    "env": {"type": "list", "elements": "str", "default": []},
    "option": {"type": "str", "default": ""},
}
HEALTH: dict[str, Any] = {
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "required": True},
    "started": {"type": "str", "default": "/startupz"},
    "alive": {"type": "str", "default": "/healthz"},
    "serving": {"type": "str", "default": "/tools/invoke"},
    # A path, not a secret.
    "token_file": {"type": "str", "default": "", "no_log": False},
    "dependencies": {"type": "str", "default": "/readyz"},
    "essential": {"type": "list", "elements": "str", "default": []},
    "require_dependencies": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 180},
    "stabilize": {"type": "int", "default": 10},
}
# Where to change a thing, which is no secret where the thing is one.
_HINT: dict[str, Any] = {"type": "str", "default": "", "no_log": False}
DEPLOY_ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "tested", "stopped", "absent", "previous"], "default": "present"},
    "project": {"type": "str", "required": True},
    "directory": PATH,
    "definition": {"type": "str", "default": ""},
    "definition_name": {"type": "str", "default": "docker-compose.hardened.yml"},
    "service": {"type": "str", "required": True},
    "container_name": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
    "secrets": {"type": "list", "elements": "dict", "default": [], "no_log": False, "options": _OWNED_SECRET},
    "prune_prefix": {"type": "str", "default": ""},
    "image_ref": {"type": "str", "default": ""},
    "image_id": {"type": "str", "default": ""},
    "validate": {"type": "dict", "options": _VALIDATE},
    "health": {"type": "dict", "options": HEALTH},
    "unit": {"type": "str", "default": ""},
    "state_dir": {"type": "str", "default": ""},
    "state_source": {"type": "str", "default": ""},
    "replaces": {"type": "list", "elements": "str", "default": []},
    "secret_sources": {"type": "list", "elements": "dict", "default": [], "no_log": False, "options": _SOURCE},
    "state_excludes": {"type": "list", "elements": "str", "default": []},
    "copy_state": {"type": "bool", "default": True},
    "keep_logins": {"type": "bool", "default": False},
    "accept_losses": {"type": "bool", "default": False},
    "migration_backup_days": {"type": "int", "default": 30},
    "candidate_environment": {"type": "dict", "default": {}},
    "candidate": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "remove_files": {"type": "bool", "default": False},
    "hints": {"type": "dict", "options": dict.fromkeys(SUBJECTS, _HINT)},
}


def _name(option: str, value: str) -> str:
    if option == "project" and value.endswith(SUFFIX):
        raise HardeningError(option, shown(value), f"a name that does not end with {SUFFIX}", option)
    if not _NAME.fullmatch(value):
        raise HardeningError(option, repr(value[:60]), "1 to 63 of a-z, 0-9, '_' and '-'", option)
    return value


def _probe(health: dict[str, Any] | None) -> Probe:
    if health is None:
        return Probe("127.0.0.1", 1, 0)
    paths = {
        question: _path(question, health[question]) for question in ("started", "alive", "serving", "dependencies")
    }
    if not paths["started"]:
        raise HardeningError("health.started", "nothing", "the path that reports whether start-up is over", "health")
    token_file = absolute_path("health.token_file", health["token_file"]) if health["token_file"] else ""
    if not token_file:
        paths["serving"] = ""  # nobody could be shown to be let in
    port = integer("health.port", health["port"], 1, 65535)
    timeout = integer("health.timeout", health["timeout"], 1, 3600)
    stabilize = integer("health.stabilize", health["stabilize"], 0, 3600)
    essential = tuple(plain("health.essential", name) for name in health["essential"])
    return Probe(
        host=plain("health.host", health["host"]),
        port=port,
        timeout=timeout,
        stabilize=stabilize,
        token_file=token_file,
        essential=essential,
        require_dependencies=health["require_dependencies"],
        **paths,
    )


def _path(question: str, path: str) -> str:
    """Return a path to ask, or nothing when the question is not asked."""
    option = f"health.{question}"
    if path and not re.fullmatch(r"/[A-Za-z0-9._~/-]{0,200}", plain(option, path)):
        raise HardeningError(
            option, shown(path), "a path that begins with '/', of letters, digits and . _ ~ -", "health"
        )
    return path


def _environment(option: str, values: dict[str, Any]) -> dict[str, str]:
    for name in values:
        if not _VARIABLE.fullmatch(str(name)):
            raise HardeningError(option, shown(name), "names of environment variables", option)
    return {str(name): plain(f"{option}.{name}", str(value)) for name, value in values.items()}


def _validation(spec: dict[str, Any] | None, files: tuple[ManagedFile, ...]) -> Validation | None:
    if spec is None:
        return None
    if not any(file.path == spec["path"] for file in files):
        raise HardeningError("validate.path", shown(spec["path"]), "the path of one of 'files'", "validate")
    if not re.fullmatch(r"[0-9]{1,10}:[0-9]{1,10}", spec["user"]):
        raise HardeningError("validate.user", repr(spec["user"][:60]), "uid:gid", "validate")
    env = tuple(printable("validate.env", setting) for setting in spec["env"])
    return Validation(spec["path"], tuple(spec["argv"]), spec["user"], env, spec["option"])


def wanted_from(params: dict[str, Any]) -> Desired:
    """Turn the options into one deployment, or refuse them."""
    testing = params["state"] == "tested"
    if testing or params["state"] == "present":
        for option in ("definition", "image_ref", "health"):
            if not params[option]:
                raise HardeningError(option, "nothing", "a value, because 'state' is present or tested", option)
        reference("image_ref", params["image_ref"])
    if params["image_id"] and not _IMAGE_ID.fullmatch(params["image_id"]):
        raise HardeningError("image_id", repr(params["image_id"][:80]), "sha256:<64 hex digits>", "image_id")
    if params["unit"] and not _UNIT.fullmatch(params["unit"]):
        raise HardeningError("unit", repr(params["unit"][:80]), "the name of a service unit", "unit")
    directory = absolute_path("directory", params["directory"])
    name = plain("definition_name", params["definition_name"])
    files = (*managed_files(params), *_from_host(params["secret_sources"]))
    if params["state_source"] and (params["state"] not in ("present", "tested") or not params["state_dir"]):
        needed = "'state' present and a 'state_dir', whose place it takes"
        raise HardeningError("state_source", "a state to bring", needed, "state_source")
    return Desired(
        state="present" if testing else params["state"],
        testing=testing,
        replaces=frozenset(params["replaces"]),
        project=_name("project", params["project"]),
        service=_name("service", params["service"]),
        container=_name("container_name", params["container_name"]),
        definition=ManagedFile(
            absolute_path("definition_name", f"{directory}/{name}"), params["definition"].encode(), 0o644
        ),
        files=files,
        prune=absolute_path("prune_prefix", params["prune_prefix"]) if params["prune_prefix"] else "",
        image_ref=params["image_ref"],
        image_id=params["image_id"],
        probe=_probe(params["health"]),
        validation=_validation(params["validate"], files),
        unit=params["unit"],
        remove_files=params["remove_files"],
        state_dir=own_path("state_dir", params["state_dir"]) if params["state_dir"] else "",
        state_source=own_path("state_source", params["state_source"]) if params["state_source"] else "",
        state_excludes=tuple(_entry("state_excludes", name) for name in params["state_excludes"]),
        candidate=params["candidate"],
        copy_state=params["copy_state"],
        keep_logins=params["keep_logins"],
        accept_losses=params["accept_losses"],
        migration_backup_days=integer("migration_backup_days", params["migration_backup_days"], 0, 3650),
        candidate_environment=_environment("candidate_environment", params["candidate_environment"]),
    )


def _from_host(sources: list[dict[str, Any]]) -> tuple[ManagedFile, ...]:
    """Read secrets that are on the host; in check mode they are not there yet."""
    files = []
    for item in sources:
        source = own_path("secret_sources.source", item["source"])
        vet_parents(source)
        found = look(source)
        if found is not None and found.type == "file":
            path = own_path("secret_sources.path", item["path"])
            files.append(ManagedFile(path, found.content, 0o400, *owner("secret_sources", item), secret=True))
    return tuple(files)


def back_to(wanted: Desired, places: Places, deployment: Deployment) -> Desired:
    """Return the deployment that was replaced, as one that is wanted.

    A secret that is there keeps its present value: one that was exchanged since must not come back.
    """
    files: list[ManagedFile] = []
    for saved, managed in saved_files(places.previous, deployment):
        if managed is not None and saved.path != wanted.definition.path:
            now = look(saved.path) if saved.secret else None
            files.append(replace(managed, content=now.content) if now and now.type == "file" else managed)
    definition = next((file for saved, file in saved_files(places.previous, deployment)
                       if saved.path == wanted.definition.path and file), None)  # fmt: skip
    if definition is None:
        raise HardeningError("definition_name", wanted.definition.path, "the definition of before", "definition_name")
    if not deployment.probe.decisive:
        needed = "one whose gateway knows one of its health paths; deploy that version by site.yml"
        raise HardeningError("the previous deployment", "one that cannot be probed", needed)
    return replace(
        wanted,
        state="present",
        definition=definition,
        files=tuple(files),
        image_ref=deployment.image_ref,
        image_id=deployment.image_id,
        probe=deployment.probe,
        validation=None,
        state_dir=deployment.state_dir,
        state_excludes=deployment.state_excludes,
        state_source=places.state(places.previous) if deployment.state_saved else "",
        rolling_back=True,
    )


def _entry(option: str, name: str) -> str:
    """Return the name of an entry of a directory, or refuse it."""
    if not name or "/" in plain(option, name, max_length=255) or name in (".", ".."):
        raise HardeningError(option, shown(name), "the name of an entry, such as workspace", option)
    return name
