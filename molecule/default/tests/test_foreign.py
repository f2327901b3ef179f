"""Deployments that another user made by hand: each finding was checked once, and they are frozen here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import wait_until

FOREIGN = Path(__file__).resolve().parents[1] / "foreign"
# Strong, so that only its whereabouts are wrong.
TOKEN = "9d1c4be07f3a52866e0b7dc8a1f4935e2c60d7b8f19a3e4450c2b6817d9fea03"
CONFIG = '{"gateway": {"mode": "local", "bind": "%s", "auth": {"mode": "token"}}}'
PROJECTS = {
    "upstream": ("lan", ["upstream.yml"]),
    "guide": ("loopback", ["guide.yml"]),
    "guide-cache": ("loopback", ["guide.yml", "guide-and-cache.yml"]),
}


@pytest.fixture(scope="module")
def projects(host):
    """Start the three as another user would by hand, and wait until each is healthy to Docker, or has ended."""
    try:
        for port, (project, (bind, files)) in enumerate(PROJECTS.items(), 18911):
            home = f"/srv/{project}"
            texts = {name: (FOREIGN / name).read_text().replace("/srv/guide/", f"{home}/") for name in files}
            texts |= {
                ".openclaw/openclaw.json": CONFIG % bind,
                ".env": f"OPENCLAW_GATEWAY_TOKEN={TOKEN}\nPORT={port}\n",
            }
            host.check_output(f"install -d {home} {home}/.openclaw {home}/workspace")
            for name, text in texts.items():
                host.check_output("printf '%%s' %s > %s", text, f"{home}/{name}")
            host.check_output(f"chown -R 1000:1000 {home}/.openclaw {home}/workspace")
            options = " ".join(f"-f {name}" for name in files)
            host.check_output(f"cd {home} && docker compose -p {project} {options} up -d 2>&1")
        for project in PROJECTS:
            wait_until(lambda project=project: settled(host, project), f"{project} to start or to end", 300)
        yield
    finally:
        for project in PROJECTS:
            host.run(f"docker compose -p {project} down --volumes; rm -rf /srv/{project}")


def settled(host, project: str) -> bool:
    """Return whether Docker calls the gateway healthy, or its container has ended."""
    look = "docker inspect -f '{{.State.Status}} {{.State.Health.Status}}' %s"
    state, health = host.check_output(look, f"{project}-openclaw-gateway-1").split()
    return state == "exited" or health == "healthy"


@pytest.fixture
def audit(projects, playbook, tmp_path):
    """Return a function that checks a project and reports which rules fail and which is inconclusive."""

    def check(project: str) -> dict[str, list[str]]:
        run = playbook(
            "verify.yml",
            openclaw_verify_containers=[],
            openclaw_verify_project=project,
            openclaw_verify_account="",
            openclaw_verify_units={},
            openclaw_verify_record="",
            openclaw_verify_report_dir=str(tmp_path),
        )
        assert run.rc != 0
        text = (tmp_path / "openclaw-hardening.json").read_text()
        assert TOKEN not in text + run.output
        checks = json.loads(text)["hosts"][0]["checks"]
        print(*(f"{check['id']} {check['status']}: {check['actual']}" for check in checks), sep="\n")
        return {word: sorted(check["id"] for check in checks if check["status"] == word) for word in ("fail", "error")}

    return check


def named(text: str) -> list[str]:
    return sorted(f"OCH-{area}-{number}" for area, *numbers in map(str.split, text.splitlines()) for number in numbers)


@pytest.fixture(scope="module")
def common(host) -> str:
    """Return what all three have: the token in the environment, configuration and state as `mkdir` makes them, no
    limits, no end of the log; on version 1 of the control groups also the host's namespace of them, which is Docker's
    default there.
    """
    version = host.check_output("docker info --format '{{.CgroupVersion}}'")
    return "SEC 02 05 06 08\nCTR 20 21 22\nUPK 02" + {"1": "\nCTR 32", "2": ""}[version]


def test_upstreams_compose_file(audit, common):
    """Open to everybody on two ports, capabilities and new privileges, writable and written to, restarted for ever."""
    wrong = named(f"{common}\nNET 01 02 04 08 13 15\nCTR 04 05 06 23 28")
    assert audit("upstream") == {"fail": wrong, "error": []}


def test_the_guides_compose_file_does_not_start(audit, common):
    """Without a place for .cache it ends with exit code 78: next to nothing can be proven, nothing passes for it."""
    inconclusive = """ACC 01 02 03 04
CTR 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 19 24 26 27 28 29 30
IMG 05 06 09
NET 01 02 03 04 06 07 08 09 10 11 12 13 14 15
SEC 03"""
    assert audit("guide") == {"fail": named(f"{common}\nCTR 01"), "error": named(inconclusive)}


def test_the_guides_compose_file_with_a_place_for_the_cache_is_falsely_healthy(audit, common):
    """It listens on its own loopback: Docker calls it healthy, and the host gets no answer."""
    assert audit("guide-cache") == {"fail": named(f"{common}\nNET 02 03 08 13 15"), "error": named("NET 07 10")}
