# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemon's times, and when a container was started."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.client import as_container
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.times import seconds


@pytest.mark.parametrize(
    ("at", "since_1970"),
    [
        ("2027-01-15T08:00:00.123456789Z", 1_800_000_000),
        ("2027-01-15T08:00:00Z", 1_800_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
        ("", 0),
        ("yesterday", 0),
    ],
)
def test_whole_seconds(at: str, since_1970: int) -> None:
    assert seconds(at) == since_1970
    assert as_container({"Id": "a", "State": {"StartedAt": at}}).started == since_1970


def test_a_container_without_a_state_was_never_started() -> None:
    assert as_container({"Id": "a"}).started == 0
