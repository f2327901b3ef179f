# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rotation from options to result: look at the gateway and its secrets, decide, act; one run at a time."""

from __future__ import annotations

import secrets as random
from typing import TYPE_CHECKING, Any

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    absolute_path,
    integer,
    ip_address,
    listed,
    own_path,
    plain,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import claim as deploy_claim
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import journal as deploy_journal
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import rpc
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe, ask
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.plan import stale_mounts
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.port import Port
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.rotation import (
    Plan,
    Rotation,
    decide,
    devices,
    token_mark,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.service import look as look_service
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    FileState,
    look,
    look_directory,
    read_bytes,
    vet_parents,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.strength import SHORTEST, weakness
from ansible_collections.openclaw.hardening.plugins.module_utils._system import progress
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import OPTION
from ansible_collections.openclaw.hardening.plugins.module_utils._system.lock import lock

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import Container

ARGUMENT_SPEC: dict[str, Any] = {
    "project": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "container_name": {"type": "str", "required": True},
    "definition": {"type": "str", "required": True},
    "token_file": {"type": "str", "required": True, "no_log": False},
    "rotate_token": {"type": "bool", "default": True, "no_log": False},
    "token": {"type": "str", "default": "", "no_log": True},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "revoke_devices": {"type": "list", "elements": "str", "default": []},
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "required": True},
    "serving": {"type": "str", "default": "/tools/invoke"},
    "record_dir": {"type": "str", "default": "/var/lib/openclaw-hardening"},
    "lock_timeout": {"type": "int", "default": 600},
    OPTION: {"type": "int", "default": 120},
    **client.DOCKER_ARGUMENTS,
}
ALL = "all"


