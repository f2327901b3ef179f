"""Secrets in runs that go wrong, at every point where they can: none shows anywhere but in its own file."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lab_host
import pytest
from hostile_host import LAB, ON_HOST, PROGRAMS, VARIABLES, HostileHost, requests
from lab_host import CHECKOUT
from options import COLLECTION, put
from samples import REGISTRY
from secret_surfaces import needles, search, shows

# Each of its own, so that a find reports which one; the first two are what tokens look like, and are masked as such.
CANARIES = {
    "token": secrets.token_hex(40),
    "weak token": f"weak{secrets.token_hex(8)}",
    "provider key": f"sk-$HOME${{X}}%n`#:'{secrets.token_urlsafe(24)}",
    "channel secret": f"xoxb-{secrets.token_urlsafe(24)}",
    "topic of ntfy": f"topic-{secrets.token_urlsafe(16)}",
    "token of ntfy": f"tk_{secrets.token_urlsafe(16)}",
    "password of a registry": f"pw-{secrets.token_urlsafe(16)}",
}
SECRETS_DIR = "/etc/openclaw/secrets"
NTFY_PORT = 8099
RECORDS = "/var/lib/openclaw-hardening"
# Where a secret may lie, too: what a deployment keeps to go back to, and the address that the notifier gets.
PRIVATE = (RECORDS, "/etc/openclaw/auth-notifier.env", "/etc/openclaw/maintenance-notifier.env")
NEVER_READY = """
docker buildx build --load --quiet --tag stub:never --tag stub:again --file - /root/.modules >/dev/null <<'DOCKERFILE'
FROM openclaw:hardened
LABEL io.openclaw.hardening.content=stub
CMD ["node", "-e", "console.log('never'); setInterval(() => {}, 1000)"]
DOCKERFILE
"""


# --- what is watched ------------------------------------------------------------------------------------------------


@contextmanager
def watched(argv: list[str]) -> Iterator[dict[str, Any]]:
    """Sample the processes of a machine meanwhile; afterwards there is what was found."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, **pipes) as process:
        looks = [look.hex() for secret in CANARIES.values() for look in needles(secret)]
        process.stdin.write(json.dumps(looks) + "\n")
        process.stdin.flush()
        report: dict[str, Any] = {}
        try:
            yield report
        finally:
            report.update(json.loads(process.communicate("end\n")[0]))


@pytest.fixture(scope="module")
def past(host, tmp_path_factory) -> Iterator[dict[str, Any]]:
    """Return what runs with canaries reported, and what processes were seen meanwhile, on the host and here."""
    folder = tmp_path_factory.mktemp("canary")
    here = [sys.executable, str(ON_HOST / "sampler.py")]
    there = [*host.ssh, f"python3 {PROGRAMS}/sampler.py"]
    try:
        with watched(here) as controller, watched(there) as remote:
            runs = dict(all_runs(host, folder))
        yield {"runs": runs, "controller": controller, "host": remote}
    finally:
        host.check(f"docker rmi --force stub:never stub:again >/dev/null 2>&1 || true; rm -f {SECRETS_DIR}/ntfy_token")
        host.check("systemctl stop hostile-canary-ntfy.service")
        again = lab_host.playbook(LAB, CHECKOUT / "tests/deploy_stub_gateway.yml", **VARIABLES)
        assert again.returncode == 0, again.stdout[-3000:]


