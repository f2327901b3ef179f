"""Trials of refusals about migrations."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import manager as deploy_manager
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import as_container
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate import (
    containers,
    decide,
    manager,
    options,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._migrate.decide import Current

from .refusal_trials import trial, two

GIVEN: dict[str, Any] = {
    **{name: spec.get("default") for name, spec in options.BASE_ARGUMENTS.items()},
    "project": "openclaw",
    "service": "openclaw-gateway",
    "container_name": "openclaw-gateway",
    "definition": "/etc/openclaw/docker-compose.hardened.yml",
    "record_dir": "/var/lib/openclaw-hardening",
    "docker_host": "unix:///var/run/docker.sock",
}


def base(name: str = "oc", mounted: str = "/home/node/.openclaw") -> Any:
    """Return a container with OpenClaw."""
    config = {"Cmd": ["node", "openclaw.mjs", "gateway"], "Env": [], "Image": "upstream:1", "User": "1000"}
    mounts = [{"Type": "bind", "Source": "/srv/state", "Destination": mounted}]
    state = {"Status": "running"}
    return as_container({"Id": f"id-{name}", "Name": f"/{name}", "Config": config, "Mounts": mounts, "State": state})


@trial("from")
def a_host_install_of_no_account(_folder: Path) -> Any:
    return two(lambda name: options.wanted_from({**GIVEN, "from": name}), "@openclaw.service", "alice@")


@trial("from")
def a_state_in_the_container_itself(_folder: Path) -> Any:
    return two(lambda place: containers.read(base(mounted=place)), "/data", "/home/node/.openclaw")


@trial("from")
def no_container_of_that_name(_folder: Path) -> Any:
    return two(lambda name: decide.choose(Current(None, (base(),)), name, "openclaw"), "another", "oc")


@trial("from")
def two_containers(_folder: Path) -> Any:
    found = Current(None, (base("one"), base("two")))
    return two(lambda name: decide.choose(found, name, "openclaw"), "", "two")


@trial("record_dir")
def records_that_others_could_exchange(folder: Path) -> Any:
    for name, mode in (("loose", 0o777), ("own", 0o700)):
        (folder / name).mkdir()
        (folder / name).chmod(mode)

    def look(name: str) -> None:
        """As far as the first question to Docker, which is not there."""
        asked = manager.BaseManager(
            SimpleNamespace(check_mode=True), options.wanted_from({**GIVEN, "record_dir": name})
        )
        with (
            patch.object(manager.client, "client_if_installed", side_effect=ZeroDivisionError),
            suppress(ZeroDivisionError),
        ):
            asked.run()

    return two(look, str(folder / "loose/records"), str(folder / "own/records"))


@trial("candidate")
def a_trial_without_a_candidate(_folder: Path) -> Any:
    def tried(candidate: str) -> None:
        deployer = SimpleNamespace(
            warnings=[],
            need_image=lambda: None,
            prepare=lambda *_: None,
            wants_candidate=lambda _plan: candidate != "never",
        )
        wanted = SimpleNamespace(state_source="", probe=None, secrets=[], image_ref="openclaw:hardened", image_id="x")
        asked = SimpleNamespace(
            wanted=wanted, module=SimpleNamespace(check_mode=False), places=None, hints={},
            _validate=lambda *_: None, _service=lambda _api: None, _result=lambda *_: {},
        )  # fmt: skip
        folder = "ansible_collections.openclaw.hardening.plugins.module_utils._deploy"
        with (
            patch(f"{folder}.apply.Deployer", lambda *_: deployer),
            patch(f"{folder}.failure.Explainer", lambda *_: None),
            patch(f"{folder}.recovery.Restorer", lambda *_: SimpleNamespace(undo=lambda _journal: None)),
        ):
            deploy_manager.DeployManager._test(asked, object(), None, None)

    return two(tried, "never", "always")
