"""Trials of refusals in which a program, a base, an image or another state of OpenClaw decides."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.openclaw.hardening.plugins.action import image_archive
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import config_check, manager
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.compose import Compose
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ManagedFile
from ansible_collections.openclaw.hardening.plugins.module_utils._image import apt as image_apt
from ansible_collections.openclaw.hardening.plugins.module_utils._image import base as image_base
from ansible_collections.openclaw.hardening.plugins.module_utils._image import build
from ansible_collections.openclaw.hardening.plugins.module_utils._image import manager as image_manager
from ansible_collections.openclaw.hardening.plugins.module_utils._image import place as image_place
from ansible_collections.openclaw.hardening.plugins.module_utils._image import recipe as image_recipe
from transfer.crafted import GOOD, IMAGE
from unit.plugins.module_utils._deploy.test_logins import AGENT, SCHEMA, database
from unit.plugins.module_utils._image.test_verify import CONFIG, NOTHING, layer, saved
from unit.plugins.module_utils._image.test_verify import GOOD as CONTENTS

from .refusal_trials import REGISTRY, cache, goes_on, trial, two, under
from .stub_docker import Daemon

# Takes the place of docker: reads a definition as JSON, which is YAML, and knows its services.
COMPOSE = """#!{python}
import json, sys
try:
    services = json.load(sys.stdin)["services"] if "-" in sys.argv else {{}}
except ValueError:
    sys.exit("yaml: mapping values are not allowed")
if "--hash" in sys.argv:
    print(*(f"{{name}} 0123" for name in services), sep="\\n")
"""


def compose(folder: Path) -> Compose:
    (folder / "docker").write_text(COMPOSE.format(python=sys.executable))
    (folder / "docker").chmod(0o755)
    with patch_module_args({}):
        module = AnsibleModule(argument_spec={})
    return Compose(module, "unix:///run/docker.sock", "openclaw", str(folder), str(folder / "compose.yml"))


def config_hash(folder: Path, text: str) -> None:
    under(patch.dict(os.environ, PATH=str(folder)), lambda: compose(folder).config_hash(text, "openclaw-gateway"))


DEFINITION = json.dumps({"services": {"openclaw-gateway": {}}})


@trial("definition")
def a_definition_that_compose_cannot_read(folder: Path) -> Any:
    return two(lambda text: config_hash(folder, text), "services: {", DEFINITION)


@trial("definition")
def a_definition_without_the_service(folder: Path) -> Any:
    return two(lambda text: config_hash(folder, text), '{"services": {"other": {}}}', DEFINITION)


@trial("ansible_python_interpreter")
def an_interpreter_without_the_package(folder: Path) -> Any:
    """Another interpreter has it, and asks the daemon."""

    def attempt(has: bool) -> None:
        with Daemon(folder) as daemon, patch.object(client, "has_sdk", lambda: has):
            try:
                client.client(f"unix://{daemon.path}").close()
            finally:
                daemon.shutdown()
                os.unlink(daemon.path)
                shutil.rmtree(daemon.programs)

    return two(attempt, False, True)


def base(source: str, folder: Path) -> None:
    """Prepare the base as a build does: one from the registry needs no sources of the host."""
    sources = image_apt.sources
    recipe = image_recipe.Base(source, ref="" if source == "debian" else REGISTRY.ref)
    settings = image_manager.Settings("", "/app", "/var/lib/x", 1)
    order = image_manager.ImageManager(None, SimpleNamespace(base=recipe), settings)  # type: ignore[arg-type]
    with (
        patch.object(image_base, "distribution", lambda: image_base.Distribution("debian", "trixie", "amd64")),
        patch.object(image_apt, "sources", lambda codename: sources(codename, str(folder))),
        patch.object(image_place, "chosen", lambda _chosen: "/var/tmp"),
    ):
        order._base_order(None)


@trial("base.source")
def a_host_without_sources_of_its_own(folder: Path) -> Any:
    (folder / "sources.list").write_text("deb [signed-by=/etc/theirs.gpg] https://packages.example trixie main\n")
    return two(lambda source: base(source, folder), "debian", "registry")


@trial("base.source")
def a_list_of_mirrors_that_is_not_there(folder: Path) -> Any:
    (folder / "sources.list").write_text(f"deb mirror+file:{folder}/none.list trixie main\n")
    return two(lambda source: base(source, folder), "debian", "registry")


@trial("build_dir")
def a_place_whose_mount_runs_nothing(folder: Path) -> Any:
    """One directory of root is mounted noexec, the other is not."""
    good = folder / "good"
    good.mkdir()
    room = {"f_bavail": image_place.NEEDED_MIB, "f_frsize": 1 << 20, "f_files": 0, "f_favail": 0}
    root = SimpleNamespace(st_mode=stat.S_IFDIR | 0o755, st_uid=0)

    def attempt(path: Path) -> None:
        flags = 0 if path == good else os.ST_NOEXEC
        with (
            patch.object(image_place.os, "statvfs", lambda _path: SimpleNamespace(f_flag=flags, **room)),
            patch.object(image_place.os, "lstat", lambda _path: root),
            patch.object(image_place, "_on_the_way", lambda _path: ""),
            patch.object(image_place.os.path, "ismount", lambda _path: True),
        ):
            image_place.chosen(str(path))

    return two(attempt, folder, good)


@trial("dockerfile")
def an_image_that_runs_as_root(_folder: Path) -> Any:
    """What was built from a Dockerfile whose last USER is root, and from one whose USER is not."""

    def attempt(user: str) -> None:
        image: Any = SimpleNamespace(id="sha256:1", config={**CONFIG, "User": user})
        layers = {"RootFS": {"Layers": ["one"]}}
        api: Any = SimpleNamespace(api=SimpleNamespace(inspect_image=lambda _id: layers, history=lambda _id: []))
        observed = build.image_verify.inspect(saved(layer(CONTENTS)), "/app", NOTHING)
        with patch.object(build, "_contents", lambda *_: observed), patch.object(build, "discard", print):
            build.verify(api, image, "/app", NOTHING)

    return two(attempt, "root", "1000:1000")


# --- OpenClaw's own word ------------------------------------------------------------------------------------------


@trial("config")
def a_configuration_that_openclaw_refuses(_folder: Path) -> Any:
    """OpenClaw's answers in both cases (`openclaw config validate --json`)."""

    def attempt(bind: str) -> None:
        file = ManagedFile("/etc/openclaw/openclaw.json", json.dumps({"gateway": {"bind": bind}}).encode(), 0o400)
        check = SimpleNamespace(path=file.path, user="1:1", env=[], argv=["config", "validate"], option="config")
        wanted: Any = SimpleNamespace(validation=check, files=[file], container="openclaw-gateway", secrets=[])
        valid = bind == "lan"
        issues = [] if valid else [{"path": "gateway.bind", "message": "Invalid input"}]
        output = json.dumps({"valid": valid, "path": file.path, "issues": issues, "warnings": []})
        answer = SimpleNamespace(rc=0 if valid else 1, stdout=output, stderr="")
        with (
            patch.object(config_check, "run", lambda *_, **__: answer),
            patch.object(config_check, "allowed", lambda _module: 1),
            patch.object(config_check, "_remove_forgotten", lambda *_: None),
        ):
            config_check.validate(None, "unix:///run/docker.sock", wanted, "sha256:1")  # type: ignore[arg-type]

    return two(attempt, "everywhere", "lan")


