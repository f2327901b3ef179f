"""What is wrong is planted on a host with the real OpenClaw, named, and fixed by what is named and nothing else.

The tests follow each other on one host: each leaves a gateway that serves.
"""

from __future__ import annotations

import base64
import json
import re
import stat
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from lab_host import CHECKOUT, wait_until
from life import LONG, STATE, TOKEN_FILE, Life, token_answers
from secret_surfaces import needles

ROLE = yaml.safe_load((CHECKOUT / "roles/openclaw_gateway/vars/main.yml").read_text())
VARIABLES = ROLE["_openclaw_gateway_diagnosis_variables"]
CONFIG = "/etc/openclaw/openclaw.json"
BOT_TOKEN = f"12345678:{'a' * 35}"
# The last line that a program wrote before it ended, on its way to being started again.
RESTART = """docker restart openclaw-gateway >/dev/null
for _ in $(seq 60); do docker logs --since 60s openclaw-gateway 2>&1 | grep -q '{}' && break; sleep 0.5; done"""
TAKE_PORT = """systemctl stop openclaw-gateway.service
systemd-run --quiet --unit canary-port python3 -c "
import socket, time
taken = socket.socket()
taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
taken.bind(('0.0.0.0', 18789))
taken.listen()
time.sleep(3600)"
for _ in $(seq 50); do ss -ltn | grep -q '0.0.0.0:18789' && break; sleep 0.1; done"""

# Another gateway, that nobody stops, has the state when ours is started.
SECOND_GATEWAY = """docker inspect --format '{{join .Config.Env "\\n"}}' openclaw-gateway >/run/second.env
systemctl stop openclaw-gateway.service
docker run --detach --name second-gateway --network none --user 1000:1000 --tmpfs /tmp:mode=1777 \\
    --tmpfs /home/node/.cache:mode=0700,uid=1000,gid=1000 --volumes-from openclaw-gateway --env-file /run/second.env \\
    openclaw:hardened >/dev/null
rm /run/second.env
for _ in $(seq 120); do docker logs second-gateway 2>&1 | grep -q 'http server listening' && break; sleep 1; done
systemctl start openclaw-gateway.service
for _ in $(seq 120); do
  docker logs --tail 5 openclaw-gateway 2>&1 | grep -q 'Another Gateway' && break
  sleep 1
done"""


# Each heals by a run of site.yml or two, with the real OpenClaw.
long = pytest.mark.skipif(not LONG, reason="minutes each: LIFECYCLE=long")


def named(life: Life, **options: Any) -> dict[str, Any]:
    """Return what the module finds on the host, by the names of the cases."""
    answer = life.alpha.module("gateway_diagnosis", {"variables": VARIABLES, **options})
    assert not answer.get("failed"), answer
    return {**answer, "named": {finding["id"]: finding for finding in answer["findings"]}}


def faults(answer: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in answer["findings"] if finding["level"] == "fault"]


def heal(life: Life, *findings: dict[str, Any], **more: Any) -> None:
    """Set what the findings name, and nothing else."""
    variables = {finding["option"]: finding["value"] for finding in findings}
    assert all(variables), findings
    run = life.play("site.yml", life.alpha, **{**variables, **more})
    assert run.returncode == 0, run.stdout[-6000:]


def well(life: Life, **options: Any) -> dict[str, Any]:
    """Return a diagnosis without a fault, once the gateway is started."""
    wait_until(lambda: named(life, **options)["serves"], "the gateway serves", 180)
    answer = named(life, **options)
    assert (faults(answer), answer["not_checked"]) == ([], []), answer["messages"]
    return answer


@pytest.fixture(scope="module")
def host(life: Life) -> Iterator[Life]:
    """Return the hosts, and leave nothing that was planted."""
    well(life)
    try:
        yield life
    finally:
        life.alpha.run(f"systemctl stop canary-port; rm -f {STATE}/.env")


def test_a_host_without_docker_is_diagnosed(host: Life) -> None:
    """What cannot be read is listed, and nothing of it counts as well."""
    host.alpha.check("systemctl stop docker.service docker.socket")
    try:
        played = host.play("diagnose.yml", host.alpha, openclaw_diagnose_bundle=False, openclaw_diagnose_fail="fault")
        assert played.returncode != 0
        assert "diagnosis: found docker-down" in played.stdout
        answer = named(host)
        assert faults(answer) == ["docker-down"]
        assert answer["named"]["docker-down"]["remediation"].startswith("run the playbook site.yml")
        assert {gap["part"] for gap in answer["not_checked"]} == {"container", "health", "failure", "log", "usage"}
        assert not any("every check was made" in line for line in answer["messages"])
    finally:
        host.alpha.check("systemctl start docker.service openclaw-gateway.service")
    well(host)