class RotationManager:
    """Looks at the running gateway and its secrets, and replaces them."""

    def __init__(self, module: AnsibleModule) -> None:
        """Check the options."""
        params, self.module = module.params, module
        names = ("project", "service", "container_name")
        self.project, self.service, self.container_name = [plain(option, params[option]) for option in names]
        self.definition = absolute_path("definition", params["definition"])
        self.token_file = absolute_path("token_file", params["token_file"])
        self.secrets = {
            absolute_path("secrets", path): secret_text(path, value).encode()
            for path, value in params["secrets"].items()
        }
        self.places = deploy_journal.Places(own_path("record_dir", params["record_dir"]))
        self.docker_host = client.docker_host(params["docker_host"])
        self.probe = Probe(
            host=ip_address("host", params["host"]),
            port=integer("port", params["port"], 1, 65535),
            timeout=0,
            serving=plain("serving", params["serving"]),
            token_file=self.token_file,
        )
        self.command_timeout = integer(OPTION, params[OPTION], 1, 3600)
        self.lock_timeout = integer("lock_timeout", params["lock_timeout"], 0, 86400)
        self.revoke = [plain("revoke_devices", name) for name in params["revoke_devices"]]

    def run(self) -> dict[str, Any]:
        """Look, decide, act."""
        for path in (self.token_file, *self.secrets):
            vet_parents(path)
        if look_directory(self.places.record_dir) is None:
            raise HardeningError(self.places.record_dir, "nothing", "the records of a deployment; run site.yml")
        if self.module.check_mode:
            return self._run()
        with lock(f"{self.places.record_dir}/deploy.lock", self.lock_timeout), progress.log("rotation", self.project):
            return self._run()

    def _run(self) -> dict[str, Any]:
        if deploy_journal.load(self.places) is not None:
            raise HardeningError(self.places.attempt, "a deployment that was cut off", "none; run site.yml first")
        api = client.client(self.docker_host, timeout=self.command_timeout)
        claim = deploy_claim.read(self.places, self.project, self.container_name, self.definition)

        def find() -> Container | None:
            return look_service(api, self.project, self.service, self.container_name, claim.made_here)[0]

        container, port = find(), Port(self.probe.host, self.probe.port, find)
        before = token_mark(self.token_file)
        actions: list[str] = []
        rotation = self._rotation(container, port) if container and container.running else None
        if rotation and rotation.pending:
            reason = "" if self.module.check_mode else rotation.finish()
            actions += [] if reason else ["finish the rotation that was cut off"]
        # Before a secret changes: a device that is not known is refused.
        paired = self._devices(rotation) if rotation else []
        revoked = to_revoke(self.revoke, paired)
        plan = self._plan(container, port)
        if plan.contents and not plan.needs_deployment and rotation:
            reason = "" if self.module.check_mode else rotation.apply(plan.contents)
            plan = Plan(plan.contents, reason)
        rotated = [] if plan.needs_deployment else list(plan.contents)
        actions += [f"replace the secret in {path}" for path in rotated]
        if rotation and not self.module.check_mode:
            for device in revoked:
                for role in device["roles"]:
                    self._ask(rotation, "revoke", f"--device={device['id']}", f"--role={role}")
        actions += [f"revoke the tokens of device {device['id']}" for device in revoked]
        return {
            "changed": bool(actions),
            "rotated": rotated,
            "needs_deployment": plan.needs_deployment,
            "fingerprint": "" if self.module.check_mode and self.token_file in rotated else token_mark(self.token_file),
            "previous_fingerprint": before,
            "container_id": container.id if container else "",
            "devices": paired,
            "revoked": [device["id"] for device in revoked],
            "actions": actions,
        }

    def _rotation(self, container: Container, port: Port) -> Rotation:
        return Rotation(self.module, self.docker_host, container, self.probe, port, self.places.record_dir)

    def _plan(self, container: Container | None, port: Port) -> Plan:
        wanted = dict(self.secrets)
        if self.module.params["rotate_token"]:
            wanted[self.token_file] = new_token(self.module.params["token"], look(self.token_file, 64 * 1024))
        files = {path: look(path, 64 * 1024) for path in wanted}
        serves = "" if container and container.running else "the gateway does not run"
        if not serves:
            health = ask(self.probe, port)
            serves = "" if health.ok else f"the gateway does not serve ({health})"
        return decide(wanted, files, frozenset(stale_mounts(container)), serves)

    def _devices(self, rotation: Rotation) -> list[dict[str, Any]]:
        """List the paired devices; where that cannot be done it is a warning, unless some are to be revoked."""
        try:
            return devices(self._ask(rotation, "list"))
        except HardeningError as error:
            if self.revoke:
                found = f"no list of the paired devices ({error.what}: {error.found})"
                raise HardeningError("revoke_devices", found, "a gateway that lists them, or no devices") from error
            self.module.warn(f"the paired devices could not be listed: {error}")
            return []

    def _ask(self, rotation: Rotation, *argv: str) -> Any:  # noqa: ANN401 (JSON)
        token = read_bytes(self.token_file).decode().strip()
        return rpc.command(self.module, self.docker_host, rotation.container.id, token, "devices", *argv)


# --- pure ---------------------------------------------------------------------------------------------------------


def new_token(given: str, there: FileState | None) -> bytes:
    """Return the token that takes the place of the one that is there: the given one, or one of 256 random bits."""
    if not given:
        return random.token_hex(32).encode()
    if found := weakness(given):
        raise HardeningError("token", found, f"at least {SHORTEST} random hexadecimal digits", "token")
    if there is not None and there.content == given.encode():
        raise HardeningError("token", "the token that is there already", "another one, or none", "token")
    return given.encode()


def to_revoke(wanted: list[str], paired: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the devices to revoke; one whose tokens are revoked already is none of them."""
    known = {device["id"]: device for device in paired}
    names = list(known) if ALL in wanted else wanted
    if unknown := sorted(set(names) - known.keys()):
        raise HardeningError("revoke_devices", listed(unknown, 5), "ids of paired devices, or all", "revoke_devices")
    return [known[name] for name in dict.fromkeys(names) if known[name]["roles"]]


def secret_text(path: str, value: Any) -> str:  # noqa: ANN401 (a value of a dictionary)
    """Return the new content of a file."""
    if not isinstance(value, str) or not value:
        raise HardeningError("secrets", f"no text for {path}", "a secret for each path", "secrets")
    return value
