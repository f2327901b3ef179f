"""Whose container is it: what another user made under our names is refused or left, and never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from deployment import COMPOSE, CONTAINER, ETC, IMAGE, SERVICE, UNIT, Deployment
from harness import RECORDS, FaultHost, World

FOLDER = "/root/foreign/openclaw"
PROJECT = "openclaw"


class Foreign:
    """Compose projects of another user, with the stub's image, in a folder that is called as ours."""

    def __init__(self, host: FaultHost) -> None:
        self.host = host

    def up(self, services: dict[str, Any], project: str = PROJECT, **more: Any) -> None:
        # As the first process it would not end on SIGTERM, and `down` would wait ten seconds.
        sleeps = {"image": "stub:v1", "command": ["sleep", "1000"], "entrypoint": [], "stop_signal": "SIGKILL"}
        whole = {"services": {name: {**sleeps, **service} for name, service in services.items()}, **more}
        self.host.check(f"mkdir -p {FOLDER}")
        self.host.write(f"{FOLDER}/docker-compose.yml", yaml.safe_dump(whole))
        self.host.check(f"cd {FOLDER} && docker compose --project-name {project} up --detach 2>&1")

    def gone(self) -> None:
        self.host.check(f"""
            docker ps --all --quiet --filter label=com.docker.compose.project.working_dir={FOLDER} \
                | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
            docker ps --all --quiet --filter name=foreign | xargs --no-run-if-empty docker rm --force >/dev/null
            docker network ls --quiet --filter label=foreign | xargs --no-run-if-empty docker network rm >/dev/null
            docker volume ls --quiet --filter label=foreign | xargs --no-run-if-empty docker volume rm >/dev/null
            docker network rm openclaw_default openclaw_candidate_default >/dev/null 2>&1 || true
            docker rmi {IMAGE}-rollback {IMAGE}-rejected >/dev/null 2>&1 || true
            rm -rf {FOLDER}
        """)

    def there(self) -> list[str]:
        """Return id, state and time of start of everything that is not ours, and the networks."""
        found = self.host.check(
            "docker ps --all --quiet --no-trunc | xargs --no-run-if-empty docker inspect --format "
            "'{{.Id}} {{.Name}} {{.State.Status}} {{.State.StartedAt}}'; docker network ls --no-trunc --format "
            "'{{.ID}} {{.Name}}'; docker volume ls --quiet; docker images --no-trunc --format "
            "'{{.Repository}}:{{.Tag}} {{.ID}}'"
        ).splitlines()
        # The name of the image to be deployed is given by the test itself.
        return sorted(line for line in found if not line.startswith("openclaw:hardened "))


@pytest.fixture
def foreign(before: World, host: FaultHost) -> Iterator[Foreign]:
    """Return another user beside the good deployment; what they made goes afterwards."""
    other_user = Foreign(host)
    try:
        yield other_user
    finally:
        other_user.gone()


@pytest.fixture
def bare(deployment: Deployment, host: FaultHost) -> Iterator[Foreign]:
    """Return another user beside no deployment of ours, whose records and files are away, too."""
    deployment.made_once()
    deployment.nothing()
    host.check(f"rm -f {RECORDS}/*.json.damaged; find {ETC} -maxdepth 1 -type f -delete")
    other_user = Foreign(host)
    try:
        yield other_user
    finally:
        other_user.gone()


def refused(answer: dict[str, Any], *texts: str) -> None:
    assert answer.get("failed"), answer
    assert answer["outcome"] == "unchanged"
    for text in (*texts, "Nothing was changed", "openclaw_instance"):
        assert text in answer["msg"], answer["msg"]


@pytest.mark.parametrize("check", [False, True])
def test_upstreams_own_project_is_refused(bare: Foreign, deployment: Deployment, check: bool) -> None:
    bare.up({SERVICE: {"ports": ["127.0.0.1:18789:18789"]}})
    before = bare.there()
    answer = deployment.run(check=check)
    refused(answer, "openclaw-openclaw-gateway-1", f"{FOLDER}/docker-compose.yml", "stub:v1", "made 20")
    assert bare.there() == before
    assert not bare.host.check(f"find {ETC} {RECORDS} -maxdepth 1 -name '*.json' ! -name image.json")


def test_the_advice_of_the_refusal_helps(bare: Foreign, deployment: Deployment, host: FaultHost) -> None:
    bare.up({SERVICE: {}})
    refused(deployment.run())
    host.check(f"cd {FOLDER} && docker compose --project-name {PROJECT} down 2>&1")
    host.check(f"cd {FOLDER} && docker compose --project-name theirs up --detach 2>&1")
    theirs = [line for line in bare.there() if "theirs-openclaw-gateway-1" in line]
    assert deployment.run()["changed"]
    assert host.answers()
    assert [line for line in bare.there() if "theirs-openclaw-gateway-1" in line] == theirs


@pytest.mark.parametrize("state", ["absent", "stopped", "previous"])
def test_a_project_with_other_services_is_left(bare: Foreign, deployment: Deployment, state: str) -> None:
    bare.up({"app": {}, "db": {}})
    before = bare.there()
    for check in (True, False):
        refused(deployment.run(state=state, check=check), "openclaw-app-1", "openclaw-db-1")
    assert bare.there() == before


