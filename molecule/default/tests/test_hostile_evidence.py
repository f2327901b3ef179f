"""A container that reports hostile things about itself is checked, shown safely and never evaluated."""

from __future__ import annotations

import json

import pytest

NAME = "hostile"
JINJA = "{{ lookup('pipe', 'touch /evaluated') }}{{ 1234567 * 7654321 }}"
MARKUP = "<img src=x onerror=alert(1)></script>]]>"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202e"
# Title of the process, a log line, and a child whose command line is hostile, too.
PROGRAM = f"""
process.title = {json.dumps(ESCAPES + MARKUP)};
console.log({json.dumps(JINJA + MARKUP + ESCAPES)});
console.log('A'.repeat(1 << 20));
setInterval(() => {{}}, 1e8);
"""


@pytest.fixture
def hostile(host):
    """Run it: hostile mount point, labels, title, environment, and a log with a line of 1 MB."""
    argv = ["docker", "run", "-d", "--name", NAME, "--label", f"x={MARKUP}{JINJA}", "--label", f"y={'A' * 60_000}"]
    argv += ["--env", f"API_KEY={JINJA}{MARKUP}", "--volume", f"/srv:/{MARKUP.replace('/', '')}{JINJA}", "--user", "0"]
    argv += ["openclaw:hardened", "node", "-e", PROGRAM]
    host.check_output(" ".join(["%s"] * len(argv)), *argv)
    yield
    host.run("docker rm -f %s", NAME)


def test_hostile_evidence_is_shown_and_nothing_of_it_happens(host, hostile, playbook, tmp_path):
    run = playbook(
        "verify.yml",
        openclaw_verify_containers=[NAME],
        openclaw_verify_account="",
        openclaw_verify_record="",
        openclaw_verify_fail_on="low",
        openclaw_verify_report_dir=str(tmp_path),
    )
    assert run.rc != 0
    reports = {path.suffix: path.read_text() for path in tmp_path.iterdir()}
    checks = json.loads(reports[".json"])["hosts"][0]["checks"]
    assert {check["status"] for check in checks if check["id"] in ("OCH-CTR-02", "OCH-CTR-10", "OCH-SEC-02")} == {
        "fail"
    }
    assert not [check for check in checks if "the check failed" in check["actual"]]
    # It is there, word for word where it is harmless, and nowhere as something that acts.
    assert any("{{ lookup(" in check["actual"] or "<img" in check["actual"] for check in checks)
    assert "<img src=x" not in reports[".html"]
    for text in (run.output, *reports.values()):
        assert str(1234567 * 7654321) not in text
        assert not any(character in text for character in "\x1b\x07\u202e")
        assert len(text) < 2_000_000
    assert host.run("test -e /evaluated").rc != 0
