"""Rules about limits, restarts, health and the first process."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import HealthTimes, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Kernel, Limits, Process
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import Result
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import resources as policy
from unit.plugins.module_utils._docker.test_container_spec import compose, inspect

RULES = {rule.id: rule for rule in policy.RULES}
ASKED = [rule.id for rule in policy.RULES if rule.declared]
NOTHING = Baseline()
GOOD = Limits(2 << 30, 2 << 30, 2.0, 512)


def process(pid: int = 7, command: str = "dumb-init", **more: object) -> Process:
    return Process(pid, command, (1,), (1,), (1,), {}, True, 2, **more)


def asked(rule: str, **settings: object) -> Result:
    return RULES[rule].declared(Settings("s", "there", **settings), NOTHING)


def effective(rule: str, limits: Limits = GOOD, *processes: Process) -> Result:
    return RULES[rule].effective(Kernel(7, processes, (), limits, {}), NOTHING)


@pytest.mark.parametrize("rule", ASKED)
def test_the_hardened_deployment_passes(rule):
    assert RULES[rule].declared(inspect("hardened"), NOTHING).status == "pass"
    helper = RULES[rule].declared(compose("hardened")["openclaw-cli"], NOTHING)
    assert helper.status == ("skip" if rule == "OCH-CTR-25" else "pass")


@pytest.mark.parametrize("rule", ASKED)
def test_the_hostile_definition_fails(rule):
    assert RULES[rule].declared(compose("hostile")["gw"], NOTHING).status == "fail"


@pytest.mark.parametrize("rule", ["OCH-CTR-20", "OCH-CTR-21", "OCH-CTR-22"])
def test_limits_effective(rule):
    assert effective(rule).status == "pass"
    found = effective(rule, Limits())
    assert found.status == "fail"
    assert found.evidence[0][0] == "control group of process 7"


def test_a_memory_limit_that_leaves_swap_open():
    for found in (asked("OCH-CTR-20", memory=1 << 30), effective("OCH-CTR-20", Limits(memory=1 << 30))):
        assert (found.status, found.actual) == ("fail", "swap has no limit")


@pytest.mark.parametrize(
    ("rule", "settings", "limits"),
    [
        ("OCH-CTR-20", {"memory": 1 << 40, "memory_swap": 1 << 40}, Limits(1 << 40, 1 << 40, 2.0, 512)),
        ("OCH-CTR-20", {"memory": 2 << 30, "memory_swap": 1 << 40}, Limits(2 << 30, 1 << 40, 2.0, 512)),
        ("OCH-CTR-21", {"cpus": 1000.0}, Limits(2 << 30, 2 << 30, 1000.0, 512)),
        ("OCH-CTR-22", {"pids_limit": 4194304}, Limits(2 << 30, 2 << 30, 2.0, 4194304)),
    ],
)
def test_a_limit_that_nothing_reaches_is_none(rule, settings, limits):
    for found in (asked(rule, **settings), effective(rule, limits)):
        assert found.status == "fail"
        assert "needed at most" in found.actual


def test_time_that_others_cannot_interrupt_is_no_limit():
    assert asked("OCH-CTR-21", cpus=2.0, realtime=950000).status == "fail"


@pytest.mark.parametrize(
    ("restart", "retries", "status"),
    [
        *(("", 0, "pass"), ("no", 0, "pass"), ("on-failure", 1, "pass"), ("on-failure", 5, "pass")),
        *(("on-failure", 0, "fail"), ("on-failure", 6, "fail"), ("always", 0, "fail"), ("unless-stopped", 0, "fail")),
    ],
)
def test_restarts(restart, retries, status):
    assert asked("OCH-CTR-23", restart=restart, restart_max=retries).status == status


@pytest.mark.parametrize(
    "test",
    [
        ("CMD", "curl", "-f", "http://localhost:18789/healthz"),
        ("CMD-SHELL", "curl -fsS http://127.0.0.1:18789/healthz || exit 1"),
        ("CMD-SHELL", "wget -q --spider http://127.0.0.1:18789/healthz || exit"),
        ("CMD-SHELL", "nc -z localhost 18789"),
        ("CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/18789"),
        (
            "CMD",
            "node",
            "-e",
            "fetch('http://127.0.0.1:1/healthz').then(r=>process.exit(r.ok?0:1)).catch(()=>process.exit(1))",
        ),
        ("CMD", "node", "-e", "try{await fetch('http://127.0.0.1:1')}catch(e){process.exit(1)} process.exit(0)"),
        ("CMD", "node", "openclaw.mjs", "health"),
    ],
)
def test_health_checks_that_ask(test):
    assert asked("OCH-CTR-25", healthcheck=test).status == "pass"


@pytest.mark.parametrize(
    ("test", "output"),
    [
        ((), "none"),
        (("NONE",), "switched off"),
        (("CMD",), "none"),
        (("CMD", ""), "none"),
        (("CMD", "", "x"), "asks no address"),
        (("CMD", "true"), "passes whatever"),
        (("CMD", "/bin/true"), "passes whatever"),
        (("CMD-SHELL", "exit 0"), "passes whatever"),
        (("CMD-SHELL", "exit"), "passes whatever"),
        (("CMD-SHELL", ":"), "passes whatever"),
        (("CMD-SHELL", "echo http://127.0.0.1"), "passes whatever"),
        (("CMD-SHELL", "curl http://127.0.0.1:1 || true"), "passes whatever"),
        (("CMD-SHELL", "curl http://127.0.0.1:1 || exit 0"), "passes whatever"),
        (("CMD-SHELL", "curl http://127.0.0.1:1; exit 0"), "passes whatever"),
        (("CMD-SHELL", "curl http://127.0.0.1:1 ; true"), "passes whatever"),
        (("CMD-SHELL", "(curl http://127.0.0.1:1 || :)"), "passes whatever"),
        (("CMD", "sh", "-c", "curl http://127.0.0.1:1 || /bin/true"), "passes whatever"),
        (("CMD", "node", "-e", "fetch('http://127.0.0.1:1').catch(()=>process.exit(0))"), "passes whatever"),
        (("CMD", "pgrep", "node"), "asks no address"),
        (("CMD", "node", "--version"), "asks no address"),
    ],
)
def test_health_checks_that_do_not(test, output):
    found = asked("OCH-CTR-25", healthcheck=test)
    assert found.status == "fail"
    assert output in found.actual


@pytest.mark.parametrize(
    "line",
    [
        *(
            "curl -f http://localhost:1/ || exit 1",
            "curl --fail http://127.0.0.1:1/",
            "curl -sSf http://[::1]:1/healthz",
        ),
        *("wget -q -O /dev/null http://localhost:1/ || exit 1", "wget -qO- http://localhost:1/ | grep -q ok"),
        *("curl -fs 'http://localhost:1/?a=1&b=2'", "set -o pipefail; curl -f http://localhost:1/ | cat"),
        *("test -e /app && curl -f http://localhost:1/", "if ! curl -f http://localhost:1/; then exit 1; fi"),
        *(
            "curl -so /dev/null -w '%{http_code}' http://localhost:1/ | grep -q 200",
            "curl -f http://localhost:1/ >/dev/null 2>&1",
        ),
        *(
            "curl -f http://localhost:1/ || kill 1",
            "curl -f http://openclaw-gateway:18789/healthz",
            "nc -z 127.0.0.1 18789",
        ),
        *("curl -f http://localhost:1/ || (echo down; exit 1)", "bash -c 'curl -f http://localhost:1/'"),
        *("set +e; curl -f http://localhost:1/; exit $?", "exec curl -f http://localhost:1/"),
        *("curl -f http://localhost:1/;", "# asks\ncurl -f http://localhost:1/"),
    ],
)
def test_shell_lines_that_can_fail(line):
    found = asked("OCH-CTR-25", healthcheck=("CMD-SHELL", line))
    assert found.status == "pass", found.actual
    assert asked("OCH-CTR-25", healthcheck=("CMD", "/bin/sh", "-ec", line)).status == "pass"


@pytest.mark.parametrize(
    "line",
    [
        *("curl http://localhost:1/", "curl -s http://localhost:1/ || exit 1", "curl -f http://localhost:1/ | cat"),
        *(
            "curl -f http://localhost:1/ | tee /tmp/x",
            "curl -f http://localhost:1/ | true",
            "curl -f http://localhost:1/ &",
        ),
        *(
            "curl -f http://localhost:1/ || logger down",
            "curl -f http://localhost:1/ ; date",
            "! curl -f http://localhost:1/",
        ),
        *(
            "curl -f http://localhost:1/\ntrue",
            "echo http://localhost:1/",
            "curl -f http://example.org/",
            "curl -f http://192.0.2.9/",
        ),
        *("curl -f http://localhost:1/ || (echo down; exit 0)", "sh -c 'curl -f http://localhost:1/ || true'"),
        *(
            "exit 0; curl -f http://localhost:1/",
            "true || curl -f http://localhost:1/",
            "bash -c 'curl http://localhost:1/'",
        ),
        *("trap 'exit 0' EXIT; curl -f http://localhost:1/", "curl -f http://localhost:1/; test 1 = 1"),
        *("python3 -c \"import requests; requests.get('http://localhost:1/')\"",),
        *("if curl -f http://localhost:1/; then true; fi; exit 0", "curl -f http://localhost:1/ || exit 00"),
        *(
            "(curl -f http://localhost:1/ || :)",
            "{ curl -f http://localhost:1/; true; }",
            "curl -f http://localhost:1/ || sh -c true",
        ),
    ],
)
def test_shell_lines_that_cannot_fail(line):
    assert asked("OCH-CTR-25", healthcheck=("CMD-SHELL", line)).status == "fail"
    assert asked("OCH-CTR-25", healthcheck=("CMD", "sh", "-c", line)).status == "fail"


@pytest.mark.parametrize(
    ("times", "status"),
    [
        (HealthTimes(), "pass"),
        (HealthTimes(30, 10, 3, 120), "pass"),
        (HealthTimes(60, 30, 10, 600), "pass"),
        (HealthTimes(retries=1_000_000), "fail"),
        (HealthTimes(interval=86400), "fail"),
        (HealthTimes(timeout=3600), "fail"),
        (HealthTimes(start_period=86400), "fail"),
    ],
)
def test_how_long_a_failure_may_stay_unseen(times, status):
    check = ("CMD", "curl", "-f", "http://localhost:1/")
    assert asked("OCH-CTR-25", healthcheck=check, health_times=times).status == status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("curl -s http://localhost:1/health | grep -q OK", "pass"),
        ("curl -s --noproxy localhost localhost:1/health | grep -q 'OK' || exit 1", "pass"),
        ("curl -s http://localhost:1/health | jq -e .ok", "pass"),
        ("curl -s http://localhost:1/health | grep -v OK", "fail"),
        ("curl -s http://localhost:1/health | grep -qv OK", "fail"),
        ("curl -s http://localhost:1/health | grep .", "fail"),
        ("curl -s http://localhost:1/health | grep -q OK || true", "fail"),
        ("curl -s http://localhost:1/health || grep -q OK /etc/x", "fail"),
        ("curl -s http://localhost:1/health | jq .ok", "fail"),
    ],
)
def test_what_looks_for_a_word_in_the_answer_needs_no_fail(line, status):
    assert asked("OCH-CTR-25", healthcheck=("CMD-SHELL", line)).status == status


@pytest.mark.parametrize(
    ("test", "status"),
    [
        (("CMD", "pg_isready", "-U", "postgres"), "pass"),
        (("CMD", "redis-cli", "ping"), "pass"),
        (("CMD", "healthcheck.sh", "--connect", "--innodb_initialized"), "pass"),
        (("CMD-SHELL", "redis-cli ping || exit 1"), "pass"),
        (("CMD-SHELL", "valkey-cli ping | grep PONG"), "pass"),
        (("CMD-SHELL", "redis-cli ping || true"), "fail"),
        (("CMD-SHELL", "pg_isready; exit 0"), "fail"),
        (("CMD-SHELL", "pg_isready | cat"), "fail"),
        (("CMD", "true"), "fail"),
        (("CMD", "curl", "http://localhost"), "fail"),
        (("CMD", "curl", "-f", "https://example.org"), "fail"),
        (("NONE",), "fail"),
    ],
)
def test_a_container_that_is_not_openclaws_is_asked_by_its_own_client(test, status):
    assert asked("OCH-CTR-25", healthcheck=test, foreign=True).status == status
    assert asked("OCH-CTR-25", healthcheck=test).status == "fail"


def test_the_words_of_a_health_check_stay_out_of_the_report():
    found = asked("OCH-CTR-25", healthcheck=("CMD", "curl", "-H", "Authorization: Bearer canary", "http://127.0.0.1:1"))
    assert "canary" not in str(found)


def test_processes_that_the_oom_killer_spares():
    assert effective("OCH-CTR-26", GOOD, process()).status == "pass"
    found = effective("OCH-CTR-26", GOOD, process(), process(9, "node", oom_score_adj=-500))
    assert (found.status, found.actual) == ("fail", "process 9 (node) has -500")


@pytest.mark.parametrize(
    ("command", "argv", "status"),
    [
        ("dumb-init", ("/usr/bin/dumb-init", "--"), "pass"),
        ("tini", (), "pass"),
        ("docker-init", ("/sbin/docker-init",), "pass"),
        ("node", ("node", "openclaw.mjs"), "fail"),
        ("MainThread", ("node",), "fail"),
    ],
)
def test_the_first_process(command, argv, status):
    assert effective("OCH-CTR-29", GOOD, process(command=command, argv=argv)).status == status


def test_a_first_process_that_ended_proves_nothing():
    assert effective("OCH-CTR-29", GOOD, process(8)).status == "error"


def test_ulimits_are_for_a_person():
    assert RULES["OCH-CTR-91"].manual
