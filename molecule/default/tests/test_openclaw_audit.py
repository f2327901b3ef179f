"""What OpenClaw reports about itself, asked through the command on the host."""

from __future__ import annotations

import json

import pytest

# OpenClaw sees its own side only: inside it listens on the bridge, and the host publishes that on 127.0.0.1.
EXPECTED_ADVICE = {"gateway.bind_network_accessible"}


@pytest.fixture
def openclaw(host):
    """Return a function that runs OpenClaw's command line and prints its answer into the report of the test."""

    def run(command: str) -> tuple[int, dict]:
        result = host.run(f"/usr/local/bin/openclaw {command} --json")
        print(f"openclaw {command}: exit {result.rc}\n{result.stdout}\n{result.stderr}")
        return result.rc, json.loads(result.stdout)

    return run


def test_security_audit_is_clean(openclaw):
    code, answer = openclaw("security audit")
    assert code == 0
    assert (answer["summary"]["critical"], answer["summary"]["warn"]) == (0, 0), answer["findings"]


def test_no_secret_lies_in_plain_text(openclaw):
    code, answer = openclaw("secrets audit --check")
    assert code == 0
    assert answer["status"] == "clean"
    assert answer["resolution"]["refsChecked"] >= 1  # the token is a reference, and it was resolved
    assert answer["resolution"]["resolvabilityComplete"]


def test_the_configuration_is_valid(openclaw):
    code, answer = openclaw("config validate")
    assert code == 0
    assert answer["valid"]
    assert answer["warnings"] == []


def test_doctor_has_no_other_advice_than_the_one_we_know(openclaw):
    _code, answer = openclaw("doctor")
    assert answer["checksRun"] > 0
    assert {finding.get("requirement", finding["message"]) for finding in answer["findings"]} <= EXPECTED_ADVICE
    assert "error" not in {finding["severity"] for finding in answer["findings"]}


def test_it_cannot_change_its_own_configuration(host):
    before = host.check_output("sha256sum /etc/openclaw/openclaw.json")
    assert host.run("/usr/local/bin/openclaw config set gateway.port 4711").rc != 0
    assert host.check_output("sha256sum /etc/openclaw/openclaw.json") == before


def test_the_version_is_the_one_that_was_deployed(host):
    assert "2026.9.6" in host.check_output("/usr/local/bin/openclaw --version")
