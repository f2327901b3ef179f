"""Which backups may go: never the last good one."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.retention import (
    Backup,
    made_at,
    newest_good,
    superfluous,
)


def backups(*marks: str) -> list[Backup]:
    """Return backups, the oldest first: g is good, b is not, v is good and verified."""
    return [Backup(str(number), f"{number:03}", mark in "gv", mark == "v") for number, mark in enumerate(marks)]


@pytest.mark.parametrize(
    ("marks", "keep", "gone"),
    [
        ("", 3, ""),
        ("ggg", 3, ""),
        ("gggg", 3, "0"),
        ("gggg", 1, "012"),
        ("gggg", 0, "012"),  # a keep of nothing still keeps one
        ("vggg", 1, "12"),  # the one from which a gateway was ready stays, too
        ("vvgg", 1, "02"),
        ("gbbb", 1, ""),  # a good one is the only one to go back to; what is newer may still be of use
        ("bggb", 1, "01"),
        ("bbbb", 1, ""),
        ("gbg", 1, "01"),
    ],
)
def test_what_may_go(marks: str, keep: int, gone: str) -> None:
    assert superfluous(backups(*marks), keep) == list(gone)


def test_the_newest_good_one_is_taken() -> None:
    assert newest_good(backups(*"gvgb")) == "2"
    assert newest_good(backups("b")) == ""


@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("openclaw-20261130T040028Z.tar.zst", "20261130T040028Z"),
        ("openclaw-20261130T040028Z-2.tar.gz.age", "20261130T040028Z"),
        ("openclaw-acme-20261130T040028Z.tar.gz.gpg", ""),
        ("openclaw-20261130T040028Z.tar.zst.json", ""),
        (".openclaw-20261130T040028Z.tar.zst.0123456789abcdef.hardening-tmp", ""),
        ("other.tar.zst", ""),
    ],
)
def test_only_archives_of_the_project_are_known(name: str, when: str) -> None:
    assert made_at(name, "openclaw") == when
