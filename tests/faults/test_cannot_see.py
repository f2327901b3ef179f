"""What cannot be looked at is an error with its fix, and never absent: interpreters, permissions, sockets, PATH."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from harness import FaultHost

VENV = "/root/venv-without-sdk"
RECORDS = "/root/records-of-another-time"
IMAGE = "sha256:" + "a" * 64
NAMES = {"project": "unseen", "service": "openclaw-gateway", "container_name": "unseen-gateway", "record_dir": RECORDS}
# What su without -l, cron and doas leave: no sbin, no home, no locale, and a private umask.
POOR = "umask 077; exec env -i PATH=/usr/bin:/bin LC_ALL=C"


@pytest.fixture(scope="module", autouse=True)
def prepared(host: FaultHost) -> None:
    """Have the record of a deployment, and an interpreter that does not read the distribution's packages."""
    prepare(host)


def prepare(host: FaultHost) -> None:
    record = {"image_ref": "openclaw:hardened", "image_id": IMAGE, "at": "2026-11-25T02:15:54+00:00", "files": {}}
    host.check(f"mkdir -p -m 700 {RECORDS} {VENV}/bin; ln -sfn /usr/bin/python3 {VENV}/bin/python3\n"
               f"printf 'home = /usr/bin\\ninclude-system-site-packages = false\\n' > {VENV}/pyvenv.cfg")  # fmt: skip
    host.write(f"{RECORDS}/deployed.json", json.dumps(record))


def ask(
    host: FaultHost,
    name: str,
    options: dict[str, Any],
    *,
    shell: str = "exec",
    python: str = "python3",
    check: bool = False,
) -> dict[str, Any]:
    """Run a module with another interpreter or in another environment."""
    program = [python, *host.program(name)[1:]]
    argv = [*host.ssh, f"{shell} {' '.join(program)}"]
    given = host.arguments(name, options, check=check)
    answer = subprocess.run(argv, input=given, capture_output=True, text=True, check=False, timeout=300)
    assert answer.stdout.strip().startswith("{"), answer.stdout + answer.stderr
    return json.loads(answer.stdout)


def test_an_interpreter_without_the_sdk_sees_nothing_and_reports_so(host: FaultHost) -> None:
    for check in (False, True):
        reported = ask(host, "deployment_info", NAMES, python=f"{VENV}/bin/python3", check=check)
        assert reported.get("failed"), reported
        for word in (f"{VENV}/bin/python3 (Python 3.", "No module named 'docker'", "'ansible_python_interpreter'"):
            assert word in reported["msg"]


def test_an_interpreter_for_which_apt_does_not_install_is_refused(host: FaultHost) -> None:
    reported = ask(
        host, "host_preflight", {"memory_minimum_mib": 0, "disk_minimum_mib": 0}, python=f"{VENV}/bin/python3"
    )
    assert reported.get("failed"), reported
    assert len(reported["problems"]) == 1
    for word in (f"{VENV}/bin/python3", "python3-docker", "set ansible_python_interpreter to /usr/bin/python3"):
        assert word in reported["msg"]


def test_who_may_not_ask_docker_is_reported_to_become_root(host: FaultHost) -> None:
    host.check("cp -r /root/.modules /tmp/modules-for-all; chmod -R a+rX /tmp/modules-for-all")
    program = " ".join(host.program("deployment_info")).replace("/root/.modules", "/tmp/modules-for-all")
    options = host.arguments("deployment_info", {**NAMES, "record_dir": "/tmp/none"})
    argv = [*host.ssh, f"exec setpriv --reuid=65534 --regid=65534 --clear-groups {program}"]
    ran = subprocess.run(argv, input=options, capture_output=True, text=True, check=False, timeout=300)
    host.check("rm -rf /tmp/modules-for-all")
    reported = json.loads(ran.stdout)
    assert reported.get("failed"), reported
    assert "no permission for uid 65534" in reported["msg"]
    assert "become" in reported["msg"]


def test_another_socket_is_not_a_host_without_docker(host: FaultHost) -> None:
    elsewhere = {**NAMES, "docker_host": "unix:///run/elsewhere.sock"}
    reported = ask(host, "deployment_info", elsewhere, check=True, shell="exec env DOCKER_CONTEXT=rootless")
    assert reported.get("failed"), reported
    for word in ("no socket /run/elsewhere.sock", "DOCKER_CONTEXT is rootless", "'docker_host'"):
        assert word in reported["msg"]


def test_root_without_root_s_environment_sees_what_root_sees(host: FaultHost) -> None:
    options = {"memory_minimum_mib": 0, "disk_minimum_mib": 0}
    observed = [ask(host, "host_preflight", options, shell=shell) for shell in ("exec", POOR)]
    assert not observed[1].get("failed"), observed[1]
    for answer in observed:
        answer["host"].pop("disk_free_mib")
    assert observed[0]["host"] == observed[1]["host"]
    assert observed[1]["missing_packages"] == []
    assert "/usr/sbin" in observed[1]["search_path"].split(":")
    reported = ask(host, "deployment_info", NAMES, shell=POOR)
    assert (reported.get("engine"), reported.get("drift")) == (True, [f"runs nothing, deployed was {IMAGE}"])


def test_an_account_is_made_without_root_s_environment(host: FaultHost) -> None:
    options = {"name": "unseen", "home": "/var/lib/unseen"}
    try:
        made = ask(host, "service_user", options, shell=POOR)
        assert made.get("changed"), made
        assert not ask(host, "service_user", options)["changed"]
    finally:
        host.check("userdel unseen || true; rm -rf /var/lib/unseen")
