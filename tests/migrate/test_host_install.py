"""From an OpenClaw that a user installed on the host to the hardened one, and back."""

from __future__ import annotations

import pytest
from bases import BOT, STATE, STRONG, Bases

HARDENED = ["openclaw-gateway"]


@pytest.fixture(scope="module")
def install(bases: Bases) -> Bases:
    """Make it once; the tests of this file go on with each other's result."""
    bases.host_install()
    return bases


def content(install: Bases) -> list[str]:
    """Return the hash of each file of the user that the gateway does not write at start and stop."""
    find = "find .openclaw/openclaw.json .openclaw/workspace .config -type f -print0 | sort -z | xargs -0 sha256sum"
    return install.host.check(f"cd /home/alice; {find}").splitlines()


def test_check_mode_is_the_plan_and_touches_nothing(install: Bases) -> None:
    before = content(install)
    plan = install.migrate("--check")
    assert plan.returncode == 0, plan.stdout[-6000:]
    assert "disable and stop openclaw-gateway.service of alice" in plan.stdout
    assert BOT not in plan.stdout
    assert (install.unit_of_alice(), content(install)) == ("active enabled", before)


def test_a_failure_after_the_stop_leaves_it_as_before(install: Bases) -> None:
    """Another process has the port of the new deployment: the trial passes, the deployment cannot start."""
    host, before = install.host, content(install)
    host.check("systemd-run --quiet --unit holder python3 -m http.server --bind 127.0.0.1 18999")
    failed = install.migrate(openclaw_gateway_port=18999)
    host.check("systemctl stop holder")
    assert failed.returncode != 0
    assert "The base runs as before" in failed.stdout, failed.stdout[-6000:]
    install.started()
    assert (install.unit_of_alice(), content(install)) == ("active enabled", before)
    assert install.answer(STRONG) == "200"
    assert install.running() == []


def test_killed_while_it_is_stopped_and_migrated_by_one_more_run(install: Bases) -> None:
    before = content(install)
    install.killed_when("stopping")
    done = install.migrate()
    assert done.returncode == 0, done.stdout[-8000:]
    assert install.running() == HARDENED
    assert (install.answer(STRONG), install.answer("0" * 64)) == ("200", "401")
    assert install.host.check(f"cat {STATE}/workspace/notes.md") == "work"
    # `systemctl --user disable` removes the link, and nothing else.
    assert install.unit_of_alice() == "inactive disabled"
    assert content(install) == before
    config = install.host.check("cat /etc/openclaw/openclaw.json")
    assert "/home/alice" not in config
    assert BOT not in config + done.stdout


def test_a_second_run_changes_nothing(install: Bases) -> None:
    again = install.migrate()
    assert again.returncode == 0, again.stdout[-4000:]
    assert "changed=0" in again.stdout


def test_undone_on_request(install: Bases) -> None:
    done = install.migrate(openclaw_migrate_undo=True)
    assert done.returncode == 0, done.stdout[-6000:]
    install.started()
    assert (install.running(), install.unit_of_alice()) == ([], "active enabled")
    assert install.answer(STRONG) == "200"
