"""A rollout from the first version to the second, a third that is bad, and what stops and starts again in between.

The tests go on from each other, in this order.
"""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from fleet import CHECKOUT, LAB, NAMES, SECOND, containers, images, lasting
from lab_host import kill_tree

BAD_TREE = "/root/bad-checkout"
BAD_GATEWAY = """export function run() { console.error("cannot start"); process.exit(3); }\n"""


@pytest.fixture(scope="module")
def observed() -> dict:
    """Return what one test leaves for the next."""
    return {}


def test_the_first_version_is_the_same_image_everywhere(hosts, builder, observed):
    observed["first"] = images(hosts)
    assert len(set(observed["first"].values())) == 1
    assert builder.check("docker inspect -f '{{.Id}}' openclaw-hardening-build:openclaw") == observed["first"]["one"]
    # Built once: the targets have neither a base nor a build's log.
    assert all(host.run("test -e /var/lib/openclaw-hardening/build.log").returncode for host in hosts.values())


def test_files_and_units_are_the_same_byte_by_byte(hosts):
    first, *others = (lasting(host) for host in hosts.values())
    assert len(first) >= 9
    assert all(other == first for other in others)


def test_check_mode_reports_what_would_be_and_changes_nothing(rollout, hosts):
    before = containers(hosts)
    made = rollout("--check", **SECOND)
    assert made.rc == 0, made.output[-3000:]
    assert set(made.output.split()) >= {"updated", "OpenClaw"}
    assert containers(hosts) == before
    assert all(probes.failed == 0 for probes in made.probes.values())


def test_the_second_version_goes_to_the_canary_and_then_to_all(rollout, hosts, observed):
    made = rollout(openclaw_rollout_batches=[1, "100%"], **SECOND)
    assert made.rc == 0, made.output[-6000:]
    assert made.results() == dict.fromkeys(NAMES, "updated")
    observed["second"] = images(hosts)
    assert len(set(observed["second"].values())) == 1
    assert observed["second"] != observed["first"]
    assert "telegram" in made.output
    for name, reported in made.hosts.items():
        assert (reported["image_before"], reported["image_after"]) == (
            observed["first"][name],
            observed["second"][name],
        )
        # One gap, that of the gateway's own start; its users saw about what the report reports.
        assert 0 < reported["seconds_failed"] < 120
        assert abs(made.probes[name].failed_seconds - reported["seconds_failed"]) < 3
    (CHECKOUT / "build/rollout-measured.json").write_text(
        json.dumps({"seconds": made.seconds, "hosts": made.hosts}, indent=2) + "\n"
    )


def test_a_dead_channel_is_a_warning_that_names_it(command, environment, hosts):
    """It was dead in every rollout here; the audit reports so in a rule of its own, and nothing else is wrong."""
    ready = "curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:18789/readyz"
    assert {host.check(ready) for host in hosts.values()} == {"503"}
    argv = command("verify.yml", openclaw_verify_fail_on="high", **SECOND)
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "OCH-NET-10" in done.stdout
    assert "telegram" in done.stdout


def test_again_it_touches_nobody(rollout, hosts, observed):
    before = containers(hosts)
    made = rollout(openclaw_rollout_batches=["100%"], **SECOND)
    assert made.rc == 0, made.output[-3000:]
    assert made.results() == dict.fromkeys(NAMES, "unchanged")
    assert containers(hosts) == before
    assert all(probes.failed == 0 for probes in made.probes.values())


def test_a_bad_version_stops_at_the_canary(rollout, hosts, builder, observed):
    archive = ["tar", "--create", "--directory", str(CHECKOUT / "tests/stub_gateway"), "."]
    tree = subprocess.run(archive, capture_output=True, check=True).stdout
    unpack = f"rm -rf {BAD_TREE}; mkdir {BAD_TREE}; tar --extract --directory {BAD_TREE}"
    subprocess.run([*builder.ssh, unpack], input=tree, check=True)
    builder.write(f"{BAD_TREE}/src/gateway.mjs", BAD_GATEWAY)
    before = containers(hosts)
    observed["bad"] = {"openclaw_image_source": "checkout", "openclaw_image_checkout_path": BAD_TREE}
    made = rollout(openclaw_rollout_batches=[1, "100%"], **observed["bad"])
    assert made.rc != 0
    assert made.results() == {"one": "rolled back", **dict.fromkeys(NAMES[1:], "not reached")}
    assert "exit code 3" in made.hosts["one"]["message"]
    # The candidate fell through: not even the canary's users noticed.
    assert {name: probes.failed for name, probes in made.probes.items()} == dict.fromkeys(NAMES, 0)
    assert containers(hosts) == before
    assert images(hosts) == observed["second"]


