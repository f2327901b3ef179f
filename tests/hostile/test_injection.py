"""Text that a unit, a Compose file, a shell or a command line would make more of: refused, or kept to the letter."""

from __future__ import annotations

import json
import subprocess
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import lab_host
import pytest
import yaml
from check import outcome, read
from hostile_host import BUILD, LAB, LONG, VARIABLES, requests
from lab_host import CHECKOUT, TOOLS
from options import ON_HOST, documented, get, places, put
from role_options import ROLES, Setting, settings
from samples import good_requests

SITE = CHECKOUT / "playbooks/site.yml"
LIGHT = {**VARIABLES, "openclaw_image_source": "checkout", "openclaw_image_checkout_path": "/root/checkout"}

# --- units ----------------------------------------------------------------------------------------------------------

# What comes behind "Description=…" of a good unit, or in place of its name.
BEHIND = {
    "another line's end": "x\rUser=root",
    "a vertical tab": "x\x0bUser=root",
    "a form feed": "x\x0cUser=root",
    "a next line": "x\x85User=root",
    "a line separator": "x\u2028User=root",
    "a null": "x\x00User=root",
    "a backslash that swallows the next line": "x\\",
    "a section of another type": "x\n[Timer]\nOnBootSec=1",
    "a line that is none": "x\nUser root",
    "what cannot be seen": "x\u202etoor=resU",
    "half a character": "x\ud800",
}
NAMES = ["x.service\nUser=root", "-x.service", "x@.service", "../x.service", "/etc/x.service", "x%n.service",
         "$X.service", "x.service\\", "x.mount", "x service.service", ".service", "x.service\x00"]  # fmt: skip


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_no_line_gets_into_a_unit(check, host, serve):
    server, good = serve("systemd_unit"), requests(host, "systemd_unit")[-1]
    server.changes()
    text = good["units"][0]["content"]
    bad = [put(good, ("units", 0, "content"), text.replace("Description=", f"Description={more}\nDocumentation=", 1))
           for more in BEHIND.values()]  # fmt: skip
    bad += [put(good, ("units", 0, "name"), name) for name in NAMES]
    answers = Counter(outcome(read(server.run(request, check=check)), ["units"]) for request in bad)
    # Half a character may be too much for Ansible already.
    assert answers["refused"] + answers["ended by Ansible"] == len(bad)
    assert answers["ended by Ansible"] <= 1
    assert server.changes() == []


# --- the variables of the roles -------------------------------------------------------------------------------------

ACCEPTED = "accepted"
# What may hold any text; how it arrives is tested below, for secrets in test_canary.py.
FREE = (
    "openclaw_gateway_config",
    "openclaw_gateway_provider_keys",
    "openclaw_gateway_secrets",
    "openclaw_image_registry_password",
)
VISIBLE = ("backslash", "specifier", "variable", "doubled dollar", "quotes", "backtick", "comment", "colon")


def harmless(setting: Setting) -> bool:
    """Return whether it may be accepted."""
    # hardening_info checks these, and only looks; a number is a number with an empty line, too; and a path at which
    # free space is measured may have any visible name.
    measured = setting.variable == "openclaw_engine_disk_path" and setting.poison in VISIBLE
    return (setting.variable in FREE or setting.role == "openclaw_verify" or measured
            or (setting.kind == "int" and setting.poison == "last newline"))  # fmt: skip


