"""Trials of refusals that need files, locks or stand-ins: the option that the message names, the refusal, the
remediation.

Each trial gets a folder of its own and returns the refused attempt and the same attempt with that option set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import apply, journal, ownership
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import options as deploy_options
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import room as rooms
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access, client, registry
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ManagedFile
from ansible_collections.openclaw.hardening.plugins.module_utils._image import archive_load, cleanup, manager
from ansible_collections.openclaw.hardening.plugins.module_utils._image import base as image_base
from ansible_collections.openclaw.hardening.plugins.module_utils._image import recipe as image_recipe
from ansible_collections.openclaw.hardening.plugins.module_utils._system import accounts as system_accounts
from ansible_collections.openclaw.hardening.plugins.module_utils._system import lock, packet_filter
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import manager as systemd_manager
from ansible_collections.openclaw.hardening.plugins.modules import image_archive, image_registry, service_user
from ansible_collections.openclaw.hardening.plugins.plugin_utils import _archive_cache
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import files

Attempt = Callable[[], object]
TRIALS: list[tuple[str, Callable[[Path], tuple[Attempt, Attempt]]]] = []
IMAGE, OTHER = f"sha256:{'4' * 64}", f"sha256:{'5' * 64}"
PROBE = Probe("127.0.0.1", 18789, 5, started="/startupz")
CHECKOUT = Path(__file__).parents[1] / "stub_gateway"
REGISTRY = image_recipe.Base("registry", f"docker.io/library/debian@{IMAGE}")


def trial(option: str) -> Callable[[Any], Any]:
    def keep(function: Any) -> Any:
        TRIALS.append((option, function))
        return function

    return keep


def under(patched: AbstractContextManager[Any], attempt: Attempt) -> object:
    with patched:
        return attempt()


def two(attempt: Callable[[Any], object], bad: Any, good: Any) -> tuple[Attempt, Attempt]:
    return lambda: attempt(bad), lambda: attempt(good)


# --- places on the controller -------------------------------------------------------------------------------------


def cache(directory: object) -> _archive_cache.ArchiveCache:
    return _archive_cache.ArchiveCache(str(directory), 1 << 30)


@trial("controller_cache")
def a_cache_that_cannot_be_made(folder: Path) -> Any:
    (folder / "file").write_text("")
    return two(cache, folder / "file" / "cache", folder / "cache")


@trial("controller_cache")
def a_cache_that_others_can_write(folder: Path) -> Any:
    (folder / "loose").mkdir()
    (folder / "loose").chmod(0o777)
    return two(cache, folder / "loose", folder / "cache")


def while_held(hold: Callable[[float], AbstractContextManager[Any]]) -> tuple[Attempt, Attempt]:
    """Another run is at work for a moment; who waits long enough gets its turn."""

    def attempt(timeout: float) -> None:
        held, ends = threading.Event(), threading.Event()

        def other() -> None:
            with hold(1):
                held.set()
                ends.wait(60)

        run = threading.Thread(target=other)
        run.start()
        held.wait(60)
        if timeout > 1:
            threading.Timer(0.2, ends.set).start()
        try:
            with hold(timeout):
                pass
        finally:
            ends.set()
            run.join()

    return two(attempt, 0.01, 60)


@trial("timeout")
def a_cache_at_work(folder: Path) -> Any:
    kept = cache(folder / "cache")
    return while_held(kept.alone)


@trial("lock_timeout")
def a_lock_that_is_held(folder: Path) -> Any:
    return while_held(lambda timeout: lock.lock(str(folder / "lock"), timeout, "lock_timeout"))


@trial("directory")
def a_file_for_a_report_directory(folder: Path) -> Any:
    (folder / "file").write_text("")
    return two(lambda name: files.vet(str(folder / name), ["a.json"]), "file", "new")


@trial("directory")
def a_directory_for_a_report(folder: Path) -> Any:
    (folder / "reports/a.json").mkdir(parents=True)
    return two(lambda name: files.vet(str(folder / name), ["a.json"]), "reports", "new")


@trial("directory")
def a_report_that_cannot_be_written(folder: Path) -> Any:
    (folder / "file").write_text("")
    return two(lambda name: files.write(str(folder / name), {"a.json": "{}"}), "file/in", "new")


# --- images -------------------------------------------------------------------------------------------------------


def checkout(folder: Path) -> Path:
    return Path(shutil.copytree(CHECKOUT, folder / "checkout"))


def source_tree(path: object) -> None:
    image_recipe._source_tree("checkout_path", str(path))


@trial("checkout_path")
def a_package_that_is_no_object(folder: Path) -> Any:
    (checkout(folder) / "package.json").write_text("[]")
    return two(source_tree, folder / "checkout", CHECKOUT)


@trial("checkout_path")
def a_package_without_scripts(folder: Path) -> Any:
    (checkout(folder) / "package.json").write_text("{}")
    return two(source_tree, folder / "checkout", CHECKOUT)


@trial("checkout_path")
def a_pipe_in_the_sources(folder: Path) -> Any:
    os.mkfifo(checkout(folder) / "pipe")
    return two(lambda path: list(image_recipe._tree(str(path))), folder / "checkout", CHECKOUT)


@trial("checkout_path")
def sources_that_change(folder: Path) -> Any:
    """Another user writes into the one tree while it is copied; the other one is at rest."""
    moving, copy = checkout(folder), image_recipe._copy

    def attempt(path: Path) -> None:
        def copied(source: str, *rest: Any) -> None:
            copy(source, *rest)
            (moving / "package.json").write_text("{}")

        stage = folder / f"stage {path == moving}"
        stage.mkdir()
        recipe = image_recipe.Recipe("a:b", "FROM a\n", {}, REGISTRY, checkout=str(path))
        under(patch.object(image_recipe, "_copy", copied), lambda: image_recipe.stage(recipe, str(stage)))

    return two(attempt, moving, CHECKOUT)


def platform(base: image_recipe.Base, host: str = "debian") -> None:
    """Settle the base, and look for what it is made from, as a build does."""
    found = image_base.Distribution(host, "trixie", "amd64") if host else image_base.distribution()
    recipe = SimpleNamespace(recipe=SimpleNamespace(base=base))
    with patch.object(image_base, "distribution", lambda: found):
        manager.ImageManager._platform(recipe)  # type: ignore[arg-type]


@trial("base.source")
def a_system_without_a_base(_folder: Path) -> Any:
    return lambda: platform(image_recipe.Base("debian"), "fedora"), lambda: platform(REGISTRY, "fedora")


@trial("base.source")
def a_reference_that_nobody_reads(_folder: Path) -> Any:
    return two(platform, replace(REGISTRY, source="debian"), REGISTRY)


@trial("name")
def the_name_of_other_user_elses_image(folder: Path) -> Any:
    image = SimpleNamespace(id=IMAGE, created="2026-11-01", labels={})
    there = {"taken:here": image}

    def attempt(name: str) -> None:
        cleanup.refuse_foreign({name: there.get(name)}, str(folder))  # type: ignore[dict-item]

    return two(attempt, "taken:here", "openclaw:hardened")


@trial("digest")
def a_digest_of_another_image(_folder: Path) -> Any:
    """A registry that keeps what it promises: by its digest each image comes as it is."""
    images = {f"a/b@{IMAGE}": SimpleNamespace(id=IMAGE), f"a/b@{OTHER}": SimpleNamespace(id=OTHER)}
    api: Any = SimpleNamespace(api=SimpleNamespace(pull=lambda *_a, **_k: [], **{client._STREAM_ATTRIBUTE: 5}))
    where = SimpleNamespace(name="a/b", at=lambda digest: f"a/b@{digest}")
    who = SimpleNamespace(auth_config=dict)

    def attempt(digest: str) -> None:
        with (
            patch.object(client, "find_image", lambda _api, name: images[name]),
            patch.object(client, "remove_unused", lambda *_: None),
        ):
            registry.pull(api, where, digest, IMAGE, who)  # type: ignore[arg-type]

    return two(attempt, OTHER, IMAGE)


@trial("path")
def an_archive_without_a_layer(_folder: Path) -> Any:
    """The whole archive is let through, as far as to the daemon."""
    archives = {path: SimpleNamespace(missing=lambda _known, path=path: path) for path in ((), (IMAGE,))}

    def attempt(path: tuple) -> None:
        def reached(_api: object) -> None:
            raise InterruptedError

        with patch.object(client, "need_classic_store", reached):
            try:
                archive_load.load(None, None, archives[path], 1, 0)  # type: ignore[arg-type]
            except InterruptedError:
                return

    return two(attempt, (IMAGE,), ())


def module(**params: Any) -> Any:
    return SimpleNamespace(params=params, check_mode=False)


@trial("controller_cache")
def a_module_that_runs_without_the_controller(_folder: Path) -> Any:
    options = {
        "docker_host": "unix:///run/docker.sock", "max_size_mib": 1, "record_dir": "/var/lib/x", "timeout": 1,
        "image": "a:b", "directory": "/srv/x",
    }  # fmt: skip
    return two(lambda cache: image_archive.Export(module(**options, controller_cache=cache)), "/tmp/cache", "")


def has_image(run: Callable[[str], object]) -> tuple[Attempt, Attempt]:
    """On a host with one image; where it is found, the work goes on."""

    def attempt(name: str) -> None:
        def found(_api: object, wanted: str) -> object:
            return SimpleNamespace(id=IMAGE) if wanted == "there:here" else None

        with (
            patch.object(client, "find_image", found),
            patch.object(client, "client", lambda *_a, **_k: object()),
            patch.object(apply, "find_image", found),
        ):
            try:
                run(name)
            except InterruptedError:
                return

    return two(attempt, "no:such", "there:here")


def goes_on(*_: object) -> None:
    raise InterruptedError


@trial("image")
def no_image_to_export(_folder: Path) -> Any:
    def run(name: str) -> None:
        host = SimpleNamespace(
            module=module(), docker_host="", timeout=1, image=name, max_size=1, _result=goes_on, directory="/nowhere",
            _export=goes_on,
        )  # fmt: skip
        with patch.object(image_archive.image_archive, "is_whole", goes_on):
            image_archive.Export.run(host)  # type: ignore[arg-type]

    return has_image(run)


@trial("image")
def no_image_to_push(_folder: Path) -> Any:
    def run(name: str) -> None:
        image_registry.Push.run(  # type: ignore[arg-type]
            SimpleNamespace(client=object, image=name, module=module(), trust=goes_on)
        )

    return has_image(run)


@trial("image_ref")
def no_image_to_deploy(_folder: Path) -> Any:
    def run(name: str) -> None:
        wanted = SimpleNamespace(rolling_back=False, exchanges_state=False, image_ref=name)
        apply.Deployer.need_image(SimpleNamespace(wanted=wanted, _api=None))  # type: ignore[arg-type]

    return has_image(run)


# --- a deployment -------------------------------------------------------------------------------------------------


@trial("definition_name")
def the_definition_of_before(folder: Path) -> Any:
    """Only a definition of the name that it had comes back."""
    saved = journal.SavedFile("/etc/openclaw/compose.yml", True, 0o600, 0, 0, False)
    places = journal.Places(str(folder))
    Path(places.previous, "files").mkdir(parents=True)
    Path(places.previous, "files/0").write_text("services: {}")
    before = SimpleNamespace(
        files=[saved], image_ref="a:b", image_id=IMAGE, probe=PROBE, state_dir="", state_excludes=(), state_saved=False
    )

    def attempt(name: str) -> None:
        with patch.object(deploy_options, "replace", lambda _wanted, **changes: changes):
            wanted = SimpleNamespace(definition=ManagedFile(f"/etc/openclaw/{name}", b"", 0o600))
            deploy_options.back_to(wanted, places, before)  # type: ignore[arg-type]

    return two(attempt, "other.yml", "compose.yml")


def full(inodes: bool, rolling_back: bool = False) -> Callable[[Any], None]:
    """Prepare a deployment on a file system without room, with the option that decides about copies."""
    room = SimpleNamespace(f_bavail=1 << 40 if inodes else 0, f_frsize=1, f_files=1000, f_favail=0)

    def attempt(copies: tuple[bool, bool]) -> None:
        with_mirror, with_candidate = copies
        mirror: Any = object() if with_mirror else None
        rollout: Any = SimpleNamespace(wanted=SimpleNamespace(exchanges_state=rolling_back))
        if mirror or with_candidate:
            option = apply.Deployer._without_a_copy(rollout, mirror)
            with patch.object(rooms.os, "statvfs", lambda _path: room):
                rooms.need_space("/", rooms.Size(1, 1), "copies", option)

    return attempt


@trial("copy_state")
def no_room_for_a_copy(_folder: Path) -> Any:
    return two(full(inodes=False), (True, False), (False, False))


@trial("copy_state")
def no_inodes_for_a_copy(_folder: Path) -> Any:
    return two(full(inodes=True), (True, False), (False, False))


@trial("candidate")
def no_room_for_a_candidate(_folder: Path) -> Any:
    return two(full(inodes=False), (False, True), (False, False))


@trial("project")
def names_of_other_user_else(_folder: Path) -> Any:
    """A container of another Compose project of that name."""
    there = {"openclaw": ["the container openclaw-app of the Compose project openclaw"]}
    return two(lambda project: ownership.refuse(there.get(project, []), project), "openclaw", "openclaw-two")


@trial("docker_host")
def a_daemon_that_is_not_there(folder: Path) -> Any:
    """On the socket that the option names by then, a daemon answers."""
    from .stub_docker import Daemon

    def attempt(name: str) -> None:
        with (
            Daemon(folder) as daemon,
            patch.object(access, "find_program", lambda _name: None),
            patch.object(access, "_engines", lambda: ()),
        ):
            shutil.rmtree(daemon.programs)
            try:
                client.client(f"unix://{folder}/{name}").close()
            finally:
                daemon.shutdown()
                os.unlink(daemon.path)

    return two(attempt, "no.sock", "docker.sock")


# --- systemd, accounts, the packet filter -------------------------------------------------------------------------


@trial("exposure_limits")
def a_unit_that_is_exposed(_folder: Path) -> Any:
    return two(lambda limit: systemd_manager.within({"a.service": 2.5}, {"a.service": limit}), 1.0, 2.5)


@trial("units")
def a_unit_that_systemd_complains_about(folder: Path) -> Any:
    """By the real systemd-analyze."""

    def attempt(line: str) -> None:
        root = folder / line.partition("=")[0]
        (root / "etc/systemd/system").mkdir(parents=True)
        (root / "bin").mkdir()
        shutil.copy("/bin/true", root / "bin/true")
        content = f"[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/true\n{line}\n"
        (root / "etc/systemd/system/a.service").write_text(content)
        run = subprocess.run
        answer: Any = None

        def execute(_module: object, argv: list[str], **_options: Any) -> Any:
            nonlocal answer
            answer = run(argv, check=False, capture_output=True, text=True)
            return SimpleNamespace(rc=answer.returncode, stdout=answer.stdout, stderr=answer.stderr)

        with patch.object(systemd_manager, "run", execute):
            systemd_manager.verify(None, str(root), [systemd_manager.Unit("a.service", content)])  # type: ignore[arg-type]

    return two(attempt, "NoSuchThing=yes", "UMask=0077")


@trial("shell")
def a_shell_that_is_not_there(folder: Path) -> Any:
    return two(system_accounts.find_shell, str(folder / "no"), "/bin/false")


@trial("uid")
def no_free_number(_folder: Path) -> Any:
    """Every number of the system's range, and the guide's, is another user's."""
    ranges = system_accounts.Ranges(uid_min=1000, sys_uid_min=900, sys_uid_max=999)
    accounts = {
        f"a{uid}": system_accounts.Account(f"a{uid}", "x", uid, uid, "", "/", "/usr/sbin/nologin")
        for uid in [*range(100, 1000), system_accounts.GUIDE_UID]
    }
    known = system_accounts.Accounts(accounts, {}, {}, ranges)
    wanted = system_accounts.ServiceAccount("openclaw", None, "/var/lib/openclaw", "", "/usr/sbin/nologin")
    return two(lambda uid: system_accounts.plan(known, replace(wanted, uid=uid)), None, 1700)


