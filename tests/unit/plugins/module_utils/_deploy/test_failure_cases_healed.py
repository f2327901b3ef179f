"""What a diagnosis advises heals it: its command is run on real files, its option is set in the role and rendered.

Each case of test_diagnosis.py has a trial here, or the test on a host that shows it; a new case fails until it has one.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.failure_cases import (
    Facts,
    Mount,
    Owner,
    at,
    diagnose,
)
from unit.plugins.module_utils._deploy.test_failure_cases import CASES, LAN, STATE, TOKEN, mounts
from unit.role_templates import written

TOP = Path(__file__).resolve().parents[5]
ROLE = TOP / "roles/openclaw_gateway"
UID, GID = 1000, 1000


def fix(name: str, **changes: Any) -> str:
    found = diagnose(replace(CASES[name][0], **changes))
    assert found is not None
    return found.fix


# --- commands -----------------------------------------------------------------------------------------------------


def owner(path: Path) -> Owner:
    found = path.stat()
    return Owner(found.st_uid, found.st_gid, found.st_mode & 0o7777)


def make(path: Path, wrong: Owner) -> None:
    """A directory with a file in it, or a file, each of the wrong owner; its name is one that a shell would change."""
    if path.suffix:
        path.write_text("x")
    else:
        (path / "state").mkdir(parents=True)
        (path / "state/openclaw.sqlite").write_text("x")
        for inner in (path / "state/openclaw.sqlite", path / "state"):
            os.chown(inner, wrong.uid, wrong.gid)
    os.chown(path, wrong.uid, wrong.gid)
    path.chmod(wrong.mode)


def used(path: Path, *tests: str) -> bool:
    """Whether the container's user can; from the folder itself, because those above are closed to it."""
    become = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups", "sh", "-euc"]
    script = "; ".join(f'test {test} "$0"' for test in tests)
    return subprocess.run([*become, script, f"./{path.name}"], cwd=path.parent, check=False).returncode == 0