def checked(role: str, chosen: list[Setting], folder: Path) -> list[str]:
    """Let the preflight of a role check each setting, on the host; what it reports, or that it accepts it."""
    (folder / "values.json").write_text(json.dumps([setting.value for setting in chosen]))
    tasks: list[dict[str, Any]] = [
        {
            "block": [
                {
                    "ansible.builtin.include_role": {"name": f"openclaw.hardening.{role}", "tasks_from": "preflight"},
                    "vars": {setting.variable: f"{{{{ values[{number}] }}}}"},
                },
                {"ansible.builtin.set_fact": {f"verdict_{number}": ACCEPTED}},
            ],
            "rescue": [
                {"ansible.builtin.set_fact": {f"verdict_{number}": "{{ ansible_failed_result.msg | default('?') }}"}}
            ],
        }
        for number, setting in enumerate(chosen)
    ]
    verdicts = ", ".join(f"verdict_{number}" for number in range(len(chosen)))
    keep = {"content": f"{{{{ [{verdicts}] | to_json }}}}", "dest": str(folder / "verdicts.json")}
    here = {"delegate_to": "localhost", "vars": {"ansible_connection": "local"}}
    tasks.append({"ansible.builtin.copy": keep, **here})
    lookup = f"{{{{ lookup('ansible.builtin.file', '{folder}/values.json') | from_json }}}}"
    play = {"hosts": "openclaw", "gather_facts": False, "tasks": tasks, "vars": {"values": lookup}}
    (folder / "play.yml").write_text(json.dumps([play]))
    argv = [str(TOOLS / "ansible-playbook"), "--inventory", str(BUILD / "inventory.yml"), str(folder / "play.yml")]
    environment = lab_host.ansible_environment()
    ran = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-2000:]
    return json.loads((folder / "verdicts.json").read_text())


def chosen_for(role: str) -> list[Setting]:
    """Return the settings of a role to try: all of them, or for each variable some, others for each."""
    found = [setting for setting in settings() if setting.role == role and "\ud800" not in str(setting.value)]
    return [setting for setting in found if LONG or zlib.crc32(str(setting).encode()) % 4 == 0]


@pytest.mark.parametrize("role", ROLES)
def test_the_variables_of_a_role_are_checked_before_anything_changes(role, host, serve, tmp_path):
    server = serve("gateway_token")
    server.changes()
    chosen = chosen_for(role)
    verdicts = checked(role, chosen, tmp_path)
    accepted = [setting for setting, verdict in zip(chosen, verdicts) if verdict == ACCEPTED]
    print(f"\n{role}: {len(chosen)} hostile settings, {len(accepted)} accepted: {[*map(str, accepted)]}")
    assert [str(setting) for setting in accepted if not harmless(setting)] == []
    nameless = [f"{setting}: {verdict[:300]}" for setting, verdict in zip(chosen, verdicts)
                if verdict != ACCEPTED and setting.variable.removeprefix(f"{role}_") not in verdict]  # fmt: skip
    assert nameless == []
    assert server.changes() == []


@pytest.mark.parametrize(
    "hostile",
    [
        {"openclaw_auth_monitor_interval_minutes": "%n"},
        {"openclaw_auth_monitor_notify_ntfy": "https://ntfy.example.org/topic\nUser=root"},
        {"openclaw_gateway_memory": "2g\n    privileged: true"},
        {"openclaw_gateway_read_only_tmpfs": [{"path": "/x${HOME}", "size": "1m"}]},
        {"openclaw_gateway_candidate": "sometimes"},
        {"openclaw_user_instance": "x$(id)"},
    ],
    ids=lambda hostile: next(iter(hostile)),
)
def test_a_deployment_is_refused_before_anything_changes(hostile, host, serve):
    server = serve("gateway_token")
    server.changes()
    ran = lab_host.playbook(LAB, SITE, **{**LIGHT, **hostile})
    assert ran.returncode != 0
    assert next(iter(hostile)).removeprefix("openclaw_") in ran.stdout
    assert "changed=0" in ran.stdout
    assert server.changes() == []


# --- Compose --------------------------------------------------------------------------------------------------------

