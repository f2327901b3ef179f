"""The gate, over what Compose really printed."""

from __future__ import annotations

import copy
import json
from datetime import date
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import gate as deploy_gate
from docker.errors import ImageNotFound
from unit.plugins.module_utils._docker.test_container_spec import RECORDED

TODAY = date(2026, 11, 22)
HEALTHCHECK = {"Test": ["CMD", "curl", "-f", "http://127.0.0.1:18789/healthz"]}
GOOD_IMAGE = {"User": "1000", "Healthcheck": HEALTHCHECK, "Entrypoint": ["dumb-init"], "Env": ["PATH=/bin"]}


class Images:
    """The part of the daemon's client that is asked for images."""

    def __init__(self, **images: dict) -> None:
        self.api, self.images = self, images

    def inspect_image(self, ref: str) -> dict:
        if ref not in self.images:
            raise ImageNotFound(ref)
        return {"Id": "sha256:1", "Config": self.images[ref]}


THERE = Images(**{"openclaw:hardened": GOOD_IMAGE})
MISSING = Images()


def hardened(**keys: object) -> dict:
    """The hardened definition, with other keys in its gateway; None takes one away."""
    config = json.loads((RECORDED / "compose-hardened.json").read_text())
    config["services"]["openclaw-gateway"].update(keys)
    return config


def gate(policy: dict | None = None, *waivers: dict) -> deploy_gate.Gate:
    return deploy_gate.gate_from({"policy": policy, "waivers": list(waivers)})


def checked(
    config: dict, wanted: deploy_gate.Gate | None = None, api: object = THERE, predicting: bool = False
) -> list:
    compose = SimpleNamespace(resolve=lambda text: copy.deepcopy(config))
    deployment = SimpleNamespace(definition=SimpleNamespace(content=b""), container="openclaw-gateway")
    return deploy_gate.check(wanted or gate(), compose, api, deployment, predicting=predicting, today=TODAY)


def broken(*arguments: object, **options: object) -> set[tuple[str, str]]:
    return {(found.rule.id, found.target) for found in checked(*arguments, **options) if found.bad}


def waiver(rule: str, reason: str = "for a test", **more: str) -> dict:
    return {"id": rule, "reason": reason, "expires": "", "target": "", **more}


def test_the_hardened_definition_passes():
    findings = checked(hardened())
    assert {found.target for found in findings} == {"openclaw-gateway", "openclaw-cli"}
    assert [found for found in findings if found.bad] == []
    deploy_gate.refuse(findings)
    assert deploy_gate.waived(findings) == []


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        ("OCH-CTR-02", {"user": "0:0"}),
        ("OCH-CTR-03", {"privileged": True}),
        ("OCH-CTR-04", {"cap_drop": []}),
        ("OCH-CTR-04", {"cap_add": ["SYS_ADMIN"]}),
        ("OCH-CTR-05", {"security_opt": []}),
        ("OCH-CTR-05", {"security_opt": ["no-new-privileges:false"]}),
        ("OCH-CTR-06", {"read_only": False}),
        ("OCH-CTR-07", {"security_opt": ["no-new-privileges:true", "seccomp=unconfined"]}),
        ("OCH-CTR-08", {"security_opt": ["no-new-privileges:true", "apparmor=unconfined"]}),
        ("OCH-CTR-09", {"tmpfs": ["/tmp"]}),
        ("OCH-CTR-10", {"volumes": [{"type": "volume", "source": "v", "target": "/data"}]}),
        ("OCH-CTR-11", {"volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]}),
        ("OCH-CTR-12", {"volumes": [{"type": "bind", "source": "/etc", "target": "/e", "read_only": True}]}),
        ("OCH-CTR-13", {"network_mode": "host"}),
        ("OCH-CTR-14", {"pid": "host"}),
        ("OCH-CTR-15", {"ipc": "host"}),
        ("OCH-CTR-16", {"uts": "host"}),
        ("OCH-CTR-17", {"userns_mode": "host"}),
        ("OCH-CTR-18", {"cgroup_parent": "/foreign"}),
        ("OCH-CTR-19", {"devices": ["/dev/kvm"]}),
        ("OCH-CTR-20", {"mem_limit": None}),
        ("OCH-CTR-21", {"cpus": None}),
        ("OCH-CTR-22", {"pids_limit": None}),
        ("OCH-CTR-23", {"restart": "always"}),
        (
            "OCH-CTR-24",
            {"volumes": [{"type": "bind", "source": "/srv/x", "target": "/x", "bind": {"propagation": "shared"}}]},
        ),
        ("OCH-CTR-25", {"healthcheck": {"disable": True}}),
        ("OCH-CTR-26", {"oom_kill_disable": True}),
        ("OCH-CTR-27", {"security_opt": ["no-new-privileges:true", "systempaths=unconfined"]}),
        ("OCH-NET-01", {"ports": [{"target": 18789, "published": "18789", "protocol": "tcp"}]}),
    ],
)
def test_one_wrong_key_is_found(rule, keys):
    assert (rule, "openclaw-gateway") in broken(hardened(**keys))


