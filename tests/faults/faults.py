"""Deployments that cannot work, for hardened_compose and for plain `docker compose`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NOWHERE = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Fault:
    """One way to deploy something bad over a good deployment of version 1.

    :param image: what is deployed (see stubs.py); NOWHERE for one that this host does not have.
    :param reports: what the message has to say, each of them.
    :param patience: seconds until it has to be ready.
    :param plain: who serves after plain `docker compose` did the same: version 1, version 2 or nobody.
    """

    name: str
    image: str = "v1"
    config: dict[str, Any] = field(default_factory=dict)
    reports: tuple[str, ...] = ()
    plain: str = "nobody"
    patience: int = 30

    def __str__(self) -> str:
        """Name the test."""
        return self.name.replace(" ", "-")


FAULTS = (
    Fault("image that ends at once", "exits", reports=("exit code 1", "this image ends at once")),
    Fault("image that never becomes ready", "never-ready", reports=("/startupz: 503",), patience=8),
    Fault(
        "image healthy inside, unreachable from the host", "unreachable", reports=("127.0.0.1", "openclaw_gateway_bind")
    ),
    Fault("image that is not there", NOWHERE, reports=("openclaw:hardened", "image_id"), plain="version 1"),
    Fault(
        "configuration that its check refuses",
        config={"gateway": {"bind": "everywhere"}},
        reports=("gateway.bind: Invalid input", "openclaw_gateway_config"),
    ),
    Fault(
        "configuration that is refused at the start",
        config={"gateway": {"mode": "remote"}},
        reports=("exit code 78", "existing config is missing gateway.mode", "openclaw_gateway_config"),
    ),
)
