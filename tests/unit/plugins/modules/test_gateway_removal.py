"""The module's options: what is refused by its name, before anything is looked at."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.modules import gateway_removal

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("instance", "../etc"),
        ("instance", "a\nb"),
        ("instance", "x-hardening"),
        ("backup_dir", "relative"),
        ("backup_dir", "/var/../etc"),
        ("docker_host", "ssh://host"),
        ("lock_timeout", -1),
        ("command_timeout", 0),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_bad_option_is_refused_by_its_name(run_module, option, value, check):
    result = run_module(gateway_removal, check, **{"instance": "openclaw", option: value})
    assert result["failed"]
    assert result["msg"].startswith(option)


@pytest.mark.parametrize(
    ("backup", "named"),
    [
        ({"recipient": f"AGE-SECRET-KEY-{CANARY}"}, "recipient"),
        ({"keep": 0}, "keep"),
        ({"timeout": 1}, "timeout"),
        ({"lock_files": {"passwd": CANARY}}, "lock_files"),
    ],
)
def test_the_last_backup_is_refused_as_any_other(run_module, backup, named):
    result = run_module(gateway_removal, True, instance="openclaw", backup=backup)
    assert result["failed"]
    assert result["msg"].startswith(named)
    assert CANARY not in result["msg"]


@pytest.mark.parametrize("backup", [None, {}])
@pytest.mark.parametrize("folder", ["/etc/openclaw/backups", "/var/lib/openclaw/backups", "/var/lib"])
def test_backups_are_not_kept_in_what_is_removed(run_module, backup, folder):
    given = {} if backup is None else {"backup": backup}
    result = run_module(gateway_removal, True, instance="openclaw", backup_dir=folder, **given)
    assert result["failed"]
    assert result["msg"].startswith("backup_dir")