def test_what_is_beside_openclaw_is_checked_as_what_it_is():
    config = hardened(volumes=[{"type": "volume", "source": "v", "target": "/data"}], image="mine:1", environment={})
    config["services"]["db"] = {
        "image": "postgres:17",
        "volumes": [{"type": "volume", "source": "v", "target": "/data"}],
    }
    found = broken(config)
    assert ("OCH-CTR-10", "db") not in found
    assert ("OCH-CTR-10", "openclaw-gateway") in found  # it is what is deployed, whatever it is called inside


def test_every_service_of_the_file_is_checked():
    config = hardened()
    config["services"]["openclaw-cli"]["privileged"] = True
    config["services"]["foreign container"] = {"image": "other:1"}
    found = broken(config)
    assert ("OCH-CTR-03", "openclaw-cli") in found
    assert {"OCH-CTR-02", "OCH-CTR-05", "OCH-CTR-06", "OCH-CTR-20"} <= {
        rule for rule, name in found if name == "foreign container"
    }


def test_what_the_operator_allows_passes():
    everywhere = [{"target": 18789, "published": "18789", "protocol": "tcp"}]
    config = hardened(ports=everywhere, cap_add=["NET_BIND_SERVICE"])
    assert broken(config, gate({"addresses": ["any"], "capabilities": ["CAP_NET_BIND_SERVICE"]})) == set()


def test_a_waiver_holds_until_its_last_day_and_for_its_target():
    config = hardened(read_only=False)
    assert broken(config) == {("OCH-CTR-06", "openclaw-gateway")}
    for more in ({}, {"expires": "2026-11-22"}, {"target": "openclaw-gateway"}):
        findings = checked(config, gate(None, waiver("OCH-CTR-06", **more)))
        deploy_gate.refuse(findings)
        (line,) = deploy_gate.waived(findings)
        assert line.startswith("OCH-CTR-06 (The root file system is read-only): openclaw-gateway: ")
        assert line.endswith("; waived: for a test")
    for more in ({"expires": "2026-11-21"}, {"target": "openclaw-cli"}):
        assert broken(config, gate(None, waiver("OCH-CTR-06", **more))) == {("OCH-CTR-06", "openclaw-gateway")}
    other = waiver("OCH-CTR-03", expires="2026-12-31")
    assert broken(config, gate(None, other)) == {("OCH-CTR-06", "openclaw-gateway")}


def test_a_waiver_for_the_container_is_one_for_its_helpers():
    config = hardened(read_only=False)
    config["services"]["openclaw-cli"]["read_only"] = False
    assert broken(config, gate(None, waiver("OCH-CTR-06", target="openclaw-gateway"))) == set()
    ended = gate(None, waiver("OCH-CTR-06", target="openclaw-gateway", expires="2026-11-21"))
    assert {name for _rule, name in broken(config, ended)} == {"openclaw-gateway", "openclaw-cli"}
    config["services"]["openclaw-cli"]["profiles"] = []
    config["services"]["openclaw-cli"]["healthcheck"] = {"test": HEALTHCHECK["Test"]}
    other = broken(config, gate(None, waiver("OCH-CTR-06", target="openclaw-gateway")))
    assert ("OCH-CTR-06", "openclaw-cli") in other


def test_a_profile_makes_no_helper_of_what_is_deployed():
    config = hardened(profiles=["x"], healthcheck={"disable": True})
    assert ("OCH-CTR-25", "openclaw-gateway") in broken(config)
    config = hardened(profiles=["x"], network_mode="service:openclaw-cli", networks=None)
    assert ("OCH-CTR-13", "openclaw-gateway") in broken(config)


def test_a_seccomp_profile_is_read_from_its_file(tmp_path):
    (tmp_path / "good.json").write_text('{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}')
    (tmp_path / "bad.json").write_text('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}')

    def found(name: str) -> set[tuple[str, str]]:
        config = hardened(security_opt=["no-new-privileges:true", f"seccomp={name}"])
        compose = SimpleNamespace(resolve=lambda text: copy.deepcopy(config), directory=str(tmp_path))
        deployment = SimpleNamespace(definition=SimpleNamespace(content=b""), container="openclaw-gateway")
        findings = deploy_gate.check(gate(), compose, THERE, deployment, predicting=False, today=TODAY)
        return {(finding.rule.id, finding.status, finding.actual) for finding in findings if finding.bad}

    for name in ("good.json", str(tmp_path / "good.json")):
        assert found(name) == set()
    ((rule, status, _actual),) = found("bad.json")
    assert (rule, status) == ("OCH-CTR-07", "fail")
    (tmp_path / "secret").write_text("canary-0001")
    for name in ("none.json", "secret"):
        assert found(name) == {("OCH-CTR-07", "error", f"the seccomp profile {name} could not be read")}