def test_what_was_taken_back_once_is_not_tried_on_another_host(rollout, hosts, observed):
    before = containers(hosts)
    made = rollout(openclaw_rollout_batches=["100%"], **observed["bad"])
    assert made.rc != 0
    assert "was rolled back" in made.output
    assert "openclaw_rollout_retry_rejected" in made.output
    assert containers(hosts) == before
    assert {name: probes.failed for name, probes in made.probes.items()} == dict.fromkeys(NAMES, 0)


def test_a_controller_that_is_killed_is_followed_by_a_run_that_finishes(command, environment, rollout, hosts, observed):
    """Killed while the second batch is under way; the run after it brings every host to the same end."""
    changed = {"openclaw_gateway_log_max_file": 4, **SECOND}
    argv = command("rollout.yml", openclaw_rollout_batches=[1, "100%"], **changed)
    log = CHECKOUT / "build" / LAB / "killed.log"
    with log.open("w") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, env=environment, cwd=CHECKOUT,
                                   start_new_session=True)  # fmt: skip
        try:
            wait_for(lambda: log.read_text().count("Deploy the gateway's definition and image") >= 2, 300, log)
            time.sleep(4)
        finally:
            kill_tree(process.pid)
            process.wait()
    made = rollout(openclaw_rollout_batches=["100%"], **changed)
    assert made.rc == 0, made.output[-6000:]
    assert set(made.results().values()) <= {"updated", "unchanged"}
    for host in hosts.values():
        assert (
            host.check("docker inspect -f '{{index .HostConfig.LogConfig.Config \"max-file\"}}' openclaw-gateway")
            == "4"
        )
        assert host.check("docker ps -a --format '{{.Names}}'") == "openclaw-gateway"
        assert host.run("test -e /var/lib/openclaw-hardening/attempt").returncode != 0
    again = rollout(openclaw_rollout_batches=["100%"], **changed)
    assert again.results() == dict.fromkeys(NAMES, "unchanged")


def test_a_host_that_is_away_stops_everything_or_is_left_out(rollout, hosts):
    hosts["four"].lose_power()
    try:
        refused = rollout(openclaw_gateway_log_max_file=5, **SECOND)
        assert refused.rc != 0
        assert "not reachable: four" in refused.output
        assert refused.hosts == {}
        assert all(probes.failed == 0 for probes in refused.probes.values())
        skipped = rollout("--limit", "three,four", openclaw_rollout_unreachable="skip", openclaw_gateway_log_max_file=5,
                          **SECOND)  # fmt: skip
        assert skipped.rc == 0, skipped.output[-3000:]
        assert skipped.results() == {"three": "updated", "four": "skipped"}
    finally:
        hosts["four"].boot()


def test_verification_names_the_host_that_differs(command, environment, hosts):
    """Hosts that were left out run the same image; one that was changed by hand does not pass."""
    hosts["two"].check("sed -i 's/$/ /;1q' /etc/openclaw/group")
    argv = command("verify.yml", openclaw_verify_fail_on="never", **SECOND)
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)
    assert done.returncode != 0
    assert "drift: /etc/openclaw/group was changed" in done.stdout
    failed = [line.split()[0] for line in done.stdout.splitlines() if " failed=1 " in line]
    assert failed == ["two"]


def test_back_to_the_version_before_on_purpose(command, environment, hosts):
    argv = command("rollback.yml", "--limit", "three")
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "telegram" in done.stdout + done.stderr
    assert hosts["three"].check(
        "docker inspect -f '{{index .HostConfig.LogConfig.Config \"max-file\"}}' openclaw-gateway"
    ) == "4"  # fmt: skip


def wait_for(condition, patience: float, log) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.5)