def test_a_copied_label_is_no_proof(bare: Foreign, deployment: Deployment) -> None:
    labels = {"io.openclaw.hardening.image-id": deployment.images["v1"], "io.openclaw.hardening.config": "copied"}
    bare.up({SERVICE: {"labels": labels, "container_name": CONTAINER}})
    before = bare.there()
    for state in ("present", "absent"):
        refused(deployment.run(state=state), CONTAINER)
    assert bare.there() == before


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (f"docker run --detach --name {CONTAINER} --entrypoint sleep stub:v1 1000", f"container {CONTAINER}"),
        (f"docker create --name {CONTAINER} stub:v1", f"container {CONTAINER}"),
        ("docker run --detach --name foreign-port --publish 127.0.0.1:18789:80 --entrypoint sleep stub:v1 1000",
         "publishes 127.0.0.1:18789"),
        ("docker run --detach --name foreign-port --publish 18789:80 --entrypoint sleep stub:v1 1000",
         "publishes 0.0.0.0:18789"),
        (f"docker network create --label foreign {CONTAINER}", f"network {CONTAINER}"),
        ("docker network create --label foreign --opt com.docker.network.bridge.name=br-openclaw theirs",
         "network theirs with the bridge br-openclaw"),
        ("ip link add br-openclaw type bridge", "interface br-openclaw"),
        (f"echo services: {{}} > {COMPOSE}", f"file {COMPOSE}"),
        ("docker network create --label foreign --label com.docker.compose.project=openclaw_candidate theirs",
         "network theirs of the Compose project openclaw_candidate"),
        ("docker volume create --label foreign --label com.docker.compose.project=openclaw_candidate theirs",
         "volume theirs of the Compose project openclaw_candidate"),
        (f"tar --create --files-from /dev/null | docker import - {IMAGE}-rollback", f"image {IMAGE}-rollback"),
        (f"tar --create --files-from /dev/null | docker import - {IMAGE}-rejected", f"image {IMAGE}-rejected"),
    ],
)  # fmt: skip
def test_whatever_holds_a_name_that_is_needed(
    bare: Foreign, deployment: Deployment, host: FaultHost, make: str, shown: str
) -> None:
    host.check(f"{make} >/dev/null" if make.startswith("docker") else make)
    try:
        before = bare.there()
        answer = deployment.run()
        assert bare.there() == before
        refused(answer, shown)
    finally:
        host.check(f"ip link del br-openclaw || true; rm -f {COMPOSE}; docker rm --force {CONTAINER} || true")


def test_a_foreign_candidate_and_a_foreign_mate_are_refused(foreign: Foreign, deployment: Deployment) -> None:
    for project in ("openclaw_candidate", PROJECT):
        foreign.up({"app": {}}, project)
        before = foreign.there()
        refused(deployment.run("v2"), f"{project}-app-1")
        assert foreign.there() == before
        foreign.gone()


def test_absent_leaves_the_network_that_other_user_is_on(foreign: Foreign, deployment: Deployment) -> None:
    host = foreign.host
    host.check(f"docker run --detach --name foreign-mate --network {CONTAINER} --entrypoint sleep stub:v1 1000")
    answer = deployment.run(state="absent")
    assert answer["changed"], answer
    assert "foreign-mate" in str(answer["warnings"]), answer
    left = "\n".join(foreign.there())
    assert "foreign-mate running" in left
    assert f" /{CONTAINER} " not in left
    host.check("docker rm --force foreign-mate")
    assert deployment.run()["changed"]
    assert deployment.run(state="absent")["changed"]
    assert CONTAINER not in host.check("docker network ls --format '{{.Name}}'")


def test_a_deployment_of_an_earlier_version_is_ours(foreign: Foreign, deployment: Deployment, host: FaultHost) -> None:
    """Without our labels, from our definition, with our record."""
    text = yaml.safe_load(host.check(f"cat {COMPOSE}"))
    del text["services"][SERVICE]["labels"]
    host.write(COMPOSE, yaml.safe_dump(text))
    host.check(f"systemctl stop {UNIT}; docker compose --file {COMPOSE} up --detach {SERVICE} 2>&1")
    host.check(f"rm -f {RECORDS}/claim.json; systemctl start {UNIT}")
    assert deployment.run()["changed"]
    assert host.answers()


def test_a_journal_does_not_touch_a_foreign_container(foreign: Foreign, deployment: Deployment) -> None:
    host = foreign.host
    killed = deployment.interrupt("v2", plan={"phase": "starting", "what": "kill"})
    assert not killed.answer
    host.check(f"systemctl stop {UNIT} || true; docker ps --all --quiet | xargs docker rm --force >/dev/null")
    foreign.up({SERVICE: {}})
    before = foreign.there()
    for check in (True, False):
        refused(deployment.run(check=check), "openclaw-openclaw-gateway-1")
    assert foreign.there() == before
    host.check(f"cd {FOLDER} && docker compose --project-name {PROJECT} down 2>&1")
    assert deployment.run()["changed"]
    assert host.answers()


def test_deployment_info_refuses_them_all_at_once(bare: Foreign, host: FaultHost) -> None:
    bare.up({SERVICE: {"ports": ["127.0.0.1:18789:18789"]}, "db": {}})
    options = {"project": PROJECT, "service": SERVICE, "container_name": CONTAINER, "definition": COMPOSE,
               "refuse_foreign": {"files": ["/etc/hostname"], "ports": [18789]}}  # fmt: skip
    answer = host.module("deployment_info", options, diff=False)
    refused(answer, "openclaw-db-1", "publishes 127.0.0.1:18789", "/etc/hostname")
    del options["refuse_foreign"]
    reported = host.module("deployment_info", options, diff=False)
    assert (reported["image_id"], reported["status"]) == ("", ""), json.dumps(reported)