def test_a_second_gateway_on_one_state(host: Life) -> None:
    host.alpha.check(SECOND_GATEWAY)
    try:
        answer = named(host)
        assert STATE in answer["named"]["state-in-use"]["found"]
        assert answer["serves"] is False
    finally:
        host.alpha.check("docker stop second-gateway >/dev/null; docker rm second-gateway >/dev/null\n"
                         "systemctl restart openclaw-gateway.service")  # fmt: skip
    well(host)


@long
def test_the_guides_read_only_path(host: Life) -> None:
    """Container exits immediately: it has to write somewhere else; the state's own .env makes it."""
    host.alpha.check("systemctl disable --quiet openclaw-auth-monitor.timer")
    host.alpha.check(f"printf 'XDG_CACHE_HOME=/srv/scratch\\n' > {STATE}/.env; chown openclaw: {STATE}/.env\n"
                     + RESTART.format("Gateway failed to start"))  # fmt: skip
    answer = named(host)
    found = answer["named"]["not-writable"]
    assert (answer["serves"], found["option"]) == (False, "openclaw_gateway_read_only_tmpfs")
    assert found["source"].startswith("the hardening guide")
    assert "openclaw-auth-monitor.timer is not enabled" in answer["named"]["unit"]["found"]
    heal(host, found)
    assert "unit" not in well(host)["named"]
    assert "/srv/scratch tmpfs" in host.alpha.check("docker exec openclaw-gateway cat /proc/mounts | cut -d' ' -f2,3")
    host.alpha.check(f"rm {STATE}/.env")


@long
def test_the_guides_denied_permission_and_a_taken_port(host: Life) -> None:
    host.alpha.check(f"{TAKE_PORT}\nchown -R root:root {STATE}/state")
    answer = named(host)
    owner, port = answer["named"]["owner"], answer["named"]["port-taken"]
    assert (owner["option"], port["option"]) == ("openclaw_user_fix_owner", "openclaw_gateway_port")
    assert "python3" in port["found"]
    heal(host, owner, port)
    well(host, port=port["value"])
    assert host.alpha.check(f"find {STATE} ! -user openclaw") == ""
    host.alpha.check("systemctl stop canary-port")


@long
def test_the_guides_other_machines_and_too_little_memory(host: Life) -> None:
    bind = well(host, port=18790)["named"]["loopback-only"]
    assert (bind["level"], bind["option"]) == ("note", "openclaw_gateway_bind")
    host.alpha.check(
        "docker stop openclaw-gateway >/dev/null\n"
        "docker update --memory 300m --memory-swap 300m openclaw-gateway >/dev/null\n"
        "docker start openclaw-gateway >/dev/null"
    )
    memory = named(host, port=18790)["named"]["out-of-memory"]
    assert (memory["option"], memory["value"]) == ("openclaw_gateway_memory", "1536m")
    heal(host, bind, memory, openclaw_gateway_port=18790)
    address = bind["value"]
    well(host, port=18790, addresses=["127.0.0.1", address])
    # From this machine, which is another one to the host.
    with urllib.request.urlopen(f"http://{address}:18790/healthz", timeout=10) as reply:
        assert reply.status == 200


@long
def test_what_is_named_is_typed_where_no_variable_fixes_it(host: Life) -> None:
    for case, plant in {
        "paused": "docker pause openclaw-gateway >/dev/null",
        "stopped": "systemctl stop openclaw-gateway.service",
    }.items():
        host.alpha.check(plant)
        found = named(host, port=18790)["named"][case]
        host.alpha.check(re.findall(r"`([^`]+)`", found["remediation"])[0])
        assert case not in well(host, port=18790)["named"]


@long
def test_another_token_and_a_refused_configuration(host: Life) -> None:
    before = host.alpha.check(f"cat {TOKEN_FILE}")
    host.alpha.write(TOKEN_FILE, "0123456789abcdef" * 4)
    token = named(host, port=18790)["named"]["token"]
    assert token["option"] == "openclaw_gateway_token_rotate"
    text = host.alpha.check(f"cat {CONFIG}")
    host.alpha.write(CONFIG, json.dumps({**json.loads(text), "unknownKey": 1}))
    host.alpha.check(RESTART.format("unknownKey"))
    answer = named(host, port=18790)
    config = answer["named"]["refused-configuration"]
    assert config["option"] == "openclaw_gateway_config"
    assert CONFIG in answer["named"]["changed-files"]["found"]
    heal(host, token, {**config, "value": {}})
    well(host)
    assert token_answers(host.alpha, before, 18789) == "401"
    assert token_answers(host.alpha, host.alpha.check(f"cat {TOKEN_FILE}"), 18789) == "200"


