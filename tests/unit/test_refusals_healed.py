"""What a refusal advises heals it: its command is run, or exactly the option that it names is set.

Every place that makes a HardeningError with an option or a command needs a trial here. A place is its file, its
function and what is needed there.
"""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import advice
import pytest
import yaml
from ansible_collections.openclaw.hardening.plugins.filter import instance
from ansible_collections.openclaw.hardening.plugins.module_utils._core import validate
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import contents, options, rotation_manager
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import gate as deploy_gate
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import plan as deploy_plan
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client, registry
from ansible_collections.openclaw.hardening.plugins.module_utils._files import managed, safe_path
from ansible_collections.openclaw.hardening.plugins.module_utils._image import adopt, archive, base
from ansible_collections.openclaw.hardening.plugins.module_utils._image import recipe as image_recipe
from ansible_collections.openclaw.hardening.plugins.module_utils._policy import audit
from ansible_collections.openclaw.hardening.plugins.module_utils._system import accounts as users
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import install as systemd_install
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import manager
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import options as systemd_options
from ansible_collections.openclaw.hardening.plugins.modules import gateway_token, service_user, systemd_unit
from ansible_collections.openclaw.hardening.plugins.plugin_utils._report import model
from ansible_collections.openclaw.hardening.plugins.plugin_utils._rollout import plan as rollout_plan
from ansible_collections.openclaw.hardening.plugins.plugin_utils._settings import role as settings_role
from unit.plugins.module_utils._system.test_accounts import WANTED, read, root, tool  # noqa: F401  # pylint: disable=unused-import  # (a fixture)

from . import (  # noqa: F401  # pylint: disable=unused-import  # (they add to TRIALS)
    refusal_trials_backups,
    refusal_trials_migrate,
    refusal_trials_programs,
    refusal_trials_removal,
)
from .refusal_trials import TRIALS
from .source_place import place

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
IMAGE, OTHER_IMAGE = f"sha256:{'4' * 64}", f"sha256:{'5' * 64}"
Place = tuple[str, int]
CA = (Path(__file__).parent / "recorded/ca.pem").read_text()


# --- where advice is given ----------------------------------------------------------------------------------------


def places() -> dict[Place, tuple[str, int]]:
    """Return every place that gives advice: its name, by its file and first line, and its last line."""
    found: dict[Place, tuple[str, int]] = {}
    for path in sorted(PLUGINS.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for call in ast.walk(function):
                    if (
                        isinstance(call, ast.Call)
                        and getattr(call.func, "id", "") == "HardeningError"
                        and advises(call)
                    ):
                        needed = ast.unparse(call.args[2]) if len(call.args) > 2 else ""
                        name = f"{place(path)} {function.name} {' '.join(needed.split())[:50]}"
                        found[place(path), call.lineno] = name, call.end_lineno or call.lineno
    return found


def advises(call: ast.Call) -> bool:
    option = call.args[3:4] or [word.value for word in call.keywords if word.arg == "option"]
    return bool(option) or "`" in ast.unparse(call)


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Place]]:
    """Write down where each HardeningError is made."""
    observed: list[Place] = []
    init = HardeningError.__init__

    def watched(self: HardeningError, *args: Any, **details: Any) -> None:
        frame = sys._getframe(1)
        observed.append((place(Path(frame.f_code.co_filename)), frame.f_lineno))
        init(self, *args, **details)

    monkeypatch.setattr(HardeningError, "__init__", watched)
    yield observed


def message(attempt: Callable[[], object]) -> str:
    with pytest.raises(HardeningError) as caught:
        attempt()
    return str(caught.value)


# --- options ------------------------------------------------------------------------------------------------------

