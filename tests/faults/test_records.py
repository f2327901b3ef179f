"""Records that are damaged or not true: reported, kept aside, put right by the next run; a damaged journal stops it."""

from __future__ import annotations

import json

import pytest
from deployment import COMPOSE, CONTAINER, SERVICE, Deployment
from harness import RECORDS, FaultHost, World

DEPLOYED = f"{RECORDS}/deployed.json"
INFO = {"project": "openclaw", "service": SERVICE, "container_name": CONTAINER, "definition": COMPOSE}
DAMAGE = {
    "truncated": f"truncate --size 40 {DEPLOYED}",
    "a directory": f"rm {DEPLOYED}; mkdir -p {DEPLOYED}/inner",
    "a link": f"rm {DEPLOYED}; ln -s /etc/hostname {DEPLOYED}",
    "written by others": f"chown 1000 {DEPLOYED}",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_record_is_reported_and_put_right(
    before: World, deployment: Deployment, host: FaultHost, kind: str
) -> None:
    host.check(DAMAGE[kind])
    reported = host.module("deployment_info", INFO, diff=False)
    assert reported["deployed"] == {}
    assert [line for line in reported["drift"] if f"{DEPLOYED} is damaged" in line], reported
    assert len(reported["damaged"]) == 1
    predicted = deployment.run(check=True)
    assert host.module("deployment_info", INFO, diff=False)["damaged"] == reported["damaged"]
    answer = deployment.run()
    assert answer["changed"], answer
    assert answer["actions"] == predicted["actions"] == [f"rewrite {reported['damaged'][0]} (kept aside as .damaged)"]
    assert host.look().container()["id"] == before.container()["id"]
    assert deployment.run()["changed"] is False
    after = host.module("deployment_info", INFO, diff=False)
    assert (after["damaged"], after["drift"], after["deployed"]["image_id"]) == ([], [], deployment.images["v1"])
    host.check(f"test -e {DEPLOYED}.damaged && rm -rf {DEPLOYED}.damaged; test $(cat /etc/hostname | wc -l) = 1")


@pytest.mark.parametrize("kind", ["older", "missing", "another host"])
def test_a_record_that_is_not_true_is_put_right(
    before: World, deployment: Deployment, host: FaultHost, kind: str
) -> None:
    record = json.loads(host.check(f"cat {DEPLOYED}"))
    change = {"older": {"image_id": deployment.images["v3"]}, "another host": {"host": "0" * 32}}.get(kind)
    host.check(f"rm {DEPLOYED}")
    if change:
        host.write(DEPLOYED, json.dumps({**record, **change}))
        host.check(f"chmod 0600 {DEPLOYED}")
    assert host.module("deployment_info", INFO, diff=False)["drift"]
    predicted = deployment.run(check=True)
    answer = deployment.run()
    assert answer["changed"], answer
    assert answer["actions"] == predicted["actions"]
    assert len(answer["actions"]) == 1
    assert DEPLOYED in answer["actions"][0]
    assert host.look().container()["id"] == before.container()["id"]
    assert host.module("deployment_info", INFO, diff=False)["drift"] == []
    assert deployment.run()["changed"] is False
    host.check(f"rm -rf {DEPLOYED}.damaged")


@pytest.mark.parametrize("text", ["{", '{"format": 1, "phase": "preparing", "before": {}}'])
def test_a_damaged_journal_stops_everything_and_the_advice_helps(
    before: World, deployment: Deployment, host: FaultHost, text: str
) -> None:
    host.check(f"mkdir -p {RECORDS}/attempt")
    host.write(f"{RECORDS}/attempt/journal.json", text)
    host.check(f"chmod 0600 {RECORDS}/attempt/journal.json")
    for answer in (
        deployment.run("v2", check=True),
        deployment.run("v2"),
        deployment.run(state="absent"),
        host.module("deployment_info", INFO, diff=False),
    ):
        assert answer["failed"], answer
        assert f"move {RECORDS}/attempt away" in answer["msg"]
    assert host.look().container()["id"] == before.container()["id"]
    host.check(f"mv {RECORDS}/attempt /root/attempt-$RANDOM")
    assert deployment.run("v2")["changed"]
    assert host.answers()