def test_a_waiver_may_be_about_one_mount():
    mount = {"type": "bind", "source": "/srv/a", "target": "/a"}
    config = hardened()
    config["services"]["openclaw-gateway"]["volumes"].append(mount)
    bound = gate(None, waiver("OCH-CTR-10", value="/srv/a"))
    assert broken(config, bound) == set()
    config["services"]["openclaw-gateway"]["volumes"].append({**mount, "source": "/srv/b", "target": "/b"})
    assert broken(config, bound) == {("OCH-CTR-10", "openclaw-gateway")}


def test_one_message_names_every_rule_what_was_found_and_the_fix():
    config = hardened(read_only=False, privileged=True)
    config["services"]["openclaw-cli"]["read_only"] = False
    with pytest.raises(HardeningError) as refusal:
        deploy_gate.refuse(checked(config, gate(None, waiver("OCH-CTR-06", expires="2026-11-21"))))
    message = str(refusal.value)
    assert message.startswith("definition: found ")
    assert "rules of the policy broken, needed " in message
    assert "'waivers'" in message
    (line,) = [line for line in message.splitlines() if "OCH-CTR-06" in line]
    assert (
        "(The root file system is read-only): openclaw-gateway, openclaw-cli: the root file system is writable" in line
    )
    assert "(its waiver ended on 2026-11-21)" in line
    assert "; remediation: set `read_only: true`" in line
    assert "OCH-CTR-03" in message


def test_the_message_holds_neither_secrets_nor_control_characters():
    bad = hardened(volumes=[{"type": "bind", "source": "/etc", "target": "/x\x1b[2J\n- OCH canary-0001"}])
    with pytest.raises(HardeningError) as refusal:
        deploy_gate.refuse(checked(bad), ["canary-0001"])
    message = str(refusal.value)
    assert "canary" not in message
    assert "\x1b" not in message
    assert all(line.startswith("- OCH-") for line in message.splitlines()[1:])


# --- what the image adds ----------------------------------------------------------------------------------------------


def test_what_is_left_to_the_image_is_checked_with_it():
    config = hardened(user=None)
    assert broken(config) == set()
    bad = Images(**{"openclaw:hardened": {"User": "root", "Healthcheck": {"Test": ["CMD", "true"]}}})
    assert {("OCH-CTR-02", "openclaw-gateway"), ("OCH-CTR-25", "openclaw-gateway")} <= broken(config, api=bad)


def test_an_image_with_volumes_is_not_read_only():
    image = Images(**{"openclaw:hardened": {**GOOD_IMAGE, "Volumes": {"/data": {}}}})
    assert ("OCH-CTR-10", "openclaw-gateway") in broken(hardened(), api=image)


@pytest.mark.parametrize("api", [MISSING, None])
def test_a_prediction_leaves_open_what_only_the_image_reports(api):
    config = hardened(user=None, privileged=True)
    assert {rule for rule, _name in broken(config, api=api, predicting=True)} >= {"OCH-CTR-03"}
    assert not {"OCH-CTR-02", "OCH-CTR-25"} & {rule for rule, _name in broken(config, api=api, predicting=True)}
    assert ("OCH-CTR-02", "openclaw-gateway") in broken(hardened(user="root"), api=api, predicting=True)


def test_a_run_leaves_nothing_open():
    assert ("OCH-CTR-02", "openclaw-gateway") in broken(hardened(user=None), api=MISSING)


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["any", "192.0.2.7", "2001:db8::7", "fe80::1%eth0"])
def test_addresses(address):
    assert gate({"addresses": [address], "capabilities": []}).allowed.addresses == (address,)


@pytest.mark.parametrize(
    ("policy", "waivers", "option"),
    [
        ({"addresses": ["everywhere"], "capabilities": []}, [], "policy.addresses"),
        ({"addresses": ["192.0.2.0/24"], "capabilities": []}, [], "policy.addresses"),
        ({"addresses": [], "capabilities": ["ALL"]}, [], "policy.capabilities"),
        ({"addresses": [], "capabilities": ["CAP_ALL"]}, [], "policy.capabilities"),
        ({"addresses": [], "capabilities": ["net bind"]}, [], "policy.capabilities"),
        (None, [waiver("OCH-CTR-6")], "waivers[0].id"),
        (None, [waiver("OCH-CTR-06", reason=" ")], "waivers[0].reason"),
        (None, [waiver("OCH-CTR-06"), waiver("OCH-CTR-06", expires="soon")], "waivers[1].expires"),
    ],
)
def test_bad_options_are_refused(policy, waivers, option):
    with pytest.raises(HardeningError) as refusal:
        gate(policy, *waivers)
    assert str(refusal.value).startswith(f"{option}: found ")
