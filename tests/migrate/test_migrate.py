"""From an OpenClaw that others deployed to the hardened one: what came along, what is off, what a failure leaves."""

from __future__ import annotations

import os

import pytest
from bases import BOT, LOGIN, STATE, STRONG, WEAK, Bases
from life import surfaces

# Two bases more, each with several runs of the real OpenClaw.
pytestmark = pytest.mark.skipif(os.environ.get("MIGRATE") != "long", reason="a quarter of an hour: MIGRATE=long")
HARDENED = ["openclaw-gateway"]
COMPOSE = ["openclaw-openclaw-cli-1", "openclaw-openclaw-gateway-1"]


@pytest.fixture(scope="module")
def compose(bases: Bases) -> Bases:
    """Make upstream's deployment once; the tests of this file go on with each other's result."""
    bases.compose()
    return bases


def test_check_mode_is_the_plan_and_touches_nothing(compose: Bases) -> None:
    before = compose.content()
    plan = compose.migrate("--check")
    assert plan.returncode == 0, plan.stdout[-6000:]
    for words in ("stop container openclaw-openclaw-gateway-1 for good", "agents.defaults.workspace",
                  "channels.telegram.botToken: a secret, in a file", "port 18789 of every address"):  # fmt: skip
        assert words in plan.stdout, words
    assert BOT not in plan.stdout
    assert compose.running() == COMPOSE
    assert compose.content() == before
    assert compose.host.run("test -e /etc/openclaw -o -e /var/lib/openclaw").returncode != 0


def test_a_failure_after_the_stop_leaves_the_base_as_before(compose: Bases) -> None:
    """Another process has the port of the new deployment: the trial passes, the deployment cannot start."""
    host, before = compose.host, compose.content()
    host.check("systemd-run --quiet --unit holder python3 -m http.server --bind 127.0.0.1 18999")
    failed = compose.migrate(openclaw_gateway_port=18999)
    host.check("systemctl stop holder")
    assert failed.returncode != 0
    assert "The base runs as before" in failed.stdout, failed.stdout[-6000:]
    compose.started()
    assert compose.running() == COMPOSE
    assert compose.answer(STRONG) == "200"
    assert compose.content() == before
    assert compose.contents("/home/alice/.openclaw") == [["morning"], True]
    policy = host.check("docker inspect --format '{{.HostConfig.RestartPolicy.Name}}' openclaw-openclaw-gateway-1")
    assert policy == "unless-stopped"
    assert host.check("nft list tables | grep -c openclaw || true") == "0"


def test_killed_while_the_base_is_stopped_and_migrated_by_one_more_run(compose: Bases) -> None:
    before = compose.content()
    compose.killed_when("stopping")
    done = compose.migrate()
    assert done.returncode == 0, done.stdout[-8000:]
    assert BOT not in done.stdout
    assert compose.running() == HARDENED
    assert (compose.answer(STRONG), compose.answer("0" * 64)) == ("200", "401")
    assert compose.contents(STATE) == [["morning"], True]
    assert compose.host.check(f"cat {STATE}/workspace/notes.md") == "work"
    assert compose.content() == before
    agents = compose.host.check("docker exec openclaw-gateway node openclaw.mjs agents list --json")
    assert '"research"' in agents
    assert "provider_channels_telegram_bottoken" in compose.taken_over()
    assert BOT not in compose.taken_over()


def test_secrets_are_in_files_of_root_alone(compose: Bases) -> None:
    config = compose.host.check("cat /etc/openclaw/openclaw.json")
    assert "/Users/" not in config
    assert BOT not in config
    secret = "/etc/openclaw/secrets/provider_channels_telegram_bottoken"
    assert compose.host.check(f"cat {secret}; stat -c ' %a' {secret}") == f"{BOT} 400"
    shown = str(surfaces(compose.host, BOT, LOGIN))
    assert "journal" not in shown, shown


def test_it_stays_stopped_and_a_second_run_changes_nothing(compose: Bases) -> None:
    compose.host.check("systemctl restart docker.service")
    compose.started()
    assert compose.running() == HARDENED
    policies = compose.host.check("docker ps --all --filter name=migrated --format '{{.ID}}' | "
                                  "xargs docker inspect --format '{{.HostConfig.RestartPolicy.Name}}'")  # fmt: skip
    assert set(policies.split()) == {"no"}
    again = compose.migrate()
    assert again.returncode == 0, again.stdout[-4000:]
    assert "changed=0" in again.stdout


def test_undone_on_request(compose: Bases) -> None:
    done = compose.migrate(openclaw_migrate_undo=True)
    assert done.returncode == 0, done.stdout[-6000:]
    compose.started()
    assert compose.running() == COMPOSE
    assert compose.answer(STRONG) == "200"
    labels = compose.host.check("docker compose --project-directory /home/alice/openclaw ps --quiet | wc -l")
    assert labels == "2"


def test_docker_run_with_a_weak_token_for_everybody(bases: Bases) -> None:
    bases.docker_run()
    assert bases.answer(WEAK) == "200"
    done = bases.migrate()
    assert done.returncode == 0, done.stdout[-8000:]
    assert "a new one, because the base had" in done.stdout
    assert bases.answer(WEAK) == "401"
    token = bases.host.check("cat /etc/openclaw/secrets/gateway_token")
    assert bases.answer(token) == "200"
    assert bases.host.check("ss -tlnH 'sport = :18789' | awk '{print $4}'") == "127.0.0.1:18789"
    assert bases.running() == HARDENED
    assert bases.host.check(f"find {STATE} -user root | wc -l") == "0"
    kept = bases.host.check(
        "docker inspect --format '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}' openclaw-gateway-migrated"
    )
    assert kept == "exited no"
