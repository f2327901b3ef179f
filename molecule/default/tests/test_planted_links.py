"""The service account owns its home, so it can plant links there; nothing outside may change because of them."""

from __future__ import annotations

import pytest

VICTIM = "/etc/shadow"
WORKSPACE = "/var/lib/openclaw/.openclaw/workspace"


@pytest.fixture
def planted(host):
    """Let the service account replace its workspace by a link to the victim's folder or file."""
    host.check_output("mv %s %s.kept", WORKSPACE, WORKSPACE)
    yield lambda target: host.check_output(
        "setpriv --reuid openclaw --regid openclaw --clear-groups ln -s %s %s", target, WORKSPACE
    )
    host.run("rm -f %s", WORKSPACE)
    host.check_output("mv %s.kept %s", WORKSPACE, WORKSPACE)


def fingerprint(host, path: str) -> str:
    return host.check_output("stat -c '%%U %%G %%a %%i %%y' %s; sha256sum %s", path, path)


@pytest.mark.parametrize("target", [VICTIM, "/etc"])
def test_a_planted_link_is_refused_and_leads_nowhere(host, playbook, planted, target):
    shadow, folder = fingerprint(host, VICTIM), host.check_output("stat -c '%%U %%G %%a %%i' /etc")
    planted(target)
    run = playbook("site.yml")
    assert run.rc != 0
    assert WORKSPACE in run.output
    assert "link" in run.output
    assert fingerprint(host, VICTIM) == shadow
    assert host.check_output("stat -c '%%U %%G %%a %%i' /etc") == folder
    assert host.run("curl -s -f --max-time 30 http://127.0.0.1:18789/readyz").rc == 0
