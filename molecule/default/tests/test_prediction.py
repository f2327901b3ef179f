"""Check mode reports exactly what a run then changes, and a second run changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def load(file: Path) -> list[dict]:
    return json.loads(file.read_text())["tasks"]


def changed(tasks: list[dict]) -> list[str]:
    return [task["task"] for task in tasks if task["changed"]]


@pytest.fixture(scope="module")
def records(inventory) -> dict[str, list[dict]]:
    """Return what Molecule's check, converge and idempotence steps recorded, in this order."""
    files = sorted((Path(inventory).parent / "records").glob("*-converge-*.json"))
    assert [file.stem.rsplit("-", 1)[1] for file in files[:3]] == ["check", "run", "run"]
    return {name: load(file) for name, file in zip(("check", "converge", "idempotence"), files)}


def test_the_first_check_named_every_change_of_the_first_run(records):
    assert changed(records["check"]) == changed(records["converge"])
    assert len(changed(records["converge"])) >= 4


def test_the_second_run_changed_nothing(records):
    assert changed(records["idempotence"]) == []


def test_a_changed_option_is_predicted_applied_and_kept(host, playbook):
    wanted = {"openclaw_gateway_memory": "2500m", "openclaw_gateway_candidate": "auto"}
    before = host.run("docker inspect -f '{{.Id}} {{.HostConfig.Memory}}' openclaw-gateway").stdout

    prediction = playbook("site.yml", "--check", "--diff", **wanted)
    assert prediction.rc == 0, prediction.output
    assert host.run("docker inspect -f '{{.Id}} {{.HostConfig.Memory}}' openclaw-gateway").stdout == before
    assert "2500m" in prediction.output

    run = playbook("site.yml", "--diff", **wanted)
    assert run.rc == 0, run.output
    assert run.changed == prediction.changed != []
    diffs = [[task["diff"] for task in found.tasks if task.get("diff")] for found in (prediction, run)]
    assert diffs[0] == diffs[1] != []
    assert host.run("docker inspect -f '{{.HostConfig.Memory}}' openclaw-gateway").stdout.strip() == str(2500 << 20)
    assert playbook("site.yml", **wanted).changed == []

    back = playbook("site.yml")
    assert back.rc == 0, back.output
    assert back.changed == run.changed
