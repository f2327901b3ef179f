"""The module as Ansible calls it: what it refuses, what it reports when it sees nothing, and what it never reports."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.unavailable import Unavailable
from ansible_collections.openclaw.hardening.plugins.module_utils._policy import audit as policy_audit
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.audit import Audit
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.engine import RULES
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import HOST_AREAS
from ansible_collections.openclaw.hardening.plugins.modules import hardening_info

NOWHERE = "unix:///nonexistent/docker.sock"
KEYS = {
    "id", "title", "area", "severity", "target", "status", "manual", "expected", "actual", "evidence", "remediation",
    "refs", "waiver",
}  # fmt: skip


DEPLOYMENT = {"project": "openclaw", "service": "openclaw-gateway", "container_name": "openclaw-gateway"}


@pytest.mark.parametrize("check", [False, True])
def test_without_docker_nothing_passes_and_every_rule_is_there(run_module, check) -> None:
    result = run_module(hardening_info, check=check, docker_host=NOWHERE, units={"nobody.service": 2})
    assert not result["changed"]
    assert {found["id"] for found in result["checks"]} == {rule.id for rule in RULES}
    assert all(set(found) == KEYS for found in result["checks"])
    checked = [found for found in result["checks"] if found["area"] not in HOST_AREAS and not found["manual"]]
    assert {found["status"] for found in checked} == {"error"}
    assert all("docker" in found["actual"].lower() for found in checked)
    assert result["summary"]["error"] >= len(checked)


def test_every_target_is_checked_by_every_rule(run_module) -> None:
    result = run_module(hardening_info, docker_host=NOWHERE, containers=["one", "two"], project="three")
    rules = [rule for rule in RULES if rule.area not in HOST_AREAS]
    for target in ("one", "two", "three"):
        assert [found["id"] for found in result["checks"] if found["target"] == target] == [rule.id for rule in rules]


def test_waivers_that_cover_a_finding_together_are_shown_as_one() -> None:
    parts = tuple(
        policy_audit.waivers_from(
            "waivers",
            [
                {"id": "OCH-CTR-10", "reason": "recordings", "value": "/srv/a", "expires": "2027-03-31"},
                {"id": "OCH-CTR-10", "reason": "backups", "value": "/srv/b", "expires": "2027-01-31"},
            ],
        )
    )
    (rule,) = (rule for rule in policy_audit.RULES if rule.id == "OCH-CTR-10")
    found = policy_audit.Finding(rule, "gw", "waived", "x", (), parts[0], False, parts)
    assert policy_audit._shown_waiver(found) == {
        "reason": "recordings; backups",
        "expires": "2027-01-31",
        "expired": False,
        "value": "/srv/a, /srv/b",
    }
    ended = policy_audit.Finding(rule, "gw", "fail", "x", (), parts[1], True, parts)
    shown = policy_audit._shown_waiver(ended)
    assert shown is not None
    assert (shown["reason"], shown["value"], shown["expired"]) == ("backups", "/srv/b", True)
    assert policy_audit._shown_waiver(policy_audit.Finding(rule, "gw", "fail", "x", ())) is None


def test_a_waiver_that_covers_nothing_is_named(run_module) -> None:
    waivers = [{"id": "OCH-CTR-06", "reason": "plugins write", "target": "another"}]
    result = run_module(hardening_info, docker_host=NOWHERE, waivers=waivers)
    assert result["unused_waivers"] == ["OCH-CTR-06"]
    assert result["summary"]["waived"] == 0


def test_a_waived_check_has_that_status_and_reports_what_was_found(run_module) -> None:
    waivers = [{"id": "OCH-CTR-06", "reason": "plugins write"}]
    result = run_module(hardening_info, docker_host=NOWHERE, waivers=waivers)
    (found,) = (found for found in result["checks"] if found["id"] == "OCH-CTR-06")
    assert found["status"] == "waived"
    assert found["waiver"] == {"reason": "plugins write", "expires": "", "expired": False, "value": ""}
    assert "docker" in found["actual"].lower()
    assert result["summary"]["waived"] == 1
    assert sum(result["summary"].values()) == len(result["checks"])
    assert result["unused_waivers"] == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"docker_host": "/var/run/docker.sock"}, "docker_host"),
        ({"containers": ["-x"]}, "containers"),
        ({"containers": ["a\nb"]}, "containers"),
        ({"project": "a$b"}, "project"),
        ({"record": "relative.json"}, "record"),
        ({"image_max_age_days": 0}, "image_max_age_days"),
        ({"units": {"a.service": "much"}}, "units.a.service"),
        ({"units": {"-a.service": 2}}, "units"),
        ({"capabilities": ["`id`"]}, "capabilities"),
        ({"waivers": [{"id": "OCH-XXX-01", "reason": "why not"}]}, "waivers[0].id"),
        ({"waivers": [{"id": "OCH-CTR-06", "reason": ""}]}, "waivers[0].reason"),
        ({"deployment": {**DEPLOYMENT, "record_dir": "relative"}}, "record_dir"),
        ({"deployment": {**DEPLOYMENT, "project": "a$b"}}, "project"),
    ],
)
def test_bad_options_are_refused_with_one_message(run_module, options: dict, named: str) -> None:
    result = run_module(hardening_info, **{"docker_host": NOWHERE, **options})
    assert result["failed"]
    assert named in result["msg"]
    assert "needed" in result["msg"]
    assert "Traceback" not in str(result)


def test_capabilities_are_taken_with_and_without_prefix() -> None:
    params = {
        "addresses": [], "capabilities": ["CAP_CHOWN", "net_bind_service"], "account": "", "units": {}, "record": "",
        "image_max_age_days": 30, "docker_users": [],
    }  # fmt: skip
    assert policy_audit.allowed_from(params).capabilities == ("CHOWN", "NET_BIND_SERVICE")


class _Module:
    def __init__(self) -> None:
        self.params = {
            "docker_host": NOWHERE, "containers": ["x"], "project": "", "addresses": [], "capabilities": [],
            "account": "", "units": {}, "record": "", "image_max_age_days": 30, "docker_users": [], "waivers": [],
        }  # fmt: skip


def test_hostile_evidence_is_masked_escaped_and_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a container, a label or a log line reports is shown on one line, short, without secrets, never evaluated."""
    secret = "c0ffee" * 12
    hostile = f"<script>{{{{ lookup('pipe', 'id') }}}}</script>\n\x1b[2J\u202e {secret} " + "A" * (1 << 20)
    audit = policy_audit.Audit(_Module())  # type: ignore[arg-type]
    audit.secrets.add(secret)
    row = next(rule for rule in RULES if not rule.manual)
    monkeypatch.setattr(policy_audit, "look_at_host", lambda *arguments: {})
    monkeypatch.setattr(policy_audit, "check_evidence", lambda rules, target, *more: [
        policy_audit.Finding(row, f"{target}{hostile}", "fail", hostile, ((hostile, hostile),))
    ])  # fmt: skip
    for found in audit.run()["checks"]:
        texts = [found["target"], found["actual"], found["evidence"][0]["source"], found["evidence"][0]["text"]]
        for text in texts:
            assert len(text) < 500
            assert secret not in text
            assert "********" in text
            assert not any(character in text for character in "\n\x1b\u202e")
            assert "{{ lookup('pipe', 'id') }}" in text  # shown as it is