@trial("keep_logins")
def logins_in_another_form(folder: Path) -> Any:
    """The present state has a database that the copy cannot take rows of."""
    present, copy = folder / "state", folder / "copy"
    database(present / "state/openclaw.sqlite", AGENT)
    database(copy / "state/openclaw.sqlite", SCHEMA, 15, anthropic="spent")

    def attempt(keep: bool) -> None:
        back = SimpleNamespace(state_source=str(copy), keep_logins=keep, state_dir=str(present))
        before = SimpleNamespace(rolled_back=False, replaced_at="then")
        host = SimpleNamespace(
            wanted=None,
            places=SimpleNamespace(logins=str(folder / "logins")),
            module=SimpleNamespace(warn=lambda _text: None),
        )
        with (
            patch.object(manager.deploy_journal, "load_previous", lambda _places: before),
            patch.object(manager, "back_to", lambda *_: back),
        ):
            manager.DeployManager._previous(host)  # type: ignore[arg-type]

    return two(attempt, True, False)


@trial("state")
def nothing_to_go_back_to(folder: Path) -> Any:
    """A host with its first deployment, which can be deployed again."""

    def attempt(state: str) -> None:
        host: Any = SimpleNamespace(
            wanted=SimpleNamespace(state=state),
            places=manager.Places(str(folder)),
            module=SimpleNamespace(check_mode=False),
            _compose=goes_on,
        )
        host._previous = lambda: manager.DeployManager._previous(host)
        try:
            manager.DeployManager._run(host, None)
        except InterruptedError:
            return

    return two(attempt, "previous", "present")


# --- the action image_archive -------------------------------------------------------------------------------------


@trial("controller_cache")
def a_cache_without_the_archive(folder: Path) -> Any:
    kept = cache(folder / "full")
    with kept.alone(1):
        Path(kept.part(IMAGE.id)).write_bytes(GOOD)
        kept.accept(IMAGE.id)

    def attempt(name: str) -> None:
        def module(**options: Any) -> dict[str, Any]:
            if "layers" not in options:
                goes_on()
            return {"missing": True, "known_layers": 0}

        action: Any = SimpleNamespace(
            arguments={"image_id": IMAGE.id},
            _task=SimpleNamespace(check_mode=False),
            timeout=1,
            _module=module,
            _is_local=lambda: True,
        )
        try:
            image_archive.ActionModule._import(action, str(folder / name), 1 << 30)
        except InterruptedError:
            return

    return two(attempt, "empty", "full")


@trial("become_user")
def a_user_who_is_not_root(_folder: Path) -> Any:
    def attempt(user: str) -> None:
        action: Any = SimpleNamespace(
            _is_become_unprivileged=lambda: user != "root",
            _connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/root/.ansible/tmp/x")),
            _shell=lambda _command: {"rc": 0, "stdout": "/root/.ansible/tmp/staging\n", "stderr": ""},
        )
        with image_archive.ActionModule._staged(action, "a.tar"):
            pass

    return two(attempt, "nobody", "root")
