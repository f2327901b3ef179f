"""One of each kind with the real OpenClaw, two versions of it: FAULTS=long, for it builds two images of 635 MB."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
import stubs
from deployment import CONTAINER, STATE, Deployment
from harness import LONG, FaultHost, down, wait_until
from lab_host import CHECKOUT, lab, playbook, recorded
from proofs import reported

pytestmark = pytest.mark.skipif(not LONG, reason="the real OpenClaw: FAULTS=long")
LAB = "faults-real"
OLDER = "2026.8.2"
FILES = CHECKOUT / "roles/openclaw_image/files"
# What OpenClaw migrates, and what must not get lost: the version of its database, and a login that was pasted into it.
LOOK = f"""python3 - <<'PYTHON'
import json, sqlite3
database = sqlite3.connect("file:{STATE}/state/openclaw.sqlite?mode=ro", uri=True)
version = database.execute("PRAGMA user_version").fetchone()[0]
login = "canary-login" in str(database.execute("SELECT * FROM config_machine_state").fetchall())
print(json.dumps([version, login]))
PYTHON"""
PASTE = f"""printf 'sk-ant-oat01-canary-login-%060d' 0 |
docker exec --interactive --env OPENCLAW_CONFIG_PATH=/tmp/login.json {CONTAINER} \\
node openclaw.mjs models auth paste-token --provider anthropic --expires-in 1h
"""
PATIENT = {"timeout": 240, "stabilize": 10}


def older_lock(folder) -> dict[str, str]:  # noqa: ANN001
    """Lock an older OpenClaw, as tools/relock does, outside of the tree; return what its image is made from."""
    package = json.loads((FILES / "package.json").read_text())
    package["dependencies"]["openclaw"] = OLDER
    (folder / "package.json").write_text(json.dumps(package))
    subprocess.run(["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund",
                    "--omit-lockfile-registry-resolved", "--loglevel=error"], cwd=folder, check=True)  # fmt: skip
    return {name: (folder / name).read_text() for name in ("package.json", "package-lock.json")}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return a deployment of the real OpenClaw: newer (the role's), older, and one that fails in its place."""
    try:
        lab("up", "--lab", LAB, "gateway")
        deployed = playbook(LAB, CHECKOUT / "playbooks/site.yml")
        assert deployed.returncode == 0, deployed.stdout[-6000:]
        host = FaultHost(LAB, "gateway")
        build = recorded(LAB, "hardened_image")
        build["context"] = {**build["context"], **older_lock(tmp_path_factory.mktemp("older"))}
        older = host.module("hardened_image", {**build, "name": "openclaw:older"}, diff=False)
        assert not older.get("failed"), older["msg"]
        options = recorded(LAB, "hardened_compose")
        images = {"newer": options["image_id"], "older": older["image_id"]}
        images["fails"] = stubs.build_failing(host)
        yield Deployment(host, options, images)
    finally:
        down(LAB)


@pytest.fixture
def older(real: Deployment) -> tuple[int, bool]:
    """Begin with the older version, with a state of its own; return what is in that."""
    host = real.host
    assert real.run("newer", state="absent", health=PATIENT)["changed"]
    host.check(f"find {STATE} -mindepth 1 -maxdepth 1 ! -name workspace -exec rm -rf {{}} +; "
               "rm -rf /var/lib/openclaw-hardening/previous")  # fmt: skip
    answer = real.run("older", health=PATIENT)
    assert not answer.get("failed"), answer["msg"]
    host.check(PASTE)
    found = tuple(json.loads(host.check(LOOK)))
    assert found[1], "the login is not in the database"
    return found


def version(real: Deployment) -> str:
    """Return which OpenClaw serves, by its own word."""
    return re.findall(r"\d{4}\.\d+\.\d+", real.host.check(f"docker exec {CONTAINER} node openclaw.mjs --version"))[0]


def test_a_bad_configuration(older: tuple[int, bool], real: Deployment, note: Callable[..., None]) -> None:
    """One that its own check refuses, and one that only a start finds out."""
    before = real.host.look()
    nowhere = {"source": "file", "path": "/run/secrets/none", "mode": "singleValue"}
    token = {"source": "file", "provider": "nowhere", "id": "value"}
    missing = {"secrets": {"providers": {"nowhere": nowhere}}, "gateway": {"auth": {"mode": "token", "token": token}}}
    for kind, config in (("its check refuses", {"gatway": {}}), ("is refused at the start", missing)):
        with real.host.probed() as probes:
            answer = real.run("older", config=config, health=PATIENT)
        assert answer["failed"], answer
        assert answer.get("outcome", "unchanged") == "unchanged", answer["msg"]
        after = real.host.look()
        assert after.container()["id"] == before.container()["id"]
        assert after.left_over(before) == []
        assert probes.failed == 0
        note(
            f"real OpenClaw: configuration that {kind}",
            outcome="not touched",
            **reported(probes),
            message=answer["msg"],
        )


def test_an_upgrade_and_back(older: tuple[int, bool], real: Deployment, note: Callable[..., None]) -> None:
    host = real.host
    assert version(real) == OLDER
    with host.probed() as own:
        host.check(f"docker restart {CONTAINER} >/dev/null")
        wait_until(host.answers, "no answer after docker restart", 120)
    with host.probed() as probes:
        answer = real.run("newer", health=PATIENT)
    assert answer["changed"], answer
    assert version(real) != OLDER
    migrated = json.loads(host.check(LOOK))
    assert migrated[0] > older[0], "these two versions do not differ in their state: the test shows nothing"
    assert migrated[1]
    note("real OpenClaw: good image", outcome=f"{OLDER} to {version(real)}, state {older[0]} to {migrated[0]}",
         **reported(probes), own_restart_seconds=own.failed_seconds)  # fmt: skip
    assert probes.failed_seconds < own.failed_seconds + 30
    with host.probed() as probes:
        back = real.run("older", state="previous", health=PATIENT)
    assert back["changed"], back
    assert version(real) == OLDER
    assert tuple(json.loads(host.check(LOOK))) == older
    note("real OpenClaw: back on purpose", outcome=f"state {older[0]} again", **reported(probes))