def forms(secret: str) -> list[bytes]:
    return [*needles(secret), quote(secret, safe="").encode(), base64.b32encode(secret.encode()).rstrip(b"=")]


def test_no_canary_is_in_the_bundle(host: Life, tmp_path: Path) -> None:
    """Secrets in the state, the configuration, the log, the journal, in names of files; some in other encodings."""
    alpha, token = host.alpha, host.alpha.check(f"cat {TOKEN_FILE}")
    login = "sk-ant-oat01-canary-login-" + "7" * 60
    plain = "canary/plain+secret=of the operator"
    alpha.check("install -o openclaw -g openclaw -m 0400 /dev/null /etc/openclaw/secrets/provider_canary")
    alpha.write("/etc/openclaw/secrets/provider_canary", plain)
    lines = [f"FOO_TOKEN={login}", f"Authorization: Bearer {token}", f"login {token}", quote(plain, safe=""),
             plain, base64.b64encode(plain.encode()).decode(),
             base64.b64encode(f"user:{token}".encode()).decode()]  # fmt: skip
    config = alpha.check(f"cat {CONFIG}")
    alpha.write(CONFIG, json.dumps({**json.loads(config), "channels": {"telegram": {"botToken": BOT_TOKEN}}}))
    printed = json.dumps(lines)
    program = f"for (const line of {printed}) require('fs').appendFileSync('/proc/1/fd/1', line + '\\\\n')"
    alpha.write("/root/canary.sh", "docker exec openclaw-gateway node -e " + json.dumps(program).replace("$", "\\$"))
    alpha.check("bash /root/canary.sh; rm /root/canary.sh\n"
                f"echo {login} > {STATE}/{login}; chown root {STATE}/{login}\n"
                f"printf 'FOO_TOKEN={login}\\n' > {STATE}/.env; chown openclaw: {STATE}/.env")  # fmt: skip
    for line in [*lines, "canary-marker"]:
        entry = f"MESSAGE={line}\nOBJECT_SYSTEMD_UNIT=openclaw-auth-monitor.service\n"  # shown as the unit's own
        subprocess.run([*alpha.ssh, "logger --journald"], input=entry, text=True, check=True)
    drop_in = "/run/systemd/system/openclaw-auth-monitor.service.d"
    alpha.check(f"mkdir -p {drop_in}; printf '[Service]\\nEnvironment=OTHER_PASSWORD={login}\\n' > {drop_in}/x.conf\n"
                "systemctl daemon-reload")  # fmt: skip
    try:
        run = host.play("diagnose.yml", alpha, openclaw_diagnose_dir=str(tmp_path / "bundles"))
        assert run.returncode == 0, run.stdout[-4000:]
        path = tmp_path / "bundles/alpha.tar.gz"
        assert (stat.S_IMODE(path.stat().st_mode), str(path) in run.stdout.replace("\n        ", "")) == (0o600, True)
        content, names = b"", []
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                names.append(member.name.partition("/")[2])
                file = archive.extractfile(member)
                content += member.name.encode() + (file.read() if file else b"")
        for secret in (token, login, plain, BOT_TOKEN):
            assert [form for form in forms(secret) if form in content or form in run.stdout.encode()] == []
        wanted = {"diagnosis.json", "audit.json", "journal.txt", "container.log", "container.json",
                  "openclaw/summary.md",
                  "units/openclaw-gateway.service.txt", "host.txt", "records.json", "manifest.json"}  # fmt: skip
        assert wanted <= set(names)
        assert b"FOO_TOKEN=*" in content
        assert b"canary-marker" in content
        assert b"OTHER_PASSWORD=*" in content
        assert path.stat().st_size < 2 << 20
        left = f"find {STATE} /tmp /var/tmp /var/lib/openclaw-hardening -name '*diagnos*'"
        assert alpha.check(f"{left}; docker exec openclaw-gateway ls /tmp | grep diagnos || true") == ""
        path.unlink()
        again = host.play("diagnose.yml", alpha, "--check", openclaw_diagnose_dir=str(tmp_path / "bundles"))
        assert (again.returncode, path.exists()) == (0, False), again.stdout[-3000:]
    finally:
        alpha.write(CONFIG, config)
        alpha.run(f"rm -rf {STATE}/{login} {STATE}/.env /etc/openclaw/secrets/provider_canary "
                  f"{drop_in}; systemctl daemon-reload")  # fmt: skip
