"""A call of the gateway: the token goes in by standard input alone, and a refusal reports why without it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import rpc

TOKEN = "3f9c1ab2" * 8
HOST = "unix:///var/run/docker.sock"


def gateway(rc: int, stdout: str, stderr: str = ""):
    """Return a module whose commands are answered so, and the list of what was run."""
    calls = []

    def run_command(argv, **options):
        calls.append((argv, options))
        return rc, stdout, stderr

    return SimpleNamespace(run_command=run_command, params={}, run_command_environ_update={}), calls


def test_the_token_is_in_no_argument_and_no_environment():
    module, calls = gateway(0, '{"ok": true}')
    assert rpc.call(module, HOST, "c0ffee", TOKEN, "secrets.reload") == {"ok": True}
    ((argv, options),) = calls
    assert TOKEN not in " ".join(argv) + json.dumps(options["environ_update"])
    assert json.loads(options["data"])["gateway"]["auth"]["token"] == TOKEN
    assert argv[argv.index("--") + 1] == "c0ffee"


@pytest.mark.parametrize(
    ("rc", "stdout", "stderr", "words"),
    [
        (1, '{"ok": false, "error": {"message": "unknown method: secrets.reload"}}', "", "unknown method"),
        (1, "", "first\nError: connect ECONNREFUSED", "ECONNREFUSED"),
        (0, "no JSON", "", "no output"),
        (1, f'{{"error": {{"message": "bad token {TOKEN}"}}}}', "", "bad token ****"),
        (1, '{"error": "text"}', f"token={TOKEN}", "token=****"),
        (1, "[" * 100000, "", "no output"),
    ],
)
def test_a_refusal_reports_why_without_the_token(rc, stdout, stderr, words):
    module, _calls = gateway(rc, stdout, stderr)
    with pytest.raises(HardeningError) as refusal:
        rpc.call(module, HOST, "c0ffee", TOKEN, "secrets.reload")
    assert words in str(refusal.value)
    assert TOKEN not in str(refusal.value)
