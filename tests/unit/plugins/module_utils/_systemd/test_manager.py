# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units are checked by the real systemd-analyze, in a root directory of their own."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import manager
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd.manager import Unit, UnitStatus

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed here")

SERVICE = """[Unit]
Description=A job
Requires=docker.service
After=docker.service odd.socket
[Service]
Type=oneshot
ExecStart=/opt/none/such --flag
ProtectHome=yes
"""
TIMER = "[Unit]\nDescription=A timer\n[Timer]\nOnCalendar=*:0/30\n[Install]\nWantedBy=timers.target\n"


class Host:
    """The part of AnsibleModule that runs programs."""

    def __init__(self, tmpdir):
        self.tmpdir = str(tmpdir)

    def run_command(self, argv, cwd=None, environ_update=None, data=None, use_unsafe_shell=False, **_options):
        environment = {**os.environ, **(environ_update or {})}
        done = subprocess.run(argv, cwd=cwd, env=environment, input=data, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_names_of_the_four_kinds():
    for name in ("a.service", "openclaw-auth-monitor.timer", "x.path", "y_1.socket"):
        assert manager.unit_name("units", name) == name


@pytest.mark.parametrize(
    "value", ["a", "a.mount", "-a.service", "a@.service", "a b.service", "../a.service", "é.timer", 7]
)
def test_other_names_are_refused(value):
    with pytest.raises(HardeningError, match=r"units: found .*, needed .*\.service"):
        manager.unit_name("units", value)


def test_content_is_kept_as_it_is():
    text = "# why\n" + SERVICE + "\n[X-Ours]\nAnything=goes\n; too\n"
    assert manager.unit_content("units", "a.service", text) == text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ExecStart=/bin/a \\", "swallows the next directive"),
        ("User=a\rUser=root", "printable"),
        ("Tab=\there", "printable"),
        ("Hidden=a\u202eb", "printable"),
        ("Nul=\0", "printable"),
        ("[Timer]", r"\[Service\]"),
        ("no directive", "directive such as"),
        ("-x=1", "does not start with '-'"),
    ],
)
def test_content_that_hides_something_is_refused(line, reason):
    with pytest.raises(HardeningError, match=reason) as refusal:
        manager.unit_content("units", "a.service", f"[Service]\n{line}\n")
    assert "line 2 of a.service" in str(refusal.value)


def test_content_must_be_whole_lines_below_a_section():
    with pytest.raises(HardeningError, match="newline"):
        manager.unit_content("units", "a.service", "[Service]")
    with pytest.raises(HardeningError, match="below a section"):
        manager.unit_content("units", "a.service", "Type=exec\n")


def test_programs_and_references():
    unit = Unit(
        "a.service", '[Service]\nExecStartPre=-+/bin/one x\nExecStart="/bin/two"\nExecStop=\nExecReload=relative\n'
    )
    assert manager.programs([unit]) == ["/bin/one", "/bin/two"]
    assert manager.references([Unit("a.service", SERVICE)]) == ["docker.service", "odd.socket"]


def test_install_section():
    assert manager.install_section(TIMER) == ["WantedBy=timers.target"]
    assert manager.install_section(SERVICE) == []


def test_show_is_read_by_block():
    text = (
        "Id=a.timer\nActiveState=active\nSubState=waiting\nUnitFileState=enabled\n"
        "FragmentPath=/etc/systemd/system/a.timer\nDropInPaths=/x/1.conf /x/2.conf\nNeedDaemonReload=yes\n"
        "\nId=b.service\nActiveState=failed\nSubState=failed\nUnitFileState=\nFragmentPath=\nDropInPaths=\n"
    )
    found = manager.parse_show(text, ["a.timer", "b.service", "c.service"])
    assert found["a.timer"] == UnitStatus(
        "active", "waiting", "enabled", "/etc/systemd/system/a.timer", ("/x/1.conf", "/x/2.conf"), True
    )
    assert (found["a.timer"].active, found["a.timer"].enabled) == (True, True)
    assert found["b.service"].active_state == "failed"
    assert not found["b.service"].active
    assert found["c.service"] == UnitStatus()


@needs_systemd
def test_a_good_set_passes_without_its_program_or_its_neighbours(host, tmp_path):
    units = [Unit("a.service", SERVICE), Unit("a.timer", TIMER)]
    found = manager.refuse_faults(host, units, ["/opt/none/such"], {"a.service": 9.9}, host.tmpdir)
    assert 5 < found["a.service"] < 9.9
    assert list(tmp_path.iterdir()) == []


@needs_systemd
@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("ProtectHome=yes", "NoSuchDirective=yes", "Unknown key.*NoSuchDirective"),
        ("ProtectHome=yes", "ProtectHome=maybe", "ProtectHome|maybe"),
        ("Type=oneshot", "Type=onceupon", "onceupon"),
        ("*:0/30", "sometimes", "calendar"),
    ],
)
def test_one_word_of_systemd_is_a_refusal(host, tmp_path, old, new, reason):
    units = [Unit("a.service", SERVICE.replace(old, new)), Unit("a.timer", TIMER.replace(old, new))]
    with pytest.raises(HardeningError, match=reason) as refusal:
        manager.refuse_faults(host, units, ["/opt/none/such"], {}, host.tmpdir)
    assert str(tmp_path) not in str(refusal.value)


@needs_systemd
def test_a_program_that_nobody_brings_is_a_refusal(host):
    with pytest.raises(HardeningError, match="/opt/none/such is not executable"):
        manager.refuse_faults(host, [Unit("a.service", SERVICE)], [], {}, host.tmpdir)


@needs_systemd
def test_exposure_above_the_limit_is_a_refusal(host):
    with pytest.raises(HardeningError, match=r"a.service: found exposure \d\.\d .* needed at most 1.5"):
        manager.refuse_faults(host, [Unit("a.service", SERVICE)], ["/opt/none/such"], {"a.service": 1.5}, host.tmpdir)
    open_unit, shut_unit = SERVICE, SERVICE + "PrivateNetwork=yes\nNoNewPrivileges=yes\nUser=daemon\n"
    exposures = [
        manager.refuse_faults(host, [Unit("a.service", text)], ["/opt/none/such"], {"a.service": 10}, host.tmpdir)[
            "a.service"
        ]
        for text in (open_unit, shut_unit)
    ]
    assert exposures[0] > exposures[1]
