"""The number that the packet filter's unit writes down."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._system import refused_packets


def test_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "refused").write_text("1795000000000000000 12\n")
    assert refused_packets.read(str(tmp_path / "refused")) == (1795000000000000000, 12)
    assert refused_packets.path("acme-gateway") == "/run/acme-gateway-firewall/refused"


@pytest.mark.parametrize("text", ["", "5", "5 -1\n", "5 1", "5 9" + "9" * 30 + "\n", "5 1\n5 1\n", "x 1\n"])
def test_what_is_no_count_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "refused").write_text(text)
    assert refused_packets.read(str(tmp_path / "refused")) is None


def test_a_link_a_fifo_and_nothing_hold_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert [refused_packets.read(str(tmp_path / name)) for name in ("fifo", "link", "nothing")] == [None] * 3