DEPLOYMENT: dict[str, Any] = {
    **{name: spec.get("default") for name, spec in options.DEPLOY_ARGUMENTS.items()},
    "state": "present", "definition": "services: {}", "image_ref": "openclaw:hardened", "image_id": IMAGE,
    "health": {**{name: spec.get("default") for name, spec in options.HEALTH.items()}, "port": 1},
    "unit": "x.service",
    "directory": "/etc/openclaw", "definition_name": "compose.yml", "files": [], "secrets": [], "project": "openclaw",
    "service": "gateway", "container_name": "gateway", "prune_prefix": "", "validate": None, "remove_files": False,
    "state_dir": "", "state_excludes": [], "candidate": "auto",
}  # fmt: skip
UNIT_SET: dict[str, Any] = {
    **{name: spec.get("default") for name, spec in systemd_unit.ARGUMENTS.items()},
    "units": [{"name": "a.service", "content": "[Service]\nExecStart=/bin/true\n"}], "files": [], "secrets": [],
    "enabled": [], "started": [], "directories": [], "exposure_limits": {}, "directory": "/etc/systemd/system",
    "restart_on_change": True, "state": "present", "run": [],
}  # fmt: skip
A_TIMER = {"name": "a.timer", "content": "[Timer]\n"}
POLICY: dict[str, Any] = {"policy": {"addresses": ["192.0.2.1"], "capabilities": ["CHOWN"]}, "waivers": []}
FOLDER = {"mode": "0755", "owner": "root", "group": "root"}
WAIVER = {"id": "OCH-CTR-06", "reason": "a plugin writes there", "expires": "2099-01-31"}
FILES = [{"path": "/etc/openclaw/a", "content": "", "mode": "0644", "uid": 0, "gid": 0}]
JUDGE = {"path": "/etc/openclaw/a", "argv": ["x"], "user": "1:1", "env": [], "option": ""}


def option(
    read_options: Callable[[dict], object], good: dict, name: str, bad: Any, well: Any = None, **more: Any
) -> Any:
    """A refusal of a set of options, and the same set with the named option as it is good."""
    before = {**good, **more}
    return name, lambda: read_options({**before, name: bad}), lambda: read_options({**before, name: well or good[name]})


def value(check: Callable[..., object], name: str, bad: Any, well: Any) -> Any:
    """A refusal of one value."""
    return name, lambda: check(name, bad), lambda: check(name, well)


def deployment(name: str, bad: Any, well: Any = None, **more: Any) -> Any:
    return option(options.wanted_from, DEPLOYMENT, name, bad, well, **more)


def unit_set(name: str, bad: Any, well: Any = None, **more: Any) -> Any:
    return option(systemd_options.wanted_set, UNIT_SET, name, bad, well, **more)


def gate(name: str, bad: Any, well: Any = None) -> Any:
    return option(deploy_gate.gate_from, POLICY, name, bad, well)


CHECKOUT = str(Path(__file__).parents[1] / "stub_gateway")
RECIPE = image_recipe.Recipe("openclaw:hardened", "FROM a\n", {}, image_recipe.Base("debian", packages=()))
BUILD = {"dockerfile": "FROM a\n", "context": {}, "build_args": {}, "secrets": {}, "checkout": ""}
RECORD = dict.fromkeys(adopt._TEXTS, "x") | {"image_id": IMAGE}
HOST = {"name": "a", "result": {}}


def with_account(name: str = "openclaw", uid: int = 1000, twin: bool = False, friend: bool = False) -> users.Accounts:
    """The databases with one account and its group, and maybe another one that shares a number of it."""
    accounts = {name: users.Account(name, "x", uid, uid, "OpenClaw", "/var/lib/openclaw", "/usr/sbin/nologin")}
    if twin or friend:
        number = uid if twin else 1001
        accounts["twin"] = users.Account("twin", "x", number, uid, "", "/srv/twin", "/usr/sbin/nologin")
    return users.Accounts(accounts, {name: users.Group(name, uid, ())})


def plan_for(name: str = "openclaw", **changes: Any) -> object:
    return users.plan(with_account(name, **changes), replace(WANTED, name=name))


OTHER = replace(WANTED, name="other")
KNOWN = users.Accounts({}, {})
HOME = [service_user.Directory("/var/lib/openclaw", 0o750, "user", "user")]
STRONG = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
TOKEN_FILE = managed.ManagedFile("/etc/openclaw/secrets/gateway_token", b"", 0o400)


def stream(timeout: float) -> None:
    """Exchange one with a daemon that takes its time."""
    api: Any = SimpleNamespace(api=SimpleNamespace(**{client._STREAM_ATTRIBUTE: timeout}))
    client.streamed(api, "docker pull a", lambda: time.sleep(0.5))


def recipe(name: str, field: str, bad: Any, well: Any) -> Any:
    return (name, lambda: image_recipe.validate(replace(RECIPE, **{field: bad})),
            lambda: image_recipe.validate(replace(RECIPE, **{field: well})))  # fmt: skip


def spend(limit: int) -> None:
    archive.Budget(limit).spend(2)


def read_yaml(path: str) -> Any:
    return yaml.safe_load(Path(path).read_text())


# The option that the message has to name, what is refused, and the same with that option set.
LOGIN = {"login": {"anthropic:manual": ""}}
PLAYBOOK = {"name": "own", "options": {"own": {}}, "rules": [{"option": "own", "that": "true"}]}


