"""Programs of root are found without root's PATH, and one that is not there is an error with its name."""

from __future__ import annotations

import os

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._system import program
from ansible_collections.openclaw.hardening.plugins.module_utils._system.command import run


@pytest.fixture
def module():
    with patch_module_args({}):
        yield AnsibleModule({})


def test_the_callers_folders_come_first_and_relative_ones_not_at_all(monkeypatch):
    monkeypatch.setenv("PATH", "/opt/bin::.:bin:/usr/bin:/opt/bin")
    assert program.search_path() == "/opt/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"
    monkeypatch.delenv("PATH")
    assert program.search_path().startswith("/usr/local/sbin:")


def test_a_program_gets_root_s_path_a_home_and_an_open_umask(module, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("HOME", raising=False)
    before = os.umask(0o077)
    try:
        reported = run(module, ["sh", "-c", 'echo "$PATH $HOME $(umask)"']).stdout.split()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert "/usr/sbin" in reported[0].split(":")
    assert reported[1] == os.path.expanduser("~")
    assert int(reported[2], 8) == 0o022


def test_a_program_in_sbin_is_found_and_run(module, monkeypatch, tmp_path):
    (tmp_path / "only-for-root").write_text("#!/bin/sh\necho ran")
    (tmp_path / "only-for-root").chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(HardeningError, match=r"program only-for-root: found No such file .* install its package"):
        run(module, ["only-for-root"])
    monkeypatch.setattr(program, "_ROOT", (str(tmp_path),))
    assert program.find_program("only-for-root") == f"{tmp_path}/only-for-root"
    assert run(module, ["only-for-root"]).stdout == "ran\n"
