"""The names beside an image's own: hosts carry them, so a spelling never changes."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.module_utils._image import tags

NAME = "openclaw:hardened"


def test_the_spelling_of_hosts_that_were_deployed_before_stays():
    assert tags.previous(NAME) == "openclaw:hardened-previous"
    assert tags.rollback(NAME) == "openclaw:hardened-rollback"
    assert tags.rejected(NAME) == "openclaw:hardened-rejected"
    assert tags.CANDIDATE == "openclaw-hardening-candidate"