def settings_of(_option: str, given: Any) -> Any:
    return settings_role.playbook(given)


OPTIONS = [
    ("timeout", lambda: stream(0.05), lambda: stream(20)),
    value(validate.printable, "text", "a\nb", "ab"),
    value(validate.encoded, "text", "\ud800", "a"),
    value(validate.proxy_url, "proxy", "http://me:word@proxy.example:3128", "http://proxy.example:3128"),
    value(validate.ca_certificates, "ca", "-----BEGIN PRIVATE KEY-----", CA),
    value(validate.ca_certificates, "ca", "nothing", CA),
    value(validate.ca_certificates, "ca", CA.replace("M", "N", 1), CA),
    value(client.reference, "image_ref", "openclaw", "openclaw:hardened"),
    ("base", lambda: client.reference("base", "a:b", digest=True),
     lambda: client.reference("base", f"a@{IMAGE}", digest=True)),
    ("docker_host", lambda: client.docker_host("ssh://x"), lambda: client.docker_host("unix:///run/docker.sock")),
    ("roles", lambda: settings_role.load("openclaw_gatewy", read_yaml),
     lambda: settings_role.load("openclaw_user", read_yaml)),
    value(settings_of, "playbook", {**PLAYBOOK, "name": ""}, PLAYBOOK),
    value(settings_of, "playbook", {**PLAYBOOK, "options": {"a b": {}}}, PLAYBOOK),
    value(settings_of, "playbook", {**PLAYBOOK, "rules": ["own"]}, PLAYBOOK),
    value(settings_of, "playbook", {**PLAYBOOK, "rules": [{"option": "other", "that": "true"}]}, PLAYBOOK),
    deployment("project", "openclaw_candidate"),
    deployment("service", "-x"),
    deployment("health", {**DEPLOYMENT["health"], "started": ""}),
    deployment("health", {**DEPLOYMENT["health"], "serving": "/a b"}),
    deployment("migration_backup_days", -1),
    deployment("candidate_environment", {"A=B": "1"}),
    deployment("image_ref", ""),
    deployment("image_id", "sha256:12"),
    deployment("unit", "x.timer"),
    deployment("validate", {**JUDGE, "path": "/other"}, JUDGE, files=FILES),
    deployment("validate", {**JUDGE, "user": "root"}, JUDGE, files=FILES),
    deployment("state_excludes", ["a/b"], ["a"]),
    gate("policy", {"addresses": ["everywhere"], "capabilities": []}),
    gate("policy", {"addresses": [], "capabilities": ["ALL"]}),
    gate("waivers", [{**WAIVER, "id": "CIS-5.1"}], [WAIVER]),
    gate("waivers", [{**WAIVER, "reason": "?"}], [WAIVER]),
    gate("waivers", [{**WAIVER, "expires": "soon"}], [WAIVER]),
    gate("waivers", [{**WAIVER, "id": "OCH-CTR-03", "expires": ""}], [{**WAIVER, "id": "OCH-CTR-03"}]),
    ("units", lambda: audit._exposure("a.service", "much"), lambda: audit._exposure("a.service", "2.5")),
    value(archive.image_id, "image", "openclaw:hardened", IMAGE),
    ("base.packages", lambda: base.packages(["-x"]), lambda: base.packages(["git"])),
    value(registry.repository, "repository", "openclaw", "registry.example:5000/openclaw"),
    value(registry.digest, "digest", "latest", IMAGE),
    ("username", lambda: registry.login("me", "", ""), lambda: registry.login("", "", "")),
    value(registry.certificate, "ca", "text", ""),
    value(manager.unit_name, "units", "a@b.service", "a.service"),
    unit_set("units", []),
    unit_set("units", [{"name": "a.service", "content": "[Service]\nExecStart=/bin/true"}]),
    unit_set("units", [{"name": "a.service", "content": "[Service]\nExecStart=/bin/true \\\n"}]),
    unit_set("units", [{"name": "a.service", "content": "[Timer]\nExecStart=/bin/true\n"}]),
    unit_set("units", [{"name": "a.service", "content": "ExecStart=/bin/true\n"}]),
    unit_set("files", [*FILES, *FILES], FILES),
    unit_set("files", [{**FILES[0], "content": "text", "encoding": "gzip"}], [{**FILES[0], "content": "text"}]),
    unit_set("enabled", ["b.service"], ["a.service"]),
    unit_set("run", ["a.timer"], ["a.service"], units=[*UNIT_SET["units"], A_TIMER]),
    unit_set("exposure_limits", {"a.service": 11}, {"a.service": 2}),
    ("shell", lambda: service_user.check_shell("/bin/bash"), lambda: service_user.check_shell("/usr/sbin/nologin")),
    ("uid", lambda: service_user.check_uid("root"), lambda: service_user.check_uid("auto")),
    ("uid", lambda: service_user.check_uid("65534"), lambda: service_user.check_uid("980")),
    ("home", lambda: service_user.check_home("/srv/a:b"), lambda: service_user.check_home("/srv/a")),
    ("comment", lambda: service_user.check_comment("a:b"), lambda: service_user.check_comment("a")),
    recipe("dockerfile", "dockerfile", "", "FROM a\n"),
    recipe("dockerfile", "dockerfile", "# syntax=x\nFROM a\n", "FROM a\n"),
    recipe("context", "context", {"../a": ""}, {"a": ""}),
    recipe("build_args", "build_args", {"BASE_IMAGE": "x"}, {"A": "x"}),
    recipe("secrets", "secrets", {"a b": "/etc/passwd"}, {"a": "/etc/passwd"}),
    recipe("secrets.a", "secrets", {"a": "/a,b"}, {"a": "/etc/passwd"}),
    recipe("secrets.a", "secrets", {"a": "/no/such/file"}, {"a": "/etc/passwd"}),
    recipe("secrets.a", "secrets", {"a": "/etc"}, {"a": "/etc/passwd"}),
    recipe("checkout_path", "checkout", "/etc", CHECKOUT),
    ("secrets", lambda: image_recipe.validate(replace(RECIPE, build_args={"NPM_TOKEN": "/etc/passwd"})),
     lambda: image_recipe.validate(replace(RECIPE, secrets={"npm_token": "/etc/passwd"}))),
    ("record", lambda: adopt.record_of("record", {"image_id": 1}, IMAGE),
     lambda: adopt.record_of("record", RECORD, IMAGE)),
    ("record", lambda: adopt.record_of("record", {**RECORD, "image_id": "sha256:5"}, IMAGE),
     lambda: adopt.record_of("record", RECORD, IMAGE)),
    ("max_size_mib", lambda: spend(1), lambda: spend(2)),
    ("path", lambda: archive.opened("/no/such/file", "path"),
     lambda: archive.opened("/etc/passwd", "path").close()),
    ("path", lambda: archive.opened("/etc", "path"),
     lambda: archive.opened("/etc/passwd", "path").close()),
    ("password_file", lambda: registry.login("me", "a", "/root/password"), lambda: registry.login("me", "a", "")),
    ("password_file", lambda: registry.login("me", "", "/no/such/file"), lambda: registry.login("", "", "")),
    ("hosts", lambda: model.fleet("t", [], ""), lambda: model.fleet("t", [HOST], "")),
    ("hosts", lambda: model.fleet("t", [{"name": ""}], ""), lambda: model.fleet("t", [HOST], "")),
    ("hosts", lambda: model.fleet("t", [HOST, HOST], ""), lambda: model.fleet("t", [HOST], "")),
    value(lambda option, name: instance.names(name, option), "openclaw_instance", "Acme", "acme"),
    value(lambda _option, sizes: rollout_plan.batches(sizes, {}), "batches", ["01"], [1, "25%"]),
    ("name", lambda: plan_for(uid=33, name="www-data"), lambda: users.plan(with_account("www-data", 33), WANTED)),
    ("name", lambda: users.plan(KNOWN, replace(WANTED, name="docker")), lambda: users.plan(KNOWN, WANTED)),
    ("name", lambda: plan_for(twin=True), lambda: users.plan(with_account(twin=True), OTHER)),
    ("name", lambda: plan_for(friend=True), lambda: users.plan(with_account(friend=True), OTHER)),
    ("uid", lambda: users.plan(with_account(), replace(WANTED, uid=990)), plan_for),
    ("uid", lambda: users.plan(with_account(), replace(WANTED, name="other", uid=1000)),
     lambda: users.plan(with_account(), replace(WANTED, name="other"))),
    ("directories", lambda: service_user.refuse_homes(with_account(), "other", HOME),
     lambda: service_user.refuse_homes(with_account(), "other", [])),
    ("rotate", lambda: gateway_token.decide(TOKEN_FILE, None, STRONG, True),
     lambda: gateway_token.decide(TOKEN_FILE, None, STRONG, False)),
    ("token", lambda: rotation_manager.new_token("change-me", None), lambda: rotation_manager.new_token(STRONG, None)),
    ("token", lambda: rotation_manager.new_token(STRONG, managed.FileState("file", STRONG.encode(), 0o400, 0, 0, 1)),
     lambda: rotation_manager.new_token("", None)),
    ("revoke_devices", lambda: rotation_manager.to_revoke(["none"], []),
     lambda: rotation_manager.to_revoke(["all"], [])),
    ("accept_losses", lambda: contents.refuse_losses(LOGIN, {}, accept=False),
     lambda: contents.refuse_losses(LOGIN, {}, accept=True)),
    ("secrets", lambda: rotation_manager.secret_text("/a", ""), lambda: rotation_manager.secret_text("/a", "b")),
    ("directories", lambda: service_user.check_directories("/var/lib/x", [{**FOLDER, "path": "/etc"}]),
     lambda: service_user.check_directories("/var/lib/x", [{**FOLDER, "path": "/var/lib/x/y"}])),
]  # fmt: skip


