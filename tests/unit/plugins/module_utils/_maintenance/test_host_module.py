# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands for Ansible's module object on a host: programs and warnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._maintenance.host_module import HostModule


def test_programs_are_found_in_the_places_of_the_distribution_alone(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "own").write_text("#!/bin/sh\n")
    (tmp_path / "own").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    module = HostModule({})
    assert module.get_bin_path("own") is None
    assert module.get_bin_path("sh", required=True) in ("/usr/bin/sh", "/bin/sh")
    assert module.get_bin_path("own", opt_dirs=[str(tmp_path)]) == str(tmp_path / "own")
    with pytest.raises(HardeningError, match="program own: found none, needed one in PATH"):
        module.get_bin_path("own", required=True)


def test_warnings_are_kept() -> None:
    module = HostModule({})
    module.warn("a")
    assert (module.warnings, module.check_mode, HostModule({}).warnings) == (["a"], False, [])
