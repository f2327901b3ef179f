"""The action as Ansible runs it: no connection, check mode, files, table, refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.openclaw.hardening.plugins.action import hardening_report
from ansible_collections.openclaw.hardening.plugins.modules import hardening_report as documented
from unit.report_samples import check, fleet, full, hostile, result

TOP = Path(__file__).resolve().parents[4]
NAMES = [f"openclaw-hardening.{ending}" for ending in ("json", "xml", "sarif", "html")]


@pytest.fixture
def play(tmp_path):
    """Run the action on a host that nobody can connect to; return its result and what was printed."""

    def run(*flags: str, **options: object) -> tuple[dict, str]:
        (tmp_path / "hosts.json").write_text(json.dumps({"hosts": options.pop("hosts", fleet())}))
        task = {"openclaw.hardening.hardening_report": {"hosts": "{{ data.hosts }}", **options}, "register": "done"}
        keep = {"ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": str(tmp_path / "done.json")}}
        local = {
            "delegate_to": "localhost",
            "check_mode": False,
            "vars": {"ansible_python_interpreter": sys.executable},
        }
        play = {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [{**task, "ignore_errors": True}, {**keep, **local}],
            "vars_files": [],
            "vars": {
                "data": "{{ lookup('ansible.builtin.file', folder ~ '/hosts.json') | from_json }}",
                "folder": str(tmp_path),
            },
        }
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        (tmp_path / "inventory.yml").write_text("all: {hosts: {nobody: {ansible_host: 192.0.2.1}}}")
        process = subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory.yml", "play.yml", *flags],
            cwd=tmp_path,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(TOP / ".collections"),
                "ANSIBLE_NOCOLOR": "1",
                "COLUMNS": "150",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        assert "Traceback" not in process.stdout + process.stderr
        return json.loads((tmp_path / "done.json").read_text()), process.stdout

    return run


def test_it_writes_all_formats_and_prints_the_table(play, tmp_path):
    done, printed = play(directory="reports", title="Tuesday")
    folder = tmp_path / "reports"
    assert done["changed"] is True
    assert done["files"] == [str(folder / name) for name in NAMES]
    assert sorted(file.name for file in folder.iterdir()) == sorted(NAMES)
    assert done["summary"]["worst"] == "fail"
    assert done["summary"]["hosts"]["old"]["error"] == 1
    assert done["summary"]["hosts"]["web1"]["findings"] == {"critical": 1, "high": 1, "medium": 1, "low": 1}
    assert json.loads((folder / NAMES[0]).read_text())["title"] == "Tuesday"
    assert "critical  fail    OCH-NET-01" in printed
    assert "4 hosts, 3 of 4 with findings" in printed
    assert "OCH-ACC-01" not in printed


def test_check_mode_predicts_and_writes_nothing(play, tmp_path):
    done, printed = play("--check", directory="reports", formats=["html", "json"])
    assert done["changed"] is True
    assert [Path(file).name for file in done["files"]] == [NAMES[0], NAMES[3]]
    assert not (tmp_path / "reports").exists()
    assert "OCH-NET-01" in printed


def test_without_a_directory_there_is_only_the_table_and_verbosity_shows_what_passed(play):
    done, printed = play("-v", hosts=[{"name": "db1", "result": result(check("account"))}])
    assert (done["changed"], done["files"]) == (False, [])
    assert "OCH-ACC-01" in printed
    assert "1 host, no findings" in printed


def test_the_table_can_be_off_and_one_format_be_enough(play, tmp_path):
    done, printed = play(directory=str(tmp_path / "reports"), formats=["sarif"], table=False)
    assert [Path(file).name for file in done["files"]] == [NAMES[2]]
    assert "SEVERITY" not in printed


def test_hostile_results_reach_neither_the_terminal_nor_the_templates(play, tmp_path):
    # A lone surrogate does not survive Ansible's own JSON, so it cannot come from a host.
    hosts = json.loads(json.dumps(hostile(), ensure_ascii=False).encode(errors="ignore"))
    lure = "{{ lookup('ansible.builtin.pipe', 'touch %s') }}" % (tmp_path / "owned")
    hosts[1]["result"] = result(check(status="fail", title=lure, actual=lure))
    done, printed = play(hosts=hosts, directory="reports")
    assert done["changed"] is True
    assert not (tmp_path / "owned").exists()
    assert "lookup(" in printed
    assert not set(printed) & set("\x1b\x07\x9b\u202e\u2066")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hosts": []}, "hosts: found none, needed at least one host with its result"),
        ({"hosts": [{"name": "a"}, {"name": "a"}]}, "more than once"),
        ({"formats": ["pdf"]}, "value of formats must be one or more of"),
        ({"colour": True}, "Unsupported parameters"),
        ({"directory": "/tmp/a\0b"}, "directory: found '/tmp/a\\x00b', needed one line of printable text"),
        ({"directory": "/dev/null"}, "/dev/null: found something that is not a directory"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(play, options, message):
    done = play(**options)[0]
    assert done["failed"] is True
    assert message in done["msg"]


def test_the_documentation_is_that_of_the_action():
    options = yaml.safe_load(documented.DOCUMENTATION)["options"]
    assert {
        name: {key: option.get(key) for key in ("type", "elements", "required", "default", "choices")}
        for name, option in options.items()
    } == {
        name: {key: option.get(key) for key in ("type", "elements", "required", "default", "choices")}
        for name, option in hardening_report.ARGUMENT_SPEC.items()
    }
    assert set(yaml.safe_load(documented.RETURN)) == {"files", "summary"}


def test_the_example_of_the_documentation_covers_every_host_of_the_play(tmp_path):
    tasks = yaml.safe_load(documented.EXAMPLES)
    task = next(task for task in tasks if "openclaw.hardening.hardening_report" in task)
    prepared = [
        {"ansible.builtin.set_fact": {"audit": full()}, "when": "inventory_hostname != 'gone'"},
        {**task, "register": "done"},
        {
            "ansible.builtin.assert": {
                "that": "done.summary.hosts.gone.error == 1 and done.summary.hosts.here.pass == 88"
            },
            "run_once": True,
        },
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": prepared}]))
    process = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "here,gone", "play.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(TOP / ".collections"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
