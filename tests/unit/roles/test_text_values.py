"""A switch or a number that ``-e`` or an INI inventory gives as text does what the same value does in its own type.

The options are read from the argument specs of all roles: a new one is tried without a change of this file. Each value
is the variable of a host; one run of ansible-playbook lets every role run on the hosts of its options, from the role's
own files, in which each task that reaches a host is replaced by one that writes down what the module would have got.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ansible
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from jinja2 import Environment, meta, nodes
from unit.role_templates import played

TOP = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (TOP / "roles").iterdir() if (path / "meta/argument_specs.yml").is_file())
# A playbook with options of its own, and its task files in their order.
ROLLOUT = "openclaw_rollout"
ROLLOUT_TASKS = ["validate", "gather", "plan", "assert_image", "soak", "record", "report"]
NAMES = [*ROLES, ROLLOUT]
TEXTS = {False: ("false", "no", "0"), True: ("true", "yes", "1")}
BAD = "maybe-neither"
REFUSED = "refused"
# What runs on the controller, in the test as in a deployment.
OWN = ("assert", "set_fact", "debug", "fail", "meta", "include_tasks", "import_tasks", "include_role", "import_role",
       "validate_argument_spec", "validate_settings")  # fmt: skip
# What only reads: a value may be refused after it.
READS = ("openclaw.hardening.deployment_info", "openclaw.hardening.host_preflight")
ANSWERS = {
    "openclaw.hardening.deployment_info": {"rejected": [{"image_id": "sha256:1", "at": "1", "why": "x"}],
                                           "damaged": [], "drift": [], "restarts": 0,
                                           "image_id": "sha256:1", "interrupted": "", "status": "running",
                                           "deployed": {"image_id": "sha256:1", "at": "1"}},
    "openclaw.hardening.host_preflight": {"missing_packages": [], "engine_running": True},
    "openclaw.hardening.service_user": {"name": "openclaw", "uid": 1000, "gid": 1000, "home": "/var/lib/openclaw"},
    "openclaw.hardening.hardened_image": {"image_id": "sha256:1", "record": {}, "missing": False},
    "openclaw.hardening.hardening_info": {"checks": [], "deployment": {"deployed": {"image_id": "sha256:1", "at": "1"},
                                                                       "damaged": [], "drift": [], "interrupted": ""}},
    "openclaw.hardening.rollout_plan": {"order": ["one"], "skipped": []},
    "openclaw.hardening.rollout_report": {"failed_hosts": []},
}  # fmt: skip
RECORDER = """
import json, os
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    def run(self, tmp=None, task_vars=None):
        with open(os.path.join(os.environ["RECORDED"], task_vars["inventory_hostname"]), "a") as file:
            file.write(json.dumps(self._task.args, default=str) + "\\n")
        return {"changed": True, **json.loads(os.environ["ANSWERS"]).get(self._task.args["module"], {}),
                **task_vars.get("answers", {}).get(self._task.args["module"], {})}