def all_runs(host: HostileHost, folder: Any) -> Iterator[tuple[str, subprocess.CompletedProcess[str]]]:
    """Run what goes wrong, in check mode and for real, and one deployment that goes well."""
    site = CHECKOUT / "tests/deploy_stub_gateway.yml"
    host.check(f"umask 77; cat > {SECRETS_DIR}/ntfy_token <<'EOF'\n{CANARIES['token of ntfy']}\nEOF")
    host.check(NEVER_READY)
    # Takes what the notifier sends, and keeps none of it.
    host.check(
        "systemd-run --quiet --collect --unit=hostile-canary-ntfy "
        f"python3 {PROGRAMS}/listener.py /dev/null {NTFY_PORT} 127.0.0.1"
    )
    good = {
        **VARIABLES,
        "openclaw_gateway_token": CANARIES["token"],
        "openclaw_gateway_provider_keys": {"stub": CANARIES["provider key"]},
        "openclaw_gateway_secrets": {"channel": CANARIES["channel secret"]},
        "openclaw_auth_monitor_notify_ntfy": f"http://127.0.0.1:{NTFY_PORT}/{CANARIES['topic of ntfy']}",
        "openclaw_auth_monitor_notify_ntfy_token_file": f"{SECRETS_DIR}/ntfy_token",
    }
    yield "a deployment", played(folder, site, good)
    yield "a refused setting", played(folder, site, {**good, "openclaw_gateway_token": CANARIES["weak token"]})
    wrong = {**good, "openclaw_gateway_config": {"gateway": {"bind": "everywhere"}}}
    yield "a refused configuration", played(folder, site, wrong)
    (folder / "tasks.yml").write_text(json.dumps(failing_play(host, folder)))
    for flag in ("--check", "--diff"):
        yield f"failing modules {flag}", played(folder, folder / "tasks.yml", {}, flag)


