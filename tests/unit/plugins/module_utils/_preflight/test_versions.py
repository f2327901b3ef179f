"""Versions in what programs print."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._preflight.versions import parse_version, show


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("systemd 257 (257.13-1~deb13u1)", (257,)),
        ("26.1.5+dfsg1", (26, 1, 5)),
        ("2.26.1-4", (2, 26, 1)),
        ("v2.29.7", (2, 29, 7)),
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", (0, 13, 1)),
        ("github.com/docker/buildx v0.17.1 257815a6fbaee88976808020bf04274388275ae8", (0, 17, 1)),
        ("no number here", None),
    ],
)
def test_versions_are_read_from_what_programs_print(text, version):
    assert parse_version(text) == version


def test_a_version_is_shown_as_people_write_it():
    assert show((26, 1, 5)) == "26.1.5"
    assert show(None) == ""