"""
# What the roles before it hand on, and what lets every switch be off.
GIVEN = {
    "ansible_connection": "local",
    "openclaw_user_account": {"name": "openclaw", "uid": 1000, "gid": 1000, "home": "/var/lib/openclaw",
                              "state_dir": "/var/lib/openclaw/.openclaw"},
    "openclaw_image_ref": "openclaw:hardened",
    "openclaw_image_id": "sha256:1",
    "openclaw_gateway_deployment": {"image_id": "sha256:1"},
    "openclaw_waivers": [{"id": "OCH-CTR-06", "reason": "a plugin writes there"}],
}  # fmt: skip
# The first host of each role has another image, deployed last.
LATER = {"deployed": {"image_id": "sha256:2", "at": "2"}, "damaged": [], "drift": [], "interrupted": ""}
NEWER = {"openclaw.hardening.deployment_info": {"deployed": LATER["deployed"]},
         "openclaw.hardening.hardening_info": {"deployment": LATER}}  # fmt: skip
# Refusals that a switch itself decides.
DECIDED = ("set 'openclaw_rollout_retry_rejected'", "set 'openclaw_verify_drift'")
# What is tried of a role: the entries that playbooks use.
ENTRIES = {"openclaw_gateway": ["main", "rollback", "rotate"]}


class Case(NamedTuple):
    """A host with some options of a role, and the host whose options, in their own types, it has to do the same as."""

    role: str
    name: str
    values: dict[str, Any]
    like: str

    @property
    def host(self) -> str:
        return f"{self.role}-{self.name}"


def specs(role: str) -> dict[str, dict[str, Any]]:
    if role == ROLLOUT:
        text = (TOP / "playbooks/vars/rollout_options.yml").read_text()
        return dict(yaml.safe_load(text)["_openclaw_rollout_options"])
    text = (TOP / "roles" / role / "meta/argument_specs.yml").read_text()
    return dict(yaml.safe_load(text)["argument_specs"]["main"]["options"])


def defaults(folder: Path) -> dict[str, Any]:
    """Return each option's default as Ansible evaluates it."""
    known = [f"roles/{role}/{part}/main.yml" for role in ROLES for part in ("defaults", "vars")]
    known += ["playbooks/vars/rollout_options.yml", "playbooks/vars/rollout.yml"]
    read = [f"'{option}': {option}" for role in ROLES for option in specs(role)]
    read += [f"'{option}': _openclaw_rollout.{option}" for option in specs(ROLLOUT)]
    content = "{{ {" + ", ".join(read) + "} | to_json }}"
    files = [str(TOP / path) for path in known if (TOP / path).is_file()]
    return dict(played(folder, content, vars_files=files))


def cases(folder: Path) -> Iterator[Case]:
    """Yield hosts for every switch and number, whichever of argument spec and default reports that it is one."""
    found = defaults(folder)
    for role in NAMES:
        switches: dict[str, bool] = {}
        numbers: dict[str, float] = {}
        for option, spec in specs(role).items():
            if spec["type"] == "bool" or isinstance(found[option], bool):
                switches[option] = found[option]
            elif spec["type"] in ("int", "float") or isinstance(found[option], (int, float)):
                numbers[option] = found[option]
        yield Case(role, "defaults", {"answers": NEWER}, "defaults")
        yield Case(role, "numbers", {option: str(value) for option, value in numbers.items()}, "defaults")
        for option, default in switches.items():
            yield Case(role, f"{option}-changed", {option: not default}, f"{option}-changed")
            yield Case(role, f"{option}-text", {option: TEXTS[not default][0]}, f"{option}-changed")
        for real, texts in TEXTS.items():
            for value in (real, *texts[1:]):  # the first text is tried with each option alone
                yield Case(role, f"all-{value!r}".replace("'", ""), dict.fromkeys(switches, value), f"all-{real!r}")
        for option in (*switches, *numbers):
            yield Case(role, f"{option}-bad", {option: BAD}, REFUSED)


