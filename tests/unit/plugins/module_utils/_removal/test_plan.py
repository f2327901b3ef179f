"""What goes, what stays and why, in which order, and what is refused; without a host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup import options as backup_options
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._removal import plan as removal
from ansible_collections.openclaw.hardening.plugins.module_utils._removal.plan import Current, Thing, decide, refuse

HOME = "/var/lib/openclaw"
THINGS = (
    Thing(removal.RECORDS, "directory", "/var/lib/openclaw-hardening"),
    Thing(removal.RECORDS, "lock", "/var/lib/openclaw-hardening/deploy.lock", data=True),
    Thing(removal.RECORDS, "record", "/var/lib/openclaw-hardening/deployed.json"),
    Thing(removal.ACCOUNT, "account", "openclaw", data=True),
    Thing(removal.ACCOUNT, "group", "openclaw", data=True),
    Thing(removal.DATA, "home", HOME, data=True),
    Thing(removal.DATA, "state", f"{HOME}/.openclaw", data=True),
    Thing(removal.DATA, "directory", "/etc/openclaw"),
    Thing(removal.DATA, "directory", "/etc/openclaw/secrets"),
    Thing(removal.DATA, "secret", "/etc/openclaw/secrets/gateway_token", data=True),
    Thing(removal.FILES, "secret", "/etc/openclaw/secrets/provider_x"),
    Thing(removal.FILES, "file", "/etc/openclaw/passwd"),
    Thing(removal.UNIT_FILES, "unit file", "/etc/systemd/system/openclaw-gateway.service"),
    Thing(removal.CONTAINERS, "container", "openclaw-gateway", key="1"),
    Thing(removal.NETWORKS, "network", "openclaw-gateway", key="2"),
    Thing(removal.UNITS, "unit", "openclaw-gateway.service", key="openclaw-gateway.service"),
)
FOUND = Current(THINGS, running=True)
GIVEN: dict[str, Any] = {
    **{name: spec.get("default") for name, spec in backup_options.BACKUP_ARGUMENTS.items()},
    "project": "openclaw",
    "directory": "/var/backups/openclaw",
    "state_dir": f"{HOME}/.openclaw",
    "config_dir": "/etc/openclaw",
    "record_dir": "/var/lib/openclaw-hardening",
}


def request(**more: Any) -> backup_options.Request:
    return backup_options.wanted_from({**GIVEN, **more})


def with_things(*more: Thing, **changes: Any) -> Current:
    return Current((*THINGS, *more), **{"running": True, **changes})


def removed(plan: removal.Plan) -> list[str]:
    return [thing.path for thing in plan.removed]


def stays(plan: removal.Plan) -> dict[str, str]:
    return {thing.text: thing.reason for thing in plan.stays}


def test_data_and_what_it_needs_stay_by_default() -> None:
    plan = decide(FOUND, data=False, backup=True)
    assert set(stays(plan)) == {
        "account openclaw",
        "group openclaw",
        f"home {HOME}",
        f"state {HOME}/.openclaw",
        "secret /etc/openclaw/secrets/gateway_token",
        "directory /etc/openclaw/secrets",
        "directory /etc/openclaw",
        "lock /var/lib/openclaw-hardening/deploy.lock",
        "directory /var/lib/openclaw-hardening",
    }
    assert "data=true" in stays(plan)["account openclaw"]
    assert "/etc/openclaw/secrets/gateway_token" in stays(plan)["directory /etc/openclaw/secrets"]
    assert {"/etc/openclaw/secrets/provider_x", "/var/lib/openclaw-hardening/deployed.json"} <= set(removed(plan))
    assert plan.backup


def test_with_the_data_nothing_stays() -> None:
    plan = decide(FOUND, data=True, backup=True)
    assert stays(plan) == {}
    assert sorted(removed(plan)) == sorted(thing.path for thing in THINGS)


def test_nothing_can_start_the_container_again_and_records_go_last() -> None:
    order = [(thing.stage, thing.path) for thing in decide(FOUND, data=True, backup=True).removed]
    assert [stage for stage, _path in order] == sorted((stage for stage, _path in order), key=removal.STAGES.index)
    assert order[0] == (removal.UNITS, "openclaw-gateway.service")
    paths = [path for _stage, path in order]
    for folder in (thing.path for thing in THINGS if thing.kind in ("directory", "home")):
        assert all(paths.index(path) < paths.index(folder) for path in paths if path.startswith(f"{folder}/")), folder
    assert paths[-2:] == ["/var/lib/openclaw-hardening/deploy.lock", "/var/lib/openclaw-hardening"]


def test_without_data_the_account_goes() -> None:
    found = Current(tuple(thing for thing in THINGS if thing.kind not in ("state", "home")))
    plan = decide(found, data=False, backup=True)
    assert stays(plan) == {}
    assert not plan.backup


def test_a_home_without_a_state_is_data() -> None:
    found = Current(tuple(thing for thing in THINGS if thing.kind != "state"))
    plan = decide(found, data=False, backup=True)
    assert f"home {HOME}" in stays(plan)
    assert not plan.backup


def test_a_foreign_thing_keeps_its_directory() -> None:
    foreign = Thing(removal.FILES, "file", "/etc/openclaw/notes.txt", "not ours")
    plan = decide(with_things(foreign), data=True, backup=False)
    assert stays(plan) == {
        "file /etc/openclaw/notes.txt": "not ours",
        "directory /etc/openclaw": "it holds /etc/openclaw/notes.txt",
    }
    assert "/etc/openclaw/secrets" in removed(plan)


@pytest.mark.parametrize(
    ("changes", "backup", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"running": False, "backed_up": "/var/backups/openclaw/x.tar.zst"}, True, False),
        ({"running": True, "backed_up": "/var/backups/openclaw/x.tar.zst"}, True, True),
    ],
    ids=["wanted", "refused", "made-by-a-killed-run", "it-runs-again"],
)
def test_a_last_backup(changes: dict[str, Any], backup: bool, expected: bool) -> None:
    plan = decide(with_things(**changes), data=True, backup=backup)
    assert plan.backup is expected
    assert ("make a last backup" in plan.actions) is expected


def test_records_alone_need_no_backup() -> None:
    left = Current(tuple(thing for thing in THINGS if thing.stage in (removal.RECORDS, removal.DATA, removal.ACCOUNT)))
    assert not decide(left, data=False, backup=True).backup
    assert decide(left, data=True, backup=True).backup


# --- what is refused ----------------------------------------------------------------------------------------------


def refused(found: Current, *, data: bool = False, backup: backup_options.Request | None = None) -> str:
    plan = decide(found, data=data, backup=backup is not None)
    with pytest.raises(HardeningError) as caught:
        refuse(found, plan, data=data, backup=backup)
    return str(caught.value)


def test_a_good_removal_is_not_refused() -> None:
    for data, backup in ((False, request()), (True, None), (True, request(secrets=False)),
                         (True, request(recipient=f"age1{'q' * 58}"))):  # fmt: skip
        refuse(FOUND, decide(FOUND, data=data, backup=backup is not None), data=data, backup=backup)


def test_a_container_of_another_owner_on_our_network_is_refused() -> None:
    message = refused(with_things(attached=(("openclaw-gateway", "mine"),)))
    assert "docker network disconnect openclaw-gateway mine" in message


def test_a_deployment_that_was_cut_off_is_refused_while_its_data_counts() -> None:
    found = with_things(interrupted="stopping")
    assert "cut off while stopping" in refused(found)
    assert "cut off while stopping" in refused(found, data=True, backup=request(secrets=False))
    refuse(found, decide(found, data=True, backup=False), data=True, backup=None)


def test_secrets_are_not_lost_with_the_data() -> None:
    assert refused(FOUND, data=True, backup=request()).startswith("backup.recipient")


def test_a_mount_point_in_the_data_is_refused_only_with_the_data() -> None:
    found = with_things(mounts=("/", f"{HOME}/.openclaw/media", "/var/lib/openclaw2"))
    assert f"umount {HOME}/.openclaw/media" in refused(found, data=True)
    refuse(found, decide(found, data=False, backup=False), data=False, backup=None)


def test_a_program_of_the_account_is_refused_only_with_the_account() -> None:
    found = with_things(processes=("process 7 (vi)",))
    assert "process 7 (vi)" in refused(found, data=True)
    refuse(found, decide(found, data=False, backup=False), data=False, backup=None)