@pytest.mark.parametrize("trial", OPTIONS, ids=lambda trial: trial[0])
def test_the_option_that_is_named_heals(trial: tuple) -> None:
    name, bad, good = trial
    assert message(bad).endswith(f"; set {name!r}")
    good()


@pytest.mark.parametrize(("name", "make"), TRIALS, ids=lambda part: getattr(part, "__name__", part))
def test_the_option_that_is_named_heals_on_a_host(name: str, make: Callable, tmp_path: Path) -> None:
    bad, good = make(tmp_path)
    assert message(bad).endswith(f"; set {name!r}")
    good()


# --- commands -----------------------------------------------------------------------------------------------------


def commands(text: str) -> list[str]:
    """Return what a message wants to be typed."""
    return [command for _clause, spans in advice.clauses(text) for command in spans]


def run(text: str) -> None:
    found = commands(text)
    assert found, text
    for command in found:
        subprocess.run(["sh", "-euc", command], check=True, capture_output=True)


def run_for_accounts(root: Path, text: str) -> None:  # noqa: F811
    """The same with the account databases of the test in the place of the machine's own."""
    found = commands(text)
    assert found, text
    for command in found:
        inside = f"mount --bind {shlex.quote(str(root / 'etc'))} /etc && exec sh -euc {shlex.quote(command)}"
        done = subprocess.run(["unshare", "--mount", "sh", "-c", inside], check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"


def plan(root: Path) -> object:  # noqa: F811
    return users.plan(read(root), WANTED)


def test_a_persons_account(root, as_root):  # noqa: F811
    tool(root, "useradd", "-u", "1000", "-U", "-s", "/bin/bash", "openclaw")
    run_for_accounts(root, message(lambda: plan(root)))
    plan(root)


@pytest.mark.parametrize("group_is_there", [True, False])
def test_a_primary_group_of_another_name(root, as_root, group_is_there):  # noqa: F811
    tool(root, "useradd", "-r", "-g", "docker", "-s", "/usr/sbin/nologin", "openclaw")
    if group_is_there:
        tool(root, "groupadd", "-g", "500", "openclaw")
    run_for_accounts(root, message(lambda: plan(root)))
    plan(root)


def test_privileged_groups(root, as_root):  # noqa: F811
    tool(root, "useradd", "-r", "-U", "-G", "docker,sudo", "-s", "/usr/sbin/nologin", "openclaw")
    run_for_accounts(root, message(lambda: plan(root)))
    plan(root)


def test_a_shared_directory(tmp_path):
    loose = tmp_path / "it's $loose"
    loose.mkdir()
    loose.chmod(0o777)

    def write() -> None:
        with safe_path.parent(str(loose / "file"), trusted=(os.getuid(), 0)):
            pass

    run(message(write))
    write()


def test_a_password_that_others_may_read(tmp_path, as_root):
    file = tmp_path / "pass word"
    file.write_text("secret\n")
    os.chown(file, 4242, 4242)
    run(message(lambda: registry.login("me", "", str(file))))
    registry.login("me", "", str(file))


@pytest.mark.parametrize("content", [b"", b"a\nb\n"])
def test_a_file_without_one_password(tmp_path, as_root, content):
    for name, text in (("bad", content), ("good", b"secret\n")):
        (tmp_path / name).write_bytes(text)
        (tmp_path / name).chmod(0o400)
    output = message(lambda: registry.login("me", "", str(tmp_path / "bad")))
    assert output.endswith("; set 'password_file'")
    registry.login("me", "", str(tmp_path / "good"))


DOCKER = """#!/bin/sh
# docker tag IMAGE NAME
test "$#$1" = 3tag && printf %s "$2" > "$TAGS/$3"
"""


def test_a_tag_that_was_moved(tmp_path, monkeypatch):
    """By the command, which a stand-in for docker takes, and by the option."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "openclaw:hardened").write_text(OTHER_IMAGE)
    monkeypatch.setenv("TAGS", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def deploy(image_id: str) -> None:
        wanted = SimpleNamespace(image_id=image_id, image_ref="openclaw:hardened")
        found = SimpleNamespace(image_id=(tmp_path / "openclaw:hardened").read_text())
        deploy_plan._refuse_other_image(wanted, found)

    output = message(lambda: deploy(IMAGE))
    assert output.endswith("; set 'image_id'")
    deploy(OTHER_IMAGE)
    run(output)
    deploy(IMAGE)


def test_a_unit_that_nothing_enables(tmp_path):
    """By the real systemctl, on a folder instead of the host's root."""
    service = tmp_path / "etc/systemd/system/a.service"
    service.parent.mkdir(parents=True)

    def install(content: str) -> None:
        service.write_text(content)
        for verb in ("enable", "is-enabled"):
            argv = ["systemctl", f"--root={tmp_path}", verb, "a.service"]
            state = subprocess.run(argv, check=False, capture_output=True, text=True).stdout.strip()
        wanted = systemd_options.wanted_set(
            {**UNIT_SET, "units": [{"name": "a.service", "content": content}], "enabled": ["a.service"]}
        )
        status = manager.UnitStatus(unit_file_state=state, fragment=wanted.path("a.service"))
        systemd_install._check_installed(None, wanted, {"a.service": status})

    plain = "[Service]\nExecStart=/bin/true\n"
    assert message(lambda: install(plain)).endswith("; set 'units'")
    install(f"{plain}[Install]\nWantedBy=multi-user.target\n")


def test_a_token_with_a_second_name(tmp_path):
    """On a file system of its own, because the command looks through all of one."""
    file = tmp_path / "gateway token"
    file.write_text(STRONG)
    os.link(file, tmp_path / "copy")
    output = message(lambda: gateway_token.current_token(str(file), managed.look(str(file))))
    folder, name = shlex.quote(str(tmp_path)), shlex.quote(str(file))
    alone = f"mount -t tmpfs none {folder}; echo > {name}; ln {name} {folder}/copy; {commands(output)[0]}"
    alone += f"; stat -c %h {name}"
    done = subprocess.run(["unshare", "--mount", "sh", "-euc", alone], check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"


# --- that none is forgotten ---------------------------------------------------------------------------------------


def test_every_place_that_advises_has_a_trial(raised: list[Place], tmp_path: Path, request) -> None:
    attempts = [bad for _name, bad, _good in OPTIONS]
    for number, (_name, make) in enumerate(TRIALS):
        (tmp_path / str(number)).mkdir()
        attempts.append(make(tmp_path / str(number))[0])
    for bad in attempts:
        with pytest.raises(HardeningError):
            bad()
    there = places()
    tried = {
        name
        for (file, first), (name, last) in there.items()
        if any(file == observed and first <= line <= last for observed, line in raised)
    }
    names = {name for name, _last in there.values()}
    untried = names - tried - set(ELSEWHERE)
    assert not untried, "advice that no test applies: try it above:\n" + "\n".join(sorted(untried))
    assert set(ELSEWHERE) <= names, "there is no such place:\n" + "\n".join(set(ELSEWHERE) - names)


# Tried by the tests above that are named for it, or on a host.
ELSEWHERE = {
    "_deploy/plan.py _refuse_other_image f'{wanted.image_id}, the image that was verified; ": test_a_tag_that_was_moved,
    "_docker/registry.py _password 'one line of text'": test_a_file_without_one_password,
    "_systemd/install.py _check_installed 'a unit that [Install] enables'": test_a_unit_that_nothing_enables,
    "_system/accounts.py _check f'no privileged group; run `{fix}`'": test_privileged_groups,
    "_system/accounts.py _check needed": test_a_persons_account,
    "_files/safe_path.py _vet f'a directory that only its owner may write; run `": test_a_shared_directory,
    "modules/gateway_token.py current_token needed": test_a_token_with_a_second_name,
}
