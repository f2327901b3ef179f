"""/usr/local/bin/openclaw on the host: the CLI inside the gateway, interactive or piped, or one clear line."""

from __future__ import annotations

import subprocess

from conftest import CONTAINER

VERSION = "2026.9.6"


def test_piped(host):
    assert VERSION in host.check_output("openclaw --version | cat")


def test_on_a_terminal(ssh):
    answer = subprocess.run(
        [*ssh[:1], "-tt", *ssh[1:], "openclaw --version"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0
    assert VERSION in answer.stdout


def test_its_exit_code_and_arguments_come_through(host):
    answer = host.run("openclaw config get 'no such; key $HOME'")
    assert answer.rc not in (0, 69, 126, 127)


def test_one_line_when_the_gateway_does_not_run(host):
    host.check_output("docker pause %s", CONTAINER)
    try:
        answer = host.run("openclaw --version")
    finally:
        host.check_output("docker unpause %s", CONTAINER)
    assert answer.rc == 69
    assert CONTAINER in answer.stderr
    assert "systemctl status" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