# All that is allowed at the edges of what the preflight accepts, and text that Compose would fill in, if it saw it.
EDGES: dict[str, Any] = {
    **LIGHT,
    # No address of this host; its preflight, which would refuse it, is not what is tried here.
    "openclaw_gateway_bind": "2001:db8::1",
    "openclaw_engine_addresses": [],
    "openclaw_gateway_port": 65535,
    "openclaw_gateway_read_only_tmpfs": [{"path": "/home/node/.a_b-c.d", "size": "7k"}],
    "openclaw_gateway_cap_add": ["NET_BIND_SERVICE"],
    "openclaw_gateway_memory": "1536.25m",
    "openclaw_gateway_cpus": "0.75",
    "openclaw_gateway_stop_grace_period": "331s",
    "openclaw_gateway_log_max_size": "123456789k",
    "openclaw_gateway_log_max_file": 99,
    "openclaw_gateway_provider_keys": {"0a-b_c": "$X ${Y} %n".replace(" ", "_")},
    "openclaw_gateway_allowed_origins": ["https://[2001:db8::1]:1"],
    "openclaw_gateway_config": {
        "messages": {"$HOME": ["${HOME}", "$$", "a: b #c", "'\"", "%n \\", "- x", "\u202e", "a\nb"]}
    },
}


def test_what_is_accepted_reaches_compose_to_the_letter(host):
    ran = lab_host.playbook(LAB, SITE, "--check", **EDGES)
    assert ran.returncode == 0, ran.stdout[-3000:]
    request = newest_request("hardened_compose")
    written = yaml.safe_load(request["definition"])["services"]["openclaw-gateway"]
    resolve = "docker compose --project-name x --file - --profile '*' config --format json"
    command = [*host.ssh, f"cd /etc/openclaw && {resolve}"]
    process = subprocess.run(command, input=request["definition"], capture_output=True, text=True, check=True)
    resolved = json.loads(process.stdout)["services"]["openclaw-gateway"]
    for name in (
        "user",
        "container_name",
        "hostname",
        "tmpfs",
        "cap_add",
        "cap_drop",
        "environment",
        "labels",
        "logging",
    ):
        assert resolved[name] == written[name], name
    assert [port["host_ip"] for port in resolved["ports"]] == ["127.0.0.1", "2001:db8::1"]
    assert {port["published"] for port in resolved["ports"]} == {"65535"}
    assert (resolved["mem_limit"], float(resolved["cpus"])) == (str(int(1536.25 * 2**20)), 0.75)
    assert resolved["stop_grace_period"] == "5m31s"
    assert [volume["source"] for volume in resolved["volumes"]] == [volume["source"] for volume in written["volumes"]]
    assert [secret["source"] for secret in resolved["secrets"]] == written["secrets"]
    config = next(file["content"] for file in request["files"] if file["path"].endswith("openclaw.json"))
    assert json.loads(config)["messages"] == EDGES["openclaw_gateway_config"]["messages"]


def newest_request(module: str) -> dict[str, Any]:
    """Return what a module was asked for in the newest run."""
    tasks = json.loads(max((BUILD / "records").glob("*.json")).read_text())["tasks"]
    return next(task["options"] for task in tasks if task["action"] == f"openclaw.hardening.{module}")


# --- command lines --------------------------------------------------------------------------------------------------

DASHES = ["--help", "-v/:/host"]
# What may be any text: it is content, or for people.
TEXTS = (
    "comment",
    "content",
    "value",
    "reason",
    "hints",
    "option",
    "argv",
    "target",
    "definition",
    "dockerfile",
    "context",
    "record",
    "password",
    "username",
    "secrets[<value>]",
)


@pytest.mark.parametrize("module", ON_HOST)
def test_what_begins_with_a_dash_is_no_option(module, host, serve):
    server = serve(module)
    server.changes()
    accepted = []
    options = [f"set '{option}'" for option in documented()[module]]
    for request in good_requests(host, server):
        for place in places(module):
            if isinstance(get(request, place.path), str) and not any(
                name in TEXTS for name in (*place.names, str(place))
            ):
                for dash in DASHES:
                    answer = read(server.run(put(request, place.path, dash), check=True))
                    if outcome(answer, [*place.names, *options]) == "legal":
                        accepted.append(f"{place}={dash}")
    assert accepted == []
    assert server.changes() == []