@trial("directories")
def a_directory_without_a_parent(_folder: Path) -> Any:
    def attempt(paths: list[str]) -> None:
        wanted = [service_user.Directory(path, 0o750, "user", "user") for path in paths]
        there = {"/srv": service_user.DirectoryState(0o755, 0, 0), "/srv/a": None, "/srv/a/b": None}
        service_user.decide_directories(wanted, there, SimpleNamespace(uid=1000, gid=1000))  # type: ignore[arg-type]

    return two(attempt, ["/srv/a/b"], ["/srv/a", "/srv/a/b"])


FILTER = {"table": "openclaw-gateway", "bridge": "br-openclaw", "port": 18789, "addresses": [], "policy": "off",
          "reachable": [], "sources": []}  # fmt: skip


@trial("table")
def a_table_that_nft_does_not_take(_folder: Path) -> Any:
    return two(lambda table: packet_filter.wanted_settings({**FILTER, "table": table}), "a b", "openclaw-gateway")


@trial("sources")
def a_source_with_bits_beyond_its_length(_folder: Path) -> Any:
    return two(lambda one: packet_filter.wanted_settings({**FILTER, "sources": [one]}), "192.0.2.7/24", "192.0.2.0/24")


@trial("reachable")
def a_place_without_a_port(_folder: Path) -> Any:
    return two(lambda one: packet_filter.wanted_settings({**FILTER, "reachable": [one]}), "192.0.2.7", "192.0.2.7:443")


@trial("proxy")
def a_proxy_without_an_address(_folder: Path) -> Any:
    def attempt(found: str) -> None:
        with patch.object(packet_filter, "run", lambda *_arguments, **_more: SimpleNamespace(stdout=found)):
            packet_filter.proxy_places(SimpleNamespace(), "http://proxy.example:3128")  # type: ignore[arg-type]

    return two(attempt, "", "10.0.0.5 STREAM proxy.example\n")


@trial("addresses")
def an_address_that_is_none(_folder: Path) -> Any:
    return two(lambda one: packet_filter.wanted_settings({**FILTER, "addresses": [one]}), "host", "192.0.2.7")