def played(folder: Any, playbook: Any, variables: dict[str, Any], *flags: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook as loud as it gets; its variables come from a file, as an operator's would."""
    file = folder / "variables.json"
    file.write_text(json.dumps(variables))
    file.chmod(0o600)
    options = ["-vvv", "--diff", *flags, "--extra-vars", f"@{file}"]
    return lab_host.playbook(LAB, playbook, *options)


def failing_play(host: HostileHost, folder: Any) -> list[dict[str, Any]]:
    """Return a play in which each task fails, at another point; what it is given comes from a file."""
    compose = {
        **requests(host, "hardened_compose")[0],
        "secrets": [
            {"path": f"{SECRETS_DIR}/provider_{name}", "value": CANARIES[canary], "uid": 1000, "gid": 1000}
            for name, canary in (("stub", "provider key"), ("channel", "channel secret"))
        ],
    }
    config = compose["files"][0]["content"]
    never = {
        **compose,
        "definition": compose["definition"].replace("openclaw:hardened", "stub:never"),
        "image_ref": "stub:never",
        "image_id": "",
        "health": {**compose["health"], "timeout": 4},
    }
    # The name of the first went back to the image that runs.
    again = {**never, "definition": never["definition"].replace("stub:never", "stub:again"), "image_ref": "stub:again"}
    unit = requests(host, "systemd_unit")[-1]
    unit["secrets"][0]["value"] = f"NOTIFY_NTFY={CANARIES['topic of ntfy']}\n"
    token = {"path": f"{SECRETS_DIR}/gateway_token", "uid": 1000, "gid": 1000}
    failing = {
        **unit["units"][0],
        "name": "canary.service",
        "content": "[Service]\nType=oneshot\nExecStart=/bin/false\n",
    }
    registry = {"repository": REGISTRY, "username": "someone", "password": CANARIES["password of a registry"]}
    image = host.check("docker image inspect --format '{{.Id}}' openclaw:hardened")
    attempts: list[tuple[str, dict[str, Any]]] = [
        (
            "hardened_compose",
            {**compose, "definition": compose["definition"].replace("read_only: true", "privileged: true", 1)},
        ),
        ("hardened_compose", {**compose, "definition": compose["definition"] + "\n  broken"}),
        ("hardened_compose", put(compose, ("files", 0, "content"), config.replace('"lan"', '"everywhere"'))),
        ("hardened_compose", put(compose, ("secrets", 0, "path"), "/var/lib/openclaw/new")),
        ("hardened_compose", never),
        ("hardened_compose", {**again, "candidate": "never"}),
        ("gateway_token", {**token, "value": CANARIES["weak token"]}),
        ("gateway_token", {**token, "value": CANARIES["token"], "rotate": True}),
        ("gateway_token", {**token, "value": CANARIES["token"], "path": "/var/lib/openclaw/token"}),
        ("systemd_unit", put(unit, ("units", 0, "content"), unit["units"][0]["content"] + "Wrong=yes\n")),
        ("systemd_unit", {**unit, "exposure_limits": dict.fromkeys(unit["exposure_limits"], 0)}),
        ("systemd_unit", {**unit, "units": [*unit["units"], failing], "started": [*unit["started"], "canary.service"]}),
        ("image_registry", {**registry, "state": "pushed", "image": image}),
        ("image_registry", {**registry, "state": "pulled", "image_id": image, "name": "other:name", "digest": "wrong"}),
    ]
    (folder / "attempts.json").write_text(json.dumps([options for _module, options in attempts]))
    tasks: list[dict[str, Any]] = [
        {
            "name": f"{number} {module}",
            f"{COLLECTION}.{module}": {name: f"{{{{ attempts[{number}]['{name}'] }}}}" for name in options},
            "ignore_errors": True,
        }
        for number, (module, options) in enumerate(attempts)
    ]
    lookup = f"{{{{ lookup('ansible.builtin.file', '{folder}/attempts.json') | from_json }}}}"
    return [{"hosts": "openclaw", "gather_facts": False, "tasks": tasks, "vars": {"attempts": lookup}}]


# --- what must hold -------------------------------------------------------------------------------------------------


def test_the_runs_went_wrong_where_they_should(past):
    runs = past["runs"]
    assert {name: run.returncode == 0 for name, run in runs.items()} == {
        "a deployment": True,
        "a refused setting": False,
        "a refused configuration": False,
        "failing modules --check": True,
        "failing modules --diff": True,
    }
    # Everything fails for real; in check mode what only a run can find out is a prediction.
    assert runs["failing modules --diff"].stdout.count("...ignoring") == 14
    assert runs["failing modules --check"].stdout.count("...ignoring") >= 8


def test_ansible_shows_no_secret(past):
    shown = [(run, name) for run, output in past["runs"].items() for name, secret in CANARIES.items()
             if shows(secret, output.stdout + output.stderr)]  # fmt: skip
    assert shown == []


def test_no_process_showed_one(past):
    for machine in ("controller", "host"):
        assert past[machine]["looks"] > 50
        assert past[machine]["found"] == {}


def test_the_sampler_finds_what_shows(host):
    """Otherwise it would prove nothing."""
    with watched([*host.ssh, f"python3 {PROGRAMS}/sampler.py"]) as report:
        host.check(f"CANARY={CANARIES['token']} sleep 1; exec -a {CANARIES['channel secret']} sleep 1")
    assert {"environ of sleep", "cmdline of sleep"} <= set(report["found"])


def test_the_host_shows_none(past, host):
    found = surfaces(host, CANARIES.values())
    assert [surface for surface in found if not surface.startswith(PRIVATE)] == []


def test_the_search_finds_what_is_planted(host):
    """Otherwise it would prove nothing."""
    canary = secrets.token_hex(16)
    host.check(f"echo {canary} >/var/lib/planted; echo {canary} | logger")
    try:
        assert set(surfaces(host, [canary])) >= {"/var/lib/planted", "journal"}
    finally:
        host.check("rm /var/lib/planted")


def test_what_is_kept_is_roots_alone(past, host):
    # A copy of the state has the owners and modes of the state; the folder around it lets nobody in.
    states = " -o ".join(f"-path {RECORDS}/{name}/state -prune" for name in ("attempt", "previous"))
    lines = host.check(
        f"find {RECORDS} {states} -o -printf '%m %U %y\\n'; stat -c '%a %u f' /etc/openclaw/*-notifier.env"
    )
    assert {tuple(line.split()) for line in lines.splitlines()} <= {
        ("700", "0", "d"),
        ("600", "0", "f"),
        ("400", "0", "f"),
    }


def test_secrets_arrive_to_the_last_byte(past, host):
    for name, canary in (
        ("provider_stub", "provider key"),
        ("provider_channel", "channel secret"),
        ("gateway_token", "token"),
    ):
        assert host.check(f"cat {SECRETS_DIR}/{name}; printf .").removesuffix(".") == CANARIES[canary]


def surfaces(host: HostileHost, wanted: Any) -> list[str]:
    """Return where on the host one of these secrets shows."""
    process = subprocess.run([*host.ssh, "python3 -"], input=search(wanted), capture_output=True, text=True, check=True)
    return json.loads(process.stdout)
