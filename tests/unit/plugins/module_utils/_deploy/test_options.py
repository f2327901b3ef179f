"""What a rollback on purpose takes from the deployment of before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import options
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import Probe
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import ManagedFile

DEFINITION = ManagedFile("/etc/openclaw/compose.yml", b"services: {}\n", 0o644)


def test_a_previous_deployment_that_cannot_be_probed_is_refused_before_anything_changes(monkeypatch):
    """Its gateway knew none of the paths when it was replaced: nothing could show that it serves again."""
    monkeypatch.setattr(options, "saved_files", lambda *_: [(SimpleNamespace(path=DEFINITION.path), DEFINITION)])
    wanted = SimpleNamespace(definition=SimpleNamespace(path=DEFINITION.path))
    before = SimpleNamespace(probe=Probe("127.0.0.1", 18789, 5, dependencies="/readyz"))
    with pytest.raises(HardeningError, match="found one that cannot be probed, needed one whose gateway knows"):
        options.back_to(wanted, SimpleNamespace(previous="/nowhere"), before)
