# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units are read from what systemd prints and from what is on the disk."""

from __future__ import annotations

import os
import struct

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import units
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.units import UnitFacts
from ansible_collections.openclaw.hardening.plugins.module_utils._files import path_trace
from ansible_collections.openclaw.hardening.plugins.module_utils._files.path_trace import Entry, faults_of
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import systemd_checks
from ansible_collections.openclaw.hardening.plugins.module_utils._systemd import manager

TEXT = """# a comment \\
[Service]
User=openclaw
UMask=0077 \\
; in between
ProtectSystem=strict
ExecStart=/bin/a \\
  --flag
Path=C:\\\\
Empty=
"""


class Host:
    """Answers of systemctl and systemd-analyze."""

    def __init__(self, **answers: tuple[int, str, str]) -> None:
        self.answers, self.calls = answers, []

    def run_command(self, argv, cwd=None, environ_update=None, data=None, use_unsafe_shell=False, **_options):
        self.calls.append((argv, environ_update))
        return self.answers[argv[1]]


def test_directives_are_read_as_systemd_reads_them():
    found = {directive.key: directive for directive in manager.directives(TEXT)}
    assert list(found) == ["User", "UMask", "ExecStart", "Path", "Empty"]
    assert (found["User"].section, found["User"].value, found["User"].line) == ("Service", "openclaw", 3)
    assert found["UMask"].continued == ("ProtectSystem=strict",)
    assert (found["UMask"].line, found["UMask"].value.split()) == (4, ["0077", "ProtectSystem=strict"])
    assert found["ExecStart"].continued == ("--flag",)
    assert found["Path"].continued == ()


def test_a_backslash_at_the_end_swallows_nothing_but_is_read():
    (found,) = manager.directives("[Service]\nUser=a \\")
    assert (found.value, found.continued) == ("a", ("",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", 120.0),
        ("2min", 120.0),
        ("1min 30s", 90.0),
        ("3h 16min 26.385326s", 11786.385326),
        ("infinity", float("inf")),
        ("1 month", None),
        ("", None),
        ("5min x", None),
    ],
)
def test_time_spans(text, expected):
    assert systemd_checks.seconds(text) == (pytest.approx(expected) if expected else expected)


def test_properties_are_asked_for_all_units_at_once_and_in_utc():
    host = Host(show=(0, "Id=a.service\nX=1=2\n\nId=b.timer\nX=\n", ""))
    assert manager.properties(host, ["b.timer", "a.service"], ("Id", "X")) == {
        "a.service": {"Id": "a.service", "X": "1=2"},
        "b.timer": {"Id": "b.timer", "X": ""},
    }
    ((argv, environment),) = host.calls
    assert argv == ["systemctl", "show", "--property=Id,X", "--", "a.service", "b.timer"]
    assert environment["TZ"] == "UTC"
    with pytest.raises(HardeningError, match="1 answers"):
        manager.properties(Host(show=(0, "Id=a.service\n", "")), ["a.service", "b.timer"], ("Id",))


def test_without_names_nothing_is_declared():
    assert units.look(Host(), []).units == {}
    with pytest.raises(HardeningError, match="units: found"):
        units.look(Host(), ["*.service"])


def test_one_look_joins_all_answers(monkeypatch, tmp_path):
    monkeypatch.setattr(units.os.path, "isdir", lambda path: True)
    fragment = tmp_path / "a.service"
    fragment.write_text(TEXT)
    me = f"MainPID={os.getpid()}"
    shown = (
        f"Id=a.service\nLoadState=loaded\nType=oneshot\nFragmentPath={fragment}\nDropInPaths=/none/x.conf\n{me}\n"
        "User=root\nExecStartEx={ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 -I /opt/job x ; flags=privileged ; "
        "start_time=[n/a] ; stop_time=[n/a] }\nEnvironmentFiles=/etc/a.env (ignore_errors=no)\n"
        "ExecMainStartTimestamp=Sun 2026-11-22 19:30:00 UTC\nLastTriggerUSec=n/a\n\nId=b.timer\nLoadState=masked\n"
    )
    output = (
        f"{fragment}:3: Unknown key\na.service.d/x: no\n/etc/other.service:1: bad\nxa.service: no\na.service: yes\n"
    )
    exposed = "→ Overall exposure level for a.service: 1.1 OK\n"
    host = Host(show=(0, shown, ""), security=(0, exposed, ""), verify=(1, "", output))
    found = units.look(host, ["b.timer", "a.service"])
    unit = found.units["a.service"]
    assert [call[0][1] for call in host.calls] == ["show", "security", "verify"]
    assert host.calls[1][0][-1] == host.calls[2][0][-1] == "a.service"
    assert (unit.loaded, unit.oneshot, unit.exposure, unit.uid) == (True, True, 1.1, 0)
    assert unit.complaints == (f"{fragment}:3: Unknown key", "a.service: yes")
    assert list(unit.uses) == ["/etc/a.env", "/usr/bin/python3", "/opt/job"]
    assert unit.commands() == [("ExecStart", "/usr/bin/python3", ["-I", "/opt/job", "x"], ["privileged"])]
    assert (unit.time("ExecMainStartTimestamp"), unit.time("LastTriggerUSec")) == (1795375800.0, 0.0)
    assert unit.process is not None
    assert unit.process.uids == (os.getuid(),) * 4
    assert (unit.fragment.directives[0].key, unit.drop_ins[0].fault) == ("User", "No such file or directory")
    assert not found.units["b.timer"].loaded