NOBODYS = Owner(0, 0, 0o700)
# The case, which mount is wrong, what is wrong with it, and what the container's user has to be able to do.
COMMANDS = {
    "root's state": ("state dir", NOBODYS, "-w"),
    "root's state that can be read": ("state dir", Owner(0, 0, 0o755), "-w"),
    "root's file in the state": ("state dir", Owner(0, 0, 0o755), "-w"),
    "its own state without rights": ("state dir", Owner(UID, GID, 0), "-w"),
    "root's configuration": ("openclaw's $x.json", Owner(0, 0, 0o400), "-r"),
    "root's secret": ("gateway token.txt", Owner(0, 0, 0o400), "-r"),
    "a secret that others may read": ("gateway token.txt", Owner(UID, GID, 0o444), "-r"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_gives_the_place_to_the_containers_user(name: str, tmp_path: Path, as_root: None) -> None:
    called, wrong, test = COMMANDS[name]
    tmp_path.chmod(0o755)
    place = tmp_path / called
    make(place, wrong)

    def facts() -> Facts:
        known = mounts()
        number = {"state dir": 0, "openclaw's $x.json": 1}.get(called, 2)
        bad = replace(known[number], source=str(place), owner=owner(place))
        return replace(CASES[name][0], mounts=(*known[:number], bad, *known[number + 1 :]), denied=None)

    (command,) = re.findall(r"`([^`]*(?:chown|chmod)[^`]*)`", diagnose(facts()).fix)
    inner = place / "state/openclaw.sqlite"
    secret = called.startswith("gateway")
    assert secret or not used(place, test) or not used(inner, test)
    subprocess.run(["sh", "-euc", command], check=True)
    assert used(place, test)
    if place.is_dir():
        assert used(inner, "-w", "-r")
    if secret:
        assert owner(place).mode == 0o400
        healed = diagnose(facts())
        assert healed is None or "chown" not in healed.fix


# --- the role's options -------------------------------------------------------------------------------------------

ACCOUNT = {"uid": UID, "gid": GID, "name": "openclaw", "state_dir": "/var/lib/openclaw/.openclaw", "home": "/x"}
PLAIN = {
    "openclaw_image_ref": "openclaw:hardened", "openclaw_image_id": "sha256:1", "openclaw_user_account": ACCOUNT,
    "_openclaw_gateway_content_hash": "1", "openclaw_gateway_instance": "openclaw",
}  # fmt: skip


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The gateway's service as the role writes it, with the options that each remediation asks for; in one run."""
    cases = [{**PLAIN, **options} for options in [{}, *SETTINGS.values()]]
    texts = written(tmp_path_factory.mktemp("rendered"), ROLE, "docker-compose.hardened.yml.j2", cases)
    whole = [yaml.safe_load(text) for text in texts]
    return dict(zip(["", *SETTINGS], (one["services"]["openclaw-gateway"] for one in whole)))


def tmpfs_of(name: str) -> tuple[str, str]:
    """The entry that the remediation wants, and the path that could not be written."""
    found = diagnose(CASES[name][0])
    (entry,) = re.findall(r'add "- (\S+)" to `tmpfs:`', found.fix)
    return entry, found.cause.split(" in a read-only")[0].removeprefix("it has to write ")


def scratch(name: str) -> dict[str, Any]:
    """As the hint reports it: a list of path and size."""
    entry, _path = tmpfs_of(name)
    place, options = entry.split(":")
    size = dict(option.partition("=")[::2] for option in options.split(","))["size"]
    return {"openclaw_gateway_read_only_tmpfs": [{"path": place, "size": size}]}


# The role has these three of its own.
OWN = ("a missing .cache", "a missing /tmp", "no tmpfs at all")
SCRATCH = (*OWN, "a write below the program", "a shell's words", "a state that is not mounted")
SETTINGS: dict[str, dict[str, Any]] = {
    **{name: scratch(name) for name in SCRATCH},
    "little memory": {"openclaw_gateway_memory": "1536m"},
    "a busy host": {"openclaw_gateway_cpus": 3},
    "a taken port": {"openclaw_gateway_port": 18790},
}


@pytest.mark.parametrize("name", SCRATCH)
def test_the_tmpfs_is_in_the_rendered_definition(name: str, rendered: dict[str, dict]) -> None:
    entry, path = tmpfs_of(name)
    service = rendered["" if name in OWN else name]
    (place,) = (one for one in service["tmpfs"] if one.split(":")[0] == entry.split(":")[0])
    assert (path + "/").startswith(place.split(":")[0] + "/")
    assert set(entry.split(":")[1].split(",")) - {"size=100m"} <= set(place.split(":")[1].split(","))
    assert service["user"] == f"{UID}:{GID}"


@pytest.mark.parametrize(
    "name", ["a missing .cache", "a missing /tmp", "no tmpfs at all", "a state that is not mounted"]
)
def test_with_the_tmpfs_the_diagnosis_no_longer_applies(name: str) -> None:
    facts = CASES[name][0]
    while True:
        before = len(facts.tmpfs)
        (entry,) = re.findall(r'add "- (\S+)" to `tmpfs:`', diagnose(facts).fix)
        facts = replace(facts, tmpfs={**facts.tmpfs, entry.split(":")[0]: entry.split(":")[1]})
        assert len(facts.tmpfs) == before + 1
        found = diagnose(facts)
        if found is None or found.subject != "tmpfs":
            return


def test_more_memory_is_in_the_rendered_definition(rendered: dict[str, dict]) -> None:
    for name in ("little memory", "killed, and Docker does not say by whom", "Node.js's own limit"):
        assert fix(name).startswith("raise `mem_limit:` and `memswap_limit:`")
        assert fix(name).endswith("1536m")
    service = rendered["little memory"]
    assert (service["mem_limit"], service["memswap_limit"]) == ("1536m", "1536m")


def test_more_of_a_processor_is_in_the_rendered_definition(rendered: dict[str, dict]) -> None:
    assert fix("a busy host").endswith("raise `cpus:` of the service")
    assert float(rendered["a busy host"]["cpus"]) == 3 > float(rendered[""]["cpus"])


def test_another_port_is_in_the_rendered_definition(rendered: dict[str, dict]) -> None:
    for name in ("a taken port", "a taken port, in the words of the port proxy", "a taken port that is free again"):
        assert fix(name) == "stop that one, or change 'published' in `ports:` of the service"
    assert [port["published"] for port in rendered[""]["ports"]] == ["18789"]
    assert [port["published"] for port in rendered["a taken port"]["ports"]] == ["18790"]


# --- what is looked at --------------------------------------------------------------------------------------------

OPEN = Mount(STATE, STATE, False, Owner(UID, GID, 0o700))
# The case, and what is known after its remediation, where the log of the next start does not say it any more.
LOOKS: dict[str, Callable[[Facts], Facts]] = {
    "the guide's loopback": lambda facts: replace(facts, inside=LAN, healthy_inside=False),
    "another port inside": lambda facts: replace(facts, inside=LAN),
    "an internal network": lambda facts: replace(facts, answered=True),
}


@pytest.mark.parametrize("name", LOOKS)
def test_after_the_fix_it_is_no_longer_recognised(name: str) -> None:
    facts = CASES[name][0]
    assert diagnose(facts) is not None
    assert diagnose(LOOKS[name](facts)) is None


def test_a_secret_that_is_named_is_no_longer_missing() -> None:
    """The same log with the secret mounted names no mount as the missing one."""
    facts = CASES["no secret"][0]
    assert "mounted secrets: none" in diagnose(facts).cause
    assert at(TOKEN, mounts()) is not None
    assert "mounted secrets:" not in diagnose(replace(facts, mounts=mounts())).cause


# --- that none is forgotten ---------------------------------------------------------------------------------------

_REAL = "tests/faults/test_real_openclaw.py"
# Nothing on the controller can show that these heal: the test on a host that shows the diagnosis, if there is one.
ON_A_HOST = {
    "one state for two": "tests/lifecycle/test_diagnose.py",
    "an unknown key": "",
    "a wrong type": _REAL,
    "no mode": _REAL,
    "no authentication": "",
    "another program's 78": "",
    "a secret provider that is not defined": "",
    "an old Node.js": "",
    "an old Node.js without SQLite": "",
    "a path of the image": "",
    "a write to a read-only mount": "",
    "a write beside the program": "",
    "root's tmpfs": "",
    "another token": "",
}


def test_every_case_has_a_trial_or_waits_for_a_host() -> None:
    memory = {"little memory", "killed, and Docker does not say by whom", "Node.js's own limit"}
    ports = {name for name in CASES if name.startswith("a taken port")}
    tried = {*COMMANDS, *SCRATCH, *LOOKS, *memory, *ports, "no secret", "a busy host"}
    assert not tried & set(ON_A_HOST)
    assert set(CASES) == tried | set(ON_A_HOST)
    assert all((TOP / path).is_file() for path in ON_A_HOST.values() if path)
    assert sum(not path for path in ON_A_HOST.values()) <= 11