def test_a_part_that_cannot_be_read_spoils_only_its_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        policy_audit, "look_at_host", lambda *arguments: {"daemon": Unavailable("gone"), "units": Unavailable("gone")}
    )
    result = policy_audit.Audit(_Module()).run()  # type: ignore[arg-type]
    host = {found["status"] for found in result["checks"] if found["area"] == "host" and not found["manual"]}
    assert host == {"error"}


def test_a_deployment_that_cannot_be_seen_leaves_the_audit_whole(run_module, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(access, "not_installed", lambda _host: False)
    names = {**DEPLOYMENT, "record_dir": str(tmp_path)}
    result = run_module(hardening_info, docker_host=NOWHERE, deployment=names)
    assert set(result["deployment"]) == {"error"}
    assert "no socket /nonexistent/docker.sock" in result["deployment"]["error"]
    assert {found["id"] for found in result["checks"]} == {rule.id for rule in RULES}
    assert "deployment" not in run_module(hardening_info, docker_host=NOWHERE)


def test_a_damaged_record_is_drift(run_module, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(access, "not_installed", lambda _host: True)
    (tmp_path / "deployed.json").write_text("no JSON")
    found = run_module(hardening_info, docker_host=NOWHERE, deployment={**DEPLOYMENT, "record_dir": str(tmp_path)})
    assert "deployed.json" in found["deployment"]["drift"][0]


@pytest.mark.parametrize(
    ("instance", "container"), [("openclaw", "openclaw-gateway"), ("acme", "openclaw-acme-gateway")]
)
def test_what_is_not_given_is_what_the_instance_has(run_module, monkeypatch, instance, container) -> None:
    seen = []
    monkeypatch.setattr(hardening_info, "Audit", lambda module: seen.append(dict(module.params)) or Audit(module))
    result = run_module(hardening_info, docker_host=NOWHERE, instance=instance)
    assert {found["target"] for found in result["checks"]} == {"host", container}
    (params,) = seen
    name = container.removesuffix("-gateway")
    assert params["account"] == name
    assert params["record"] == f"/var/lib/{name}-hardening/image.json"
    assert sorted(params["units"]) == sorted(
        f"{name}-{unit}"
        for unit in (
            "audit.service",
            "audit.timer",
            "auth-monitor.service",
            "auth-monitor.timer",
            "auth-notifier.service",
            "events.service",
            "events.timer",
            "gateway-firewall.service",
            "gateway-start.service",
            "gateway.service",
            "maintenance-notifier.service",
            "maintenance-notifier.timer",
        )
    )


@pytest.mark.parametrize("options", [{"containers": ["another"]}, {"project": "another"}, {"units": {}}])
def test_anybody_s_containers_have_no_units_of_the_instance(run_module, options) -> None:
    result = run_module(hardening_info, docker_host=NOWHERE, **options)
    skipped = {found["id"] for found in result["checks"] if found["area"] == "systemd" and found["status"] == "skip"}
    assert "OCH-SYS-01" in skipped


def test_a_name_that_is_no_instance_is_refused(run_module) -> None:
    answer = run_module(hardening_info, docker_host=NOWHERE, instance="A b")
    assert answer["failed"]
    assert answer["msg"].startswith("instance: found 'A b'")