def test_a_failing_measurement_spoils_exposures_only(monkeypatch):
    monkeypatch.setattr(units.os.path, "isdir", lambda path: True)
    host = Host(show=(0, "Id=a.service\nLoadState=loaded\n", ""), security=(1, "", "no"), verify=(0, "", ""))
    found = units.look(host, ["a.service"])
    assert "exit code 1" in found.exposure_fault
    assert found.units["a.service"].exposure is None


def test_the_way_to_a_file_names_links_and_gaps(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "loop").symlink_to("loop")
    way = path_trace.trace(f"{tmp_path}/link/../link/file")
    assert (way[-1].path, way[-1].kind) == (f"{tmp_path}/real/file", "file")
    assert any(entry.kind == "link" and entry.path == f"{tmp_path}/link" for entry in way)
    assert path_trace.trace(f"{tmp_path}/none/deeper")[-1] == Entry(f"{tmp_path}/none", "missing")
    assert path_trace.trace(f"{tmp_path}/loop")[-1].kind == "link"


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (Entry("/a", "file", 0o644), ""),
        (Entry("/a", "file", 0o664, 0, 7), "/a can be written by gid 7 (mode 0664)"),
        (Entry("/a", "file", 0o602), "/a can be written by everybody (mode 0602)"),
        (Entry("/a", "file", 0o644, 5), "/a belongs to uid 5"),
        (Entry("/a", "directory", 0o1777), ""),
        (Entry("/a", "link", 0o777), ""),
        (Entry("/a", "link", 0o777, 5), "/a belongs to uid 5"),
        (Entry("/a", "missing"), ""),
        (Entry("/a", "file", 0o600, permitted=("uid 9",)), "/a can be written by uid 9 (access control list)"),
    ],
)
def test_who_else_can_change_something(entry, fault):
    assert faults_of([entry]) == ([fault] if fault else [])


def test_an_access_control_list_is_read(tmp_path, monkeypatch):
    rows = [(0x01, 6, 0xFFFFFFFF), (0x02, 6, 1000), (0x02, 4, 1001), (0x08, 7, 50), (0x10, 6, 0xFFFFFFFF)]
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)
    monkeypatch.setattr(units.os, "getxattr", lambda *arguments: packed, raising=False)
    assert path_trace.entry(str(tmp_path)).permitted == ("uid 1000", "gid 50")


def test_a_unit_without_facts_answers_everything():
    unit = UnitFacts("a.timer")
    assert (unit.loaded, unit.kind, unit.files, unit.words("X"), unit.commands()) == (False, "timer", (), [], [])


def test_when_root_changed_a_unit_last(tmp_path):
    paths = {name: tmp_path / name for name in ("unit", "program", "token", "state")}
    for path in paths.values():
        path.write_text("x")
    text = f"[Service]\nLoadCredential=a:{paths['token']}\nLoadCredential=b:{paths['state']}\nLoadCredential=c\n"
    file = units.UnitFile(str(paths["unit"]), (path_trace.entry(str(paths["unit"])),), tuple(manager.directives(text)))
    uses = {str(paths["program"]): path_trace.trace(str(paths["program"]))}
    newest = {name: path.stat().st_ctime for name, path in paths.items()}
    if os.geteuid() == 0:
        os.chown(paths["state"], 4242, 4242)  # newer than all, but another user's
        assert units._changed([file], uses) == newest["token"]
    else:
        assert units._changed([file], uses) == 0.0