def test_one_that_dies_after_it_migrated(older: tuple[int, bool], real: Deployment, note: Callable[..., None]) -> None:
    host = real.host
    with host.probed() as probes:
        answer = real.run("fails", health=PATIENT)
    assert (answer["failed"], answer["outcome"]) == (True, "rolled_back"), answer["msg"]
    assert "this image fails in its place" in answer["msg"]
    assert version(real) == OLDER
    assert tuple(json.loads(host.check(LOOK))) == older
    note("real OpenClaw: image that dies 5 s after it is ready", outcome=f"{OLDER} and its state again",
         **reported(probes), message=answer["msg"])  # fmt: skip


def test_the_older_image_alone_does_not_start(
    older: tuple[int, bool], real: Deployment, note: Callable[..., None]
) -> None:
    """What plain `docker compose` leads to, and why image and state go back together."""
    assert real.run("newer", health=PATIENT)["changed"]
    host = real.host
    host.check(f"docker stop {CONTAINER} >/dev/null; systemctl stop openclaw-gateway.service")
    refused = host.run(
        f"docker run --rm --user 1000:1000 -e HOME=/home/node -v {STATE}:/home/node/.openclaw "
        "-v /etc/openclaw/openclaw.json:/etc/openclaw/openclaw.json:ro -v /etc/openclaw/secrets:/run/secrets:ro "
        "-e OPENCLAW_CONFIG_PATH=/etc/openclaw/openclaw.json "
        f"{real.images['older']} timeout 90 node openclaw.mjs gateway"
    )
    note("real OpenClaw: the older image on the newer state", "plain", outcome=f"exit code {refused.returncode}",
         message=(refused.stdout + refused.stderr)[-1500:])  # fmt: skip
    assert refused.returncode not in (0, 124), refused.stdout
    host.check("systemctl start openclaw-gateway.service")
    wait_until(host.answers, "the newer one does not start again", 120)


def test_a_run_that_is_killed(older: tuple[int, bool], real: Deployment, note: Callable[..., None]) -> None:
    real.tag("newer")
    cut = real.host.interrupt("hardened_compose", real.options("newer", health=PATIENT), phase="starting", what="group")
    assert (cut.reached is not None, cut.rc) == (True, -9), cut
    answer = real.run("newer", health=PATIENT)
    assert answer["changed"], answer
    assert real.run("newer", health=PATIENT)["changed"] is False
    assert version(real) != OLDER
    assert json.loads(real.host.check(LOOK))[1]
    note("real OpenClaw: killed when starting", outcome="one run converges, the next changes nothing")


def test_a_dead_telegram_channel(older: tuple[int, bool], real: Deployment, note: Callable[..., None]) -> None:
    """Its API cannot be reached: OpenClaw reports so by /readyz after about two minutes, and serves all the same."""
    dead = {
        "channels": {"telegram": {"enabled": True, "botToken": f"123456:{'a' * 35}", "apiRoot": "http://127.0.0.1:9"}}
    }
    assert real.run("newer", config=dead, health=PATIENT)["changed"]
    ready = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18789/readyz"
    wait_until(lambda: real.host.run(ready).stdout == "503", "OpenClaw does not notice the dead channel", 300)
    again = real.run("newer", config=dead, health=PATIENT)
    assert (again["changed"], again["health"]["not_ready"]) == (False, ["telegram"]), again
    assert again["health"]["status"]["serving"] == "POST /tools/invoke: 200 with the token and 401 without a token"
    with real.host.probed() as probes:
        back = real.run("older", state="previous", health=PATIENT)
    assert back["changed"], back
    # What OCH-NET-10 advises.
    assert real.run("newer", config=dead, health=PATIENT)["changed"]
    wait_until(lambda: real.host.run(ready).stdout == "503", "OpenClaw does not notice the dead channel", 300)
    off = {"channels": {"telegram": {**dead["channels"]["telegram"], "enabled": False}}}
    assert real.run("newer", config=off, health=PATIENT)["health"]["not_ready"] == []
    assert real.host.run(ready).stdout == "200"
    note(
        "real OpenClaw: a dead Telegram channel", outcome="a warning that names it; back on purpose", **reported(probes)
    )


def test_a_dead_model_provider(older: tuple[int, bool], real: Deployment, note: Callable[..., None]) -> None:
    """Nothing listens where its models are: the gateway is started, alive, serving and ready, and it is rolled back."""
    model = {"id": "stub", "name": "stub", "contextWindow": 128000, "maxTokens": 4096}
    provider = {"baseUrl": "http://127.0.0.1:9/v1", "api": "openai-completions", "apiKey": "none", "models": [model]}
    dead = {
        "models": {"providers": {"stub": provider}},
        "agents": {"defaults": {"model": {"primary": "stub/stub"}}},
    }
    answer = real.run("newer", config=dead, health=PATIENT)
    assert answer["changed"], answer
    assert answer["health"]["not_ready"] == []
    again = real.run("newer", config=dead, health=PATIENT)
    assert (again["changed"], again["health"]["not_ready"]) == (False, []), again
    assert real.run("older", state="previous", health=PATIENT)["changed"]
    note("real OpenClaw: a dead model provider", outcome="nothing waits for it, nothing goes back because of it")
