"""Another image of the real OpenClaw: everything that a person set up is still there, or the upgrade fails."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from life import DATABASE, LONG, PASTE, STATE, Life, deploy_older, deployed, version
from test_real_openclaw import OLDER

pytestmark = pytest.mark.skipif(not LONG, reason="ten minutes: LIFECYCLE=long")
JOB = "canary-job"
# What a defective version would do at its start: a job of a person's is gone.
LOSE = f"""import {{ existsSync }} from "node:fs";
import {{ DatabaseSync }} from "node:sqlite";
const path = "/home/node/.openclaw/state/openclaw.sqlite";
if (existsSync(path)) new DatabaseSync(path).exec("DELETE FROM cron_jobs WHERE name = '{JOB}'");
"""
ADD_JOB = f"openclaw cron add --name {JOB} --every 12h --message hello --session isolated --json </dev/null"
RECORDS = "/var/lib/openclaw-hardening"


def look(life: Life) -> dict:
    """Return the version of the state, whether the login is in it, and the jobs of a person."""
    program = (
        "import json, sqlite3\n"
        f"database = sqlite3.connect('file:{DATABASE}?mode=ro', uri=True)\n"
        "jobs = [row[0] for row in database.execute('SELECT name FROM cron_jobs')]\n"
        "login = 'canary-login' in str(database.execute('SELECT * FROM config_machine_state').fetchall())\n"
        "schema = database.execute('PRAGMA user_version').fetchone()[0]\n"
        f"print(json.dumps({{'jobs': {JOB!r} in jobs, 'login': login, 'schema': schema}}))\n"
    )
    return json.loads(life.alpha.check(f'python3 - <<"PYTHON"\n{program}PYTHON'))


@pytest.fixture(scope="module")
def loses(life: Life) -> Iterator[dict]:
    """Return the options of a deployment whose image loses a job, on a host that has it."""
    host = life.alpha
    run = life.play("site.yml", host)  # the tests of backups leave a host that was rolled back
    assert run.returncode == 0, run.stdout[-6000:]
    if not look(life)["jobs"]:
        host.check(ADD_JOB)
    good = host.check("docker image inspect --format '{{.Id}}' openclaw:hardened").strip()
    image = host.check(
        f"rm -rf /root/loses; mkdir /root/loses; cd /root/loses\ncat > lose.mjs <<'JS'\n{LOSE}JS\n"
        "docker buildx build --load --quiet --tag lifecycle:loses --file - . >/dev/null <<'DOCKERFILE'\n"
        "FROM openclaw:hardened\nLABEL io.openclaw.hardening.content=loses\n"
        "COPY --chown=0:0 --chmod=0644 lose.mjs /app/lose.mjs\nENV NODE_OPTIONS=--import=/app/lose.mjs\nDOCKERFILE\n"
        "docker image inspect --format '{{.Id}}' lifecycle:loses"
    ).strip()
    options = {**deployed(host), "image_id": image}
    options["definition"] = options["definition"].replace(good, image)
    try:
        yield options
    finally:
        host.run(f"docker tag {good} openclaw:hardened; docker image rm lifecycle:loses; rm -rf /root/loses")


@pytest.mark.parametrize(("candidate", "outcome"), [("always", "unchanged"), ("never", "rolled_back")])
def test_an_upgrade_that_loses_a_job_fails(life: Life, loses: dict, candidate: str, outcome: str) -> None:
    """A candidate shows it before anything is touched; without one, image and state go back together."""
    host, before = life.alpha, life.alpha.look()
    host.check("docker tag lifecycle:loses openclaw:hardened")
    with host.probed() as probes:
        answer = host.module("hardened_compose", {**loses, "candidate": candidate})
    assert answer.get("failed"), answer
    assert answer["outcome"] == outcome, answer["msg"]
    assert JOB in answer["msg"]
    assert "accept_losses" in answer["msg"]
    assert look(life)["jobs"]
    assert (probes.failed == 0) is (outcome == "unchanged"), probes
    left = host.look().left_over(before)
    if outcome == "rolled_back":  # the gateway was started again, and writes into its own state
        left = [found for found in left if not found.startswith(f"file: {STATE}/")]
    assert left == []
    assert host.look().container()["image"] == before.container()["image"]
    rejected = json.loads(host.check(f"cat {RECORDS}/rejected.json"))["images"]
    assert loses["image_id"] in [entry["image_id"] for entry in rejected]


def test_upgrades_that_failed_again_and_again_are_refused(life: Life, loses: dict) -> None:
    host = life.alpha
    entries = [{"image_id": f"sha256:{number}" + "0" * 63, "at": "2999-01-01T00:00:00+00:00", "why": "it ended"}
               for number in range(3)]  # fmt: skip
    kept = host.run(f"cat {RECORDS}/rejected.json").stdout or '{"images": []}'
    try:
        host.write(f"{RECORDS}/rejected.json", json.dumps({"images": entries}))
        host.check(f"chmod 0600 {RECORDS}/rejected.json; docker image rm lifecycle:loses >/dev/null || true")
        refused = life.play("upgrade.yml", host)
        assert refused.returncode != 0
        assert "found 3 images that failed since" in refused.stdout
        assert "set 'openclaw_upgrade_retry'" in refused.stdout
        again = life.play("upgrade.yml", host, openclaw_upgrade_retry=True)
        assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout[-3000:]
    finally:
        host.write(f"{RECORDS}/rejected.json", kept)


@pytest.fixture(scope="module")
def older(life: Life, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Deploy the older version with a state of its own: a login and a cron job."""
    host = life.alpha
    deploy_older(life, tmp_path_factory.mktemp("older"))
    host.check(PASTE)
    host.check(ADD_JOB)
    found = look(life)
    assert (found["jobs"], found["login"]) == (True, True)
    return found


def test_an_upgrade_keeps_what_was_set_up(life: Life, older: dict) -> None:
    host = life.alpha
    with host.probed() as probes:
        run = life.play("upgrade.yml", host)
    assert run.returncode == 0, run.stdout[-6000:]
    assert version(host) != OLDER
    after = look(life)
    assert after["schema"] > older["schema"]
    assert (after["jobs"], after["login"]) == (True, True)
    assert probes.failed_seconds < 60
    again = life.play("upgrade.yml", host)
    assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout[-3000:]