def recording(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tasks with each that reaches a host replaced by one that writes down what it would get."""
    found = []
    for task in tasks:
        new = {key: value for key, value in task.items() if key not in ("run_once", "delegate_to")}
        for part in ("block", "rescue", "always"):
            if part in new:
                new[part] = recording(new[part])
        for key in [key for key in new if "." in key and key.rpartition(".")[2] not in OWN]:
            new["ansible.legacy.recorded"] = {"module": key, "options": new.pop(key) or {}}
        found.append(new)
    return found


def recorded(path: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(json.dumps(recording(yaml.safe_load(path.read_text()))))


def copied(folder: Path) -> Path:
    """Make a collection whose roles record; return the folder of collections."""
    collection = folder / "ansible_collections/openclaw/hardening"
    collection.mkdir(parents=True)
    for part in ("plugins", "meta"):
        (collection / part).symlink_to(TOP / part)
    for path in (TOP / "playbooks").rglob("tasks/**/*.yml"):
        recorded(path, collection / path.relative_to(TOP))
    for role in ROLES:
        for path in (TOP / "roles" / role).iterdir():
            (collection / "roles" / role).mkdir(parents=True, exist_ok=True)
            if path.name != "tasks":
                (collection / "roles" / role / path.name).symlink_to(path)
        for path in (TOP / "roles" / role / "tasks").iterdir():
            recorded(path, collection / path.relative_to(TOP))
    (folder / "action").mkdir()
    (folder / "action/recorded.py").write_text(RECORDER)
    return folder


def plays(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a play for each role: its entries, each on its own, on the hosts of its options; then the rollout."""
    failed = {"module": "failed", "options": {"msg": "{{ ansible_failed_result | to_json }}"}}
    for role in ROLES:
        for entry in ENTRIES.get(role, ["main"]):
            include = {"name": f"openclaw.hardening.{role}", "tasks_from": entry}
            block = [{"ansible.builtin.include_role": include}]
            tasks = [{"block": block, "rescue": [{"ansible.legacy.recorded": failed}]}]
            yield {"name": role, "hosts": role, "gather_facts": False, "tasks": tasks}
    files = [str(TOP / f"playbooks/vars/{name}.yml") for name in ("rollout_options", "rollout")]
    for name in ROLLOUT_TASKS:
        path = folder / f"ansible_collections/openclaw/hardening/playbooks/tasks/rollout/{name}.yml"
        tasks = [{"block": [{"ansible.builtin.include_tasks": str(path)}],
                  "rescue": [{"ansible.legacy.recorded": failed}]}]  # fmt: skip
        yield {"name": name, "hosts": ROLLOUT, "gather_facts": False, "vars_files": files, "tasks": tasks}


Everything = dict[str, tuple[Case, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Everything:
    """All cases by host, with what each leads to."""
    folder = tmp_path_factory.mktemp("text")
    tried = list(cases(folder))
    groups: dict[str, Any] = {role: {"hosts": {}} for role in NAMES}
    for case in tried:
        groups[case.role]["hosts"][case.host] = case.values
    rollout = {"openclaw_rollout_hosts": {"children": {"openclaw_rollout": {}}}}
    inventory = {"all": {"vars": GIVEN, "children": {**groups, **rollout}}}
    (folder / "inventory.json").write_text(json.dumps(inventory))
    (folder / "all.yml").write_text(json.dumps(list(plays(folder))))
    (folder / "recorded").mkdir()
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(copied(folder)),
        "ANSIBLE_ACTION_PLUGINS": str(folder / "action"),
        "ANSIBLE_CONFIG": str(folder / "none.cfg"),
        "RECORDED": str(folder / "recorded"),
        "ANSWERS": json.dumps(ANSWERS),
    }
    (folder / "none.cfg").touch()
    argv = [sys.executable, "-m", "ansible.cli.playbook", "-i", "inventory.json", "--forks", "4", "all.yml"]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    written = folder / "recorded"
    lines = {case.host: (written / case.host).read_text().splitlines() for case in tried}
    return {case.host: (case, [json.loads(line) for line in lines[case.host]]) for case in tried}


def options_of(module: str) -> dict[str, Any]:
    """Return the argument spec of a module, as it documents it."""
    collection, _dot, name = module.rpartition(".")
    folder = TOP / "plugins" if collection == "openclaw.hardening" else Path(ansible.__file__).parent
    document = documentation(folder / f"modules/{name}.py")
    options = document["options"]
    for fragment in document.get("extends_documentation_fragment", []):
        if fragment.startswith("openclaw."):
            options |= documentation(TOP / f"plugins/doc_fragments/{fragment.rpartition('.')[2]}.py").get("options", {})
    return typed(options)


def documentation(path: Path) -> dict[str, Any]:
    text = re.search(r"""DOCUMENTATION = r?(\"{3}|'{3})(.*?)\1""", path.read_text(), re.DOTALL)
    return dict(yaml.safe_load(text[2])) if text else {}


def typed(options: dict[str, Any]) -> dict[str, Any]:
    spec = {}
    for name, option in options.items():
        spec[name] = {key: option[key] for key in ("type", "elements") if key in option}
        if "suboptions" in option:
            spec[name]["options"] = typed(option["suboptions"])
    return spec


def arrived(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a module works with: its arguments in the types that it converts them to."""
    if record["module"] == "failed":
        return record
    result = ArgumentSpecValidator(options_of(record["module"])).validate(record["options"])
    return {"module": record["module"], "options": result.validated_parameters, "faults": result.error_messages}


def test_every_text_does_what_its_value_does(everything: Everything) -> None:
    for case, records in everything.values():
        if case.like != REFUSED:
            found = [arrived(record) for record in records]
            failed = [record for record in found if record["module"] == "failed" or record["faults"]]
            assert [record for record in failed if not any(text in json.dumps(record) for text in DECIDED)] == [], case
            like = everything[f"{case.role}-{case.like}"][1]
            for record, real in zip(found, map(arrived, like)):
                assert json.dumps(record, indent=1) == json.dumps(real, indent=1), case
            assert len(records) == len(like) > 0, case


def test_every_switch_makes_a_difference(everything: Everything) -> None:
    """Otherwise the test above would compare what does not depend on the option."""
    changed = [(case, records) for case, records in everything.values() if case.name.endswith("-changed")]
    assert len(changed) >= 12
    assert [case.name for case, records in changed if records == everything[f"{case.role}-defaults"][1]] == []


def test_what_is_neither_is_refused_before_anything_changes(everything: Everything) -> None:
    accepted = []
    for case, records in everything.values():
        for record in records if case.like == REFUSED else []:
            text = json.dumps(record)
            if BAD in text and next(iter(case.values)) in text:
                break
            if record["module"] not in READS:
                accepted.append(f"{case.name}: {text[:300]}")
                break
        else:
            accepted += [case.name] if case.like == REFUSED else []
    assert accepted == []


# --- every use, also where the run above does not come along ------------------------------------------------


def used(value: Any, key: str = "") -> Iterator[str]:
    """Yield the variables that are read in the templates of a document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from used(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from used(inner, key)
    elif isinstance(value, str) and key != "fail_msg":  # which reports the value as it was given
        bare = key in ("when", "that", "failed_when", "changed_when", "until") and "{{" not in value
        parsed = ENVIRONMENT.parse(f"{{{{ {value} }}}}" if bare else value)
        yield from meta.find_undeclared_variables(parsed)
        yield from (node.attr for node in parsed.find_all(nodes.Getattr))


class Anything(dict):  # type: ignore[type-arg]
    """Filters and tests of any name: only the variables count."""

    def __contains__(self, _name: object) -> bool:
        return True

    def get(self, _name: object, _default: object = None) -> Any:
        return str

    __getitem__ = get


ENVIRONMENT = Environment(autoescape=True)
ENVIRONMENT.filters = ENVIRONMENT.tests = Anything()


@pytest.mark.parametrize("role", NAMES)
def test_a_switch_and_a_number_are_used_in_their_own_types_only(role: str) -> None:
    options = {
        option for option, spec in specs(role).items()
        if spec["type"] in ("bool", "int", "float") or isinstance(spec.get("default"), (bool, int, float))
    }  # fmt: skip
    folder = TOP / "roles" / role
    file = TOP / "playbooks/vars/rollout.yml" if role == ROLLOUT else folder / "vars/main.yml"
    variables = yaml.safe_load(file.read_text()) if file.is_file() else {}
    typed_name = r"\{{\{{ (_openclaw_rollout\.)?{} \| openclaw\.hardening\.(boolean|number)\('{}'\) \}}\}}\n?"
    own = {
        name for name, value in variables.items()
        if re.fullmatch(typed_name.format(name[1:], name[1:]), str(value))
    }  # fmt: skip
    assert {f"_{option}" for option in options} <= own
    known: dict[str, Any] = {name: value for name, value in variables.items() if name not in own}
    read = set(used(known))
    for path in {*(TOP / "playbooks").rglob("*.yml")} - {
        TOP / "playbooks/vars/rollout.yml",
        TOP / "playbooks/vars/remove_options.yml",
    }:
        read |= set(used(yaml.safe_load(path.read_text())))
    for path in (folder / "tasks").glob("*.yml"):
        read |= set(used(yaml.safe_load(path.read_text())))
    for path in (folder / "templates").glob("*"):
        read |= set(used(path.read_text()))
    assert read
    assert sorted(read & options) == []
