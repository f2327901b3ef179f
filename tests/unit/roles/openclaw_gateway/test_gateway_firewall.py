"""The program of the packet filter's unit: how many packets it reports as refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._system import nft

PROGRAM = Path(__file__).parents[4] / "roles/openclaw_gateway/files/gateway_firewall.py"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the program, with the file that the role installs beside it."""
    monkeypatch.setitem(sys.modules, "nft_table", nft)
    spec = importlib.util.spec_from_file_location("gateway_firewall", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(found)
    return found


def test_what_was_refused_before_its_start_is_not_counted(program: ModuleType, tmp_path: Path) -> None:
    refused = program.Refused(str(tmp_path), 7)
    assert (tmp_path / "refused").read_text() == f"{refused.began} 0\n"
    assert (tmp_path / "refused").stat().st_mode & 0o777 == 0o644
    refused.note(7)
    refused.note(9)
    assert (tmp_path / "refused").read_text() == f"{refused.began} 2\n"


def test_a_table_that_was_loaded_again_begins_at_nothing(program: ModuleType, tmp_path: Path) -> None:
    refused = program.Refused(str(tmp_path), 7)
    for count in (10, 0, 4):
        refused.note(count)
    assert refused.total == 3 + 4
    assert [path.name for path in tmp_path.iterdir()] == ["refused"]


def test_a_place_that_cannot_be_written_holds_nothing_up(program: ModuleType, tmp_path: Path) -> None:
    refused = program.Refused(str(tmp_path / "gone"), 0)
    refused.note(3)
    assert refused.total == 3


def test_without_a_place_nothing_is_written(program: ModuleType) -> None:
    refused = program.Refused("", 0)
    refused.note(3)
    assert refused.total == 3


def test_the_count_is_read_from_the_listing() -> None:
    rule = {"family": "inet", "table": "t", "chain": "refused", "expr": [{"counter": {"packets": 12, "bytes": 700}}]}
    other = {**rule, "chain": "host"}
    assert nft.refused(json.dumps({"nftables": [{"rule": rule}, {"rule": other}]})) == 12
    assert nft.refused(None) == 0
    with pytest.raises(ValueError, match="no list"):
        nft.refused("{}")
